"""Lines become records: which tensors are written where, by whom they are read, and what is copied in between."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .functions import Function
from .lines import Line
from .reading import Reading
from .slots import ACTIVATION, BETWEEN, Place, Slot, TensorBuffer, TensorScale
from .steps import AffineStep, ConcatStep, InputStep, PoolStep, ProductStep, TensorStep, Value

__all__ = ["RecordEntry", "RecordPlan", "Scales", "between_tensors", "plan"]

Array = NDArray[Any]


class Scales(Protocol):
    """What the tensors' scales are."""

    def activation(self, step: ProductStep | AffineStep) -> TensorScale:
        """Of what a layer reads."""

    def between(self, tensor: str) -> TensorScale:
        """Of a tensor in the format between layers."""


@dataclass(eq=False)
class RecordEntry:
    """A record to be: a line, what it reads, and what it writes; the input's is none.

    Members
    -------
    channels: for each channel of the record the channel of its line, or -1 for none
    slots: at most one for each memory; none where the sums go to the host
    """

    line: Line
    source: Place | None
    residual: Place | None
    channels: Array
    slots: list[Slot]

    def slot(self, memory: str) -> Slot | None:
        return next((slot for slot in self.slots if slot.memory == memory), None)


@dataclass(frozen=True, eq=False)
class RecordPlan:
    """``entries``: the input's first, then all records. ``buffers``: all that must be placed."""

    entries: list[RecordEntry]
    buffers: list[TensorBuffer]


def between_tensors(lines: Sequence[Line], reading: Reading) -> list[str]:
    """Names of all tensors that may be written in the format between layers, or that a function may be looked up of."""
    found = [*(line.step.tensor for line in lines), reading.last.tensor]
    for step in reading.steps:
        found += [value.tensor for value in step.sources]
    return [*dict.fromkeys(found)]


def plan(
    lines: Sequence[Line], reading: Reading, scales: Scales, codes: Mapping[str, int], bytes_in: bool
) -> RecordPlan:
    """The records of these lines.

    ``codes``: of a word of each memory; concatenated tensors begin with a word each. ``bytes_in``: whether the input is
    bytes with a table for each channel, or codes.

    Raises ValueError where tensors that are added lie in different ways.
    """
    return _Planner(lines, reading, scales, codes, bytes_in).plan()


