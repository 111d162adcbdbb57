"""ONNX nodes are read as layers: plain Conv, Gemm and MatMul in float32."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto

from .layer import Convolution, Layer
from .qonnx_read import GivenWeight
from .runtime import attributes_of

__all__ = ["LayerReader"]

Array = NDArray[Any]

_FLOATS: dict[int | None, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.BFLOAT16: "bfloat16",
    TensorProto.DOUBLE: "double",
}


class LayerReader:
    """Makes layers of nodes, one after the other.

    Parameters
    ----------
    constant: the value of a tensor by its name, None where it is not constant
    element: the element type of a tensor by its name, as ONNX numbers it; None for what is no tensor
    given: by tensor, weights that came quantized
    """

    def __init__(
        self,
        constant: Callable[[str], Array | None],
        element: Callable[[str], int | None],
        given: Mapping[str, GivenWeight],
    ):
        self._constant, self._element, self._given = constant, element, given

    def layer(self, node: NodeProto) -> Layer | None:
        """The layer that a node is, or None if it is none. Raises ValueError if it multiplies in another type than
        float32."""
        if node.domain not in ("", "ai.onnx") or node.op_type not in ("Conv", "Gemm", "MatMul"):
            return None
        name = node.name or node.output[0]
        element = self._element(node.input[0])
        if element not in _FLOATS:
            return None
        if element != TensorProto.FLOAT:
            raise ValueError(f"model must be float32 where it multiplies, not {_FLOATS[element]} in {name!r}")
        make = {"Conv": self._convolution, "Gemm": self._gemm, "MatMul": self._product}[node.op_type]
        layer = make(node, name)
        for values in (layer.weight, layer.bias) if layer is not None else ():
            if values is not None and not np.isfinite(values).all():
                raise ValueError(f"weights must be finite, not NaN or infinite in {name!r}")
        return layer

    def _product(self, node: NodeProto, name: str) -> Layer | None:
        right = self._constant(node.input[1])
        if self._constant(node.input[0]) is not None or (right is not None and right.ndim != 2):
            return None
        if right is None:
            return Layer(name, node.input[0], None, node.input[1], None, node.output[0])
        weight = right[None].astype(np.float32)
        given = self._given_weight(node, lambda tensor: tensor[None])
        return Layer(name, node.input[0], weight, None, None, node.output[0], **given)

    def _given_weight(self, node: NodeProto, arranged: Callable[[Array], Array]) -> dict[str, Any]:
        """Of weights that came quantized, format and scale; ``arranged``: as (groups, k, n)."""
        given = self._given.get(node.input[1])
        if given is None or given.quantizer.format is None:
            return {}
        if given.quantizer.zero_point:
            raise ValueError(
                f"zero point of weights must be 0, not {given.quantizer.zero_point} in {given.quantizer.name!r}"
            )
        scales = arranged(given.scales)
        if np.any(scales != scales[:, :1]):
            return {}
        scale = scales[:, 0].reshape(-1).astype(np.float32)
        uniform = np.all(scale == scale[0])
        return {
            "weight_format": given.quantizer.format,
            "weight_scale": scale[0].reshape(()) if uniform else scale,
        }

    def _gemm(self, node: NodeProto, name: str) -> Layer | None:
        attributes = attributes_of(node)
        weight = self._constant(node.input[1])
        bias = self._constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        alpha, beta = attributes.get("alpha", 1.0), attributes.get("beta", 1.0)
        constant = len(node.input) < 3 or bias is not None or not node.input[2]
        if weight is None or attributes.get("transA") or not constant:
            return None

        def arranged(tensor: Array) -> Array:
            return np.ascontiguousarray((tensor.T if attributes.get("transB") else tensor)[None], np.float32)

        given = self._given_weight(node, arranged)
        if given and not alpha == beta == 1:
            return None  # a factor that its formats do not have
        weight = arranged(weight) * np.float32(alpha)
        if bias is not None and bias.size > 1 and bias.size != bias.shape[-1]:
            return None  # it differs from row to row
        if bias is not None:
            bias = np.broadcast_to(bias.reshape(-1), weight.shape[2]).astype(np.float32) * np.float32(beta)
        return Layer(name, node.input[0], weight, None, bias, node.output[0], **given)

    def _convolution(self, node: NodeProto, name: str) -> Layer | None:
        attributes = attributes_of(node)
        weight = self._constant(node.input[1])
        bias = self._constant(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        if weight is None or (bias is None and len(node.input) > 2 and node.input[2]):
            return None
        same = {b"SAME_UPPER": "upper", b"SAME_LOWER": "lower"}.get(attributes.get("auto_pad", b""), "")
        axes = weight.ndim - 2
        groups = int(attributes.get("group", 1))
        pads = attributes.get("pads", [0] * (2 * axes))
        shape = Convolution(
            weight.shape[2:],
            tuple(attributes.get("strides", [1] * axes)),
            tuple(attributes.get("dilations", [1] * axes)),
            tuple(zip(pads[:axes], pads[axes:], strict=True)),
            groups,
            same,
        )

        def arranged(tensor: Array) -> Array:
            by_group = tensor.reshape(groups, len(tensor) // groups, -1).transpose(0, 2, 1)
            return np.ascontiguousarray(by_group, np.float32)

        given = self._given_weight(node, arranged)
        return Layer(name, node.input[0], arranged(weight), None, bias, node.output[0], shape, **given)
