"""Small random programs of network accelerators, with everything in them that a program can have."""

from dataclasses import replace
from math import isqrt
from typing import Any

import numpy as np
from fewbit.formats import Format
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
    Window,
    clip_order,
)
from network_drafts import FOREVER, Block, Draft, Tensor, random_shape, spread
from numpy.typing import NDArray


def random_program(seed: int, layers: int | None = None, side: int = 7, **fields: Any) -> Program:
    """A valid program of 2 to 7 records; the same for the same arguments.

    Parameters
    ----------
    layers: of the network; a layer whose result is concatenated is two records
    side: most pixels of an image's height and width, 3 or more
    fields: those of ``NetworkShape`` that are given; ``terms`` and ``pooled`` are what the program needs unless given
    """
    random = np.random.default_rng([seed, 18])
    shape = random_shape(random, **fields)
    return _Maker(random, shape, side).program(int(random.integers(2, 6)) if layers is None else layers, seed, fields)


def random_images(program: Program, seed: int, count: int) -> NDArray[np.uint8]:
    """Images for it, (count, height, width, channels): the first all of the least byte, the second of the greatest."""
    image = program.image
    coded = {"activation": image.activation_codes, "between": image.between_codes}
    bare = [name for name, codes in coded.items() if getattr(image, name) is not None and not codes]
    codes = list(getattr(program.shape, bare[0]).codes) if bare else list(range(256))
    shape = (count, image.height, image.width, image.channels)
    images = np.random.default_rng([seed, 81]).choice(np.array(codes, dtype=np.uint8), shape)
    images[:2] = np.array([codes[0], codes[-1]], dtype=np.uint8)[: len(images), None, None, None]
    return images


