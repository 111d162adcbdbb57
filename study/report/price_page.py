"""A page of tables compares the prices of minifloats with those of integers."""

import re
from collections.abc import Callable, Iterable, Sequence
from statistics import geometric_mean, median

from ...formats import parse, study_formats
from ..prices.price import Price

__all__ = ["Table", "price_page", "shape_of", "table_title", "tables_of"]

WIDTHS = range(3, 9)

Key = tuple[str, str, str, int, int]
"""Family, device, DSP policy, terms, lanes."""

Table = dict[tuple[str, str], Price]
"""The prices of one ``Key`` by (weight, activation)."""


def shape_of(name: str) -> tuple[int, int]:
    """The width and the exponent bits of a format, 0 for an integer. Formats are ordered by these."""
    exponent = re.match(r"e(\d+)m", name)
    return parse(name).width, int(exponent[1]) if exponent else 0


def tables_of(prices: Iterable[Price]) -> dict[Key, Table]:
    """A table for every key, in the order in which keys come. Of two prices of the same pair, the first counts."""
    found: dict[Key, Table] = {}
    for price in prices:
        table = found.setdefault((price.family, price.device, price.dsp_policy, price.terms, price.lanes), {})
        table.setdefault((price.weight, price.activation), price)
    return found


def table_title(key: Key) -> str:
    family, device, policy, terms, lanes = key
    where = f"{family}{'' if device == family else f' {device}'}{'' if policy == 'none' else f', DSP {policy}'}"
    each = f", each lane of a dot product of {lanes}" if lanes > 1 else ""
    return f"{where}, sums of up to {terms} products{each}"


def price_page(prices: Sequence[Price], image: str, commands: Sequence[str]) -> str:
    """The page in Markdown, with the picture ``image``. ``commands`` are those that made the prices."""
    tables = tables_of(prices)
    macs = {key: table for key, table in tables.items() if key[-1] == 1}
    routed = tables_of(price for price in prices if price.fmax_mhz is not None and price.lanes == 1)
    lines = [
        *(_INTRODUCTION, "", f"![LUTs of a MAC by pair of formats]({image})", ""),
        *("## Minifloats against integers of the same width", "", _ALIKE, ""),
        *_each(tables, lambda table: _against_integers(_alike(table, _mac))),
    ]
    with_requantizer = _each(tables, lambda table: _against_integers(_alike(table, _with_requantizer)))
    if with_requantizer:
        lines += ["### With one requantizer for each MAC", "", _REQUANTIZER, "", *with_requantizer]
    lines += ["### Beside the paper", "", _PAPER, "", *_beside_paper(macs), "", _LENGTHS, ""]
    if not with_requantizer:
        lines += [_NO_REQUANTIZER, ""]
    lanes = _beside_macs(tables)
    if lanes:
        lines += ["## Lanes of a dot product", "", _LANES, "", *lanes, ""]
    mixed = _each(tables, _cheapest)
    if mixed:
        lines += ["## Mixed widths", "", _MIXED, "", *mixed]
    if routed:
        lines += ["## Placed and routed", "", _ROUTED, "", *_each(routed, _speeds)]
        pairs = _each(routed, _routed_pairs)
        if pairs:
            lines += ["### Pairs of one width", "", _PAIRS, "", *pairs]
    lines += ["## Where the figures come from", "", *_sources(prices), *(f"- `{command}`" for command in commands)]
    return "\n".join(lines) + "\n"


def _each(tables: dict[Key, Table], make: Callable[[Table], list[str]]) -> list[str]:
    """What ``make`` makes of every table, each under the table's title. Tables without a result are left out."""
    lines = []
    for key, table in tables.items():
        made = make(table)
        if made:
            kind = next(iter(table.values())).lut_kind
            lines += [f"**{table_title(key)}** ({kind})", "", *made, ""]
    return lines


def _mac(price: Price) -> int | None:
    """LUTs of the MAC, or of a lane of a dot product."""
    return round(price.luts_a_lane)


def _with_requantizer(price: Price) -> int | None:
    return price.luts_with_requantizer


def _alike(table: Table, luts: Callable[[Price], int | None]) -> dict[str, int]:
    """LUTs of every format of the study with itself, if they were measured."""
    names = [format.name for format in study_formats()]
    found = {name: luts(table[name, name]) for name in names if (name, name) in table}
    return {name: count for name, count in found.items() if count is not None}


