"""What an array of the matmul engine is made of."""
