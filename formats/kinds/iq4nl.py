"""The 16 integers that llama.cpp's IQ4_NL and IQ4_XS quantize weights to."""

from ..table import Table
from . import named

__all__ = ["NAMES"]

# In ggml these are kvalues_iq4nl. There is no zero among them.
NAMES = named("iq4nl", Table("iq4nl", (-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113)))
