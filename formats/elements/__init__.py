"""Kinds of element beside the exact one, each in a file of its own, which ``formats.element`` finds."""
