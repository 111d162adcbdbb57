"""Elements that take a word of operands in several cycles, a digit or a bit of them a cycle.

The sum of a word grows from its highest digits to its lowest: it is shifted, and what a cycle's digits make is added.
When it is whole, it goes into the accumulator. Operands stand at the array's edge meanwhile, and what travels from
there is what the cycle needs of them.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import Arithmetic, FixedPoint, Format, Integer
from ...formats.elements.serial import BitSerial, BoothRounded, BoothSerial, twos_complement_bits, word_sum
from ..products.accumulate import SumControl, accumulate
from ..products.build import Build, chain_length
from ..products.chains import sum_chains
from ..products.counters import count_pairs
from ..products.decode import decode_as_integer
from ..products.operand_bus import OperandBus, filled
from ..products.pipeline import Pipeline
from ..products.product_term import Term
from ..products.significand_product import digit_row
from .hardware import ElementHardware, register_hardware

__all__ = ["BitSerialHardware", "BoothSerialHardware"]

CUTS = ("chain", "total")
"""Where register stages are behind that of the array's edge: in the sum of a cycle's digits, and behind it."""

Places = tuple[int, ...]
"""Places of the bits of an operand that a cycle needs; -1 is a zero below the lowest."""


@dataclass(frozen=True)
class PlaneBus(OperandBus):
    """Operands in two's complement, of which a few bits travel in each cycle.

    Parameters
    ----------
    format: of the codes
    planes: the bits that travel, for each cycle of a word; places above the highest have the sign
    """

    format: Format
    planes: tuple[Places, ...]

    @property
    def shape(self) -> Shape:
        return unsigned(len(self.planes[0]))

    @property
    def _bits(self) -> int:
        return twos_complement_bits(self.format)

    def enter(self, m: Module, code: Value, name: str, keep: Value | None = None) -> Value:
        code = filled(self.format, code, keep)
        if isinstance(self.format, Integer):
            return code if self.format.signed else Cat(code, Const(0, 1))
        integer = decode_as_integer(m, self.format, code, name).significand
        found = Signal(self._bits, name=f"{name}_integer")
        m.d.comb += found.eq(integer)
        return found

    def hold(self, m: Module, interval: int, valid: Value, operands: Value, name: str) -> Value:
        held = super().hold(m, interval, valid, operands, name)
        step = Signal(range(max(2, interval)), name=f"{name}_step", reset_less=True)
        if len(set(self.planes)) > 1:
            m.d.sync += step.eq(Mux(valid, 0, step + 1))
        bits = self._bits
        lanes = [held.word_select(k, bits) for k in range(len(held) // bits)]
        # Of planes that are the same bits, one is enough.
        different = [*dict.fromkeys(self.planes)]
        if len(different) == 1:
            return Cat(_plane(lane, different[0]) for lane in lanes)
        which = Signal(range(len(different)), name=f"{name}_plane")
        with m.Switch(step):
            for cycle, plane in enumerate(self.planes):
                with m.Case(cycle):
                    m.d.comb += which.eq(different.index(plane))
        size = len(different[0])
        return Cat(Cat(_plane(lane, plane) for plane in different).word_select(which, size) for lane in lanes)


def _plane(operand: Value, places: Places) -> Value:
    return Cat(Const(0, 1) if place < 0 else operand[min(place, len(operand) - 1)] for place in places)


class SerialHardware(ElementHardware):
    """What all such elements have in common: when a word's digits come, and when its sum does."""

    def latency(self, arithmetic: Arithmetic, build: Build, lanes: int) -> int:
        return arithmetic.interval + build.pipeline + 1

    def control(
        self, m: Module, arithmetic: Arithmetic, build: Build, valid: Value, first: Value, last: Value | None
    ) -> Mapping[str, Value]:
        return self.dropping_control(m, arithmetic, build, valid, first, last, Const(0, 1))

    def dropping_control(
        self,
        m: Module,
        arithmetic: Arithmetic,
        build: Build,
        valid: Value,
        first: Value,
        last: Value | None,
        dropped: Value,
    ) -> Mapping[str, Value]:
        # How long it takes from a word to its sum.
        wait = arithmetic.interval + build.pipeline
        words = _late(m, valid, wait, "valid")
        firsts = _late(m, valid & first, wait - 1, "first")
        lasts = words if last is None else _late(m, valid & last, wait, "last")
        opens = words[build.pipeline]
        choices = range(arithmetic.element.droppable + 1)
        add, start, done = (
            Cat(late[-1 - count] for count in choices).bit_select(dropped, 1) if len(choices) > 1 else late[-1]
            for late in (words, firsts, lasts)
        )
        return {"opens": opens, "add": add, "start": start, "done": done, **self.steps(m, arithmetic, opens)}

    def steps(self, m: Module, arithmetic: Arithmetic, opens: Value) -> Mapping[str, Value]:
        """Further control, beside ``opens``, the first digits of a word."""
        return {}


