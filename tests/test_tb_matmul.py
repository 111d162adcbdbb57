"""The testbench of ``matmul`` passes the emitted Verilog of engines of every kind, and fails wrong ones."""

import importlib
import json
import re
import sys
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fewbit import sim
from fewbit.formats import Blocks, Dyadic, Engine, Overflow, Requantization, Rounding, parse, parse_element
from fewbit.hdl import Design
from fewbit.sim.cycles import engine_cycles
from fewbit.tb import lint, simulate, simulate_matmul, simulate_product
from fewbit.tb.engine import read_engine
from fewbit.tb.product import KINDS, random_product

LAYER = Path(__file__).with_name("data") / "digits_layer.npz"


def engine(weight: str, activation: str, output: str, how: dict[str, Any], **parameters: Any) -> Engine:
    scales = {name: parse(how[name]) for name in ("scale", "tensor_scale") if name in how}
    return Engine(parse(weight), parse(activation), Requantization(parse(output), **{**how, **scales}), **parameters)


WEIGHT_STATIONARY = "weight_stationary"
ENGINES = {
    "int8": engine(
        *("int8", "int8", "int8", {"scale": "dyadic16s5", "bias_bits": 24, "zero_point": True, "relu": True}),
        **{"rows": 2, "columns": 3, "lanes": 2, "tile_m": 4, "max_k": 40, "outputs": 3, "scale_per": "channel"},
    ),
    "e2m1": engine(
        *("e2m1", "int8", "float8_e4m3fn", {"scale": "float8_e4m3fn", "tensor_scale": "float32"}),
        **{"rows": 3, "columns": 4, "lanes": 3, "tile_m": 6, "max_k": 30, "outputs": 2, "scale_per": "channel"},
    ),
    "e4m3": engine(
        *("e4m3", "e4m3", "bfloat16", {"scale": "float32"}),
        **{"rows": 3, "columns": 5, "lanes": 2, "tile_m": 7, "max_k": 33, "scale_per": "channel"},
        dataflow=WEIGHT_STATIONARY,
    ),
    "specials": engine(
        *("float8_e5m2", "float8_e4m3fn", "float16"),
        {"scale": "float8_e8m0fnu", "bias_bits": 16, "overflow": Overflow.INFINITY},
        **{"rows": 2, "columns": 2, "lanes": 3, "tile_m": 4, "max_k": 20, "bus_bits": 32},
    ),
    "stochastic": engine(
        *("int4", "uint8", "int4", {"scale": "dyadic8s4", "rounding": Rounding.STOCHASTIC, "seed": 77}),
        **{"rows": 2, "columns": 4, "lanes": 3, "tile_m": 5, "max_k": 25, "outputs": 4, "bus_bits": 8},
        dataflow=WEIGHT_STATIONARY,
        control="wishbone",
    ),
    "smallest": engine(
        *("uint4", "int4", "uint8", {"scale": "dyadic32s6", "zero_point": True, "overflow": Overflow.WRAP}),
        **{"rows": 1, "columns": 1, "lanes": 1, "tile_m": 1, "max_k": 1, "control": "wishbone"},
    ),
    "blocks": engine(
        *("uint4", "e2m1", "bfloat16", {}),
        **{"rows": 2, "columns": 3, "lanes": 4, "tile_m": 4, "max_k": 50},
        blocks=Blocks(16, parse("float8_e8m0fnu"), parse("float8_e8m0fnu"), "float32", zero_points=True),
    ),
    "zero_points": engine(
        *("uint8", "uint8", "uint8", {"scale": "dyadic16s5", "bias_bits": 24, "zero_point": True}),
        **{"rows": 2, "columns": 3, "lanes": 3, "tile_m": 4, "max_k": 40, "scale_per": "channel"},
        weight_zero_point=True,
    ),
}


@cache
def design(name: str) -> Design:
    return Design.matmul(ENGINES[name])


@cache
def verilog(name: str) -> str:
    return design(name).verilog()


def test_a_description_is_read_back_as_its_engine() -> None:
    for name, made in ENGINES.items():
        assert read_engine(json.loads(json.dumps(design(name).description()))) == made


def test_a_wrong_description_is_refused() -> None:
    description = design("int8").description()
    with pytest.raises(ValueError, match="unit must be matmul, not 'mac'"):
        read_engine({**description, "unit": "mac"})
    with pytest.raises(ValueError, match="'streams' is missing"):
        read_engine({name: value for name, value in description.items() if name != "streams"})
    with pytest.raises(ValueError, match="streams must have beats of"):
        read_engine({**description, "streams": description["streams"][1:]})
    with pytest.raises(ValueError, match=r"size must be m, k and n of 1 to 65535, and k at most 40, not \(1, 41, 1\)"):
        simulate_matmul("", description, size=(1, 41, 1))


@pytest.mark.parametrize("name", ENGINES)
def test_products_are_of_every_kind(name: str) -> None:
    """Their words are what the engine takes, whatever the bits that do not matter; most of C lies within the range."""
    made = ENGINES[name]
    for kind in KINDS:
        product = random_product(made, np.random.default_rng(3), (5, made.max_k, 7), kind)
        assert set(product.words) == set(made.stream_bits) - {"c"} and set(product.parameters) == set(
            made.tensor_fields
        )
        for stream, words in product.words.items():
            assert words.shape[1] == -(-made.stream_bits[stream] // 8)
    product = random_product(made, np.random.default_rng(3), (5, made.max_k, 7))
    assert len(np.unique(product.expected)) > 4


@pytest.mark.slow
@pytest.mark.parametrize("name", ENGINES)
def test_engines(own_cache: Path, name: str) -> None:
    assert lint(verilog(name)) == []
    result = simulate(verilog(name), design(name).description(), random_cycles=1000)
    assert result.ok, result.failed
    assert len(result.passed) >= 8 and result.cycles > 5000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["int8", "stochastic", "blocks"])
