"""A number is multiplied by its scales' significands with plain ``*``, in parts that DSP blocks can hold."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from amaranth.hdl import Cat, Const, Value

from .number import Unscaled
from .stall_pipeline import Stages

__all__ = ["DspProduct"]

LONG_FACTOR = 17
"""Most bits of a factor that is multiplied by in one stage: what signed DSP blocks of 18 bits take."""


@dataclass(frozen=True)
class _Parts:
    """A long product on its way has ``parts`` by name in the place of the number's body and factor."""

    number: Unscaled
    parts: Mapping[str, Value]


@dataclass(frozen=True)
class DspProduct:
    """The multiplication of a body by ``number.factors["factor"]``, which is unsigned.

    A factor of up to ``LONG_FACTOR`` bits takes a stage. A longer one is cut, and so is the body: the first stage
    multiplies the parts, the second makes of them a row for each part of the factor, and all others add the rows.

    Parameters
    ----------
    body_bits: of the body
    factor_bits: of the factor, 1 or more
    signed: whether the body is two's complement
    """

    body_bits: int
    factor_bits: int
    signed: bool

    @property
    def width(self) -> int:
        """Bits of the product."""
        return self.body_bits + (self.factor_bits if self.factor_bits > 1 else 0)

    @property
    def stages(self) -> int:
        return 2 + (self._rows - 1).bit_length() if self.factor_bits > LONG_FACTOR else 1

    @property
    def _rows(self) -> int:
        """Parts of the factor."""
        return -(-self.factor_bits // LONG_FACTOR)

    @property
    def _factor_step(self) -> int:
        """Bits of a part of the factor; the last one may have fewer."""
        return -(-self.factor_bits // self._rows)

    @cached_property
    def _body_starts(self) -> range:
        """Where the parts of the body begin."""
        parts = -(-self.body_bits // LONG_FACTOR)
        return range(0, self.body_bits, max(-(-self.body_bits // parts), self._factor_step))

    def _part_width(self, row: int) -> int:
        return min(self._factor_step, self.factor_bits - self._factor_step * row)

    def multiply(self, stages: Stages, number: Unscaled) -> Unscaled:
        """Multiply, and use the factor up; the last stage has no register behind it."""
        body, factor = number.body, number.factors["factor"]
        # The parts take the place of the body; a constant takes no register.
        number = replace(number, body=Const(0, 0), factors={})
        if self.factor_bits <= LONG_FACTOR:
            return replace(number, body=self._short(body, factor))
        parts = stages.register(_Parts(number, self._multiply_parts(body, factor)))
        rows = _Parts(parts.number, self._make_rows(parts.parts))
        apart = 1
        while apart < self._rows:
            rows = stages.register(rows)
            rows = _Parts(rows.number, self._add_rows(rows.parts, apart))
            apart *= 2
        return replace(rows.number, body=self._as_body(rows.parts["row0"][: self.width]))

    def _as_body(self, value: Value) -> Value:
        return value.as_signed() if self.signed else value

    def _short(self, body: Value, factor: Value) -> Value:
        if len(factor) == 1:
            return self._as_body(body.as_unsigned() & factor.replicate(len(body)))
        if self.signed:
            return (body * Cat(factor, Const(0, 1)).as_signed())[: self.width].as_signed()
        return (body * factor)[: self.width]

    def _multiply_parts(self, body: Value, factor: Value) -> dict[str, Value]:
        """The products of every part of the factor and every part of the body."""
        step = self._body_starts.step
        products = {}
        for row in range(self._rows):
            width = self._part_width(row)
            for start in self._body_starts:
                part = body[start : start + step]
                is_signed = self.signed and start + step >= len(body)
                if is_signed:
                    part = part.as_signed()
                product = (part * factor[self._factor_step * row :][:width])[: len(part) + width]
                products[f"product{row}_{start}"] = product.as_signed() if is_signed else product
        return products

    def _make_rows(self, parts: Mapping[str, Value]) -> dict[str, Value]:
        """For every part of the factor, its product with the whole body."""
        step = self._body_starts.step
        rows = {}
        for row in range(self._rows):
            sides = []
            # Every second product has room up to the next but one: they stand side by side.
            for first in (0, 1):
                products = [parts[f"product{row}_{start}"] for start in self._body_starts[first::2]]
                side: Value = Cat(Const(0, first * step))
                for product in products[:-1]:
                    side = Cat(side, product, Const(0, 2 * step - len(product)))
                if products:
                    side = Cat(side, products[-1])
                    side = side.as_signed() if products[-1].shape().signed else side
                sides.append(side)
            rows[f"row{row}"] = self._as_body((sides[0] + sides[1])[: self.body_bits + self._part_width(row)])
        return rows

    def _add_rows(self, rows: Mapping[str, Value], apart: int) -> dict[str, Value]:
        """Add every second row that is left to the one before it; ``apart`` is their distance."""
        added = {}
        for row in range(0, self._rows, 2 * apart):
            low = rows[f"row{row}"]
            if row + apart < self._rows:
                high = rows[f"row{row + apart}"]
                cut = self._factor_step * apart
                total = self._as_body(low[cut:]) + high
                low = self._as_body(Cat(low[:cut], total[: len(high) + 1]))
            added[f"row{row}"] = low
        return added
