"""Models as other tools write them: what is listed as an input, what comes out, what multiplies under another name."""

import numpy as np
import pytest
from fewbit.formats import parse
from fewbit.study.measurement.evaluate import Study
from fewbit.study.network.graph import Graph
from fewbit.study.network.network import Network, Samples, read_model
from fewbit.study.network.runtime import session
from fewbit.study.quantization.scheme import Scheme
from networks import constant, normal
from onnx import TensorProto, helper, numpy_helper

INT8 = Scheme(weight=parse("int8"), activation=parse("int8"))
INT16 = Scheme(weight=parse("int16"), activation=parse("int16"))
W, B = normal(1, 6, 4), normal(2, 4)
PRODUCT = helper.make_node("MatMul", ["x", "w"], ["y"], name="layer")


def model(nodes, constants, inputs, outputs, opset=17, ir=8, domains=()):
    """``inputs``, ``outputs``: shapes by name, or value infos."""
    entries = [
        [helper.make_tensor_value_info(*each[:1], 1, each[1]) if isinstance(each, tuple) else each for each in part]
        for part in (inputs, outputs)
    ]
    graph = helper.make_graph(nodes, "network", *entries, constants)
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir).SerializeToString()


def study_of(tmp_path, content, inputs, metrics=("sqnr",), output=""):
    file = tmp_path / "net.onnx"
    file.write_bytes(content)
    samples = Samples(inputs)
    return Study(Network("net", "", file, lambda: samples, lambda: samples, metrics, output=output))


def point_of(tmp_path, content, inputs, scheme=INT8, **more):
    return study_of(tmp_path, content, inputs, **more).point(scheme, "integer")


@pytest.mark.parametrize("ir", [3, 8])
@pytest.mark.parametrize("fixed", ["batch", 1])
def test_initializers_that_are_inputs_too_are_no_inputs(ir, fixed, tmp_path):
    """Two of them equal, which onnxruntime folds into one under a new name."""
    nodes = [
        helper.make_node("Gemm", ["x", "w", "b1"], ["h"], name="first"),
        helper.make_node("Gemm", ["h", "w2", "b2"], ["y"], name="second"),
    ]
    constants = [constant("w", W), constant("w2", normal(3, 4, 4)), constant("b1", B), constant("b2", B)]
    listed = [(tensor.name, list(tensor.dims)) for tensor in constants]
    content = model(nodes, constants, [("x", [fixed, 6]), *listed], [("y", None)], ir=ir, opset=9)
    graph = Graph(content)
    assert graph.inputs == ["x"] and [layer.name for layer in graph.layers] == ["first", "second"]
    assert point_of(tmp_path, content, {"x": normal(4, 16, 6)}).accuracy > 30


def attention(kind):
    nodes = [helper.make_node("MatMul", ["x", f"w{n}"], [n]) for n in "qkv"]
    made = {
        "Attention": {"q_num_heads": 2, "kv_num_heads": 2},
        "MultiHeadAttention": {"num_heads": 2, "domain": "com.microsoft"},
    }[kind]
    nodes.append(helper.make_node(kind, [*"qkv"], ["y"], **made))
    constants = [constant(f"w{n}", normal(place, 8, 8) / 3) for place, n in enumerate("qkv")]
    return model(nodes, constants, [("x", ["n", 5, 8])], [("y", None)], 23, 11, ["com.microsoft"]), (16, 5, 8)


def behind_a_product(kind):
    more, constants = {
        "FusedMatMul": ({"alpha": 0.5, "domain": "com.microsoft"}, [constant("v", normal(3, 4, 3))]),
        "MatMulNBits": (
            {"K": 4, "N": 2, "bits": 4, "block_size": 16, "domain": "com.microsoft"},
            [constant("v", np.full((2, 1, 8), 0x35, np.uint8)), constant("s", np.ones(2, np.float32))],
        ),
        "Einsum": ({"equation": "bi,ij->bj"}, [constant("v", normal(3, 4, 3))]),
        "LinearRegressor": ({"coefficients": [1.0, 2, 3, 4], "domain": "ai.onnx.ml"}, []),
    }[kind]
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node(kind, ["h", *(tensor.name for tensor in constants)], ["y"], **more),
    ]
    constants = [constant("w", W), *constants]
    return model(nodes, constants, [("x", ["n", 6])], [("y", None)], domains=["com.microsoft", "ai.onnx.ml"]), (16, 6)


