"""The golden model in NumPy: encoding, decoding and exact arithmetic, by the same names as the hardware."""

from .arithmetic import dot, matmul, multiply
from .blocks import block_dot, block_matmul
from .codes import decode
from .dyadic import dyadic_codes
from .encode import encode
from .exact import Exact
from .lfsr import lfsr_words
from .mac import mac
from .requantize import dequantize, requantize

__all__ = [
    "Exact",
    "block_dot",
    "block_matmul",
    "decode",
    "dequantize",
    "dot",
    "dyadic_codes",
    "encode",
    "lfsr_words",
    "mac",
    "matmul",
    "multiply",
    "requantize",
]
