"""Weights that others quantized, read from the files that their tools write."""