def deformed(kind):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["h"], pads=[1, 1, 1, 1]),
        helper.make_node(kind, ["h", "v", "offset"], ["y"], kernel_shape=[3, 3]),
    ]
    constants = [
        constant("w", normal(1, 2, 2, 3, 3)),
        constant("v", normal(2, 2, 2, 3, 3)),
        constant("offset", np.zeros((1, 18, 3, 3), np.float32)),
    ]
    return model(nodes, constants, [("x", [1, 2, 5, 5])], [("y", None)], 19, 9), (4, 2, 5, 5)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        *((attention, kind) for kind in ("Attention", "MultiHeadAttention")),
        *((behind_a_product, kind) for kind in ("FusedMatMul", "MatMulNBits", "Einsum", "LinearRegressor")),
        (deformed, "DeformConv"),
    ],
)
def test_what_multiplies_under_another_name_is_named(make, kind, tmp_path):
    content, shape = make(kind)
    point = point_of(tmp_path, content, {"x": normal(7, *shape)})
    assert point.skipped == {kind: 1} and point.accuracy > 10


def test_what_is_known_to_have_no_products_is_not_named():
    nodes = [PRODUCT, *(helper.make_node(kind, ["y"], [kind]) for kind in ("Relu", "Softmax", "Erf", "ReduceSum"))]
    outputs = [(name, None) for name in ("Relu", "Softmax", "Erf", "ReduceSum")]
    assert not Graph(model(nodes, [constant("w", W)], [("x", ["n", 6])], outputs)).skipped


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("kind", [TensorProto.INT4, TensorProto.UINT4, TensorProto.INT8])
def test_weights_by_blocks_are_multiplied_in_float32(axis, kind, tmp_path):
    """onnxruntime would multiply integers, and round activations to 8 bits for it."""
    codes = np.random.default_rng(1).integers(0, 8, (32, 32))
    scales = np.abs(normal(3, *((2, 32) if axis == 0 else (32, 2)))) + 1
    nodes = [helper.make_node("DequantizeLinear", ["c", "s"], ["w"], axis=axis, block_size=16), PRODUCT]
    constants = [helper.make_tensor("c", kind, codes.shape, codes.reshape(-1).tolist()), constant("s", scales)]
    x = normal(4, 16, 32)
    content = model(nodes, constants, [("x", ["n", 32])], [("y", None)], 21, 10)
    study = study_of(tmp_path, content, {"x": x})
    exact = x.astype(np.float64) @ (codes * np.repeat(scales, 16, axis)).astype(np.float64)
    np.testing.assert_allclose(study.reference, exact, rtol=1e-5, atol=1e-3)
    assert study.point(INT16).accuracy > 85


ZIPPED = [
    PRODUCT,
    helper.make_node("Softmax", ["y"], ["p"]),
    helper.make_node("ArgMax", ["y"], ["label"], axis=1, keepdims=0),
    helper.make_node("ZipMap", ["p"], ["z"], domain="ai.onnx.ml", classlabels_int64s=[0, 1, 2, 3]),
    helper.make_node("SplitToSequence", ["y"], ["s"], axis=1),
    helper.make_node("Optional", ["y"], ["o"]),
]
FLOATS = helper.make_tensor_type_proto(1, None)
KINDS = {
    "z": helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.INT64, FLOATS)),
    "s": helper.make_sequence_type_proto(FLOATS),
    "o": helper.make_optional_type_proto(FLOATS),
    "label": helper.make_tensor_type_proto(TensorProto.INT64, None),
    "p": FLOATS,
    "y": FLOATS,
}


def with_outputs(*names):
    outputs = [helper.make_value_info(name, KINDS[name]) for name in names]
    return model(ZIPPED, [constant("w", W)], [("x", ["n", 6])], outputs, domains=["ai.onnx.ml"])


