"""``fewbit study run`` on a network of the user's."""

import json
import os
from pathlib import Path

import networks
import numpy as np
import onnx
import pytest
from fewbit.cli.app import run
from onnx import helper, numpy_helper


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.setenv("FEWBIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.onnx").write_bytes(networks.attention())
    random = np.random.default_rng(13)
    tokens = random.standard_normal((150, 6, 16)).astype(np.float32)
    np.savez("calibration.npz", tokens=tokens[:50])
    np.savez("test.npz", tokens=tokens[50:], expected=random.integers(0, 10, 100))
    np.savez("other.npz", picture=tokens)
    np.savez("double.npz", tokens=tokens.astype(np.float64), expected=np.zeros(150, int))
    np.savez("wide.npz", tokens=np.zeros((150, 7, 16), np.float32))
    for name, kind, batch in (("double", 11, "batch"), ("fixed", 1, 8)):
        weight = numpy_helper.from_array(np.ones((4, 4), {11: np.float64, 1: np.float32}[kind]), "w")
        ends = [[helper.make_tensor_value_info(end, kind, [batch, 4])] for end in "xy"]
        graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"], name="a")], "n", *ends, [weight])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, f"{name}.onnx")
    onnx.save(model, "beside.onnx", save_as_external_data=True, location="lost.data", size_threshold=0)
    (tmp_path / "lost.data").unlink()
    judges = ("norm(outputs, expected):\n    return (outputs**2).sum(axis=1) ** 0.5", "broken(o, e):\n    return 1 / 0")
    (tmp_path / "judge.py").write_text("".join(f"def {judge}\n" for judge in judges))
    return ["--model", "net.onnx", "--calibration", "calibration.npz", "--test", "test.npz", "--jobs", "1"]


def test_a_users_network_by_both_evaluations(files, capsys):
    assert run(["study", *files, "--metric", "agreement,sqnr", "--weight", "e2m1,int8", "--evaluation", "both"]) == 0
    shown = capsys.readouterr().out
    assert "agreement" in shown and "written: out/study_points.csv, .json and .parquet" in shown
    points = json.loads(Path("out/study_points.json").read_text())["points"]
    assert [(p["weight"], p["evaluation"]) for p in points] == [
        *(("e2m1", "float"), ("e2m1", "integer"), ("int8", "float"), ("int8", "integer"))
    ]
    assert points[0]["metrics"] == points[1]["metrics"] and points[2]["metrics"] == points[3]["metrics"]
    assert points[0]["metrics"]["sqnr"] < points[2]["metrics"]["sqnr"]


def test_a_metric_of_the_users_and_points_that_are_added(files, capsys):
    for options in (["--weight", "int4"], ["--weight", "int5", "--append"]):
        assert run(["study", *files, "--metric", "judge.py:norm", *options]) == 0
    points = json.loads(Path("out/study_points.json").read_text())["points"]
    assert [p["weight"] for p in points] == ["int4", "int5"]
    capsys.readouterr()
    assert run(["study", *files, "--metric", "judge.py:norm", "--weight", "int5"]) == 0
    assert "note: out/study_points.json had 1 more that are not in it now; --append keeps" in capsys.readouterr().err
    assert run(["study", *files, "--metric", "judge.py:norm", "--weight", "int5"]) == 0
    assert "note:" not in capsys.readouterr().err
    assert points[0]["float32"]["judge.py:norm"] == pytest.approx(points[1]["metrics"]["judge.py:norm"], rel=0.2)


