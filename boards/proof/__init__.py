"""The proof of a finished bitstream."""
