"""A quantized network by the golden model and in float32: against plain fractions, and against each other."""

from fractions import Fraction

import networks
import numpy as np
import pytest
from fewbit.formats import parse, study_formats
from fewbit.study.network import grid
from fewbit.study.network.execute import execute
from fewbit.study.network.float_layer import FloatLayer
from fewbit.study.network.graph import Graph
from fewbit.study.network.layer import Layer
from fewbit.study.network.network import Samples
from fewbit.study.network.runtime import session
from fewbit.study.quantization.block_layer import block_scales
from fewbit.study.quantization.calibrate import calibrate
from fewbit.study.quantization.engines import float_engine, integer_engine
from fewbit.study.quantization.quantize import QuantizedLayer, quantize
from fewbit.study.quantization.scheme import Scheme
from onnx import helper, numpy_helper

MADE = {
    "convolutions": (networks.convolutions, "image", (1, 8, 8)),
    "attention": (networks.attention, "tokens", (6, 16)),
}


TABLES = ["bipolar", "int3 bipolar", "codebook3e-2xf7fcff0001020509 int4", "int2 codebook2e0xd125"]
"""The last has no zero, and neither has bipolar: what they make of a convolution's border is a value of theirs."""


class Toy:
    def __init__(self, name, samples=16):
        make, self.input, shape = MADE[name]
        self.content = make()
        self.graph = Graph(self.content, threads=1)
        random = np.random.default_rng(3)
        self.inputs = {self.input: random.standard_normal((samples, *shape)).astype(np.float32)}
        self.statistics = calibrate(self.graph, Samples(self.inputs))

    def quantized(self, weight, activation=None, **options):
        scheme = Scheme(weight=parse(weight), activation=parse(activation or weight), **options)
        return quantize(self.graph, scheme, self.statistics)

    def run(self, engine):
        return execute(self.graph, self.inputs, engine)[0]


@pytest.fixture(scope="module", params=MADE)
def toy(request):
    return Toy(request.param)


def test_unquantized_layers_and_segments_are_the_network(toy):
    plain = {layer.name: FloatLayer.plain(layer) for layer in toy.graph.layers}
    expected = session(toy.content).run(None, toy.inputs)[0]
    np.testing.assert_allclose(
        toy.run(lambda layer, operands: plain[layer.name](operands)), expected, rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("formats", ["int3", "int4", "e2m1", "e3m0", "int8", "e1m4", "int4 e4m3", "e2m1 int8", *TABLES])
@pytest.mark.parametrize("techniques", [(), ("equalize", "smooth", "gptq", "bias")])
def test_both_engines_agree_to_the_bit_where_float32_holds_the_sums(toy, formats, techniques):
    layers = toy.quantized(*formats.split(), techniques=techniques)
    fast, exact = toy.run(float_engine(layers)), toy.run(integer_engine(layers, quick=False))
    assert exact.dtype == np.float32 and np.ptp(exact) > 0
    np.testing.assert_array_equal(fast, exact)


@pytest.mark.parametrize("formats", ["e4m3", "e5m2", "e7m0", "float8_e4m3fn"])
def test_engines_differ_by_float32_rounding_alone_where_sums_are_longer(toy, formats):
    layers = toy.quantized(formats)
    fast, exact = toy.run(float_engine(layers)), toy.run(integer_engine(layers, quick=False))
    np.testing.assert_allclose(fast, exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "formats", ["int8", "e2m1", "e2m2 int8", "e4m3", "e5m2", "float8_e4m3fn", "int16 int8", "bipolar"]
)
def test_what_floats_hold_is_what_the_golden_model_computes(toy, formats):
    layers = toy.quantized(*formats.split())
    quick, exact = toy.run(integer_engine(layers)), toy.run(integer_engine(layers, quick=False))
    np.testing.assert_array_equal(quick.view(np.uint32), exact.view(np.uint32))


def linear(format, weights, bias):
    """A layer of codes (k, n), whose activations have the same format."""
    layer = Layer("linear", "x", np.zeros((1, *weights.shape), np.float32), None, None, "y")
    one, scale = np.asarray(np.float32(1)), np.asarray(np.float32(0.3))
    return QuantizedLayer(layer, format, format, weights[None].astype(np.uint8), one, None, scale, bias, None)


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("format", ["int4", "e6m1"])
def test_sums_of_no_products_and_no_sums(format, quick):
    """A bias that float32 does not hold is rounded with the scale, not before, where there is nothing else."""
    format, bias = parse(format), np.array([3, (1 << 24) + 1])
    quantized = linear(format, np.zeros((0, 2)), bias)
    found = integer_engine({"linear": quantized}, quick=quick)(quantized.layer, [np.zeros((4, 0), np.float32)])
    scale = Fraction(float(quantized.scale)) * Fraction(2) ** quantized.lsb_exponent
    np.testing.assert_array_equal(found, [[np.float32(float(each * scale)) for each in bias.tolist()]] * 4)
    quantized = linear(format, np.zeros((5, 2)), bias)
    none = integer_engine({"linear": quantized}, quick=quick)(quantized.layer, [np.zeros((3, 0, 5), np.float32)])
    assert none.shape == (3, 0, 2)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["e8m6b128", "e2m1b-62"])
