"""A session with a board: it is asked what it is, and computes tasks."""

import random

from ... import __version__
from ...formats import Engine
from ...formats.network import Program
from ..link.description import MAX_DESCRIPTION, Description
from ..link.network import BoardNetwork
from ..link.protocol import BLOCK_BYTES, Kind, Status
from .channel import Channel, Statistics, Trouble
from .layers import check_layers
from .transport import LinkError, Transport
from .worker import TRIES, Worker

__all__ = ["Session"]

BLOCKS = -(-(MAX_DESCRIPTION + 2) // BLOCK_BYTES)


class Session:
    """What a host and a board know of each other.

    Parameters
    ----------
    transport, timeout, seed, patience: see ``Device``

    Attributes
    ----------
    description: what the board says of itself
    channel, worker: send frames, and have the board compute
    is_closed: whether the transport was given back

    Raises LinkError if no board answers, or one of another fewbit.
    """

    def __init__(self, transport: Transport, timeout: float, seed: int | None, patience: float):
        self._transport = transport
        self.channel = Channel(transport, timeout, random.Random(seed), patience)
        self.worker = Worker(self.channel)
        self.is_closed = False
        self.description = self._describe()
        if self.description.version not in ("", __version__):
            raise LinkError(
                f"{self.place} has a bitstream of fewbit {self.description.version}, and this is {__version__}: "
                "build and flash it anew"
            )
        self.channel.buffer_bytes = self.description.buffer_bytes
        self.channel.baud = self.description.baud
        self.channel.has_network = isinstance(self.description.computes, BoardNetwork)

    @property
    def place(self) -> str:
        """Which board it is, in the words of messages."""
        return f"the board at {self._transport.name}"

    @property
    def statistics(self) -> Statistics:
        return self.channel.statistics

    @property
    def lacks_weights(self) -> bool:
        """Whether the board said after its last reset that it has no weights, and computed nothing since then."""
        return self.channel.is_unloaded and not self.worker.given

    def close(self) -> None:
        self.is_closed = True
        self._transport.close()

    def check_open(self) -> None:
        """Raise LinkError if the session is closed."""
        if self.is_closed:
            raise LinkError("the device is closed: open another")

    def check_description(self, description: Description) -> None:
        """Raise LinkError if the board is another than this one."""
        if description.text() != self.description.text():
            raise LinkError(f"{self.place} is another one: it says {self.description.text()}, not {description.text()}")

    def check_program(self, program: Program) -> None:
        """Raise LinkError if the board has another program, or a matmul engine that cannot compute its layers."""
        there = self.description.computes
        if isinstance(there, Engine):
            try:
                check_layers(there, program)
            except ValueError as error:
                raise LinkError(f"{self.place} has a matmul engine and no program: {error}") from None
        elif there.digest != program.digest:
            raise LinkError(
                f"{self.place} has the program of {there.name}, {there.digest[:12]}, not that of {program.name}, "
                f"{program.digest[:12]}: build and flash it anew"
            )

    def lost(self, why: Exception, what: str, done: int, total: int, whole: str = "") -> str:
        """The message of a board that was lost before all of something was done."""
        there = f"none of the {total} {what}s{whole} were done"
        if done:
            there = f"{what}s 0 to {done - 1}{whole} were done, {what}s {done} to {total - 1} were not"
        return f"{self.place} is lost: {why}; {there}"

    def _describe(self) -> Description:
        """Ask the board for its description. Raises LinkError."""
        for attempt in range(TRIES):
            try:
                self.worker.reset()
                content = self._blocks()
                break
            except Trouble as trouble:
                self.worker.heed(trouble)
                if attempt == TRIES - 1 or trouble.cause == "silence":
                    raise LinkError(f"no board answers at {self._transport.name}: {trouble}") from None
        size = int.from_bytes(content[:2], "little")
        try:
            return Description.of(content[2 : 2 + size].decode("ascii"))
        except ValueError as error:
            raise LinkError(f"{self.place} is none of this fewbit: {error}") from None

    def _blocks(self) -> bytes:
        """All blocks of the description. Raises Trouble."""
        found: dict[int, bytes] = {}
        asked = ((Kind.DESCRIBE, bytes([block])) for block in range(BLOCKS))
        for answer in self.channel.exchange(asked):
            if isinstance(answer, Status) or answer.kind != Kind.DESCRIPTION:
                continue
            found[int.from_bytes(answer.payload[:1])] = answer.payload[1:]
            if found.keys() >= set(range(BLOCKS)):
                break
        return b"".join(found[block] for block in range(BLOCKS))
