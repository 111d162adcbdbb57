"""A network behind the board's link in Amaranth's simulator: images, answers and weights, frame by frame."""

from network_on_board import linear_program

PROGRAM = linear_program()
