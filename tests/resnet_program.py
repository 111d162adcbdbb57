"""The program of a ResNet-8 for images of 28 x 28 pixels, with random weights: for its size and speed."""

import numpy as np
from fewbit.formats import parse
from fewbit.formats.network import (
    Answer,
    Image,
    NetworkShape,
    Output,
    Parameter,
    Pool,
    Product,
    Program,
    Residual,
    View,
    Window,
)

__all__ = ["resnet8"]

SIDE = 28
WIDTHS = (16, 32, 64)
CLASSES = 10


def resnet8(seed: int = 0, **fields) -> Program:
    """Three blocks of two convolutions each, of 16, 32 and 64 channels, behind a first one; ``fields`` are those of the
    accelerator's shape, formats by name."""
    known = {"weight": "int4", "activation": "int4", "between": "int8", "multiplier_bits": 12, **fields}
    known |= {name: parse(known[name]) for name in ("weight", "activation", "between")}
    shape = NetworkShape(**{"terms": 9 * WIDTHS[-1], "pooled": 49, **known})
    return _Maker(shape, seed).program()


class _Maker:
    def __init__(self, shape: NetworkShape, seed: int):
        self.shape = shape
        self.random = np.random.default_rng(seed)
        self.weights: list[int] = []
        self.parameters: list[Parameter] = []
        self.records: list[Product | Pool] = []

    def program(self) -> Program:
        lanes, outputs = self.shape.lanes, self.shape.outputs
        size = [SIDE * SIDE, (SIDE // 2) ** 2, (SIDE // 4) ** 2]
        words = [pixels * -(-channels // lanes) for pixels, channels in zip(size, WIDTHS, strict=True)]
        image = View(0, SIDE, SIDE, 1, 1)
        low = size[0]
        high = low + words[0]

        def a(base: int, level: int) -> View:
            count = -(-WIDTHS[level] // lanes)
            return View(base, SIDE >> level, SIDE >> level, count, count)

        def b(base: int, level: int) -> View:
            count = WIDTHS[level] // outputs
            return View(base, SIDE >> level, SIDE >> level, count, count)

        self._product("first", image, 3, 1, a(low, 0), b(0, 0), WIDTHS[0])
        self._product("block1a", a(low, 0), 3, 1, a(high, 0), None, WIDTHS[0])
        self._product("block1b", a(high, 0), 3, 1, a(low, 0), None, WIDTHS[0], b(0, 0))
        self._product("block2a", a(low, 0), 3, 2, a(high, 1), None, WIDTHS[1])
        self._product("block2s", a(low, 0), 1, 2, None, b(0, 1), WIDTHS[1])
        self._product("block2b", a(high, 1), 3, 1, a(high + words[1], 1), None, WIDTHS[1], b(0, 1))
        self._product("block3a", a(high + words[1], 1), 3, 2, a(high, 2), None, WIDTHS[2])
        self._product("block3s", a(high + words[1], 1), 1, 2, None, b(0, 2), WIDTHS[2])
        self._product("block3b", a(high, 2), 3, 1, None, b(0, 2), WIDTHS[2], b(0, 2))
        pooled = View(low, 1, 1, -(-WIDTHS[2] // lanes), -(-WIDTHS[2] // lanes))
        self._pool(b(0, 2), pooled)
        self._product("last", pooled, 1, 1, None, None, CLASSES)
        codes = [code for _, code in self.shape.activation.ordered]
        picture = bytes(codes[(value + 256) * (len(codes) - 1) // 511] for value in range(256))
        return Program(
            "resnet8",
            self.shape,
            tuple(self.records),
            bytes(self.weights),
            tuple(self.parameters),
            Image(SIDE, SIDE, 1, image, None, picture, b"", resident=True, free_after=0),
            Answer(1, 1, CLASSES, (1.0,), True),
            high + 2 * words[1],
            b(0, 0).end,
        )

    def _output(self, format, view: View | None, unit: float, multiplier: int, low_zero: bool = True) -> Output | None:
        if view is None:
            return None
        order = [code for _, code in format.ordered]
        magnitude = (
            sorted(abs(integer) for integer, _ in format.ordered)[len(order) * 3 // 4] * 2.0**format.lsb_exponent
        )
        shift = round(np.log2(unit * (1 << self.shape.multiplier_bits - 1) * 1.5 / max(magnitude, 1e-9)))
        low = format.zero_code if low_zero else order[0]
        return Output(view, max(0, shift), low, order[-1], multiplier)

    def _scales(self, channels: int) -> list[int]:
        top = (1 << self.shape.multiplier_bits) - 1
        return [int(value) for value in self.random.integers(max(1, top // 2), top + 1, channels)]

    def _fields(self, channels: int, unit: float) -> int:
        first = len(self.parameters)
        bias = self.random.normal(0, unit, channels)
        for each, m, n in zip(bias, self._scales(channels), self._scales(channels), strict=True):
            self.parameters.append(Parameter(int(each), m, n))
        return first

    def _product(
        self,
        name: str,
        source: View,
        kernel: int,
        stride: int,
        activation: View | None,
        between: View | None,
        channels: int,
        residual: View | None = None,
    ) -> None:
        shape = self.shape
        height, width = source.height // stride, source.width // stride
        tiles = -(-channels // shape.columns)
        fan_in = kernel * kernel * source.words * shape.lanes
        scale = shape.weight.max_integer / 3.0
        normal = self.random.normal(0, scale, (tiles, kernel * kernel * source.words, shape.columns, shape.lanes))
        integers = np.array([integer for integer, _ in shape.weight.ordered])
        codes = np.array([code for _, code in shape.weight.ordered])
        picked = codes[np.searchsorted((integers[1:] + integers[:-1]) / 2, normal)]
        if name == "first":
            picked[..., 1:] = shape.weight.zero_code
            fan_in = kernel * kernel
        if channels % shape.columns:
            picked[-1, :, channels % shape.columns :] = shape.weight.zero_code
        first = len(self.weights) // (shape.columns * shape.lanes)
        self.weights += [int(code) for code in picked.reshape(-1)]
        spread = np.sqrt(fan_in) * scale * max(1, shape.activation.max_integer / 3.0)
        added = None if residual is None else Residual(residual)
        factor = 1 << shape.multiplier_bits - 1 if residual is not None else 0
        self.records.append(
            Product(
                name,
                source,
                Window(kernel, kernel, stride, stride, 1, 1, kernel // 2, kernel // 2),
                channels,
                height,
                width,
                self._fields(channels, spread / 4),
                1,
                self._output(shape.activation, activation, spread, factor),
                self._output(shape.between, between, spread, factor, name[-1] != "s"),
                added,
                weights=first,
                words=source.words,
                pad=shape.activation.zero_code,
            )
        )

    def _pool(self, source: View, activation: View) -> None:
        shape = self.shape
        spread = 49 * shape.between.max_integer / 8.0
        self.records.append(
            Pool(
                "pool",
                source,
                Window(source.height, source.width),
                WIDTHS[2],
                1,
                1,
                self._fields(1, 1.0),
                0,
                self._output(shape.activation, activation, spread, 0),
                None,
                None,
            )
        )
