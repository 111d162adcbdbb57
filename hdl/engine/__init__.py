"""The matmul engine: loops, panels of operands, arrays, the way out, and the edge around them."""
