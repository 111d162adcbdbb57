"""A request for a bitstream with a network says which program it runs, and whether that goes into the device."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from typing import Any

from ...formats.network import NetworkShape, Program
from ...hdl import NetworkDesign, multiplications
from ...hdl.emit import to_rtlil
from ...hdl.network.network_build import usual_memories
from ..gateware.top import BoardTop
from ..link.network import BoardNetwork
from ..link.protocol import FRAME_BYTES, MAX_PAYLOAD
from ..targets import board_names, find_board
from ..targets.board import Board
from .bitstream_request import BitstreamRequest, array_name
from .built_network import PROGRAM_SUFFIX, describe_hardware
from .memories import DesignMemory, memories_of, shares

__all__ = ["NetworkRequest", "buffer_for", "dsp_elements", "usual_dsp"]

MOST_BUFFERED = 4096
"""Most bytes of the link's buffer that are chosen so that an image goes into it whole."""


SCALING_DSPS = 4
"""DSPs that are left for each multiplier that scales sums."""


@dataclass(frozen=True)
class NetworkRequest(BitstreamRequest):
    """A bitstream with a network.

    Where the device has large RAM, tensors and weights lie in that, and weights are loaded. Elsewhere all of them lie
    in block RAM, and weights come with the bitstream.

    Parameters
    ----------
    program: what it runs
    pipeline, build: see ``NetworkDesign``
    """

    program: Program
    pipeline: int = 2
    build: str = "auto"

    @cached_property
    def design(self) -> NetworkDesign:
        target = self.board.part.target
        capacity = target.device.capacity
        assert capacity is not None
        store, ports = usual_memories(self.program, capacity.large_rams > 0)
        try:
            return NetworkDesign(
                self.program,
                store,
                ports,
                dsp_elements=dsp_elements(self.board, self.program.shape, self.dsp),
                pipeline=self.pipeline,
                build=self.build,
                family=target.family.name,
            )
        except ValueError as error:
            raise ValueError(f"{self.board.name}: {error}") from None

    @property
    def computes(self) -> BoardNetwork:
        return BoardNetwork.of(self.program, self.design.loads)

    @property
    def name(self) -> str:
        shape = self.program.shape
        between = [] if str(shape.between) == "int8" else [str(shape.between)]
        dsp = [] if self.dsp == usual_dsp(self.board) else ["dsp" if self.dsp == "auto" else "logic"]
        formats = [str(shape.weight), str(shape.activation), *between]
        return "_".join([self.board.name, self.program.name, *formats, array_name(shape), *dsp])

    @cached_property
    def lacks(self) -> str:
        """What of the device's RAM is not enough, in words; the text is empty if all of it is."""
        return _over(self.memories(), self.board)

    def check_room(self) -> None:
        over = self.lacks
        if not over:
            return
        would = ", ".join(self._others(self.memories()))
        advice = f"{would} would do" if would else "fewer bits or a smaller network would do"
        raise ValueError(f"{self.program.name} must fit {self.board.name}: {over}; {advice}")

    def hardware(self) -> dict[str, Any]:
        return describe_hardware(self.design)

    def beside(self) -> dict[str, str]:
        return {PROGRAM_SUFFIX: self.program.text()}

    def memories(self) -> list[DesignMemory]:
        """The memories of the design and of its link."""
        top = BoardTop(self.description(round(self.settings(inf).hz)), self.design)
        return memories_of(to_rtlil(top, "top"))

    def _others(self, memories: list[DesignMemory]) -> Iterator[str]:
        """The boards on which the program has room. Those with the same kinds of RAM have the same memories."""
        known = {_has_large(self.board): memories}
        for name in board_names():
            board = find_board(name)
            if board.part.routed and board.part.name != self.board.part.name:
                kind = _has_large(board)
                try:
                    if kind not in known:
                        known[kind] = replace(self, board=board, baud=None, mhz=None).memories()
                except ValueError:  # of hardware that the shape of the array does not suit
                    continue
                if not _over(known[kind], board):
                    yield name


def usual_dsp(board: Board) -> str:
    """The use of multipliers unless one is named: the board's, and ``none`` where the device has none."""
    capacity = board.part.target.device.capacity
    return board.network_dsp if capacity is not None and capacity.dsps else "none"


def dsp_elements(board: Board, shape: NetworkShape, dsp: str) -> int:
    """How many of an array's elements leave their products to a board's multipliers."""
    capacity = board.part.target.device.capacity
    if dsp != "auto" or capacity is None:
        return 0
    left = capacity.dsps - SCALING_DSPS * shape.outputs
    each = multiplications(shape.arithmetic, shape.lanes, board.part.target.family.name)
    return max(0, min(left // each, shape.rows * shape.columns)) if each else 0


def _has_large(board: Board) -> bool:
    capacity = board.part.target.device.capacity
    assert capacity is not None
    return capacity.large_rams > 0


def _over(memories: list[DesignMemory], board: Board) -> str:
    """What of a device's RAM is not enough, in words; the text is empty if all of it is."""
    taken, capacity = shares(memories, board.part.target), board.part.target.device.capacity
    assert capacity is not None
    for field, there in (("brams", capacity.brams), ("large_rams", capacity.large_rams)):
        parts = {part: getattr(share, field) for part, share in taken.items() if getattr(share, field)}
        if sum(parts.values()) > there:
            kind = "block RAMs" if field == "brams" else "large RAMs"
            each = ", ".join(f"{part} {count}" for part, count in sorted(parts.items(), key=lambda one: -one[1]))
            return f"its memories need {sum(parts.values())} {kind}, the device has {there}: {each}"
    return ""


def buffer_for(program: Program) -> int:
    """Bytes of the link's buffer for a program: so many that an image can wait there, within limits."""
    frames = -(-program.image.size // MAX_PAYLOAD)
    needed = program.image.size + frames * FRAME_BYTES
    return min(MOST_BUFFERED, max(2048, 1 << (needed - 1).bit_length()))