@pytest.mark.parametrize(
    "options, message",
    [
        (
            ["--calibration", "other.npz"],
            "calibration 'other.npz': samples must have the model's inputs tokens, not picture",
        ),
        (["--metric", "top2"], "metric must be top1, top5, agreement, sqnr or file.py:function, not 'top2'"),
        (["--metric", "judge.py:none"], "metric must be a function in judge.py, not 'none'"),
        (["--metric", "absent.py:norm"], "metric must be a known name or file.py:function, not 'absent.py:norm'"),
        (["--model", "absent.onnx"], "absent.onnx: No such file"),
        (["--model", "resnet8"], "calibration and test must be given with an ONNX file, not with 'resnet8'"),
        (["--test", "judge.py"], "test 'judge.py': samples must be an .npz file of arrays"),
        (["--techniques", "bias+gptq"], "techniques must be of equalize, smooth, gptq, rounding, bias, in this order"),
        (["--evaluation", "exact"], "evaluation must be one of float, integer, network, both, not 'exact'"),
        (["--scale-per", "block"], "block_size must be given with scale_per block"),
        (["--weight", "e9m9"], "format 'e9m9': exponent bits must be"),
        (["--weight", "float32"], "weight must be a format of at most 16 bits, not float32"),
        (["--edges", "float32"], "edges must be a format of at most 16 bits, not float32"),
        (["--activation", "e8m7"], "activation must be a format whose values float32 has, not e8m7"),
        (["--scale-format", "e8m0"], "scale_format must be float8_e8m0fnu for OCP MX's E8M0, not e8m0"),
        (["--techniques", "gptq+foo"], "in this order, not gptq+foo"),
        (["--scale-format", "int8"], "scale_format must reach down to 2**-24 where a scale is of a whole tensor"),
        (["--scale-format", "dyadic16s5"], "scale_format must be one that operands can have, not dyadic16s5"),
        (["--model", "double.onnx"], "model must be float32 where it multiplies, not double in 'a'"),
        (["--model", "fixed.onnx"], "a first dimension by name, or one for all inputs, not 8 for 'x'"),
        (["--model", "beside.onnx"], "model must have its weights in lost.data beside 'beside.onnx'"),
        (
            ["--test", "calibration.npz"],
            "samples must have `expected` for the metric top1; sqnr and agreement need none",
        ),
        (["--test", "double.npz"], "samples must be float32 for 'tokens', not float64"),
        (["--calibration", "wide.npz"], "samples must have the shape (batch, 6, 16) for 'tokens', not (150, 7, 16)"),
        (["--scheduler", "nowhere"], "scheduler must be the address of a Dask scheduler, not 'nowhere'"),
    ],
)
def test_wrong_arguments_are_told_in_a_line_and_leave_nothing(files, options, message, capsys, tmp_path):
    assert run(["study", *files, *options]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_weights_in_a_file_beside_the_model_are_part_of_it(files, tmp_path, capsys):
    model, found = onnx.load("net.onnx"), []
    for name in ("inside.onnx", "beside.onnx"):
        options = {"save_as_external_data": True, "location": "net.data", "size_threshold": 0}
        onnx.save(model, name, **(options if name == "beside.onnx" else {}))
        assert run(["study", *files, "--model", name, "--metric", "sqnr", "--weight", "int4", "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out)["points"][0]["metrics"])
    assert found[0] == found[1]


@pytest.mark.parametrize("cost, budget", [("bits", 5.5), pytest.param("luts", 33, marks=pytest.mark.slow)])
def test_formats_by_layer_are_within_the_budget_and_tested(files, cost, budget, tmp_path, capsys):
    limits = ["--cost", cost, "--budget", str(budget), "--family", "ice40"]
    options = ["--weight", "int3,int4,e2m3", "--metric", "sqnr", "--evaluation", "integer", "--name", "mine"]
    assert run(["layers", *files, *limits, *options]) == 0
    told = capsys.readouterr().out
    assert f"written: out{os.sep}mine.csv, .json and .parquet" in told
    found = json.loads(Path("out/mine.json").read_text())
    own, uniform = found["points"]
    assert found["terms"] == (own["longest_dot"] if cost == "luts" else None)
    assert ("LUTs: of MACs on ice40 for sums of up to" in told) == (cost == "luts")
    better = own["metrics"]["sqnr"] > uniform["metrics"]["sqnr"]
    assert ("Formats of their own buy no accuracy here" in told) != better
    assert found["budget"] == budget and max(found["spent"]) <= budget
    assert len(own["layers"]) == 6 and not uniform["layers"]
    assert own["metrics"]["sqnr"] >= uniform["metrics"]["sqnr"] and own["evaluation"] == "integer"
    if cost == "bits":
        assert found["spent"][0] / found["spent"][1] == own["weight_bits"] / uniform["weight_bits"]


def test_layers_of_two_networks_are_refused(capsys):
    assert run(["layers", "--budget", "5", "--model", "resnet8,vit"]) == 2
    assert "model must be one network that did not come quantized, not 'resnet8,vit'" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, message",
    [
        (["--budget", "nan"], "budget must be a number above 0, not nan"),
        (["--budget", "inf"], "budget must be a number above 0, not inf"),
        (["--budget", "5", "--evaluation", "both"], "evaluation must be one of float, integer, not 'both'"),
        (["--budget", "5", "--test", "calibration.npz"], "samples must have `expected` for the metric top1"),
        (["--budget", "5", "--test", "double.npz"], "samples must be float32 for 'tokens', not float64"),
        (["--budget", "5", "--metric", "judge.py:broken"], "must give scores, not ZeroDivisionError: division by zero"),
        (["--budget", "3.9"], "budget must be at least 4 bits for a uniform pair to compare with, not 3.9"),
    ],
)
def test_wrong_arguments_of_layers_are_told_in_a_line(files, options, message, capsys, tmp_path):
    assert run(["layers", *files, "--cost", "bits", "--weight", "int4,int8", *options]) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("fewbit: ") == 1 and not list(tmp_path.glob("out/*"))


def test_a_uniform_pair_that_costs_the_whole_budget_is_within_it(files, capsys):
    options = ["--cost", "bits", "--budget", "4", "--weight", "int3,int4", "--metric", "sqnr", "--json"]
    assert run(["layers", *files, *options]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["uniform"]["point"]["weight"] == "int4" and found["uniform"]["spent"] == 4
    assert found["own"]["point"]["weight"] == "mixed"


def test_formats_that_qonnx_has_not_are_told_before_anything_is_written(files, tmp_path, capsys):
    where = ["--model", "net.onnx", "--calibration", "calibration.npz"]
    assert run(["export", *where, "--weight", "int4,sm4"]) == 2
    assert "format must be int{N}" in capsys.readouterr().err and not list(tmp_path.glob("out/*"))


def test_an_export_takes_the_options_of_a_study_and_tells_the_accuracy_that_it_measured(files, tmp_path, capsys):
    formats = ["--weight", "int4", "--activation", "int8", "--scale-per", "tensor"]
    options = [*files[:-2], "--metric", "sqnr", *formats, "--json"]
    assert run(["study", "export", *options]) == 0
    (exported,) = json.loads(capsys.readouterr().out)["files"]
    assert Path(exported["file"]).stat().st_size == exported["bytes"]
    assert run(["study", "run", *options]) == 0
    (point,) = json.loads(capsys.readouterr().out)["points"]
    assert (exported["metric"], exported["accuracy"]) == ("sqnr", point["metrics"]["sqnr"])
    where = ["--model", "net.onnx", "--calibration", "calibration.npz", "--weight", "int4", "--json"]
    assert run(["study", "export", *where]) == 0
    assert "accuracy" not in json.loads(capsys.readouterr().out)["files"][0]
    assert run(["study", "export", *where, "--test", "double.npz"]) == 2
    assert "samples must be float32 for 'tokens', not float64" in capsys.readouterr().err