@pytest.mark.parametrize("others", ["z", "s", "o", "zso", ("label", "z")])
def test_the_first_output_of_floats_is_judged_and_the_others_are_named(others, tmp_path):
    point = point_of(tmp_path, with_outputs(*others, "p"), {"x": normal(4, 16, 6)})
    assert point.accuracy > 20
    assert point.notes == (f"judged by its output p, and not by {', '.join(others)}",)


def test_an_output_can_be_chosen(tmp_path):
    content, inputs = with_outputs("p", "y", "z"), {"x": normal(4, 16, 6)}
    study = study_of(tmp_path, content, inputs, output="y")
    np.testing.assert_array_equal(study.reference, session(content).run(["y"], inputs)[0])
    point = study.point(INT8)
    assert point.output == "y" and point.notes == ("judged by its output y, and not by p, z",)
    assert point.network_hash != study_of(tmp_path, content, inputs).point(INT8).network_hash
    with pytest.raises(ValueError, match="output must be p, y, z, not 'q'"):
        Graph(content, output="q")
    with pytest.raises(ValueError, match="model must have an output that is a tensor of numbers, not only z"):
        Graph(content, output="z")


def test_a_network_without_tensors_for_outputs_is_refused():
    with pytest.raises(ValueError, match="model must have an output that is a tensor of numbers, not only z, s"):
        Graph(with_outputs("z", "s"))


def test_a_sequence_goes_by_a_layer(tmp_path):
    """It is made before a layer, and read behind it."""
    nodes = [
        helper.make_node("SplitToSequence", ["x"], ["parts"], axis=1),
        PRODUCT,
        helper.make_node("ReduceMax", ["y"], ["m"], axes=[1]),
        helper.make_node("SequenceAt", ["parts", "one"], ["part"]),
        helper.make_node("Add", ["m", "part"], ["out"]),
    ]
    content = model(nodes, [constant("w", W), constant("one", np.array(1))], [("x", ["n", 6])], [("out", None)])
    assert point_of(tmp_path, content, {"x": normal(4, 16, 6)}).accuracy > 30


@pytest.mark.parametrize("kind", ["Constant", "initializer", "If"])
def test_weights_in_a_file_beside_are_read_from_any_folder(kind, tmp_path, monkeypatch):
    weight = numpy_helper.from_array(W, "w")
    folder = tmp_path / "deep"
    folder.mkdir()
    (folder / "w.bin").write_bytes(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="w.bin")
    made = helper.make_node("Constant", [], ["w"], value=weight)
    if kind == "If":
        branch = helper.make_graph([made], "b", [], [helper.make_tensor_value_info("w", 1, None)])
        made = helper.make_node("If", ["yes"], ["w"], then_branch=branch, else_branch=branch)
    nodes = [PRODUCT] if kind == "initializer" else [made, PRODUCT]
    constants = [weight] if kind == "initializer" else [constant("yes", np.array(True))]
    file = folder / "net.onnx"
    file.write_bytes(model(nodes, constants, [("x", ["n", 6])], [("y", None)]))
    monkeypatch.chdir(tmp_path)
    x = normal(4, 16, 6)
    found = session(read_model(file)).run(None, {"x": x})[0]
    np.testing.assert_allclose(found, x @ W, rtol=1e-5, atol=1e-6)
    assert len(Graph(read_model(file)).layers) == 1
    (folder / "w.bin").unlink()
    with pytest.raises(ValueError, match=r"model must have its weights in w\.bin beside"):
        read_model(file)


@pytest.mark.parametrize(("weight", "bias"), [(np.nan, 0), (np.inf, 0), (0, np.nan), (0, -np.inf)])
def test_weights_that_are_not_finite_are_refused(weight, bias):
    w, b = W.copy(), B.copy()
    w[0, 0], b[1] = w[0, 0] + weight, b[1] + bias
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="layer")
    with pytest.raises(ValueError, match="weights must be finite, not NaN or infinite in 'layer'"):
        Graph(model([node], [constant("w", w), constant("b", b)], [("x", ["n", 6])], [("y", None)]))


