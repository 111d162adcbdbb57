"""Networks with rounded weights alone: which weights they get, that all else stays, and the command that goes on."""

import json
from dataclasses import replace

import networks
import numpy as np
import onnxruntime
import pytest
from fewbit.cli.app import run
from fewbit.formats import parse
from fewbit.study.measurement.evaluate import Study
from fewbit.study.measurement.weight_accuracy import read_accuracies, weight_accuracies, write_accuracies
from fewbit.study.network.graph import Graph
from fewbit.study.network.network import Network, Samples
from fewbit.study.network.with_weights import with_weights
from fewbit.study.quantization.quantize import quantize
from fewbit.study.quantization.rounded_weights import BlocksOfWeights
from fewbit.study.quantization.scales import error_of_results
from fewbit.study.quantization.scheme import Scheme
from fewbit.study.quantization.tensor_formats import parse_operand


def mixed_network():
    """A convolution in two groups with a bias, a Relu, and a Gemm of weights that are transposed and multiplied."""
    constants = {"k": networks.normal(1, 6, 2, 3, 3), "b": networks.normal(2, 6), "m": networks.normal(3, 5, 96)}
    nodes = [
        (("Conv", ["x", "k", "b"], ["c"]), {"group": 2, "kernel_shape": [3, 3]}),
        (("Relu", ["c"], ["r"]), {}),
        (("Flatten", ["r"], ["f"]), {}),
        (("Gemm", ["f", "m"], ["y"]), {"transB": 1, "alpha": 0.5}),
    ]
    given = [networks.constant(name, values) for name, values in constants.items()]
    return networks.made(nodes, given, {"x": ["n", 4, 6, 6]})


