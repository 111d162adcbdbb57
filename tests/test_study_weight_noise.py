"""The noise of rounded weights, by figures worked out by hand, and the command that writes them."""

import csv
import json
from math import inf, log10

import networks
import numpy as np
import pytest
from fewbit.cli.app import run
from fewbit.formats import parse
from fewbit.study.measurement.weight_noise import _blocks, _columns, weight_noises, write_noises
from fewbit.study.network.graph import Graph
from fewbit.study.quantization.tensor_formats import parse_operands


def linear(*rows):
    """A network of one layer that has these weights in a column each."""
    weights = networks.constant("w", np.array(rows, np.float32).T)
    return networks.made([(("MatMul", ["x", "w"], ["y"]), {})], [weights], {"x": ["n", len(rows[0])]})


def test_a_noise_is_that_of_the_best_scale_and_bits_have_scales():
    # by a scale of 4, the three ones of the first column become 0, and nothing else is lost
    graph = Graph(linear((1, 1, 1, 4), (2, -2, 0, 0)))
    (found,) = weight_noises("net", graph, [parse("ternary")], [None], None)
    assert found.sqnr == pytest.approx(10 * log10((19 + 8) / 3))
    assert (found.bits, found.weights, found.worst) == (2 + 16 / 4, 8, found.sqnr)


def test_weights_that_lose_nothing_have_no_noise(tmp_path):
    graph = Graph(linear((1, -1, -1, 1), (2, 2, -2, 2)))
    found = [*weight_noises("net", graph, parse_operands("ternary,bcq2"), [None], None)]
    assert [(each.sqnr, each.worst) for each in found] == [(inf, inf)] * 2
    write_noises(found, tmp_path, "")
    assert [row["sqnr"] for row in json.loads((tmp_path / "weights.json").read_text())["rows"]] == [None] * 2


def test_a_network_without_weights_is_refused():
    product = networks.made([(("MatMul", ["x", "x"], ["y"]), {})], [], {"x": ["n", 2, 2]})
    with pytest.raises(ValueError, match=r"^network must have layers with weights, not 'net', which has none$"):
        next(weight_noises("net", Graph(product), [parse("int4")], [None], None))


def test_selectors_are_counted_once_a_block():
    graph = Graph(linear(np.random.default_rng(1).standard_normal(40)))
    plain, member = weight_noises("net", graph, parse_operands("bitmod4,bitmod4p5"), [16], None)
    assert plain.bits == 4 + 3 * (16 + 2) / 40 and member.bits == 4 + 3 * 16 / 40 and plain.sqnr >= member.sqnr


def test_columns_are_spread_and_blocks_cut_off():
    weight = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    assert _columns(weight, None).shape == (8, 3)
    assert np.array_equal(_columns(weight, 3), _columns(weight, None)[[0, 4, 7]])
    ones = np.ones((2, 5), np.float32)
    assert [part.shape for part in _blocks(ones, 2)] == [(4, 2), (2, 1)]
    assert [part.shape for size in (None, 8, 5) for part in _blocks(ones, size)] == [(2, 5)] * 3


def test_the_command_writes_a_row_for_each(tmp_path, capsys):
    (tmp_path / "net.onnx").write_bytes(linear((1, 2, 3, 4), (2, -2, 0.3, 0)))
    options = ["--model", str(tmp_path / "net.onnx"), "--scale-per", "channel,32", "--out", str(tmp_path)]
    assert run(["study", "weights", "--weight", "int4,kmeans3", *options]) == 0
    found = json.loads((tmp_path / "weights.json").read_text())["rows"]
    asked = [(row["network"], row["weight"], row["block_size"]) for row in found]
    assert asked == [("net", name, size) for size in (None, 32) for name in ("int4", "kmeans3")]
    assert len([*csv.reader((tmp_path / "weights.csv").open())]) == 5 and "kmeans3" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--scale-per", "20"], "scale_per must be of channel, 16, 32, 64, 128, not '20'"),
        (["--weight", "int17"], "format 'int17': "),
    ],
)
def test_what_is_refused(options, message, tmp_path, capsys):
    assert run(["study", "weights", *options, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err
