"""An exact sum over blocks is kept as one integer: every block's product is shifted into its place, and added."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value

from ...formats import FixedPoint
from ..products.accumulate import sticky_flags
from ..scaling.select import select
from ..scaling.stall_pipeline import Stages
from .block_sum import BlockSum, Keep
from .scaled_sum import ScaledBlock, ScaledSum

__all__ = ["ExactSum"]


@dataclass(frozen=True)
class _Addend:
    """A block in its place within the sum is ``addend + carry``. All else is as in ``ScaledBlock``."""

    first: Value
    carried: Mapping[str, Value]
    nan: Value
    infinity: Value
    negative: Value
    addend: Value
    carry: Value


@dataclass(frozen=True)
class _Sum:
    """The sum and its flags by name, and what the block carried along."""

    carried: Mapping[str, Value]
    flags: Mapping[str, Value]
    accumulator: Value


@dataclass(frozen=True)
class ExactSum(BlockSum[_Addend]):
    """The exact sum over blocks has a fixed point, and room for all that can be added.

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
        return self.product.stages + (self._shift_bits + 3) // 4

    @cached_property
    def written(self) -> int:
        return self.used

    @cached_property
    def latency(self) -> int:
        return self.used + 1

    @cached_property
    def width(self) -> int:
        return self.form.width + len(self.form.specials)

    def align(self, m: Module, stages: Stages, block: ScaledBlock) -> _Addend:
        """Shift the product into its place."""
        # An exponent that starts above 0 shifts too far, by bits that are then left out.
        offset = self.product.least_exponent
        for low in range(0, self._shift_bits, 2):
            if low and low % 4 == 0:
                block = stages.register(block)
            block = replace(block, body=self._shift_digit(m, block, low))
        placed = block.body[offset:]
        addend = Signal(self.form.width, name="addend")
        m.d.comb += addend.eq(placed.as_signed() if block.body.shape().signed else placed)
        assert block.flip is not None
        flipped = not isinstance(block.flip, Const)
        aligned = _Addend(
            first=block.first,
            carried=block.carried,
            nan=block.nan,
            infinity=block.infinity,
            negative=block.negative,
            addend=addend ^ block.flip.replicate(self.form.width) if flipped else addend,
            carry=block.flip,
        )
        return stages.register(aligned) if self._shift_bits else aligned

    def _shift_digit(self, m: Module, block: ScaledBlock, low: int) -> Value:
        """Shift the body left by the exponent's two bits from ``low`` on."""
        assert block.exponent is not None
        is_signed = block.body.shape().signed
        digit = block.exponent[low : min(low + 2, self._shift_bits)]
        most = min((1 << len(digit)) - 1, self.product.greatest_exponent >> low)
        shifted = [Cat(Const(0, j << low), block.body) for j in range(most + 1)]
        width = min(len(shifted[-1]), self.product.least_exponent + self.form.width)
        body = Signal(Shape(width, is_signed), name=f"shifted{low}")
        m.d.comb += body.eq(select(digit, [value.as_signed() if is_signed else value for value in shifted]))
        return body

    def add(self, m: Module, stages: Stages, block: _Addend, before: Value, keep: Keep) -> _Sum:
        form = self.form
        running = {name: Signal(name=f"running_{name}") for name in form.specials}
        so_far = before & ~block.first.replicate(self.width)
        m.d.comb += [flag.eq(bit) for flag, bit in zip(running.values(), so_far[form.width :], strict=True)]
        total = Signal(form.width, name="total")
        m.d.comb += total.eq(block.addend + so_far[: form.width] + block.carry)
        infinity = block.infinity & ~block.nan
        raised = {
            "nan": block.nan,
            "positive_infinity": infinity & ~block.negative,
            "negative_infinity": infinity & block.negative,
        }
        flags = sticky_flags(m, running, raised)
        keep(block.carried, Cat(total, *flags.values()))
        accumulator = Mux(Cat(*flags.values()).any(), 0, total) if flags else total
        carried = {name: value for name, value in block.carried.items() if name != "index"}
        return stages.register(_Sum(carried, flags, accumulator))