def test_numbers_next_to_the_largest_of_float32_are_no_cause_for_a_warning(name):
    format = parse(name)
    largest = np.float32([float(format.max_finite)])
    assert grid.round_to(largest, format) == largest
    integer_engine({"linear": linear(format, np.full((3, 2), 5), None)})


NAMED = ["int16", "uint8", "int4s", "sm5", "ue4m3", "e5m10", "e4m3b-20", "float8_e4m3fn", "float8_e5m2", "bfloat16"]
NARROW = ["apot4", "nf4", "iq4nl", "flint4", "nupes3", "pow2_4", "pow2_3", "ue4m0", "bipolar", "ternary"]


@pytest.mark.parametrize("format", [*map(str, study_formats()), *NAMED, *NARROW])
def test_rounding_at_once_gives_what_codes_stand_for(format):
    """Of float32 of every exponent, both signs, infinities and NaN, at ties and next to them."""
    format, patterns = parse(format), np.arange(1 << 32, step=1 << 19, dtype=np.uint64)
    for low in (0, 1, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, (1 << 19) - 1):
        values = (patterns + low).astype(np.uint32).view(np.float32)
        with np.errstate(all="ignore"):
            expected = grid.values(grid.codes(values, format), format)
            np.testing.assert_array_equal(grid.round_to(values, format), expected)
            above = values >= 0  # alone they are rounded another way
            np.testing.assert_array_equal(grid.round_to(values[above], format), expected[above])


def result_by_fractions(quantized, operands, place):
    """One element of a layer's result, from the definition alone; ``place`` is its index."""
    shape = quantized.layer.convolution
    codes = [*quantized.rounded(operands)]
    left, left_format, right_format = codes[0], quantized.activation_format, quantized.weight_format
    column, total = 0, Fraction(0)
    if shape is not None:
        sample, column, *position = place
        groups, k, n = quantized.codes.shape
        group, pads = column // n, shape.pads_of(left.shape[2:])
        channels = left.shape[1] // groups
        for term in range(k):
            channel, *offset = np.unravel_index(term, (channels, *shape.kernel))
            at = [
                p * s + o * d - pad[0]
                for p, s, o, d, pad in zip(position, shape.strides, offset, shape.dilations, pads, strict=True)
            ]
            if all(0 <= a < size for a, size in zip(at, left.shape[2:], strict=True)):
                code = left[(sample, group * channels + channel, *at)]
                total += left_format.value(int(code)) * right_format.value(
                    int(quantized.codes[group, term, column % n])
                )
    else:
        *row, column = place
        for term in range(left.shape[-1]):
            other = (
                quantized.codes[0, term, column] if quantized.codes is not None else codes[1][(*row[:-1], term, column)]
            )
            total += left_format.value(int(left[(*row, term)])) * right_format.value(int(other))
    if quantized.bias is not None:
        total += int(quantized.bias[column]) * Fraction(2) ** quantized.lsb_exponent
    scale = quantized.scale if quantized.scale.ndim == 0 else quantized.scale[column]
    result = np.float32(float(total * Fraction(float(scale))))
    return result if quantized.after is None else result + quantized.after[column]


@pytest.mark.parametrize("formats", ["int4", "e2m1", "e4m3", "e5m2", "e7m0", "int3 e3m2"])
def test_every_layer_is_what_fractions_give(toy, formats):
    layers = toy.quantized(*formats.split(), techniques=("smooth",))
    engine, random = integer_engine(layers), np.random.default_rng(4)

    def check(layer, operands):
        result = engine(layer, operands)
        for _ in range(40):
            place = tuple(int(random.integers(size)) for size in result.shape)
            assert result[place] == result_by_fractions(layers[layer.name], operands, place), (layer.name, place)
        return result

    toy.run(check)


