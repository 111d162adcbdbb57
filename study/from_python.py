"""The study as functions: what ``fewbit study run`` and ``fewbit price`` do, with models and results in memory."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from ..formats import Format, FormatNames, parse, parse_pairs
from ..synth import parse_targets
from ..synth.sweep import Progress
from .given import Model, SampleArrays, source_of
from .lowering import Lowered, ShapeRequest
from .measurement.evaluate import Study
from .measurement.point import Point
from .prices import price as prices_of_pairs
from .prices.price import Price, TermsOf
from .quantization.scheme import SCALE_FORMAT, Scheme
from .quantization.tensor_formats import operand_pairs
from .questions import in_order, jobs_of
from .sweep import study as sweep

__all__ = ["lower", "price", "study"]

TERMS = 4096
"""Most products in a sum unless a caller says how many, as in ``fewbit price``."""


def study(
    model: Model,
    calibration: SampleArrays | None = None,
    test: SampleArrays | None = None,
    *,
    weight: FormatNames | None = None,
    activation: FormatNames | None = None,
    evaluation: str | Sequence[str] = "float",
    between: Format | str | None = None,
    name: str | None = None,
    metrics: str | Sequence[str] | None = None,
    output: str = "",
    samples: int | None = None,
    seed: int = 0,
    jobs: int = 1,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
    **scheme: Any,
) -> list[Point]:
    """Measure how accurate a network is in pairs of formats: a point for each, in the order in which they are named.

    Parameters
    ----------
    model: an ONNX file, an ``onnx.ModelProto``, a ``torch.nn.Module``, or the name of a network of the zoo. The samples
        are the first dimension of all inputs and of the output that is judged
    calibration, test: samples that scales are searched with, and others that the network is judged by: an .npz file;
        arrays by the names of the inputs, with ``expected``; or, for one input, an array or a pair (input, expected)
    weight, activation: formats by name, as ``"int4,e2m1"``, or as ``"kmeans4"`` and ``"ant4"``, which each tensor has
        its own of. Each weight is paired with itself without activations. They are left out for a model that came
        quantized, as QONNX
    evaluation: ``float``, ``integer`` and ``network``, one or several; docs/study.md says what each is
    between: the format of what crosses between layers, with ``network``; int8 unless given
    name: the name of the network in the points; that of the file, or ``model``, unless given
    metrics: ``top1`` unless given; top5, agreement, sqnr or ``file.py:function``. The first is compared by
    output: the output that is judged; the first unless given
    samples: how many samples of the test are used, the first of them; all unless given
    seed: the seed of random choices
    jobs: how many processes to use. One works in this process; a script that asks for more needs the guard
        ``if __name__ == "__main__":``, as all programs that start processes
    cache_folder: where points are kept, which are not measured again; see ``places.cache_folder``
    progress: is called with the numbers of finished and of all points
    scheme: how the network is quantized otherwise, as ``techniques="equalize+gptq"``: the fields of ``Scheme``

    Raises ValueError, TypeError and OSError for what cannot be studied, and SweepError where a point cannot be
    measured.
    """
    evaluations = evaluation.split(",") if isinstance(evaluation, str) else [*evaluation]
    asked = tuple(metrics.split(",") if isinstance(metrics, str) else metrics or ())
    with source_of(model, calibration, test, name=name, metrics=asked or None, output=output) as source:
        wanted = jobs_of(
            [source],
            _schemes(weight, activation, scheme),
            evaluations,
            chosen=bool(weight or activation or scheme),
            between=parse(between) if isinstance(between, str) else between,
            samples=samples,
            seed=seed,
        )
        with _workers(jobs) as workers:
            options: dict[str, Any] = {**workers, "cache_folder": cache_folder, "progress": progress}
            with closing(sweep(wanted, **options)) as points:  # type: ignore[type-var]
                return in_order(points, wanted)


def lower(
    model: Model,
    calibration: SampleArrays | None = None,
    test: SampleArrays | None = None,
    *,
    weight: FormatNames | None = None,
    activation: FormatNames | None = None,
    between: Format | str = "int8",
    name: str | None = None,
    seed: int = 0,
    rows: int = 1,
    columns: int = 8,
    lanes: int = 4,
    outputs: int = 1,
    **scheme: Any,
) -> Lowered:
    """The program by which an accelerator on an FPGA computes the whole network, with what the host does around it.

    ``hdl.NetworkDesign(lowered.program, ...)`` is the hardware, and ``boards.Device.infer(lowered.images(inputs))``
    runs it on a board.

    Parameters
    ----------
    model, weight, activation, between, name, seed, scheme: see ``study``; one format each
    calibration: see ``study``
    test: more samples, among which the numbers of the input are looked for; the calibration again unless given
    rows, columns, lanes, outputs: the sides of the array, see ``NetworkShape``

    Raises ValueError where the network has what no accelerator computes, by the operator and the layer.
    """
    sides: dict[str, Any] = {"rows": rows, "columns": columns, "lanes": lanes, "outputs": outputs}
    request = ShapeRequest(parse(between) if isinstance(between, str) else between, **sides)
    with source_of(model, calibration, calibration if test is None else test, name=name) as source:
        found, chosen = Study(source.network(), seed=seed), None
        if not found.graph.quantized or weight or activation or scheme:
            schemes = _schemes(weight, activation, scheme)
            if len(schemes) != 1:
                raise ValueError(f"weight and activation must be one format each, not {len(schemes)} pairs")
            chosen = schemes[0]
        return found.lowered(found.quantized(chosen), chosen, request)


def price(
    weight: FormatNames,
    activation: FormatNames | None = None,
    *,
    terms: TermsOf = TERMS,
    family: str = "ice40,xc7",
    dsp: str = "none",
    requantizer: bool = False,
    route: bool = True,
    jobs: int = 1,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
) -> list[Price]:
    """Measure what the exact MAC of pairs of formats costs: a price for each pair on each FPGA, in order.

    Parameters
    ----------
    weight, activation: formats by name, as ``"int4,e2m1"``. Each weight is paired with itself without activations
    terms: most products in a sum, or a function of the pair of formats
    family: FPGAs by name with commas between, or ``all``
    dsp: ``none``, ``auto`` or ``both``
    requantizer: whether the requantizer to float32 is measured too, which takes several times as long as the MAC
    route: whether designs are placed and routed where that is possible, for Fmax
    jobs, cache_folder, progress: see ``study``

    Raises ValueError, ToolMissing, and SweepError where a design cannot be measured.
    """
    pairs, targets = parse_pairs(weight, activation), parse_targets(family)
    policies = ("none", "auto") if dsp == "both" else (dsp,)
    with _workers(jobs) as workers:
        options: dict[str, Any] = {**workers, "requantizer": requantizer, "route": route}
        options |= {"cache_folder": cache_folder, "progress": progress}
        with closing(prices_of_pairs.prices(pairs, terms, targets, policies, **options)) as found:  # type: ignore[type-var]
            return prices_of_pairs.in_order(found, pairs, targets, policies)


def _schemes(weight: FormatNames | None, activation: FormatNames | None, scheme: dict[str, Any]) -> list[Scheme]:
    """A scheme for every pair of formats. Formats in ``scheme`` may be named, techniques be names with + between."""
    if isinstance(techniques := scheme.get("techniques"), str):
        scheme = {**scheme, "techniques": () if techniques == "none" else tuple(techniques.split("+"))}
    given: dict[str, Any] = {
        key: parse(value) if key in ("edges", "scale_format") and isinstance(value, str) else value
        for key, value in {"scale_format": SCALE_FORMAT, **scheme}.items()
    }
    return [Scheme(weight=w, activation=a, **given) for w, a in operand_pairs(weight or "int8", activation)]


@contextmanager
def _workers(jobs: int) -> Iterator[dict[str, Executor | int]]:
    """What works: this process for one job, and so many processes for more. Raises ValueError."""
    if jobs < 1:
        raise ValueError(f"jobs must be 1 or more, not {jobs!r}")
    if jobs > 1:
        yield {"jobs": jobs}
        return
    with ThreadPoolExecutor(1) as executor:
        yield {"executor": executor}
