"""What commands on networks have in common: which networks, and how they are quantized."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ...study.quantization.scheme import Scheme
    from ...study.sweep import Source

__all__ = [
    "Calibration",
    "Edges",
    "Metric",
    "Model",
    "Output",
    "Samples",
    "ScaleFormat",
    "Seed",
    "Test",
    "choose_scheme",
    "choose_sources",
    "tell_notes",
]

Model = Annotated[
    str, typer.Option("--model", metavar="NAMES|FILE", help="Networks of the zoo with commas, or an ONNX file.")
]
Calibration = Annotated[Path | None, typer.Option("--calibration", help="For an ONNX file: inputs by name, .npz.")]
Test = Annotated[Path | None, typer.Option("--test", help="For an ONNX file: inputs by name and `expected`, .npz.")]
Metric = Annotated[
    str | None,
    typer.Option(
        "--metric",
        show_default="the network's own; top1 for a file",
        help="top1, top5, agreement, sqnr or file.py:function, with commas; the first is compared by.",
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "--output", metavar="NAME", show_default="the first of floats", help="Of the model's, which is judged."
    ),
]
Samples = Annotated[
    int | None, typer.Option("--samples", min=1, show_default="all", help="Of the test set, the first so many.")
]
ScaleFormat = Annotated[str, typer.Option("--scale-format", help="Format of scales.")]
Edges = Annotated[
    str | None, typer.Option("--edges", metavar="FORMAT", help="Of the first and the last layer, as int8.")
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Of random choices.")]


def choose_sources(
    model: str, calibration: Path | None, test: Path | None, metric: str | None, output: str = ""
) -> "list[Source]":
    from ...study.sweep import Source

    metrics = None if metric is None else tuple(name.strip() for name in metric.split(","))
    if model.endswith(".onnx"):
        sources = [Source(Path(model).stem, Path(model), calibration, test, metrics, output)]
    else:
        if calibration is not None or test is not None:
            raise ValueError(f"calibration and test must be given with an ONNX file, not with {model!r} of the zoo")
        sources = [Source(name.strip(), metrics=metrics, output=output) for name in model.split(",")]
    for source in sources:
        source.network()
    return sources


def choose_scheme(
    weight: Any,
    activation: Any,
    edges: str | None,
    scale_per: str,
    scale_format: str,
    block_size: int | None,
    techniques: str,
) -> "Scheme":
    from ...formats import parse
    from ...study.quantization.scheme import Scheme

    return Scheme(
        weight=weight,
        activation=activation,
        edges=None if edges is None else parse(edges),
        scale_per=scale_per,
        scale_format=parse(scale_format),
        block_size=block_size,
        techniques=() if techniques.strip() == "none" else tuple(name.strip() for name in techniques.split("+")),
    )


def tell_notes(network: str, skipped: Mapping[str, int], notes: Iterable[str]) -> None:
    """What no figure shows: what stays in float32, and what else is to be known of the network."""
    if skipped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in skipped.items())
        print(f"{network}: left in float32, and not counted: {kinds}")
    for note in notes:
        print(f"{network}: {note}")