def test_a_network_that_computes_its_own_shapes():
    content = networks.resized()
    graph = Graph(content)
    images = {"image": np.random.default_rng(5).standard_normal((3, 1, 8, 8)).astype(np.float32)}
    plain = {layer.name: FloatLayer.plain(layer) for layer in graph.layers}
    found = execute(graph, images, lambda layer, operands: plain[layer.name](operands))[0]
    np.testing.assert_allclose(found, session(content).run(None, images)[0], rtol=1e-4, atol=1e-6)


def test_layers_are_found_with_their_kinds_and_edges():
    graph = Graph(networks.convolutions())
    assert [layer.name for layer in graph.layers] == ["plain", "depthwise", "dilated", "pointwise", "linear"]
    assert [layer.name for layer in graph.layers if layer.edge] == ["plain", "linear"]
    assert graph.layers[1].weight.shape == (8, 9, 1) and graph.layers[4].weight.shape == (1, 256, 10)
    products = [layer.name for layer in Graph(networks.attention()).layers if layer.weight is None]
    assert products == ["scores", "mix"]


def test_edges_and_single_layers_take_formats_of_their_own(toy):
    edges = [layer.name for layer in toy.graph.layers if layer.edge]
    within = [layer.name for layer in toy.graph.layers if not layer.edge]
    has_weights = next(layer.weight is not None for layer in toy.graph.layers if not layer.edge)
    assert edges[0] == toy.graph.layers[0].name and edges[-1] == toy.graph.layers[-1].name and len(within) > 1
    own = (within[0], parse("e3m2"), parse("int6"))
    layers = toy.quantized("int4", edges=parse("int8"), layers=(own,))
    formats = {name: (str(layer.weight_format), str(layer.activation_format)) for name, layer in layers.items()}
    assert {formats[name] for name in edges} == {("int8", "int8")}
    assert formats[within[0]] == ("e3m2" if has_weights else "int6", "int6")
    assert {formats[name] for name in within[1:]} == {("int4", "int4")}


def test_a_scale_for_the_tensor_or_for_every_channel():
    toy = Toy("convolutions")
    assert toy.quantized("int4", scale_per="tensor")["dilated"].scale.shape == ()
    assert toy.quantized("int4")["dilated"].scale.shape == (16,)
    powers = toy.quantized("int4", scale_format=parse("float8_e8m0fnu"))["dilated"].scale
    assert np.all(np.frexp(powers)[0] == 0.5)


@pytest.mark.parametrize(
    "content, message",
    [(b"no network", "model must be an ONNX network"), (networks.as_bytes([], [], [], {"x": ["n"]}), "model must be")],
)
def test_what_is_no_network_is_told_in_a_line(content, message):
    with pytest.raises(ValueError, match=message) as error:
        Graph(content)
    assert "\n" not in str(error.value)


def test_scheme_for_a_layer_that_is_not_there():
    with pytest.raises(ValueError, match="layers must be of the network, not missing"):
        Toy("attention").quantized("int4", layers=(("missing", parse("int8"), parse("int8")),))


@pytest.mark.parametrize("formats", ["e2m1", "int8", "e4m3", "int4 e2m3", "bitmod4 int8"])
@pytest.mark.parametrize("scale", ["float8_e8m0fnu", "float8_e4m3fn"])
def test_blocks_by_their_definition(toy, formats, scale):
    options = {"scale_per": "block", "block_size": 16, "scale_format": parse(scale), "techniques": ("smooth", "bias")}
    layers = toy.quantized(*formats.split(), **options)
    fast, exact = toy.run(float_engine(layers)), toy.run(integer_engine(layers))
    np.testing.assert_allclose(fast, exact, rtol=1e-3, atol=1e-3)
    plain = session(toy.content).run(None, toy.inputs)[0]
    assert np.square(exact - plain).sum() < 0.2 * np.square(plain).sum()


