"""What a point's hardware costs."""
