"""Which way to build a product: what ``auto`` takes for a pair of formats and an FPGA family."""

from ..formats import Format, Integer
from .decode import max_shift
from .term import Build

__all__ = ["BUILDS", "FAMILIES", "choose_build"]

FAMILIES = {"ice40": 4, "ecp5": 4, "gowin": 4, "nexus": 4, "gatemate": 4, "xc7": 6, "xcup": 6}
"""Inputs of a LUT, by family."""

BUILDS = ("auto", "whole", "table", "rows", "digits", "booth")
"""What a caller may ask for; ``auto`` is the smallest measured."""


def choose_build(
    weight: Format, activation: Format, build: str, *, pipeline: int, family: str | None, dsp: bool
) -> Build:
    """The build of that name, or for ``auto`` the one that measures smallest, with the rest of it chosen for the
    family.

    With all three register stages a caller wants speed, and ``auto`` then takes the smallest of what is fast.
    """
    fast = pipeline == 3
    lut = FAMILIES.get(family or "", 6)
    reach = max_shift(weight) + max_shift(activation)
    group = 8 if lut == 6 or reach < 16 else 16
    if dsp:
        return Build("operator", group)
    integers = any(isinstance(format, Integer) and not format.unsigned for format in (weight, activation))
    bits = sum(format.width if integers else format.width - format.signed for format in (weight, activation))
    if build == "auto":
        if bits <= 6:
            build = "whole"
        elif integers:
            build = "booth"
        elif weight.precision + activation.precision <= 6 and lut == 6:
            build = "table"
        else:
            build = "digits" if fast else "rows"
    return Build(build, group, register_rows=build == "booth" and (lut == 4 or fast), tree=fast)