def test_one_large_product(own_cache: Path, name: str) -> None:
    """Right, and in as many cycles as the model of them says where nothing stalls."""
    description = design(name).description()
    for size in (90, 20, 100), (33, 25, 17):
        result = simulate_matmul(verilog(name), description, size=size)
        assert result.ok, result.failed
        cycles = engine_cycles(ENGINES[name], *size, description["latencies"])
        assert (result.cycles, result.utilization) == (cycles.total, cycles.utilization)
    stalled = simulate_matmul(verilog(name), description, size=size, stalls=True)
    assert stalled.ok and stalled.cycles > cycles.total


WRONG = {
    "tlast never comes": ("assign m_axis_c_tlast = ", "assign m_axis_c_tlast = 1'h0 & ", "random_shapes"),
    "a beat changes while it waits": (
        "assign m_axis_c_tdata = ",
        "assign m_axis_c_tdata = {24{~m_axis_c_tready}} ^ ",
        "stalls",
    ),
    "cycles start from one": ("cycles <= 32'h0+;", "cycles <= 32'h00000001;", "edges"),
    "reset leaves loops at work": (r"if \(rst\) active <= 1'h0;", "if (1'h0) active <= 1'h0;", "resets"),
    "irq tells of no error": ("assign irq = .*;", "assign irq = done_sticky;", "refused"),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", WRONG)
def test_a_wrong_engine_fails(own_cache: Path, fault: str) -> None:
    right, wrong, failing = WRONG[fault]
    text, count = re.subn(right, wrong, verilog("int8"))
    assert count
    result = simulate(text, design("int8").description(), random_cycles=400)
    assert failing in {failure.test for failure in result.failed}


LAYERS = {
    "int4 x int8": engine(
        *("int4", "int8", "uint8", {"scale": "dyadic16s5", "bias_bits": 20, "relu": True}),
        **{"rows": 4, "columns": 4, "lanes": 4, "tile_m": 16, "max_k": 64, "scale_per": "channel", "outputs": 2},
    ),
    "e2m1 x e4m3": engine(
        *("e2m1", "float8_e4m3fn", "float8_e4m3fn", {"scale": "float32", "bias_bits": 24, "relu": True}),
        **{"rows": 4, "columns": 4, "lanes": 4, "tile_m": 16, "max_k": 64, "scale_per": "channel"},
        dataflow=WEIGHT_STATIONARY,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAYERS)
def test_a_trained_layer(own_cache: Path, name: str) -> None:
    """A hidden layer quantized after training, run by the Verilog, still recognizes digits."""
    made = LAYERS[name]
    layer = np.load(LAYER)
    how = made.requantization
    assert how.scale is not None
    # Real values are codes' values times these steps: of the activations one, of the weights one for every channel.
    largest = [float(format.max_finite) for format in (made.activation, made.weight, how.output)]
    hidden = np.maximum(layer["inputs"] @ layer["weight"] + layer["bias"], 0)
    a_step = layer["inputs"].max() / largest[0]
    w_step = np.abs(layer["weight"]).max(axis=0) / largest[1]
    c_step = hidden.max() / largest[2]
    activation = sim.encode(layer["inputs"] / a_step, made.activation)
    weight = sim.encode(layer["weight"] / w_step, made.weight)
    scales = a_step * w_step / c_step
    scale = sim.dyadic_codes(scales, how.scale) if isinstance(how.scale, Dyadic) else sim.encode(scales, how.scale)
    bias = np.rint(layer["bias"] / (a_step * w_step) / 2.0**made.accumulator.lsb_exponent).astype(np.int64)
    assert np.abs(bias).max() < 1 << how.bias_bits - 1

    each = Design.matmul(made)
    result, codes = simulate_product(
        each.verilog(), each.description(), activation, weight, scale=scale, bias=bias, stalls=True
    )
    assert result.ok, result.failed
    assert (codes == sim.engine_matmul(made, activation, weight, scale=scale, bias=bias)).all()
    scores = sim.decode(codes, how.output) * c_step @ layer["weight_2"] + layer["bias_2"]
    assert (scores.argmax(axis=1) == layer["labels"]).mean() > 0.9


def test_sizes_end_where_the_smallest_product_takes_longer_than_is_allowed(tmp_path, monkeypatch):
    """The sums of 32 words of weights are filled in 13 cycles a word."""
    how = Requantization(parse("float32"))
    tables = Engine(
        *(parse("int8"), parse("ternary"), how),
        **{"rows": 32, "columns": 1, "lanes": 3, "dataflow": "weight_stationary"},
        element=parse_element("table"),
    )
    job = {"description": Design.matmul(tables).description(), "random_cycles": 4000}
    (tmp_path / "job.json").write_text(json.dumps(job))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "fewbit.tb.matmul_bench", raising=False)
    bench = importlib.import_module("fewbit.tb.matmul_bench")
    monkeypatch.delitem(sys.modules, "fewbit.tb.matmul_bench")
    assert bench.steps((1, 1, 1)) > bench.budget // 16
    assert bench.random_sizes(np.random.default_rng(0), bench.budget // 16) == (1, 1, 1)
