"""How a block's scaled sum is added to those before it: exactly, or in float32."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value

from ...formats import Blocks, FixedPoint, Format, Overflow, Requantization, Rounding, parse
from ..products.accumulate import sticky_flags
from ..products.decode import decode
from ..scaling.normalize import Placement
from ..scaling.round import ROUNDING_STAGES, round_to_code
from ..scaling.select import select
from ..scaling.stall_pipeline import Stages
from .scaled_sum import ScaledSum

__all__ = ["ExactSum", "FloatSum", "Keep", "block_sum"]

FLOAT32 = parse("float32")
BIAS = 127
PRECISION = FLOAT32.precision
ROUND = Requantization(FLOAT32, overflow=Overflow.INFINITY)

GUARD_BITS = 2
"""Bits kept below the larger of two operands, besides a sticky one: where more are cut off, one leading bit at most
cancels."""

Keep = Callable[[SimpleNamespace, Value], None]
"""Writes the new sum of the block at hand back."""


@dataclass(frozen=True)
class ExactSum:
    """An exact sum: the product shifted into its place, and added.

    Parameters
    ----------
    product: what is added
    form: of the sum
    """

    product: ScaledSum
    form: FixedPoint

    @cached_property
    def _shift_bits(self) -> int:
        return self.product.greatest_exponent.bit_length()

    @cached_property
    def used(self) -> int:
        """Stages before the sum so far is used."""
        return self.product.stages + (self._shift_bits + 3) // 4

    @cached_property
    def written(self) -> int:
        """Stages before the new sum is written back."""
        return self.used

    @cached_property
    def latency(self) -> int:
        return self.used + 1

    @cached_property
    def width(self) -> int:
        """Bits of a sum that is kept."""
        return self.form.width + len(self.form.specials)

    def align(self, m: Module, stages: Stages, live: SimpleNamespace) -> SimpleNamespace:
        """Shift the product into its place."""
        # An exponent that starts above 0 shifts too far, by bits that are then left out.
        offset = self.product.least_exponent
        is_signed = live.body.shape().signed
        for low in range(0, self._shift_bits, 2):
            if low and low % 4 == 0:
                live = stages.register(live)
            digit = live.exponent[low : min(low + 2, self._shift_bits)]
            most = min((1 << len(digit)) - 1, self.product.greatest_exponent >> low)
            shifted = [Cat(Const(0, j << low), live.body) for j in range(most + 1)]
            width = min(len(shifted[-1]), offset + self.form.width)
            body = Signal(Shape(width, is_signed), name=f"shifted{low}")
            m.d.comb += body.eq(select(digit, [value.as_signed() if is_signed else value for value in shifted]))
            live.body = body
        addend = Signal(self.form.width, name="addend")
        placed = live.body[offset:]
        m.d.comb += addend.eq(placed.as_signed() if is_signed else placed)
        live.addend, live.carry = addend, live.flip
        if not isinstance(live.flip, Const):
            live.addend = addend ^ live.flip.replicate(self.form.width)
        live.body = live.exponent = live.flip = None
        return stages.register(live) if self._shift_bits else live

    def add(self, m: Module, stages: Stages, live: SimpleNamespace, before: Value, keep: Keep) -> SimpleNamespace:
        form = self.form
        running = {name: Signal(name=f"running_{name}") for name in form.specials}
        so_far = before & ~live.first.replicate(self.width)
        m.d.comb += [flag.eq(bit) for flag, bit in zip(running.values(), so_far[form.width :], strict=True)]
        total = Signal(form.width, name="total")
        m.d.comb += total.eq(live.addend + so_far[: form.width] + live.carry)
        infinity = live.infinity & ~live.nan
        raised = {
            "nan": live.nan,
            "positive_infinity": infinity & ~live.negative,
            "negative_infinity": infinity & live.negative,
        }
        flags = sticky_flags(m, running, raised)
        keep(live, Cat(total, *flags.values()))
        live.accumulator = Mux(Cat(*flags.values()).any(), 0, total) if flags else total
        for name in ("addend", "carry", "first", "index", "nan", "infinity", "negative"):
            setattr(live, name, None)
        for name, flag in flags.items():
            setattr(live, name, flag)
        return stages.register(live)


@dataclass(frozen=True)
class FloatSum:
    """A float32 sum: the one of both operands that has the smaller exponent is shifted to the other, and what comes of
    them rounded once.

    Parameters
    ----------
    product: what is added; normalized first
    """

    product: ScaledSum

    @cached_property
    def _top(self) -> int:
        """Bits of the larger operand."""
        return max(self.product.width, PRECISION)

    @cached_property
    def _leading_bits(self) -> int:
        """Bits of the number of zeros above the product's leading bit."""
        return max((self.product.width - 1).bit_length(), 1)

    @cached_property
    def _amount_bits(self) -> int:
        """Bits of the shift: enough to shift all of an operand out."""
        return (self._top + GUARD_BITS).bit_length()

    @cached_property
    def _exponent_offset(self) -> int:
        """What makes the runtime exponent that of the product's top bit, biased."""
        return self.product.lsb_exponent + self.product.width - 1 + BIAS

    @cached_property
    def _greatest(self) -> int:
        return max(self._exponent_offset + self.product.greatest_exponent, 2 * BIAS)

    @cached_property
    def placement(self) -> Placement:
        # A bit for the carry above the larger operand, and the sticky bit below its guard bits.
        width = self._top + GUARD_BITS + 2
        return Placement(FLOAT32, Rounding.TIES_TO_EVEN, width, False, 2 - width - BIAS, 1, self._greatest)

    @cached_property
    def used(self) -> int:
        """Stages before the sum so far is used."""
        return self.product.stages + (self._leading_bits + 1) // 2

    @cached_property
    def written(self) -> int:
        """Stages before the new sum is written back."""
        return self.latency

    @cached_property
    def latency(self) -> int:
        align = (self._amount_bits // 2 + 1) // 2
        return self.used + 1 + align + 2 + self.placement.stages + ROUNDING_STAGES

    @cached_property
    def width(self) -> int:
        """Bits of a sum that is kept."""
        return FLOAT32.width

    def align(self, m: Module, stages: Stages, live: SimpleNamespace) -> SimpleNamespace:
        """Normalize the product."""
        width = self.product.width
        found: list[str] = []
        low = self._leading_bits
        while low:
            high, low = low, max(low - 2, 0)
            most = min((width - 1) >> low, (1 << high - low) - 1)
            empty = [~live.body[max(width - (j << low), 0) :].any() for j in range(1, most + 1)]
            one, two, three = empty + [Const(0, 1)] * (3 - most)
            digit = Signal(high - low, name=f"leading{low}")
            m.d.comb += digit.eq(Cat((one & ~two) | three, two))
            live.body = select(digit, [Cat(Const(0, j << low), live.body)[:width] for j in range(most + 1)])
            found.append(digit.name)
            setattr(live, digit.name, digit)
            if not low:
                base = self._exponent_offset + (0 if live.exponent is None else live.exponent)
                least = self._exponent_offset + self.product.least_exponent - (1 << self._leading_bits)
                exponent = Signal(Shape.cast(range(least, self._greatest + 1)), name="product_exponent")
                m.d.comb += exponent.eq(base - Cat(getattr(live, name) for name in reversed(found)))
                live.exponent = exponent
                for name in found:
                    setattr(live, name, None)
            live = stages.register(live)
        return live

    def add(self, m: Module, stages: Stages, live: SimpleNamespace, before: Value, keep: Keep) -> SimpleNamespace:
        live = stages.register(self._compare(m, live, before))
        live.allowed = self.placement.allowed(m, live.exponent)
        live.exponent = None
        live = self._shift(m, stages, live)
        live = stages.register(self._sum(m, live))
        live = stages.register(self._absolute(live))
        live = round_to_code(m, stages, live, self.placement, ROUND)
        keep(live, live.code)
        return live

    def _compare(self, m: Module, live: SimpleNamespace, before: Value) -> SimpleNamespace:
        """Which operand has the larger exponent, and how far the other one is to be shifted to the right."""
        code = Signal(FLOAT32.width, name="so_far")
        m.d.comb += code.eq(before & ~live.first.replicate(FLOAT32.width))
        so_far = decode(m, FLOAT32, code, "so_far")
        assert so_far.sign is not None and so_far.exponent is not None
        assert so_far.nan is not None and so_far.infinity is not None
        reach = self._top + GUARD_BITS
        product, other = live.body, so_far.significand

        difference = live.exponent - so_far.exponent
        below = difference[-1]
        product_larger = Signal(name="product_larger")
        # The exponent of a product of zero means nothing; of any other the top bit is set.
        m.d.comb += product_larger.eq(~below & product[-1])
        # Of a smaller product's shift, one bit is here already: the rest is the difference's complement.
        distance = difference[:-1] ^ below.replicate(len(difference) - 1)
        live.amount = distance[: self._amount_bits] | distance[self._amount_bits :].any().replicate(self._amount_bits)
        live.larger = Mux(product_larger, _left(product, self._top), _left(other, self._top))
        live.smaller = Mux(product_larger, _left(other, reach), _left(Cat(product, Const(0, 1)), reach))
        exponent_bits = self._greatest.bit_length()
        live.exponent = Mux(product_larger, live.exponent[:exponent_bits], so_far.exponent)

        subtract = so_far.sign ^ live.negative
        live.nan = live.nan | so_far.nan | (live.infinity & so_far.infinity & subtract)
        of_product = Mux(live.infinity | so_far.infinity, live.infinity, product_larger)
        live.negative = Mux(of_product, live.negative, so_far.sign)
        live.infinity = live.infinity | so_far.infinity
        live.subtract = subtract
        live.body = live.first = None
        return live

    def _shift(self, m: Module, stages: Stages, live: SimpleNamespace) -> SimpleNamespace:
        """Shift the smaller operand by all but the last bit of the amount, where that has an odd number of bits."""
        live.sticky = Const(0, 1)
        low = self._amount_bits
        for index in range(low // 2):
            low -= 2
            live = self._shift_digit(m, live, live.amount[low : low + 2], low)
            if index % 2 or low < 2:
                live = stages.register(live)
        return live

    def _shift_digit(self, m: Module, live: SimpleNamespace, digit: Value, low: int) -> SimpleNamespace:
        bits, width = live.smaller, len(live.smaller)
        most = (1 << len(digit)) - 1
        cut = [bits[min((j - 1) << low, width) : j << low].any() & (digit >= j) for j in range(1, most + 1)]
        smaller, sticky = Signal(width, name=f"smaller{low}"), Signal(name=f"sticky{low}")
        m.d.comb += smaller.eq(select(digit, [bits[min(j << low, width) :] for j in range(most + 1)]))
        m.d.comb += sticky.eq(Cat(live.sticky, *cut).any())
        live.smaller, live.sticky = smaller, sticky
        return live

    def _sum(self, m: Module, live: SimpleNamespace) -> SimpleNamespace:
        if self._amount_bits % 2:
            live = self._shift_digit(m, live, live.amount[:1], 0)
        # One adder: the carry comes in through a bit below both operands.
        subtract = live.subtract
        smaller = Cat(live.sticky, live.smaller)
        larger = Cat(subtract, Const(0, GUARD_BITS + 1), live.larger)
        total = larger + Cat(subtract, smaller ^ subtract.replicate(len(smaller)))
        live.body = total[1:]
        live.larger = live.smaller = live.sticky = live.amount = None
        return live

    def _absolute(self, live: SimpleNamespace) -> SimpleNamespace:
        """Only equal exponents, and subnormal sums, let a difference be negative, and nothing is cut off then that the
        sticky bit would not stand for on either side of zero."""
        difference, carry = live.body[:-1], live.body[-1]
        below = live.subtract & ~carry
        magnitude = (difference ^ below.replicate(len(difference))) + below
        live.body = Cat(magnitude[: len(difference)], carry & ~live.subtract)
        live.negative = live.negative ^ (below & ~live.infinity)
        live.subtract = None
        live.scaled_infinity = Const(0, 1)
        live.zero_point = None
        return live


def block_sum(
    weight: Format, activation: Format, blocks: Blocks, terms: int, *, dsp: bool = False
) -> ExactSum | FloatSum:
    """How sums of up to ``terms`` products are added up by blocks, in the form that ``blocks`` asks for."""
    form = blocks.sum_format(weight, activation, terms)
    is_exact = isinstance(form, FixedPoint)
    product = ScaledSum(weight, activation, blocks, min(blocks.size, terms), is_exact, dsp)
    return ExactSum(product, form) if isinstance(form, FixedPoint) else FloatSum(product)


def _left(value: Value, width: int) -> Value:
    """The value at the upper end of so many bits."""
    return Cat(Const(0, width - len(value)), value)
