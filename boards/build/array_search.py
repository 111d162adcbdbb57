"""The array of a network's accelerator is searched for a board: the fastest that fits, by estimates alone.

Many shapes are ranked by what a rough count says of their cycles and their cells. The best of them are lowered and
estimated, whose cycles are exact.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import NamedTuple

from ...families import BlockRam
from ...formats.network import NetworkShape, Product, Program, Record
from ...hdl import NetworkDesign
from ...hdl.network.network_build import usual_memories
from ..targets.board import Board
from .estimate import Estimate, estimate
from .network_cells import features, in_multipliers, logic
from .network_request import NetworkRequest, buffer_for, dsp_elements

__all__ = ["FREE", "ArraySides", "fill_of", "find_array"]

FILL = {0: 0.85, 10_000: 0.7, 50_000: 0.3}
"""Most of a device's LUTs that an array may be estimated to take, for devices of so many LUTs and more. A fuller one
may not be routed, and a large one takes hours: on ULX3S 85F 16,000 LUTs took 5 minutes and 22,000 more than an hour."""

ROWS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16)
COLUMNS = (4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64)
POWERS = (1, 2, 4, 8, 16)

ESTIMATED = 24
"""Most shapes that are estimated."""

PIECE = 32
"""Bits of a word of weights that are loaded."""

BYTE = 8


class ArraySides(NamedTuple):
    """The sides of an array, see ``NetworkShape``; None where any will do."""

    rows: int | None
    columns: int | None
    lanes: int | None
    outputs: int | None


FREE = ArraySides(None, None, None, None)
BASE = (1, 8, 1, 1)
"""The shape whose program tells how many channels each layer reads."""

Shape = tuple[int, int, int, int]


def fill_of(board: Board) -> float:
    """Most of a board's LUTs that an array may be estimated to take."""
    capacity = board.part.target.device.capacity
    assert capacity is not None
    return next(share for least, share in reversed(FILL.items()) if capacity.luts >= least)


def find_array(
    board: Board, dsp: str, program_of: Callable[[Shape], Program], given: ArraySides = FREE
) -> tuple[Program, Estimate] | None:
    """The program for the array that is estimated to give the most images a second without the link, and its estimate.

    Of arrays that are as fast, it is the one with the fewest LUTs. None if no array fits.

    Parameters
    ----------
    dsp: use of the device's multipliers, ``none`` or ``auto``
    program_of: the network's program for rows, columns, lanes and outputs; raises ValueError where there is none
    given: sides that are not searched
    """
    base = program_of(BASE)
    best: tuple[Program, Estimate] | None = None
    ranked = sorted((_cycles(board, base, shape), shape) for shape in _shapes(board, base, dsp, given))
    for cycles, shape in ranked[:ESTIMATED]:
        if best is not None and cycles > best[1].cycles:  # which is no less than it was counted
            break
        try:
            program = program_of(shape)
            made = estimate(NetworkRequest(board, program, dsp=dsp, buffer_bytes=buffer_for(program)))
        except ValueError:  # of hardware that the shape does not suit
            continue
        luts = made.resources["LUTs"]
        if made.fits and luts.used <= fill_of(board) * luts.there and (best is None or _rank(made) < _rank(best[1])):
            best = program, made
    return best


def _rank(made: Estimate) -> tuple[int, int]:
    return made.cycles + made.pause, made.resources["LUTs"].used


def _shapes(board: Board, base: Program, dsp: str, given: ArraySides) -> Iterator[Shape]:
    """Shapes whose logic and weights have room, as far as a rough count can say."""
    target = board.part.target
    capacity, ram = target.device.capacity, target.family.ram
    assert capacity is not None and ram is not None
    single = capacity.large_rams > 0
    bounds = NetworkDesign(base, *usual_memories(base, single), family=target.family.name).hardware.bounds
    sides = [
        (each,) if each is not None else all for each, all in zip(given, (ROWS, COLUMNS, POWERS, POWERS), strict=True)
    ]
    for rows, columns, lanes, outputs in product(*sides):
        if columns % outputs or lanes % outputs or (single and (rows > 1 or columns % lanes)):
            continue
        shape = replace(base.shape, rows=rows, columns=columns, lanes=lanes, outputs=outputs)
        elements = in_multipliers(shape, target.family.name, dsp_elements(board, shape, dsp))
        if logic(features(shape, bounds, elements, dsp != "none")) > fill_of(board) * capacity.luts:
            continue
        if single or _blocks(base, shape, ram) <= capacity.brams:
            yield rows, columns, lanes, outputs


def _blocks(base: Program, shape: NetworkShape, ram: BlockRam) -> int:
    """The block RAMs of activations, of what lies between layers, of weights, and of the link's buffer."""
    words = sum(
        _tiles(record, shape.columns) * _terms(record, shape.columns, shape.lanes) for record in _products(base)
    )
    memories = [
        (shape.activation_word, -(-base.activation_words // shape.lanes), shape.rows),
        (shape.between_word, -(-base.between_words // shape.outputs), 1),
        (shape.weight_word, words, 1),
        (BYTE, buffer_for(base), 1),
    ]
    return sum(ram.blocks(bits, max(1, words), copies) for bits, words, copies in memories)


def _products(base: Program) -> list[Product]:
    return [record for record in base.records if isinstance(record, Product)]


def _tiles(record: Record, columns: int) -> int:
    return -(-record.channels // columns)


def _terms(record: Product, columns: int, lanes: int) -> int:
    """Words of a sum, by a record of ``BASE``; where each tile reads channels of its own, as many as it has."""
    channels = columns if record.tile_step else record.words
    return record.window.taps * -(-channels // lanes)


def _cycles(board: Board, base: Program, shape: Shape) -> int:
    """Cycles of an image in an array of this shape: taps, or the rounding of sums where that takes longer."""
    rows, columns, lanes, outputs = shape
    capacity = board.part.target.device.capacity
    loads = capacity is not None and capacity.large_rams > 0
    pieces = -(-columns * lanes * base.shape.weight.width // PIECE) if loads else 0
    total = 0
    for record in base.records:
        groups = record.height * -(-record.width // rows)
        if isinstance(record, Product):
            terms = _terms(record, columns, lanes)
            beats = min(rows, record.width) * -(-min(columns, record.channels) // outputs) * max(1, len(record.outputs))
            total += _tiles(record, columns) * (groups * max(terms, beats) + pieces * terms)
        else:
            total += record.pixels * record.window.taps * -(-record.channels // outputs)
    return total
