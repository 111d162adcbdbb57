"""How much each layer minds being quantized, and what becomes of a network whose layers have formats of their own."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format
from ..network.execute import batches, execute
from ..network.float_layer import FloatLayer
from ..network.layer import Layer
from ..quantization.engines import float_engine
from ..quantization.scheme import Scheme
from .evaluate import Study

__all__ = ["Pair", "sensitivities"]

Array = NDArray[Any]
Pair = tuple[Format, Format]
"""Of the weights and of the activations."""


def sensitivities(
    study: Study,
    pairs: Sequence[Pair],
    scheme: Scheme,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, dict[Pair, float]]:
    """By layer and pair of formats, the noise at the network's first output when this layer alone computes in them.

    Noise is the sum of squared differences to the float32 outputs over the sum of their squares, on the calibration
    samples: small ones add up over layers. ``scheme`` tells scales and techniques; its formats don't matter. The layers
    that are not quantized compute in float32.
    """
    samples = study.network.calibration()
    plain = {layer.name: FloatLayer.plain(layer, study.threads) for layer in study.graph.layers}

    def run(multiply: Callable[[Layer, list[Array]], Array]) -> Array:
        found = [execute(study.graph, batch, multiply)[0] for batch in batches(samples, study.batch)]
        return np.concatenate(found).astype(np.float64)

    reference = run(lambda layer, operands: plain[layer.name](operands))
    found: dict[str, dict[Pair, float]] = {layer.name: {} for layer in study.graph.layers}
    done, total = 0, len(pairs) * len(found)
    for weight, activation in pairs:
        engine = float_engine(study.quantized(replace(scheme, weight=weight, activation=activation)), study.threads)
        for name, losses in found.items():

            def only(layer: Layer, operands: list[Array], name: str = name, engine: float_engine = engine) -> Array:
                return engine(layer, operands) if layer.name == name else plain[layer.name](operands)

            losses[weight, activation] = float(np.sum((run(only) - reference) ** 2) / np.sum(reference**2))
            done += 1
            report(done, total)
    return found
