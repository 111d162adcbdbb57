"""The edge of an array: where a word of codes becomes decoded operands, once for all elements that share them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, unsigned
from amaranth.lib import data

from ...formats import Format
from .build import Build
from .decode import Operand, decode, decode_as_integer, decoded, integer_layout, operand_layout
from .recoding import Recoding, controls, recoding

__all__ = ["Edge", "OperandBus", "filled"]


def filled(format: Format, code: Value, keep: Value | None) -> Value:
    """The code; where ``keep`` is given and low, ``format.filler``."""
    if keep is None:
        return code
    return code & keep.replicate(len(code)) if format.filler == 0 else Mux(keep, code, format.filler)


class OperandBus(ABC):
    """How operands of one format travel from an array's edge to its elements.

    Operands travel one beside the other, each as ``enter`` makes it of its code, unless a kind overrides ``word_bits``
    and ``enter_word``: what travels may be made of all codes of a word. A kind whose words take several cycles may
    override ``hold``, too: another part of the operands may travel in each.
    """

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """Of one operand on its way."""

    @abstractmethod
    def enter(self, m: Module, code: Value, name: str, keep: Value | None = None) -> Value:
        """What travels of ``code``; where ``keep`` is given and low, that of ``format.filler``: zero, if there is one,
        and a finite value in any case.

        The signals made for it in ``m`` start with ``name``.
        """

    def word_bits(self, lanes: int) -> int:
        """Bits of what travels of a word of so many codes."""
        return lanes * self.shape.width

    def enter_word(
        self, m: Module, codes: Sequence[Value], names: Sequence[str], keeps: Sequence[Value | None]
    ) -> Value:
        """What travels of the codes of a word, lane 0 in the lowest bits; see ``enter``."""
        each = zip(codes, names, keeps, strict=True)
        return Cat(*[self.enter(m, code, name, keep) for code, name, keep in each])

    def hold(self, m: Module, interval: int, valid: Value, operands: Value, name: str) -> Value:
        """What travels behind the register of an array's edge, for as many cycles as a word takes."""
        held = Signal(len(operands), name=name, reset_less=True)
        if interval == 1:
            m.d.sync += held.eq(operands)
        else:
            with m.If(valid):
                m.d.sync += held.eq(operands)
        return held


@dataclass(frozen=True)
class Edge(OperandBus):
    """How operands of one format travel inside an array: decoded, as codes where a build multiplies those, or as the
    digits of a recoded weight.

    Parameters
    ----------
    format: of the codes
    build: of the products
    weight: whether they are weights, which alone are recoded
    """

    format: Format
    build: Build
    weight: bool = False

    @property
    def shape(self) -> Shape:
        """Of one operand on its way."""
        if self._recoded is not None:
            return unsigned(self._recoded.control_bits)
        return unsigned(self.format.width) if self._as_code else unsigned(self._layout.size)

    @property
    def _layout(self) -> data.StructLayout:
        return integer_layout(self.format) if self._as_integer else operand_layout(self.format)

    @property
    def _as_integer(self) -> bool:
        return self.build.makes_integer(self.format)

    @property
    def _as_code(self) -> bool:
        return self.build.product == "whole"

    @property
    def _recoded(self) -> Recoding | None:
        return recoding(self.format) if self.weight and self.build.product == "recoded" else None

    def enter(self, m: Module, code: Value, name: str, keep: Value | None = None) -> Value:
        code = filled(self.format, code, keep)
        if self._as_code:
            return code
        if self._recoded is not None:
            return controls(m, self.format, code, name)
        operand = self.operand(m, code, name)
        # No signal of its own: some bits of it come of others, and Verilator would take that for a loop.
        return Cat(Value.cast(getattr(operand, name))[: field.width] for name, field in self._layout)

    def operand(self, m: Module, code: Value, name: str) -> Operand:
        """The operand that ``code`` stands for, decoded for the build."""
        if self._as_integer:
            return decode_as_integer(m, self.format, code, name)
        return decode(m, self.format, code, name)

    def leave(self, m: Module, value: Value, name: str) -> Operand:
        """The operand that ``value`` is."""
        if self._as_code:
            return decode(m, self.format, value, name)
        if self._recoded is not None:
            return Operand(Const(0, self.format.width), Const(0, 1), digits=value)
        return decoded(self.format, data.View(self._layout, value))
