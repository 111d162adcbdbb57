"""Layers of torch that compute on a board. ``fewbit.torch`` is another name of this module."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..formats import Format

try:
    import torch
except ModuleNotFoundError:
    raise ModuleNotFoundError(
        "package torch must be installed for fewbit.torch: pip install 'fewbit[torch]'", name="torch"
    ) from None

if TYPE_CHECKING:
    from .host.device import Device

__all__ = ["Linear"]

EXACT_OUTPUT = "float32"


class Linear(torch.nn.Module):
    """A linear layer whose products a board computes, attached or simulated: ``y = x @ W.T + bias``.

    Operands are divided by a scale and rounded to the nearest values of the engine's formats, and the engine sums their
    products exactly. The host multiplies by both scales and adds the bias, in float64, and rounds once to the input's
    type. A row of W has a scale of its own: its largest magnitude becomes the format's largest value. The layer is for
    inference, and no gradient passes it.

    Parameters
    ----------
    layer: the ``torch.nn.Linear`` whose weights and bias it takes
    board: a ``Device`` whose engine gives float32; it has to stay open as long as the layer is used
    activation_scale: by which inputs are divided, above 0. For None, each call takes the scale that makes the largest
        magnitude of its input the format's largest value

    Attributes
    ----------
    scaled_weights: W.T divided by the scales, float64 of shape (in_features, out_features); the board rounds them
    scales: the scale of each row of W, float64 of shape (out_features,)

    Raises TypeError and ValueError for a layer, an engine or a scale that do not suit.
    """

    def __init__(self, layer: torch.nn.Linear, board: "Device", *, activation_scale: float | None = None):
        super().__init__()
        if not isinstance(layer, torch.nn.Linear):
            raise TypeError(f"layer must be a torch.nn.Linear, not {type(layer).__name__}")
        output = board.engine.requantization.output.name
        if output != EXACT_OUTPUT:
            raise ValueError(f"board must have an engine that gives {EXACT_OUTPUT}, not {output}")
        if activation_scale is not None and not activation_scale > 0:
            raise ValueError(f"activation_scale must be above 0, not {activation_scale!r}")
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.activation_scale = activation_scale
        self._board = board
        weights = _array(layer.weight).T
        self.scales = _scale(np.abs(weights).max(axis=0), board.engine.weight)
        self.scaled_weights = weights / self.scales
        self.bias = None if layer.bias is None else _array(layer.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layer's outputs (..., out_features) for inputs (..., in_features), on the input's device.

        Raises ValueError for another shape or where a gradient is asked for, and LinkError if the board was lost.
        """
        if x.ndim < 1 or x.shape[-1] != self.in_features:
            raise ValueError(f"input must be of shape (..., {self.in_features}), not {tuple(x.shape)}")
        if x.requires_grad and torch.is_grad_enabled():
            raise ValueError("input must need no gradient on a board: use torch.no_grad()")
        values = _array(x).reshape(-1, self.in_features)
        scale: Any = self.activation_scale
        if scale is None:
            scale = _scale(np.abs(values).max(initial=0), self._board.engine.activation)
        sums = np.zeros((0, self.out_features))
        if len(values):
            sums = self._board.matmul(values / scale, self.scaled_weights, rounded=True).astype(np.float64)
        found = sums * (scale * self.scales)
        if self.bias is not None:
            found = found + self.bias
        return torch.from_numpy(found.reshape(*x.shape[:-1], self.out_features)).to(x)

    def extra_repr(self) -> str:
        engine = self._board.engine
        formats = f"{engine.weight} x {engine.activation}"
        return f"in_features={self.in_features}, out_features={self.out_features}, {formats} on a board"


def _array(tensor: torch.Tensor) -> NDArray[np.float64]:
    return np.asarray(tensor.detach().cpu().double().numpy(), np.float64)


def _scale(largest: Any, format: Format) -> NDArray[np.float64]:
    """The scale by which this magnitude becomes the format's largest value; 1 where it is 0."""
    found = np.asarray(largest, np.float64) / float(format.max_finite)
    return np.where(found > 0, found, 1.0)
