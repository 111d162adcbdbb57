"""``fewbit study run``: how accurate networks are when they compute in these formats."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.command import command_line
from ..common.console import print_json, print_table, progress
from ..common.options import DEFAULT_FORMAT, STUDY_FORMATS_HELP, Activation, Append, Jobs, Json, Out, weights
from ..common.options import element as element_option
from ..common.signature import takes_options
from ..common.study_options import EVALUATIONS, Between, Model, NetworkOptions, SchemeOptions, evaluations, tell_notes
from ..common.study_options import evaluation as evaluation_option

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ...study.measurement.point import Point

__all__ = ["study"]


@dataclass(frozen=True)
class _Networks(NetworkOptions):
    """The options of networks, which name both small networks unless others are given."""

    model: Model = "resnet8,vit"


@takes_options
def study(
    context: typer.Context,
    networks: _Networks,
    weight: Annotated[str | None, weights(STUDY_FORMATS_HELP)] = None,
    activation: Activation = None,
    evaluation: Annotated[str, evaluation_option(*EVALUATIONS)] = "float",
    between: Between = None,
    element: Annotated[str | None, element_option()] = None,
    how: SchemeOptions = SchemeOptions(),  # noqa: B008  # frozen
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Of a Dask cluster, as tcp://host:8786.")
    ] = None,
    jobs: Jobs = None,
    append: Append = False,
    out: Out = Path("out"),
    json: Json = False,
) -> None:
    """Quantize networks, run them on their test samples, and write study_points.csv, .json and .parquet.

    A model that came quantized, as QONNX or QDQ, is studied as it came, with its own formats and scales.
    Points are kept as they come, and the same command goes on from where it was stopped.
    """
    from contextlib import closing

    from ...formats import EXACT, parse, parse_element
    from ...study.measurement.points_file import add_points, question_of, read_commands, read_points, write_points
    from ...study.quantization.tensor_formats import operand_pairs
    from ...study.questions import in_order, jobs_of
    from ...study.sweep import study as sweep
    from ...synth import SweepError
    from ..common.files import check_folder, lost, tell_lost

    schemes, names = how.schemes(operand_pairs(weight or DEFAULT_FORMAT, activation)), evaluations(evaluation)
    if element is not None:
        schemes = [replace(scheme, element=parse_element(element)) for scheme in schemes]
        if not all(scheme.element.rule == EXACT.rule for scheme in schemes) and names != ("integer",):
            raise ValueError(f"evaluation must be integer for element {element}, not {evaluation!r}")
    wanted = jobs_of(
        networks.sources(),
        schemes,
        names,
        chosen=bool(weight or activation or how.edges or how.techniques != "none"),
        between=None if between is None else parse(between),
        samples=networks.samples,
        seed=networks.seed,
    )
    check_folder(out)
    kept = out / "study_points.json"
    if append and kept.exists():
        read_points(kept), read_commands(kept)  # what cannot be added to is told now
    found: list[Point] = []
    failed: SweepError | None = None
    try:
        with (
            _executor(scheduler) as executor,
            progress("Studying") as report,
            closing(sweep(wanted, executor=executor, jobs=jobs, progress=report)) as measured,  # type: ignore[type-var]
        ):
            for point in measured:
                found.append(point)
    except SweepError as error:
        failed = error
    finally:
        found = in_order(found, wanted)
        if found and append:
            add_points(found, out, command_line(context))
        elif found:
            gone = lost(lambda: read_points(kept), found, question_of)
            write_points(found, out, command_line(context))
            tell_lost(gone, kept)
    if json:
        print_json({"points": [point.to_dict() for point in found]})
    elif found:
        print_table(_table(found))
        for point in {point.network: point for point in found}.values():
            tell_notes(point.network, point.skipped, point.notes)
        print(f"written: {out / 'study_points'}.csv, .json and .parquet")
    if failed is not None:
        raise failed


def _executor(scheduler: str | None) -> "Any":
    """The executor of a Dask cluster as a context, or a context of None."""
    from contextlib import contextmanager, nullcontext

    if scheduler is None:
        return nullcontext()

    @contextmanager
    def cluster() -> "Any":
        try:
            from distributed import Client
        except ImportError:
            raise ValueError("scheduler needs Dask: pip install 'fewbit[cluster]'") from None
        try:
            client = Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise ValueError(f"scheduler must be the address of a Dask scheduler, not {scheduler!r}: {error}") from None
        with client:
            executor: Executor = client.get_executor()
            yield executor

    return cluster()


def _table(points: "list[Point]") -> Any:
    from rich.table import Table

    from ...formats import label_of

    table = Table()
    for name in ("network", "weight", "activation", "techniques", "evaluation"):
        table.add_column(name)
    metrics = [*dict.fromkeys(name for point in points for name in point.metrics)]
    for name in (
        "samples",
        *metrics,
        f"float32 {metrics[0]}",
        "accumulator bits",
        "needed",
        "weight kbit",
        "activation kbit",
    ):
        table.add_column(name, justify="right")
    for point in points:
        table.add_row(
            *(point.network, label_of(point.weight), label_of(point.activation)),
            *("+".join(point.techniques), " ".join(filter(None, (point.evaluation, point.between)))),
            str(point.samples),
            *(_figure(name, point) for name in metrics),
            _percent(point.metric, point.float32[point.metric]),
            *(str(point.accumulator_bits), str(point.needed_accumulator_bits)),
            *(f"{point.weight_bits / 1000:.0f}", f"{point.activation_bits / 1000:.0f}"),
        )
    return table


def _figure(name: str, point: "Point") -> str:
    if name not in point.metrics:
        return ""
    return f"{_percent(name, point.metrics[name])} ± {_percent(name, point.standard_errors[name])}"


def _percent(name: str, value: float) -> str:
    if name == "sqnr":
        return f"{value:.1f} dB"
    return f"{value:.4g}" if ":" in name else f"{100 * value:.2f}"
