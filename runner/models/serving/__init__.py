"""A model behind HTTP: the front in our environment, the workers in the model's own."""