def _late(m: Module, value: Value, cycles: int, name: str) -> list[Value]:
    """The value, and the value 1 to ``cycles`` cycles late."""
    found = [value]
    for cycle in range(cycles):
        late = Signal(name=f"{name}_late{cycle}")
        m.d.sync += late.eq(found[-1])
        found.append(late)
    return found


class SerialElement(wiring.Component):
    """``lanes`` products a word into one sum, a digit of each a cycle.

    Parameters
    ----------
    buses: of weights and activations
    arithmetic: formats of the operands, and the element
    build: of the sums of a cycle; its first register stage is at the array's edge
    accumulator: the sum's form
    lanes: products a word
    controls: names of further inputs of control

    Members
    -------
    weight, activation: In, what the buses bring in a cycle
    opens: In(1), the sum of a word starts with this cycle's digits, behind the cuts
    add, start, done: In(1), as in ``SumControl``, when the sum of a word is whole
    sum: Out, the finished sum; holds until the next ``done``
    """

    def __init__(
        self,
        buses: tuple[OperandBus, OperandBus],
        arithmetic: Arithmetic,
        build: Build,
        accumulator: FixedPoint,
        lanes: int,
        controls: Sequence[str] = (),
    ):
        self.buses = buses
        self.arithmetic = arithmetic
        self.build = build
        self.lanes = lanes
        super().__init__(
            {
                "weight": In(lanes * buses[0].shape.width),
                "activation": In(lanes * buses[1].shape.width),
                **{name: In(1) for name in ("opens", "add", "start", "done", *controls)},
                "sum": Out(Shape(accumulator.width, accumulator.signed)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        bits = [bus.shape.width for bus in self.buses]
        pairs = [
            (self.weight.word_select(k, bits[0]), self.activation.word_select(k, bits[1])) for k in range(self.lanes)
        ]
        form = word_sum(self.arithmetic.element, self.arithmetic.weight, self.arithmetic.activation, self.lanes)
        word = Signal(Shape(form.width, form.signed), name="word")
        shifted = Signal(Shape(form.width, form.signed), name="word_shifted")
        added, carry = self.add_digits(m, Pipeline(m, CUTS[: self.build.pipeline - 1]), pairs)
        m.d.comb += shifted.eq(Mux(self.opens, 0, self.shift_word(word)))
        m.d.sync += word.eq(shifted + added if carry is None else shifted + added + carry)
        accumulate(m, SumControl(self.add, self.start, self.done, early=True), word, None, [], self.sum, {})
        return m

    @abstractmethod
    def add_digits(
        self, m: Module, pipeline: Pipeline, pairs: Sequence[tuple[Value, Value]]
    ) -> tuple[Value, Value | None]:
        """The sum over lanes of what a cycle's digits make, as ``(value, carry)``, behind the cuts."""

    @abstractmethod
    def shift_word(self, word: Signal) -> Value:
        """The sum of a word's higher digits in units of this cycle's."""


class BoothSerialElement(SerialElement):
    """A radix-4 Booth digit of each weight a cycle."""

    def add_digits(
        self, m: Module, pipeline: Pipeline, pairs: Sequence[tuple[Value, Value]]
    ) -> tuple[Value, Value | None]:
        terms = [
            Term(Const(0, 1), None, {}, rows=(digit_row(activation.as_signed(), digit),)) for digit, activation in pairs
        ]
        # A digit is one of the values that an integer of three bits has.
        digits = Arithmetic(Integer(3), self.arithmetic.activation)
        return sum_chains(m, pipeline, terms, digits, chain_length(self.build.lut_inputs))

    def shift_word(self, word: Signal) -> Value:
        return (word << 2)[: len(word)].as_signed()


class BoothSerialHardware(SerialHardware):
    """Digits are three bits of the weight, which a row of the activation is made by in an adder's LUT."""

    def buses(self, arithmetic: Arithmetic, build: Build) -> tuple[OperandBus, OperandBus]:
        element = arithmetic.element
        assert isinstance(element, BoothSerial)
        digits = range(element.digits + element.dropped - 1, element.dropped - 1, -1)
        whole = tuple(range(twos_complement_bits(arithmetic.activation)))
        return (
            PlaneBus(arithmetic.weight, tuple((2 * digit - 1, 2 * digit, 2 * digit + 1) for digit in digits)),
            PlaneBus(arithmetic.activation, (whole,) * element.digits),
        )

    def element(
        self, arithmetic: Arithmetic, build: Build, accumulator: FixedPoint, lanes: int, edge: Build | None = None
    ) -> BoothSerialElement:
        return BoothSerialElement(self.buses(arithmetic, build), arithmetic, build, accumulator, lanes)


class BitSerialElement(SerialElement):
    """A bit of each weight by a bit of each activation a cycle."""

    def add_digits(
        self, m: Module, pipeline: Pipeline, pairs: Sequence[tuple[Value, Value]]
    ) -> tuple[Value, Value | None]:
        rows = count_pairs(m, pairs, (0, 0, 0, 1), self.build.lut_inputs)
        first, second = (pipeline.cross("chain", f"row{k}", row) for k, row in enumerate(rows))
        count = Signal(self.lanes.bit_length(), name="count")
        m.d.comb += count.eq(first + second)
        ones = pipeline.cross("total", "count", count)
        negated = Cat(ones, Const(0, 1)) ^ self.negative.replicate(len(ones) + 1)
        return negated.as_signed(), self.negative

    def shift_word(self, word: Signal) -> Value:
        return Mux(self.lower, (word << 1)[: len(word)].as_signed(), word)


class BitSerialHardware(SerialHardware):
    """Ones are counted as the element of single bits does it."""

    def buses(self, arithmetic: Arithmetic, build: Build) -> tuple[OperandBus, OperandBus]:
        element = arithmetic.element
        assert isinstance(element, BitSerial)
        return (
            PlaneBus(arithmetic.weight, tuple((w,) for w, _ in element.steps)),
            PlaneBus(arithmetic.activation, tuple((a,) for _, a in element.steps)),
        )

    def steps(self, m: Module, arithmetic: Arithmetic, opens: Value) -> Mapping[str, Value]:
        """``negative``: one of the bits, and not both, is a sign. ``lower``: the place is the one below the last."""
        element = arithmetic.element
        assert isinstance(element, BitSerial)
        held = Signal(range(max(2, element.interval)), name="step_held", reset_less=True)
        step = Signal.like(held, name="step")
        m.d.comb += step.eq(Mux(opens, 0, held))
        m.d.sync += held.eq(step + 1)
        negative, lower = Signal(name="negative"), Signal(name="lower")
        tops = element.weight_bits - 1, element.activation_bits - 1
        with m.Switch(step):
            for cycle, (w, a) in enumerate(element.steps):
                with m.Case(cycle):
                    above = cycle > 0 and sum(element.steps[cycle - 1]) > w + a
                    m.d.comb += [negative.eq((w == tops[0]) != (a == tops[1])), lower.eq(above)]
        return {"negative": negative, "lower": lower}

    def element(
        self, arithmetic: Arithmetic, build: Build, accumulator: FixedPoint, lanes: int, edge: Build | None = None
    ) -> BitSerialElement:
        buses = self.buses(arithmetic, build)
        return BitSerialElement(buses, arithmetic, build, accumulator, lanes, ("negative", "lower"))


register_hardware(BoothSerial, BoothSerialHardware())
register_hardware(BoothRounded, BoothSerialHardware())
register_hardware(BitSerial, BitSerialHardware())
