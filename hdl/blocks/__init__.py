"""This room adds up blocks, each of which has scales of its own."""
