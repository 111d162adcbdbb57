"""Networks that were trained with weights of one or two bits: what is committed, and how they are trained."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from fewbit.formats import parse
from fewbit.study.measurement.evaluate import Study
from fewbit.study.network.grid import round_to
from fewbit.study.quantization.scales import best_scales
from fewbit.study.quantization.scheme import Scheme
from fewbit.study.zoo.few_bits import FORMATS, TRAINED, WHOLE, base_of
from fewbit.study.zoo.networks import network


def test_every_one_has_a_base():
    assert {base_of(name) for name in TRAINED} == {"resnet8", "vit"} and base_of("minilm") == "minilm"
    assert {format for _, format in TRAINED.values()} == {*FORMATS}


@pytest.mark.parametrize("name", TRAINED)
def test_weights_are_scales_in_bfloat16_times_values_of_their_format(name):
    base, format = TRAINED[name]
    graph = onnx.load(network(name).model).graph
    edges = {"resnet8": ("stem.conv.weight", "head.weight"), "vit": ("patches.weight", "head.weight")}[base]
    by_input = {node.input[1] for node in graph.node if node.op_type == "MatMul"}
    found = 0
    for each in graph.initializer:
        if each.name.endswith(".weight") and len(each.dims) > 1 and (name in WHOLE or each.name not in edges):
            weight = onnx.numpy_helper.to_array(each)
            rows = weight.T if each.name in by_input else weight.reshape(len(weight), -1)
            scales = best_scales(rows, parse(format), parse("bfloat16"), axis=0)[:, None]
            assert np.array_equal(round_to(rows / scales, parse(format)) * scales, rows), each.name
            found += 1
    assert found == {"resnet8": 8, "vit": 24}[base] + (2 if name in WHOLE else 0)


def test_the_study_loses_nothing_of_them():
    made = network("resnet8_ternary")
    study = Study(replace(made, calibration=lambda: made.calibration().first(2)), samples=1)
    layers = study.quantized(Scheme(weight=parse("ternary"), activation=parse("int8"), edges=parse("int8")))
    inner = [layer for layer in layers.values() if not layer.layer.edge]
    assert len(inner) == 8
    for each in inner:
        step = (each.scale / each.divisor).astype(np.float32)
        assert each.weight_format.name == "ternary" and np.array_equal(each.weights[0] * step, each.layer.weight[0])


@pytest.mark.parametrize("format", FORMATS)
def test_weights_are_rounded_by_the_best_scale_and_gradients_pass(format):
    torch = pytest.importorskip("torch")
    from fewbit.study.zoo.rounded_nets import FewBits

    weight = torch.randn(5, 4, 3, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    rounding = FewBits(format)
    codes, rounded = rounding.codes(weight).detach(), rounding(weight)
    grid = parse(format)
    assert {*codes.unique().tolist()} == {value for value in grid.integers if value >= grid.min_finite}
    for row, its_codes, values in zip(
        *(each.detach().flatten(1).double() for each in (weight, codes, rounded)), strict=True
    ):
        scale = np.linalg.lstsq(its_codes[:, None].numpy(), row.numpy(), rcond=None)[0][0]
        assert np.allclose(values, scale * its_codes, rtol=1e-5)
    (rounded * 3).sum().backward()
    assert (weight.grad == 3).all()


def test_unfolding_changes_no_result_and_baking_leaves_scales_times_codes():
    torch = pytest.importorskip("torch")
    from fewbit.study.zoo.rounded_nets import bake, read_network, round_weights, unfold

    made = network("resnet8")
    images = torch.from_numpy(made.calibration().inputs["image"][:32])
    net = read_network("resnet8", made.model)
    with torch.no_grad():
        before = net(images)
        unfold(net, images)
        assert torch.allclose(net(images), before, atol=1e-4)
        round_weights(net, "int2")
        before = net.eval()(images)
        bake(net)
        assert torch.allclose(net(images), before, atol=0.02 * before.abs().max())
    weight = net.blocks[1].first.conv.weight.detach().flatten(1).numpy()
    scales = best_scales(weight, parse("int2"), parse("bfloat16"), axis=0)[:, None]
    assert np.array_equal(round_to(weight / scales, parse("int2")) * scales, weight)
