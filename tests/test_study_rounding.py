"""Scales, and the techniques that choose roundings and factors."""

from dataclasses import replace

import networks
import numpy as np
import pytest
from fewbit.formats import parse
from fewbit.study.network import grid
from fewbit.study.network.execute import execute
from fewbit.study.network.graph import Graph
from fewbit.study.network.network import Samples
from fewbit.study.network.runtime import session
from fewbit.study.quantization.balance import balance, levels
from fewbit.study.quantization.calibrate import calibrate, rows_of
from fewbit.study.quantization.engines import float_engine, integer_engine
from fewbit.study.quantization.quantize import quantize
from fewbit.study.quantization.rounding import gptq, learned
from fewbit.study.quantization.scales import best_scales, error_of_results
from fewbit.study.quantization.scheme import Scheme
from networks import constant, made, normal
from onnx import helper, numpy_helper

BFLOAT16, FLOAT32 = parse("bfloat16"), parse("float32")


def squared_error(values, scale, format):
    return float(((values - grid.round_to(values / np.float32(scale), format) * np.float32(scale)) ** 2).sum())


@pytest.mark.parametrize("name", ["int3", "int4", "int8", "e2m1", "e3m0", "e1m2", "e4m3"])
def test_scale_is_about_the_best_of_a_fine_search(name):
    values = np.random.default_rng(5).standard_normal(2000).astype(np.float32)
    format = parse(name)
    found = best_scales(values, format, BFLOAT16)
    top = np.abs(values).max() / float(format.max_finite)
    fine = min(squared_error(values, grid.floats(top * 2.0**e, BFLOAT16), format) for e in np.arange(-4, 1, 0.005))
    assert squared_error(values, found, format) <= 1.06 * fine


def test_scales_are_of_their_format_and_one_for_zeros():
    values = np.zeros((3, 50), np.float32)
    values[0] = np.linspace(-1, 1, 50)
    found = best_scales(values, parse("int4"), parse("float8_e8m0fnu"), axis=0)
    assert found.dtype == np.float32 and found.shape == (3,)
    assert np.frexp(found[0])[0] == 0.5 and list(found[1:]) == [1, 1]


def test_scales_of_weights_are_chosen_by_the_results_and_not_by_the_weights():
    """A large weight that fits a grid has an operand that is almost zero; many small ones meet operands alike."""
    weight = np.concatenate([[0.93], np.full(40, 0.06)]).astype(np.float32)
    rows = np.random.default_rng(4).normal(1, 0.1, (300, 41))
    rows[:, 0] *= 0.01
    format, error = parse("e2m1"), error_of_results((rows.T @ rows / 300)[None])

    def squared_error_of_results(scale):
        return float(np.mean((rows @ (grid.round_to(weight / scale, format) * scale - weight)) ** 2))

    by_weights = best_scales(weight[None], format, BFLOAT16, axis=0)
    by_results = best_scales(weight[None], format, BFLOAT16, 0, error)
    assert squared_error(weight, by_weights[0], format) < squared_error(weight, by_results[0], format)
    assert squared_error_of_results(by_results[0]) < 0.02 * squared_error_of_results(by_weights[0])


@pytest.mark.parametrize("techniques", [(), ("smooth",)])
@pytest.mark.parametrize("scale_per", ["channel", "tensor"])
def test_scales_of_a_layer_serve_its_results_better_than_those_of_its_weights(techniques, scale_per):
    weight = normal(1, 24, 3)
    rows = (normal(2, 200, 24) * 0.3 + 1) * np.exp(normal(3, 24))
    graph = Graph(made([(("MatMul", ["x", "w"], ["y"]), {})], [constant("w", weight)], {"x": ["batch", 24]}))
    formats = {"weight": parse("e2m1"), "activation": parse("int16"), "scale_format": FLOAT32}
    scheme = Scheme(techniques=techniques, scale_per=scale_per, **formats)
    (layer,) = quantize(graph, scheme, calibrate(graph, Samples({"x": rows}))).values()
    moved = weight * layer.divisor.reshape(-1, 1)

    def errors(step):
        rounded = grid.round_to(moved / step, layer.weight_format) * step / layer.divisor.reshape(-1, 1)
        return np.mean((rows @ (rounded - weight)) ** 2, axis=0)

    axis = None if scale_per == "tensor" else 1
    by_weights = best_scales(moved, layer.weight_format, FLOAT32, axis)
    assert errors(layer.scale).sum() < 0.7 * errors(by_weights).sum()


def problem(seed=6, k=24, n=12, rows=400):
    random = np.random.default_rng(seed)
    mixed = random.standard_normal((rows, k)) @ random.standard_normal((k, k))
    return random.standard_normal((k, n)) * 3, mixed, mixed.T @ mixed / rows


