"""Networks as people bring them: masked attention, dead channels, weights behind DequantizeLinear, shared tensors."""

import numpy as np
import onnx
import pytest
from fewbit.formats import Accumulator, parse
from fewbit.study.network.execute import execute
from fewbit.study.network.graph import Graph
from fewbit.study.network.metrics import signal_to_noise
from fewbit.study.network.network import Samples
from fewbit.study.network.runtime import session
from fewbit.study.quantization.calibrate import calibrate
from fewbit.study.quantization.engines import float_engine, integer_engine
from fewbit.study.quantization.qonnx_write import write_qonnx
from fewbit.study.quantization.quantize import quantize
from fewbit.study.quantization.scales import best_scales
from fewbit.study.quantization.scheme import SCALE_FORMAT, Scheme
from networks import constant, made, normal
from onnx import numpy_helper

BLOCKS = {"scale_per": "block", "block_size": 16, "scale_format": parse("float8_e8m0fnu")}


def studied(content, inputs, format, **options):
    """SQNR in dB by the golden model, and the layers."""
    graph = Graph(content, threads=1)
    scheme = Scheme(weight=parse(format), activation=parse(format), **options)
    layers = quantize(graph, scheme, calibrate(graph, Samples(inputs)))
    exact, fast = (execute(graph, inputs, engine(layers))[0] for engine in (integer_engine, float_engine))
    np.testing.assert_allclose(exact, fast, rtol=1e-5, atol=1e-5)
    reference = session(content).run(None, inputs)[0]
    return signal_to_noise(exact, reference, None)[0], layers


@pytest.mark.parametrize(
    "options", [{}, {"techniques": ("smooth", "gptq", "bias")}, BLOCKS], ids=["plain", "techniques", "blocks"]
)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_in_the_network_does_not_count(value, options):
    """A row that nothing reads is not finite, as a masked one of an attention."""
    spoilt = np.zeros((1, 4, 16), np.float32)
    spoilt[0, 0] = value
    nodes = [
        (("Add", ["x", "spoilt"], ["a"]), {}),
        (("MatMul", ["a", "w"], ["b"]), {"name": "layer"}),
        (("Slice", ["b", "one", "end", "axis"], ["y"]), {}),
    ]
    places = [constant("one", [1]), constant("end", [4]), constant("axis", [1])]
    inputs = {"x": normal(1, 32, 4, 16)}
    found = []
    for offset in (spoilt, np.zeros_like(spoilt)):
        constants = [constant("w", normal(2, 16, 8) / 100), constant("spoilt", offset), *places]
        content = made(nodes, constants, {"x": ["batch", 4, 16]})
        with np.errstate(invalid="ignore"):
            found.append(studied(content, inputs, "int8", **options)[0])
    assert found[0] == pytest.approx(found[1], abs=1.5) and found[0] > 25


def test_a_tensor_without_finite_values_is_told():
    content = made(
        [(("Log", ["x"], ["a"]), {}), (("MatMul", ["a", "w"], ["y"]), {})],
        [constant("w", normal(2, 4, 4))],
        {"x": ["batch", 4]},
    )
    graph = Graph(content, threads=1)
    with pytest.raises(ValueError, match="must give finite values of every tensor, not none of 'a'"), np.errstate():
        calibrate(graph, Samples({"x": np.full((3, 4), -1, np.float32)}))


@pytest.mark.parametrize("format", ["int3", "int4", "int8", "e2m1", "e4m3"])
@pytest.mark.parametrize("scale_per", ["channel", "tensor"])
@pytest.mark.parametrize("techniques", [(), ("bias",)])
def test_every_bias_is_as_wide_as_the_sum_at_most(format, scale_per, techniques):
    """Channels of zeros and of next to nothing, as batch normalization leaves them."""
    weight = normal(1, 20, 6)
    weight[:, 0], weight[:, 1], weight[:, 2] = 0, weight[:, 1] * 1e-6, weight[:, 2] * 1e-12
    bias = np.array([0.638, 1.1, -0.7, 0.3, -0.2, 0], np.float32)
    content = made(
        [(("Gemm", ["x", "w", "b"], ["y"]), {})], [constant("w", weight), constant("b", bias)], {"x": ["batch", 20]}
    )
    inputs = {"x": normal(3, 64, 20)}
    _, layers = studied(content, inputs, format, scale_per=scale_per, techniques=techniques)
    (layer,) = layers.values()
    assert layer.after is None
    width = Accumulator(parse(format), parse(format), 20).width
    assert np.abs(layer.bias).max() <= (1 << width - 1) - 1
    if scale_per == "channel":
        graph = Graph(content, threads=1)
        found = execute(graph, inputs, integer_engine(layers))[0][:, :3]
        expected = session(content).run(None, inputs)[0][:, :3]
        np.testing.assert_allclose(found, expected, rtol=2.0 ** (3 - width) + 2e-6)


