"""A network's program gives what onnxruntime gives, in every bit, where all its values are integers of the formats."""

import numpy as np
import pytest
from fewbit.formats import parse
from fewbit.sim import network_answers
from fewbit.study.lowering import Lowering, ShapeRequest, searched
from fewbit.study.network.execute import execute
from fewbit.study.network.qdq_read import as_qonnx
from fewbit.study.quantization.as_it_came import as_it_came
from fewbit.study.quantization.engines import float_engine
from integer_networks import Net, by_onnxruntime, exact_layers, random_network, taken

REQUESTS = [
    ShapeRequest(),
    ShapeRequest(rows=2, columns=6, lanes=2, outputs=2),
    ShapeRequest(columns=5, lanes=8),
    ShapeRequest(columns=4, lanes=4, outputs=4, resident=True),
]


@pytest.fixture(autouse=True)
def units(monkeypatch):
    """All scales between layers are 1, and those of what is looked up: values are integers."""
    monkeypatch.setattr(searched, "best_scales", lambda *arguments: np.asarray(np.float32(1)))
    monkeypatch.setattr(searched.Searched, "before", lambda *arguments: np.float32(1))


def lowered(content, samples, request=REQUESTS[0], weight="int8", activation="int8"):
    graph = taken(content)
    return Lowering(graph, samples).lower(exact_layers(graph, weight, activation), request)


def check(net, output, request=REQUESTS[0], count=None, **formats):
    """The program's outputs are the network's, and the network has so many records if that is said."""
    content, samples = net.content(output), net.samples()
    made = lowered(content, samples, request, **formats)
    found = made.outputs(network_answers(made.program, made.images(samples.inputs["image"])))
    expected = by_onnxruntime(content, samples)
    assert np.ptp(expected) > 0
    np.testing.assert_array_equal(found, expected)
    if count is not None:
        assert len(made.program.records) == count, [record.name for record in made.program.records]
    return made.program


def relu(net, *arguments, **options):
    return net.node("Relu", net.conv(*arguments, **options))


def head(net, tensor, channels, few=8):
    """The sum over rows and pixels of ReLUs, and a linear layer."""
    return net.linear(net.node("Flatten", net.node("ReduceMax", tensor, axes=[2, 3])), channels, 5, few)


def plain(net):
    x = relu(net, "image", 3, 6, pads=[1, 1, 1, 1])
    x = relu(net, x, 6, 7, (3, 2), strides=[2, 1], pads=[1, 0, 0, 1])
    x = relu(net, x, 7, 4, (2, 3), dilations=[2, 1], pads=[0, 1, 2, 1])
    x = net.conv(x, 4, 4, (2, 2), auto_pad="SAME_LOWER")
    return net.linear(net.node("Flatten", x), 4 * 4 * 7, 5), 5


def groups(net):
    x = relu(net, "image", 3, 12, 1)
    x = relu(net, x, 12, 12, groups=12, auto_pad="SAME_UPPER", strides=[2, 2])
    x = relu(net, x, 12, 24, groups=12, pads=[1, 1, 1, 1])
    x = relu(net, x, 24, 16, groups=4, few=2)
    return head(net, x, 16), 6


def residuals(net):
    x = relu(net, "image", 3, 5, pads=[1, 1, 1, 1], few=2)
    y = net.conv(relu(net, x, 5, 5, pads=[1, 1, 1, 1], few=1), 5, 5, 1, few=1)
    x = net.node("Relu", net.node("Add", y, x))
    short = net.conv(x, 5, 6, 1, strides=[2, 2], few=2)
    long = net.conv(x, 5, 6, strides=[2, 2], pads=[1, 1, 1, 1], few=2)
    x = net.node("Clip", net.node("Add", long, short), net.constant(-3), net.constant(6))
    x = net.node("Sum", net.node("Relu", x), x)
    return head(net, net.node("Add", net.node("Abs", x), net.node("MaxPool", x, kernel_shape=[1, 1])), 6), None


def late_sum(net):
    x = relu(net, "image", 3, 5, 1)
    return net.node("Add", net.node("Mul", x, net.constant(2)), net.conv(x, 5, 5, 1, few=2)), 3


