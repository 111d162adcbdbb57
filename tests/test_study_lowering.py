"""A network's program gives what onnxruntime gives, in every bit, where all its values are integers of the formats."""

import itertools

import numpy as np
import pytest
from fewbit.formats import parse
from fewbit.formats.network import Pool, Product
from fewbit.sim import network_answers
from fewbit.study.lowering import Lowering, Request, searched
from integer_networks import Net, by_onnxruntime, exact_layers, taken

REQUESTS = [
    Request(),
    Request(rows=2, columns=6, lanes=2, outputs=2),
    Request(columns=5, lanes=8),
    Request(columns=4, lanes=4, outputs=4, resident=True),
]


@pytest.fixture(autouse=True)
def units(monkeypatch):
    """All scales between layers are 1: values are integers."""
    monkeypatch.setattr(searched, "best_scales", lambda *arguments: np.asarray(np.float32(1)))


def lowered(content, samples, request=Request(), weight="int8", activation="int8"):
    graph = taken(content)
    return Lowering(graph, samples).lower(exact_layers(graph, weight, activation), request)


def check(net, output, request=Request(), count=None, domains=()):
    """The program's outputs are the network's, and the network has so many records if that is said."""
    content, samples = net.content(output, domains), net.samples()
    made = lowered(content, samples, request)
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


NETWORKS = [plain, groups, residuals, late_sum, pools, concatenations, functions, normalizations]


@pytest.mark.parametrize("request_", REQUESTS, ids=range(len(REQUESTS)))
@pytest.mark.parametrize("build", NETWORKS)
def test_a_program_computes_what_the_network_does(build, request_):
    net = Net(3, 8, 7, seed=len(build.__name__))
    output, count = build(net)
    check(net, output, request_, count)
