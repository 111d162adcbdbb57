"""This room is the matmul engine: loops, panels of operands, arrays, the drain of sums, and the edge around them."""
