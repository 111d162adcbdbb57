"""Small networks of random weights, for the tests of the study."""

import numpy as np
from onnx import helper, numpy_helper

SIDE = 8


def tensor(random, name, *shape):
    values = random.standard_normal(shape) / (np.sqrt(np.prod(shape[1:])) if len(shape) > 1 else 10)
    return numpy_helper.from_array(values.astype(np.float32), name)


def as_bytes(nodes, outputs, constants, inputs):
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(name, 1, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, 1, None) for name in outputs],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def convolutions(seed=1):
    """(batch, 1, 8, 8) to (batch, 10): plain, depthwise (strides, SAME padding), dilated and pointwise; and a Gemm."""
    random = np.random.default_rng(seed)
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], name="plain", kernel_shape=[3, 3], pads=[1, 0, 1, 2]),
        helper.make_node("Relu", ["c1"], ["r1"]),
        helper.make_node(
            "Conv", ["r1", "w2"], ["c2"], name="depthwise", group=8, strides=[2, 2], auto_pad="SAME_UPPER"
        ),
        helper.make_node("Clip", ["c2", "zero", "six"], ["r2"]),
        helper.make_node("Conv", ["r2", "w3", "b3"], ["c3"], name="dilated", dilations=[2, 1], pads=[2, 1, 2, 1]),
        helper.make_node("Conv", ["r2", "w4", "b4"], ["c4"], name="pointwise"),
        helper.make_node("Add", ["c3", "c4"], ["s"]),
        helper.make_node("Flatten", ["s"], ["f"]),
        helper.make_node("Gemm", ["f", "w5", "b5"], ["logits"], name="linear", transB=1),
    ]
    constants = [
        *(tensor(random, "w1", 8, 1, 3, 3), tensor(random, "b1", 8), tensor(random, "w2", 8, 1, 3, 3)),
        *(tensor(random, "w3", 16, 8, 3, 3), tensor(random, "b3", 16), tensor(random, "w4", 16, 8, 1, 1)),
        *(tensor(random, "b4", 16), tensor(random, "w5", 10, 256), tensor(random, "b5", 10)),
        numpy_helper.from_array(np.float32(0), "zero"),
        numpy_helper.from_array(np.float32(6), "six"),
    ]
    return as_bytes(nodes, ["logits"], constants, {"image": ["batch", 1, SIDE, SIDE]})


def resized(seed=3):
    """(batch, 1, 8, 8) to (batch, 4, 16, 16), by sizes that the network itself computes between its two layers."""
    random = np.random.default_rng(seed)
    nodes = [
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Shape", ["c1"], ["shape"], end=2),
        helper.make_node("Concat", ["shape", "sides"], ["sizes"], axis=0),
        helper.make_node("Resize", ["c1", "", "", "sizes"], ["large"]),
        helper.make_node("Conv", ["large", "w2", "b2"], ["picture"], name="second"),
    ]
    weights = [tensor(random, "w1", 8, 1, 3, 3), tensor(random, "b1", 8), tensor(random, "w2", 4, 8, 1, 1)]
    sides = numpy_helper.from_array(np.array([16, 16]), "sides")
    return as_bytes(nodes, ["picture"], [*weights, tensor(random, "b2", 4), sides], {"image": ["batch", 1, SIDE, SIDE]})


def attention(seed=2):
    """(batch, 6, 16) to (batch, 10): one head of attention, and a linear layer on the mean."""
    random = np.random.default_rng(seed)
    nodes = [
        *(helper.make_node("MatMul", ["tokens", f"w{n}"], [n], name=f"make_{n}") for n in "qkv"),
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["q", "kt"], ["scores"], name="scores"),
        helper.make_node("Softmax", ["scores"], ["shares"], axis=-1),
        helper.make_node("MatMul", ["shares", "v"], ["mixed"], name="mix"),
        helper.make_node("ReduceMean", ["mixed"], ["mean"], axes=[1], keepdims=0),
        helper.make_node("Gemm", ["mean", "w", "b"], ["logits"], name="head"),
    ]
    constants = [
        *(tensor(random, f"w{n}", 16, 16) for n in "qkv"),
        tensor(random, "w", 16, 10),
        tensor(random, "b", 10),
    ]
    return as_bytes(nodes, ["logits"], constants, {"tokens": ["batch", 6, 16]})


def constant(name, values):
    return numpy_helper.from_array(np.asarray(values), name)


def made(nodes, constants, inputs, outputs=("y",)):
    return as_bytes([helper.make_node(*node, **more) for node, more in nodes], outputs, constants, inputs)


def normal(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
