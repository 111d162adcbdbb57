"""A number is multiplied by a scale's significand over several cycles, by an adder or two that every cycle uses again.

The rows are those of ``lut_product``, and the bits are the same.
"""

from dataclasses import dataclass, replace

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed

from .lut_product import ADDERS, LONGEST_PLAIN, digit_row, signed_body
from .number import Unscaled
from .stall_pipeline import Stages

__all__ = ["FoldedProduct"]


@dataclass(frozen=True)
class FoldedProduct:
    """The multiplication of a body by an unsigned factor in ``interval`` cycles, in which the operands stand still.

    Factor and product share a register: bits of the product that no further row changes take the place of digits that
    are used up. In the last of the cycles the product stands in registers, and leaves them.

    Parameters
    ----------
    bits: of the factor, 2 or more
    cycles: most cycles that it may take
    body_is_sum: whether the body comes out of an adder. A register then stands behind it, and takes a cycle
    fast: whether registers stand behind the rows, which take a cycle too
    """

    bits: int
    cycles: int
    body_is_sum: bool = False
    fast: bool = False

    @property
    def fits(self) -> bool:
        """Whether so many cycles are enough, with no more adders one after the other than elsewhere."""
        return self._most_steps > 0 and self.rows_a_step <= ADDERS and self.steps > 1

    @property
    def is_recoded(self) -> bool:
        """Whether rows are those of Booth's radix-4 recoding; else there is one for each bit of the factor."""
        return self.bits > max(LONGEST_PLAIN, self._most_steps)

    @property
    def _most_steps(self) -> int:
        return self.cycles - 1 - self.body_is_sum - self.fast

    @property
    def rows(self) -> int:
        return (self.bits + 2) // 2 if self.is_recoded else self.bits

    @property
    def rows_a_step(self) -> int:
        return -(-self.rows // self._most_steps)

    @property
    def steps(self) -> int:
        """Cycles in which rows are added."""
        return -(-self.rows // self.rows_a_step)

    @property
    def interval(self) -> int:
        """Cycles that a product takes."""
        return self.body_is_sum + self.steps + self.fast + 1

    def multiply(self, m: Module, stages: Stages, number: Unscaled, name: str) -> Unscaled:
        """Multiply the body by the factor of that name, and use it up.

        ``stages`` then have a number to take in the last cycle alone, and so tell what gives the operands.
        """
        body, factor = number.body, number.factors[name]
        if self.body_is_sum:
            steady = Signal(body.shape(), name="biased", reset_less=True)
            m.d.sync += steady.eq(body)
            body = steady
        step = Signal(range(self.interval), name="step")
        ends = Signal(name="product_ends")
        m.d.comb += ends.eq(step == self.interval - 1)
        digit_bits = 1 + self.is_recoded
        # Rows of zeros come first, where the last step would have some to spare.
        spare = digit_bits * (self.steps * self.rows_a_step - self.rows)
        digits = Cat(Const(0, spare + self.is_recoded), factor)
        queue = Signal(len(digits), name="queue", reset_less=True)
        carry = Signal(name="row_carry")
        partial = Signal(signed(len(signed_body(body)) + digit_bits), name="partial")
        begun = Signal(name="product_begun")
        at_hand = Mux(begun, queue, digits)
        rows = self._rows(m, body, Cat(at_hand, Const(0, 2)))
        low, next_carry, next_partial = self._add_rows(m, len(signed_body(body)), rows, carry, partial)
        if self.fast:
            # What comes of the first rows comes a step late.
            low = low & begun.replicate(len(low))
        with m.If(ends & stages.advance):
            m.d.sync += [step.eq(0), begun.eq(0), carry.eq(0), partial.eq(0)]
        with m.Elif(stages.valid & ~ends):
            m.d.sync += step.eq(step + 1)
            with m.If(step >= self.body_is_sum):
                m.d.sync += [begun.eq(1), queue.eq(Cat(at_hand, low)[len(low) :])]
                with m.If(begun if self.fast else Const(1, 1)):
                    m.d.sync += [carry.eq(next_carry), partial.eq(next_partial)]
        stages.wait_for(ends)
        kept = digit_bits * (self.rows - 1)
        product = Cat(queue[len(queue) - kept :], partial, partial[-1])[: len(body) + self.bits]
        return replace(
            number,
            bias=None,
            body=product.as_signed() if body.shape().signed else product,
            factors={key: value for key, value in number.factors.items() if key != name},
        )

    def _rows(self, m: Module, body: Value, digits: Value) -> list[tuple[Value, Value | None]]:
        """The rows of a step and their carries."""
        rows = []
        for place in range(self.rows_a_step):
            row, carry = digit_row(body, digits[place * (1 + self.is_recoded) :], self.is_recoded)
            if self.fast:
                held = Signal(row.shape(), name=f"row{place}", reset_less=True)
                m.d.sync += held.eq(row)
                row = held
                if carry is not None:
                    held_carry = Signal(name=f"row{place}_carry", reset_less=True)
                    m.d.sync += held_carry.eq(carry)
                    carry = held_carry
            rows.append((row, carry))
        return rows

    def _add_rows(
        self, m: Module, width: int, rows: list[tuple[Value, Value | None]], carry: Value, partial: Value
    ) -> tuple[Value, Value, Value]:
        """Add the rows of a step; gives the bits that no further row changes, the carry, and the sum above them."""
        low: Value = Cat()
        for place, (row, negative) in enumerate(rows):
            total = Signal(signed(width + (4 if self.is_recoded else 1)), name=f"row_sum{place}")
            if negative is not None:
                m.d.comb += total.eq(partial + Cat(carry, Const(0, 1), row).as_signed())
                low, carry, partial = Cat(low, total[:2]), negative, total[2:].as_signed()
            else:
                m.d.comb += total.eq(partial[1:].as_signed() + row)
                low, partial = Cat(low, partial[:1]), total
        return low, carry, partial
