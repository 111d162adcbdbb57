"""Which way to build a product: what ``auto`` takes for a pair of formats and an FPGA family."""

from ...families import FAMILIES
from ...formats import Format
from .build_of_lanes import build_of_lanes
from .decode import is_twos_complement, operand_layout
from .product_term import MAX_PIPELINE, Build
from .recoding import recoding

__all__ = ["BUILDS", "FAMILIES", "check_table", "choose_build"]

PORTABLE_LUT_INPUTS = 6
"""Inputs of a LUT where no family is named."""

MAX_TABLE_BITS = 12
"""Most inputs of a truth table that a caller may ask for."""

MAX_DIGITS_BITS = 8
"""Longest significand whose rows ``auto`` makes by truth tables."""

BUILDS = ("auto", "whole", "table", "rows", "digits", "booth")
"""What a caller may ask for; ``auto`` is the smallest measured."""


def choose_build(
    weight: Format,
    activation: Format,
    build: str,
    *,
    pipeline: int,
    family: str | None,
    dsp: bool,
    recode: bool = False,
    lanes: int = 1,
) -> Build:
    """The build of that name, or for ``auto`` the one that measures smallest, with the rest of it chosen for the
    family. ``lanes`` products are added before the accumulator.

    A caller says by ``recode`` whether the digits of recoded weights will do in the place of their significands. With
    all three register stages a caller wants speed, and rows are then summed by a tree. The rules were found by
    measuring all builds of some twenty pairs, and tests/test_hdl_choose.py measures them again.
    """
    described = FAMILIES.get(family or "")
    lut = described.lut_inputs if described else PORTABLE_LUT_INPUTS
    twos_complement = any(map(is_twos_complement, (weight, activation)))
    reach = weight.max_shift + activation.max_shift
    group = _group(lut, reach, twos_complement)
    apart = described.apart if described else True
    fast = pipeline == MAX_PIPELINE
    short_paths = fast and described is not None and described.late_reads
    if dsp:
        return Build("operator", group, apart=apart, pipeline=pipeline, short_paths=short_paths)
    shares_cells = described is not None and described.shares_cells
    product = build
    if build == "auto":
        product = _smallest(weight, activation, lut, reach, twos_complement)
        if product == "rows" and fast:
            product = _digits_or_booth(weight, activation)
        if recode and product == "booth" and twos_complement and _has_fewer_rows(weight, activation):
            product = "recoded"
    registers = "aligned"
    if product in ("booth", "recoded") and reach == 0:
        registers = "sums" if fast else "rows" if lut == 4 else "aligned"
    found = Build(
        product,
        group,
        registers,
        tree=fast,
        apart=apart,
        pipeline=pipeline,
        short_paths=short_paths,
        shares_cells=shares_cells,
    )
    if lanes == 1:
        return found
    return build_of_lanes(found, weight, activation, lut, auto=build == "auto", exact=recode)


def check_table(weight: Format, activation: Format, build: str) -> None:
    """Raise ValueError where ``build`` would be a truth table of more inputs than any LUTs are worth."""
    precisions = weight.precision, activation.precision
    bits, what = {
        "whole": (weight.width + activation.width, "operands"),
        "table": (sum(precisions), "significands"),
        "digits": (max(precisions) + 2, "the longer significand and a digit"),
    }.get(build, (0, ""))
    if bits > MAX_TABLE_BITS:
        raise ValueError(f"{what} must have at most {MAX_TABLE_BITS} bits together for build {build!r}, not {bits}")


def _group(lut: int, reach: int, twos_complement: bool) -> int:
    """Reach of the fine shift: all the way, if 16 will do, where the coarse one would have to extend a sign."""
    if twos_complement:
        return 4 if reach < 3 else 8 if reach < 7 else 16
    if lut == 4:
        return 4 if reach <= 4 else 8 if reach < 14 else 16
    return 4 if reach <= 12 else 8


def _smallest(weight: Format, activation: Format, lut: int, reach: int, twos_complement: bool) -> str:
    bits = sum(format.width - (format.signed and not twos_complement) for format in (weight, activation))
    tables = "table" in (weight.kind, activation.kind)
    # A table before the product costs as much as one bit more of a table in its place.
    if bits <= (7 if tables and lut == 6 else 6):
        return "whole"
    short = min(weight.precision, activation.precision)
    if twos_complement:
        return "rows" if lut == 4 and reach and short <= 2 else "booth"
    if lut == 6 and weight.precision + activation.precision <= 6:
        return "table"
    if short >= 5:
        return "booth"
    if lut == 4:
        return "rows"
    return _digits_or_booth(weight, activation)


def _has_fewer_rows(weight: Format, activation: Format) -> bool:
    """Whether a recoding of the weight has fewer rows than Booth recoding makes of the shorter operand."""
    how = recoding(weight)
    shorter = min(
        operand_layout(format)["significand"].width + (not is_twos_complement(format))
        for format in (weight, activation)
    )
    return how is not None and len(how.exponents) < (shorter + 1) // 2


def _digits_or_booth(weight: Format, activation: Format) -> str:
    return "digits" if max(weight.precision, activation.precision) <= MAX_DIGITS_BITS else "booth"