def test_block_scales_of_the_ocp_rule():
    """A worked block: largest 5.0 = 1.25 * 2**2, largest e2m1 6.0 = 1.5 * 2**2, so the scale is 1."""
    rows = np.zeros((3, 20), np.float32)
    rows[0, 3], rows[0, 18], rows[1, 0] = 5.0, -0.3, 8.0
    format = parse("float8_e8m0fnu")
    found = grid.values(block_scales(rows, parse("e2m1"), format, 16), format)
    assert found.tolist() == [[1.0, 2.0**-4], [2.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize("terms", [600, 1024, 3072])
@pytest.mark.parametrize("scale_per", ["tensor", "channel"])
def test_long_sums_agree_to_the_bit_too(terms, scale_per):
    """onnxruntime may multiply a scale into parts of a sum: here it must not."""
    random = np.random.default_rng(terms)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    content = networks.as_bytes(nodes, ["y"], [networks.tensor(random, "w", terms, 96)], {"x": ["batch", terms]})
    graph, inputs = Graph(content), {"x": random.standard_normal((64, terms)).astype(np.float32)}
    scheme = Scheme(weight=parse("int4"), activation=parse("int4"), scale_per=scale_per)
    layers = quantize(graph, scheme, calibrate(graph, Samples(inputs)))
    engines = (float_engine(layers), integer_engine(layers, quick=False))
    fast, exact = (execute(graph, inputs, engine)[0] for engine in engines)
    np.testing.assert_array_equal(fast, exact)


def test_what_multiplies_and_stays_float32_is_counted_and_keeps_its_bias():
    random = np.random.default_rng(6)
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["bias"], axes=[0, 2], keepdims=0),
        helper.make_node("Conv", ["x", "w1", "bias"], ["c"]),
        helper.make_node("MatMul", ["left", "c"], ["m"]),
        helper.make_node("MatMul", ["m", "w2"], ["y"]),
    ]
    constants = [networks.tensor(random, "w1", 4, 4, 1), networks.tensor(random, "left", 4, 4)]
    content = networks.as_bytes(nodes, ["y"], [*constants, networks.tensor(random, "w2", 9, 5)], {"x": ["batch", 4, 9]})
    graph, inputs = Graph(content), {"x": random.standard_normal((3, 4, 9)).astype(np.float32)}
    assert graph.skipped == {"Conv": 1, "MatMul": 1} and len(graph.layers) == 1
    plain = {layer.name: FloatLayer.plain(layer) for layer in graph.layers}
    found = execute(graph, inputs, lambda layer, operands: plain[layer.name](operands))[0]
    np.testing.assert_allclose(found, session(content).run(None, inputs)[0], rtol=1e-4, atol=1e-6)


def test_layers_of_one_name_are_told_apart():
    random = np.random.default_rng(7)
    nodes = [
        helper.make_node("MatMul", ["x", "w1"], ["fc"]),
        helper.make_node("MatMul", ["fc", "w2"], ["y"], name="fc"),
    ]
    constants = [networks.tensor(random, "w1", 6, 6), networks.tensor(random, "w2", 6, 6)]
    graph = Graph(networks.as_bytes(nodes, ["y"], constants, {"x": ["batch", 6]}))
    assert len({layer.name for layer in graph.layers}) == 2


def branched(kind):
    """What a layer made is read by a branch or a loop alone, without being its input."""
    made = helper.make_graph([helper.make_node("Mul", ["h", "two"], ["t"])], "then", [], [known("t")])
    other = helper.make_graph([helper.make_node("MatMul", ["h", "square"], ["e"])], "else", [], [known("e")])
    body = helper.make_graph(
        [helper.make_node("Add", ["v", "h"], ["more"]), helper.make_node("Identity", ["go"], ["on"])],
        "body",
        [helper.make_tensor_value_info("i", 7, []), helper.make_tensor_value_info("go", 9, []), known("v")],
        [helper.make_tensor_value_info("on", 9, []), known("more")],
    )
    follow = {
        "If": helper.make_node("If", ["positive"], ["y"], then_branch=made, else_branch=other),
        "Loop": helper.make_node("Loop", ["often", "", "start"], ["y"], body=body),
    }
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="a"),
        helper.make_node("ReduceSum", ["x"], ["sum"], keepdims=0),
        helper.make_node("Greater", ["sum", "zero"], ["positive"]),
        helper.make_node("Mul", ["x", "two"], ["start"]),
        follow[kind],
    ]
    random = np.random.default_rng(12)
    numbers = {"two": np.float32(2), "zero": np.float32(0), "often": np.int64(3)}
    constants = [numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()]
    constants += [networks.tensor(random, "w", 6, 6), networks.tensor(random, "square", 6, 6)]
    return networks.as_bytes(nodes, ["y"], constants, {"x": ["batch", 6]})


def known(name):
    return helper.make_tensor_value_info(name, 1, None)


@pytest.mark.parametrize("kind", ["If", "Loop"])
def test_branches_and_loops_read_what_layers_made(kind):
    content = branched(kind)
    graph, inputs = Graph(content), {"x": -np.ones((3, 6), np.float32)}
    plain = {layer.name: FloatLayer.plain(layer) for layer in graph.layers}
    found = execute(graph, inputs, lambda layer, operands: plain[layer.name](operands))[0]
    np.testing.assert_allclose(found, session(content).run(None, inputs)[0], rtol=1e-5)
    assert [*plain] == ["a"] and graph.skipped == ({"MatMul": 1} if kind == "If" else {})
