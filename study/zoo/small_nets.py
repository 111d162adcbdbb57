"""The small networks for Fashion-MNIST, in torch: a residual CNN, a depthwise one, and a vision transformer."""

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["NETWORKS", "Attention", "MobileNet", "ResNet8", "VisionTransformer"]


class ConvNorm(nn.Module):
    """Convolution and batch normalization, which become one convolution by ``fold``."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x))

    def fold(self) -> None:
        if isinstance(self.norm, nn.BatchNorm2d):  # it is not folded yet
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, which is a 1x1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        stride = 1 if inputs == outputs else 2
        self.first = ConvNorm(inputs, outputs, 3, stride)
        self.second = ConvNorm(outputs, outputs, 3)
        self.shortcut = nn.Identity() if inputs == outputs else ConvNorm(inputs, outputs, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + self.shortcut(x))


class Folding(nn.Module):
    """A network whose batch normalizations become part of the convolutions before them."""

    def fold(self) -> None:
        """Do that with all of them; for inference alone."""
        for module in self.modules():
            if isinstance(module, ConvNorm):
                module.fold()


class ResNet8(Folding):
    """Eight layers with weights on the longest way: a 3x3 convolution, three residual blocks of two, a linear head.

    (n, 1, 28, 28) to (n, 10).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(1, 16, 3)
        self.blocks = nn.Sequential(ResidualBlock(16, 16), ResidualBlock(16, 32), ResidualBlock(32, 64))
        self.head = nn.Linear(64, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.blocks(torch.relu(self.stem(image)))
        return self.head(x.mean((2, 3)))


class Bottleneck(nn.Module):
    """A pixel's channels become three times as many, each is filtered 3x3 alone, and they become few again.

    The block of MobileNetV2 (Sandler et al., arXiv 1801.04381), with its shortcut where the shape stays.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        width = 3 * inputs
        self.expand = ConvNorm(inputs, width, 1)
        self.depthwise = ConvNorm(width, width, 3, stride, groups=width)
        self.project = ConvNorm(width, outputs, 1)
        self.alike = inputs == outputs and stride == 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        relu6 = nn.functional.relu6
        y = self.project(relu6(self.depthwise(relu6(self.expand(x)))))
        return x + y if self.alike else y


class MobileNet(Folding):
    """A 3x3 convolution, five blocks of MobileNetV2's kind, a 1x1 convolution, a linear head: depthwise, with ReLU6.

    (n, 1, 28, 28) to (n, 10).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(1, 16, 3, 2)
        sizes = [(16, 16, 1), (16, 24, 2), (24, 24, 1), (24, 40, 1), (40, 40, 1)]
        self.blocks = nn.Sequential(*(Bottleneck(*size) for size in sizes))
        self.last = ConvNorm(40, 96, 1)
        self.head = nn.Linear(96, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.blocks(nn.functional.relu6(self.stem(image)))
        return self.head(nn.functional.relu6(self.last(x)).mean((2, 3)))


class MatrixProduct(nn.Module):
    """A matrix product of activations: a module, so that it has a name in the graph."""

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left @ right


class Attention(nn.Module):
    """Self-attention written out, so that its two products of activations are matrix products in the graph.

    ``bias`` (samples, 1, 1, tokens), if any, is added to the scores.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.query, self.key, self.value, self.projection = (nn.Linear(width, width) for _ in range(4))
        self.scores, self.mix = MatrixProduct(), MatrixProduct()

    def forward(self, x: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
        _, tokens, width = x.shape

        def split(y: torch.Tensor) -> torch.Tensor:
            return y.reshape(-1, tokens, self.heads, self.size).transpose(1, 2)

        query, key, value = split(self.query(x)), split(self.key(x)), split(self.value(x))
        scores = self.scores(query * self.size**-0.5, key.transpose(2, 3))
        scores = scores if bias is None else scores + bias
        return self.projection(self.mix(torch.softmax(scores, -1), value).transpose(1, 2).reshape(-1, tokens, width))


class Block(nn.Module):
    """Attention and a perceptron of four times the width, each after a layer normalization, each beside a shortcut."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention_norm, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.expand_norm, self.expand = nn.LayerNorm(width), nn.Linear(width, 4 * width)
        self.contract = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.contract(nn.functional.gelu(self.expand(self.expand_norm(x))))


class VisionTransformer(nn.Module):
    """Patches of 4x4, width 64, four heads, four blocks, the mean over the 49 tokens, a linear head.

    (n, 1, 28, 28) to (n, 10).
    """

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 64, 4, 4)
        self.positions = nn.Parameter(torch.randn(1, 49, 64) * 0.02)
        self.blocks = nn.Sequential(*(Block(64, 4) for _ in range(4)))
        self.norm = nn.LayerNorm(64)
        self.head = nn.Linear(64, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.patches(image).reshape(-1, 64, 49).transpose(1, 2) + self.positions
        return self.head(self.norm(self.blocks(x)).mean(1))

    def fold(self) -> None:
        """Nothing: there is no batch normalization."""


NETWORKS: dict[str, type[ResNet8 | MobileNet | VisionTransformer]] = {
    "resnet8": ResNet8,
    "mobilenet": MobileNet,
    "vit": VisionTransformer,
}
