"""The golden model in NumPy: encoding, decoding and exact arithmetic, by the same names as the hardware."""

from .blocks import block_dot, block_matmul
from .codes import decode, largest_integer
from .cycles import Cycles, cycle_limits, engine_cycles
from .dyadic import dyadic_codes, scale_codes
from .elements.exact import ExactModel
from .elements.model import ElementModel, model_of, register_model
from .elements.ruled import RuledModel
from .encode import encode
from .engine import engine_matmul, zero_point_bias
from .exact import Exact
from .floats import SINGLE, as_floats, float_for
from .lfsr import lfsr_words
from .mac import mac
from .memory import MemoryImage, lay_out, pack_records, pack_rows, unpack_rows
from .memory_cycles import memory_beats, memory_cycles
from .network import (
    answer_order,
    answer_values,
    check_images,
    image_bytes,
    network_answers,
    network_cycles,
    network_images,
    network_pause,
)
from .packed_trits import pack_trits, unpack_trits
from .planes import spread_activations, spread_planes
from .products import dot, matmul, multiply
from .requantize import dequantize, requantize
from .requantize_floats import requantize_floats
from .streams import beside_blocks, pack, unpack

__all__ = [
    "SINGLE",
    "Cycles",
    "ElementModel",
    "Exact",
    "ExactModel",
    "MemoryImage",
    "RuledModel",
    "answer_order",
    "answer_values",
    "as_floats",
    "beside_blocks",
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
    "float_for",
    "image_bytes",
    "largest_integer",
    "lay_out",
    "lfsr_words",
    "mac",
    "matmul",
    "memory_beats",
    "memory_cycles",
    "model_of",
    "multiply",
    "network_answers",
    "network_cycles",
    "network_images",
    "network_pause",
    "pack",
    "pack_records",
    "pack_rows",
    "pack_trits",
    "register_model",
    "requantize",
    "requantize_floats",
    "scale_codes",
    "spread_activations",
    "spread_planes",
    "unpack",
    "unpack_rows",
    "unpack_trits",
    "zero_point_bias",
]