@pytest.mark.parametrize("choose", [gptq, learned])
@pytest.mark.parametrize("name", ["int3", "int4", "e2m1", "e3m0", "int8"])
def test_chosen_roundings_err_less_on_results_than_nearest(choose, name):
    weight, rows, gram = problem()
    format = parse(name)

    def error(codes):
        return float(((rows @ (grid.values(codes, format) - weight)) ** 2).sum())

    codes = choose(weight, format, gram)
    assert codes.shape == weight.shape
    assert error(codes) < 0.9 * error(grid.codes(weight, format))


def test_learned_rounding_takes_a_neighbour_of_every_weight():
    weight, _, gram = problem()
    inside = np.clip(weight, -8, 7)
    assert np.abs(grid.values(learned(inside, parse("int4"), gram), parse("int4")) - inside).max() < 1


def test_learned_rounding_errs_more_with_any_weight_at_its_other_neighbour():
    weight, _, gram = problem()
    inside, format = np.clip(weight, -8, 7), parse("int4")
    found = grid.values(learned(inside, format, gram), format).astype(np.float64)
    damped = gram + np.eye(len(gram)) * 0.01 * np.diag(gram).mean()

    def errors(values):
        return np.einsum("kn,kl,ln->n", values - inside, damped, values - inside)

    least = errors(found)
    for row in range(len(found)):
        other = found.copy()
        other[row] += np.where(found[row] > inside[row], -1, 1)
        assert (errors(other) >= least * (1 - 1e-12)).all()


def test_groups_are_learned_each_by_its_own_moments():
    problems = [problem(seed) for seed in (6, 7, 8)]
    weight, gram = (np.stack([each[place] for each in problems]) for place in (0, 2))
    format = parse("e2m1")
    codes = learned(weight, format, gram)
    for own, part, (_, rows, _) in zip(codes, weight, problems, strict=True):
        error, nearest = (
            ((rows @ (grid.values(each, format) - part)) ** 2).sum() for each in (own, grid.codes(part, format))
        )
        assert error < 0.7 * nearest


def test_gptq_by_its_definition():
    """Row after row, the error times the inverse moments' row over its diagonal, with the done rows taken out."""
    weight, _, gram = problem(k=10, n=3)
    format = parse("int4")
    order = np.argsort(-np.diag(gram), kind="stable")
    damped = gram + np.eye(10) * 0.01 * np.diag(gram).mean()
    inverse = np.linalg.inv(damped[np.ix_(order, order)])
    rest, codes = weight[order].copy(), []
    for row in range(10):
        codes.append(grid.codes(rest[row], format))
        error = (rest[row] - grid.values(codes[-1], format)) / inverse[row, row]
        rest -= np.outer(inverse[:, row], error)
        inverse -= np.outer(inverse[:, row], inverse[row]) / inverse[row, row]
        inverse[row, row] = 1  # done, and never looked at again
    assert np.array_equal(gptq(weight, format, gram)[order], np.array(codes))


@pytest.fixture(scope="module", params=["convolutions", "attention"])
def calibrated(request):
    graph = Graph(getattr(networks, request.param)(), threads=1)
    shape = (1, 8, 8) if request.param == "convolutions" else (6, 16)
    spread = np.exp(np.random.default_rng(8).standard_normal(shape[-1])).astype(np.float32)
    samples = Samples(
        {graph.inputs[0]: np.random.default_rng(7).standard_normal((48, *shape)).astype(np.float32) * spread}
    )
    return graph, samples, calibrate(graph, samples)


@pytest.mark.parametrize("technique", ["smooth", "equalize"])
def test_factors_change_no_result_but_by_rounding(calibrated, technique):
    graph, samples, statistics = calibrated
    wide = parse("int16")
    schemes = [Scheme(weight=wide, activation=wide, techniques=names) for names in ((), (technique,))]
    plain, moved = (
        execute(graph, samples.inputs, float_engine(quantize(graph, scheme, statistics)))[0] for scheme in schemes
    )
    assert balance(graph, schemes[1], statistics) or technique == "equalize"
    np.testing.assert_allclose(plain, moved, rtol=5e-3, atol=5e-3)


def test_smoothing_levels_the_channels(calibrated):
    graph, _, statistics = calibrated
    scheme = Scheme(weight=parse("int8"), activation=parse("int8"), techniques=("smooth",))
    factors = balance(graph, scheme, statistics)
    assert factors
    for tensor, factor in factors.items():
        before, after = statistics.largest[tensor], statistics.largest[tensor] / factor
        assert np.ptp(np.log(after[after > 0])) <= np.ptp(np.log(before[before > 0])) + 1e-6


