"""The cycles of a network, layer by layer, drawn from what was estimated and, if given, what was counted."""

from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..boards.build.estimate import Estimate
    from ..sim.network import RecordCycles

__all__ = ["chart"]

SPENT = {
    "taps": ("the array multiplies", "#0072b2"),
    "weights": ("weights are fetched", "#e69f00"),
    "sums": ("sums are rounded and written", "#d55e00"),
    "memory": ("a memory is taken", "#cc79a7"),
    "rest": ("begin and end", "#bbbbbb"),
}
"""What the cycles of a record are spent with, in words, and its colour. The colours are Okabe and Ito's."""

INK, QUIET, GRID = "#1a1a1a", "#666666", "#e6e6e6"
NAMES, WIDTH, FIGURES = 180, 520, 190
"""Widths of the names, of the bars, and of the figures beside them."""

TOP, LINE, BAR = 78, 26, 16
STEPS = (1, 2, 5)


def chart(made: "Estimate", counted: Mapping[str, int] | None = None) -> str:
    """The chart as SVG: a bar for each record, by what its cycles are spent with.

    ``counted``: cycles of records by name, as hardware was seen to take them; a mark shows each
    """
    most = max([record.cycles for record in made.records] + [*(counted or {}).values()])
    scale, height = WIDTH / most, TOP + LINE * len(made.records) + 34
    shape = made.program.shape
    title = f"{made.program.name} in {shape.weight} x {shape.activation} on {made.board}"
    array = f"{shape.rows} x {shape.columns} sums of {shape.lanes} products"
    total = f"{made.cycles:,} cycles an image as predicted"
    if counted is not None:
        total += f", {sum(counted.values()):,} as counted"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{NAMES + WIDTH + FIGURES}" height="{height}" '
        f'viewBox="0 0 {NAMES + WIDTH + FIGURES} {height}" font-family="system-ui, \'DejaVu Sans\', sans-serif" '
        f'font-size="12" fill="{INK}">',
        f'<rect width="{NAMES + WIDTH + FIGURES}" height="{height}" fill="white"/>',
        f'<text x="12" y="22" font-size="15" font-weight="600">{escape(title)}</text>',
        f'<text x="12" y="40" fill="{QUIET}">{escape(array)}; {total}</text>',
        *_legend(made, counted is not None),
        *_grid(most, scale, height),
    ]
    for place, record in enumerate(made.records):
        parts += _bar(record, TOP + LINE * place, scale, None if counted is None else counted[record.name])
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(made: "Estimate", counted: bool) -> list[str]:
    parts, x = [], 12.0
    for name, (words, color) in SPENT.items():
        if any(getattr(record, name) for record in made.records):
            parts.append(f'<rect x="{x:.0f}" y="51" width="10" height="10" fill="{color}"/>')
            parts.append(f'<text x="{x + 14:.0f}" y="60">{words}</text>')
            x += 32 + 6.4 * len(words)
    if counted:
        parts.append(f'<path d="M{x:.0f} 49v14" stroke="{INK}" stroke-width="2"/>')
        parts.append(f'<text x="{x + 8:.0f}" y="60">counted</text>')
    return parts


def _grid(most: int, scale: float, height: int) -> list[str]:
    """Lines at round numbers of cycles, about five."""
    power = 10 ** (len(str(most)) - 1)
    steps = [step * power // divisor for divisor in (10, 1) for step in STEPS]
    step = next((each for each in steps if each and most / each <= 6), most)
    parts = []
    for cycles in range(0, most + 1, step):
        x = NAMES + cycles * scale
        parts.append(f'<path d="M{x:.1f} {TOP - 6}V{height - 24}" stroke="{GRID}"/>')
        parts.append(f'<text x="{x:.1f}" y="{height - 10}" text-anchor="middle" fill="{QUIET}">{cycles:,}</text>')
    return parts


def _bar(record: "RecordCycles", y: int, scale: float, counted: int | None) -> list[str]:
    parts, x = [f'<text x="{NAMES - 8}" y="{y + 12}" text-anchor="end">{escape(record.name)}</text>'], float(NAMES)
    for name, (words, color) in SPENT.items():
        cycles = getattr(record, name)
        if cycles:
            parts.append(
                f'<rect x="{x:.1f}" y="{y}" width="{cycles * scale:.1f}" height="{BAR}" fill="{color}">'
                f"<title>{escape(record.name)}: {words}, {cycles:,} cycles</title></rect>"
            )
            x += cycles * scale
    busy = f"{record.cycles:,} cycles, {record.taps / record.cycles:.1%} busy"
    if counted is not None:
        at = NAMES + counted * scale
        parts.append(f'<path d="M{at:.1f} {y - 3}v{BAR + 6}" stroke="{INK}" stroke-width="2"/>')
        busy += "" if counted == record.cycles else f"; {counted:,} counted"
    return [*parts, f'<text x="{max(x, NAMES) + 8:.1f}" y="{y + 12}" fill="{QUIET}">{busy}</text>']
