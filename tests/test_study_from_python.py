"""The study from Python: models and samples in memory give what the same in files gives by the command line."""

import json
import subprocess
import sys

import networks
import numpy as np
import onnx
import pytest
from fewbit.cli.app import run
from fewbit.formats import parse
from fewbit.study import Findings, lower, price, recommend, study
from fewbit.study.quantization.scheme import Scheme
from fewbit.study.sweep import Source

FORMATS = {"weight": "int4,e2m1", "activation": "int8"}


@pytest.fixture(scope="module")
def samples():
    """Images for the calibration and for the test, and labels."""
    random = np.random.default_rng(3)
    images = random.standard_normal((60, 1, 8, 8)).astype(np.float32)
    return images[:20], images[20:], random.integers(0, 10, 40)


@pytest.fixture(scope="module")
def model():
    return onnx.load_model_from_string(networks.convolutions())


def figures(points):
    return [(point.weight, point.activation, point.evaluation, point.metrics) for point in points]


def test_a_model_in_memory_gives_what_its_file_gives(in_folder, samples, model, capsys):
    calibration, test, labels = samples
    onnx.save(model, "net.onnx")
    np.savez("calibration.npz", image=calibration)
    np.savez("test.npz", image=test, expected=labels)
    command = "study run --model net.onnx --calibration calibration.npz --test test.npz --metric agreement,top1 --json"
    formats = ["--weight", "int4,e2m1", "--activation", "int8", "--evaluation", "integer", "--jobs", "1"]
    assert run([*command.split(), *formats]) == 0
    by_command = [
        (each["weight"], each["activation"], each["evaluation"], each["metrics"])
        for each in json.loads(capsys.readouterr().out)["points"]
    ]
    options = {**FORMATS, "evaluation": "integer", "metrics": "agreement,top1"}
    assert figures(study(model, calibration, (test, labels), **options)) == by_command
    by_name = {"image": test, "expected": labels}
    files = {"calibration": "calibration.npz", "test": by_name, "evaluation": ("integer",)}
    assert figures(study("net.onnx", **{**options, **files})) == by_command


def test_points_and_prices_lead_to_a_recommendation(in_folder, samples, model):
    calibration, test, labels = samples
    points = study(model, calibration, (test, labels), **FORMATS, name="mine", metrics="agreement")
    prices = price(**FORMATS, family="xc7", terms=points[0].longest_dot)
    assert [(each.weight, each.family) for each in prices] == [("int4", "xc7"), ("e2m1", "xc7")]
    found = recommend(Findings(points, prices), model="mine", target="xc7", max_luts=prices[0].luts)
    assert (found.candidate.point, found.candidate.price) == (points[0], prices[0])


def test_a_network_of_the_zoo_needs_no_samples(monkeypatch):
    asked = []

    def sweep(jobs, **options):
        asked.extend(jobs)
        yield from ()

    monkeypatch.setattr("fewbit.study.from_python.sweep", sweep)
    assert study("resnet8", weight=parse("int4"), edges="int8", samples=4, evaluation="network", between="int6") == []
    (job,) = asked
    assert (job.source, job.samples, job.between) == (Source("resnet8"), 4, parse("int6"))
    assert job.scheme == Scheme(weight=parse("int4"), activation=parse("int4"), edges=parse("int8"))


def test_a_lowered_network_answers_as_its_evaluation_does(in_folder, samples, model):
    from fewbit.sim import network_answers

    calibration, test, _ = samples
    found = lower(model, calibration, test, weight="e2m1", activation="int8", columns=4)
    assert found.program.shape.columns == 4
    outputs = found.outputs(network_answers(found.program, found.images(test)))
    (point,) = study(
        model, calibration, test, weight="e2m1", activation="int8", evaluation="network", metrics="agreement,sqnr"
    )
    reference = _float32(model, test)
    agree = np.mean(outputs.argmax(axis=1) == reference.argmax(axis=1))
    assert point.metrics["agreement"] == agree


def _float32(model, images):
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"image": images})[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"calibration": None}, "calibration and test must be given with a model: its inputs by name"),
        ({"model": "resnet8"}, "calibration, test and name must be given with a model, not with 'resnet8' of the zoo"),
        ({"between": "int8"}, "between must be given with the evaluation network, not with 'float'"),
        ({"jobs": 0}, "jobs must be 1 or more, not 0"),
        ({"test": (1, 2, 3)}, "samples must be the input, or a pair of it and what is expected, not 3 arrays"),
        ({"calibration": {"picture": [[1.0]]}}, "samples must have the model's inputs image, not picture"),
        (
            {"calibration": np.zeros((3, 1, 8, 8), np.float32)},
            "^calibration: samples must differ in their numbers",
        ),
        (
            {"calibration": np.float32([-5e29, 5e29]).reshape(2, 1, 1, 1).repeat(8, 2).repeat(8, 3)},
            r"samples must be of numbers up to 1e\+12, not 5e\+29",
        ),
        ({"weight": "int44"}, "at most 16 bits|1 to 16"),
        ({"techniques": "bias+gptq"}, "techniques must be of .*, in this order, not bias\\+gptq$"),
    ],
)
def test_what_cannot_be_studied_is_told(samples, model, given, message):
    calibration, test, labels = samples
    options = {"model": model, "calibration": calibration, "test": (test, labels), **FORMATS, **given}
    with pytest.raises(ValueError, match=message):
        study(**options)


def test_what_is_no_model_is_told(samples):
    with pytest.raises(TypeError, match=r"model must be an ONNX file, an onnx.ModelProto or a torch.nn.Module, not 3"):
        study(3, samples[0], samples[1])


def test_the_room_is_light_until_it_is_asked():
    """A base install has no onnx, and can import every room."""
    heavy = "{'onnx', 'onnxruntime', 'scipy', 'torch', 'serial'}"
    code = f"import sys, fewbit.study, fewbit.integrate; print(*{heavy} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("\n", "")


def test_a_module_of_torch_is_exported_as_it_stands(in_folder, samples):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    from fewbit.study.zoo.export import to_onnx

    torch.manual_seed(4)
    layers = (torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(144, 10))
    module = torch.nn.Sequential(*layers)
    calibration, test, labels = samples
    options = {"weight": "int8", "metrics": "agreement,sqnr"}
    (point,) = study(module, torch.from_numpy(calibration), (torch.from_numpy(test), labels), **options)
    assert module.training and point.weight_bits == 8 * (36 + 1440)
    exported = to_onnx(module, {"input": torch.zeros(2, 1, 8, 8)}, "output")
    (by_hand,) = study(exported, calibration, (test, labels), **options)
    assert point.metrics == by_hand.metrics
    with pytest.raises(
        ValueError, match="samples must be float32 for 'input', as the module's parameters, not float64"
    ):
        study(module, calibration.astype(float), (test, labels), **options)


def test_a_missing_exporter_is_one_line(samples, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    line = r"package onnxscript must be installed to export a torch module: pip install 'fewbit\[torch\]'"
    with pytest.raises(ModuleNotFoundError, match=line):
        study(torch.nn.Linear(8, 2), samples[0], samples[1])
