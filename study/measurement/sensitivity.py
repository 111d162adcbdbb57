"""The sensitivity of a layer is the noise at the output when this layer alone is quantized."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..network.batching import by_sample
from ..network.clips import with_clips
from ..network.execute import batches, execute
from ..network.float_layer import plain_engine
from ..network.layer import Layer
from ..network.network import Samples
from ..quantization.engines import float_engine
from ..quantization.scheme import Scheme
from ..quantization.tensor_formats import Operand
from .evaluate import Study

__all__ = ["Pair", "sensitivity"]

Array = NDArray[Any]
Pair = tuple[Operand, Operand]
"""The formats of the weights and of the activations, or how each tensor's is found."""

LEAST_SAMPLES = 4
"""Fewest calibration samples that are used if a batch has fewer. So few are enough, because noise is a mean over all
values of the outputs, and all formats are measured on the same samples."""


def sensitivity(study: Study, pair: Pair, scheme: Scheme) -> dict[str, float]:
    """The noise at the judged output when one layer alone computes in these formats, for each layer by name.

    Noise is the sum of squared differences to the float32 outputs, divided by the sum of their squares, on some of the
    calibration samples. Small noises add up over layers. ``scheme`` gives scales and techniques; its formats do not
    matter. All other layers compute in float32. The results before the layer are kept, so that only what is behind it
    runs again. As many samples are used as a batch has, and at least ``LEAST_SAMPLES``.
    """
    graph = with_clips(study.graph)
    place_of_output = graph.outputs.index(graph.output)
    weight, activation = pair
    engine = float_engine(study.quantized(replace(scheme, weight=weight, activation=activation)), study.threads)
    plain = plain_engine(study.threads)
    alone = study.statistics.batching.alone
    noise, signal = dict.fromkeys((layer.name for layer in graph.layers), 0.0), 0.0
    for batch in batches(_some(study.network.calibration(), max(LEAST_SAMPLES, study.batch)), study.batch):
        before: dict[int, dict[str, Array]] = {}

        def keep(place: int, tensors: dict[str, Array], before: dict[int, dict[str, Array]] = before) -> None:
            before[place] = dict(tensors)

        reference = execute(graph, batch, plain, before=keep)[place_of_output]
        reference = by_sample(reference, alone).astype(np.float64)
        signal += float(np.sum(reference**2))
        for place, tensors in before.items():
            quantized = graph.steps[place]

            def only(layer: Layer, operands: list[Array], quantized: object = quantized) -> Array:
                return engine(layer, operands) if layer is quantized else plain(layer, operands)

            output = execute(graph, tensors, only, start=place)[place_of_output]
            assert isinstance(quantized, Layer)
            noise[quantized.name] += float(np.sum((by_sample(output, alone) - reference) ** 2))
    return {name: each / signal for name, each in noise.items()}


def _some(samples: Samples, count: int) -> Samples:
    """So many of the samples, spread over all of them."""
    chosen = np.unique(np.linspace(0, len(samples) - 1, count).astype(int))
    return samples.at(chosen)
