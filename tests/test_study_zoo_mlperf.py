"""The shapes of MLPerf Tiny's networks are those of its reference code."""

import numpy as np
import onnx
import pytest
from fewbit.study.network.graph import Graph
from fewbit.study.zoo.mlperf_tiny import SHAPES
from fewbit.study.zoo.networks import network

PARAMETERS = {"tiny_resnet8": 77_706, "tiny_ds_cnn": 22_604, "tiny_mobilenet": 210_850, "tiny_autoencoder": 265_864}
"""By hand: sums over the layers of MLPerf Tiny's reference code, batch normalization folded."""

LAYERS = {"tiny_resnet8": 10, "tiny_ds_cnn": 10, "tiny_mobilenet": 28, "tiny_autoencoder": 10}


@pytest.mark.parametrize("name", SHAPES)
def test_a_network_has_its_parameters_and_layers(name: str) -> None:
    model = onnx.load_model_from_string(SHAPES[name].model())
    assert sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer) == PARAMETERS[name]
    assert len(Graph(SHAPES[name].model()).layers) == LAYERS[name]


def test_a_shape_is_a_network_with_random_bytes() -> None:
    shape = network("tiny_ds_cnn")
    assert shape.content() == SHAPES["tiny_ds_cnn"].model()
    values = shape.test().inputs["input"]
    assert values.shape == (64, 1, 49, 10)
    assert (np.rint(values * 255) / np.float32(255) == values).all()
    assert not np.array_equal(values, shape.calibration().inputs["input"])
