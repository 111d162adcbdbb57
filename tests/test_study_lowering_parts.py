"""The parts of which a network's program is made: bytes, multipliers, addresses, weights in their order."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from each_of import each_of
from fewbit.formats import parse
from fewbit.formats.network import Product, Program
from fewbit.sim import network_answers
from fewbit.study.lowering import Lowering, ShapeRequest
from fewbit.study.lowering.functions import IDENTITY, Ramp
from fewbit.study.lowering.images import byte_scale
from fewbit.study.lowering.multipliers import RealFactors, dyadic, residual_shifts
from fewbit.study.lowering.placement import place
from fewbit.study.lowering.searched import Searched
from fewbit.study.lowering.slots import TensorBuffer
from fewbit.study.lowering.weights import packed
from fewbit.study.measurement.evaluate import Study
from fewbit.study.network.execute import execute
from fewbit.study.network.graph import Graph
from fewbit.study.network.metrics import signal_to_noise
from fewbit.study.network.network import Samples
from fewbit.study.quantization.calibrate import calibrate
from fewbit.study.quantization.engines import float_engine
from fewbit.study.quantization.quantize import quantize
from fewbit.study.quantization.scheme import Scheme
from fewbit.study.zoo.networks import network
from integer_networks import Net


@pytest.mark.parametrize("bits", [4, 8, 16])
def test_factors_are_met_as_closely_as_multipliers_can(bits):
    random = np.random.default_rng(bits)
    for scale in 2.0 ** random.uniform(-25, bits - 1, 50):
        factors = RealFactors(random.uniform(0.1, 1, 5) * scale, 0.0)
        shift, multipliers, _, _ = dyadic(factors, bits, (0,))
        assert max(multipliers) >> bits - 1 and max(multipliers) < 1 << bits and 0 <= shift <= 63
        for factor, multiplier in zip(factors.sums.tolist(), multipliers, strict=True):
            assert abs(multiplier - Fraction(factor) * 2**shift) <= Fraction(1, 2)


def test_the_shifts_of_residuals_are_as_few_as_can_be():
    random = np.random.default_rng(0)
    all_factors = [RealFactors(np.array([a]), b) for a, b in 2.0 ** random.uniform((-22, -8), (-6, 3), (60, 2))]
    spans = [factors.span(16) for factors in all_factors]
    shifts = residual_shifts(spans)
    fewer = itertools.combinations(range(32), len(shifts) - 1)
    assert all(any(not any(least <= each <= most for each in few) for least, most in spans) for few in fewer)
    assert residual_shifts([]) == (0,)
    for factors in all_factors:
        shift, _, residual, left = dyadic(factors, 16, shifts)
        assert residual < 1 << 16
        exact = Fraction(factors.residual) * 2**shift
        assert abs((residual << left) - exact) <= (exact / 2**11 if left else Fraction(1, 2))


def test_factors_that_are_too_large_and_multipliers_of_one_bit():
    with pytest.raises(ValueError, match=r"^scales must leave a factor below 65536, not 70000$"):
        dyadic(RealFactors(np.array([7e4]), 0.0), 16, (0,))
    assert dyadic(RealFactors(np.array([0.25, 0.25, 0]), 0.0), 1, (0,)) == (2, [1, 1, 0], 0, 0)
    assert dyadic(RealFactors(np.array([0.25]), 8.0), 1, (5,)) == (2, [1], 1, 5)
    for factors in (RealFactors(np.array([0.25, 0.5]), 0.0), RealFactors(np.array([0.3]), 0.0)):
        with pytest.raises(ValueError, match=r"^multiplier_bits must be more than 1 where scales are not the same"):
            dyadic(factors, 1, (0,))


def test_buffers_of_a_chain_take_the_largest_pair_and_do_not_overlap():
    random = np.random.default_rng(0)
    for _ in range(30):
        sizes = random.integers(1, 50, 12)
        chain = [TensorBuffer("activation", 1, int(size), 7, time - 1, time) for time, size in enumerate(sizes)]
        long = TensorBuffer("activation", 1, 3, 4, 2, 6)
        assert place(chain, 4) == 2 * max(map(sum, itertools.pairwise(sizes)))
        place([*chain, long], 2)
        for one, other in itertools.combinations([*chain, long], 2):
            if one.first <= other.last and other.first <= one.last:
                assert not one.overlaps(other, 2)


@each_of("lanes, columns", [(4, 8), (8, 4), (4, 6), (2, 2), (16, 4), (4, 3)])
@each_of("groups, inner, n", [(1, 10, 7), (12, 1, 1), (12, 1, 2), (6, 4, 4), (5, 3, 2), (2, 8, 8)])
def test_weights_meet_the_channels_that_they_are_for(lanes, columns, groups, inner, n):
    random = np.random.default_rng(0)
    weights = random.integers(1, 16, (groups, n, 3, inner)).astype(np.uint8)
    source, results = np.arange(groups * inner), np.arange(groups * n)
    found = packed(weights, source, results, columns, lanes, 0)
    codes = np.frombuffer(found.codes, np.uint8).reshape(-1, 3, found.words, columns, lanes)
    assert len(codes) == -(-len(results) // columns)
    met = np.zeros((groups * n, 3, groups * inner), np.uint8)
    for tile, tap, word, column, lane in zip(*np.nonzero(codes), strict=True):
        channel = (tile // found.tiles_a_step * found.tile_step + word) * lanes + lane
        met[tile * columns + column, tap, channel] = codes[tile, tap, word, column, lane]
    for channel in range(groups * n):
        own = slice(channel // n * inner, (channel // n + 1) * inner)
        np.testing.assert_array_equal(met[channel, :, own], weights[channel // n, channel % n])
        met[channel, :, own] = 0
    assert not met.any()
    if (groups, inner, n) == (12, 1, 1) and max(lanes, columns) % min(lanes, columns) == 0:
        assert found.words == max(1, columns // lanes)
    last = (len(codes) - 1) // found.tiles_a_step * found.tile_step + found.words
    assert last <= -(-len(source) // lanes)


def test_images_that_were_bytes_are_known_again():
    random = np.random.default_rng(0)
    whole = random.integers(0, 256, (4, 9, 9, 3))
    whole[0, 0, :2] = [[0], [255]]
    images = ((whole / np.float32(255) - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]).astype(np.float32)
    found = byte_scale([images[:2], images[2:]])
    np.testing.assert_array_equal(found.values[np.arange(3), whole], images)
    part = byte_scale([images[:, 1:3, :3]])  # neither 0 nor 255 of every channel
    assert {*images[:, 1:3, :3, 1].reshape(-1)} <= {*part.values[1]} and np.allclose(part.scale, found.scale)
    assert part.unknown.startswith("channel 0 has numbers from ") and not found.note + found.unknown
    assert byte_scale([random.standard_normal((4, 9, 9, 3)).astype(np.float32)]) is None
    assert byte_scale([whole.astype(np.uint8)]).values[1, 7] == 7


EVEN = np.arange(40, 200, 2)


@pytest.mark.parametrize(
    ("numbers", "scale", "offset", "told"),
    [
        (EVEN / 255, 1 / 255, 0, ""),
        (EVEN / 256, 1 / 256, 0, ""),
        (EVEN / 127.5 - 1, 2 / 255, -1, ""),
        (EVEN / 128 - 1, 1 / 128, -1, ""),
        (EVEN, 1, 0, ""),
        (EVEN - 128, 1, -128, ""),
        ((np.arange(256) / 255 - 0.3) / 0.25, 4 / 255, -1.2, ""),
        (EVEN / 100, 0.02, 0, "where channel 0 has numbers from 0.4 to 1.98, a byte b of an image is taken for 0.02 b"),
        ([0, 1], 1 / 255, 0, "a byte b of an image is taken for b / 255: the samples have too few numbers to be sure"),
        (
            [-1.2, 2.8],
            4 / 255,
            -1.2,
            "where channel 0 has numbers from -1.2 to 2.8,",
        ),
        (
            (EVEN / 255 - 0.3) / 0.25,
            8 / 255,
            (40 / 255 - 0.3) / 0.25,
            "channel 0 has numbers from -0.572",
        ),
        ([0.3], 1, 0.3, "channel 0 has 0.3 alone"),
    ],
)
def test_a_step_is_that_of_a_byte_though_bytes_are_missing(numbers, scale, offset, told):
    found = byte_scale([np.array(numbers, np.float32).reshape(1, 1, -1, 1)])
    assert (found.note + found.unknown).startswith(told) and bool(told) == bool(found.note + found.unknown)
    np.testing.assert_allclose((found.scale[0], found.offset[0]), (scale, offset), rtol=1e-5)
    seen = np.rint((np.array(numbers) - offset) / scale).astype(int)
    np.testing.assert_array_equal(found.values[0, seen], np.array(numbers, np.float32))


def test_ramps_follow_each_other():
    values = np.linspace(-9, 9, 37)
    ramp = IDENTITY.scaled(2).moved(1).clipped(-3, 8).scaled(0.5).clipped(-1, 9).moved(-2)
    expected = np.clip(np.clip(2 * values + 1, -3, 8) / 2, -1, 9) - 2
    np.testing.assert_array_equal(np.clip(ramp.slope * values + ramp.offset, ramp.low, ramp.high), expected)
    assert Ramp(1, 0, 5, 6).clipped(0, 2) == Ramp(1, 0, 2, 2)


@pytest.fixture(scope="module")
def resnet8():
    return Study(network("resnet8"), samples=24)


@pytest.mark.slow
def test_a_network_of_the_zoo_is_near_its_float_evaluation(resnet8, tmp_path):
    scheme = Scheme(weight=parse("int6"), activation=parse("e3m2"))
    point = resnet8.point(scheme, "network", between=parse("e4m3"))
    other = resnet8.point(scheme)
    assert (point.between, other.between) == ("e4m3", "") and point.fingerprint != other.fingerprint
    assert abs(point.accuracy - other.accuracy) <= 0.1 < point.accuracy
    lowered = resnet8.lowered(resnet8.quantized(scheme), scheme)
    program = lowered.program
    assert [type(record) for record in program.records].count(Product) == 10 and len(program.records) == 11
    # the largest pair of neighbours in codes: 16 channels of 28 x 28, twice; between layers one of them
    assert (program.activation_words, program.between_words) == (2 * 4 * 28 * 28, 16 * 28 * 28)
    program.write(tmp_path / "program.json")
    assert Program.read(tmp_path / "program.json") == program
    floats = resnet8.outputs(resnet8.quantized(scheme), "float")
    assert np.corrcoef(resnet8.network_outputs(lowered).reshape(-1), floats.reshape(-1))[0, 1] > 0.98


def test_between_goes_with_whole_networks_alone(resnet8):
    scheme = Scheme(weight=parse("int4"), activation=parse("int4"))
    with pytest.raises(ValueError, match=r"^between must be given with the evaluation network alone, not"):
        resnet8.point(scheme, "float", between=parse("int8"))


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"edges": parse("e4m3")},
            "weight must be one format in all layers of an accelerator, or integers of 8 bits, not e4m3, int4",
        ),
        (
            {"scale_per": "block", "block_size": 16},
            "scale_per must be tensor or channel for a network accelerator",
        ),
        (
            {"techniques": ("smooth",)},
            "techniques must be without equalize and smooth for 'blocks.0.relu_2:0'",
        ),
    ],
)
def test_schemes_that_an_accelerator_does_not_have(resnet8, options, message):
    scheme = Scheme(weight=parse("int4"), activation=parse("int4"), **options)
    with pytest.raises(ValueError) as error:
        resnet8.point(scheme, "network")
    assert str(error.value).startswith(message)


def test_a_shape_that_cannot_be_is_told_as_such(resnet8):
    scheme = Scheme(weight=parse("int4"), activation=parse("int4"))
    layers = resnet8.quantized(scheme)
    for options, message in (
        ({"outputs": 0}, "outputs must be 1 to 64, not 0"),
        ({"lanes": 3}, "lanes must be a power of two, not 3"),
        ({"between": parse("float8_e4m3fn")}, "between must be a format without NaN and infinity, not float8_e4m3fn"),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            resnet8.lowered(layers, scheme, ShapeRequest(**options))


@pytest.mark.slow
def test_the_command_lines_options_name_a_program():
    from fewbit.cli.common.network_options import AcceleratorOptions, lowered
    from fewbit.cli.common.study_options import NetworkOptions, SchemeOptions

    accelerator = AcceleratorOptions("e2m1", "int4", "e3m2", columns=4, outputs=2)
    found = lowered(NetworkOptions(), SchemeOptions(), accelerator)[1].program.shape
    assert (str(found.weight), str(found.activation), str(found.between)) == ("e2m1", "int4", "e3m2")
    assert (found.rows, found.columns, found.lanes, found.outputs) == (1, 4, 4, 2)
    for networks, weight, message in (
        (NetworkOptions(model="resnet8,vit"), "int4", "model must be a single network, not 'resnet8,vit'"),
        (NetworkOptions(), "int4,int8", "weight, activation and techniques must be one each, not 2 pairs of them"),
    ):
        with pytest.raises(ValueError, match=f"^{message}$"):
            lowered(networks, SchemeOptions(), AcceleratorOptions(weight))


def activations(net):
    """SiLU, HardSwish, GELU by Erf, sigmoid and tanh, each behind a convolution of random weights."""

    def conv(tensor, inputs, outputs):
        weights = net.random.standard_normal((outputs, inputs, 3, 3)) / 3
        bias = net.constant(net.random.standard_normal(outputs))
        return net.node("Conv", tensor, net.constant(weights), bias, pads=[1, 1, 1, 1])

    x = conv("image", 3, 8)
    x = net.node("Mul", x, net.node("Sigmoid", x))
    y = net.node("HardSwish", conv(x, 8, 8))
    y = net.node("Add", conv(y, 8, 8), x)
    error = net.node("Erf", net.node("Div", y, net.constant(np.sqrt(2))))
    y = net.node("Mul", net.node("Mul", y, net.node("Add", error, net.constant(1))), net.constant(0.5))
    return conv(net.node("Tanh", net.node("Sigmoid", conv(y, 8, 8))), 8, 4)


def test_functions_by_tables_are_near_the_float_evaluation():
    net = Net(3, 8, 8)
    content, samples = net.content(activations(net)), net.samples(40, 255)
    samples = Samples({"image": samples.inputs["image"] / np.float32(128) - 1})
    graph = Graph(content)
    scheme = Scheme(weight=parse("int8"), activation=parse("int8"))
    statistics = calibrate(graph, samples)
    layers = quantize(graph, scheme, statistics)
    lowering = Lowering(graph, samples, batch=8)
    made = lowering.lower(layers)
    assert len(made.program.tables) == 5  # the SiLU is read by a convolution and by a sum
    found = made.outputs(network_answers(made.program, made.images(samples.inputs["image"])))
    expected = execute(graph, samples.inputs, float_engine(layers))[0]
    assert signal_to_noise(found, expected)[0] > 30
    # scales are those by which the function, and not what it is of, has the least error
    values = np.random.default_rng(0).standard_normal(4000).astype(np.float32) * 9
    function = lowering.reading.last.source.function
    searched = Searched({"x": values}, parse("int4"), parse("float32"))

    def error(unit):
        return float(np.sum((function(np.clip(np.rint(values / unit), -8, 7) * unit) - function(values)) ** 2))

    assert error(searched.before("x", function, 0.0)) < 0.8 * error(searched.unit("x"))