def test_outputs_that_are_nan_are_refused(tmp_path):
    nodes = [PRODUCT, helper.make_node("Log", ["y"], ["z"])]
    content = model(nodes, [constant("w", W)], [("x", ["n", 6])], [("z", None)])
    with pytest.raises(ValueError, match="model must give numbers in float32, not NaN as 'z'"):
        point_of(tmp_path, content, {"x": normal(4, 16, 6)})


@pytest.mark.parametrize("shape", [(4,), (1, 4), (1,), (1, 1), ()])
def test_a_bias_of_any_shape_that_has_columns_is_one(shape, tmp_path):
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="layer")
    constants = [constant("w", W), constant("b", normal(5, *shape))]
    content = model([node], constants, [("x", ["n", 6])], [("y", None)])
    (layer,) = Graph(content).layers
    np.testing.assert_array_equal(layer.bias, np.broadcast_to(normal(5, *shape).reshape(-1), 4))
    assert point_of(tmp_path, content, {"x": normal(4, 16, 6)}).accuracy > 30


@pytest.mark.parametrize("shape", [(5, 1), (5, 4)])
def test_a_bias_by_rows_is_added_behind_where_rows_are_no_samples(shape, tmp_path):
    nodes = [
        helper.make_node("Reshape", ["x", "s"], ["rows"]),
        helper.make_node("Gemm", ["rows", "w", "b"], ["y"], name="layer"),
    ]
    constants = [constant("w", W), constant("b", normal(5, *shape)), constant("s", np.array([5, 6]))]
    content = model(nodes, constants, [("x", [1, 5, 6])], [("y", None)])
    point = point_of(tmp_path, content, {"x": normal(4, 16, 5, 6)})
    assert point.accuracy > 30 and not point.skipped


def test_a_bias_by_rows_where_rows_are_samples_is_refused():
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="layer")
    constants = [constant("w", W), constant("b", normal(5, 16, 1))]
    message = r"bias of a Gemm must be a number for each column, not of shape \(16, 1\) in 'layer'"
    with pytest.raises(ValueError, match=message):
        Graph(model([node], constants, [("x", ["n", 6])], [("y", None)]))


def one_by_one(nodes, constants, shape):
    return model(nodes, [constant("w", W), *constants], [("x", shape)], [("z", None)])


SCALAR = [PRODUCT, helper.make_node("ReduceSum", ["y"], ["z"], keepdims=0)]
RESHAPED = [PRODUCT, helper.make_node("Reshape", ["y", "s"], ["z"])]
MIXED = [PRODUCT, helper.make_node("Softmax", ["y"], ["z"], axis=0)]
FLAT = [PRODUCT, helper.make_node("Reshape", ["y", "flat"], ["z"])]
PLACES = [constant("s", np.array([1, 4])), constant("flat", np.array([-1]))]


@pytest.mark.parametrize("first", ["n", 1])
@pytest.mark.parametrize("nodes", [SCALAR, RESHAPED, MIXED, FLAT], ids=["scalar", "reshaped", "mixed", "flat"])
def test_what_takes_one_sample_is_run_on_one_after_the_other(first, nodes, tmp_path):
    content, x = one_by_one(nodes, PLACES, [first, 6]), normal(4, 16, 6)
    study = study_of(tmp_path, content, {"x": x})
    expected = [session(content).run(None, {"x": x[place : place + 1]})[0] for place in range(16)]
    np.testing.assert_array_equal(study.reference.reshape(16, -1), np.stack(expected).reshape(16, -1))
    point = study.point(INT16, "integer")
    assert point.samples == 16 and point.accuracy > 80 and point.macs == 24
    note = "takes any number of samples by its inputs' shapes, and runs right with one only: one after the other"
    assert point.notes == (() if first == 1 else (note,))


