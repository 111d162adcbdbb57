"""What a network takes on a board, and how fast it runs there, is told before anything is synthesized."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ...formats.network import Product, Program
from ...sim import network_cycles, network_pause
from ...sim.network import RecordCycles
from ..link.network import BoardNetwork
from ..link.protocol import FRAME_BYTES, MAX_PAYLOAD
from ..targets.board import BITS_A_BYTE
from .memories import planned_memories, shares
from .network_cells import cells
from .network_request import NetworkRequest

__all__ = ["CLOCKS", "Amount", "Estimate", "estimate", "reason"]

CLOCKS = {
    "Lattice iCE40-UP5K": (20.6, 28.1),
    "Lattice iCE40-HX8K": (39.0, 62.2),
    "Lattice LFE5U-12F": (60.0, 73.8),
    "Lattice LFE5U-85F": (51.9, 70.8),
    "Lattice LFE5U-25F": (80.0, 91.5),
    "Gowin GW1NR-9C": (75.0, 91.1),
}
"""The slowest and the fastest clock, in MHz, of the bitstreams of results/boards.csv and results/network/boards, by the
name of the part."""


@dataclass(frozen=True)
class Amount:
    """How many of a resource are taken, and how many there are."""

    used: int
    there: int

    @property
    def fits(self) -> bool:
        return self.used <= self.there


@dataclass(frozen=True)
class Estimate:
    """A network on a board.

    Members
    -------
    program, board: what and where; the board by its name
    resources: by name; LUTs are estimated, ``lut_error`` of them off as far as is known
    lut_error: the root of the mean square of what estimates of accelerators that were synthesized are off, relative
    clocks: the slowest and the fastest clock to expect, in Hz; None where no bitstream of the part was routed
    records: the exact cycles of each record
    pause: cycles between two images, in which one is taken from the link's buffer
    frame_bytes: bytes of an image and of an answer on the link
    waiting: those of an image that have to wait on the host until the image before is answered
    baud: of the link
    """

    program: Program
    board: str
    resources: dict[str, Amount]
    lut_error: float
    clocks: tuple[float, float] | None
    records: tuple[RecordCycles, ...]
    pause: int
    frame_bytes: tuple[int, int]
    waiting: int
    baud: int

    @property
    def cycles(self) -> int:
        """From the first cycle of an image to its last sum."""
        return sum(record.cycles for record in self.records)

    @property
    def fits(self) -> bool:
        return all(amount.fits for amount in self.resources.values())

    @property
    def busy(self) -> float:
        """The share of an image's cycles in which the array takes words."""
        return sum(self._taps) / (self.cycles + self.pause)

    @property
    def slowest(self) -> RecordCycles:
        """The record that takes the most cycles."""
        return max(self.records, key=lambda record: record.cycles)

    @cached_property
    def _taps(self) -> list[int]:
        pairs = zip(self.records, self.program.records, strict=True)
        return [found.taps for found, record in pairs if isinstance(record, Product)]

    def rate(self, hz: float, link: bool) -> float:
        """Images a second at a clock, with the link in, which works while an image is computed, or without."""
        computed = (self.cycles + self.pause) / hz
        sent, waited = (count * BITS_A_BYTE / self.baud for count in (max(self.frame_bytes), self.waiting))
        return 1 / (max(computed + waited, sent) if link else computed)

    def to_dict(self) -> dict[str, Any]:
        """It in plain values, as JSON has it."""
        shape = self.program.shape
        rates = {
            name: None if self.clocks is None else [self.rate(hz, link) for hz in self.clocks]
            for name, link in (("images_per_second", True), ("images_per_second_without_link", False))
        }
        return {
            "board": self.board,
            "network": self.program.name,
            **{name: getattr(shape, name).name for name in ("weight", "activation", "between")},
            **{name: getattr(shape, name) for name in ("rows", "columns", "lanes", "outputs", "multiplier_bits")},
            "products_a_cycle": shape.products_a_cycle,
            "resources": {name: [amount.used, amount.there] for name, amount in self.resources.items()},
            "lut_error": self.lut_error,
            "fits": self.fits,
            "clock_hz": None if self.clocks is None else list(self.clocks),
            "baud": self.baud,
            "cycles": self.cycles,
            "pause": self.pause,
            "busy": self.busy,
            **rates,
            "records": [{**record._asdict(), "rest": record.rest, "bound": reason(record)} for record in self.records],
        }


def reason(record: RecordCycles) -> str:
    """What bounds a record: what most of its cycles are spent with."""
    spent = {
        "taps": record.taps,
        "weights": record.weights,
        "sums": record.sums,
        "memory": record.memory,
        "begin and end": record.rest,
    }
    return max(spent, key=lambda name: spent[name])


def estimate(request: NetworkRequest) -> Estimate:
    """The estimate for a bitstream that is wanted. Raises ValueError where hardware or link cannot be as asked."""
    program, board, design = request.program, request.board, request.design
    capacity = board.part.target.device.capacity
    assert capacity is not None
    timing = design.hardware.timing
    found = cells(design, request.dsp != "none")
    taken = shares(planned_memories(design, request.buffer_bytes), board.part.target).values()
    resources = {
        "LUTs": Amount(found.logic, capacity.luts),
        "block RAMs": Amount(sum(share.brams for share in taken), capacity.brams),
        "large RAMs": Amount(sum(share.large_rams for share in taken), capacity.large_rams),
        "DSPs": Amount(found.dsps, capacity.dsps),
    }
    frame_bytes = _bytes(BoardNetwork.of(program, design.loads))
    clocks = CLOCKS.get(board.part.name)
    band = None if clocks is None else (clocks[0] * 1e6, clocks[1] * 1e6)
    return Estimate(
        program,
        board.name,
        {name: amount for name, amount in resources.items() if amount.used or amount.there},
        found.error,
        band,
        network_cycles(program, timing),
        network_pause(program, timing),
        frame_bytes,
        0 if program.image.resident else max(0, frame_bytes[0] - request.buffer_bytes),
        request.description(round((band or (board.part.first_mhz * 1e6,))[0])).baud,
    )


def _bytes(network: BoardNetwork) -> tuple[int, int]:
    """Bytes of an image and of an answer on the link, those of their frames among them."""
    sizes = (network.image_bytes, network.answer_bytes)
    first, second = (size + -(-size // MAX_PAYLOAD) * FRAME_BYTES for size in sizes)
    return first, second
