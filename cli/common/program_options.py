"""Commands on boards take a network in the place of a matmul engine: these options say which, and its program."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .choices import completed
from .engine_options import EngineOptions
from .options import formats

if TYPE_CHECKING:
    from ...formats.network import Program

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
        self.check(engine)
        sizes: dict[str, Any] = {
            "rows": engine.rows,
            "columns": engine.columns,
            "lanes": lanes,
            "outputs": engine.outputs,
        }
        if self.program is not None:
            from ...formats.network import Program

            asked = [name for name, value in (sizes | {"weight": weight, "activation": activation}).items() if value]
            if asked:
                raise ValueError(f"--{asked[0]} must be left out with --program, which says it")
            return Program.read(self.program)
        from .network_options import AcceleratorOptions, lowered
        from .study_options import NetworkOptions, SchemeOptions

        assert self.model is not None
        networks = NetworkOptions(model=self.model, calibration=self.calibration, test=self.test)
        chosen = AcceleratorOptions(weight, activation, self.between or "int8", **sizes)
        _, found = lowered(networks, SchemeOptions(), chosen, usual)
        return found.program
