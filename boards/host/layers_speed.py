"""How fast a network is that goes through a board's matmul engine layer by layer is bounded by the link."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Engine
from ...formats.network import Program
from ...sim.network import NetworkModel
from ..link.protocol import FRAME_BYTES, MAX_PAYLOAD
from ..targets.board import BITS_A_BYTE
from .challenge import random_images
from .layers import used_rows
from .tiles import depth_refusal, most_bytes, result_bytes, split, stream_bytes

__all__ = ["Size", "exact_depth", "layer_sizes", "link_seconds"]

Array = NDArray[Any]
Size = tuple[int, int, int]


def exact_depth(engine: Engine) -> int:
    """``max_k`` if an engine's output holds every sum of so many products, else the largest power of two below it of
    which that is true; 0 for none."""
    if not depth_refusal(engine):
        return engine.max_k
    depth = 1 << engine.max_k.bit_length() - 1
    while depth and depth_refusal(replace(engine, max_k=depth)):
        depth >>= 1
    return depth


def link_seconds(engine: Engine, sizes: Sequence[Size], baud: int) -> float:
    """The least time, in seconds, that the link takes for an image: it carries operands and sums both ways at once.

    For each product it is the time of the direction that carries more. What the host and the array need, and what the
    board says besides sums, comes on top.

    ``sizes``: m, k and n of every product, as ``layer_sizes`` tells
    """
    total = 0
    for m, k, n in sizes:
        tiles = split(engine, m, k, n, most_bytes(baud))
        sent = sum(_framed([6, *stream_bytes(engine, tile.m, tile.k, tile.n).values()]) for tile in tiles)
        received = sum(_framed([result_bytes(engine, tile.m, tile.n)]) for tile in tiles)
        total += max(sent, received)
    return total * BITS_A_BYTE / baud


def _framed(sizes: list[int]) -> int:
    return sum(size + -(-size // MAX_PAYLOAD) * FRAME_BYTES for size in sizes)


def layer_sizes(program: Program) -> list[Size]:
    """m, k and n of every product of an image, in order."""
    found: list[Size] = []

    def multiply(activation: Array, weight: Array) -> Array:
        used = int(used_rows(program.shape.weight, weight).sum())
        if used:
            found.append((len(activation), used, weight.shape[1]))
        return np.zeros((len(activation), weight.shape[1]), dtype=np.int64)

    NetworkModel(program, multiply).answers(random_images(program, np.random.default_rng(1), 1))
    return found
