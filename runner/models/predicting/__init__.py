"""Predictions for files: in chunks, by the model's own environment."""
