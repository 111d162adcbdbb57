"""Sums over blocks, each with scales of its own."""
