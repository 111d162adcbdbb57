"""Which way to build a product: what ``auto`` takes for a pair of formats and an FPGA family."""

from dataclasses import replace

from ...families import FAMILIES, DspBlock, Family
from ...formats import EXACT, Arithmetic, Format
from .build import MAX_PIPELINE, Build
from .build_of_gated_lanes import build_of_gated_lanes
from .build_of_lanes import build_of_integers, build_of_lanes, registers_of_digits
from .ccu2c import CELL
from .decode import is_twos_complement, operand_layout
from .packing import SummedPacking, find_grid, find_packing, integer_bits, product_bits
from .recoding import recoding

__all__ = ["BUILDS", "FAMILIES", "check_table", "choose_build", "multiplications"]

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
    packed: bool = False,
    mixed: bool = False,
    sharing: int = 1,
    grid: tuple[int, int] = (1, 1),
) -> Build:
    """The build of that name, or for ``auto`` the one that measures smallest, with the rest of it chosen for the
    family.

    With all three register stages a caller wants speed, and rows are then summed by a tree. The rules were found by
    measuring all builds of some twenty pairs, and tests/test_hdl_choose.py measures them again.

    Parameters
    ----------
    dsp: whether products may be left to the device's multipliers. Where yosys would use none, or none would spare
        anything, the build is that of logic
    recode: whether the digits of recoded weights will do in the place of their significands
    lanes: how many products are added before the accumulator
    packed: whether several of them may be made by one multiplication
    mixed: whether multipliers are for some elements of an array alone; their build is then in ``Build.multipliers``
    sharing: how many products share a decoder, as in an array
    grid: rows and columns of an array, neighbours in which may share multipliers
    """
    described = FAMILIES.get(family or "")
    if dsp:
        logic = _of_logic(weight, activation, build, pipeline, described, recode=False, lanes=lanes, sharing=sharing)
        block = described.block if described else None
        multipliers = _of_multipliers(weight, activation, logic, block, lanes if packed else 1)
        if packed and block is not None:
            multipliers = _of_grid(weight, activation, logic, block, lanes, grid) or multipliers
        if multipliers is not None:
            return replace(logic, multipliers=multipliers) if mixed else multipliers
    return _of_logic(weight, activation, build, pipeline, described, recode=recode, lanes=lanes, sharing=sharing)


def multiplications(arithmetic: Arithmetic, lanes: int, family: str | None) -> int:
    """How many multipliers an element of so many lanes leaves its products to; 0 where none would spare anything."""
    formats, packed = (arithmetic.weight, arithmetic.activation), arithmetic.element == EXACT
    build = choose_build(*formats, "auto", pipeline=2, family=family, dsp=True, lanes=lanes, packed=packed)
    return build.multiplications(lanes)


def _of_logic(
    weight: Format,
    activation: Format,
    build: str,
    pipeline: int,
    described: Family | None,
    *,
    recode: bool,
    lanes: int,
    sharing: int = 1,
) -> Build:
    lut = described.lut_inputs if described else PORTABLE_LUT_INPUTS
    twos_complement = any(map(is_twos_complement, (weight, activation)))
    reach = weight.max_shift + activation.max_shift
    group = _group(lut, reach, twos_complement)
    apart = described.apart if described else True
    fast = pipeline >= MAX_PIPELINE
    short_paths = fast and described is not None and described.late_reads
    shares_cells = described is not None and described.shares_cells
    product = build
    if build == "auto":
        product = _smallest(weight, activation, lut, reach, twos_complement)
        if product == "rows" and fast:
            product = _digits_or_booth(weight, activation)
        if recode and product == "booth" and twos_complement and _has_fewer_rows(weight, activation):
            product = "recoded"
    found = Build(
        product,
        group,
        tree=fast,
        apart=apart,
        pipeline=pipeline,
        short_paths=short_paths,
        shares_cells=shares_cells,
        lut_inputs=lut,
    )
    if product in ("booth", "recoded") and reach == 0:
        bits = min(operand_layout(format)["significand"].width for format in (weight, activation))
        found = replace(found, registers=registers_of_digits(found, bits, lut, sharing))
    if lanes > 1:
        auto, formats = build == "auto", (weight, activation)
        if described is not None and described.adder_logic:
            logic = described.adder_logic
            return build_of_gated_lanes(found, *formats, logic, lanes, auto=auto, exact=recode, sharing=sharing)
        return build_of_lanes(found, *formats, lut, auto=auto, exact=recode, sharing=sharing)
    integers = None
    if recode and build == "auto" and sharing > 1:
        integers = build_of_integers(found, weight, activation, lut, sharing)
    return integers or found


def _of_multipliers(
    weight: Format, activation: Format, logic: Build, block: DspBlock | None, packed: int
) -> Build | None:
    """The build that leaves to multipliers what it can, or None where that is nothing.

    Parameters
    ----------
    logic: the build in logic
    packed: how many products may be made together
    """
    operator = Build("operator", logic.group, apart=logic.apart, pipeline=logic.pipeline, short_paths=logic.short_paths)
    if block is None:
        return operator
    packing = find_packing(weight, activation, block, packed)
    if isinstance(packing, SummedPacking) and logic.adds_rows and not _spares(weight, activation, packing):
        packing = None
    taken = block.takes(*product_bits(weight, activation))
    shifted = weight.max_shift + activation.max_shift > 0
    if logic.product == "whole" and shifted:
        # The table holds the shift too, which would have to be made behind a multiplier.
        taken = False
        packing = packing if isinstance(packing, SummedPacking) else None
    if shifted and not isinstance(packing, SummedPacking):
        # What is behind the product of significands is as in logic.
        operator = replace(logic, product="operator")
    else:
        logic = logic.of_one_product
    if packing is None:
        if taken and block.cascade and packed > 1 and not shifted:
            cascade = block.cascade // 2 if logic.tree else block.cascade
            return replace(operator, cascade=cascade, registers="blocks")
        return operator if taken else None
    integers = taken and isinstance(packing, SummedPacking)
    return replace(operator if taken else logic, packing=packing, integers=integers, shares_cells=logic.shares_cells)


def _of_grid(
    weight: Format, activation: Format, logic: Build, block: DspBlock, lanes: int, grid: tuple[int, int]
) -> Build | None:
    """The build of elements that share multipliers with their neighbours in ``grid``, or None where none can."""
    packing = None if logic.shares_cells else find_grid(weight, activation, block, *grid)
    if packing is None:
        return None
    if packing.operands == "significands":
        # As above: a table holds the shift too.
        return None if logic.product == "whole" else replace(logic, product="operator", packing=packing)
    how = Build("operator", pipeline=logic.pipeline, apart=logic.apart, short_paths=logic.short_paths)
    how = replace(how, tree=logic.tree, lut_inputs=logic.lut_inputs, integers=logic.integers, packing=packing)
    if packing.signed or lanes == 1 or not (weight.signed or activation.signed):
        return how
    return replace(how, sums="signs", registers="chains", cell=CELL if logic.lut_inputs == 4 else None)


def _spares(weight: Format, activation: Format, packing: SummedPacking) -> bool:
    """Whether factors put together and sums of products take fewer LUTs than rows in carry chains, by estimates."""
    bits, n = (integer_bits(weight), integer_bits(activation)), packing.products
    rows = (min(bits) + 1) // 2 * (max(bits) + 1)
    return ((n - 1) * sum(bits) + packing.width) / n < rows


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