def _dearer(luts: dict[str, int]) -> dict[str, float]:
    """By how many percent each minifloat is dearer than the integer of its width."""
    integers = {name: f"int{shape_of(name)[0]}" for name in luts if shape_of(name)[1]}
    return {name: 100 * (luts[name] / luts[own] - 1) for name, own in integers.items() if own in luts}


def _against_integers(luts: dict[str, int]) -> list[str]:
    percents = _dearer(luts)
    widths = [width for width in WIDTHS if any(shape_of(name)[0] == width for name in percents)]
    if not widths:
        return []
    rows = []
    for width in widths:
        names = [f"e{exponent}m{width - 1 - exponent}" for exponent in range(1, width)]
        cells = [f"{luts[name]} ({round(percents[name]):+d} %)" if name in percents else "" for name in names]
        rows.append([width, luts[f"int{width}"], *cells, *[""] * (widths[-1] - width)])
    return _markdown(["bits", "int", *(f"E = {exponent}" for exponent in range(1, widths[-1]))], rows)


def _beside_paper(tables: dict[Key, Table]) -> list[str]:
    rows = []
    for key, table in tables.items():
        for what, luts in (("MAC", _mac), ("MAC and requantizer", _with_requantizer)):
            percents = _dearer(_alike(table, luts))
            cells = [_range(percents, exponents) for exponents in (range(2, 4), range(2, 6), range(1, 8))]
            if percents:
                rows.append([table_title(key).partition(",")[0], key[2], what, *cells])
    return _markdown(["family", "DSP", "what", "E = 2 or 3", "E = 2 to 5", "every E"], rows)


def _range(percents: dict[str, float], exponents: range) -> str:
    found = [percent for name, percent in percents.items() if shape_of(name)[1] in exponents]
    if not found:
        return ""
    least, most, middle = (f"{round(percent):+d} %" for percent in (min(found), max(found), median(found)))
    return f"{least} to {most}, median {middle}"


def _beside_macs(tables: dict[Key, Table]) -> list[str]:
    """LUTs of a lane by those of the MAC of the same formats, wherever both were measured."""
    rows = []
    for key, table in tables.items():
        macs = tables.get((*key[:-1], 1), {})
        if key[-1] == 1 or not macs:
            continue
        shares = {pair: price.luts_a_lane / macs[pair].luts for pair, price in table.items() if pair in macs}
        if shares:
            least, most = min(shares, key=lambda pair: shares[pair]), max(shares, key=lambda pair: shares[pair])
            ends = [f"{shares[pair]:.2f} ({' x '.join(pair)})" for pair in (least, most)]
            dearer = sum(share > 1 for share in shares.values())
            place = table_title(key).partition(",")[0]
            rows.append([place, key[2], key[-1], len(shares), f"{geometric_mean(shares.values()):.2f}", *ends, dearer])
    head = ("family", "DSP", "lanes", "pairs", "geometric mean", "least", "most", "pairs whose lane is dearer")
    return _markdown(head, rows) if rows else []


def _cheapest(table: Table) -> list[str]:
    """LUTs of the integers, and of the cheapest minifloats with two or more exponent bits, for every pair of widths."""
    if ("int3", "int8") not in table:
        return []
    rows = []
    for weight in WIDTHS:
        row = [f"**{weight}**"]
        for activation in WIDTHS:
            integers = table.get((f"int{weight}", f"int{activation}"))
            floats = [
                price
                for (w, a), price in table.items()
                if (shape_of(w)[0], shape_of(a)[0]) == (weight, activation) and min(shape_of(w)[1], shape_of(a)[1]) > 1
            ]
            best = min(floats, key=lambda price: price.luts, default=None)
            row.append(
                f"{_mac(integers) if integers else ''}"
                + (f" / {_mac(best)} {best.weight} x {best.activation}" if best else "")
            )
        rows.append(row)
    return _markdown(["W \\ A", *WIDTHS], rows)


def _speeds(table: Table) -> list[str]:
    rows = []
    for name in _alike(table, _mac):
        price = table[name, name]
        speed = f"{price.fmax_mhz:.0f} ({price.fmax_min_mhz:.0f}-{price.fmax_max_mhz:.0f})"
        rows.append([name, price.accumulator_bits, price.luts, price.carry, price.ff, price.logic_cells, speed])
    head = ("format", "accumulator bits", "LUTs", "carry", "FF", "logic cells", "Fmax, MHz: median (range)")
    return _markdown(head, rows) if rows else []


