"""Networks whose weights are rounded to few bits while they are trained, in torch."""

from collections.abc import Callable
from pathlib import Path

import onnx
import torch
from torch import nn
from torch.nn.utils import parametrize

from .small_nets import NETWORKS, ConvNorm, Folding

__all__ = ["CODES", "FewBits", "bake", "read_network", "round_weights", "unfold"]

CODES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "ternary": lambda weight: (weight / 1.4).round().clamp(-1, 1),
    "bipolar": lambda weight: 1 - 2 * (weight < 0).to(weight.dtype),
    "int2": lambda weight: (weight / 1.3).round().clamp(-2, 1),
}
"""The code of a weight in units of its channel's mean magnitude. Ternary's threshold, 0.7, is that of Li et al., arXiv
1605.04711, and the signs of ``bipolar`` are those of Rastegari et al., arXiv 1603.05279. The step of ``int2`` has the
least squared error for normally distributed weights."""


class FewBits(nn.Module):
    """Rounds the weights of a layer, (outputs, ...), to a scale for each output times a code.

    The scale is the one of least squared error. Gradients pass as if nothing was rounded: the straight-through
    estimator (Bengio et al., arXiv 1308.3432).
    """

    def __init__(self, format: str) -> None:
        super().__init__()
        self.format = format

    def codes(self, weight: torch.Tensor) -> torch.Tensor:
        """The values of the weights' codes, of the same shape."""
        mean = weight.abs().mean(tuple(range(1, weight.ndim)), keepdim=True)
        return CODES[self.format](weight / mean)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            codes = self.codes(weight)
            difference = codes * _scales(weight, codes) - weight
        return weight + difference


def _scales(weight: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """The scale of each output by which codes come nearest to weights: (outputs, 1, ...)."""
    axes = tuple(range(1, weight.ndim))
    return (weight * codes).sum(axes, keepdim=True) / (codes * codes).sum(axes, keepdim=True)


def read_network(name: str, path: Path) -> nn.Module:
    """The small network of that name, folded and in evaluation mode, with the weights of its ONNX file.

    Raises OSError.
    """
    graph = onnx.load(path).graph
    turned = {node.input[1] for node in graph.node if node.op_type == "MatMul"}  # torch has the outputs first
    values = {each.name: onnx.numpy_helper.to_array(each) for each in graph.initializer}
    network = NETWORKS[name]().eval()
    network.fold()
    network.load_state_dict(
        {key: torch.tensor(values[key].T if key in turned else values[key]) for key in network.state_dict()}
    )
    return network


def unfold(network: nn.Module, images: torch.Tensor) -> None:
    """Undo ``fold``, where there are convolutions with batch normalization, and leave the network in training mode.

    Each normalization starts with the mean and the deviation that its convolution's results have for these images. So
    the network computes the same of them as before, in training mode.
    """
    if not isinstance(network, Folding):
        return
    for module in network.modules():
        if isinstance(module, ConvNorm):
            _unfold(module)
    with torch.no_grad():
        network.train()(images)


def _unfold(module: ConvNorm) -> None:
    bias = module.conv.bias
    assert bias is not None
    module.conv.bias = None
    norm = nn.BatchNorm2d(len(bias))
    module.norm = norm

    def start(_: nn.Module, operands: tuple[torch.Tensor]) -> None:
        mean, variance = operands[0].mean((0, 2, 3)), operands[0].var((0, 2, 3), correction=0)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.copy_(bias + mean)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        handle.remove()

    handle = norm.register_forward_pre_hook(start)


def round_weights(network: nn.Module, format: str, edges: bool = False) -> None:
    """Round the weights of all layers, of the first and the last one if ``edges``, from now on, by ``FewBits``."""
    layers = [each for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    for layer in layers if edges else layers[1:-1]:
        parametrize.register_parametrization(layer, "weight", FewBits(format))


def bake(network: nn.Module) -> None:
    """Fold the network, and leave rounded weights as what they are: a scale in bfloat16 times a value of their format.

    Raises ArithmeticError if a normalization has turned the sign of a channel whose format is not symmetric.
    """
    codes = {}
    for name, layer in network.named_modules():
        if parametrize.is_parametrized(layer, "weight"):
            rounding = layer.parametrizations.weight
            codes[name] = rounding[0].codes(rounding.original).detach()
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    network.fold()
    for name, values in codes.items():
        weight = network.get_submodule(name).weight
        with torch.no_grad():
            scales = _scales(weight, values).bfloat16().float()
            if (scales < 0).any() and values.min() != -values.max():
                raise ArithmeticError(f"the normalization behind {name} must have no factor below 0")
            weight.copy_(values * scales)
