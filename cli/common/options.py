"""The options that several commands have. Each is declared once."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...formats import catalog
from .choices import choice, completed, known

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    *(
        "DEFAULT_FORMAT",
        "FORMATS_HELP",
        "STUDY_FORMATS_HELP",
        "TERMS",
        "Activation",
        "Append",
        "Build",
        "Dsp",
        "Families",
        "Formats",
        "Jobs",
        "Json",
    ),
    *("Lanes", "OneActivation", "Out", "Pipeline", "Requantizer", "Seed", "Seeds", "Stages", "Terms", "Weight"),
    *(
        "activations",
        "board",
        "boards",
        "builds",
        "families",
        "family",
        "fill",
        "formats",
        "mhz",
        "name",
        "recipe",
        "size",
        "timeout",
    ),
    *("element", "weights"),
]

DEFAULT_FORMAT = "int8"
TERMS = 4096
FORMATS_HELP = "Formats of the weights: names, patterns and widths with commas between, as e2m1,int4 or 'e4*' or 4bit."
STUDY_FORMATS_HELP = f"{FORMATS_HELP} Also kmeans4, ant4, bcq3 and the like, which every tensor has its own of."


def formats() -> "Sequence[str]":
    """The names of formats that help and completion show. There are more, by their bits."""
    return [*(format.name for format in catalog()), *(f"{width}bit" for width in range(3, 9))]


def families() -> "Sequence[str]":
    """The names of families of FPGAs and of their devices."""
    from ...synth import targets

    return [target.name for target in targets()]


def boards() -> "Sequence[str]":
    from ...boards.targets import board_names

    return board_names()


def board(
    help: str = "Name of the board, as `fewbit board list` has it.",
    *others: str,
    metavar: str = "BOARD",
    shown: str | None = None,
) -> Any:
    """The option that names a board. ``others`` are words that may stand in the place of a name."""
    default: dict[str, Any] = {} if shown is None else {"show_default": shown}
    return typer.Option(
        "--board", metavar=metavar, help=help, autocompletion=completed(lambda: [*boards(), *others]), **default
    )


def _elements() -> "Sequence[str]":
    from ...formats import element_kinds

    return element_kinds()


def element(**others: Any) -> Any:
    """The option that names an element."""
    return choice(
        _elements,
        "--element",
        metavar="ELEMENT",
        check=False,
        help="What multiplies and adds: {names}; with its numbers, as in docs/systems.md.",
        show_default="exact",
        **others,
    )


def builds() -> "Sequence[str]":
    from ...hdl import BUILDS

    return BUILDS


def weights(
    help: str = FORMATS_HELP, metavar: str = "FORMATS", shown: str = DEFAULT_FORMAT, required: bool = False
) -> Any:
    default: dict[str, Any] = {} if required else {"show_default": shown}
    return typer.Option("--weight", metavar=metavar, help=help, autocompletion=completed(formats), **default)


def activations(help: str, metavar: str = "FORMATS", shown: str = "that of each weight") -> Any:
    return typer.Option(
        "--activation", metavar=metavar, help=help, autocompletion=completed(formats), show_default=shown
    )


Formats = Annotated[str | None, weights()]
Activation = Annotated[str | None, activations("Formats of the activations; every weight meets every activation.")]
Weight = Annotated[str | None, weights("Format of the weights.", "FORMAT")]
OneActivation = Annotated[str | None, activations("Format of the activations.", "FORMAT", "that of the weights")]

Terms = Annotated[
    int | None,
    typer.Option("--terms", show_default=str(TERMS), help="Most products in one sum; it cannot overflow."),
]
Lanes = Annotated[int, typer.Option("--lanes", help="Products a cycle, of a matmul in each element.")]
Pipeline = Annotated[int, typer.Option("--pipeline", help="Register stages, 0 to 3, of dots on ECP5 up to 4.")]
Stages = Annotated[int, typer.Option("--pipeline", help="Register stages, 1 to 3, on ECP5 up to 4.")]
Build = Annotated[str, choice(builds, "--build", help="How products are built.")]
Dsp = Annotated[str, choice(known("none", "auto", "both"), "--dsp", help="Use of the device's multipliers.")]

Families = Annotated[
    str | None,
    choice(
        lambda: [*families(), "all"],
        "--family",
        metavar="FAMILIES",
        check=False,
        help="FPGA families and devices with commas between: {names}.",
    ),
]


def family(help: str) -> Any:
    """The option of a command that takes a single family."""
    return choice(families, "--family", metavar="FAMILY", check=False, help=f"{help} {{names}}.")


Seeds = Annotated[
    str, typer.Option("--seeds", metavar="SEEDS", help="Seeds of place and route, with commas between: 3 or more.")
]
Seed = Annotated[int, typer.Option("--seed", "--random-seed", min=0, help="Seed of what is chosen at random.")]


def mhz(help: str, shown: str | bool = False) -> Any:
    return typer.Option("--mhz", "--target-mhz", help=help, show_default=shown)


def timeout(help: str, shown: str | bool = True) -> Any:
    """The option for a time limit. Some commands called it ``--seconds`` before; others have an option of that name
    now."""
    return typer.Option("--timeout", "--seconds", metavar="SECONDS", help=help, show_default=shown)


def size(help: str, shown: str | bool = True) -> Any:
    return typer.Option("--size", "--sizes", metavar="MxKxN", help=help, show_default=shown)


def fill(shown: str | bool = "by family") -> Any:
    return typer.Option(
        "--fill", help="Share of the device that the search begins at, as predicted.", show_default=shown
    )


def name(shown: str | bool = True) -> Any:
    return typer.Option("--name", help="Name of the files in --out.", show_default=shown)


def recipe() -> Any:
    return typer.Option("--recipe", help="Recipe of synthesis, by the name that rows give; auto takes the smallest.")


Requantizer = Annotated[
    bool,
    typer.Option(
        "--requantizer/--no-requantizer", help="Count a requantizer, too; measuring it takes several times as long."
    ),
]
Append = Annotated[bool, typer.Option("--append", help="Keep what the files in --out have of other questions.")]
Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Folder for the files.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", min=1, show_default="one a core", help="Processes to work in parallel.")
]