@dataclass(eq=False)
class _Planner:
    lines: Sequence[Line]
    reading: Reading
    scales: Scales
    codes: Mapping[str, int]
    bytes_in: bool
    buffers: list[TensorBuffer] = field(default_factory=list)

    def plan(self) -> RecordPlan:
        self._same = Function(self.reading.graph)
        self._by_step = {id(line.step): line for line in self.lines}
        self._slots: dict[int, list[Slot]] = {id(line.step): [] for line in self.lines}
        self._channels: dict[tuple[int, str], Array] = {}
        self._wholes: dict[tuple[Any, ...], Place] = {}
        wanted = [*self._wanted()]
        self._names = self._shared_names(wanted)
        # concatenations first, so that who reads a part alone finds it in them
        places: dict[int, Place] = {}
        for place, (value, memory, scale) in sorted(
            enumerate(wanted), key=lambda each: not isinstance(each[1][0].step, ConcatStep)
        ):
            places[place] = self._place(value, memory, scale)
        sources = iter(range(len(wanted)))
        entries: list[RecordEntry] = []
        for line in self.lines:
            source = places[next(sources)] if line.source is not None else None
            residual = places[next(sources)] if line.residual is not None else None
            entries += self._entries(line, source, residual)
        entries += self._ending(places.get(next(sources, -1)))
        for number, entry in enumerate(entries, -1):
            for read in filter(None, (entry.source, entry.residual)):
                read.buffer.last = max(read.buffer.last, number)
            for slot in entry.slots:
                slot.place.buffer.first = min(slot.place.buffer.first, number)
                slot.place.buffer.last = max(slot.place.buffer.last, number)
        for number, entry in enumerate(entries, -1):
            _share(entry, number)
        return RecordPlan(entries, self.buffers)

    def _wanted(self) -> Iterator[tuple[Value, str, TensorScale | None]]:
        """All that is read, in the order of the lines; None for a scale that is still to be found."""
        for line in self.lines:
            if isinstance(line.base, ProductStep | AffineStep):
                yield line.base.source, ACTIVATION, self.scales.activation(line.base)
            elif line.source is not None:
                yield line.source, BETWEEN, None
            if line.residual is not None:
                yield line.residual, BETWEEN, None
        last = self.reading.last
        if isinstance(last, ConcatStep) or self._by_step[id(last)].residual is not None:
            yield self._bare(last), BETWEEN, None

    def _bare(self, step: TensorStep) -> Value:
        return Value(step, self._same, step.tensor, ())

    def _copy(self, step: TensorStep) -> Line:
        size = (step.channels, step.height, step.width)
        return Line(step, PoolStep(step.name, step.tensor, *size, step.place, source=self._bare(step)))

    def _shared_names(self, wanted: Sequence[tuple[Value, str, TensorScale | None]]) -> dict[tuple[Any, ...], str]:
        """For the parts of concatenations between layers the name of the whole, whose scale they have."""
        found: dict[tuple[Any, ...], str] = {}
        for value, memory, _ in wanted:
            if memory == BETWEEN and isinstance(value.step, ConcatStep):
                for part in _parts(value):
                    found.setdefault((id(part.step), part.function.key), value.tensor)
        return found

    def channels(self, step: TensorStep, memory: str = BETWEEN) -> Array:
        """Of a step's result, for each code of a pixel the channel, or -1. It is the same in both memories, except for
        concatenations."""
        key = (id(step), memory)
        if key not in self._channels:
            self._channels[key] = self._arranged(step, memory)
        return self._channels[key]

    def _arranged(self, step: TensorStep, memory: str) -> Array:
        if isinstance(step, ConcatStep):
            found, before = np.empty(0, np.int64), 0
            for part in step.parts:
                found = _filled(found, self.codes[memory])
                own = self.channels(part.step, memory)
                found = np.append(found, np.where(own >= 0, own + before, -1))
                before += part.step.channels
            return found
        line = self._by_step[id(step)]
        source = line.source
        product = not isinstance(line.base, PoolStep)
        if product and line.residual is None:
            return np.arange(step.channels)
        assert source is not None
        first = None if product else self.channels(source.step)
        second = None if line.residual is None else self.channels(line.residual.step)
        order = second if first is None else first
        assert order is not None
        if first is not None and second is not None and not np.array_equal(first, second):
            raise ValueError(
                f"concatenated tensors that are added must have parts of whole words of {self.codes[BETWEEN]} "
                f"channels, not as in {line.step.name!r}"
            )
        return order

    def _place(self, value: Value, memory: str, scale: TensorScale | None) -> Place:
        if scale is None:
            key = (id(value.step), value.function.key)
            scale = self.scales.between(self._names.get(key, value.tensor))
        if not isinstance(value.step, ConcatStep):
            for slot in self._slots[id(value.step)]:
                same = (slot.memory, slot.function.key, slot.place.scale.key)
                if same == (memory, value.function.key, scale.key):
                    return slot.place
            return self._slot(value, self._buffer(value.step, memory), 0, scale).place
        known = (id(value.step), value.function.key, memory, scale.key)
        if known not in self._wholes:
            buffer = self._buffer(value.step, memory)
            start = 0
            for part in _parts(value):
                start = -(-start // self.codes[memory]) * self.codes[memory]
                self._slot(part, buffer, start, scale)
                start += len(self.channels(part.step))
            self._wholes[known] = Place(buffer, 0, self.channels(value.step, memory), scale)
        return self._wholes[known]

    def _buffer(self, step: TensorStep, memory: str) -> TensorBuffer:
        self.buffers.append(TensorBuffer(memory, step.height, step.width, len(self.channels(step, memory))))
        return self.buffers[-1]

    def _slot(self, value: Value, buffer: TensorBuffer, start: int, scale: TensorScale) -> Slot:
        slot = Slot(value.tensor, value.function, Place(buffer, start, self.channels(value.step), scale))
        self._slots[id(value.step)].append(slot)
        return slot

    def _entries(self, line: Line, source: Place | None, residual: Place | None) -> Iterator[RecordEntry]:
        """The record of a line, and copies where a tensor is wanted in more ways than a record writes."""
        channels = self.channels(line.step)
        slots = self._slots[id(line.step)]
        coded = isinstance(line.base, InputStep) and not self.bytes_in
        own, base = self._direct(line, slots, coded)
        yield RecordEntry(line, source, residual, channels, own)
        for slot in slots:
            if slot not in own:
                assert base is not None
                function = self._same if base.function.key == slot.function.key else slot.function
                yield RecordEntry(self._copy(line.step), base.place, None, channels, [replace(slot, function=function)])

    def _direct(self, line: Line, slots: list[Slot], coded: bool) -> tuple[list[Slot], Slot | None]:
        """What a line's own record writes, and the tensor that is copied from."""
        same = self._same.key
        read, crossing = ([slot for slot in slots if slot.memory == memory] for memory in (ACTIVATION, BETWEEN))
        if coded and len(slots) == 1 and slots[0].function.key == same:
            return slots, None
        if not coded and len(read) <= 1 and len(crossing) <= 1:
            return slots, None
        others = {slot.function.key for slot in (*read[1:], *crossing)}
        base = crossing[0] if crossing and len(others) == 1 and not coded else None
        if base is None:
            base = next((slot for slot in crossing if slot.function.key == same), None)
        if base is None:
            value = self._bare(line.step)
            if len(others) == 1 and not coded:
                value = replace(value, function=read[1].function, tensor=read[1].tensor)
            base = self._slot(value, self._buffer(line.step, BETWEEN), 0, self.scales.between(value.tensor))
        return [*([] if coded else read[:1]), base], base

    def _ending(self, place: Place | None) -> Iterator[RecordEntry]:
        """The record that gives to the host what is no line's own sum."""
        last = self.reading.last
        if np.any(self.channels(last) < 0):
            raise ValueError(
                f"concatenated tensors that go to the host must have parts of whole words of {self.codes[BETWEEN]} "
                f"channels, not as in {last.name!r}"
            )
        if place is not None:
            yield RecordEntry(self._copy(last), place, None, place.channels, [])


def _parts(value: Value) -> Iterator[Value]:
    """What a concatenated tensor's function is made of, in order: values of steps that are no concatenations."""
    assert isinstance(value.step, ConcatStep)
    for part in value.step.parts:
        own = replace(part, function=value.function.after(part.function))
        if isinstance(part.step, ConcatStep):
            yield from _parts(own)
        else:
            yield own


def _share(entry: RecordEntry, number: int) -> None:
    """Let a record write where its residual lies, if nothing reads that later."""
    slot, residual = entry.slot(BETWEEN), entry.residual
    if slot is None or residual is None:
        return
    own, other = slot.place.buffer, residual.buffer
    alone = own.first == number == other.last and own.codes == other.codes == len(entry.channels)
    if alone and entry.source is not None and other is not entry.source.buffer:
        own.within = other.whole
        other.whole.last = own.last


def _filled(channels: Array, codes: int) -> Array:
    """With -1 up to a whole word."""
    return np.append(channels, np.full(-len(channels) % codes, -1, np.int64))
