"""A plan becomes a program: scales as multipliers and a shift, biases as integers, all weights in their order."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format, Integer
from ...formats.network import Answer, NetworkShape, Output, Parameter, Pool, Product, Program, Record, Residual, Window
from ...formats.network.shape import MAX_TERMS
from ..network import grid
from ..quantization.as_it_came import rounded
from ..quantization.block_layer import BlockLayer
from ..quantization.quantize import QuantizedLayer
from .images import ByteScale, image_of, shortest
from .multipliers import dyadic, residual_shifts
from .plan import RecordEntry, RecordPlan
from .reading import Reading
from .request import ShapeRequest
from .searched import Searched
from .slots import ACTIVATION, BETWEEN, TensorScale
from .steps import AffineStep, PoolStep, ProductStep
from .sums import Sum, sum_of
from .uniform import moved_into, plain_layers, uniform
from .weights import PackedWeights, packed
from .writes import Write, writes_of

__all__ = ["Records"]

Array = NDArray[Any]


class Records:
    """Makes the records of one program, and knows the scales of its tensors.

    Parameters
    ----------
    reading: the network
    layers: quantized, by name
    request: what the accelerator is asked to be
    values: of tensors that cross between layers
    scale_format: of their scales
    byte_scale: of the input, if it is bytes
    """

    def __init__(
        self,
        reading: Reading,
        layers: Mapping[str, QuantizedLayer | BlockLayer],
        request: ShapeRequest,
        values: dict[str, Array],
        scale_format: Format,
        byte_scale: ByteScale | None,
    ):
        names = [step.layer.name for step in reading.steps if isinstance(step, ProductStep)]
        self._reading, self._request, self._byte_scale = reading, request, byte_scale
        self._layers, self._spans = uniform(plain_layers(names, layers))
        self._arithmetic = next(iter(self._layers.values())).arithmetic
        self._asked = NetworkShape(
            self._arithmetic.weight,
            self._arithmetic.activation,
            request.between,
            rows=request.rows,
            columns=request.columns,
            lanes=request.lanes,
            outputs=request.outputs,
            multiplier_bits=request.multiplier_bits,
            element=self._arithmetic.element,
        )
        self._rounded = rounded(reading.graph)
        self._between = Searched(values, request.between, scale_format)
        self._operands = Searched(values, self._arithmetic.activation, scale_format)
        self._read: dict[tuple[int, Any], TensorScale] = {}

    def activation(self, step: ProductStep | AffineStep) -> TensorScale:
        """Of what a layer reads, as its quantization has it; a tensor has the same in another shape."""
        if isinstance(step, AffineStep):
            return self._of(step.source.tensor, self._arithmetic.activation, self._operands)
        layer = self._layers[step.layer.name]
        own = TensorScale(np.asarray(layer.divisor, np.float64), layer.zero_point, self._spans[layer.layer.name])
        alone = np.ndim(layer.divisor) or self._reading.graph.quantized
        return own if alone else self._read.setdefault((id(step.source.step), step.source.function.key), own)

    def between(self, tensor: str) -> TensorScale:
        """Of a tensor in the format between layers."""
        return self._of(tensor, self._request.between, self._between)

    def _of(self, tensor: str, format: Format, searched: Searched) -> TensorScale:
        """That of the quantizer which a tensor came with, if the format has all its integers; else one that is
        searched."""
        quantizer = self._rounded.get(tensor)
        if quantizer is not None and isinstance(quantizer.format, Integer) and isinstance(format, Integer):
            found = moved_into(quantizer.format, quantizer.zero_point, format)
            if found is not None:
                return TensorScale(np.asarray(quantizer.scale.reshape(()), np.float64), *found)
        return TensorScale(np.asarray(searched.unit(tensor), np.float64))

    def program(self, plan: RecordPlan, words: Mapping[str, int], name: str) -> Program:
        """The program of a plan whose buffers are placed, in memories of so many words."""
        formats = {ACTIVATION: self._arithmetic.activation, BETWEEN: self._request.between}
        records = plan.entries[1:]
        sums = [sum_of(entry, self._layers, self._arithmetic, self._request.between) for entry in records]
        written = [
            writes_of(entry, total, formats, self._request.between, self._between)
            for entry, total in zip(records, sums, strict=True)
        ]
        products = [self._packed(entry, total) for entry, total in zip(records, sums, strict=True)]
        biases = [bias for _, bias in written]
        shape = self._shape(plan, [writes for writes, _ in written], products, biases)
        made = _Assembly(shape)
        found = [
            made.record(*parts)
            for parts in zip(records, (writes for writes, _ in written), biases, products, strict=True)
        ]
        last, scales = records[-1], sums[-1].unit.astype(np.float32)
        size = (last.line.step.height, last.line.step.width, len(last.channels))
        flat = len(self._reading.result[0]) == 1
        return Program(
            name,
            shape,
            tuple(found),
            bytes(made.weights),
            tuple(made.parameters),
            replace(
                image_of(plan.entries[0], shape, self._byte_scale),
                resident=_resident(plan, shape),
                free_after=_last_reader(plan),
            ),
            Answer(*size, shortest(scales), flat),
            words[ACTIVATION],
            words[BETWEEN],
            tuple(table for table, _ in made.tables),
            tuple(memory for _, memory in made.tables),
        )

    def _packed(self, entry: RecordEntry, total: Sum) -> PackedWeights | None:
        if total.weights is None:
            return None
        assert entry.source is not None
        return packed(
            total.weights,
            entry.source.channels,
            entry.channels,
            self._request.columns,
            self._request.lanes,
            self._arithmetic.weight.filler,
        )

    def _shape(
        self, plan: RecordPlan, writes: list[list[Write]], products: list[PackedWeights | None], biases: list[Array]
    ) -> NetworkShape:
        bits = self._asked.multiplier_bits
        spans = [write.factors.span(bits) for each in writes for write in each if write.factors.residual]
        bases = [entry.line.base for entry in plan.entries]
        pooled = [base.window.taps for base in bases if isinstance(base, PoolStep) and base.kind == "sum"]
        zeros = [slot.place.scale.zero for entry in plan.entries for slot in entry.slots]
        shape = replace(
            self._asked,
            terms=max(map(_terms, plan.entries[1:], products, repeat(self._asked.lanes))),
            residual_shifts=residual_shifts(spans),
            zero_points=any(zeros),
            pooled=max(pooled, default=1),
        )
        for entry, bias in zip(plan.entries[1:], biases, strict=True):
            while np.abs(bias).max(initial=0) > shape.bias.max_integer:
                if 2 * shape.terms > MAX_TERMS:
                    raise ValueError(
                        f"bias must be one that a sum can hold, not {np.abs(bias).max():g} units in "
                        f"{entry.line.step.name!r}"
                    )
                shape = replace(shape, terms=2 * shape.terms)
        return shape


class _Assembly:
    """Makes records one after the other, and gathers what they share."""

    def __init__(self, shape: NetworkShape):
        self._shape = shape
        self.weights = bytearray()
        self.parameters: list[Parameter] = []
        self.tables: list[tuple[bytes, str]] = []

    def record(self, entry: RecordEntry, writes: list[Write], bias: Array, product: PackedWeights | None) -> Record:
        shape, base = self._shape, entry.line.base
        assert entry.source is not None
        outputs, multipliers = {}, {}
        for write in writes:
            memory = write.slot.memory
            outputs[memory], multipliers[memory] = self._output(write)
        first, step = self._parameters(entry.channels, bias, multipliers)
        fields: dict[str, Any] = {
            "name": base.layer.name if isinstance(base, ProductStep) else base.name,
            "window": base.window if isinstance(base, ProductStep | PoolStep) else Window(),
            "channels": len(entry.channels),
            "height": entry.line.step.height,
            "width": entry.line.step.width,
            "parameters": first,
            "parameter_step": step,
            "activation": outputs.get(ACTIVATION),
            "between": outputs.get(BETWEEN),
        }
        if entry.residual is not None:
            fields["residual"] = Residual(entry.residual.view(shape.outputs), entry.residual.scale.zero)
        if product is None:
            assert isinstance(base, PoolStep)
            zero = entry.source.scale.zero
            return Pool(source=entry.source.view(shape.outputs), kind=base.kind, zero=zero, **fields)
        address = len(self.weights) // (shape.columns * shape.lanes)
        self.weights += product.codes
        pad = int(grid.codes(np.array([float(entry.source.scale.zero)]), shape.activation)[0])
        return Product(
            source=entry.source.view(shape.lanes),
            weights=address,
            words=product.words,
            tile_step=product.tile_step,
            tiles_a_step=product.tiles_a_step,
            pad=pad,
            **fields,
        )

    def _output(self, write: Write) -> tuple[Output, list[int]]:
        shape, memory = self._shape, write.slot.memory
        codes = shape.lanes if memory == ACTIVATION else shape.outputs
        shift, multipliers, multiplier, left = dyadic(write.factors, shape.multiplier_bits, shape.residual_shifts)
        table = None
        if write.table is not None:
            known = (write.table, memory)
            if known not in self.tables:
                self.tables.append(known)
            table = self.tables.index(known)
        # with a table the zero point is in its entries
        zero = write.slot.place.scale.zero if table is None else 0
        view = write.slot.place.view(codes)
        return Output(view, shift, write.low, write.high, multiplier, left, zero, table), multipliers

    def _parameters(self, channels: Array, bias: Array, multipliers: Mapping[str, list[int]]) -> tuple[int, int]:
        """The first parameter of a record, and 1, or 0 where all channels have the same."""
        whole = [int(each) for each in bias]
        parts = [multipliers.get(memory, [0] * len(whole)) for memory in (ACTIVATION, BETWEEN)]
        own = [Parameter(*numbers) for numbers in zip(whole, *parts, strict=True)]
        first = len(self.parameters)
        if len({*own}) == 1:
            self.parameters.append(own[0])
            return first, 0
        self.parameters += [own[channel] if channel >= 0 else Parameter(0, 0, 0) for channel in channels]
        return first, 1


def _terms(entry: RecordEntry, product: PackedWeights | None, lanes: int) -> int:
    """Products of a sum, with those of a word that have weights of 0."""
    base = entry.line.base
    taps = base.window.taps if isinstance(base, ProductStep) else 1
    return 1 if product is None else taps * product.words * lanes


def _last_reader(plan: RecordPlan) -> int:
    """The place of the last record that reads the input."""
    own = {id(slot.place.buffer) for slot in plan.entries[0].slots}
    read = [
        number
        for number, entry in enumerate(plan.entries[1:])
        for place in (entry.source, entry.residual)
        if place is not None and id(place.buffer) in own
    ]
    return max(read)


def _resident(plan: RecordPlan, shape: NetworkShape) -> bool:
    """Whether no record writes where the input lies."""
    codes = {ACTIVATION: shape.lanes, BETWEEN: shape.outputs}
    own = [slot.place.buffer for slot in plan.entries[0].slots]
    return not any(
        buffer.overlaps(other, codes[buffer.memory]) for buffer in own for other in plan.buffers if other is not buffer
    )
