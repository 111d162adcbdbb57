"""Programming boards."""