def pools(net):
    x = net.conv("image", 3, 6, 1)
    x = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[1, 2], pads=[1, 1, 1, 1])
    x = net.node("Mul", x, net.constant(4))
    x = net.node("AveragePool", x, kernel_shape=[2, 2], pads=[1, 0, 0, 1], count_include_pad=1)
    x = net.node("Clip", net.conv(x, 6, 8, 1), net.constant(-1), net.constant(1))
    x = net.node("Mul", x, net.constant(32))
    y = net.node("GlobalMaxPool", net.node("Neg", x))
    z = net.node("ReduceMean", net.node("AveragePool", x, kernel_shape=[8, 1]), axes=[-1], keepdims=1)
    return net.node("Add", y, net.conv(z, 8, 8, 1, few=1)), None


def concatenations(net):
    x = relu(net, "image", 3, 5, 1)
    y = relu(net, x, 5, 3, pads=[1, 1, 1, 1])
    both = net.node("Concat", x, y, axis=1)
    z = net.node("MaxPool", both, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    more = net.node("Relu", net.node("Concat", net.conv(both, 8, 6, 1), z, x, axis=1))
    return head(net, net.conv(more, 19, 6, few=2), 6), None


def again(net):
    """A sum that is read again, two that read one tensor, and one line with functions of several constants."""
    x = net.conv("image", 3, 5, 1, few=2)
    y = net.node("Add", x, net.conv("image", 3, 5, 1, few=1))
    z = net.node("Add", net.node("Add", y, x), net.conv(net.node("Relu", net.node("Add", y, net.constant(2))), 5, 5, 1))
    z = net.node("Add", net.conv(net.node("Relu", z), 5, 5, 1, few=1), net.node("Add", y, net.constant(-3)))
    low = net.node("MaxPool", net.node("Add", z, net.constant(1)), kernel_shape=[1, 2])
    return net.node("Add", low, net.conv(net.node("Add", z, net.constant(3)), 5, 5, (1, 2), few=1)), None


def places(net):
    """Residuals beside what their sum must not take the place of."""
    x = net.conv("image", 3, 5, 1, few=2)
    x = net.node("Add", net.node("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1]), x)
    y = net.node("Concat", net.node("Add", net.conv("image", 3, 5, 1, few=2), x), net.conv("image", 3, 4, 1), axis=1)
    return head(net, net.conv(net.node("MaxPool", y, kernel_shape=[2, 2]), 9, 5, 1, few=2), 5), None


def functions(net):
    x = net.conv("image", 3, 8, 1)
    square = net.node("Mul", x, net.node("Abs", x))
    x = net.node("Clip", net.conv(square, 8, 8, 1, few=2), net.constant(-9), net.constant(9))
    leaky = net.node("LeakyRelu", net.conv(x, 8, 8, 1, few=1), alpha=3.0)
    y = net.node("Max", net.node("Add", leaky, x), net.constant(-2))
    y = net.node("Sub", net.node("Div", y, net.constant(0.5)), net.constant(4))
    return head(net, net.conv(y, 8, 6, 1, few=1), 6), None


def normalizations(net):
    gains, none = net.random.choice([-2, -1, 0, 1], 6), np.zeros(6)
    parts = [net.constant(part) for part in (gains, net.random.integers(-3, 4, 6), none, np.ones(6))]
    x = net.node("Mul", "image", net.constant([[[1]], [[2]], [[-1]]]))
    x = net.node("Add", x, net.constant(np.array([-1, 0, 5]).reshape(1, 3, 1, 1)))
    x = relu(net, x, 3, 6, 1)
    x = net.node("BatchNormalization", x, *parts, epsilon=0.0)
    x = net.node("Relu", net.node("Mul", net.node("Relu", x), net.constant(np.arange(1, 7).reshape(6, 1, 1))))
    x = net.node("Sub", net.node("MaxPool", x, kernel_shape=[1, 2]), net.constant(np.arange(6).reshape(1, 6, 1, 1)))
    return head(net, net.conv(x, 6, 4, 1, few=1), 4), None


NETWORKS = [plain, groups, residuals, late_sum, again, pools, concatenations, places, functions, normalizations]


@pytest.mark.parametrize("request_", REQUESTS, ids=range(len(REQUESTS)))
@pytest.mark.parametrize("build", NETWORKS)
def test_a_program_computes_what_the_network_does(build, request_):
    net = Net(3, 8, 7, seed=len(build.__name__))
    output, count = build(net)
    check(net, output, request_, count)


@pytest.mark.parametrize("seed", range(15))
def test_operators_in_any_order(seed):
    check(*random_network(seed), REQUESTS[seed % len(REQUESTS)])


@pytest.mark.parametrize(
    "weight, activation, between", [("e2m1", "e4m3", "int8"), ("int2", "e2m3", "e4m3"), ("e3m2", "int4", "e3m3")]
)
def test_minifloats_compute_what_the_network_does(weight, activation, between):
    """All that crosses is at most 7, which all these formats have."""
    net = Net(3, 8, 8)

    def few(tensor):
        return net.node("Clip", tensor, net.constant(-6), net.constant(7))

    x = few(net.conv("image", 3, 8, pads=[1, 1, 1, 1]))
    y = few(net.conv(x, 8, 8, groups=8, pads=[1, 1, 1, 1]))
    x = few(net.node("Add", net.conv(y, 8, 8, 1), x))
    x = net.node("Concat", x, net.node("MaxPool", y, kernel_shape=[3, 3], pads=[1, 1, 1, 1]), axis=1)
    x = few(net.conv(net.node("Abs", few(x)), 16, 4, 1))
    check(net, head(net, x, 4), ShapeRequest(parse(between)), weight=weight, activation=activation)


@pytest.mark.parametrize("signed, zero, most", [(0, 0, 255), (1, 0, 100), (0, 126, 100)])
def test_zero_points_as_a_network_came_with_them(signed, zero, most):
    """With scales that are powers of two, what crosses in int8 is what the network says: zero points, and all."""
    net = Net(3, 8, 8)
    own = {"quantized": True, "bias": False}
    pads = {**own, "pads": [1, 1, 1, 1]}
    x = net.quant("image", 2 if most > 127 else 1, zero, 8, signed)
    x = net.quant(net.node("Relu", net.conv(x, 3, 8, **pads)), 4, 0, 5)
    y = net.quant(net.conv(x, 8, 8, **pads, groups=8), 2, 126, 8)
    x = net.quant(net.node("Add", net.quant(net.conv(y, 8, 8, 1, **own), 4, 100, 8), y), 4, 64, 7)
    x = net.node("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1], strides=[2, 2])
    z = net.quant(net.node("AveragePool", net.node("Relu", x), kernel_shape=[2, 2]), 1, 3, 8)
    z = net.quant(net.conv(z, 8, 6, 2, **own), 0.5, 5, 8)
    z = net.node("Mul", z, net.constant(np.array([1, -1, 2, -2, 1, 3]).reshape(6, 1, 1)))
    content = net.content(net.quant(net.node("Flatten", z), 2, 0, 8, 1))
    samples, graph = net.samples(30, most), taken(content)
    layers = as_it_came(graph)
    assert {layer.zero_point for layer in layers.values()} == {zero, 0, 126, 3}
    made = Lowering(graph, samples).lower(layers)
    shape = made.program.shape
    assert shape.zero_points and str(shape.activation) == ("int8" if signed else "uint8")
    found = made.outputs(network_answers(made.program, made.images(samples.inputs["image"])))
    expected = execute(graph, samples.inputs, float_engine(layers))[0]
    assert np.ptp(expected) > 0
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("kind, zero", [(np.uint8, 6), (np.int8, -100)])
def test_pairs_of_quantize_linear_and_dequantize_linear_are_quantizers(kind, zero):
    """As Jacob et al. have it (arXiv 1712.05877): zero points, integers of 8 bits, and residual sums of them."""
    net = Net(3, 8, 8)
    x = net.qdq("image", 1, 0)
    x = net.qdq(net.node("Relu", net.conv_qdq(x, 3, 8, pads=[1, 1, 1, 1])), 2, zero, kind)
    y = net.qdq(net.conv_qdq(x, 8, 8, pads=[1, 1, 1, 1]), 4, 60, kind)
    x = net.qdq(net.node("Add", y, x), 4, 50, kind)
    x = net.qdq(net.node("GlobalAveragePool", net.node("MaxPool", x, kernel_shape=[2, 2], strides=[4, 4])), 1, 0, kind)
    output = net.qdq(net.conv_qdq(x, 8, 6, 1), 0.5, 40, kind)
    content, samples = net.content(output), net.samples(30, 100)
    graph = taken(as_qonnx(content))
    layers = as_it_came(graph)
    assert len(layers) == 3 and graph.quantized and not taken(content).quantized
    made = Lowering(graph, samples).lower(layers)
    found = made.outputs(network_answers(made.program, made.images(samples.inputs["image"])))
    expected = by_onnxruntime(content, samples)
    assert np.ptp(expected) > 0
    np.testing.assert_array_equal(found, expected)


def test_what_is_not_dequantized_as_it_was_quantized_stays():
    net = Net(3, 8, 8)
    plain = net.conv("image", 3, 4)
    assert as_qonnx(content := net.content(plain)) == content
    q = net.node("QuantizeLinear", plain, net.constant(1), net.constant(0, np.uint8))
    other = net.node("DequantizeLinear", q, net.constant(2), net.constant(0, np.uint8))
    assert as_qonnx(content := net.content(other)) == content
    assert as_qonnx(b"no model") == b"no model"


def test_vectors_pixels_and_one_axis():
    net = Net(10)
    x = net.node("Relu", net.linear(net.node("Sub", "image", net.constant(1)), 10, 7))
    check(net, net.linear(x, 7, 3), count=2)
    net = Net(3, 9)
    x = relu(net, "image", 3, 4, (3,), strides=[2], pads=[1, 2])
    x = net.node("MaxPool", x, kernel_shape=[2])
    check(net, net.linear(net.node("Reshape", x, net.constant([-1, 16], np.int64)), 16, 5), count=3)
    net = Net(3, 4, 4)
    x = net.node("Transpose", relu(net, "image", 3, 4, 1), perm=[0, 2, 3, 1])
    x = net.node("MatMul", x, net.constant(net.weights(6, 4, few=2).T))
    x = net.node("Clip", x, net.constant(0), net.constant(3))
    x = net.node("Reshape", x, net.constant([0, 16, 6], np.int64))
    check(net, net.linear(net.node("ReduceSum", x, net.constant([1], np.int64), keepdims=0), 6, 3), count=4)


def test_flattened_with_channels_last():
    net = Net(4, 3, 2)  # rows, pixels, channels
    x = relu(net, net.node("Transpose", "image", perm=[0, 3, 1, 2]), 2, 3, 1)
    x = net.node("Flatten", net.node("Transpose", x, perm=[0, 2, 3, 1]))
    program = check(net, net.linear(x, 36, 5), count=2)
    assert (program.image.height, program.image.width, program.image.channels) == (4, 3, 2)


def test_an_input_of_bytes_as_they_are():
    net = Net(3, 4, 4)
    net.dtype = 2
    x = net.node("Cast", "image", to=1)
    program = check(net, head(net, relu(net, x, 3, 4, 1), 4))
    assert program.image.scales == (1.0,) and program.image.activation_codes[:4] == bytes([0, 1, 2, 3])


def test_what_no_bytes_are_is_encoded_by_the_host():
    net = Net(3, 4, 4)
    x = net.node("Add", relu(net, "image", 3, 3, 1, few=1), "image")
    content = net.content(head(net, x, 3))
    samples = net.samples(2000)
    values = samples.inputs["image"]
    values += net.random.integers(-20, 30, values.shape) + net.random.random(values.shape) / 8
    made = lowered(content, samples)
    image = made.program.image
    assert (image.activation_codes, image.between_codes, image.activation) == (b"", b"", None)
    found = made.outputs(network_answers(made.program, made.images(values[:5])))
    np.testing.assert_array_equal(found, by_onnxruntime(content, type(samples)({"image": np.rint(values[:5])})))
    net = Net(3, 4, 4)
    content = net.content(head(net, relu(net, "image", 3, 3, 1), 3))
    assert lowered(content, samples).program.image.between is None


@pytest.mark.parametrize(
    "ends", [("Softmax",), ("Sigmoid",), ("Mul", 3.0), ("Relu", "Softmax"), ("LogSoftmax", "Exp"), ("Flatten",)]
)
def test_the_end_is_left_to_the_host(ends):
    net = Net(3, 4, 4)
    x = head(net, relu(net, "image", 3, 4, 1), 4)
    for kind in ends:
        if isinstance(kind, str):
            x = net.node(kind, x, *([net.constant(3)] if kind == "Mul" else []))
    samples, content = net.samples(), net.content(x)
    made = lowered(content, samples)
    sums = network_answers(made.program, made.images(samples.inputs["image"]))
    np.testing.assert_allclose(made.outputs(sums), by_onnxruntime(content, samples), rtol=1e-6)
    kinds = [kind for kind in ends if isinstance(kind, str) and kind != "Flatten"]
    assert made.reading.notes == ((f"left to the host: {', '.join(kinds)}",) if kinds else ())


def refused(build):
    net = Net(3, 8, 8)
    samples, content = net.samples(), net.content(build(net))
    return Lowering(taken(content), samples)


def gate(net):
    x = relu(net, "image", 3, 4, 1)
    return net.node("Mul", x, net.node("Sigmoid", net.conv(net.node("GlobalAveragePool", x), 4, 4, 1)))


KINDS = "model must be of operators that a network accelerator has, not "
RECORDS = "model must be one that a network accelerator has records for, not with the "


@pytest.mark.parametrize(
    "build, message",
    [
        (gate, f"{RECORDS}Mul 'mul5': of two tensors there is a sum alone, and of the same shape"),
        (
            lambda net: net.conv(net.node("InstanceNormalization", "image", *[net.constant([1, 2, 3])] * 2), 3, 4),
            f"{KINDS}InstanceNormalization in 'instancenormalization0'",
        ),
        (
            lambda net: net.conv(net.node("Softmax", net.node("Tan", net.conv("image", 3, 4, 1)), axis=1), 4, 2, 1),
            f"{KINDS}Softmax in 'softmax2'",
        ),
        (
            lambda net: net.node("MatMul", net.conv("image", 3, 4, 1), net.conv("image", 3, 4, 1)),
            f"{KINDS}MatMul of two activations in 'matmul2'",
        ),
        (
            lambda net: net.node("Add", net.conv("image", 3, 4, 1), net.constant(np.ones((1, 1, 8, 8)))),
            f"{RECORDS}Add 'add1': its constants must be one number, or one for each channel",
        ),
        (
            lambda net: net.conv(net.node("Sub", net.conv("image", 3, 3, 1), "image"), 3, 4),
            f"{RECORDS}Sub 'sub1': of two tensors there is a sum alone, and of the same shape",
        ),
        (
            lambda net: net.node("Add", net.conv("image", 3, 4), net.conv("image", 3, 4, 8)),
            f"{RECORDS}Add 'add2': of two tensors there is a sum alone, and of the same shape",
        ),
        (
            lambda net: net.node("AveragePool", net.conv("image", 3, 4), kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            f"{RECORDS}AveragePool 'averagepool1': it must divide all sums by the same number",
        ),
        (
            lambda net: net.node("AveragePool", net.conv("image", 3, 4), kernel_shape=[2, 2], pads=[1, 0, 0, 0]),
            f"{RECORDS}AveragePool 'averagepool1': it must divide all sums by the same number",
        ),
        (
            lambda net: net.node("ReduceMean", net.conv("image", 3, 4), axes=[1]),
            f"{RECORDS}ReduceMean 'reducemean1': it must be over rows and pixels",
        ),
        (
            lambda net: net.node("Concat", net.conv("image", 3, 4), net.conv("image", 3, 4), axis=2),
            f"{RECORDS}Concat 'concat2': it must be along the channels",
        ),
        (
            lambda net: net.conv(net.node("Reshape", "image", net.constant([-1, 12, 4, 4], np.int64)), 12, 4),
            f"{RECORDS}Reshape 'reshape0': it must keep channels, rows and pixels, or make a vector of them",
        ),
        (
            lambda net: net.conv(net.node("Transpose", "image", perm=[0, 1, 3, 2]), 3, 4),
            f"{RECORDS}Conv 'conv1': it must read channels, rows and pixels in this order",
        ),
        (
            lambda net: net.linear(net.node("Transpose", net.conv("image", 3, 4), perm=[0, 1, 3, 2]), 6, 4),
            "model must be an ONNX network",
        ),
        (
            lambda net: net.node("MatMul", net.conv("image", 3, 4), net.constant(net.weights(6, 6))),
            f"{RECORDS}MatMul 'matmul1': it must read all channels of a pixel, or all of a sample",
        ),
    ],
)
def test_what_no_record_computes_is_refused_by_its_name(build, message):
    with pytest.raises(ValueError) as error:
        refused(build)
    assert str(error.value).startswith(message)


def test_an_input_keeps_its_place_where_that_is_asked_for():
    net = Net(3, 8, 7)
    output, _ = residuals(net)
    kept, other = (check(net, output, ShapeRequest(resident=resident)) for resident in (True, False))
    assert kept.image.resident and not other.image.resident
    assert kept.image.free_after == other.image.free_after == 0
    assert kept.activation_words > other.activation_words


def test_images_of_other_numbers_than_bytes_are_refused():
    net = Net(3, 4, 4)
    samples = net.samples()
    made = lowered(net.content(net.conv("image", 3, 4)), samples)
    for value in (0.5, 300, -1):
        samples.inputs["image"][0, 0, 0, 0] = value
        with pytest.raises(ValueError, match=r"^images must be of the numbers that the program has codes for"):
            made.images(samples.inputs["image"])


def test_parts_of_a_word_that_cannot_be_put_together_are_told():
    """Two channels a beat between layers, and a concatenated tensor with three behind one."""
    net = Net(3, 4, 4)
    one, other = net.conv("image", 3, 1, 1), net.conv("image", 3, 3, 1)
    whole = net.node("MaxPool", net.node("Concat", one, other, axis=1), kernel_shape=[2, 2])
    check(net, whole, ShapeRequest(outputs=1))
    asked = "must have parts of whole words of 2 channels, not as in"
    with pytest.raises(ValueError, match=f"^concatenated tensors that go to the host {asked} 'maxpool3'$"):
        check(net, whole, ShapeRequest(outputs=2))
    single = net.node("MaxPool", net.conv("image", 3, 4, 1), kernel_shape=[2, 2])
    with pytest.raises(ValueError, match=f"^concatenated tensors that are added {asked} 'add6'$"):
        check(net, net.conv(net.node("Add", whole, single), 4, 3, 1), ShapeRequest(outputs=2))


def test_tables_round_what_onnxruntime_computes():
    net = Net(3, 4, 4)
    x = net.conv("image", 3, 8, 1)
    silu = net.node("Mul", x, net.node("Sigmoid", x))
    half, one = net.constant(0.5), net.constant(1)
    gelu = net.node("Mul", net.node("Mul", x, half), net.node("Add", net.node("Erf", net.node("Mul", x, half)), one))
    content = net.content(head(net, net.node("Add", silu, net.conv(gelu, 8, 8, 1, few=1)), 8))
    samples = net.samples()
    program = lowered(content, samples).program
    value = np.arange(256).astype(np.uint8).view(np.int8).astype(np.float64)
    logistic = 1 / (1 + np.exp(-value))
    expected = np.clip(np.rint(value * logistic), -128, 127).astype(np.int8).view(np.uint8)
    tables = dict(zip(program.table_formats, program.tables, strict=True))
    assert tables["between"] == expected.tobytes()
    assert len(tables["activation"]) == 256 and tables["activation"][:3] == bytes([0, 1, 2])
