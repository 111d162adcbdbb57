"""A pipeline that stalls as a whole: where its consumer is not ready, all of its registers stand still."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, cast

from amaranth.hdl import Const, Module, Signal, Value

__all__ = ["Record", "Stages", "parts", "with_parts"]

Record = TypeVar("Record")
"""What a stage holds."""


class Stages:
    """The registers of a data path that all move in the cycles in which ``advance`` is up.

    What a stage holds is a *record*: a frozen dataclass whose fields are Values, further records, mappings of names to
    Values, or anything static (None, integers). A register has the name of its field, or of its key in a mapping.

    Parameters
    ----------
    m: module that gets the registers
    advance: whether this clock edge moves everything on by a stage
    valid: whether what comes in counts

    Attributes
    ----------
    valid: whether what is in the last stage so far counts
    complete: whether what comes in may be taken, where it has to wait for that
    latency: stages so far
    """

    def __init__(self, m: Module, advance: Value, valid: Value):
        self.m = m
        self.advance = advance
        self.valid = valid
        self.complete: Value = Const(1, 1)
        self.latency = 0
        self._places: dict[str, int] = {}

    def note(self, record: object) -> None:
        """Give every name of ``record`` that is new its place among the registers, which it keeps in all stages.

        The emitted text so follows from the order in which values come up, and not from how stages group them.
        """
        for name, _ in parts(record):
            self._places.setdefault(name, len(self._places))

    def wait_for(self, complete: Value) -> None:
        """Take what comes in only where ``complete`` is up, which comes before all registers."""
        self.valid = self.complete = complete

    def register(self, record: Record) -> Record:
        """The record behind one more stage: its Values are registers then; constants and all else stay as they are."""
        self.latency += 1
        self.note(record)
        values = {
            name: value for name, value in parts(record) if isinstance(value, Value) and not isinstance(value, Const)
        }
        valid = Signal(name=f"valid_{self.latency}")
        registers: dict[str, Value] = {}
        with self.m.If(self.advance):
            self.m.d.sync += valid.eq(self.valid)
            for name in sorted(values, key=self._places.__getitem__):
                register = Signal(values[name].shape(), name=f"{name}_{self.latency}", reset_less=True)
                self.m.d.sync += register.eq(values[name])
                registers[name] = register
        self.valid = valid
        return with_parts(record, registers)


def parts(record: object, name: str = "") -> Iterator[tuple[str, Any]]:
    """The names and values that a record holds, those of the records in it included."""
    if is_dataclass(record):
        for field in fields(record):
            yield from parts(getattr(record, field.name), field.name)
    elif isinstance(record, Mapping):
        for key, value in record.items():
            yield from parts(value, key)
    else:
        yield name, record


def with_parts(record: Record, values: Mapping[str, Value]) -> Record:
    """The same record with some other values, which are given by name."""
    return cast(Record, _with_parts(record, values, ""))


def _with_parts(record: Any, values: Mapping[str, Value], name: str) -> Any:
    if is_dataclass(record) and not isinstance(record, type):
        changed = {field.name: _with_parts(getattr(record, field.name), values, field.name) for field in fields(record)}
        return type(record)(**changed)
    if isinstance(record, Mapping):
        return {key: _with_parts(value, values, key) for key, value in record.items()}
    return values.get(name, record)
