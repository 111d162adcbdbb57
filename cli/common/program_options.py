"""Commands on boards take a network in the place of a matmul engine: these options say which, and its program."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .choices import completed
from .console import counted, say
from .engine_options import EngineOptions
from .options import formats

if TYPE_CHECKING:
    from ...boards.targets.board import Board
    from ...formats.network import Program
    from ...study.lowering import Lowered, ShapeRequest
    from .network_options import AcceleratorOptions

__all__ = ["ProgramOptions"]

SIZES = ("rows", "columns", "outputs")
"""Options of an engine that a network's accelerator has too."""


@dataclass(frozen=True)
class ProgramOptions:
    """The options that say which network a board computes."""

    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="A network in the place of a matmul engine: one of `fewbit study run --help`, or an ONNX file.",
            show_default="a matmul engine",
        ),
    ] = None
    program: Annotated[
        Path | None,
        typer.Option(
            "--program", metavar="FILE.json", help="A network's program as `fewbit board build` wrote it, for --model."
        ),
    ] = None
    between: Annotated[
        str | None,
        typer.Option(
            "--between",
            metavar="FORMAT",
            help="With --model: format of residual sums, pools and what else crosses between layers.",
            show_default="int8",
            autocompletion=completed(formats),
        ),
    ] = None
    calibration: Annotated[
        Path | None,
        typer.Option("--calibration", metavar="FILE.npz", help="With --model FILE.onnx: inputs by name, .npz."),
    ] = None
    test: Annotated[
        Path | None,
        typer.Option("--test", metavar="FILE.npz", help="With --model FILE.onnx: inputs and `expected`, .npz."),
    ] = None

    @property
    def given(self) -> bool:
        """Whether a network is asked for."""
        return self.model is not None or self.program is not None

    def check(self, engine: EngineOptions) -> None:
        """Raise ValueError for options that say nothing here."""
        own = {name: getattr(self, name) for name in ("between", "calibration", "test")}
        asked = [name for name, value in own.items() if value is not None]
        if self.model is None and asked:
            raise ValueError(f"--{asked[0]} must be left out without --model")
        if self.model is not None and self.program is not None:
            raise ValueError("--program must be left out with --model, which makes one")
        names = [field.name for field in fields(engine) if getattr(engine, field.name) is not None]
        wrong = [name for name in names if name not in SIZES] if self.given else []
        if wrong:
            raise ValueError(f"--{wrong[0].replace('_', '-')} must be left out with a network: it is of matmul engines")

    def read(
        self,
        engine: EngineOptions,
        weight: str | None,
        activation: str | None,
        lanes: int | None,
        usual: tuple[int, int, int, int],
    ) -> "Program":
        """The program that is asked for. Raises ValueError, OSError.

        ``usual``: rows, columns, lanes and outputs that are not given
        """
        sizes = _sizes(engine, lanes)
        if self.program is not None:
            return self._file(engine, sizes | {"weight": weight, "activation": activation})
        chosen, lower = self._lowering(engine, weight, activation, sizes)
        return lower(chosen.request(usual)).program

    def fitting(
        self,
        engine: EngineOptions,
        weight: str | None,
        activation: str | None,
        lanes: int | None,
        board: "Board",
        dsp: str,
    ) -> "Program":
        """The program that is asked for, in the array that is estimated to be the fastest on a board, as far as sides
        are not given. It is the board's usual array if none is estimated to fit. Raises ValueError, OSError.

        ``dsp``: use of the device's multipliers
        """
        from ...boards.build.array_search import ArraySides, find_array

        sizes = _sizes(engine, lanes)
        if self.program is not None or None not in sizes.values():
            return self.read(engine, weight, activation, lanes, board.network)
        chosen, lower = self._lowering(engine, weight, activation, sizes)

        def program_of(shape: tuple[int, int, int, int]) -> "Program":
            sides: dict[str, Any] = dict(zip(sizes, shape, strict=True))
            return lower(replace(chosen, **sides).request()).program

        found = find_array(board, dsp, program_of, ArraySides(**sizes))
        program = program_of(chosen.sides(board.network)) if found is None else found[0]
        shape = program.shape
        array = f"{shape.rows} x {shape.columns} x {shape.lanes} with {counted(shape.outputs, 'output')} a cycle"
        if found is not None:
            say(f"array: {array}, the fastest of those that are estimated to fit {board.name}")
        elif not any(sizes.values()):
            say(f"array: {array}, the usual one of {board.name}, since none is estimated to fit with room to spare")
        return program

    def _file(self, engine: EngineOptions, said: dict[str, Any]) -> "Program":
        """The program of the file, which says what ``said`` would say."""
        from ...formats.network import Program

        self.check(engine)
        asked = [name for name, value in said.items() if value]
        if asked:
            raise ValueError(f"--{asked[0]} must be left out with --program, which says it")
        assert self.program is not None
        return Program.read(self.program)

    def _lowering(
        self, engine: EngineOptions, weight: str | None, activation: str | None, sizes: dict[str, Any]
    ) -> "tuple[AcceleratorOptions, Callable[[ShapeRequest], Lowered]]":
        from .network_options import AcceleratorOptions, lowering
        from .study_options import NetworkOptions, SchemeOptions

        self.check(engine)
        assert self.model is not None
        networks = NetworkOptions(model=self.model, calibration=self.calibration, test=self.test)
        chosen = AcceleratorOptions(weight, activation, self.between or "int8", **sizes)
        return chosen, lowering(networks, SchemeOptions(), chosen)[1]


def _sizes(engine: EngineOptions, lanes: int | None) -> dict[str, Any]:
    return {"rows": engine.rows, "columns": engine.columns, "lanes": lanes, "outputs": engine.outputs}
