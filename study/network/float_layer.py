"""A layer in float32, as onnxruntime computes it."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from .layer import Clip, Convolution, Layer
from .runtime import run_session, session

__all__ = ["FloatLayer", "layer_nodes", "plain_engine", "sums_of"]

Array = NDArray[Any]

_BOUNDS = ("least", "most")


class FloatLayer:
    """``((operand @ weight) + before) * scale + after``, every step rounded to float32.

    Sums of products are float32 too: exact where all of them are integers below ``2**24`` times a power of two. The
    result is clipped where the layer says so.

    Parameters
    ----------
    layer: its kind and shape
    weight: (groups, k, n); None for the product of two activations
    before, scale, after: (groups * n,) or a single number; None for none
    threads: of onnxruntime; 0 for one a core
    """

    def __init__(
        self,
        layer: Layer,
        weight: Array | None,
        before: Array | None = None,
        scale: Array | None = None,
        after: Array | None = None,
        threads: int = 1,
    ):
        nodes, constants = layer_nodes(layer, weight, before, scale, after)
        if layer.clip is not None:
            constants |= {name: np.array(bound, np.float32) for name, bound in zip(_BOUNDS, layer.clip, strict=True)}
            nodes.append(helper.make_node("Clip", [nodes[-1].output[0], *_BOUNDS], ["clipped"]))
        inputs = ["x", "w"] if weight is None else ["x"]
        graph = helper.make_graph(
            nodes,
            "layer",
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs],
            [onnx.ValueInfoProto(name=nodes[-1].output[0])],
            [numpy_helper.from_array(np.asarray(values), name) for name, values in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        # it would multiply the weights by the scale, and sums of those are not exact
        self._session = session(model.SerializeToString(), threads, without=("ConvMulFusion", "MatMulScaleFusion"))
        self._inputs, self._name = inputs, layer.name

    @classmethod
    def plain(cls, layer: Layer, threads: int = 1) -> "FloatLayer":
        """The layer as it came."""
        if layer.factor is not None:
            return cls(layer, layer.weight, before=layer.bias, scale=layer.factor, threads=threads)
        return cls(layer, layer.weight, after=layer.bias, threads=threads)

    def __call__(self, operands: list[Array]) -> Array:
        """The layer's result."""
        return np.asarray(
            run_session(self._session, None, dict(zip(self._inputs, operands, strict=True)), self._name)[0]
        )


def sums_of(weight: Array, shape: Convolution, threads: int) -> FloatLayer:
    """A convolution by weights (groups, k, n) and nothing else."""
    return FloatLayer(Layer("", "x", None, None, None, "y", convolution=shape), weight, threads=threads)


class plain_engine:
    """All layers as they came, each made when it is first asked for."""

    def __init__(self, threads: int = 1):
        self._threads = threads
        self._layers: dict[tuple[str, Clip | None], FloatLayer] = {}

    def __call__(self, layer: Layer, operands: list[Array]) -> Array:
        key = layer.name, layer.clip
        if key not in self._layers:
            self._layers[key] = FloatLayer.plain(layer, self._threads)
        return self._layers[key](operands)


def layer_nodes(
    layer: Layer, weight: Array | None, before: Array | None, scale: Array | None, after: Array | None
) -> tuple[list[NodeProto], dict[str, Array]]:
    """The nodes of a ``FloatLayer``, from ``x`` and ``w`` to the last one's output, and constants by name."""
    constants: dict[str, Array] = {}
    if layer.convolution is not None:
        assert weight is not None
        constants["w"] = _kernel(layer, weight)
        nodes = [helper.make_node("Conv", ["x", "w"], ["y0"], **_conv_attributes(layer))]
    else:
        if weight is not None:
            constants["w"] = weight[0].astype(np.float32)
        nodes = [helper.make_node("MatMul", ["x", "w"], ["y0"])]
    for name, kind, values in (("before", "Add", before), ("scale", "Mul", scale), ("after", "Add", after)):
        if values is not None:
            constants[name] = layer.by_channel(np.asarray(values, np.float32))
            nodes.append(helper.make_node(kind, [nodes[-1].output[0], name], [f"y{len(nodes)}"]))
    if before is not None and layer.convolution is not None:
        # as the convolution's own bias it costs nothing, and onnxruntime adds it to the same sum
        del nodes[1]
        nodes[0].input.append("before")
        constants["before"] = constants["before"].reshape(-1)
        if len(nodes) > 1:
            nodes[1].input[0] = "y0"
    return nodes, constants


def _kernel(layer: Layer, weight: Array) -> Array:
    """(groups, k, n) as ONNX has it: (groups * n, channels of a group, ...)."""
    assert layer.convolution is not None
    groups, _, n = weight.shape
    return np.ascontiguousarray(
        weight.transpose(0, 2, 1).reshape(groups * n, -1, *layer.convolution.kernel), np.float32
    )


def _conv_attributes(layer: Layer) -> dict[str, Any]:
    shape = layer.convolution
    assert shape is not None
    attributes = {
        "kernel_shape": list(shape.kernel),
        "strides": list(shape.strides),
        "dilations": list(shape.dilations),
        "group": shape.groups,
    }
    if shape.same:
        return {**attributes, "auto_pad": f"SAME_{shape.same.upper()}"}
    return {**attributes, "pads": [pad for side in zip(*shape.pads, strict=True) for pad in side]}
