"""A point of the study is measured: a network is quantized by a scheme and run on its test samples."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format, parse
from ...sim.network import NetworkModel
from ..lowering import INT8, Lowered, Lowering, ShapeRequest
from ..network.batching import by_sample, joined, opened_graph
from ..network.clips import with_clips
from ..network.execute import Multiply, batches, execute
from ..network.float_layer import plain_engine
from ..network.graph import Graph
from ..network.layer import Layer
from ..network.metrics import JUDGES, agreement, check_expected, check_metrics, mean_and_error, signal_to_noise
from ..network.network import Judge, Network
from ..network.runtime import run_session, session, sized
from ..quantization.as_it_came import as_it_came
from ..quantization.block_layer import BlockLayer
from ..quantization.calibrate import CalibrationStatistics, calibrate
from ..quantization.engines import float_engine, integer_engine
from ..quantization.quantize import QuantizedLayer, quantize
from ..quantization.scheme import SCALE_FORMAT, Scheme
from .fingerprint import hash_on, point_key, versions
from .point import LAYERED, Point, check_evaluation
from .scores import packed

__all__ = ["Study"]

Array = NDArray[Any]

FLOAT32 = parse("float32")

TOGETHER = 100
"""Images that the model of a whole network is given at a time."""


class Study:
    """A network with all that its points share: its graph, its outputs in float32, and what calibration found.

    Parameters
    ----------
    network: what to study
    samples: how many samples of the test set are used, from the first on; all unless given
    seed: the seed of random choices
    threads: how many threads onnxruntime uses; 0 stands for one for each core
    static: whether all dimensions but the first are those of the samples, though the model leaves some open

    Raises ValueError for a model or samples that cannot be studied.
    """

    def __init__(
        self, network: Network, samples: int | None = None, seed: int = 0, threads: int = 1, static: bool = False
    ):
        self.network, self.seed, self.threads = network, seed, threads
        self.test = network.test().first(samples)
        content = network.content()
        if not len(self.test):
            raise ValueError("samples must be 1 or more, not 0")
        if static:
            self.graph = Graph(sized(content, self.test.inputs), threads, network.output)
        else:
            self.graph, content = opened_graph(content, self.test, threads, network.output)
        self._content = content
        self.graph.check(self.test)
        check_metrics(network)

    @cached_property
    def _hash(self) -> str:
        return hash_on(self.network, self.test)

    @cached_property
    def batch(self) -> int:
        """How many samples are computed at a time."""
        return self.statistics.batching.size()

    @cached_property
    def reference(self) -> Array:
        """The judged output of the float32 network, as it came.

        A network that came quantized is run by its definition: quantizers round, and everything between is float32.
        Raises ValueError if the output is NaN.
        """
        if self.graph.quantized:
            found = self.outputs({}, "float")
        else:
            whole, name = session(self._content, self.threads), self.graph.output
            found = self._joined(run_session(whole, [name], batch)[0] for batch in batches(self.test, self.batch))
        if found.dtype.kind == "f" and np.isnan(found).any():
            raise ValueError(f"model must give numbers in float32, not NaN as {self.graph.output!r}")
        return found

    @cached_property
    def statistics(self) -> CalibrationStatistics:
        """Statistics of the calibration samples."""
        return calibrate(self.graph, self.network.calibration(), seed=self.seed)

    def quantized(self, scheme: Scheme | None) -> Mapping[str, QuantizedLayer | BlockLayer]:
        """Every layer of the network quantized by the scheme, by name; for None, the layers that came quantized.

        Raises ValueError if a network that came quantized is to be quantized again, or if one that did not is to be
        studied as it came.
        """
        if scheme is None:
            return as_it_came(self.graph)
        if self.graph.quantized:
            raise ValueError("formats must not be given for a model that came quantized: it has its own")
        return quantize(self.graph, scheme, self.statistics)

    @cached_property
    def _clipped(self) -> Graph:
        """The network as engines compute it."""
        return with_clips(self.graph)

    @cached_property
    def lowering(self) -> Lowering:
        """The network as an accelerator has it. Raises ValueError where it has what no record computes."""
        return Lowering(self.graph, self.network.calibration(), self.batch, (self.test,), self.seed)

    def lowered(
        self,
        layers: Mapping[str, QuantizedLayer | BlockLayer],
        scheme: Scheme | None,
        request: ShapeRequest = ShapeRequest(),  # noqa: B008  # frozen
    ) -> Lowered:
        """The program of these layers in an accelerator, of a usual shape unless another one is asked for."""
        scale_format = SCALE_FORMAT if scheme is None else scheme.scale_format
        return self.lowering.lower(layers, request, scale_format, self.network.name)

    def network_outputs(self, lowered: Lowered, report: Callable[[int, int], None] = lambda done, total: None) -> Array:
        """The judged output for all test samples as an accelerator of the whole network gives it: (samples, ...)."""
        images = lowered.images(self.test.inputs[self.lowering.reading.input.tensor])
        model, sums = NetworkModel(lowered.program), []
        for start in range(0, len(images), TOGETHER):
            sums.append(model.answers(images[start : start + TOGETHER]))
            report(min(start + TOGETHER, len(images)), len(images))
        return lowered.outputs(np.concatenate(sums))

    def outputs(
        self,
        layers: Mapping[str, QuantizedLayer | BlockLayer],
        evaluation: str,
        report: Callable[[int, int], None] = lambda done, total: None,
    ) -> Array:
        """The judged output for all test samples: (samples, ...). ``evaluation``: ``float`` or ``integer``.

        Layers of the graph that are not among ``layers`` stay float32.
        """
        check_evaluation(evaluation, LAYERED)
        rules = {layer.arithmetic.rule for layer in layers.values() if not layer.arithmetic.is_exact}
        if rules and evaluation == "float":
            raise ValueError(f"evaluation must be integer where products follow the rule {rules.pop()!r}, not 'float'")
        engine = float_engine(layers, self.threads) if evaluation == "float" else integer_engine(layers, self.threads)
        multiply = self._with_the_rest(engine, layers)
        place = self.graph.outputs.index(self.graph.output)

        def each() -> Iterator[Array]:
            for number, batch in enumerate(batches(self.test, self.batch)):
                yield execute(self._clipped, batch, multiply)[place]
                report(min((number + 1) * self.batch, len(self.test)), len(self.test))

        return self._joined(each())

    def _joined(self, outputs: Iterable[Array]) -> Array:
        """The outputs of batches, as (samples, ...)."""
        alone = self.statistics.batching.alone
        return joined([by_sample(np.asarray(output), alone) for output in outputs], self.graph.output)

    def _with_the_rest(self, engine: Multiply, layers: Mapping[str, QuantizedLayer | BlockLayer]) -> Multiply:
        plain = plain_engine(self.threads)

        def multiply(layer: Layer, operands: list[Array]) -> Array:
            return engine(layer, operands) if layer.name in layers else plain(layer, operands)

        return multiply

    def judge(self, outputs: Array) -> tuple[dict[str, float], dict[str, float]]:
        """Every metric of these outputs, and its standard error."""
        values, errors = {}, {}
        for name in self.network.metrics:
            if name == "sqnr":
                values[name], errors[name] = signal_to_noise(outputs, self.reference, self.test.clusters)
                continue
            values[name], errors[name] = mean_and_error(self._scores(name, outputs), self.test.clusters)
        return values, errors

    def _scores(self, name: str, outputs: Array) -> Array:
        """The score of each sample by a metric other than sqnr."""
        if name == "agreement":
            return agreement(outputs, self.reference)
        check_expected((name,), self.test)
        assert self.test.expected is not None
        judge = {**JUDGES, **(self.network.judges or {})}[name]
        scores = _scores(name, judge, outputs, self.test.expected)
        if np.shape(scores) != (len(outputs),):
            raise ValueError(f"metric {name} must give a score for each sample, not {np.shape(scores)}")
        return scores

    @cached_property
    def float32(self) -> dict[str, float]:
        """Every metric of the float32 network."""
        return self.judge(self.reference)[0]

    def point(
        self,
        scheme: Scheme | None,
        evaluation: str = "float",
        report: Callable[[int, int], None] = lambda done, total: None,
        between: Format | None = None,
    ) -> Point:
        """Quantize the network, run it and judge it. For None, it is run as it came, quantized.

        ``between``: the format of what lies between layers, with the evaluation ``network`` and no other.
        """
        began = time.monotonic()
        check_evaluation(evaluation, between=between)
        layers = self.quantized(scheme)
        notes, metric = self.notes, self.network.metrics[0]
        if evaluation == "network":
            lowered = self.lowered(layers, scheme, ShapeRequest(between or INT8))
            notes += lowered.reading.notes
            outputs = self.network_outputs(lowered, report)
        else:
            outputs = self.outputs(layers, evaluation, report)
        metrics, errors = self.judge(outputs)
        statistics, clusters = self.statistics, self.test.clusters
        held = sum(statistics.held.values())
        if evaluation == "network":
            held = held // FLOAT32.width * (between or INT8).width
        longest = max(statistics.terms[name] for name in layers)
        arithmetics = {layer.arithmetic for layer in layers.values()}
        return Point(
            **(self._own_scheme(layers) if scheme is None else _scheme(scheme, layers)),
            network=self.network.name,
            evaluation=evaluation,
            samples=len(self.test),
            metric=metric,
            metrics=metrics,
            standard_errors=errors,
            float32=self.float32,
            macs=sum(self.macs[name] for name in layers),
            longest_dot=longest,
            accumulator_bits=max(each.accumulator(_longest_exact(scheme, longest)).width for each in arithmetics),
            needed_accumulator_bits=max(_needed_bits(layer, statistics.terms[name]) for name, layer in layers.items()),
            weight_bits=sum(layer.weight_bits for layer in layers.values()),
            activation_bits=_activation_bits(layers, statistics),
            held_bits=held,
            products=_share_of_products(layers, self.macs),
            seed=self.seed,
            versions=versions(),
            fingerprint=point_key(self._hash, scheme, evaluation, self.seed, between),
            seconds=round(time.monotonic() - began, 2),
            network_hash=self._hash,
            skipped=self._skipped(layers),
            output=self.network.output or "",
            notes=notes,
            between=(between or INT8).name if evaluation == "network" else "",
            scores="" if metric == "sqnr" else packed(self._scores(metric, outputs)),
            clusters=packed(None if clusters is None else np.unique(clusters, return_inverse=True)[1]),
        )

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """Sentences that a reader of figures of this network has to know."""
        others = [name for name in self.graph.outputs if name != self.graph.output]
        judged = f"judged by its output {self.graph.output}, and not by {', '.join(others)}" if others else ""
        return tuple(filter(None, (judged, self.statistics.batching.note)))

    def _skipped(self, layers: Mapping[str, QuantizedLayer | BlockLayer]) -> dict[str, int]:
        """How many nodes multiply in float32, by their kind."""
        found = Counter(self.graph.skipped)
        found.update(layer.kind for layer in self.graph.layers if layer.name not in layers)
        return dict(found)

    def _own_scheme(self, layers: Mapping[str, QuantizedLayer | BlockLayer]) -> dict[str, Any]:
        """What a scheme would say of a network that came quantized, with ``mixed`` for formats that differ."""
        pairs = _pairs(layers)
        names = [{*column} for column in zip(*pairs.values(), strict=True)]
        weight, activation = (column.pop() if len(column) == 1 else "mixed" for column in names)
        left = {layer.name: ("float32", "float32") for layer in self.graph.layers if layer.name not in layers}
        mixed = "mixed" in (weight, activation)
        scales = [layer.layer.weight_scale for layer in layers.values()]
        return {
            **{"weight": weight, "activation": activation, "layers": {**(pairs if mixed else {}), **left}},
            **{"edges": None, "block_size": None, "techniques": (), "scale_format": "float32"},
            "scale_per": "channel" if any(scale is not None and scale.ndim for scale in scales) else "tensor",
        }

    @cached_property
    def macs(self) -> dict[str, int]:
        """How many multiply-accumulates each layer has for one sample."""
        statistics = self.statistics
        return {
            layer.name: statistics.positions[layer.name] * statistics.terms[layer.name] * statistics.columns[layer.name]
            for layer in self.graph.layers
        }


def _scheme(scheme: Scheme, layers: Mapping[str, QuantizedLayer | BlockLayer]) -> dict[str, Any]:
    """What a point says of its scheme, with the formats of all layers where they were found for tensors."""
    found = {**scheme.to_dict(), "techniques": scheme.techniques}
    if scheme.finds_formats:
        found["layers"] = _pairs(layers)
    return found


def _of_weights(layer: QuantizedLayer | BlockLayer) -> str:
    """The name of the format that an array multiplies with."""
    table = layer.table if isinstance(layer, QuantizedLayer) else None
    return (table or layer.weight_format).name


def _pairs(layers: Mapping[str, QuantizedLayer | BlockLayer]) -> dict[str, tuple[str, str]]:
    return {name: (_of_weights(layer), layer.activation_format.name) for name, layer in layers.items()}


def _scores(name: str, judge: Judge, outputs: Array, expected: Array) -> Array:
    if name in JUDGES:
        return judge(outputs, expected)
    try:
        return np.asarray(judge(outputs, expected), np.float64)
    except Exception as error:
        raise ValueError(f"metric {name} must give scores, not {type(error).__name__}: {error}") from error


def _share_of_products(layers: Mapping[str, QuantizedLayer | BlockLayer], macs: Mapping[str, int]) -> float:
    """The share of the multiply-accumulates that multiply two activations."""
    return sum(macs[name] for name, layer in layers.items() if layer.codes is None) / sum(macs[name] for name in layers)


def _longest_exact(scheme: Scheme | None, longest: int) -> int:
    """How many products the longest exact sum has. With scales by blocks, it is a block."""
    return longest if scheme is None or scheme.block_size is None else min(longest, scheme.block_size)


def _needed_bits(layer: QuantizedLayer | BlockLayer, terms: int) -> int:
    """Bits that an accumulator needs for sums of these weights with any activations.

    For the product of two activations, and for a rule that is not exact, they are the bits that any weights need. The
    bias does not count, because the requantizer adds it.
    """
    if layer.codes is None or not layer.arithmetic.is_exact:
        size = layer.blocks.size if isinstance(layer, BlockLayer) else terms
        return layer.arithmetic.accumulator(min(size, terms)).width
    integers = [integer or 0 for integer in layer.weight_format.integers]
    ups = np.array([max(0, integer) for integer in integers], dtype=object)
    downs = np.array([max(0, -integer) for integer in integers], dtype=object)
    least, most = layer.activation_format.min_integer, layer.activation_format.max_integer
    needed = 0
    for column in _summed(layer):
        count = np.bincount(column, minlength=len(integers)).astype(object)
        up, down = int(ups @ count), int(downs @ count)
        highest, lowest = up * most - down * least, up * least - down * most
        needed = max(needed, max(highest, -lowest - 1).bit_length() + (lowest < 0))
    return needed


def _summed(layer: QuantizedLayer | BlockLayer) -> Iterator[Array]:
    """The codes of the weights of every exact sum, which is a column, or a block of a column."""
    assert layer.codes is not None
    k = layer.codes.shape[1]
    size = layer.blocks.size if isinstance(layer, BlockLayer) else k
    for part in layer.codes:
        for start in range(0, k, size):
            yield from part[start : start + size].T


def _activation_bits(layers: Mapping[str, QuantizedLayer | BlockLayer], statistics: CalibrationStatistics) -> int:
    """Bits of all operands that are activations. Each is counted once for every way in which it is rounded."""
    moved: dict[tuple[Any, ...], int] = {}
    for layer in layers.values():
        moved |= _in_blocks(layer, statistics) if isinstance(layer, BlockLayer) else _codes(layer, statistics)
    return sum(moved.values())


def _codes(layer: QuantizedLayer, statistics: CalibrationStatistics) -> dict[tuple[Any, ...], int]:
    """Bits of what is rounded, by tensor and format."""
    format = layer.activation_format
    return {(name, format): statistics.sizes[name] * format.width for name in layer.layer.inputs}


def _in_blocks(layer: BlockLayer, statistics: CalibrationStatistics) -> dict[tuple[Any, ...], int]:
    """Bits of codes and scales of what is rounded, which is the rows or the columns of a tensor.

    The rows of a convolution are its patches. They overlap, and blocks lie differently in each.
    """
    name, format, blocks = layer.layer.name, layer.activation_format, layer.blocks
    terms = statistics.terms[name]
    bits = terms * format.width + -(-terms // blocks.size) * blocks.activation_scale.width
    moved: dict[tuple[Any, ...], int] = {
        (layer.layer.activation, format, "rows", layer.layer.convolution): statistics.positions[name] * bits
    }
    if layer.layer.other is not None:
        columns = statistics.sizes[layer.layer.other] // terms
        moved[layer.layer.other, format, "columns", None] = columns * bits
    return moved
