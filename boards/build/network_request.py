"""A request for a bitstream with a network says which program it runs, and whether that goes into the device."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

from ...formats.network import Program
from ...hdl.emit import to_rtlil
from ..gateware.accelerator import Accelerator
from ..gateware.pll import Direct
from ..gateware.top import BoardTop
from ..link.network import BoardNetwork
from ..link.protocol import FRAME_BYTES, MAX_PAYLOAD
from ..targets import board_names, find_board
from ..targets.board import Board
from .bitstream_request import BitstreamRequest
from .memories import Share, memories_of, shares

__all__ = ["NetworkRequest", "buffer_for"]

MOST_BUFFERED = 4096
"""Most bytes of the link's buffer that are chosen so that an image goes into it whole."""


@dataclass(frozen=True)
class NetworkRequest(BitstreamRequest):
    """A bitstream with a network.

    Where the device has large RAM, tensors and weights lie in that, and weights are loaded. Elsewhere all of them lie
    in block RAM, and weights come with the bitstream.

    Parameters
    ----------
    program: what it runs
    pipeline, build: see ``Accelerator``
    """

    program: Program
    pipeline: int = 2
    build: str = "auto"

    @cached_property
    def design(self) -> Accelerator:
        target, shape = self.board.part.target, self.program.shape
        capacity = target.device.capacity
        assert capacity is not None
        elements = min(capacity.dsps // shape.lanes, shape.rows * shape.columns) if self.dsp == "auto" else 0
        memory = ("loaded", "spram") if capacity.large_rams else ("initialized", "dual")
        return Accelerator(self.program, *memory, self.pipeline, self.build, target.family.name, elements)

    @property
    def computes(self) -> BoardNetwork:
        return BoardNetwork.of(self.program, self.design.loads)

    @property
    def name(self) -> str:
        shape = self.program.shape
        array = f"{shape.rows}x{shape.columns}x{shape.lanes}"
        return f"{self.board.name}_{self.program.name}_{shape.weight}_{shape.activation}_{array}"

    def check_room(self) -> None:
        taken, capacity = self._shares(), self.board.part.target.device.capacity
        assert capacity is not None
        needed = (sum(share.brams for share in taken.values()), sum(share.large_rams for share in taken.values()))
        over = [
            (kind, count, there, [f"{part} {share[field]}" for part, share in taken.items() if share[field]])
            for field, (kind, count, there) in enumerate(
                (("block RAMs", needed[0], capacity.brams), ("large RAMs", needed[1], capacity.large_rams))
            )
            if count > there
        ]
        if not over:
            return
        kind, count, there, parts = over[0]
        would = ", ".join(self._others())
        advice = f"; {would} would do" if would else "; fewer bits, a smaller array or a smaller network would do"
        raise ValueError(
            f"{self.program.name} must fit {self.board.name}: its memories need {count} {kind}, the device has {there}: "
            f"{', '.join(parts)}{advice}"
        )

    def _shares(self) -> dict[str, Share]:
        """What each part of the design takes of the device's RAM."""
        top = BoardTop(self.description(round(self.settings(inf).hz)), self.design)
        return shares(memories_of(to_rtlil(top, "top")), self.board.part.target)

    def _others(self) -> Iterable[str]:
        """The boards on which the program has room."""
        for name in board_names():
            board = find_board(name)
            if board.part.routed and board.part.name != self.board.part.name and self._has_room(board):
                yield name

    def _has_room(self, board: Board) -> bool:
        try:
            other = replace(self, board=board, baud=None, mhz=None)
            taken = other._shares().values()
        except ValueError:
            return False
        capacity = board.part.target.device.capacity
        assert capacity is not None
        brams, large = (sum(share[field] for share in taken) for field in (0, 1))
        return brams <= capacity.brams and large <= capacity.large_rams


def buffer_for(program: Program) -> int:
    """Bytes of the link's buffer for a program: so many that an image can wait there, within limits."""
    frames = -(-program.image.size // MAX_PAYLOAD)
    needed = program.image.size + frames * FRAME_BYTES
    return min(MOST_BUFFERED, max(2048, 1 << (needed - 1).bit_length()))
