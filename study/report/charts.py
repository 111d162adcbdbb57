"""The charts of the report. The page, SVG and PNG are made from one description."""

from collections.abc import Mapping, Sequence
from textwrap import wrap
from typing import Any

import altair as alt

from ..choice.pareto import AXES, KINDS, Axis
from .labels import SIZE, PlotFrame, framed, named

__all__ = ["DATA", "chart", "figure", "save"]

DATA = "candidates"
"""The name of the data that the page gives to its charts."""

INK, QUIET, GRID = "#1a1a1a", "#666666", "#e6e6e6"

COLORS = {
    **{"integer": "#0072b2", "minifloat": "#d55e00", "mixed": "#009e73", "table": "#cc79a7"},
    "trained": "#e69f00",
}
"""These colours are Okabe and Ito's, which colour-blind people can tell apart. Each kind has a shape of its own,
too."""

SHAPES = {
    **{"integer": "circle", "minifloat": "diamond", "mixed": "triangle-up", "table": "square"},
    "trained": "triangle-down",
}
DASHES = {"integer": [1, 0], "minifloat": [7, 3], "mixed": [2, 2], "table": [1, 3], "trained": [5, 2, 1, 2]}

ON_A_FRONT = "datum.on_front || datum.on_front_of_kind"

LEAST_PICTURED = 0.5
"""A picture shows points from this share of float32's accuracy on. On the page, the reader chooses it."""

PICTURE = {"width": 430, "height": 400}
LETTERS = 70
"""Letters in a line of the subtitle, as wide as a panel. A longer line would leave a blank beside the panels."""
TOOLTIPS = {
    "pair": "formats",
    "kind": "kind",
    "accuracy_text": "accuracy",
    "share_text": "of float32's",
    "luts": "LUTs of the MAC",
    "luts_with_requantizer": "with requantizer",
    "network_luts": "LUTs of the whole network",
    "bits": "bits moved",
    "scheme": "quantized with",
    "evidence": "measured by",
}


def chart(axis: Axis) -> alt.LayerChart:
    """The chart of accuracy against a cost for the page. It is as wide as its place, and its parameters filter it.

    Parameters ``kinds`` (list of names), ``weights`` and ``activations`` (lists of widths in bits; None for any),
    ``scheme`` (a text, or None for any) and ``least`` (share of float32's accuracy from which on points are shown).
    Fronts and knee are those of the points that the filters leave; ``least`` only cuts the view.
    """
    layers = alt.LayerChart(layer=_layers(axis), data=alt.NamedData(name=DATA)).add_params(*_parameters())
    return (
        _with_fronts(layers, axis).properties(width="container", height=340).configure(**_configuration(legend=False))
    )


def figure(rows: Sequence[Mapping[str, Any]], title: str, subtitle: str) -> alt.HConcatChart:
    """A picture of one network on one FPGA, with all three costs side by side.

    ``rows`` are those that ``data.rows`` gives. Points with less than half of float32's accuracy are left out.
    """
    data = alt.InlineData(values=list(rows), name=DATA)
    panels = [_panel(rows, axis) for axis in AXES.values() if any(row[axis.name] is not None for row in rows)]
    lines = wrap(subtitle, LETTERS * len(panels))
    return (
        alt.hconcat(*panels, data=data, spacing=28)
        .add_params(*_parameters(LEAST_PICTURED))
        .properties(title=alt.TitleParams(title, subtitle=lines, fontSize=16, subtitleColor=QUIET, anchor="start"))
        .configure(**_configuration(legend=True), background="white", padding=12)
    )


def _panel(rows: Sequence[Mapping[str, Any]], axis: Axis) -> alt.LayerChart:
    """The panel of one cost. It names the points on fronts, since a reader cannot hover over a picture."""
    seen = [row for row in rows if row[axis.name] is not None and _is_pictured(row)]
    if not seen:
        return _with_fronts(alt.LayerChart(layer=_layers(axis)), axis).properties(**PICTURE)
    frame = framed(seen, axis.name, PICTURE["width"], PICTURE["height"])
    charts = _with_fronts(alt.LayerChart(layer=_layers(axis, frame)), axis)
    return alt.LayerChart(layer=[charts, *_names(named(rows, seen, axis.name, frame), frame)]).properties(**PICTURE)


def _is_pictured(row: Mapping[str, Any]) -> bool:
    return row["float32"] is None or row["accuracy"] >= LEAST_PICTURED * row["float32"]


