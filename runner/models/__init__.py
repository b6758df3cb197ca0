"""Models of the format of MLflow: where one is, what it says of itself, and what is done with it."""
