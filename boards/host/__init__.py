"""The host's side: products on a board, attached or simulated."""
