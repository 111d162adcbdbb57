"""The golden model in NumPy: encoding, decoding and exact arithmetic, by the same names as the hardware."""

from .blocks import block_dot, block_matmul
from .codes import decode
from .cycles import Cycles, cycle_limits, engine_cycles
from .dyadic import dyadic_codes, scale_codes
from .elements.exact import ExactModel
from .elements.model import ElementModel, model_of, register_model
from .elements.ruled import RuledModel
from .encode import encode
from .engine import engine_matmul, zero_point_bias
from .exact import Exact
from .floats import as_floats, float_of_sums
from .lfsr import lfsr_words
from .mac import mac
from .network import (
    answer_order,
    answer_values,
    check_images,
    image_bytes,
    network_answers,
    network_cycles,
    network_pause,
)
from .planes import spread_activations, spread_planes
from .products import dot, matmul, multiply
from .requantize import dequantize, requantize
from .streams import pack, unpack

__all__ = [
    "Cycles",
    "ElementModel",
    "Exact",
    "ExactModel",
    "RuledModel",
    "answer_order",
    "answer_values",
    "as_floats",
    "block_dot",
    "block_matmul",
    "check_images",
    "cycle_limits",
    "decode",
    "dequantize",
    "dot",
    "dyadic_codes",
    "encode",
    "engine_cycles",
    "engine_matmul",
    "float_of_sums",
    "image_bytes",
    "lfsr_words",
    "mac",
    "matmul",
    "model_of",
    "multiply",
    "network_answers",
    "network_cycles",
    "network_pause",
    "pack",
    "register_model",
    "requantize",
    "scale_codes",
    "spread_activations",
    "spread_planes",
    "unpack",
    "zero_point_bias",
]