def _names(names: Sequence[Mapping[str, Any]], frame: PlotFrame) -> list[alt.Chart]:
    """The layers of names: the texts, and a thin line from each to its point."""
    of = alt.Chart(alt.InlineData(values=list(names)))
    x, y = _scales(frame)
    hair = (
        of.transform_filter("isValid(datum.to_cost)")
        .mark_rule(color=QUIET, strokeWidth=0.6, opacity=0.6)
        .encode(x=alt.X("from_cost:Q", scale=x), x2="to_cost:Q", y=alt.Y("from_value:Q", scale=y), y2="to_value:Q")
    )
    place: dict[str, Any] = {"align": "left", "baseline": "middle", "fontSize": SIZE}
    at: dict[str, Any] = {"x": alt.X("at:Q", scale=x), "y": alt.Y("value:Q", scale=y), "text": "text:N"}
    halo = of.mark_text(**place, stroke="white", strokeWidth=2.5, strokeJoin="round", aria=False).encode(**at)
    of_points = of.transform_filter("isValid(datum.kind)").mark_text(**place).encode(**at, color=_color())
    others = of.transform_filter("!isValid(datum.kind)").mark_text(**place, fontWeight=600)
    return [hair, halo, of_points, others.encode(**at, color=alt.value(INK))]


def _scales(frame: PlotFrame | None) -> tuple[alt.Scale, alt.Scale]:
    """The scales of cost and accuracy. Without a frame, they are as wide as the data."""
    if frame is None:
        return alt.Scale(type="log", nice=False, padding=14), alt.Scale(zero=False, padding=8)
    across = alt.Scale(type="log", nice=False, domain=list(frame.costs))
    return across, alt.Scale(zero=False, nice=False, domain=list(frame.values))


def _configuration(legend: bool) -> dict[str, Any]:
    """The looks of a chart: dark text on white, and a faint grid. The page needs no legend, since its boxes name the
    kinds."""
    return {
        "axis": {
            **{"labelColor": INK, "titleColor": INK, "labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": 400},
            **{"gridColor": GRID, "domainColor": QUIET, "tickColor": QUIET},
        },
        "legend": {"labelColor": INK, "labelFontSize": 12, "orient": "top", "disable": not legend}
        | {"symbolSize": 90, "symbolOpacity": 1, "symbolDash": [1, 0]},
        "title": {"color": INK},
        "view": {"stroke": None},
        "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
    }


def save(chart: alt.HConcatChart) -> dict[str, bytes]:
    """The chart by suffix: ``.svg`` and ``.png``."""
    import vl_convert

    description = chart.to_json()
    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    return {
        ".svg": vl_convert.vegalite_to_svg(description, vl_version=version).encode(),
        ".png": vl_convert.vegalite_to_png(description, vl_version=version, scale=2),
    }


def _parameters(least: float = 0) -> list[alt.Parameter]:
    values = {"kinds": list(KINDS), "weights": None, "activations": None, "scheme": None, "least": least}
    return [alt.param(name=name, value=value) for name, value in values.items()]


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _layers(axis: Axis, frame: PlotFrame | None = None) -> list[alt.Chart]:
    """The layers from the back to the front. The knee's ring is behind the points, so that these can be hovered
    over."""
    scale, values = _scales(frame)
    y = alt.Y("accuracy:Q", title=None, scale=values)
    ticks = alt.Axis(format="~s", tickCount=6, labelOverlap=True)
    x = alt.X("cost:Q", title=_capital(axis.title), scale=scale, axis=ticks)
    seen = alt.Chart().transform_filter("datum.accuracy >= datum.least_accuracy")
    ring, *label = _knee(seen, x, y)
    line, *reference = _float32()
    names = [*label, *reference] if frame is None else []  # in a frame, these are placed with the other names
    return [*_lines(seen, x, y), _errors(seen, x), ring, _points(seen, axis, x, y), line, *names]


def _by_kind(values: Mapping[str, Any]) -> alt.Scale:
    return alt.Scale(domain=list(values), range=list(values.values()))


def _color() -> alt.Color:
    return alt.Color("kind:N", scale=_by_kind(COLORS), title=None)


