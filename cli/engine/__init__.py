"""Commands on the shape of a matmul engine."""
