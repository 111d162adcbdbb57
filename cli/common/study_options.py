"""Commands on networks share options: which networks are studied, and how they are quantized."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .choices import choice, completed, known, refusal
from .options import Seed, formats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...study.quantization.scheme import Scheme
    from ...study.quantization.tensor_formats import Operand
    from ...study.sweep import Source

__all__ = [
    "RESULTS",
    "Between",
    "BlockOptions",
    "Edges",
    "Model",
    "NetworkOptions",
    "Results",
    "SchemeOptions",
    "Whole",
    "choose_sources",
    "evaluation",
    "evaluations",
    "results_of",
    "tell_notes",
]

EVALUATIONS = ("float", "integer", "network", "both")

RESULTS = Path(__file__).parents[2] / "results" / "study"

Results = Annotated[
    Path,
    typer.Option(
        "--results",
        metavar="FOLDER",
        show_default="results/study of fewbit itself",
        help="Folder of study_points.json and study_prices.json, or network_prices.json.",
    ),
]

Whole = Annotated[
    str | None,
    choice(
        known("network"),
        "--evaluation",
        help="Whole networks: accuracies of that evaluation, and prices of `fewbit study price`.",
        show_default="float and integer: prices of MACs",
    ),
]


def results_of(results: Path, evaluation: str | None) -> Path:
    """The folder of results, which is fewbit's own for the evaluation unless another one is named."""
    return RESULTS.parent / "network" if evaluation == "network" and results == RESULTS else results


def _networks() -> "Sequence[str]":
    from ...study.zoo.networks import networks

    return [*networks()]


def evaluation(*names: str) -> Any:
    """An option of these names. With ``network`` among them, several can be given with commas between."""
    text = "integer: the golden model, exact; float: onnxruntime, faster"
    several = "network" in names
    whole = "; network: nothing between layers is float; several with commas" if several else ""
    return choice(known(*names), "--evaluation", help=f"{text}{whole}.", check=not several)


def evaluations(text: str) -> tuple[str, ...]:
    """The evaluations that are named, ``both`` standing for float and integer. Raises ValueError."""
    found: list[str] = []
    for name in (part.strip() for part in text.split(",")):
        if name not in EVALUATIONS:
            raise refusal("evaluation", name, EVALUATIONS)
        found += ["float", "integer"] if name == "both" else [name]
    return tuple(dict.fromkeys(found))


Model = Annotated[
    str,
    typer.Option(
        "--model",
        metavar="NAMES|FILE",
        help="Networks of the zoo with commas between, or an ONNX file.",
        autocompletion=completed(_networks),
    ),
]


Between = Annotated[
    str | None,
    typer.Option(
        "--between",
        metavar="FORMAT",
        show_default="int8",
        help="With the evaluation network: the format of residual sums, pools and what else crosses between layers.",
        autocompletion=completed(formats),
    ),
]


Edges = Annotated[
    str | None,
    typer.Option(
        "--edges",
        metavar="FORMAT",
        show_default="that of all others",
        help="Format of the first and the last layer, as int8.",
        autocompletion=completed(formats),
    ),
]


@dataclass(frozen=True)
class NetworkOptions:
    """The options that say which networks are studied, and what they are measured on."""

    model: Model = "resnet8"
    calibration: Annotated[
        Path | None,
        typer.Option("--calibration", metavar="FILE.npz", help="For an ONNX file: inputs by name, .npz."),
    ] = None
    test: Annotated[
        Path | None,
        typer.Option("--test", metavar="FILE.npz", help="For an ONNX file: inputs by name and `expected`, .npz."),
    ] = None
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            metavar="METRICS",
            show_default="the network's own; top1 for a file",
            help="top1, top5, agreement, sqnr or file.py:function, with commas; the first is compared by.",
        ),
    ] = None
    output: Annotated[
        str,
        typer.Option(
            "--output", metavar="NAME", show_default="the first of floats", help="Which of the model's is judged."
        ),
    ] = ""
    samples: Annotated[
        int | None, typer.Option("--samples", min=1, show_default="all", help="Of the test set, the first so many.")
    ] = None
    seed: Seed = 0

    def sources(self) -> "list[Source]":
        return choose_sources(self.model, self.calibration, self.test, self.metric, self.output)


@dataclass(frozen=True)
class BlockOptions:
    """The options that say what has scales, and in which format."""

    scale_per: Annotated[
        str, choice(known("tensor", "channel", "block"), "--scale-per", help="What shares a scale, of weights.")
    ] = "channel"
    scale_format: Annotated[
        str,
        typer.Option("--scale-format", metavar="FORMAT", help="Format of scales.", autocompletion=completed(formats)),
    ] = "bfloat16"
    block_size: Annotated[
        int | None, typer.Option("--block-size", help="With --scale-per block: 16, 32, 64 or 128.")
    ] = None

    def scheme(self, weight: "Operand", activation: "Operand", **more: Any) -> "Scheme":
        """The scheme of these operands; ``more`` are other fields of it. Raises ValueError."""
        from ...formats import parse
        from ...study.quantization.scheme import Scheme

        return Scheme(
            weight=weight,
            activation=activation,
            scale_per=self.scale_per,
            scale_format=parse(self.scale_format),
            block_size=self.block_size,
            **more,
        )


@dataclass(frozen=True)
class SchemeOptions(BlockOptions):
    """The options that say how a network is quantized, besides its formats."""

    edges: Edges = None
    techniques: Annotated[
        str,
        typer.Option(
            "--techniques",
            help="Of equalize, smooth, gptq, rounding, bias: one set with +, several with commas, as none,gptq+bias.",
        ),
    ] = "none"

    def schemes(self, pairs: "Sequence[tuple[Operand, Operand]]") -> "list[Scheme]":
        """A scheme for every set of techniques and every pair of formats. Raises ValueError."""
        return [self._scheme(w, a, names) for names in self.techniques.split(",") for w, a in pairs]

    def _scheme(self, weight: "Operand", activation: "Operand", techniques: str) -> "Scheme":
        from ...formats import parse

        names = () if techniques.strip() == "none" else tuple(name.strip() for name in techniques.split("+"))
        edges = None if self.edges is None else parse(self.edges)
        return self.scheme(weight, activation, edges=edges, techniques=names)


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


def tell_notes(network: str, skipped: Mapping[str, int], notes: Iterable[str]) -> None:
    """Print what no figure shows: what stays in float32, and what else a reader has to know of the network."""
    if skipped:
        kinds = ", ".join(f"{count} {kind}" for kind, count in skipped.items())
        print(f"{network}: left in float32, and not counted: {kinds}")
    for note in notes:
        print(f"{network}: {note}")
