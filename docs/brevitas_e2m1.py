"""Trains a network in minifloats of 4 bits with Brevitas and exports it as QONNX: see docs/brevitas.md.

``python docs/brevitas_e2m1.py`` writes ``brevitas_e2m1.onnx``, and ``brevitas_e2m1.npz`` with what Brevitas answers to
the first 512 images of ResNet-8's test: ``outputs``, float32 (512, 10). It needs brevitas, onnxscript, torch and
Debian's package ``dataset-fashion-mnist``, and takes a minute. The files in tests/data were made with Brevitas 0.13.4,
torch 2.13.0, onnx 1.23.2 and onnxscript 0.7.2.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import brevitas.nn as qnn
import numpy as np
import onnx
import torch
from brevitas.export import export_qonnx
from brevitas.inject.enum import RestrictValueType
from brevitas.quant.float_base import Fp4e2m1Mixin
from brevitas.quant.float_quant_ocp import FpOCPActPerTensorFloat, FpOCPWeightPerChannelFloat
from fewbit.study.zoo.fashion import pixels, read
from fewbit.study.zoo.networks import network
from torch import nn

EPOCHS, IMAGES, BATCH, RATE, TESTED = 6, 6_000, 50, 3e-3, 512


class Weight(FpOCPWeightPerChannelFloat, Fp4e2m1Mixin):
    restrict_scaling_type = RestrictValueType.POWER_OF_TWO


class Activation(FpOCPActPerTensorFloat, Fp4e2m1Mixin):
    restrict_scaling_type = RestrictValueType.POWER_OF_TWO


def small_network() -> nn.Module:
    conv = {"kernel_size": 3, "stride": 2, "padding": 1, "bias": False, "weight_quant": Weight}
    return nn.Sequential(
        qnn.QuantIdentity(act_quant=Activation),
        qnn.QuantConv2d(1, 8, **conv),
        qnn.QuantReLU(act_quant=Activation),
        qnn.QuantConv2d(8, 16, **conv),
        qnn.QuantReLU(act_quant=Activation),
        nn.Flatten(),
        qnn.QuantLinear(16 * 7 * 7, 10, bias=False, weight_quant=Weight),
    )


def train(net: nn.Module) -> None:
    images, labels = read("train")
    inputs, targets = torch.from_numpy(pixels(images[:IMAGES])), torch.from_numpy(labels[:IMAGES].astype(np.int64))
    optimizer = torch.optim.Adam(net.parameters(), RATE)
    for epoch in range(EPOCHS):
        for chosen in torch.randperm(IMAGES).split(BATCH):
            loss = nn.functional.cross_entropy(net(inputs[chosen]), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {loss.item():.3f}")
    net.eval()


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    net = small_network()
    train(net)
    test = network("resnet8").test().first(TESTED)
    with torch.no_grad():
        outputs = net(torch.from_numpy(test.inputs["image"])).numpy()
    print(f"{np.mean(outputs.argmax(axis=1) == test.expected):.1%} of {TESTED} right")
    np.savez_compressed("brevitas_e2m1.npz", outputs=outputs)
    with TemporaryDirectory() as folder:
        file = Path(folder, "net.onnx")
        export_qonnx(net, torch.zeros(1, 1, 28, 28), str(file), opset_version=18)
        model = onnx.load(file)
    for node in model.graph.node:
        del node.metadata_props[:]  # source lines, which torch notes at every node
    onnx.save(model, "brevitas_e2m1.onnx")


if __name__ == "__main__":
    main()