@pytest.mark.parametrize(("first", "shape"), [("n", None), (1, None), (1, [1, 4])])
def test_batches_are_taken_where_they_can_be(first, shape, tmp_path):
    """Also of a model that says that it takes one sample, where no node depends on it."""
    content, x = model([PRODUCT], [constant("w", W)], [("x", [first, 6])], [("y", shape)]), normal(4, 16, 6)
    study = study_of(tmp_path, content, {"x": x})
    assert study.batch > 1 and study.notes == ()
    expected = [session(content).run(None, {"x": x[place : place + 1]})[0][0] for place in range(16)]
    np.testing.assert_allclose(study.reference, expected, rtol=1e-6)
    assert study.point(INT16, "integer").accuracy > 80


@pytest.mark.parametrize(
    ("x", "h", "told"),
    [
        (["n", 3, 6], [1, "n", 4], "not 1 for 'h'"),
        ([8, 3, 6], [1, 8, 4], "not 8 for 'x'"),
        ([1, 3, 6], [2, 1, 4], "not 2"),
    ],
)
def test_states_that_are_not_by_sample_are_refused(x, h, told):
    nodes = [
        helper.make_node("LSTM", ["x", "wi", "r", "", "", "h"], ["s"], hidden_size=4),
        helper.make_node("MatMul", ["s", "w"], ["z"]),
    ]
    constants = [
        constant("w", normal(1, 4, 4)),
        constant("wi", normal(2, 1, 16, 6)),
        constant("r", normal(3, 1, 16, 4)),
    ]
    with pytest.raises(ValueError, match="first dimension by name, or one for all inputs, " + told):
        Graph(model(nodes, constants, [("x", x), ("h", h)], [("z", None)]))


@pytest.mark.parametrize("kind", ["MatMulInteger", "ConvInteger"])
def test_a_quantized_network_is_called_that(kind):
    shape = (6, 4) if kind == "MatMulInteger" else (4, 6, 1)
    weight = np.random.default_rng(1).integers(0, 9, shape).astype(np.uint8)
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "step", "zero"]),
        helper.make_node(kind, ["q", "c"], ["sum"]),
        helper.make_node("Cast", ["sum"], ["h"], to=1),
        helper.make_node("MatMul", ["h", "v"], ["y"]),
    ]
    x = ["n", 6] if kind == "MatMulInteger" else ["n", 6, 4]
    content = model(nodes, [constant("c", weight), constant("v", normal(2, 4, 3))], [("x", x)], [("y", None)])
    with pytest.raises(ValueError, match=f"not quantized already to integers: it has 1 {kind}"):
        Graph(content)


def test_a_network_that_fails_on_its_samples_is_told_in_a_line(tmp_path):
    nodes = [PRODUCT, helper.make_node("Reshape", ["y", "s"], ["z"], name="wrong")]
    content = model(nodes, [constant("w", W), constant("s", np.array([5, 7]))], [("x", ["n", 6])], [("z", None)])
    with pytest.raises(ValueError, match=r"model must run on its samples, not fail: .*wrong"):
        point_of(tmp_path, content, {"x": normal(4, 16, 6)})


def test_a_sum_behind_a_product_is_its_bias_where_it_has_columns(tmp_path):
    """And not where it is a mask of infinities, has positions, or is read elsewhere."""

    def graph(values, **more):
        nodes = [PRODUCT, helper.make_node("Add", ["y", "b"], ["z"])]
        outputs = [("z", None), *([("y", None)] if more else [])]
        return Graph(as_model(nodes, values, outputs))

    def as_model(nodes, values, outputs):
        return model(nodes, [constant("w", W), constant("b", values)], [("x", ["n", 5, 6])], outputs)

    for shape in ((4,), (1, 4), (1, 1, 4)):
        (layer,) = graph(normal(5, *shape)).layers
        np.testing.assert_array_equal(layer.bias, normal(5, *shape).reshape(-1))
        assert layer.output == "z"
    for values in (np.float32([0, -np.inf, 0, 0]), normal(5, 5, 4), normal(5, 1, 5, 1), normal(5, 1, 1, 1, 4)):
        assert graph(values).layers[0].bias is None
    assert graph(B, twice=True).layers[0].bias is None
    content = as_model([PRODUCT, helper.make_node("Add", ["b", "y"], ["z"])], B, [("z", None)])
    x = normal(4, 16, 5, 6)
    study = study_of(tmp_path, content, {"x": x})
    quantized = study.quantized(INT8)["layer"]
    assert quantized.bias is not None and quantized.after is None
    np.testing.assert_array_equal(study.outputs({}, "float"), study.reference)