class _Maker:
    """Makes a program, layer after layer."""

    def __init__(self, random: np.random.Generator, shape: NetworkShape, side: int):
        self.random, self.shape = random, shape
        self.height, self.width = (int(size) for size in random.integers(3, side + 1, 2))
        self.blocks: list[Block] = []
        self.tensors: dict[str, list[Tensor]] = {"activation": [], "between": []}
        self.drafts: list[Draft] = []
        self.moves = False  # whether the image is written over
        self.tables: list[tuple[str, bytes]] = []
        self.parameters: list[list[int]] = []

    def program(self, layers: int, seed: int, fields: dict[str, Any]) -> Program:
        image = self._image()
        for _ in range(layers - 1):
            self._layer(last=False)
        self._layer(last=True)
        resident = self.chance(0.5) and not self.moves
        for tensor in image.values():
            if resident:
                tensor.block.last = FOREVER
        words = {memory: self._place(memory) for memory in ("activation", "between")}
        shape = replace(self.shape, **self._needs(fields))
        records, weights = self._records(shape)
        last = records[-1]
        written = [
            (tensor, reader)
            for tensor in image.values()
            for reader, draft in enumerate(self.drafts)
            if draft.source.block is tensor.block
            or (draft.residual is not None and draft.residual.block is tensor.block)
        ]
        channels = sum(next(iter(image.values())).channels)
        return Program(
            f"random{seed}",
            shape,
            tuple(records),
            bytes(weights),
            tuple(self._parameter(shape, *parameter) for parameter in self.parameters),
            Image(
                self.height,
                self.width,
                channels,
                *(image[name].view if name in image else None for name in ("activation", "between")),
                *(self._byte_codes(name, image, channels) for name in ("activation", "between")),
                resident=resident,
                free_after=max(reader for _, reader in written),
            ),
            Answer(last.height, last.width, last.channels, (0.5,) * last.channels, self.chance(0.5)),
            words["activation"],
            words["between"],
            tuple(table for _, table in self.tables),
            tuple(memory for memory, _ in self.tables),
        )

    def chance(self, probability: float) -> bool:
        return bool(self.random.random() < probability)

    def number(self, least: int, most: int) -> int:
        """Any integer from the least to the greatest, both among them."""
        span = most - least + 1
        return least + (int(self.random.integers(0, 1 << 62)) * span >> 62)

    def code(self, format: Format, count: int) -> list[int]:
        return [int(code) for code in self.random.choice(list(format.codes), count)]

    def format(self, memory: str) -> Format:
        return self.shape.activation if memory == "activation" else self.shape.between

    def codes_a_word(self, memory: str) -> int:
        return self.shape.lanes if memory == "activation" else self.shape.outputs

    def _tensor(self, memory: str, height: int, width: int, channels: int, born: int) -> Tensor:
        """A new tensor in a block of its own."""
        codes = self.codes_a_word(memory)
        words = -(-channels // codes)
        block = Block(memory, height * width, words, born, born)
        self.blocks.append(block)
        real = [place < channels for place in range(words * codes)]
        tensor = Tensor(block, height, width, 0, words, real)
        self.tensors[memory].append(tensor)
        return tensor

    def _concatenated(self, memory: str, height: int, width: int, counts: list[int], born: int) -> list[Tensor]:
        """New tensors side by side in one block, which is a tensor as well."""
        codes = self.codes_a_word(memory)
        sizes = [-(-channels // codes) for channels in counts]
        block = Block(memory, height * width, sum(sizes), born, born + len(counts) - 1)
        self.blocks.append(block)
        parts = []
        for place, (channels, size) in enumerate(zip(counts, sizes, strict=True)):
            real = [index < channels for index in range(size * codes)]
            parts.append(Tensor(block, height, width, sum(sizes[:place]), size, real))
        whole = Tensor(block, height, width, 0, sum(sizes), [real for part in parts for real in part.channels])
        self.tensors[memory] += [*parts, whole, whole]
        return parts

    def _image(self) -> dict[str, Tensor]:
        channels = self.number(1, 4)
        names = [("activation",), ("between",), ("activation", "between")][self.number(0, 2)]
        return {name: self._tensor(name, self.height, self.width, channels, -1) for name in names}

    def _byte_codes(self, memory: str, image: dict[str, Tensor], channels: int) -> bytes:
        if memory not in image or (len(image) == 1 and self.chance(0.3)):
            return b""
        return bytes(self.code(self.format(memory), 256 * channels))

    def _layer(self, last: bool) -> None:
        """One record, or two that read the same pixels and whose results are concatenated."""
        sources = self.tensors["activation"]
        pooled = [tensor for tensor in self.tensors["between"] if tensor.plain]
        pool = bool(pooled) and (not sources or self.chance(0.3))
        choice = pooled if pool else sources
        source = choice[-1 - int(self.random.integers(0, min(4, len(choice))) * self.random.integers(0, 2))]
        window, height, width = self._window(source, pool)
        counts = [self._channels(source, pool)]
        residual = None if last else self._residual(height, width, counts[0] if pool else None)
        if residual is not None:
            counts = [residual.plain or 0]
        in_place = residual is not None and residual.block.words == residual.words and self.chance(0.4)
        if not last and residual is None and self.chance(0.25):
            counts.append(self._channels(source, pool))
        names = () if last else [("activation",), ("between",), ("activation", "between")][self.number(0, 2)]
        born = len(self.drafts)
        targets = {}
        for name in names:
            if len(counts) > 1:
                targets[name] = self._concatenated(name, height, width, counts, born)
            elif name == "between" and residual is not None and in_place and residual.block is not source.block:
                self.moves |= residual.block.born < 0
                targets[name] = [residual]
            else:
                targets[name] = [self._tensor(name, height, width, counts[0], born)]
        for place, channels in enumerate(counts):
            written = {name: parts[place] for name, parts in targets.items()}
            self._record(source, window, (height, width, channels), written, residual, pool)

    def _window(self, source: Tensor, pool: bool) -> tuple[Window, int, int]:
        """A window, and the size of its result."""
        if self.chance(0.15):
            return Window(source.height, source.width), 1, 1
        same = self.chance(0.5)
        sizes: dict[str, int] = {}
        result = []
        for axis, size in (("y", source.height), ("x", source.width)):
            kernel = int(self.random.choice((1, 3))) if same else self.number(1, min(3, size))
            dilation = 1 if pool else self.number(1, 2)
            stride = 1 if same else self.number(1, 2)
            reach = (kernel - 1) * dilation
            pad = reach // 2 if same else self.number(0, min(reach, size if pool else reach))
            behind = pad if same else self.number(0, pad)
            if size + pad + behind < reach + 1:
                kernel, dilation, pad, behind, reach = 1, 1, 0, 0, 0
            sizes |= {
                f"kernel_{axis}": kernel,
                f"dilation_{axis}": dilation,
                f"stride_{axis}": stride,
                f"pad_{axis}": pad,
            }
            result.append((size + pad + behind - reach - 1) // stride + 1)
        return Window(**sizes), result[0], result[1]

    def _channels(self, source: Tensor, pool: bool) -> int:
        return source.plain or 1 if pool else self.number(1, 2 * self.shape.columns + 1)

    def _residual(self, height: int, width: int, channels: int | None) -> Tensor | None:
        """A tensor of that size to add: of so many channels, or of any where that is None."""
        found = [
            tensor
            for tensor in self.tensors["between"]
            if (tensor.height, tensor.width) == (height, width) and tensor.plain and channels in (None, tensor.plain)
        ]
        return found[self.number(0, len(found) - 1)] if found and self.chance(0.7) else None

    def _record(
        self,
        source: Tensor,
        window: Window,
        size: tuple[int, int, int],
        targets: dict[str, Tensor],
        residual: Tensor | None,
        pool: bool,
    ) -> None:
        index = len(self.drafts)
        height, width, channels = size
        source.block.last = max(source.block.last, index)
        between = self.shape.between
        draft = Draft({}, source, targets, residual=residual)
        points = list(range(between.min_integer, between.max_integer + 1)) if self.shape.zero_points else [0]
        if residual is not None:
            residual.block.last = max(residual.block.last, index)
            draft.residual_zero = int(self.random.choice(points))
        step = self.number(0, 1)
        draft.fields = {
            "name": f"{'pool' if pool else 'product'}{index}",
            "window": window,
            "height": height,
            "width": width,
            "channels": channels,
            "parameters": len(self.parameters),
            "parameter_step": step,
        }
        if pool:
            kind = str(self.random.choice(("sum", "max")))
            draft.fields |= {"kind": kind, "zero": int(self.random.choice(points))}
            magnitude = max(1, spread(between) * (isqrt(window.taps) if kind == "sum" else 1))
        else:
            magnitude = self._product(draft, source, window, channels)
        for name in targets:
            draft.outputs[name] = self._output(name, magnitude, residual is not None)
        for _ in range(channels if step else 1):
            multipliers = [self._multiplier() for _ in range(2)]
            extreme = self.chance(0.05)
            bias = int(self.random.choice((-1, 1))) * (1 << 200) if extreme else self.number(-magnitude, magnitude)
            self.parameters.append([bias, *multipliers])
        self.drafts.append(draft)

    def _multiplier(self) -> int:
        most = (1 << self.shape.multiplier_bits) - 1
        return int(self.random.choice((0, 1, most))) if self.chance(0.15) else self.number((most + 1) // 2, most)

    def _product(self, draft: Draft, source: Tensor, window: Window, channels: int) -> int:
        """Choose groups and weights; the result is how great sums are."""
        shape = self.shape
        tiles = -(-channels // shape.columns)
        words, step, each = source.words, 0, self.number(1, tiles)
        steps = -(-tiles // each)
        if steps > 1 and source.words > 1 and self.chance(0.7):
            step = self.number(1, max(1, (source.words - 1) // (steps - 1)))
            words = source.words - (steps - 1) * step
            if words < 1:
                words, step = source.words, 0
            words = self.number(1, words)
        draft.fields |= {
            "words": words,
            "tile_step": step,
            "tiles_a_step": each,
            "pad": self.code(shape.activation, 1)[0],
        }
        zero = shape.weight.zero_code
        sparse = self.chance(0.3)
        for tile in range(tiles):
            first = (tile // each) * step
            for _ in range(window.taps):
                for word in range(first, first + words):
                    real = source.channels[word * shape.lanes : (word + 1) * shape.lanes]
                    codes = self.code(shape.weight, shape.columns * shape.lanes)
                    for place, code in enumerate(codes):
                        dropped = not real[place % shape.lanes] or (sparse and self.chance(0.8))
                        draft.weights.append(zero if dropped else code)  # type: ignore[arg-type]
        terms = max(1, window.taps * words * shape.lanes // (5 if sparse else 1))
        return max(1, spread(shape.weight) * spread(shape.activation) * isqrt(terms))

    def _output(self, memory: str, magnitude: int, residual: bool) -> dict[str, Any]:
        """How sums of that magnitude become codes that are not all of them zero or the greatest."""
        shape = self.shape
        table = None
        format = self.format(memory)
        if self.chance(0.25):
            table = self._table(memory)
            format = shape.between
        scaled = magnitude << shape.multiplier_bits - 1
        wanted = max(1, int(format.max_finite))
        shift = max(0, min(63, (scaled // wanted).bit_length() - 1 + self.number(-1, 2)))
        order = sorted(format.codes, key=lambda code: clip_order(format, code))
        low, high = sorted(self.number(0, len(order) - 1) for _ in range(2))
        if self.chance(0.4):
            low, high = 0, len(order) - 1
        elif self.chance(0.4):
            low, high = order.index(format.zero_code or 0), len(order) - 1
        entries = self.format(memory)
        whole = sorted(entries.codes, key=lambda code: clip_order(entries, code))
        clip = (whole[0], whole[-1]) if table is not None else (order[low], order[high])
        fields: dict[str, Any] = {"shift": shift, "low": clip[0], "high": clip[1], "table": table}
        if shape.zero_points and self.chance(0.8):
            fields["zero_point"] = self.number(format.min_integer, format.max_integer)
        if residual:
            shifts = [most for most in shape.residual_shifts if 1 << most <= max(1, scaled // spread(shape.between))]
            fields |= {"multiplier": self._multiplier(), "residual_shift": (shifts or shape.residual_shifts)[-1]}
        return fields

    def _table(self, memory: str) -> int:
        if self.tables and self.chance(0.4):
            for number, (known, _) in enumerate(self.tables):
                if known == memory:
                    return number
        codes = self.code(self.format(memory), 1 << self.shape.between.width)
        self.tables.append((memory, bytes(codes)))
        return len(self.tables) - 1

    def _place(self, memory: str) -> int:
        """Give every block of a memory the lowest place where nothing lives with it; the memory's words."""
        blocks = sorted((block for block in self.blocks if block.memory == memory), key=lambda block: block.born)
        placed: list[Block] = []
        for block in blocks:
            alive = [other for other in placed if other.last >= block.born and block.last >= other.born]
            size = block.pixels * block.words
            places = [0, *(other.base + other.pixels * other.words for other in alive)]
            block.base = min(
                place
                for place in places
                if all(
                    place + size <= other.base or other.base + other.pixels * other.words <= place for other in alive
                )
            )
            placed.append(block)
        return max((block.base + block.pixels * block.words for block in placed), default=1)

    def _needs(self, fields: dict[str, Any]) -> dict[str, int]:
        """The fewest terms and pooled pixels that do, unless they are given."""
        terms = [
            draft.fields["window"].taps * draft.fields["words"] * self.shape.lanes
            for draft in self.drafts
            if "words" in draft.fields
        ]
        pooled = [draft.fields["window"].taps for draft in self.drafts if draft.fields.get("kind") == "sum"]
        needs = {"terms": max(terms, default=1), "pooled": max(pooled, default=1)}
        return {name: need for name, need in needs.items() if name not in fields}

    def _parameter(self, shape: NetworkShape, bias: int, activation: int, between: int) -> Parameter:
        form = shape.bias
        return Parameter(min(max(bias, form.min_integer), form.max_integer), activation, between)

    def _records(self, shape: NetworkShape) -> tuple[list[Product | Pool], list[int]]:
        records: list[Product | Pool] = []
        weights: list[int] = []
        word = shape.columns * shape.lanes
        for draft in self.drafts:
            outputs = {name: Output(draft.targets[name].view, **fields) for name, fields in draft.outputs.items()}
            residual = None if draft.residual is None else Residual(draft.residual.view, draft.residual_zero)
            fields = {**draft.fields, **outputs, "source": draft.source.view, "residual": residual}
            if "kind" in draft.fields:
                records.append(Pool(**fields))
            else:
                records.append(Product(**fields, weights=len(weights) // word))
                weights += draft.weights
        return records, weights
