"""How accurate a network is whose weights alone are rounded: onnxruntime runs it as a whole, in float32."""

import csv
import io
import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...places import write_whole
from ..network.batching import by_sample, joined
from ..network.execute import batches
from ..network.runtime import run_session, session
from ..network.with_weights import with_weights
from ..quantization.rounded_weights import BlocksOfWeights
from ..quantization.tensor_formats import Operand
from .evaluate import Study
from .fingerprint import versions

__all__ = ["NAMES", "Question", "WeightAccuracy", "read_accuracies", "weight_accuracies", "write_accuracies"]

Array = NDArray[Any]
Question = tuple[str, str, int | None, int]
"""Of a network, a format, a size of blocks and a number of samples."""

NAMES = ("accuracy.json", "accuracy.csv")
"""Of the files that ``write_accuracies`` writes."""

_FIGURES = ("metrics", "standard_errors", "float32")


@dataclass(frozen=True, kw_only=True)
class WeightAccuracy:
    """The accuracy of a network with rounded weights, and everything else in float32.

    Members
    -------
    network, weight: the names of the network and of the format, or of how a format is found for each tensor
    block_size: so many weights along K share a scale; None where those of an output channel do
    samples: how many inputs of the test set were used, from the first on
    bits: bits a weight, with scales and what else is stored beside weights
    metrics, standard_errors, float32: as of a ``Point``; among them is sqnr, that of the judged output in dB
    seconds: how long it took
    """

    network: str
    weight: str
    block_size: int | None
    samples: int
    bits: float
    metrics: dict[str, float]
    standard_errors: dict[str, float]
    float32: dict[str, float]
    seconds: float

    @property
    def question(self) -> Question:
        """What was asked for. Of two that are alike in it, one was measured again."""
        return self.network, self.weight, self.block_size, self.samples


def weight_accuracies(
    study: Study, operands: Sequence[Operand], block_sizes: Sequence[int | None], known: Collection[Question] = ()
) -> Iterator[WeightAccuracy]:
    """Round the weights of all layers, run the network, and yield its accuracy with each operand and size of blocks.

    Weights and their scales are those of the layers of a study, whose activations are rounded too: scales have the
    least error of the layer's results on the calibration samples. What is among ``known`` is left out.

    Raises ValueError for a network that came quantized or that has no weights.
    """
    layers = {layer.name: layer.weight for layer in study.graph.layers if layer.weight is not None}
    if not layers:
        raise ValueError(f"network must have layers with weights, not {study.network.name!r}, which has none")
    gram = study.statistics.gram
    for size in block_sizes:
        blocks = {name: BlocksOfWeights(weight, gram.get(name), size) for name, weight in layers.items()}
        for operand in operands:
            if (study.network.name, operand.name, size, len(study.test)) not in known:
                yield _accuracy(study, operand, size, blocks)


def _accuracy(
    study: Study, operand: Operand, size: int | None, blocks: Mapping[str, BlocksOfWeights]
) -> WeightAccuracy:
    began = time.monotonic()
    rounded = {name: each.rounded(operand) for name, each in blocks.items()}
    metrics, errors = study.judge(_outputs(study, {name: values for name, (values, _) in rounded.items()}))
    return WeightAccuracy(
        network=study.network.name,
        weight=operand.name,
        block_size=size,
        samples=len(study.test),
        bits=sum(bits for _, bits in rounded.values()) / sum(values.size for values, _ in rounded.values()),
        metrics=metrics,
        standard_errors=errors,
        float32=study.float32,
        seconds=round(time.monotonic() - began, 2),
    )


def _outputs(study: Study, weights: Mapping[str, Array]) -> Array:
    """The judged output for all test samples with these weights."""
    whole, name = session(with_weights(study.graph, weights), study.threads), study.graph.output
    found = (run_session(whole, [name], batch)[0] for batch in batches(study.test, study.batch))
    alone = study.statistics.batching.alone
    return joined([by_sample(np.asarray(output), alone) for output in found], name)


def read_accuracies(path: Path) -> tuple[list[WeightAccuracy], list[str]]:
    """The rows of the JSON file that ``write_accuracies`` wrote, and the commands that measured them.

    Raises OSError, ValueError.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = [{**row, **{name: _numbers(row[name]) for name in _FIGURES}} for row in content["rows"]]
        return [WeightAccuracy(**row) for row in rows], [str(command) for command in content["commands"]]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ValueError(
            f"accuracies must be a file that `fewbit study weights --samples` wrote, not {str(path)!r}: {error}"
        ) from None


def write_accuracies(found: Sequence[WeightAccuracy], folder: Path, commands: Sequence[str]) -> None:
    """Write the files of ``NAMES``, each whole or not at all: the commands and all rows, and the rows as a table.

    What is infinite or NaN, as the SQNR of float32 itself, is text in JSON.
    """
    rows = [asdict(each) for each in found]
    for row in rows:
        for name in _FIGURES:
            row[name] = {key: value if isfinite(value) else str(value) for key, value in row[name].items()}
    content = {"commands": [*dict.fromkeys(commands)], "versions": versions(), "rows": rows}
    write_whole(folder / NAMES[0], json.dumps(content, indent=1) + "\n")
    text = io.StringIO()
    metrics = [*dict.fromkeys(name for each in found for name in each.metrics)]
    plain = [each.name for each in fields(WeightAccuracy) if each.type in ("str", "int", "float", "int | None")]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*plain, *(column for name in metrics for column in (name, f"{name}_standard_error"))])
    for each in found:
        figures = ((each.metrics.get(name, ""), each.standard_errors.get(name, "")) for name in metrics)
        writer.writerow([*(getattr(each, name) for name in plain), *(value for pair in figures for value in pair)])
    write_whole(folder / NAMES[1], text.getvalue())


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in values.items()}
