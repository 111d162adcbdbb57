"""Networks that came quantized by pairs of QuantizeLinear and DequantizeLinear, as networks of QONNX's quantizers."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from .quantizer import DOMAINS
from .runtime import attributes_of

__all__ = ["as_qonnx"]

Array = NDArray[Any]

BITS = {
    TensorProto.INT4: (4, True),
    TensorProto.UINT4: (4, False),
    TensorProto.INT8: (8, True),
    TensorProto.UINT8: (8, False),
    TensorProto.INT16: (16, True),
    TensorProto.UINT16: (16, False),
}
"""Of types that activations and weights are quantized to, the bits, and whether they have a sign."""

MULTIPLY = ("Conv", "Gemm", "MatMul")


def as_qonnx(content: bytes) -> bytes:
    """The network with a ``Quant`` of QONNX in the place of every pair and of every constant that is dequantized.

    That is where activations are quantized so, with constant scales and zero points, and all of what is quantized is
    dequantized again by the same ones; any other file stays as it is.
    """
    try:
        model = onnx.load_model_from_string(content)
    except Exception:
        return content
    if not any(node.op_type == "QuantizeLinear" for node in model.graph.node):
        return content
    made = _Rewriting(model).done()
    return content if made is None else made.SerializeToString()


class _Rewriting:
    def __init__(self, model: ModelProto):
        self._model = model
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant" and node.attribute[0].name == "value":
                self._constants[node.output[0]] = node.attribute[0].t
        self._readers: dict[str, list[NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._added: list[TensorProto] = []

    def done(self) -> ModelProto | None:
        """The network of QONNX; None where something is not read."""
        pairs: dict[str, NodeProto] = {}
        nodes: list[NodeProto] = []
        for node in self._model.graph.node:
            if node.op_type == "QuantizeLinear":
                if not self._is_paired(node):
                    return None
                pairs[node.output[0]] = node
            elif node.op_type != "DequantizeLinear":
                nodes.append(node)
            elif node.input[0] in pairs:
                nodes.append(self._activation(pairs[node.input[0]], node))
            elif node.input[0] in self._constants and not attributes_of(node).get("block_size"):
                nodes += self._constant(node)
            else:
                return None
        made = ModelProto()
        made.CopyFrom(self._model)
        del made.graph.node[:], made.graph.value_info[:]
        made.graph.node.extend(nodes)
        made.graph.initializer.extend(self._added)
        made.opset_import.append(helper.make_opsetid(DOMAINS[0], 1))
        return made

    def _is_paired(self, node: NodeProto) -> bool:
        """Whether all that reads it dequantizes, by the same constants."""
        own = [self._value(name) for name in node.input[1:]]
        readers = self._readers.get(node.output[0], [])
        outputs = {entry.name for entry in self._model.graph.output}
        return (
            node.input[0] not in self._constants
            and len(own) == 2
            and all(value is not None and value.size == 1 for value in own)
            and self._constants[node.input[2]].data_type in BITS
            and node.output[0] not in outputs
            and bool(readers)
            and all(
                reader.op_type == "DequantizeLinear" and [self._value(name) for name in reader.input[1:]] == own
                for reader in readers
            )
        )

    def _value(self, name: str) -> Array | None:
        tensor = self._constants.get(name)
        return None if tensor is None else numpy_helper.to_array(tensor)

    def _activation(self, quantize: NodeProto, node: NodeProto) -> NodeProto:
        scale, zero = (self._value(name) for name in quantize.input[1:3])
        assert scale is not None and zero is not None
        bits, signed = BITS[self._constants[quantize.input[2]].data_type]
        return self._quant(quantize.input[0], node.output[0], scale.reshape(()), int(zero.reshape(())), bits, signed)

    def _constant(self, node: NodeProto) -> list[NodeProto]:
        """Nothing for a bias, which becomes a constant; a quantizer for weights, without their zero points."""
        codes, scale = self._value(node.input[0]), self._value(node.input[1])
        zero = self._value(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros((), np.int64)
        assert codes is not None and scale is not None and zero is not None
        if scale.size > 1:
            shape = [1] * codes.ndim
            shape[attributes_of(node).get("axis", 1)] = -1
            scale, zero = scale.reshape(shape), zero.reshape(shape if zero.size > 1 else ())
        else:
            scale, zero = scale.reshape(()), zero.reshape(())
        integers = codes.astype(np.int64) - zero.astype(np.int64)
        values = (integers * scale).astype(np.float32)
        kind = self._constants[node.input[0]].data_type
        multiplied = any(
            reader.op_type in MULTIPLY and [*reader.input][1:2] == [node.output[0]]
            for reader in self._readers.get(node.output[0], [])
        )
        if kind not in BITS or not multiplied:
            self._added.append(numpy_helper.from_array(values, node.output[0]))
            return []
        bits, _ = BITS[kind]
        while integers.min() < -(1 << bits - 1) or integers.max() >= 1 << bits - 1:
            bits += 1
        plain = f"{node.output[0]}/values"
        self._added.append(numpy_helper.from_array(values, plain))
        return [self._quant(plain, node.output[0], scale, 0, bits, True)]

    def _quant(self, tensor: str, output: str, scale: Array, zero: int, bits: int, signed: bool) -> NodeProto:
        names = []
        for name, value in (("scale", scale), ("zero", np.float32(zero)), ("bits", np.float32(bits))):
            names.append(f"{output}/{name}")
            self._added.append(numpy_helper.from_array(np.asarray(value, np.float32), names[-1]))
        node = helper.make_node("Quant", [tensor, *names], [output], name=output, domain=DOMAINS[0])
        for attribute, setting in (("signed", int(signed)), ("narrow", 0), ("rounding_mode", "ROUND")):
            node.attribute.append(helper.make_attribute(attribute, setting))
        return node