@pytest.fixture
def network(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(mixed_network())
    data = Samples({"x": networks.normal(4, 6, 4, 6, 6)}, np.arange(6) % 5)
    return Network("net", "net", path, lambda: data, lambda: data, ("top1", "sqnr"))


def outputs(content, values):
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"]).run(None, {"x": values})[0]


def test_a_network_gets_other_weights_and_nothing_else():
    content, x = mixed_network(), networks.normal(5, 3, 4, 6, 6)
    graph = Graph(content)
    assert np.array_equal(outputs(with_weights(graph, {}), x), outputs(content, x))
    last = graph.layers[-1]
    assert np.array_equal(outputs(with_weights(graph, {last.name: 4 * last.weight}), x), 4 * outputs(content, x))


@pytest.mark.parametrize("name", ["int4", "apot4", "bitmod3", "kmeans3", "ant4", "uint3z", "bcq3"])
@pytest.mark.parametrize("size", [16, 32])
def test_weights_are_those_of_the_layers_of_a_study(name, size, network):
    study, operand = Study(network), parse_operand(name)
    scheme = Scheme(weight=operand, activation=parse("int8"), scale_per="block", block_size=size)
    layers = quantize(study.graph, scheme, study.statistics)
    # a study adds up the errors of a convolution's groups in units of their own, by which one table is found for all
    for layer in study.graph.layers[1:] if name == "kmeans3" else study.graph.layers:
        blocks = BlocksOfWeights(layer.weight, study.statistics.gram[layer.name], size)
        values, bits = blocks.rounded(operand)
        assert np.array_equal(values, layers[layer.name].weights) and bits == layers[layer.name].weight_bits


def test_a_block_that_is_not_filled_has_the_error_of_one_filled_up_with_zeros():
    gram, filled = np.array([[[4.0]]]), np.zeros((1, 4, 4))
    filled[0, 0, 0] = 4
    expected = error_of_results(filled)(np.array([[3, 0, 0, 0]], np.float32))
    assert np.array_equal(error_of_results(gram, terms=4)(np.array([[3]], np.float32)), expected)


def test_groups_that_are_wider_than_a_sum_are_channels(network):
    study = Study(network)
    layer = study.graph.layers[0]
    gram = study.statistics.gram[layer.name]
    wide, channel = (BlocksOfWeights(layer.weight, gram, size) for size in (32, None))
    (values, bits), (expected, fewest) = (blocks.rounded(parse_operand("uint4z")) for blocks in (wide, channel))
    assert np.array_equal(values, expected) and bits == fewest == 4 * 108 + 6 * (16 + 4)


def test_outliers_are_apart_as_in_the_layers_of_a_study(network):
    study, gobo = Study(network), parse_operand("gobo3")
    scheme = Scheme(weight=gobo, activation=parse("int8"), scale_per="tensor")
    layers = quantize(study.graph, scheme, study.statistics)
    for layer in study.graph.layers:
        values, bits = BlocksOfWeights(layer.weight, None, 32).rounded(gobo)
        step = gobo.fit(layer.weight).scale(parse("bfloat16"))
        assert np.array_equal(values, layers[layer.name].weights * step) and bits == layers[layer.name].weight_bits + 16


def test_an_accuracy_is_that_of_the_network_with_those_weights(network):
    study, operands = Study(network), [parse_operand(name) for name in ("int4", "bcq3")]
    found = [*weight_accuracies(study, operands, [32, None])]
    assert [each.question for each in found] == [
        ("net", name, size, 6) for size in (32, None) for name in ("int4", "bcq3")
    ]
    layers = {layer.name: layer for layer in study.graph.layers}
    grams = study.statistics.gram
    weights = {
        name: BlocksOfWeights(each.weight, grams[name], 32).rounded(operands[0])[0] for name, each in layers.items()
    }
    given = outputs(with_weights(study.graph, weights), network.test().inputs["x"])
    assert found[0].metrics == study.judge(given)[0] and found[0].metrics["sqnr"] > 10
    # six sums of 18 products have a scale each, five of 96 have three, beside 588 weights
    assert found[0].bits == 4 + 16 * (6 + 5 * 3) / 588 and found[1].bits == 3 + 3 * 16 * (6 + 5 * 3) / 588
    assert found[0].float32["top1"] == np.mean(study.reference.argmax(axis=1) == np.arange(6) % 5)
    known = [each.question for each in found[1:]]
    assert [each.weight for each in weight_accuracies(study, operands, [32, None], known)] == ["int4"]


def test_files_are_read_as_they_were_written(network, tmp_path):
    found = [*weight_accuracies(Study(network), [parse_operand("int3")], [None])]
    write_accuracies(found, tmp_path, ["one", "two", "one"])
    assert read_accuracies(tmp_path / "accuracy.json") == (found, ["one", "two"])
    assert (tmp_path / "accuracy.csv").read_text().splitlines()[0].endswith("sqnr,sqnr_standard_error")
    (tmp_path / "accuracy.json").write_text("{}")
    with pytest.raises(
        ValueError, match=r"^accuracies must be a file that `fewbit study weights --samples` wrote, not"
    ):
        read_accuracies(tmp_path / "accuracy.json")


def test_the_command_goes_on_where_it_was_stopped(network, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("fewbit.study.zoo.networks.network", lambda name: replace(network, metrics=("top1",)))
    options = ["study", "weights", "--model", "net", "--samples", "6", "--append", "--out", str(tmp_path)]
    assert run([*options, "--weight", "int4", "--scale-per", "32"]) == 0
    first = json.loads((tmp_path / "accuracy.json").read_text())["rows"]
    first[0]["seconds"] = -1.0  # as nothing that is measured anew
    content = {"commands": ["before"], "rows": first}
    (tmp_path / "accuracy.json").write_text(json.dumps(content))
    assert run([*options, "--weight", "int4,nf4", "--scale-per", "channel,32"]) == 0
    found = json.loads((tmp_path / "accuracy.json").read_text())
    asked = [(row["weight"], row["block_size"]) for row in found["rows"]]
    assert asked == [("int4", 32), ("int4", None), ("nf4", None), ("nf4", 32)] and found["rows"][0] == first[0]
    assert [command.split()[0] for command in found["commands"]] == ["before", "fewbit"]
    assert "nf4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--samples", "5", "--columns", "3"], "all columns of networks of the zoo, not with --columns"),
        (["--samples", "5", "--model", "a.onnx"], "all columns of networks of the zoo, not with the file 'a.onnx'"),
        (["--append"], "append must be given with --samples, without which nothing takes long"),
    ],
)
def test_what_is_refused(options, message, tmp_path, capsys):
    assert run(["study", "weights", *options, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
