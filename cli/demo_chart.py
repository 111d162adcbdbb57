"""The demo's chart: LUTs of each format pair, by family, beside the peers'."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

INK, QUIET, PEER = "#222222", "#707070", "#d1495b"
NOTE = (
    "One product a cycle, registered inputs, exact sums of up to 8192 products, no DSP; LUT cells after yosys. "
    "Every design is verified over all its operand pairs."
)


class Panel(NamedTuple):
    """One half of the chart: a family, and the columns of the table that it shows."""

    title: str
    unit: str
    ours: str
    theirs: str
    color: str


PANELS = (
    Panel("Lattice iCE40", "LUT4", "ice40_lut4", "ice40_peer_lut4", "#1f6f8b"),
    Panel("AMD 7-series", "LUTs (LUT1 to LUT6)", "xc7_lut6", "xc7_peer_lut6", "#4b6584"),
)


def draw(table: Sequence[Mapping[str, Any]], groups: Mapping[str, int], path: Path) -> None:
    """Write ``path`` with the suffixes .png and .svg, whole or not at all.

    Parameters
    ----------
    table: the demo's rows, group by group
    groups: title of each group of rows, and how many it has
    path: of the files, without suffix
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from ..synth import write_bytes

    places = _places(groups)
    with matplotlib.rc_context({"font.size": 9, "svg.hashsalt": "fewbit", "text.color": INK}):
        figure = Figure(figsize=(9.6, 6.4), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08), facecolor="white")
        axes = figure.subplots(1, 2, sharey=True)
        for axis, panel in zip(axes, PANELS, strict=True):
            _draw_panel(axis, table, places, panel)
        axes[0].set_yticks(places, [_label(row) for row in table])
        axes[0].set_ylim(max(places) + 0.7, -1.2)
        _draw_titles(axes[0], groups, places)
        axes[1].legend(loc="lower right", frameon=False, handletextpad=0.4)
        figure.suptitle("Price of one exact multiply-accumulate, by number format", fontsize=13, fontweight="bold")
        figure.supxlabel(NOTE, fontsize=8, color=QUIET)
        for suffix, options in ((".png", {"dpi": 160}), (".svg", {"metadata": {"Date": None}})):
            image = io.BytesIO()
            figure.savefig(image, format=suffix[1:], **options)
            write_bytes(path.with_suffix(suffix), image.getvalue())


def _places(groups: Mapping[str, int]) -> list[float]:
    """Where each row's bar is, with room for a title above every group."""
    sizes = list(groups.values())
    return [
        row + 0.9 * group
        for group, size in enumerate(sizes)
        for row in range(sum(sizes[:group]), sum(sizes[: group + 1]))
    ]


def _label(row: Mapping[str, Any]) -> str:
    weight, activation = row["weight"], row["activation"]
    return weight if weight == activation else f"{weight} × {activation}"


def _draw_titles(axis: "Axes", groups: Mapping[str, int], places: Sequence[float]) -> None:
    start = 0
    for title, count in groups.items():
        across = axis.get_yaxis_transform()
        axis.text(
            -0.02, places[start] - 0.85, title, transform=across, ha="right", va="center", color=QUIET, weight="bold"
        )
        start += count


def _draw_panel(axis: "Axes", table: Sequence[Mapping[str, Any]], places: Sequence[float], panel: Panel) -> None:
    values = [row[panel.ours] for row in table]
    peers = [(place, row[panel.theirs]) for place, row in zip(places, table, strict=True) if row[panel.theirs]]
    axis.barh(places, values, height=0.66, color=panel.color, label="fewbit", zorder=2)
    axis.scatter(
        [value for _, value in peers],
        [place for place, _ in peers],
        marker="|",
        s=150,
        linewidths=2.2,
        color=PEER,
        label="best open peer, where known",
        zorder=3,
    )
    widest = max([*values, *(value for _, value in peers)])
    for place, value in zip(places, values, strict=True):
        axis.text(
            value - widest * 0.012, place, str(value), ha="right", va="center", color="white", fontsize=8.5, zorder=4
        )
    axis.set_xlim(0, widest * 1.06)
    axis.set_title(panel.title, fontsize=10, loc="left")
    axis.set_xlabel(panel.unit)
    axis.grid(axis="x", color="#dddddd", linewidth=0.8, zorder=0)
    axis.tick_params(length=0)
    axis.spines[["top", "right", "bottom", "left"]].set_visible(False)
    axis.axvline(0, color=QUIET, linewidth=1, zorder=3)
