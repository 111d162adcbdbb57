"""A program is executed on its two memories, record by record, for some images at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...formats.network import Pool, Product, Program, Record
from .inputs import check_images
from .outputs import Scaling
from .sums import Multiply, PoolSums, ProductSums
from .tensors import BatchMemory, Words, as_kind, exact_kind, integer_table

__all__ = ["NetworkModel", "Watch", "network_answers"]

Array = NDArray[Any]
Watch = Callable[[int, int, str, Words], None]
"""Is called with the number of the first image, a record's number (-1 for the images themselves), the memory's name
and the codes written, (images, height, width, channels)."""

CACHE = 1 << 22
"""Bytes of temporaries for the images that are computed at once."""


class NetworkModel:
    """A program with all that can be prepared once: weights unpacked, scales and tables as arrays.

    Parameters
    ----------
    program: what is executed
    multiply: makes the sums of products in the model's place; None for nothing
    """

    def __init__(self, program: Program, multiply: Multiply | None = None):
        self.program = program
        self.steps = [_Step(program, record, multiply) for record in program.records]
        image = program.image
        views = [view for view in (image.activation, image.between) if view is not None]
        for record in program.records:
            views += [record.source, *(output.view for output in record.outputs)]
            views += [] if record.residual is None else [record.residual.view]
        self.pitch = max(view.pitch for view in views)
        self.tables: dict[str, Array | None] = {}
        self.scratch = max(step.scratch for step in self.steps)
        for name, codes in (("activation", image.activation_codes), ("between", image.between_codes)):
            table = np.frombuffer(codes, np.uint8).reshape(image.channels, 256) if codes else None
            self.tables[name] = table

    def answers(self, images: ArrayLike, watch: Watch | None = None) -> Array:
        """The sums that the last record gives the host, (n, height, width, channels), as ``network_answers`` tells."""
        bytes_in = check_images(self.program, images)
        answer = self.program.answer
        form = self.program.shape.sum
        kind = np.int64 if form.width - form.signed < 64 else object
        sums = np.empty((len(bytes_in), answer.height, answer.width, answer.channels), dtype=kind)
        each = max(1, CACHE // self.scratch)
        for start in range(0, len(bytes_in), each):
            part = slice(start, start + each)
            sums[part] = self._run(bytes_in[part], start, watch)
        return sums

    def _run(self, images: Words, start: int, watch: Watch | None) -> Array:
        program = self.program
        memories = {
            "activation": BatchMemory(len(images), program.activation_words, program.shape.lanes, self.pitch),
            "between": BatchMemory(len(images), program.between_words, program.shape.outputs, self.pitch),
        }
        channels = program.image.channels
        for name, memory in memories.items():
            view = getattr(program.image, name)
            if view is not None:
                table = self.tables[name]
                codes = images if table is None else table[np.arange(channels), images]
                memory.tensor(view)[..., :channels] = codes
                if watch is not None:
                    watch(start, -1, name, codes)
        for number, step in enumerate(self.steps):
            sums, written = step(memories)
            if watch is not None:
                for name, codes in written.items():
                    watch(start, number, name, codes)
        return sums


class _Step:
    """A record, prepared."""

    def __init__(self, program: Program, record: Record, multiply: Multiply | None):
        shape = program.shape
        self.record = record
        self.sums: ProductSums | PoolSums
        if isinstance(record, Product):
            self.reads, self.sums = "activation", ProductSums(program, record, multiply)
        else:
            assert isinstance(record, Pool)
            self.reads, self.sums = "between", PoolSums(program, record)
        channels = record.channels if record.parameter_step else 1
        bias = [parameter.bias for parameter in program.parameters[record.parameters : record.parameters + channels]]
        bound = self.sums.bound + max(map(abs, bias))
        self.kind = exact_kind(bound)
        self.bias = np.array(bias, dtype=self.kind)
        residual_bound = 0
        if record.residual is not None:
            integers = integer_table(shape.between, object) - record.residual.zero
            residual_bound = max(map(abs, integers))
            self.residual = integers.astype(exact_kind(residual_bound))
        self.scalings = {
            name: Scaling(program, record, output, name, bound, residual_bound)
            for name, output in (("activation", record.activation), ("between", record.between))
            if output is not None
        }
        self.scratch = self.sums.scratch + 32 * record.pixels * record.channels

    def __call__(self, memories: dict[str, BatchMemory]) -> tuple[Array, dict[str, Words]]:
        """The sums with their bias, and the codes that were written, by the memory's name."""
        record = self.record
        sums = as_kind(self.sums(memories[self.reads].tensor(record.source)), self.kind) + self.bias
        residual = None
        if record.residual is not None:
            codes = memories["between"].tensor(record.residual.view)[..., : record.channels]
            residual = self.residual[codes]
        written = {name: scaling(sums, residual) for name, scaling in self.scalings.items()}
        for name, codes in written.items():
            memories[name].tensor(self.scalings[name].output.view)[..., : record.channels] = codes
        return sums, written


def network_answers(program: Program, images: ArrayLike, watch: Watch | None = None) -> Array:
    """The sums that an accelerator gives the host for images, (n, height, width, channels), each an exact integer.

    They are int64, or Python's integers where the form of sums has more bits. Everything is computed as the records'
    docstrings tell, in nothing but integers or floats that hold them exactly.

    Parameters
    ----------
    program: what the accelerator runs
    images: uint8, (n, height, width, channels), bytes as ``Image`` tells
    watch: is called with every tensor that is written, as ``Watch`` tells; None for nothing

    Raises ValueError where images are of another type or shape, or are to be codes and are none.
    """
    return NetworkModel(program).answers(images, watch)
