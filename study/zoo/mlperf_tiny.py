"""The shapes of MLPerf Tiny's four networks, with random weights: for speed and size alone, not for accuracy.

ResNet-8 for pictures of 32x32, DS-CNN for 49x10 features of spoken words, MobileNetV1 of a quarter of the width for
pictures of 96x96, and an autoencoder of 640 inputs, as the benchmark's reference code has them (Banbury et al.,
arXiv 2106.07597). Batch normalizations are taken to be folded.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

__all__ = ["SHAPES", "TinyNetwork"]

Array = NDArray[Any]

OPSET = 17


class TinyNetwork(NamedTuple):
    """A network of MLPerf Tiny: what it is, the shape of a sample, and what makes its ONNX model."""

    title: str
    sample: tuple[int, ...]
    model: Callable[[], bytes]


class _Builder:
    """Nodes one behind another, with random weights that keep the size of what passes through.

    Members
    -------
    last: the name of the newest tensor
    channels: of the newest tensor
    """

    def __init__(self, sample: tuple[int, ...]) -> None:
        self.sample = sample
        self.last, self.channels = "input", sample[0]
        self._random = np.random.default_rng(0)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[TensorProto] = []
        self._width = {"input": sample[0]}

    def convolution(
        self,
        channels: int,
        kernel: tuple[int, int] = (3, 3),
        stride: int = 1,
        groups: int = 1,
        source: str = "",
        relu: bool = True,
    ) -> str:
        """A convolution that keeps the size but for its stride, with TensorFlow's padding; its result's name."""
        inputs = self.channels if not source else self._width[source]
        shape = (channels, inputs // groups, *kernel)
        name = f"conv{len(self._nodes)}"
        operands = [source or self.last, *self._weights(name, shape, channels, int(np.prod(shape[1:])))]
        attributes = {"kernel_shape": kernel, "strides": [stride, stride], "group": groups, "auto_pad": "SAME_UPPER"}
        return self._add("Conv", operands, channels, name, relu, **attributes)

    def linear(self, channels: int, relu: bool = True) -> str:
        name = f"linear{len(self._nodes)}"
        operands = [self.last, *self._weights(name, (self.channels, channels), channels, self.channels)]
        return self._add("Gemm", operands, channels, name, relu)

    def add(self, other: str) -> str:
        return self._add("Add", [self.last, other], self.channels, f"add{len(self._nodes)}", True)

    def pool(self) -> None:
        """The average over all pixels, as a vector."""
        self._add("GlobalAveragePool", [self.last], self.channels, "pool", False)
        self._add("Flatten", [self.last], self.channels, "flatten", False)

    def model(self) -> bytes:
        inputs = [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", *self.sample])]
        outputs = [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, ["batch", self.channels])]
        graph = helper.make_graph(self._nodes, "mlperf_tiny", inputs, outputs, self._constants)
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        onnx.checker.check_model(made)
        content: bytes = made.SerializeToString()
        return content

    def _weights(self, name: str, shape: tuple[int, ...], channels: int, terms: int) -> list[str]:
        weight = self._random.normal(0, np.sqrt(2 / terms), shape)
        bias = self._random.normal(0, 0.05, channels)
        for part, values in (("weight", weight), ("bias", bias)):
            self._constants.append(numpy_helper.from_array(values.astype(np.float32), f"{name}.{part}"))
        return [f"{name}.weight", f"{name}.bias"]

    def _add(self, kind: str, operands: list[str], channels: int, name: str, relu: bool, **attributes: Any) -> str:
        self._nodes.append(helper.make_node(kind, operands, [name], name=name, **attributes))
        if relu:
            self._nodes.append(helper.make_node("Relu", [name], [f"{name}.relu"], name=f"{name}.relu"))
            name = f"{name}.relu"
        self.last, self.channels = name, channels
        self._width[name] = channels
        return name


def _resnet8() -> bytes:
    net = _Builder((3, 32, 32))
    before = net.convolution(16)
    for channels in (16, 32, 64):
        stride = 1 if channels == 16 else 2
        net.convolution(channels, stride=stride)
        result = net.convolution(channels, relu=False)
        if stride > 1:
            before = net.convolution(channels, (1, 1), stride, source=before, relu=False)
            net.last = result
        before = net.add(before)
    net.pool()
    net.linear(10, relu=False)
    return net.model()


def _ds_cnn() -> bytes:
    net = _Builder((1, 49, 10))
    net.convolution(64, (10, 4), 2)
    for _ in range(4):
        net.convolution(64, groups=64)
        net.convolution(64, (1, 1))
    net.pool()
    net.linear(12, relu=False)
    return net.model()


def _mobilenet() -> bytes:
    net = _Builder((3, 96, 96))
    net.convolution(8, stride=2)
    steps = [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]
    for channels, stride in steps:
        net.convolution(net.channels, stride=stride, groups=net.channels)
        net.convolution(channels, (1, 1))
    net.pool()
    net.linear(2, relu=False)
    return net.model()


def _autoencoder() -> bytes:
    net = _Builder((640,))
    for channels in (128, 128, 128, 128, 8, 128, 128, 128, 128):
        net.linear(channels)
    net.linear(640, relu=False)
    return net.model()


SHAPES = {
    "tiny_resnet8": TinyNetwork("MLPerf Tiny's ResNet-8, random weights", (3, 32, 32), _resnet8),
    "tiny_ds_cnn": TinyNetwork("MLPerf Tiny's DS-CNN, random weights", (1, 49, 10), _ds_cnn),
    "tiny_mobilenet": TinyNetwork("MLPerf Tiny's MobileNetV1 0.25, random weights", (3, 96, 96), _mobilenet),
    "tiny_autoencoder": TinyNetwork("MLPerf Tiny's autoencoder, random weights", (640,), _autoencoder),
}
