"""Commands on a network's accelerator share options: the network, its formats, and the shape of the array."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ...formats import parse
from .choices import completed
from .console import say
from .options import DEFAULT_FORMAT, OneActivation, Weight, formats
from .study_options import NetworkOptions, SchemeOptions

if TYPE_CHECKING:
    from ...boards.link.network import BoardNetwork
    from ...study.lowering import Lowered, ShapeRequest
    from ...study.measurement.evaluate import Study

__all__ = ["AcceleratorOptions", "described_network", "lowered", "lowering", "size"]

SIZES = {
    "rows": "Pixels that are computed at once.",
    "columns": "Channels that are computed at once.",
    "lanes": "Products a cycle of each, a power of two.",
    "outputs": "Sums rounded a cycle, a power of two.",
}
"""The sides of an accelerator's array, and what they are."""


def size(name: str, shown: str) -> typer.models.OptionInfo:
    """The option of a side of the array. ``shown``: what is taken without it, in words."""
    made: typer.models.OptionInfo = typer.Option(f"--{name}", min=1, max=64, help=SIZES[name], show_default=shown)
    return made


@dataclass(frozen=True)
class AcceleratorOptions:
    """The options that say what the accelerator of a network is made of."""

    weight: Weight = None
    activation: OneActivation = None
    between: Annotated[
        str,
        typer.Option(
            "--between",
            metavar="FORMAT",
            help="Format of residual sums, pools and what else crosses between layers.",
            autocompletion=completed(formats),
        ),
    ] = "int8"
    rows: Annotated[int | None, size("rows", "1")] = None
    columns: Annotated[int | None, size("columns", "8")] = None
    lanes: Annotated[int | None, size("lanes", "4")] = None
    outputs: Annotated[int | None, size("outputs", "1")] = None
    multiplier_bits: Annotated[
        int, typer.Option("--multiplier-bits", min=1, max=16, help="Of the scales; 1 for powers of two.")
    ] = 16

    def request(self, usual: tuple[int, int, int, int] | None = None) -> "ShapeRequest":
        """What is asked of the accelerator.

        ``usual``: rows, columns, lanes and outputs that are not given; those of ``ShapeRequest`` for None
        """
        from ...study.lowering import ShapeRequest

        sizes: dict[str, Any] = {} if usual is None else dict(zip(SIZES, usual, strict=True))
        sizes |= {name: given for name in SIZES if (given := getattr(self, name)) is not None}
        return ShapeRequest(between=parse(self.between), multiplier_bits=self.multiplier_bits, **sizes)

    @property
    def sides_given(self) -> bool:
        """Whether any side of the array is named."""
        return any(getattr(self, name) is not None for name in SIZES)

    def sides(self, usual: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
        """Rows, columns, lanes and outputs, those of ``usual`` where they are not given."""
        request = self.request(usual)
        return request.rows, request.columns, request.lanes, request.outputs


def lowered(
    networks: NetworkOptions,
    schemes: SchemeOptions,
    accelerator: AcceleratorOptions,
    usual: tuple[int, int, int, int] | None = None,
) -> "tuple[Study, Lowered]":
    """The network with its samples, and its program in an accelerator.

    ``usual``: see ``AcceleratorOptions.request``. Raises ValueError where several networks or formats are named, and
    where a network has what no record computes.
    """
    study, lower = lowering(networks, schemes, accelerator)
    return study, lower(accelerator.request(usual))


def lowering(
    networks: NetworkOptions,
    schemes: SchemeOptions,
    accelerator: AcceleratorOptions,
    study: "Study | None" = None,
) -> "tuple[Study, Callable[[ShapeRequest], Lowered]]":
    """The network with its samples, quantized, and what gives its program in an accelerator. Raises as ``lowered``.

    ``study``: of the same network in other formats, if there is one; its statistics are those of this one too
    """
    from ...study.measurement.evaluate import Study
    from .designs import choose_pairs

    sources = networks.sources()
    if len(sources) != 1:
        raise ValueError(f"model must be a single network, not {networks.model!r}")
    study = study or Study(sources[0].network(), networks.samples, networks.seed)
    scheme = None
    if not study.graph.quantized or accelerator.weight or accelerator.activation:
        pairs = choose_pairs(accelerator.weight or DEFAULT_FORMAT, accelerator.activation)
        found = schemes.schemes(pairs)
        if len(found) != 1:
            raise ValueError(f"weight, activation and techniques must be one each, not {len(found)} pairs of them")
        scheme = found[0]
    _tell_bytes(study)
    layers = study.quantized(scheme)
    return study, lambda request: study.lowered(layers, scheme, request)


def described_network(described: "BoardNetwork") -> tuple[NetworkOptions, AcceleratorOptions]:
    """The options of a network of the zoo in an accelerator, by what a bitstream's description says of it."""
    sides = {name: getattr(described, name) for name in SIZES}
    formats = {name: str(getattr(described, name)) for name in ("weight", "activation", "between")}
    options: dict[str, Any] = {**formats, **sides}
    return NetworkOptions(model=described.name), AcceleratorOptions(**options)


def _tell_bytes(study: "Study") -> None:
    """Tell what is assumed of bytes of images. Raise ValueError where nobody can know what they stand for."""
    found = study.lowering.byte_scale
    if found is None:
        return
    if found.unknown:
        raise ValueError(
            "samples must tell which bytes their numbers are: as uint8, as b / 255 for bytes b, or with those of 0 and "
            f"255 among them; {found.unknown}"
        )
    if found.note:
        say(f"note: {found.note}")
