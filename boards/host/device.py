"""A board that computes for the host. It gives the right product or answer or raises LinkError, and nothing else."""

import random
import warnings
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...formats import Engine
from ...formats.network import Program
from ...hdl import MatmulDesign
from ...sim.streams import beats, unpack
from ..gateware.network_link import NetworkHardware
from ..link.description import Description
from ..targets import board_names
from ..targets.board import BAUDS
from .channel import Channel, Statistics
from .images import check_images, compute_images, differences, values_of_sums
from .layers import compute_layers
from .operands import check_operands, values_of
from .session import Session
from .simulated import Simulated, default_description
from .tiles import Parameters, Tile, assemble, frames, golden, most_bytes, result_bytes, split
from .transport import LinkError, Port, Transport, attached_port
from .worker import Lost, Report, Task

__all__ = ["Device", "check_timeout"]

Array = NDArray[Any]

TIMEOUT, SIMULATED_TIMEOUT = 2.0, 20.0
"""Seconds within which a board, and a simulated board, must make progress."""

SIMULATED_PATIENCE = 20.0
"""A simulated board stands still in the middle of a frame while the machine does something else."""

PROBE_SECONDS = 0.5
"""Seconds that the host waits for an answer at a baud rate that may be wrong."""


class Device:
    """A board that multiplies matrices, or computes a network. Use it as a context manager, or ``close`` it.

    Parameters
    ----------
    transport: the line to the board, which is closed with the device
    description: the description of the board if it is known; for None, the board is asked
    program: the program of the network that the board computes, which a board with a matmul engine computes layer by
        layer; None if no images are computed
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

    Raises LinkError if no board answers, or if the board is not the one that ``description`` describes, or has another
    program. Raises ValueError for a wrong timeout.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        description: Description | None = None,
        program: Program | None = None,
        timeout: float = TIMEOUT,
        seed: int | None = None,
        simulated: Simulated | None = None,
        patience: float = 1.0,
    ):
        check_timeout(timeout)
        self.simulated = simulated
        self.computed: list[tuple[Tile, int]] = []
        self.program = program
        self._session = Session(transport, timeout, seed, patience)
        if description is not None:
            self._session.check_description(description)
        if program is not None:
            self._session.check_program(program)

    @classmethod
    def open(
        cls,
        port: str = "auto",
        *,
        description: Description | None = None,
        design: MatmulDesign | NetworkHardware | None = None,
        program: Program | None = None,
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
        design: the design of the simulated board's engine, which is chosen for None; or of its network
        program: the program of the network that the board computes; for None, that of ``design`` if it has one
        timeout, seed: see ``Device``; a timeout of None is 2 s, and 20 s for the simulated board, which is slower than
            its clock

        Raises LinkError, ValueError, TypeError.
        """
        if timeout is not None:
            check_timeout(timeout)
        if description is not None and not isinstance(description, Description):
            raise TypeError(f"description must be a Description, as Description.read gives it, not {description!r}")
        if not (design is None or isinstance(design, MatmulDesign) or hasattr(design, "program")):
            raise TypeError(f"design must be a MatmulDesign or a NetworkDesign, not {design!r}")
        if isinstance(design, MatmulDesign) and design.engine.dma is not None:
            raise ValueError("design must have streams on a board, not a dma")
        if port in board_names():
            raise ValueError(f"port must be a serial port, sim or auto, not the board {port!r}")
        if port == "auto":
            port = _attached_or_simulated()
        if program is None and design is not None and not isinstance(design, MatmulDesign):
            program = design.program
        given: dict[str, Any] = {"program": program, "seed": seed}
        given["timeout"] = timeout or (SIMULATED_TIMEOUT if port == "sim" else TIMEOUT)
        if port == "sim":
            simulated = Simulated(description or default_description(design), design)
            try:
                line = Port(simulated.port, simulated.description.baud)
                return _connected(cls, line, patience=SIMULATED_PATIENCE, simulated=simulated, **given)
            except BaseException:
                simulated.close()
                raise
        if description is not None:
            return _connected(cls, Port(port, description.baud), description=description, **given)
        for baud in BAUDS:
            line = Port(port, baud)
            try:
                # the sequences differ from the device's, so that a late answer is not taken for one to a RESET of the
                # device
                chance = random.Random(None if seed is None else seed + 1)
                answers = Channel(line, min(given["timeout"], PROBE_SECONDS), chance).answers()
            except BaseException:
                line.close()
                raise
            if answers:
                return _connected(cls, line, **given)
            line.close()
        raise LinkError(f"no board answers at {port}, at none of {', '.join(map(str, BAUDS))} baud")

    @property
    def description(self) -> Description:
        return self._session.description

    @property
    def engine(self) -> Engine:
        """The board's matmul engine. Raises ValueError if it computes a network."""
        return self.description.engine

    @property
    def statistics(self) -> Statistics:
        return self._session.statistics

    def close(self) -> None:
        self._session.close()
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
        self._session.check_open()
        x, y, given = check_operands(self.engine, a, w, codes=codes, rounded=rounded, **parameters)
        (m, k), n = x.shape, y.shape[1]
        tiles = split(self.engine, m, k, n, most_bytes(self.description.baud))
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
        engine, parts = self.engine, list[Array]()
        self.computed = []
        sizes = [(tile.m, tile.n) for tile in tiles]
        tasks = [
            Task(partial(frames, engine, tile, a, w, given), result_bytes(engine, *size), ("a product", "C"))
            for tile, size in zip(tiles, sizes, strict=True)
        ]

        def done(number: int, result: bytes) -> None:
            m, n = sizes[number]
            words = np.frombuffer(result, dtype=np.uint8).reshape(beats(engine, m, n), -1)
            parts.append(unpack(engine, words, m, n))
            self.computed.append((tiles[number], self._session.worker.given // words.shape[1]))
            self.statistics.products += 1

        try:
            self._session.worker.run(tasks, done, progress)
        except Lost as lost:
            top, rows = tiles[len(parts)].top, tiles[-1].bottom
            why = self._session.lost(lost, "row", top, rows, " of C")
            raise LinkError(why, rows_done=top, rows=rows) from None
        return parts

    def infer(
        self, images: ArrayLike, *, codes: bool = False, check: bool = False, progress: Report | None = None
    ) -> Array:
        """Compute the network's outputs for images, with every bit as ``sim.network_answers`` gives it.

        A board with a matmul engine computes the products of one layer after the other, and the host what lies between.

        Parameters
        ----------
        images: bytes of type uint8, of shape (n, height, width, channels), as the program's ``Image`` says
        codes: whether the result is the sums themselves
        check: whether every answer is compared with the golden model's
        progress: is called with the number of images that are done, and the number of all

        Returns the outputs as ``images.values_of_sums`` has them, or the sums as int64 of shape (n, height, width,
        channels), as the program's ``Answer`` says.

        Raises ValueError for what are no images of the network, or if the device was opened without the program. Raises
        LinkError if the board was lost; the message says which images were done. Raises RuntimeError if ``check`` finds
        a difference.
        """
        self._session.check_open()
        if self.program is None:
            name = self.description.network.name
            raise ValueError(f"program must be given when the device of {name} is opened, not None")
        given = check_images(self.program, images)
        if isinstance(self.description.computes, Engine):
            found = compute_layers(self.engine, self.program, given, self.matmul, progress)
            self.statistics.images += len(found)
        else:
            found = compute_images(self._session, self.program, given, progress)
        if check and (wrong := differences(self.program, given, found)):
            raise RuntimeError(f"{self._session.place} computes wrongly: {wrong}")
        return found if codes else values_of_sums(self.program, found)


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