def test_scales_of_ordinary_channels_are_the_searched_ones():
    """A bias that fits changes nothing."""
    weight, inputs = normal(1, 20, 6), {"x": normal(3, 64, 20)}
    steps = []
    for bias in (np.zeros(6, np.float32), normal(4, 6)):
        constants = [constant("w", weight), constant("b", bias)]
        content = made([(("Gemm", ["x", "w", "b"], ["y"]), {})], constants, {"x": ["batch", 20]})
        steps.append(next(iter(studied(content, inputs, "int4")[1].values())).scale)
    np.testing.assert_array_equal(*steps)


def test_weights_behind_dequantize_linear_are_weights():
    weight, inputs = normal(1, 16, 8), {"x": normal(2, 64, 16)}
    codes = np.rint(weight / 0.02).clip(-128, 127).astype(np.int8)
    nodes = [
        (("DequantizeLinear", ["codes", "step", "zero"], ["w"]), {}),
        (("MatMul", ["x", "w"], ["y"]), {"name": "layer"}),
    ]
    constants = [constant("codes", codes), constant("step", np.float32(0.02)), constant("zero", np.int8(0))]
    _, layers = studied(made(nodes, constants, {"x": ["batch", 16]}), inputs, "int2")
    plain = [constant("w", (codes * np.float32(0.02)).astype(np.float32))]
    _, expected = studied(made(nodes[1:], plain, {"x": ["batch", 16]}), inputs, "int2")
    np.testing.assert_array_equal(layers["layer"].codes, expected["layer"].codes)


def test_a_layer_with_a_residual_sum_of_two_dimensions_is_quantized():
    """onnxruntime makes a Gemm of it, which adds an activation."""
    nodes = [
        (("MatMul", ["x", "w1"], ["a"]), {"name": "first"}),
        (("Add", ["a", "x"], ["b"]), {}),
        (("MatMul", ["b", "w2"], ["c"]), {"name": "second"}),
        (("MatMul", ["b", "w1"], ["d"]), {"name": "third"}),
        (("Add", ["c", "d"], ["y"]), {}),
    ]
    constants = [constant(name, normal(seed, 16, 16) / 4) for seed, name in enumerate(("w1", "w2"))]
    content, inputs = made(nodes, constants, {"x": ["batch", 16]}), {"x": normal(3, 32, 16)}
    assert not Graph(content).skipped
    noise, layers = studied(content, inputs, "int8")
    assert len(layers) == 3 and noise > 30


@pytest.mark.parametrize("length", [8, 5])
@pytest.mark.parametrize("techniques", [(), ("smooth",), ("equalize",)])
def test_channels_on_two_axes_are_not_balanced(length, techniques):
    """(batch, 8, length) is read by a convolution, whose channels are 8, and by a product, whose are the length's."""
    nodes = [
        (("Mul", ["x", "skew"], ["t"]), {}),
        (("Conv", ["t", "w"], ["c"]), {"name": "conv"}),
        (("MatMul", ["t", "m"], ["p"]), {"name": "product"}),
        (("Concat", ["c", "p"], ["y"]), {"axis": 1}),
    ]
    skew = np.geomspace(1, 100, 8, dtype=np.float32).reshape(1, 8, 1)
    constants = [constant("w", normal(1, 4, 8, 1)), constant("m", normal(2, length, length)), constant("skew", skew)]
    inputs = {"x": normal(3, 32, 8, length)}
    noise, _ = studied(made(nodes, constants, {"x": ["batch", 8, length]}), inputs, "int8", techniques=techniques)
    assert noise > 30


@pytest.mark.parametrize("shapes", [((4, 3, 16), (1, 16, 5)), ((4, 2, 3, 16), (4, 1, 16, 5)), ((4, 3, 16), (16, 5))])
def test_products_in_blocks_broadcast(shapes):
    left, right = shapes
    many = (4, *right[right[0] == 1 :])
    nodes = [(("MatMul", ["a", "b"], ["y"]), {"name": "product"})]
    if right[0] != 4:
        nodes.insert(0, (("ReduceMax", ["many"], ["b"]), {"axes": [0], "keepdims": int(right[0] == 1)}))
    names = {"a": ["batch", *left[1:]], "many" if right[0] != 4 else "b": ["batch", *many[1:]]}
    content = made(nodes, [], names)
    graph = Graph(content, threads=1)
    operands = [normal(seed, *shape) for seed, shape in enumerate(shapes)]
    statistics = calibrate(graph, Samples(dict(zip(names, (operands[0], normal(2, *many)), strict=True))))
    e4m3 = parse("e4m3")
    (layer,) = quantize(graph, Scheme(weight=e4m3, activation=e4m3, **BLOCKS), statistics).values()
    found, expected = layer.exact(operands), operands[0] @ operands[1]
    assert found.shape == expected.shape and np.abs(found - expected).max() < 0.05 * np.abs(expected).max()


