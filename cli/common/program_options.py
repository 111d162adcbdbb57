"""Commands on accelerators of whole networks share options: which network, in which formats, in which shape."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from .designs import choose_pairs
from .study_options import Between, NetworkOptions, SchemeOptions

if TYPE_CHECKING:
    from ...study.lowering import Lowered, ShapeRequest

__all__ = ["ShapeOptions", "program_from"]


@dataclass(frozen=True)
class ShapeOptions:
    """The options that say of which shape an accelerator is, as far as the network leaves that open."""

    between: Between = None
    rows: Annotated[int, typer.Option("--rows", help="Pixels of a row that are computed at once.")] = 1
    columns: Annotated[int, typer.Option("--columns", help="Channels of the result that are computed at once.")] = 8
    lanes: Annotated[int, typer.Option("--lanes", help="Channels of a word of activations, a power of two.")] = 4
    outputs: Annotated[
        int, typer.Option("--outputs", help="Channels that are rounded at once: a power of two that divides both.")
    ] = 1
    multiplier_bits: Annotated[
        int, typer.Option("--multiplier-bits", help="Of scales, 1 to 16; with 1 they are powers of two.")
    ] = 16
    resident: Annotated[
        bool, typer.Option("--resident", help="Keep the input's place, so that the next one can come early.")
    ] = False

    def request(self) -> "ShapeRequest":
        from ...formats import parse
        from ...study.lowering import INT8, ShapeRequest

        between = INT8 if self.between is None else parse(self.between)
        return ShapeRequest(
            between, self.rows, self.columns, self.lanes, self.outputs, self.multiplier_bits, self.resident
        )


def program_from(
    networks: NetworkOptions, how: SchemeOptions, shape: ShapeOptions, weight: str | None, activation: str | None
) -> "Lowered":
    """The program of the one network and the one scheme that these options name.

    A model that came quantized has formats of its own. Raises ValueError and OSError as ``study.program.program_of``,
    and where there is more than one network or scheme.
    """
    from ...study.program import program_of

    sources = networks.sources()
    if len(sources) != 1:
        raise ValueError(f"model must be one network, not {networks.model!r}")
    if sources[0].quantized:
        if weight or activation:
            raise ValueError("formats must not be given for a model that came quantized: it has its own")
        return program_of(sources[0], None, shape.request(), networks.seed)
    schemes = how.schemes(choose_pairs(weight, activation))
    if len(schemes) != 1:
        raise ValueError(f"weight and activation must be one format each, not {weight!r} and {activation!r}")
    return program_of(sources[0], schemes[0], shape.request(), networks.seed)
