"""The golden model in NumPy: encoding, decoding and exact arithmetic, by the same names as the hardware."""

from .arithmetic import dot, matmul, multiply
from .blocks import block_dot, block_matmul
from .codes import decode
from .cycles import Cycles, cycle_limits, engine_cycles
from .dyadic import dyadic_codes, scale_codes
from .encode import encode
from .engine import engine_matmul, zero_point_bias
from .exact import Exact
from .lfsr import lfsr_words
from .mac import mac
from .requantize import dequantize, requantize
from .streams import pack, unpack

__all__ = [
    "Cycles",
    "Exact",
    "block_dot",
    "block_matmul",
    "cycle_limits",
    "decode",
    "dequantize",
    "dot",
    "dyadic_codes",
    "encode",
    "engine_cycles",
    "engine_matmul",
    "lfsr_words",
    "mac",
    "matmul",
    "multiply",
    "pack",
    "requantize",
    "scale_codes",
    "unpack",
    "zero_point_bias",
]
