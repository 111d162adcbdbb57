"""Trains the network in ``brevitas.onnx`` with its quantizers in it, and exports it as QONNX, by Brevitas.

``python tests/data/train_brevitas.py`` writes it and ``brevitas.npz`` anew. It needs brevitas, onnxoptimizer,
onnxscript, torch, and Debian's package ``dataset-fashion-mnist``. Made with Brevitas 0.13.4, torch 2.13.0, onnx 1.23.2
and onnxscript 0.7.2; 3 epochs of 20,000 images, about a minute.

The network, Fashion-MNIST to 10 classes, has a bit of everything: weights of int4s (a scale for each channel), of OCP
E4M3 and of int5s (one scale), activations of int8, uint4, OCP E2M1 and of uint8 with a zero point, a bias rounded to
32 bits, MaxPool, batch normalization, a depthwise layer, a residual sum of two tensors rounded alike, and a batch of 1.

brevitas.npz: ``outputs``, float32 (100, 10), by Brevitas, of the first 100 images of study/zoo/nets/fashion_test.npz.
"""

import tempfile
from pathlib import Path

import brevitas.nn as qnn
import numpy as np
import onnx
import torch
from brevitas.export import export_qonnx
from brevitas.quant import (
    Int8ActPerTensorFloat,
    Int8WeightPerChannelFloat,
    Int8WeightPerTensorFloat,
    Int32Bias,
    ShiftedUint8ActPerTensorFloat,
    Uint8ActPerTensorFloat,
)
from brevitas.quant.float_base import Fp4e2m1Mixin
from brevitas.quant.float_quant_ocp import Fp8e4m3OCPWeightPerChannelFloat, FpOCPActPerTensorFloat
from fewbit.study.zoo.fashion import pixels, read
from torch import nn

EPOCHS, IMAGES, BATCH, RATE = 3, 20_000, 100, 2e-3


class E2M1(FpOCPActPerTensorFloat, Fp4e2m1Mixin):
    pass


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        int4 = {"weight_quant": Int8WeightPerChannelFloat, "weight_bit_width": 4, "bias": False}
        e4m3 = {"weight_quant": Fp8e4m3OCPWeightPerChannelFloat, "bias": False}
        self.image = qnn.QuantIdentity(act_quant=Int8ActPerTensorFloat, return_quant_tensor=True)
        self.stem = qnn.QuantConv2d(1, 8, 3, padding=1, stride=2, bias_quant=Int32Bias, **{**int4, "bias": True})
        self.stem_out = qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=4)
        self.pool = nn.MaxPool2d(2)
        self.depthwise = qnn.QuantConv2d(8, 8, 3, padding=1, groups=8, **e4m3)
        self.norm = nn.BatchNorm2d(8)
        self.sum_in = qnn.QuantIdentity(act_quant=E2M1)
        self.pointwise = qnn.QuantConv2d(8, 8, 1, **int4)
        self.sum_out = qnn.QuantIdentity(act_quant=ShiftedUint8ActPerTensorFloat)
        self.spatial = qnn.QuantConv2d(8, 16, 3, padding=1, stride=2, **int4)
        self.last = qnn.QuantReLU(act_quant=Uint8ActPerTensorFloat, bit_width=6)
        self.head = qnn.QuantLinear(256, 10, bias=True, weight_quant=Int8WeightPerTensorFloat, weight_bit_width=5)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pooled = self.pool(self.stem_out(self.stem(self.image(image))))
        left = self.sum_in(self.norm(self.depthwise(pooled)))
        right = self.sum_in(self.pointwise(left))
        found = self.last(self.spatial(self.sum_out(left + right)))
        return self.head(torch.flatten(found, 1))


def main() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(1)
    here = Path(__file__).parent
    images, labels = read("train")
    inputs, targets = torch.from_numpy(pixels(images[:IMAGES])), torch.from_numpy(labels[:IMAGES].astype(np.int64))
    network = Network()
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    for epoch in range(EPOCHS):
        for chosen in torch.randperm(IMAGES).split(BATCH):
            loss = nn.functional.cross_entropy(network(inputs[chosen]), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1} of {EPOCHS}: loss {loss.item():.3f}")
    network.eval()
    with np.load(here.parent.parent / "study" / "nets" / "fashion_test.npz") as test:
        first = {name: test[name][:100] for name in test.files}
    with torch.no_grad():
        outputs = network(torch.from_numpy(pixels(first["image"]))).numpy()
    print(f"{np.mean(outputs.argmax(axis=1) == first['expected']):.0%} of 100 right")
    np.savez_compressed(here / "brevitas.npz", outputs=outputs)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "brevitas.onnx")
        export_qonnx(network, torch.zeros(1, 1, 28, 28), str(file), opset_version=18)
        # without the source lines that torch notes at every node
        model = onnx.load(file)
        for node in model.graph.node:
            del node.metadata_props[:]
        onnx.save(model, here / "brevitas.onnx")


if __name__ == "__main__":
    main()