def _routed_pairs(table: Table) -> list[str]:
    """A matrix for every width for which pairs of different formats were routed too."""
    lines: list[str] = []
    for width in WIDTHS:
        names = sorted({name for pair in table for name in pair if shape_of(name)[0] == width}, key=shape_of)
        rows = [[f"**{w}**", *(_cells_and_speed(table[w, a]) if (w, a) in table else "" for a in names)] for w in names]
        if any((w, a) in table for w in names for a in names if w != a):
            lines += [*_markdown(["W \\ A", *names], rows), ""]
    return lines[:-1]


def _cells_and_speed(price: Price) -> str:
    cells = price.luts if price.logic_cells is None else price.logic_cells
    return f"{cells}, {price.fmax_mhz:.0f}"


def _sources(prices: Iterable[Price]) -> list[str]:
    versions: dict[str, dict[str, None]] = {}
    for price in prices:
        text = ", ".join(f"{name} {version}" for name, version in sorted(price.tools.items()))
        versions.setdefault(text, {})[price.family] = None
    return [f"- {', '.join(families)}: {text}" for text, families in versions.items()]


def _markdown(head: Sequence[object], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(map(str, line))} |" for line in lines]


_INTRODUCTION = """# The price of a pair of formats

What one multiply-accumulate costs for pairs of formats of 3 to 8 bits: `int{N}`, and every `e{E}m{M}` with E of 1 or
more, weights by activations. The MAC is the one of `fewbit verilog mac`: one product a cycle, exact sums, two register
stages, no DSP unless said. LUTs are the smallest of up to twelve synthesis recipes ([cost](cost.md) tells how, and what
the figures are not). The two sides of a product may be built differently, so the map is not quite symmetric."""

_ALIKE = """Weights and activations in the same format: LUTs of the MAC, and how much dearer it is than the integer's.
What a minifloat pays for is mostly its range: every place by which an exponent can shift makes the exact sum a bit
wider, and the shift itself costs. E = 1 is the integer's grid as sign and magnitude, and costs about what the
integer does."""

_REQUANTIZER = """The requantizer takes the whole sum to float32, as the networks of the study were run: a bias as wide
as the sum (at most 64 bits) is added, the result multiplied by 16 bits, shifted by up to 63 places, and rounded to
nearest even; AXI4-Stream at both ends, no DSP unless said. What follows in float32, activation functions and residual
sums, and the encoder to the next layer's format are not in the price. Most of it is the multiplication of the whole sum
by 16 bits, which an integer pays like a minifloat, by the bits of the sum. A unit that goes straight to the
activations' format (`fewbit synth requantize --output int8`) or has a power of two for its scale
(`--scale float8_e8m0fnu`) is cheaper, and is not what was studied. And one for each MAC is the most there can be: an
engine has one for many, since a sum is done only after all of its products."""

_PAPER = """The paper (arXiv 2311.12359) has minifloat MACs 20 to 180 % dearer than integer ones, and 60 to 300 % with
conversion. Its circuits and tools are others, and what its conversion holds need not be what our requantizer does:
ratios are what can be compared. Ours, by exponent bits, over all widths that were measured:"""

_LENGTHS = """Percents depend on how long sums are, since the accumulator's bits for that are the same for all formats:
where they were measured for other lengths, as those of the study's networks in its report, they are others."""

_NO_REQUANTIZER = """No requantizer is among these prices, so that nothing here stands beside the paper's figure with
conversion: `fewbit price --requantizer` measures it, and the page of `fewbit study report` has it for its sums."""

_LANES = """LUTs of a lane, which are those of the whole dot product by its number of lanes, as a share of those of a
lone MAC of the same formats. Both are for sums of as many products, and each is the smallest of the recipes."""

_MIXED = """Weights (rows) by activations (columns), in bits. LUTs of the integers / of the cheapest pair of minifloats
with two or more exponent bits on either side."""

_ROUTED = """By nextpnr, three seeds. First formats with themselves."""

_PAIRS = "Weights (rows) by activations (columns): logic cells after packing, and Fmax in MHz, the median of the seeds."