def test_export_leaves_the_networks_own_tensors_alone():
    """Tensors by the very names that the exporter would give its own."""
    nodes = [
        (("MatMul", ["x", "w"], ["h"]), {"name": "a"}),
        (("Mul", ["h", "a.scale"], ["a.rounded"]), {}),
        (("Add", ["a.rounded", "a.w"], ["y"]), {}),
    ]
    constants = [constant("w", normal(1, 8, 8)), constant("a.scale", normal(2, 8)), constant("a.w", normal(3, 8))]
    content, inputs = made(nodes, constants, {"x": ["batch", 8]}), {"x": normal(4, 16, 8)}
    _, layers = studied(content, inputs, "int8")
    graph = Graph(content, threads=1)
    written = onnx.load_model_from_string(write_qonnx(graph, layers))
    kept = {tensor.name: numpy_helper.to_array(tensor) for tensor in written.graph.initializer}
    for name, seed in (("a.scale", 2), ("a.w", 3)):
        np.testing.assert_array_equal(kept[name], normal(seed, 8))
    made_names = [name for node in written.graph.node for name in node.output]
    assert len(made_names) == len({*made_names} | {*kept}) - len(kept)


def test_first_and_last_layers_of_a_network_with_several_inputs_and_heads():
    """Two inputs meet, one layer is between, two heads leave, and what is between leaves too."""
    nodes = [
        (("MatMul", ["x", "w"], ["a"]), {"name": "left"}),
        (("MatMul", ["z", "w"], ["b"]), {"name": "right"}),
        (("Mul", ["a", "b"], ["s"]), {}),
        (("MatMul", ["s", "w"], ["m"]), {"name": "middle"}),
        (("Relu", ["m"], ["r"]), {}),
        (("MatMul", ["r", "w"], ["h"]), {"name": "head"}),
        (("MatMul", ["r", "w"], ["i"]), {"name": "other head"}),
    ]
    content = made(nodes, [constant("w", normal(3, 8, 8))], {"x": ["batch", 8], "z": ["batch", 8]}, ("h", "i", "m"))
    edges = {layer.name for layer in Graph(content, threads=1).layers if layer.edge}
    assert edges == {"left", "right", "head", "other head"}


@pytest.mark.parametrize("alpha, beta", [(0.5, 1.0), (1.0, 3.0), (-0.7, 0.3)])
def test_factors_of_a_gemm_are_in_its_weights_and_its_bias(alpha, beta):
    constants = [constant("w", normal(4, 20, 6)), constant("b", normal(5, 6))]
    factors = {"alpha": alpha, "beta": beta, "name": "layer"}
    content = made([(("Gemm", ["x", "w", "b"], ["y"]), factors)], constants, {"x": ["batch", 20]})
    inputs = {"x": normal(6, 64, 20)}
    noise, layers = studied(content, inputs, "e3m4", scale_per="channel")
    assert noise > 25 and [*layers] == ["layer"]
    (layer,) = Graph(content, threads=1).layers
    np.testing.assert_allclose(layer.bias, beta * normal(5, 6), rtol=1e-6)


def test_long_sums_have_no_second_moments(monkeypatch):
    monkeypatch.setattr("fewbit.study.quantization.calibrate.LONG", 15)
    content = made([(("MatMul", ["x", "w"], ["y"]), {})], [constant("w", normal(2, 16, 4))], {"x": ["batch", 16]})
    graph, samples = Graph(content), Samples({"x": normal(3, 20, 16)})
    statistics, formats = calibrate(graph, samples), {"weight": parse("e2m1"), "activation": parse("int8")}
    assert not statistics.gram and statistics.mean
    plain = quantize(graph, Scheme(**formats), statistics)["y"]
    expected = best_scales(graph.layers[0].weight[0], parse("e2m1"), SCALE_FORMAT, axis=1) * plain.divisor
    np.testing.assert_array_equal(plain.scale, expected)
    assert quantize(graph, Scheme(**formats, **BLOCKS), statistics)["y"].codes.shape == (1, 16, 4)
    with pytest.raises(
        ValueError, match="must not be gptq or rounding for sums of more than 4096 products, as 'y' has"
    ):
        quantize(graph, Scheme(**formats, techniques=("gptq",)), statistics)