def _lines(seen: alt.Chart, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    """The fronts as steps, since between two points of a front only the cheaper one can be had."""
    band = seen.transform_filter("datum.on_front").mark_line(
        interpolate="step-after", color="#999999", opacity=0.35, strokeWidth=6
    )
    lines = seen.transform_filter("datum.on_front_of_kind").mark_line(interpolate="step-after", strokeWidth=1.8)
    dash = alt.StrokeDash("kind:N", scale=_by_kind(DASHES), title=None)
    order = alt.Order("cost:Q")
    return [band.encode(x=x, y=y, order=order), lines.encode(x=x, y=y, color=_color(), strokeDash=dash, order=order)]


def _errors(seen: alt.Chart, x: alt.X) -> alt.Chart:
    front = seen.transform_filter(ON_A_FRONT)
    return front.mark_rule(strokeWidth=1.2, opacity=0.7).encode(
        x=x, y=alt.Y("low:Q", title=None), y2="high:Q", color=_color()
    )


def _points(seen: alt.Chart, axis: Axis, x: alt.X, y: alt.Y) -> alt.Chart:
    told = {**TOOLTIPS, f"standing_{axis.name}": "beside the front"}
    return seen.mark_point(filled=True, size=58, stroke="white", strokeWidth=0.6).encode(
        x=x,
        y=y,
        color=_color(),
        shape=alt.Shape("kind:N", scale=_by_kind(SHAPES), title=None),
        opacity=alt.condition(ON_A_FRONT, alt.value(1), alt.value(0.5)),
        tooltip=[_tooltip(name, title) for name, title in told.items()],
    )


def _tooltip(name: str, title: str) -> alt.Tooltip:
    if name == "bits":
        return alt.Tooltip("bits:Q", title=title, format=",")
    return alt.Tooltip(f"{name}:N", title=title)


def _knee(seen: alt.Chart, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    knee = seen.transform_filter("datum.is_knee")
    place: dict[str, Any] = {"align": "left", "baseline": "top", "dx": 9, "dy": 9, "fontSize": 12, "fontWeight": 600}
    halo = knee.mark_text(**place, stroke="white", strokeWidth=4, strokeJoin="round", aria=False)
    return [
        knee.mark_point(size=260, color=INK, strokeWidth=1.8, shape="circle").encode(x=x, y=y),
        *(text.encode(x=x, y=y, text="knee_text:N") for text in (halo, knee.mark_text(**place, color=INK))),
    ]


def _float32() -> list[alt.Chart]:
    reference = (
        alt.Chart()
        .transform_aggregate(float32="max(float32)")
        .transform_filter("isValid(datum.float32)")
        .transform_calculate(text="'float32'")
    )
    y = alt.Y("float32:Q", title=None)
    text = reference.mark_text(align="left", baseline="bottom", dx=3, dy=-3, color=INK, fontSize=11)
    return [
        reference.mark_rule(color=INK, strokeDash=[2, 3]).encode(y=y),
        text.encode(x=alt.value(0), y=y, text="text:N"),
    ]


def _with_fronts(chart: alt.LayerChart, axis: Axis) -> alt.LayerChart:
    """Filter the points, and compute the fronts and the knee of what is left, as ``pareto.pareto`` and ``knee`` do."""
    chart = (
        chart.transform_calculate(cost=f"datum.{axis.name}")
        .transform_filter("isValid(datum.cost) && indexof(kinds, datum.kind) >= 0")
        .transform_filter("weights == null || indexof(weights, datum.weight_width) >= 0")
        .transform_filter("activations == null || indexof(activations, datum.activation_width) >= 0")
        .transform_filter("scheme == null || scheme == datum.scheme")
        .transform_calculate(
            low="datum.accuracy - datum.standard_error",
            high="datum.accuracy + datum.standard_error",
            least_accuracy="isValid(datum.float32) ? least * datum.float32 : -1e9",
        )
    )
    return _with_knee(_with_front(_with_front(chart, "on_front", []), "on_front_of_kind", ["kind"]))


def _with_front(chart: alt.LayerChart, name: str, group: list[str]) -> alt.LayerChart:
    """Add a flag of that name, which says that nothing of the same or a lower cost is as accurate."""
    order: list[Any] = [alt.SortField("cost"), alt.SortField("accuracy", order="descending")]
    best: dict[str, Any] = {"op": "max", "field": "accuracy", "as": f"{name}_best"}
    before: dict[str, Any] = {"op": "lag", "field": f"{name}_best", "param": 1, "as": f"{name}_before"}
    for window in (best, before):
        chart = chart.transform_window(
            [alt.WindowFieldDef(**window)], frame=[None, 0], ignorePeers=True, groupby=group, sort=order
        )
    beaten = f"datum.{name}_before"
    return chart.transform_calculate(**{name: f"!isValid({beaten}) || datum.accuracy > {beaten}"})


def _with_knee(chart: alt.LayerChart) -> alt.LayerChart:
    up, right = (f"(datum.{a} - datum.{a}_min) / (datum.{a}_max - datum.{a}_min)" for a in ("y", "x"))
    return (
        chart.transform_calculate(
            x="datum.on_front ? log(datum.cost) : null", y="datum.on_front ? datum.accuracy : null"
        )
        .transform_joinaggregate(x_min="min(x)", x_max="max(x)", y_min="min(y)", y_max="max(y)")
        .transform_calculate(height=f"datum.on_front && datum.x_max > datum.x_min ? {up} - {right} : null")
        .transform_joinaggregate(highest="max(height)")
        .transform_calculate(knee_cost="datum.highest > 0 && datum.height == datum.highest ? datum.cost : null")
        .transform_joinaggregate(cheapest="min(knee_cost)")
        .transform_calculate(
            is_knee="isValid(datum.knee_cost) && datum.knee_cost == datum.cheapest", knee_text="'knee: ' + datum.pair"
        )
    )