def test_bias_correction_makes_the_mean_error_of_a_layer_vanish(calibrated):
    graph, samples, statistics = calibrated
    for names in ((), ("bias",)):
        scheme = Scheme(weight=parse("int3"), activation=parse("int8"), techniques=names)
        layers = quantize(graph, scheme, statistics)
        first = layers[graph.layers[0].name]
        rows = rows_of(first.layer, samples.inputs[first.layer.activation]).astype(np.float64)
        wanted = rows @ first.layer.weight + (0 if first.layer.bias is None else first.layer.bias)
        bias = 0 if first.bias is None else np.ldexp(first.bias.astype(float), first.lsb_exponent) * first.scale
        found = rows @ (first.weights * (first.scale / first.divisor)) + bias
        error = np.abs((found - wanted).mean(axis=(0, 1)))
        half_unit = first.scale * 2.0**first.lsb_exponent / 2
        if names:
            assert np.all(error <= half_unit + 1e-6)
        else:
            assert np.any(error > 2 * half_unit)


@pytest.mark.parametrize(
    "options, message",
    [
        (
            {"techniques": ("bias", "gptq")},
            "techniques must be of equalize, smooth, gptq, rounding, bias, in this order",
        ),
        ({"techniques": ("gptq", "rounding")}, "must not be both gptq and rounding"),
        ({"scale_per": "row"}, "scale_per must be tensor, channel, block, not 'row'"),
        ({"scale_per": "block"}, "block_size must be given with scale_per block and with no other, not None"),
        ({"scale_per": "block", "block_size": 24}, "block_size must be 16, 32, 64 or 128, not 24"),
        ({"activation": "int4"}, "activation must be a format, as formats.parse gives, not 'int4'"),
    ],
)
def test_bad_schemes_are_told_in_a_line(options, message):
    with pytest.raises(ValueError, match=message):
        Scheme(**{"weight": parse("int4"), "activation": parse("int4"), **options})


def test_a_channel_that_is_always_zero_does_not_spoil_smoothing():
    random = np.random.default_rng(15)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"], name="only")]
    content = networks.as_bytes(nodes, ["y"], [networks.tensor(random, "w", 64, 32)], {"x": ["batch", 64]})
    values = random.standard_normal((200, 64)).astype(np.float32) * 0.001
    values[:, 17] = 0
    graph, samples = Graph(content), Samples({"x": values})
    scheme = Scheme(weight=parse("int4"), activation=parse("int8"), techniques=("smooth",))
    factor = balance(graph, scheme, calibrate(graph, samples))["x"]
    assert factor[17] == 1 and 0.3 < np.delete(factor, 17).min() <= 1 <= np.delete(factor, 17).max() < 3


def test_equalized_weights_of_one_scale_are_levelled_on_both_sides():
    """Channels whose weights differ by 10**4: what makes one is as large as what reads it is small."""
    random = np.random.default_rng(4)
    spread = np.logspace(-2, 2, 32)
    made, read = random.standard_normal((16, 32)) * spread, random.standard_normal((32, 16)) / spread[:, None]
    nodes = [
        helper.make_node("Gemm", ["x", "w1", "b"], ["h"], name="maker"),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("MatMul", ["r", "w2"], ["y"], name="reader"),
    ]
    arrays = {"w1": made, "b": np.zeros(32), "w2": read}
    constants = [numpy_helper.from_array(values.astype(np.float32), name) for name, values in arrays.items()]
    graph = Graph(networks.as_bytes(nodes, ["y"], constants, {"x": ["batch", 16]}))
    inputs = {"x": random.standard_normal((64, 16)).astype(np.float32)}
    statistics = calibrate(graph, Samples(inputs))
    plain = session(graph.model.SerializeToString()).run(None, inputs)[0]
    noise = []
    for techniques in ((), ("equalize",)):
        scheme = Scheme(weight=parse("int4"), activation=parse("int8"), scale_per="tensor", techniques=techniques)
        layers = quantize(graph, scheme, statistics)
        fast, exact = (execute(graph, inputs, engine(layers))[0] for engine in (float_engine, integer_engine))
        np.testing.assert_array_equal(fast, exact)
        noise.append(np.square(exact - plain).sum() / np.square(plain).sum())
    assert noise[0] > 0.5 and noise[1] < 0.05
    # still a multiplier of 16 bits for every channel
    assert layers["maker"].scale.shape == (32,) and np.all(layers["maker"].scale.view(np.uint32) % (1 << 8) == 0)
    assert not levels(graph, replace(scheme, scale_per="channel")) and not levels(graph, replace(scheme, techniques=()))
