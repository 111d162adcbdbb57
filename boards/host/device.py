"""A board that multiplies matrices for the host. It gives the right product or raises LinkError, and nothing else."""

import random
import warnings
from collections.abc import Callable
from itertools import chain
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import __version__
from ...formats import Engine
from ...hdl import MatmulDesign
from ...sim.streams import beats, unpack
from ..link.description import MAX_DESCRIPTION, Description
from ..link.protocol import BLOCK_BYTES, Event, Kind, Status
from ..targets import board_names
from ..targets.board import BAUDS, BITS_A_BYTE
from .channel import Channel, Statistics, Trouble
from .operands import check_operands, values_of
from .simulated import Simulated, default_description
from .tiles import Parameters, Tile, assemble, frames, golden, result_bytes, split
from .transport import LinkError, Port, Transport, attached_port

__all__ = ["TRIES", "Device", "check_timeout"]

Array = NDArray[Any]
Report = Callable[[int, int], None]

TRIES = 5
"""How often the host tries again in a row while no product is completed."""

TIMEOUT, SIMULATED_TIMEOUT = 2.0, 20.0
"""Seconds within which a board, and a simulated board, must make progress."""

SIMULATED_PATIENCE = 20.0
"""A simulated board stands still in the middle of a frame while the machine does something else."""

PROBE_SECONDS = 0.5
"""Seconds that the host waits for an answer at a baud rate that may be wrong."""

TILE_SECONDS = 1.0
"""Seconds of link time that one PRODUCT takes. They are lost if it has to be sent again."""

