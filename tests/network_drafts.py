"""What random programs are made of, before their tensors have places."""

from dataclasses import dataclass, field
from math import isqrt
from typing import Any

import numpy as np
from fewbit.formats import Format, parse
from fewbit.formats.network import NetworkShape, View

__all__ = ["FOREVER", "Block", "Draft", "Tensor", "random_shape", "spread"]

WEIGHTS = ("int8", "int4", "int3", "int2s", "sm4", "e2m1", "e3m0", "e1m2", "e4m3", "codebook3e-2x0137fdc9")
ACTIVATIONS = ("int8", "uint8", "int4", "uint4", "e2m1", "ue2m2", "e3m2", "e4m3", "sm5", "codebook2e0x012e")
BETWEENS = ("int8", "int8", "int6", "int8s", "uint8", "sm6", "e2m3", "e3m2", "e4m3")
WITH_ZERO_POINTS = ("int8", "uint8", "int8s", "int4", "uint4", "int6")
FOREVER = 1 << 20
"""When a block of memory is given up that always lives: behind every record."""


@dataclass
class Block:
    """Words of a memory that are written and read as a whole: a tensor, or several that are concatenated."""

    memory: str
    pixels: int
    words: int
    born: int
    last: int
    base: int = 0


@dataclass
class Tensor:
    """A tensor within a block, from a word of each pixel on; ``channels`` holds whether each code is one of them."""

    block: Block
    height: int
    width: int
    word: int
    words: int
    channels: list[bool]

    @property
    def view(self) -> View:
        """Where it lies, once blocks have their places."""
        return View(self.block.base + self.word, self.height, self.width, self.words, self.block.words)

    @property
    def plain(self) -> int | None:
        """The number of its channels where no code between two of them is none."""
        count = sum(self.channels)
        return count if all(self.channels[:count]) else None


@dataclass
class Draft:
    """A record before its tensors have places."""

    fields: dict[str, Any]
    source: Tensor
    targets: dict[str, Tensor] = field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)
    residual: Tensor | None = None
    residual_zero: int = 0
    weights: list[int] = field(default_factory=list)


def random_shape(random: np.random.Generator, **fields: Any) -> NetworkShape:
    """A small accelerator; ``fields`` are those of ``NetworkShape`` that are given, formats as objects or names."""
    zero_points = fields.get("zero_points", bool(random.random() < 0.25))
    lanes = fields.get("lanes", int(2 ** random.integers(0, 4)))
    outputs = fields.get("outputs", int(2 ** random.integers(0, lanes.bit_length())))
    known: dict[str, Any] = {
        "weight": str(random.choice(WEIGHTS)),
        "activation": str(random.choice(WITH_ZERO_POINTS if zero_points else ACTIVATIONS)),
        "between": str(random.choice(WITH_ZERO_POINTS if zero_points else BETWEENS)),
        "rows": int(random.integers(1, 5)),
        "columns": outputs * int(random.integers(1, 1 + max(1, 8 // outputs))),
        "lanes": lanes,
        "outputs": outputs,
        "multiplier_bits": int(random.choice((1, 4, 8, 16))),
        "residual_shifts": tuple(sorted({0, *(int(shift) for shift in random.integers(0, 9, random.integers(0, 3)))})),
        "zero_points": zero_points,
        **fields,
    }
    formats = {name: known[name] for name in ("weight", "activation", "between")}
    known |= {name: parse(format) if isinstance(format, str) else format for name, format in formats.items()}
    return NetworkShape(**known)


def spread(format: Format) -> int:
    """How great a format's integers are, about."""
    return max(1, isqrt(sum(format.integer(code) ** 2 for code in format.codes) // format.code_count))
