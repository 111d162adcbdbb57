"""A product of any size is cut into tiles, each of which a board computes as one PRODUCT, and each tile into frames."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...formats import MAX_SIZE, Engine, product_range
from ...sim.engine import engine_matmul
from ...sim.streams import beats, pack
from ..link.protocol import MAX_PAYLOAD, STREAM_KINDS, Kind
from ..targets.board import BITS_A_BYTE

__all__ = [
    "Tile",
    "check_depth",
    "depth_refusal",
    "frames",
    "golden",
    "most_bytes",
    "result_bytes",
    "split",
    "stream_bytes",
]

Array = NDArray[Any]
Parameters = Mapping[str, ArrayLike | None]

TILE_SECONDS = 1.0
"""Seconds of link time that one PRODUCT takes. They are lost if it has to be sent again."""

_CHANNEL = ("scale", "bias")
_TENSOR = ("scale", "tensor_scale", "zero_point", "weight_zero_point")


@dataclass(frozen=True)
class Tile:
    """The part of a product that one PRODUCT computes. Ends are exclusive.

    Parameters
    ----------
    top, bottom: the range of rows of A and C
    left, right: the range of columns of W and C
    first, end: the range of k, columns of A and rows of W
    """

    top: int
    bottom: int
    left: int
    right: int
    first: int
    end: int

    @property
    def m(self) -> int:
        return self.bottom - self.top

    @property
    def n(self) -> int:
        return self.right - self.left

    @property
    def k(self) -> int:
        return self.end - self.first

    def parameters(self, engine: Engine, given: Parameters) -> dict[str, ArrayLike | None]:
        """The parameters of ``sim.engine_matmul`` that belong to this tile."""
        cut = dict(given)
        for name in _CHANNEL:
            value = given.get(name)
            if value is not None and np.ndim(value):
                cut[name] = np.asarray(value)[self.left : self.right]
        if engine.blocks is not None:
            cut["activation_scale"] = np.asarray(given["activation_scale"])[self.top : self.bottom]
            for name in ("weight_scale", *(["weight_zero_point"] if engine.blocks.zero_points else [])):
                cut[name] = np.asarray(given[name])[:, self.left : self.right]
        return cut

    def operands(self, a: Array, w: Array) -> tuple[Array, Array]:
        return a[self.top : self.bottom, self.first : self.end], w[self.first : self.end, self.left : self.right]


def most_bytes(baud: int) -> int:
    """The bytes that a link of so many bits a second carries for a tile in either direction."""
    return int(TILE_SECONDS * baud / BITS_A_BYTE)


def split(engine: Engine, m: int, k: int, n: int, most_bytes: int) -> list[Tile]:
    """Cut a product into tiles, one panel of A after the other, so that rows of C are completed in order.

    A panel has ``tile_m`` rows. The columns of W are cut so that neither direction of the link carries more than about
    ``most_bytes`` for a tile. Every tile sends its rows of A again, and these are at most half of what it sends. Raises
    ValueError if k is too long and must not be cut.
    """
    check_depth(engine, k)
    tiles = []
    for top in range(0, m, engine.tile_m):
        bottom = min(m, top + engine.tile_m)
        step = _columns(engine, bottom - top, min(k, engine.max_k), most_bytes)
        for left in range(0, n, step):
            for first in range(0, k, engine.max_k):
                tiles.append(Tile(top, bottom, left, min(n, left + step), first, min(k, first + engine.max_k)))
    return tiles


def _columns(engine: Engine, m: int, k: int, most_bytes: int) -> int:
    """The number of columns of W in a tile, which are whole panels, at least one."""
    sizes = stream_bytes(engine, m, k, engine.columns)
    fixed = sizes.pop("a") + sizes.pop("a_scales", 0)
    panel = max(sum(sizes.values()), 1)
    sent = max(most_bytes - fixed, fixed) // panel
    received = most_bytes // max(result_bytes(engine, m, engine.columns), 1)
    return max(1, min(sent, received, MAX_SIZE // engine.columns)) * engine.columns


def check_depth(engine: Engine, k: int) -> None:
    """Raise ValueError if k is too long and must not be cut."""
    refusal = depth_refusal(engine) if k > engine.max_k else ""
    if refusal:
        raise ValueError(
            f"k must be at most {engine.max_k} on this board, not {k}: {refusal}. "
            f"Build it with --max-k {min(k, MAX_SIZE)}"
        )


def depth_refusal(engine: Engine) -> str:
    """Why the host must not add up parts of k for this engine; the text is empty if it may.

    It may if the board gives the exact sum itself: nothing is scaled, added or cut off, and the output holds every sum
    of ``max_k`` products without rounding and without saturating.
    """
    how = engine.requantization
    fields = (*engine.tensor_fields, *engine.channel_fields)
    if engine.blocks is not None:
        return "sums with block scales are rounded once, on the board"
    if fields:
        return f"sums are rounded once, on the board, with its {fields[0].replace('_', ' ')}"
    if how.relu:
        return "the ReLU is done once, on the board"
    if not _holds(engine):
        return f"{how.output} does not hold every exact sum of {engine.max_k} products, and sums are rounded only once"
    return ""


def _holds(engine: Engine) -> bool:
    """Whether every finite sum of ``max_k`` products is a value of the output, so that none is rounded."""
    sums = engine.accumulator
    output = engine.requantization.output
    if sums.specials or sums.lsb_exponent < output.lsb_exponent:
        return False
    corners = [corner * engine.max_k for corner in product_range(engine.weight, engine.activation)]
    unit = 1 << sums.lsb_exponent - output.lsb_exponent
    return output.holds(min(0, *corners), max(0, *corners), unit)


def stream_bytes(engine: Engine, m: int, k: int, n: int) -> dict[str, int]:
    """The number of bytes in each input stream of a PRODUCT with one panel of A, by the stream's name."""
    slices = -(-k // engine.k_step)
    groups, panels = -(-m // engine.rows), -(-n // engine.columns)
    words = {
        "a": slices * (groups if engine.output_stationary else m),
        "w": slices * panels * (1 if engine.output_stationary else engine.rows),
        "p": n,
    }
    if engine.blocks is not None:
        blocks = -(-k // engine.blocks.size)
        words |= {"a_scales": groups * blocks, "w_scales": panels * blocks}
    bits = engine.stream_bits
    return {name: count * -(-bits[name] // 8) for name, count in words.items() if name in bits}


def result_bytes(engine: Engine, m: int, n: int) -> int:
    """The number of bytes of C."""
    return beats(engine, m, n) * -(-engine.stream_bits["c"] // 8)


def frames(engine: Engine, tile: Tile, a: Array, w: Array, given: Parameters) -> Iterator[tuple[Kind, bytes]]:
    """Yield the PRODUCT of a tile and all its streams, in an order in which the board never waits for later bytes.

    All of A comes first, because the engine has room for a panel of it. Then, for each panel of W, come the parameters
    of its columns, its block scales, and W itself. The engine needs nothing for a panel that comes after that panel.

    Parameters
    ----------
    a, w: codes of all of A and W
    given: parameters of ``sim.engine_matmul`` for the whole product
    """
    part_a, part_w = tile.operands(a, w)
    parameters = tile.parameters(engine, given)
    wanted = {name: parameters.get(name) for name in (*engine.channel_fields,)}
    if engine.blocks is not None:
        wanted |= {name: parameters[name] for name in ("activation_scale", "weight_scale")}
        if engine.blocks.zero_points:
            wanted["weight_zero_point"] = parameters["weight_zero_point"]
    streams = pack(engine, part_a, part_w, **wanted)
    yield Kind.PRODUCT, _head(engine, tile, parameters)
    for name in ("a", "a_scales"):
        if name in streams:
            yield from _cut(name, streams[name].tobytes())
    panels = -(-tile.n // engine.columns)
    if "p" not in streams and "w_scales" not in streams:
        yield from _cut("w", streams["w"].tobytes())
        return
    for panel in range(panels):
        for name in ("p", "w_scales", "w"):
            if name in streams:
                words = engine.columns if name == "p" else len(streams[name]) // panels
                yield from _cut(name, streams[name][panel * words : (panel + 1) * words].tobytes())


def _head(engine: Engine, tile: Tile, parameters: Parameters) -> bytes:
    """The payload of a PRODUCT."""
    payload = b"".join(size.to_bytes(2, "little") for size in (tile.m, tile.n, tile.k))
    for name, bits in engine.tensor_fields.items():
        value = int(np.asarray(parameters[name])) & ((1 << bits) - 1)
        payload += value.to_bytes(-(-bits // 8), "little")
    return payload


def _cut(stream: str, content: bytes) -> Iterator[tuple[Kind, bytes]]:
    for start in range(0, len(content), MAX_PAYLOAD):
        yield STREAM_KINDS[stream], content[start : start + MAX_PAYLOAD]


def golden(engine: Engine, computed: list[tuple[Tile, int]], a: Array, w: Array, given: Parameters) -> Array:
    """C as the golden model computes it tile by tile, which is what ``Device.matmul`` must return.

    It is codes, or sums of parts if k was cut.

    Parameters
    ----------
    computed: the tiles, each with the words of C that the board had given since its reset before it, as
        ``Device.computed`` has them
    """
    parts = []
    for tile, earlier in computed:
        parameters = tile.parameters(engine, given)
        parts.append(engine_matmul(engine, *tile.operands(a, w), **parameters, earlier=earlier))  # type: ignore[arg-type]
    return assemble(engine, [tile for tile, _ in computed], parts)


def assemble(engine: Engine, tiles: list[Tile], parts: list[Array]) -> Array:
    """Put C, (m, n), together from the codes of its tiles. It is codes, or int64 or float64 values if k was cut."""
    shape = max(tile.bottom for tile in tiles), max(tile.right for tile in tiles)
    cut = any(tile.first for tile in tiles)
    c: Array = np.zeros(shape, dtype=np.int64 if cut else parts[0].dtype)
    for tile, part in zip(tiles, parts, strict=True):
        place = c[tile.top : tile.bottom, tile.left : tile.right]
        if cut:
            place += _integers(engine, part)
        else:
            place[...] = part
    exponent = engine.accumulator.lsb_exponent
    return c if not cut or exponent == 0 else np.ldexp(c.astype(np.float64), exponent)


def _integers(engine: Engine, codes: Array) -> Array:
    """The exact sums that codes stand for, in units of the accumulator's lowest bit."""
    from ...sim import decode

    return np.ldexp(decode(codes, engine.requantization.output), -engine.accumulator.lsb_exponent).astype(np.int64)
