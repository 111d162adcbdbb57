"""The golden model in NumPy: encoding, decoding and exact arithmetic, by the same names as the hardware."""

from .arithmetic import dot, matmul, multiply
from .codes import decode
from .encode import encode
from .exact import Exact
from .mac import mac

__all__ = ["Exact", "decode", "dot", "encode", "mac", "matmul", "multiply"]
