"""``fewbit verilog network``, ``simulate network`` and ``synth network``, on a small network from a file."""

import json
from pathlib import Path

import numpy as np
import pytest
from fewbit.cli.app import run
from fewbit.formats.network import Program
from networks import constant, made, normal

MODEL = ["--model", "net.onnx", "--calibration", "c.npz", "--test", "t.npz", "--metric", "sqnr"]
MODEL += ["--weight", "e2m1", "--activation", "int4"]


@pytest.fixture
def model(tmp_path, monkeypatch, prepared):
    """A convolution, a residual sum and a linear layer, of images of 6 x 6 bytes, in the current folder."""
    monkeypatch.chdir(tmp_path)
    nodes = [
        (("Conv", ["x", "w0", "b0"], ["y0"]), {"pads": [1, 1, 1, 1], "name": "first"}),
        (("Relu", ["y0"], ["y1"]), {"name": "relu"}),
        (("Conv", ["y1", "w1"], ["y2"]), {"pads": [1, 1, 1, 1], "name": "second"}),
        (("Add", ["y2", "y1"], ["y3"]), {"name": "sum"}),
        (("GlobalAveragePool", ["y3"], ["y4"]), {"name": "pool"}),
        (("Flatten", ["y4"], ["y5"]), {"name": "flatten"}),
        (("Gemm", ["y5", "w2"], ["y"]), {"name": "head"}),
    ]
    shapes = {"w0": (6, 1, 3, 3), "b0": (6,), "w1": (6, 6, 3, 3), "w2": (6, 5)}
    constants = [constant(name, normal(seed, *shape)) for seed, (name, shape) in enumerate(shapes.items())]
    Path("net.onnx").write_bytes(made(nodes, constants, {"x": ["batch", 1, 6, 6]}))
    for seed, name in enumerate(("c.npz", "t.npz")):
        images = np.random.default_rng(seed).integers(0, 256, (16, 1, 6, 6))
        np.savez(name, x=(images / 255).astype(np.float32))
    return tmp_path


def test_a_network_is_written_with_all_that_belongs_to_it(model, capsys):
    assert run(["verilog", "network", *MODEL, "--columns", "4", "--out", "out", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    program = Program.read(Path("out/network.program.json"))
    assert told["program"]["digest"] == program.digest and told["unit"] == "network"
    assert [stream["name"] for stream in told["streams"]] == ["s_axis_image", "m_axis_answer"]
    words = [int(line, 16) for line in Path("out/network.weights.hex").read_text().splitlines()]
    assert words == program.words()
    assert "#define NETWORK_CYCLES_OFFSET 0x08u" in Path("out/network.h").read_text()
    assert sorted(told["files"]) == ["h", "json", "program.json", "v", "weights.hex"]
    assert "m_axis_answer_tdata" in Path("out/network.v").read_text()


@pytest.mark.slow
def test_a_network_is_simulated_on_its_verilog(model, capsys):
    assert run(["simulate", "network", *MODEL, "--columns", "4", "--images", "3"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert told.startswith("3 images of net.onnx, alone, in a row and with stalls: every sum is the golden model's;")
    # in the memories of UltraPlus, which simulators have no cells of
    arguments = ["--family", "ice40-up5k", "--columns", "4", "--json"]
    assert run(["simulate", "network", *MODEL, *arguments]) == 0
    assert json.loads(capsys.readouterr().out)["passed"] == ["images_one_by_one", "images_in_a_row", "stalls"]


@pytest.mark.slow
def test_a_networks_cells_are_counted(model, capsys):
    assert run(["synth", "network", *MODEL, "--columns", "4", "--family", "ice40-up5k", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["target"] == "ice40-up5k" and told["counts"]["large_rams"] == 4 and told["counts"]["luts"] > 500


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weight", "int4,int8"], "weight, activation and techniques must be one each, not 2 pairs of them"),
        (["--columns", "3", "--outputs", "2"], "outputs must divide the 3 columns and the 4 lanes, not be 2"),
        (["--lanes", "3"], "lanes must be a power of two, not 3"),
        (["--between", "float8_e4m3fn"], "between must be a format without NaN and infinity, not float8_e4m3fn"),
        (["--ports", "single", "--rows", "2"], "rows must be 1 where memories of tensors have a single port"),
    ],
)
def test_wrong_arguments_end_in_a_line(model, arguments, message, capsys):
    assert run(["verilog", "network", *MODEL, *arguments]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
    assert not Path("out").exists()


def test_what_no_record_computes_is_refused_by_its_name(model, capsys):
    assert run(["verilog", "network", "--model", "vit", "--samples", "4"]) == 2
    told = capsys.readouterr().err
    assert "LayerNormalization" in told and told.count("\n") == 1