BLOCKS = -(-(MAX_DESCRIPTION + 2) // BLOCK_BYTES)


class Device:
    """A board that multiplies matrices. Use it as a context manager, or ``close`` it.

    Parameters
    ----------
    transport: the line to the board, which is closed with the device
    description: the description of the board if it is known; for None, the board is asked
    timeout: seconds within which the board must make progress, above 0
    seed: the seed of the sequences of RESETs; None stands for a random one
    simulated: the simulated board behind the line, which is stopped with the device
    patience: see ``Channel``

    Attributes
    ----------
    description: what the board says of itself
    statistics: see ``Statistics``
    computed: for every tile of the last product, in order: the tile, and how many words of C the board had given since
        its reset before the tile. ``tiles.golden`` needs these

    Raises LinkError if no board answers, or if the board is not the one that ``description`` describes. Raises
    ValueError for a wrong timeout.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        description: Description | None = None,
        timeout: float = TIMEOUT,
        seed: int | None = None,
        simulated: Simulated | None = None,
        patience: float = 1.0,
    ):
        check_timeout(timeout)
        self.simulated = simulated
        self.computed: list[tuple[Tile, int]] = []
        self._transport = transport
        self._channel = Channel(transport, timeout, random.Random(seed), patience)
        self._ready = self._closed = False
        self._words = 0
        self.description = self._describe()
        if description is not None and description.text() != self.description.text():
            raise LinkError(
                f"the board at {transport.name} is another one: it says {self.description.text()}, "
                f"not {description.text()}"
            )
        if self.description.version not in ("", __version__):
            raise LinkError(
                f"the board at {transport.name} has a bitstream of fewbit {self.description.version}, "
                f"and this is {__version__}: build and flash it anew"
            )
        self._channel.buffer_bytes = self.description.buffer_bytes
        self._channel.baud = self.description.baud

    @classmethod
    def open(
        cls,
        port: str = "auto",
        *,
        description: Description | None = None,
        design: MatmulDesign | None = None,
        timeout: float | None = None,
        seed: int | None = None,
    ) -> "Device":
        """Open the board at a serial port.

        Parameters
        ----------
        port: the name of a serial port; ``sim`` for the simulated board; or ``auto`` for a port that looks like a
            board's. If ``auto`` finds none, it warns and takes the simulated board
        description: the description of the board if it is known. Its baud rate is used, and it is an error if the board
            is another. The simulated board becomes what it describes
        design: the design of the simulated board's engine; for None it is chosen
        timeout, seed: see ``Device``; a timeout of None is 2 s, and 20 s for the simulated board, which is slower than
            its clock

        Raises LinkError, ValueError, TypeError.
        """
        if timeout is not None:
            check_timeout(timeout)
        if description is not None and not isinstance(description, Description):
            raise TypeError(f"description must be a Description, as Description.read gives it, not {description!r}")
        if port in board_names():
            raise ValueError(f"port must be a serial port, sim or auto, not the board {port!r}")
        if port == "auto":
            port = _attached_or_simulated()
        timeout = timeout or (SIMULATED_TIMEOUT if port == "sim" else TIMEOUT)
        if port == "sim":
            simulated = Simulated(description or default_description(design.engine if design else None), design)
            try:
                line = Port(simulated.port, simulated.description.baud)
                return _connected(
                    *(cls, line), timeout=timeout, patience=SIMULATED_PATIENCE, seed=seed, simulated=simulated
                )
            except BaseException:
                simulated.close()
                raise
        if description is not None:
            return _connected(cls, Port(port, description.baud), description=description, timeout=timeout, seed=seed)
        for baud in BAUDS:
            line = Port(port, baud)
            try:
                # the sequences differ from the device's, so that a late answer is not taken for one to a RESET of the
                # device
                chance = random.Random(None if seed is None else seed + 1)
                answers = Channel(line, min(timeout, PROBE_SECONDS), chance).answers()
            except BaseException:
                line.close()
                raise
            if answers:
                return _connected(cls, line, timeout=timeout, seed=seed)
            line.close()
        raise LinkError(f"no board answers at {port}, at none of {', '.join(map(str, BAUDS))} baud")

    @property
    def engine(self) -> Engine:
        return self.description.engine

    @property
    def statistics(self) -> Statistics:
        return self._channel.statistics

    def close(self) -> None:
        self._closed = True
        self._transport.close()
        if self.simulated is not None:
            self.simulated.close()

    def __enter__(self) -> "Device":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def matmul(
        self,
        a: ArrayLike,
        w: ArrayLike,
        *,
        codes: bool = False,
        rounded: bool = False,
        progress: Report | None = None,
        **parameters: ArrayLike | None,
    ) -> Array:
        """Compute ``C[m, n] = requantize(A[m, k] @ W[k, n])``, with every bit as ``sim.engine_matmul`` gives it.

        Parameters
        ----------
        a, w: values of shapes (m, k) and (k, n), each of which is exactly a value of its format; or codes
        codes: whether ``a``, ``w`` and the result are codes
        rounded: whether values are first rounded to the formats, to nearest and with saturation. An infinity stays one
            if the format has it
        progress: is called with the number of bytes of C that have come, and the number that will come in all
        parameters: the parameters of ``sim.engine_matmul`` that the engine takes, with scales as codes. A scale that is
            left out is 1; a bias or a zero point is 0

        Returns C as codes or as values. Values are int32 for integers, float32 for ``float32``, and float64 for other
        formats. If k is over ``max_k`` and the host adds up parts, C is int64, or float64 for formats with fractions,
        and never codes.

        Raises ValueError for what the engine does not take. Raises LinkError if the board was lost; the message says
        which rows of C were done.
        """
        if self._closed:
            raise LinkError("the device is closed: open another")
        x, y, given = check_operands(self.engine, a, w, codes=codes, rounded=rounded, **parameters)
        (m, k), n = x.shape, y.shape[1]
        most = int(TILE_SECONDS * self.description.baud / BITS_A_BYTE)
        tiles = split(self.engine, m, k, n, most)
        parts = self._compute(tiles, x, y, given, progress)
        return self._result(assemble(self.engine, tiles, parts), k, codes)

    def golden(
        self, a: ArrayLike, w: ArrayLike, *, codes: bool = False, rounded: bool = False, **parameters: ArrayLike | None
    ) -> Array:
        """What the last ``matmul`` must have returned, by the golden model. The arguments are those that it had."""
        x, y, given = check_operands(self.engine, a, w, codes=codes, rounded=rounded, **parameters)
        return self._result(golden(self.engine, self.computed, x, y, given), x.shape[1], codes)

    def _result(self, c: Array, k: int, codes: bool) -> Array:
        return c if codes or k > self.engine.max_k else values_of(c, self.engine.requantization.output)

    def _compute(
        self, tiles: list[Tile], a: Array, w: Array, given: Parameters, progress: Report | None
    ) -> list[Array]:
        """The codes of every tile of C."""
        parts: list[Array] = []
        self.computed = []
        fruitless = 0
        while len(parts) < len(tiles):
            before = len(parts)
            try:
                if not self._ready:
                    self._reset()
                self._try(tiles, parts, a, w, given, progress)
            except Trouble as trouble:
                self._ready = False
                self.statistics.retries[trouble.cause] += 1
                fruitless = fruitless + 1 if len(parts) == before else 0
                if fruitless == TRIES:
                    raise self._lost(
                        f"{TRIES} tries in a row brought nothing, lastly: {trouble}", tiles, parts
                    ) from None
            except LinkError as error:
                self._ready = False
                if len(parts) < len(tiles):
                    raise self._lost(str(error), tiles, parts) from None
            except BaseException:
                self._ready = False
                raise
        return parts

    def _lost(self, why: str, tiles: list[Tile], parts: list[Array]) -> LinkError:
        done, rows = tiles[len(parts)].top, tiles[-1].bottom
        what = f"rows 0 to {done - 1} of C were done, rows {done} to {rows - 1} were not"
        if not done:
            what = f"none of the {rows} rows of C were done"
        return LinkError(f"the board at {self._transport.name} is lost: {why}; {what}", done, rows)

    def _reset(self) -> None:
        self._channel.reset()
        self._ready = True
        self._words = 0

    def _try(
        self, tiles: list[Tile], parts: list[Array], a: Array, w: Array, given: Parameters, progress: Report | None
    ) -> None:
        """Compute the tiles that are not done yet, and append each to ``parts``. Raises Trouble."""
        engine = self.engine
        sizes = [result_bytes(engine, tile.m, tile.n) for tile in tiles]
        came, total = sum(sizes[: len(parts)]), sum(sizes)
        pieces = chain.from_iterable(frames(engine, tile, a, w, given) for tile in tiles[len(parts) :])
        arrived = bytearray()
        for answer in self._channel.exchange(pieces):
            if isinstance(answer, Status):
                if Event.DONE not in answer.events:
                    continue
                wanted = sizes[len(parts)]
                if len(arrived) != wanted:
                    raise Trouble("result", f"a product ended with {len(arrived)} of {wanted} bytes")
                self.statistics.cycles += answer.cycles
                self._complete(tiles[len(parts)], parts, bytes(arrived))
                came += len(arrived)
                arrived.clear()
                if len(parts) == len(tiles):
                    return
            elif answer.kind == Kind.RESULT:
                arrived += answer.payload
                if len(arrived) > sizes[len(parts)]:
                    raise Trouble("result", "a product has more bytes than C")
                if progress is not None:
                    progress(came + len(arrived), total)

    def _complete(self, tile: Tile, parts: list[Array], arrived: bytes) -> None:
        words = beats(self.engine, tile.m, tile.n)
        parts.append(unpack(self.engine, np.frombuffer(arrived, dtype=np.uint8).reshape(words, -1), tile.m, tile.n))
        self.computed.append((tile, self._words))
        self._words += words
        self.statistics.products += 1

    def _describe(self) -> Description:
        """Ask the board for its description. Raises LinkError."""
        for attempt in range(TRIES):
            try:
                self._reset()
                content = self._blocks()
                break
            except Trouble as trouble:
                self._ready = False
                self.statistics.retries[trouble.cause] += 1
                if attempt == TRIES - 1 or trouble.cause == "silence":
                    raise LinkError(f"no board answers at {self._transport.name}: {trouble}") from None
        size = int.from_bytes(content[:2], "little")
        try:
            return Description.of(content[2 : 2 + size].decode("ascii"))
        except ValueError as error:
            raise LinkError(f"the board at {self._transport.name} is none of this fewbit: {error}") from None

    def _blocks(self) -> bytes:
        """All blocks of the description. Raises Trouble."""
        found: dict[int, bytes] = {}
        asked = ((Kind.DESCRIBE, bytes([block])) for block in range(BLOCKS))
        for answer in self._channel.exchange(asked):
            if isinstance(answer, Status) or answer.kind != Kind.DESCRIPTION:
                continue
            found[int.from_bytes(answer.payload[:1])] = answer.payload[1:]
            if found.keys() >= set(range(BLOCKS)):
                break
        return b"".join(found[block] for block in range(BLOCKS))


def _connected(kind: type[Device], line: Transport, **options: Any) -> Device:
    try:
        return kind(line, **options)
    except BaseException:
        line.close()
        raise


def check_timeout(timeout: float) -> None:
    """Raise ValueError for a timeout within which no board could answer."""
    if not (isinstance(timeout, int | float) and timeout > 0):
        raise ValueError(f"timeout must be above 0 seconds, not {timeout!r}")


def _attached_or_simulated() -> str:
    port = attached_port()
    if port is None:
        warnings.warn("no board is attached: the simulated board computes", stacklevel=3)
    return port or "sim"
