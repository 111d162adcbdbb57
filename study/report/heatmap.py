"""The heat map of prices shows LUTs of the MAC by weights and activations, with a panel for each family."""

import io
from collections.abc import Iterable
from itertools import pairwise
from typing import TYPE_CHECKING

import matplotlib

from ..prices.price import Price
from .price_page import Table, shape_of, table_title, tables_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["heatmap"]

INK, QUIET = "#222222", "#707070"
CELL = 0.34
"""The side of a cell in inches, wide enough for three digits."""

DARK = 0.55
"""Text is white from this share of the colour scale on."""


def heatmap(prices: Iterable[Price], suffix: str) -> bytes:
    """The picture as ``svg`` or ``png``. It has the tables that are at least half as full as the fullest one.

    Raises ValueError if there is no price.
    """
    from matplotlib.figure import Figure

    tables = tables_of(prices)
    if not tables:
        raise ValueError("prices must be given to draw them, not none")
    fullest = max(map(len, tables.values()))
    drawn = {key: table for key, table in tables.items() if 2 * len(table) >= fullest}
    columns = min(2, len(drawn))
    side = 2.2 + CELL * max(len(_names(table, 1)) for table in drawn.values())
    style = matplotlib.rc_context(
        {
            "font.size": 8,
            "text.color": INK,
            # text stays text in one font, which makes the SVG smaller, and it can be searched
            "svg.fonttype": "none",
            "font.family": ["DejaVu Sans"],
            "svg.hashsalt": "fewbit",
            "figure.constrained_layout.w_pad": 0.2,
            "figure.constrained_layout.h_pad": 0.2,
        }
    )
    with style:
        lines = -(-len(drawn) // columns)
        figure = Figure(figsize=(side * columns, side * lines), layout="constrained", facecolor="white")
        panels = figure.subplots(lines, columns, squeeze=False).flat
        for axes, (key, table) in zip(panels, drawn.items(), strict=False):
            _draw(axes, table)
            kind = next(iter(table.values())).lut_kind.upper()
            of = " of a MAC" if key[-1] == 1 else ""
            axes.set_title(f"{table_title(key)}: {kind} cells{of}", loc="left", fontsize=11, fontweight="bold")
        for axes in list(panels):
            axes.set_visible(False)
        image = io.BytesIO()
        options = {"metadata": {"Date": None}} if suffix == "svg" else {"dpi": 100}
        figure.savefig(image, format=suffix, **options)
    return image.getvalue()


def _names(table: Table, side: int) -> list[str]:
    """The formats of the weights (0) or of the activations (1), in their order."""
    return sorted({pair[side] for pair in table}, key=lambda name: (*shape_of(name), name))


def _draw(axes: "Axes", table: Table) -> None:
    from matplotlib.colors import LogNorm

    weights, activations = _names(table, 0), _names(table, 1)
    luts = [[table[w, a].luts_a_lane if (w, a) in table else float("nan") for a in activations] for w in weights]
    counts = [price.luts_a_lane for price in table.values()]
    scale = LogNorm(max(1, min(counts)), max(counts) + 1)
    axes.imshow(luts, cmap="YlGnBu", norm=scale, aspect="equal")
    for row, weight in enumerate(weights):
        for column, activation in enumerate(activations):
            price = table.get((weight, activation))
            if price is not None:
                color = "white" if scale(price.luts_a_lane) > DARK else INK
                axes.text(column, row, f"{price.luts_a_lane:.0f}", ha="center", va="center", fontsize=6.5, color=color)
    axes.set_xticks(range(len(activations)), activations, rotation=90)
    axes.set_yticks(range(len(weights)), weights)
    axes.set_xlabel("activations", color=QUIET)
    axes.set_ylabel("weights", color=QUIET)
    axes.tick_params(length=0)
    axes.spines[["top", "right", "bottom", "left"]].set_visible(False)
    for names, line in ((activations, axes.axvline), (weights, axes.axhline)):
        for place, (name, after) in enumerate(pairwise(names)):
            if shape_of(name)[0] != shape_of(after)[0]:
                line(place + 0.5, color="white", linewidth=2)
