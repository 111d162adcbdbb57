"""What an accelerator is asked to be, as far as the network does not decide it."""

from dataclasses import dataclass

from ...formats import Format, parse

__all__ = ["INT8", "ShapeRequest"]

INT8 = parse("int8")


@dataclass(frozen=True)
class ShapeRequest:
    """The rest of a ``NetworkShape``: formats, longest sum, shifts of residuals and pools follow from the network.

    Parameters
    ----------
    between, rows, columns, lanes, outputs, multiplier_bits: see ``NetworkShape``
    resident: whether the input keeps its place in the memories while the network runs
    """

    between: Format = INT8
    rows: int = 1
    columns: int = 8
    lanes: int = 4
    outputs: int = 1
    multiplier_bits: int = 16
    resident: bool = False
