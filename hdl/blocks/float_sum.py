"""A float32 sum over blocks is rounded once for every block."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value

from ...formats import Overflow, Requantization, Rounding, parse
from ..products.decode import decode
from ..scaling.normalizing_shift import NormalizingShift
from ..scaling.number import Rounded, Traits, Unrounded
from ..scaling.round import ROUNDING_STAGES, round_to_code
from ..scaling.select import select
from ..scaling.stall_pipeline import Stages
from .block_sum import BlockSum, Keep
from .scaled_sum import ScaledBlock, ScaledSum

__all__ = ["FloatSum"]

FLOAT32 = parse("float32")
BIAS = 127
PRECISION = FLOAT32.precision
ROUND = Requantization(FLOAT32, overflow=Overflow.INFINITY)

GUARD_BITS = 2
"""Bits kept below the larger of two operands, besides a sticky one: where more are cut off, one leading bit at most
cancels."""


@dataclass(frozen=True)
class _Normalizing:
    """A block on its way to a leading one, and the digits so far of how far its body was shifted, the highest first."""

    block: ScaledBlock
    digits: Mapping[str, Value]


@dataclass(frozen=True)
class _Operands:
    """Two operands, of which ``smaller`` is to be shifted right by ``amount``.

    Members
    -------
    carried: what the block carries along
    nan, infinity: flags of the sum
    negative: the sign of the operand with the larger exponent, or of the infinity
    exponent: the larger exponent, biased
    subtract: whether the operands have different signs
    """

    carried: Mapping[str, Value]
    nan: Value
    infinity: Value
    negative: Value
    exponent: Value | None
    amount: Value
    larger: Value
    smaller: Value
    subtract: Value


@dataclass(frozen=True)
class _Aligning:
    """Operands on their way to one exponent.

    Members
    -------
    operands: without their exponent
    allowed: the shift to the left that the exponent allows the sum, as ``NormalizingShift.allowed`` gives it
    sticky: whether anything of the smaller operand was cut off
    """

    operands: _Operands
    allowed: Value | int
    sticky: Value


@dataclass(frozen=True)
class _Total:
    """The sum or, where ``subtract`` is up, the difference: then its top bit is low where it is negative."""

    carried: Mapping[str, Value]
    nan: Value
    infinity: Value
    negative: Value
    subtract: Value
    allowed: Value | int
    body: Value


@dataclass(frozen=True)
class FloatSum(BlockSum[ScaledBlock]):
    """The float32 sum over blocks works like a fused multiply-add.

    The operand with the smaller exponent is shifted to the other one, and what comes of both is rounded once.

    Parameters
    ----------
    product: what is added; it is normalized first
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
        """Bits of the shift to the right, enough to shift all of an operand out."""
        return (self._top + GUARD_BITS).bit_length()

    @cached_property
    def _exponent_offset(self) -> int:
        """What has to be added to the runtime exponent, so that it is the biased one of the product's top bit."""
        return self.product.lsb_exponent + self.product.width - 1 + BIAS

    @cached_property
    def _greatest(self) -> int:
        """The greatest biased exponent of either operand."""
        return max(self._exponent_offset + self.product.greatest_exponent, 2 * BIAS)

    @cached_property
    def shift(self) -> NormalizingShift:
        """The shift that brings what both operands gave to where float32 keeps bits of it."""
        # A bit for the carry above the larger operand, and the sticky bit below its guard bits.
        width = self._top + GUARD_BITS + 2
        return NormalizingShift(FLOAT32, Rounding.TIES_TO_EVEN, width, False, 2 - width - BIAS, 1, self._greatest)

    @cached_property
    def used(self) -> int:
        return self.product.stages + (self._leading_bits + 1) // 2

    @cached_property
    def written(self) -> int:
        return self.latency

    @cached_property
    def latency(self) -> int:
        align = (self._amount_bits // 2 + 1) // 2
        return self.used + 1 + align + 2 + self.shift.stages + ROUNDING_STAGES

    @cached_property
    def width(self) -> int:
        return FLOAT32.width

    def align(self, m: Module, stages: Stages, block: ScaledBlock) -> ScaledBlock:
        """Normalize the product: shift its leading one to the top, and make its exponent that of the top bit."""
        width = self.product.width
        state = _Normalizing(block, {})
        low = self._leading_bits
        while low:
            high, low = low, max(low - 2, 0)
            most = min((width - 1) >> low, (1 << high - low) - 1)
            body = state.block.body
            empty = [~body[max(width - (j << low), 0) :].any() for j in range(1, most + 1)]
            one, two, three = empty + [Const(0, 1)] * (3 - most)
            digit = Signal(high - low, name=f"leading{low}")
            m.d.comb += digit.eq(Cat((one & ~two) | three, two))
            body = select(digit, [Cat(Const(0, j << low), body)[:width] for j in range(most + 1)])
            state = _Normalizing(replace(state.block, body=body), {**state.digits, digit.name: digit})
            if low:
                state = stages.register(state)
        return stages.register(replace(state.block, exponent=self._top_exponent(m, state)))

    def _top_exponent(self, m: Module, state: _Normalizing) -> Signal:
        """Compute the biased exponent of the product's top bit."""
        runtime = state.block.exponent
        base = self._exponent_offset + (0 if runtime is None else runtime)
        least = self._exponent_offset + self.product.least_exponent - (1 << self._leading_bits)
        exponent = Signal(Shape.cast(range(least, self._greatest + 1)), name="product_exponent")
        m.d.comb += exponent.eq(base - Cat(reversed([*state.digits.values()])))
        return exponent

    def add(self, m: Module, stages: Stages, block: ScaledBlock, before: Value, keep: Keep) -> Rounded:
        operands = stages.register(self._compare(m, block, before))
        aligning = _Aligning(replace(operands, exponent=None), self.shift.allowed(m, operands.exponent), Const(0, 1))
        total = stages.register(self._sum(m, self._shift(m, stages, aligning)))
        rounded = round_to_code(m, stages, stages.register(self._absolute(total)), self.shift, ROUND)
        keep(rounded.carried, rounded.code)
        return rounded

    def _compare(self, m: Module, block: ScaledBlock, before: Value) -> _Operands:
        """Find which operand has the larger exponent, and how far the other one is to be shifted to the right."""
        code = Signal(FLOAT32.width, name="so_far")
        m.d.comb += code.eq(before & ~block.first.replicate(FLOAT32.width))
        so_far = decode(m, FLOAT32, code, "so_far")
        assert so_far.sign is not None and so_far.exponent is not None and block.exponent is not None
        assert so_far.nan is not None and so_far.infinity is not None
        reach = self._top + GUARD_BITS
        product, other = block.body, so_far.significand

        difference = block.exponent - so_far.exponent
        below = difference[-1]
        product_larger = Signal(name="product_larger")
        # The exponent of a product of zero means nothing; of any other the top bit is set.
        m.d.comb += product_larger.eq(~below & product[-1])
        # Of a smaller product's shift, one bit is here already: the rest is the difference's complement.
        distance = difference[:-1] ^ below.replicate(len(difference) - 1)
        subtract = so_far.sign ^ block.negative
        of_product = Mux(block.infinity | so_far.infinity, block.infinity, product_larger)
        return _Operands(
            carried=block.carried,
            nan=block.nan | so_far.nan | (block.infinity & so_far.infinity & subtract),
            infinity=block.infinity | so_far.infinity,
            negative=Mux(of_product, block.negative, so_far.sign),
            exponent=Mux(product_larger, block.exponent[: self._greatest.bit_length()], so_far.exponent),
            amount=distance[: self._amount_bits] | distance[self._amount_bits :].any().replicate(self._amount_bits),
            larger=Mux(product_larger, _left(product, self._top), _left(other, self._top)),
            smaller=Mux(product_larger, _left(other, reach), _left(Cat(product, Const(0, 1)), reach)),
            subtract=subtract,
        )

    def _shift(self, m: Module, stages: Stages, state: _Aligning) -> _Aligning:
        """Shift the smaller operand by all but the last bit of the amount, where that has an odd number of bits."""
        low = self._amount_bits
        for index in range(low // 2):
            low -= 2
            state = self._shift_digit(m, state, state.operands.amount[low : low + 2], low)
            if index % 2 or low < 2:
                state = stages.register(state)
        return state

    def _shift_digit(self, m: Module, state: _Aligning, digit: Value, low: int) -> _Aligning:
        """Shift the smaller operand right by ``digit << low``."""
        bits = state.operands.smaller
        width, most = len(bits), (1 << len(digit)) - 1
        cut = [bits[min((j - 1) << low, width) : j << low].any() & (digit >= j) for j in range(1, most + 1)]
        smaller, sticky = Signal(width, name=f"smaller{low}"), Signal(name=f"sticky{low}")
        m.d.comb += smaller.eq(select(digit, [bits[min(j << low, width) :] for j in range(most + 1)]))
        m.d.comb += sticky.eq(Cat(state.sticky, *cut).any())
        return replace(state, operands=replace(state.operands, smaller=smaller), sticky=sticky)

    def _sum(self, m: Module, state: _Aligning) -> _Total:
        """Shift by the last bit of the amount, where it is left, and add or subtract."""
        if self._amount_bits % 2:
            state = self._shift_digit(m, state, state.operands.amount[:1], 0)
        operands = state.operands
        # One adder: the carry comes in through a bit below both operands.
        subtract = operands.subtract
        smaller = Cat(state.sticky, operands.smaller)
        larger = Cat(subtract, Const(0, GUARD_BITS + 1), operands.larger)
        total = larger + Cat(subtract, smaller ^ subtract.replicate(len(smaller)))
        return _Total(
            carried=operands.carried,
            nan=operands.nan,
            infinity=operands.infinity,
            negative=operands.negative,
            subtract=subtract,
            allowed=state.allowed,
            body=total[1:],
        )

    def _absolute(self, total: _Total) -> Unrounded:
        """Take the sign out of a difference.

        It can be negative only where the exponents are equal or the sum is subnormal. Then nothing was cut off that
        the sticky bit would not stand for on either side of zero.
        """
        difference, carry = total.body[:-1], total.body[-1]
        below = total.subtract & ~carry
        magnitude = (difference ^ below.replicate(len(difference))) + below
        no = Const(0, 1)
        traits = Traits(
            zero_point=None,
            carried=total.carried,
            nan=total.nan,
            infinity=total.infinity,
            scaled_infinity=no,
            flip=no,
            negative=total.negative ^ (below & ~total.infinity),
        )
        return Unrounded(traits, Cat(magnitude[: len(difference)], carry & ~total.subtract), total.allowed)


def _left(value: Value, width: int) -> Value:
    """Put the value at the upper end of so many bits."""
    return Cat(Const(0, width - len(value)), value)