QONNX = "qonnx.custom_op.general"


def quantized(kind, parameters, weight_bits, node, weight, shape, between=(), **attributes):
    """``x`` behind a quantizer, then the nodes between, then one with weights behind a Quant of scale 0.1."""
    constants = [constant(f"p{place}", np.float32(value)) for place, value in enumerate(parameters)]
    constants += [constant(name, np.float32(v)) for name, v in (("s", 0.1), ("zero", 0), ("bits", weight_bits))]
    names = [tensor.name for tensor in constants[: len(parameters)]]
    nodes = [
        helper.make_node(kind, ["x", *names], ["q"], domain=QONNX, **attributes),
        *between,
        helper.make_node("Quant", ["w", "s", "zero", "bits"], ["wq"], domain=QONNX, signed=1, narrow=0),
        node,
    ]
    constants.append(constant("w", weight))
    return model(nodes, constants, [("x", ["n", *shape])], [("y", None)], 13, domains=[QONNX])


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)])
def test_parameters_of_a_float_quantizer_come_in_any_shape(shape, tmp_path):
    product = helper.make_node("MatMul", ["q", "wq"], ["y"], name="layer")
    parameters = [np.full(shape, value) for value in (0.25, 4, 3, 7, 480)]
    flags = {"has_subnormal": 1, "saturation": 1}
    content = quantized("FloatQuant", parameters, 4, product, W, (6,), **flags)
    study = study_of(tmp_path, content, {"x": normal(4, 16, 6)})
    assert study.point(None, "integer").activation == "e4m3"
    np.testing.assert_allclose(study.outputs(study.quantized(None), "integer"), study.reference, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([0.25, 4, 3, 7], "a FloatQuant must have a scale, an exponent width, .*, not 4 inputs behind the tensor"),
        ([0.25, 4, 3, 7, [480, 240]], "largest value must be one number, not .* in"),
        ([0.25, 4, np.nan, 7, 480], "mantissa width must be one whole number"),
    ],
)
def test_a_float_quantizer_that_is_none_is_told_in_a_line(parameters, message):
    product = helper.make_node("MatMul", ["q", "wq"], ["y"], name="layer")
    with pytest.raises(ValueError, match=message):
        Graph(quantized("FloatQuant", parameters, 4, product, W, (6,), has_subnormal=1, saturation=1))


RELU = helper.make_node("Relu", ["q"], ["r"])


@pytest.mark.parametrize("zero_point", [-20, -1, 0, 3, 255, 256, 300])
@pytest.mark.parametrize("between", [(), (RELU,)], ids=["plain", "relu"])
@pytest.mark.parametrize("pads", [[0, 0], [1, 1]], ids=["bare", "padded"])
def test_a_zero_point_that_is_no_code_has_none_for_the_zeros_of_a_border(zero_point, between, pads, tmp_path):
    """Where a code is lacking, the layer stays float32; where none is needed, integers are right."""
    node = helper.make_node("Conv", ["r" if between else "q", "wq"], ["y"], pads=pads, name="layer")
    parameters = (0.05, zero_point, 8)
    content = quantized("Quant", parameters, 4, node, normal(3, 3, 2, 3), (2, 9), between, signed=0, narrow=0)
    study = study_of(tmp_path, content, {"x": 3 * normal(4, 16, 2, 9)})
    follows = 0 <= zero_point <= 255 or (not any(pads) and not (between and zero_point > 255))
    if not follows:
        with pytest.raises(ValueError, match="a code for the zeros of a border, not none"):
            study.quantized(None)
        return
    found = study.outputs(study.quantized(None), "integer")
    np.testing.assert_allclose(found, study.reference, rtol=1e-5, atol=1e-5)
