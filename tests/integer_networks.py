"""Networks of small integers, which every format of 8 bits has exactly: what they compute is right or wrong."""

import numpy as np
import onnxruntime
from fewbit.formats import parse
from fewbit.sim import encode
from fewbit.study.network.graph import Graph
from fewbit.study.network.network import Samples
from fewbit.study.quantization.quantize import QuantizedLayer
from onnx import helper, numpy_helper

OPSET, QONNX = 17, "qonnx.custom_op.general"


class Net:
    """A network that is put together node by node; every method returns the name of a tensor."""

    def __init__(self, *shape, seed=0):
        self.shape, self.random = shape, np.random.default_rng(seed)
        self.nodes, self.constants, self.dtype = [], [], 1

    def constant(self, values, dtype=np.float32):
        name = f"k{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, kind, *inputs, domain="", **attributes):
        name = f"{kind.lower()}{len(self.nodes)}"
        outputs = [f"{name}:0"]
        self.nodes.append(helper.make_node(kind, [*inputs], outputs, name=name, domain=domain, **attributes))
        return outputs[0]

    def weights(self, *shape, few=3):
        """-1, 0 and 1: in each output, so many are not 0."""
        flat = np.zeros((shape[0], int(np.prod(shape[1:]))), np.float32)
        for row in flat:
            places = self.random.permutation(len(row))[:few]
            row[places] = self.random.choice([-1, 1], len(places))
        return flat.reshape(shape)

    def conv(self, tensor, inputs, outputs, kernel=3, few=3, groups=1, bias=True, quantized=False, **attributes):
        kernels = (kernel, kernel) if isinstance(kernel, int) else kernel
        weights = self.constant(self.weights(outputs, inputs // groups, *kernels, few=few))
        weights = self.quant(weights, 0.5, 0, 4, 1) if quantized else weights
        biases = [self.constant(self.random.integers(-2, 3, outputs))] if bias else []
        return self.node("Conv", tensor, weights, *biases, group=groups, **attributes)

    def linear(self, tensor, inputs, outputs, few=8):
        weights = self.constant(self.weights(outputs, inputs, few=few).T)
        return self.node("Gemm", tensor, weights, self.constant(self.random.integers(-2, 3, outputs)))

    def quant(self, tensor, scale, zero, bits, signed=0):
        """A quantizer of QONNX."""
        numbers = [self.constant(number) for number in (scale, zero, bits)]
        return self.node("Quant", tensor, *numbers, domain=QONNX, signed=signed, narrow=0, rounding_mode="ROUND")

    def qdq(self, tensor, scale, zero, kind=np.uint8):
        """A pair of QuantizeLinear and DequantizeLinear."""
        numbers = (self.constant(scale), self.constant(zero, kind))
        return self.node("DequantizeLinear", self.node("QuantizeLinear", tensor, *numbers), *numbers)

    def conv_qdq(self, tensor, inputs, outputs, kernel=3, **attributes):
        """A convolution whose weights, of an axis of scales, and whose bias come as integers."""
        codes = self.weights(outputs, inputs, kernel, kernel) * 2
        numbers = (np.where(np.arange(outputs) % 2, 0.5, 1), np.float32), (np.zeros(outputs), np.int8)
        names = [self.constant(values, kind) for values, kind in ((codes, np.int8), *numbers)]
        weights = self.node("DequantizeLinear", *names, axis=0)
        bias = self.constant(self.random.integers(-3, 4, outputs), np.int32)
        bias = self.node("DequantizeLinear", bias, self.constant(2))
        return self.node("Conv", tensor, weights, bias, **attributes)

    def content(self, output):
        graph = helper.make_graph(
            self.nodes,
            "network",
            [helper.make_tensor_value_info("image", self.dtype, ["batch", *self.shape])],
            [helper.make_tensor_value_info(output, 1, None)],
            self.constants,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        if any(node.domain for node in self.nodes):
            opsets.append(helper.make_opsetid(QONNX, 1))
        return helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()

    def samples(self, count=6, most=3):
        values = self.random.integers(0, most + 1, (count, *self.shape))
        return Samples({"image": values.astype(np.float32 if self.dtype == 1 else np.uint8)})


def exact_layers(graph, weight="int8", activation="int8"):
    """The network's layers with all scales 1."""
    found = {}
    for layer in graph.layers:
        one = np.float32(1)
        codes = encode(layer.weight, parse(weight))
        lsb = parse(weight).lsb_exponent + parse(activation).lsb_exponent
        bias = None if layer.bias is None else np.ldexp(layer.bias.astype(np.float64), -lsb).astype(np.int64)
        formats = (parse(weight), parse(activation))
        found[layer.name] = QuantizedLayer(layer, *formats, codes, np.asarray(one), None, np.asarray(one), bias, None)
    return found


def by_onnxruntime(content, samples):
    options = onnxruntime.SessionOptions()
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    run = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return run.run(None, samples.inputs)[0]


def taken(content):
    return Graph(content, threads=1)


def random_network(seed, size=10):
    """A network of operators of every kind in any order, and its output; its values stay below 128."""
    random = np.random.default_rng(seed)
    net = Net(int(random.integers(1, 5)), 6, 5, seed=seed)
    made = [("image", net.shape[0], 3)]  # tensors of one size, their channels, and the greatest magnitude
    for _ in range(size):
        tensor, channels, most = made[int(random.integers(max(0, len(made) - 4), len(made)))]
        other, more, greatest = made[int(random.integers(len(made)))]
        kind = random.choice(("Conv", "Conv", "Add", "Concat", "MaxPool", "Relu", "LeakyRelu", "Mul", "gain", "offset"))
        if kind == "Conv":
            groups = channels if random.random() < 0.4 else 1
            outputs, kernel = (channels if groups > 1 else int(random.integers(1, 8))), int(random.choice([1, 3]))
            tensor = net.conv(tensor, channels, outputs, kernel, groups=groups, few=2, pads=[kernel // 2] * 4)
            channels, most = outputs, 2 * most + 2
        elif kind == "Add" and more == channels:
            tensor, most = net.node("Add", tensor, other), most + greatest
        elif kind == "Concat" and channels + more <= 20:
            tensor, channels, most = net.node("Concat", tensor, other, axis=1), channels + more, max(most, greatest)
        elif kind == "MaxPool":
            tensor = net.node("MaxPool", tensor, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
        elif kind == "Relu":
            tensor = net.node("Relu", tensor)
        elif kind == "LeakyRelu":
            tensor, most = net.node("LeakyRelu", tensor, alpha=2.0), 2 * most
        elif kind == "Mul" and most < 6:
            tensor, most = net.node("Mul", tensor, net.node("Abs", tensor)), most**2
        elif kind == "gain":
            gains = random.choice([-1, 0, 1, 2] if random.random() < 0.4 else [1, 2], channels)
            tensor, most = net.node("Mul", tensor, net.constant(gains.reshape(1, -1, 1, 1))), 2 * most
        elif kind == "offset":
            # of whole units of what it is added to, whatever gains come before
            tensor, most = net.node("Add", tensor, net.constant(8)), most + 8
        if most > 50:
            most = int(random.integers(3, 9))
            tensor = net.node("Clip", tensor, net.constant(-int(random.integers(0, most))), net.constant(most))
        made.append((tensor, channels, most))
    return net, net.conv(tensor, channels, 4, 1, few=2)
