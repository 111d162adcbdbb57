"""The element of single bits: it counts ones, and what else a sum needs is counted once, at the array's edge."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import Arithmetic, FixedPoint, Format
from ...formats.elements.popcount import Popcount
from ..products.accumulate import SumControl, accumulate, sum_control
from ..products.build import Build
from ..products.counters import count_pairs
from ..products.operand_bus import OperandBus
from ..products.pipeline import Pipeline
from .hardware import ElementHardware, register_hardware

__all__ = ["PopcountHardware"]

CUTS = ("input", "chain", "total")
"""Where the register stages are: at the array's edge, behind the counters, and before the accumulator."""

AND, XNOR = (0, 0, 0, 1), (1, 0, 0, 1)


def has_signs(format: Format) -> bool:
    return format.min_integer < 0


@dataclass(frozen=True)
class BitBus(OperandBus):
    """Codes as they are, and behind them a count: of the ones or of the lanes that count, if the sum needs any.

    Parameters
    ----------
    arithmetic: of the operands
    weight: whether they are weights
    build: of the element
    """

    arithmetic: Arithmetic
    weight: bool
    build: Build

    @property
    def shape(self) -> Shape:
        return unsigned(1)

    @property
    def _both_have_signs(self) -> bool:
        return has_signs(self.arithmetic.weight) and has_signs(self.arithmetic.activation)

    @property
    def counts(self) -> bool:
        """Whether a count comes along: with the zeros and ones where the other operand has signs; with weights where
        both have."""
        if self._both_have_signs:
            return self.weight
        return has_signs(self.arithmetic.activation if self.weight else self.arithmetic.weight)

    def word_bits(self, lanes: int) -> int:
        return lanes + (lanes.bit_length() if self.counts else 0)

    def enter(self, m: Module, code: Value, name: str, keep: Value | None = None) -> Value:
        """The code; of a lane that is left out 0, or 1 of an activation beside signs: no product is counted then."""
        if keep is None:
            return code
        return code | ~keep if self._both_have_signs and not self.weight else code & keep

    def enter_word(
        self, m: Module, codes: Sequence[Value], names: Sequence[str], keeps: Sequence[Value | None]
    ) -> Value:
        bits = super().enter_word(m, codes, names, keeps)
        if not self.counts:
            return bits
        count = Signal(len(codes).bit_length(), name=f"{names[0]}_count")
        if self._both_have_signs:
            counted: list[Value] = [Const(1, 1) if keep is None else keep for keep in keeps]
            some = [(bit, bit) for bit in counted if not isinstance(bit, Const)]
        else:
            counted = list(bits)
            some = [(bit, bit) for bit in counted]
        always = len(counted) - len(some)
        ones = sum(count_pairs(m, some, AND, self.build.lut_inputs)) if some else Const(0, 1)
        m.d.comb += count.eq(ones + always)
        return Cat(bits, count)


class PopcountHardware(ElementHardware):
    """Counters of six bits, an adder of their two rows, an accumulator."""

    def buses(self, arithmetic: Arithmetic, build: Build) -> tuple[OperandBus, OperandBus]:
        return BitBus(arithmetic, True, build), BitBus(arithmetic, False, build)

    def latency(self, arithmetic: Arithmetic, build: Build, lanes: int) -> int:
        return build.pipeline + 1

    def control(
        self, m: Module, arithmetic: Arithmetic, build: Build, valid: Value, first: Value, last: Value | None
    ) -> Mapping[str, Value]:
        control = sum_control(m, Pipeline(m, CUTS[: build.pipeline]), valid, first, last)
        return {"add": control.add, "start": control.start, "done": control.done}

    def element(
        self,
        arithmetic: Arithmetic,
        build: Build,
        accumulator: FixedPoint,
        lanes: int,
        edge: Build | None = None,
    ) -> "PopcountElement":
        return PopcountElement(self.buses(arithmetic, build), arithmetic, build, accumulator, lanes)


class PopcountElement(wiring.Component):
    """``lanes`` products of bits a cycle into one exact sum.

    Parameters
    ----------
    buses: of weights and activations
    arithmetic: formats of the operands
    build: its register stages, of which the first is at the array's edge
    accumulator: the sum's form
    lanes: products a cycle

    Members
    -------
    weight, activation: In, words of the buses
    add, start, done: In(1), as in ``SumControl``, at the adder
    sum: Out, the finished sum; holds until the next ``done``
    """

    def __init__(
        self,
        buses: tuple[OperandBus, OperandBus],
        arithmetic: Arithmetic,
        build: Build,
        accumulator: FixedPoint,
        lanes: int,
    ):
        self.arithmetic = arithmetic
        self.build = build
        self.lanes = lanes
        super().__init__(
            {
                "weight": In(buses[0].word_bits(lanes)),
                "activation": In(buses[1].word_bits(lanes)),
                **{name: In(1) for name in ("add", "start", "done")},
                "sum": Out(Shape(accumulator.width, accumulator.signed)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        pipeline = Pipeline(m, CUTS[1 : self.build.pipeline])
        signs = [has_signs(self.arithmetic.weight), has_signs(self.arithmetic.activation)]
        pairs = [(self.weight[lane], self.activation[lane]) for lane in range(self.lanes)]
        rows = count_pairs(m, pairs, XNOR if all(signs) else AND, self.build.lut_inputs)
        first, second = (pipeline.cross("chain", f"row{k}", row) for k, row in enumerate(rows))
        ones = Signal(self.lanes.bit_length(), name="ones")
        m.d.comb += ones.eq(first + second)
        addend: Value = ones
        if any(signs):
            count = Cat(self.weight[self.lanes :], self.activation[self.lanes :])
            addend = (ones << 1) - pipeline.cross("chain", "count", count)
        addend = pipeline.cross("total", "addend", addend)
        accumulate(m, SumControl(self.add, self.start, self.done, early=True), addend, None, [], self.sum, {})
        return m


register_hardware(Popcount, PopcountHardware())
