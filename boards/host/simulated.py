"""The simulated board is the top level of a bitstream, compiled by Verilator, behind a pseudo-terminal."""

import json
import select
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from ...formats import Engine, Requantization, parse
from ...formats.network import Product, Program
from ...hdl import MatmulDesign
from ...synth.tools import ToolError
from ..gateware.network_link import NetworkHardware
from ..gateware.top import top_rtlil, top_verilog
from ..link.description import Description
from ..link.network import BoardNetwork
from .compiled import compiled

__all__ = ["Simulated", "default_description"]

CLOCK_HZ, BAUD = 12_000_000, 3_000_000
ANSWER_SECONDS = 10.0
REST_SECONDS = 0.01


def default_description(
    computes: Engine | MatmulDesign | NetworkHardware | None = None, board: str = "sim"
) -> Description:
    """The description of a simulated board if the caller asks for nothing else.

    Parameters
    ----------
    computes: the engine, or the design of an engine or a network; None stands for int8 by int8 to float32, which
        ``fewbit board build`` has without options
    board: the name that the board gives itself
    """
    from ... import __version__

    if computes is None:
        int8 = parse("int8")
        computes = Engine(int8, int8, Requantization(parse("float32")))
    if isinstance(computes, MatmulDesign):
        computes = computes.engine
    found = computes if isinstance(computes, Engine) else BoardNetwork.of(computes.program, computes.loads)
    return Description(board, found, CLOCK_HZ, BAUD, version=__version__)


class Simulated:
    """Runs a simulated board until it is closed. It is a context manager.

    Parameters
    ----------
    description: what the board is to be
    design: the design of its engine, which is chosen for None; or of its network
    executable: a program that ``compiled`` made of another top level with the same ports

    Attributes
    ----------
    port: name of the pseudo-terminal, to be opened as any serial port

    Raises ToolMissing and ToolError if it cannot be built. Raises ValueError for a network without a design.
    """

    def __init__(
        self,
        description: Description,
        design: MatmulDesign | NetworkHardware | None = None,
        executable: Path | None = None,
    ):
        self.description = description
        chosen = design or MatmulDesign(description.engine)
        if not isinstance(chosen, MatmulDesign):
            chosen = chosen.generic
        if executable is None:
            executable = compiled(top_rtlil(description, chosen), lambda: top_verilog(description, chosen))
        settle = _settle(description.engine) if isinstance(chosen, MatmulDesign) else _settle_network(chosen.program)
        self._process = subprocess.Popen(
            [str(executable), *map(str, (description.clock_hz, description.baud, settle))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )
        try:
            self.port = self._line()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    def figures(self) -> dict[str, int]:
        """What has happened so far.

        cycles: cycles of the simulated clock in which something was in flight; the clock stops while the host thinks
        asleep: 1 while it does, else 0
        to_board, from_board: number of bytes on the line
        framing_errors: number of bytes from the board that had no stop bit
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write("\n")
        except OSError:
            raise ToolError("the simulated board has ended") from None
        return {name: int(value) for name, value in json.loads(self._line()).items()}

    def seconds(self) -> float:
        """Seconds of simulated time in which something was in flight."""
        return self.figures()["cycles"] / self.description.clock_hz

    def rest(self) -> float:
        """Wait until the clock stops, so that the host's time adds nothing to ``seconds``. Returns these."""
        while not self.figures()["asleep"]:
            time.sleep(REST_SECONDS)
        return self.seconds()

    def _line(self) -> str:
        out = self._process.stdout
        assert out is not None
        ready, _, _ = select.select([out], [], [], ANSWER_SECONDS)
        line = out.readline().strip() if ready else ""
        if not line:
            raise ToolError("the simulated board does not answer")
        return line

    def close(self) -> None:
        """Stop the simulated board."""
        with suppress(OSError):
            self._process.stdin.close()  # type: ignore[union-attr]
        try:
            self._process.wait(timeout=ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()  # type: ignore[union-attr]

    def __enter__(self) -> "Simulated":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _settle(engine: Engine) -> int:
    """Cycles after which a board does nothing more if its lines are still. They are twice what a whole panel takes."""
    rows = engine.tile_m // engine.rows if engine.output_stationary else engine.tile_m
    return 2000 + 2 * (rows * engine.k_words + engine.tile_m * engine.columns)


def _settle_network(program: Program) -> int:
    """The same for a network: more than twice what an image takes."""
    shape, cycles = program.shape, 0
    for record in program.records:
        beats = record.pixels * -(-record.channels // shape.columns) * shape.columns // shape.outputs
        if isinstance(record, Product):
            groups = record.height * -(-record.width // shape.rows)
            cycles += record.tiles(shape.columns) * groups * (record.terms + 100) + 12 * beats
        else:
            cycles += beats * (record.window.taps + 10)
    return 2000 + 2 * cycles
