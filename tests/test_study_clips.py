"""Activation functions that are computed with the layers before them."""

import numpy as np
import pytest
from fewbit.formats import parse
from fewbit.study.network.clips import with_clips
from fewbit.study.network.execute import execute
from fewbit.study.network.float_layer import plain_engine
from fewbit.study.network.graph import Graph, Segment
from fewbit.study.network.network import Samples
from fewbit.study.quantization.calibrate import calibrate
from fewbit.study.quantization.engines import float_engine, integer_engine
from fewbit.study.quantization.quantize import quantize
from fewbit.study.quantization.scheme import Scheme
from networks import constant, made, normal

INPUTS = {"x": normal(1, 5, 6) * 3}


@pytest.fixture(scope="module")
def graph():
    """Layers with a Relu, a Clip without a lower end, a Relu beside another reader, a Clip that a tensor bounds, and a
    Clip that is no end of its segment."""
    nodes = [
        (("MatMul", ["x", "w"], ["a"]), {"name": "relu"}),
        (("Relu", ["a"], ["b"]), {}),
        (("MatMul", ["b", "w"], ["c"]), {"name": "clip"}),
        (("Clip", ["c", "", "most"], ["d"]), {}),
        (("MatMul", ["d", "w"], ["e"]), {"name": "read twice"}),
        (("Relu", ["e"], ["f"]), {}),
        (("MatMul", ["f", "w"], ["g"]), {"name": "bounded"}),
        (("ReduceMin", ["e"], ["least"]), {"keepdims": 0}),
        (("Clip", ["g", "least"], ["h"]), {}),
        (("MatMul", ["h", "w"], ["i"]), {"name": "not alone"}),
        (("Relu", ["i"], ["j"]), {}),
        (("Tanh", ["j"], ["y"]), {}),
    ]
    constants = [constant("w", normal(2, 6, 6)), constant("most", np.float32(1.5))]
    return Graph(made(nodes, constants, {"x": ["batch", 6]}), threads=1)


def test_a_layer_clips_what_nothing_else_reads(graph):
    clipped = with_clips(graph)
    assert {layer.name: layer.clip for layer in clipped.layers if layer.clip} == {
        "relu": (0, np.inf),
        "clip": (-np.inf, 1.5),
    }
    assert sum(isinstance(step, Segment) for step in graph.steps) == 5
    assert sum(isinstance(step, Segment) for step in clipped.steps) == 3
    assert not any(layer.clip for layer in graph.layers)


@pytest.mark.parametrize("options", [{}, {"scale_per": "block", "block_size": 16}], ids=["channels", "blocks"])
def test_engines_give_the_same_bits(graph, options):
    scheme = Scheme(weight=parse("e2m1"), activation=parse("e2m1"), **options)
    layers = quantize(graph, scheme, calibrate(graph, Samples(INPUTS)))
    exact = (integer_engine(layers, quick=quick) for quick in (True, False))
    for engine in (float_engine(layers), *exact, plain_engine()):
        found, expected = (execute(each, INPUTS, engine)[0] for each in (with_clips(graph), graph))
        assert 0 < found.min(initial=1, where=found > 0) < found.max()
        np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))
