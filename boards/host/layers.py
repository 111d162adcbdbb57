"""A network goes through a matmul engine layer by layer: a board multiplies, and the host computes all that is between.

The host is the golden model, which gathers the patches of a convolution, adds biases, scales, rounds and pools. Only
products of matrices come from the board. The engine's sums must be exact, and then every bit is that of the network as
an accelerator of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...formats import Engine, Format
from ...formats.network import Program
from ...sim import decode
from ...sim.network import NetworkModel
from .tiles import depth_refusal
from .transport import LinkError
from .worker import Report

__all__ = ["check_layers", "compute_layers", "used_rows"]

Array = NDArray[Any]


def check_layers(engine: Engine, program: Program) -> None:
    """Raise ValueError if an engine does not give the exact sums of a program's layers."""
    shape = program.shape
    if (engine.weight, engine.activation) != (shape.weight, shape.activation):
        raise ValueError(
            f"engine must be of {shape.weight} x {shape.activation} to compute {program.name} layer by layer, not of "
            f"{engine.weight} x {engine.activation}"
        )
    refusal = "" if engine.arithmetic.is_exact and shape.arithmetic.is_exact else "products are by another rule"
    refusal = refusal or depth_refusal(engine)
    if refusal:
        raise ValueError(f"engine must give exact sums to compute {program.name} layer by layer: {refusal}")


def compute_layers(
    engine: Engine,
    program: Program,
    images: NDArray[np.uint8],
    matmul: Callable[[ArrayLike, ArrayLike], Array],
    progress: Report | None = None,
) -> NDArray[np.int64]:
    """The sums (n, height, width, channels) of images that ``sim.check_images`` let pass, one image after the other.

    Parameters
    ----------
    engine: one that ``check_layers`` let pass
    matmul: multiplies values of the engine's formats, as ``Device.matmul`` does
    progress: is called with the number of images that are done, and the number of all

    Raises LinkError if the board was lost; the message says how many images were done.
    """
    answer, found = program.answer, []
    model = NetworkModel(program, _EngineProducts(engine, matmul))
    for image in images:
        try:
            found.append(model.answers(image[None]))
        except LinkError as error:
            done = f"{len(found)} of {len(images)} images were done"
            raise LinkError(f"{error}; {done}", images_done=len(found), images=len(images)) from None
        if progress is not None:
            progress(len(found), len(images))
    sums = np.concatenate(found).astype(np.int64)
    return sums.reshape(len(images), answer.height, answer.width, answer.channels)


@dataclass(frozen=True)
class _EngineProducts:
    """Multiplies codes on an engine, as ``sim.network.Multiply`` tells."""

    engine: Engine
    matmul: Callable[[ArrayLike, ArrayLike], Array]

    def __call__(self, activation: Array, weight: Array) -> NDArray[np.int64]:
        used = used_rows(self.engine.weight, weight)
        if not used.any():
            return np.zeros((len(activation), weight.shape[1]), dtype=np.int64)
        a, w = decode(activation[:, used], self.engine.activation), decode(weight[used], self.engine.weight)
        values = self.matmul(a, w).astype(np.float64)
        return np.ldexp(values, -self.engine.accumulator.lsb_exponent).astype(np.int64)


def used_rows(weight: Format, codes: Array) -> NDArray[np.bool_]:
    """Which rows of W, (k, n), have a weight besides 0. The others, as those that fill up words, need not be sent."""
    return np.asarray((np.array(weight.integers)[codes] != 0).any(axis=1))
