"""A network and a scheme become a program: records with scales, weights and tables, and addresses for all tensors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format
from ...formats.network import Program
from ...sim import answer_values, network_images
from ..network.graph import Graph, Segment
from ..network.network import Samples
from ..network.quantizer import Quantizer, is_quantizer
from ..quantization.block_layer import BlockLayer
from ..quantization.quantize import QuantizedLayer
from ..quantization.scheme import SCALE_FORMAT
from .images import ByteScale, byte_scale
from .lines import lines_of
from .placement import place
from .plan import between_tensors, plan
from .reading import Reading, read
from .records import Records
from .request import ShapeRequest
from .slots import ACTIVATION, BETWEEN
from .watch import watched

__all__ = ["Lowered", "Lowering"]

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Lowered:
    """A network's program, and what the host does before and after it.

    Members
    -------
    program: what the accelerator runs
    reading: the network
    """

    program: Program
    reading: Reading

    def images(self, inputs: Array) -> NDArray[np.uint8]:
        """The program's images (samples, height, width, channels) of the network's inputs (samples, ...).

        Raises ValueError as ``sim.network_images``.
        """
        return network_images(self.program, _channels_last(inputs, self.reading.input.axes))

    def outputs(self, sums: Array) -> Array:
        """The network's judged output of the program's sums (samples, height, width, channels)."""
        shape, axes = self.reading.result
        values = answer_values(self.program.answer, sums)
        letters = "".join(axes)
        order = [1 + "yxc".index(letter) for letter in [*letters, *(each for each in "yxc" if each not in letters)]]
        values = values.transpose(0, *order).reshape(len(values), *shape)
        tensors = {self.reading.last.tensor: values}
        for step in self._tail:
            tensors.update(zip(step.outputs, step.run(tensors), strict=True))
        return np.asarray(tensors[self.reading.graph.output])

    @cached_property
    def _tail(self) -> list[Segment | Quantizer]:
        graph = self.reading.graph
        return [
            Quantizer.of(node, graph.constant) if is_quantizer(node) else Segment([node], graph, [*node.output])
            for node in self.reading.tail
        ]


class Lowering:
    """A network that becomes programs, one for each scheme and each request.

    Parameters
    ----------
    graph: the network
    samples: of the calibration, by which scales are searched
    batch: how many of them are computed at a time
    known: more samples that the input's numbers are looked for in
    seed: of the choice of values

    Raises ValueError by operator and layer where the network has what no record computes.
    """

    def __init__(self, graph: Graph, samples: Samples, batch: int = 1, known: Sequence[Samples] = (), seed: int = 0):
        self.reading = read(graph, samples)
        entry = self.reading.input
        self._images = [_channels_last(each.inputs[entry.tensor], entry.axes) for each in (samples, *known)]
        self._samples, self._batch, self._seed = samples, batch, seed

    @cached_property
    def _values(self) -> dict[str, Array]:
        lines = lines_of(self.reading.steps, self.reading.last)
        names = between_tensors(lines, self.reading)
        return watched(self.reading.graph, self._samples, names, self._batch, self._seed)

    @cached_property
    def byte_scale(self) -> ByteScale | None:
        """Which numbers of the input bytes of images stand for; None where the input is no bytes."""
        return byte_scale(self._images)

    def lower(
        self,
        layers: Mapping[str, QuantizedLayer | BlockLayer],
        request: ShapeRequest = ShapeRequest(),  # noqa: B008  # frozen
        scale_format: Format = SCALE_FORMAT,
        name: str = "network",
    ) -> Lowered:
        """The program of quantized layers, see ``quantize``.

        ``scale_format``: of the scales of what crosses between layers.

        Raises ValueError where a layer cannot be computed with these formats and scales.
        """
        lines = lines_of(self.reading.steps, self.reading.last)
        records = Records(self.reading, layers, request, self._values, scale_format, self.byte_scale)
        codes = {ACTIVATION: request.lanes, BETWEEN: request.outputs}
        made = plan(lines, self.reading, records, codes, self.byte_scale is not None)
        if request.resident:
            for slot in made.entries[0].slots:
                slot.place.buffer.last = len(made.entries)
        words = {
            memory: place(
                [each for each in made.buffers if each.memory == memory and each.within is None], codes[memory]
            )
            for memory in (ACTIVATION, BETWEEN)
        }
        return Lowered(records.program(made, words, name), self.reading)


def _channels_last(inputs: Array, letters: Sequence[str]) -> Array:
    """(samples, ...) with dimensions of these axes, as (samples, height, width, channels)."""
    order = [1 + letters.index(letter) for letter in "yxc" if letter in letters]
    moved = inputs.transpose(0, *order)
    lacking = [1 + "yxc".index(letter) for letter in "yxc" if letter not in letters]
    return np.expand_dims(moved, lacking) if lacking else moved
