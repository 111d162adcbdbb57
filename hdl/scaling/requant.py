"""From exact sums to the codes of a narrow format: bias, scale, ReLU, and one rounding."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, ValueCastable, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats import (
    SPECIALS,
    FixedPoint,
    Format,
    Integer,
    Requantization,
    Rounding,
    check_format,
)
from ..products.decode import decode, operand_layout
from .lfsr import Lfsr
from .normalize import Placement
from .round import ROUNDING_STAGES, Random, round_to_code
from .scale_factors import ExponentRange, either, factor_bits, parity, sum_of, take_factors
from .scale_product import Operation, multiply_operations
from .stall_pipeline import Stages

__all__ = ["Requantize", "Scaling"]


LONG_FACTOR = 17
"""Most bits of a factor that is multiplied by in one stage: what signed DSP blocks of 18 bits take."""


@dataclass(frozen=True)
class Scaling:
    """The data path of one value, without its handshake: what every unit that scales and rounds is made of.

    A value is at first an integer (with bias), or the significand of a code: two's complement, or a magnitude beside a
    sign. It is multiplied as what it is.

    Parameters
    ----------
    source: form of what comes in
    how: what becomes of it
    dsp: whether multiplications are plain ``*``, of parts that DSP blocks can hold
    """

    source: FixedPoint | Format
    how: Requantization
    dsp: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.source, FixedPoint):
            check_format("source", self.source)
            if self.source.scales_only:
                raise ValueError(f"source must be a FixedPoint or a format of operands, not {self.source.name}")
            if self.how.bias_bits:
                raise ValueError(f"bias_bits must be 0 where codes are scaled, not {self.how.bias_bits}")

    @cached_property
    def scales(self) -> dict[str, Format]:
        """The formats of the scales that there are, by name."""
        named = {"scale": self.how.scale, "tensor_scale": self.how.tensor_scale}
        return {name: format for name, format in named.items() if format is not None}

    @cached_property
    def fields(self) -> dict[str, data.Layout | object]:
        """Shapes of what comes in, by name, in the order of their bits."""
        source, how = self.source, self.how
        fields: dict[str, object] = {}
        if isinstance(source, FixedPoint):
            fields["accumulator"] = (signed if source.signed else unsigned)(source.width)
            fields |= dict.fromkeys(source.specials, 1)
        else:
            fields["code"] = source.width
        fields |= {name: format.width for name, format in self.scales.items()}
        if how.bias_bits:
            fields["bias"] = signed(how.bias_bits)
        if how.zero_point:
            assert isinstance(how.output, Integer)
            fields["zero_point"] = (unsigned if how.output.unsigned else signed)(how.output.bits)
        return fields

    @cached_property
    def _body(self) -> tuple[int, bool]:
        """Bits of the value before it is scaled, and whether it is two's complement."""
        source = self.source
        if isinstance(source, FixedPoint):
            if not self.how.bias_bits:
                return max(source.width, 1 + source.signed), source.signed
            half = 1 << self.how.bias_bits - 1
            largest = max(source.max_integer + half - 1, half - source.min_integer - 1)
            return largest.bit_length() + 1, True
        significand = Shape.cast(operand_layout(source)["significand"].shape)
        return max(significand.width, 1 + significand.signed), significand.signed

    @cached_property
    def _factor_bits(self) -> int:
        return sum(factor_bits(format) for format in self.scales.values())

    @cached_property
    def _width(self) -> int:
        """Bits of the value once it is scaled."""
        return self._body[0] + (self._factor_bits if self._factor_bits > 1 else 0)

    @cached_property
    def _exponents(self) -> list[ExponentRange]:
        formats = [*self.scales.values()]
        if isinstance(self.source, Format):
            formats.append(self.source)
        return [exponent for exponent in map(ExponentRange.of, formats) if exponent.greatest > exponent.least]

    @cached_property
    def placement(self) -> Placement:
        formats = list(self.scales.values())
        constant = self.source.lsb_exponent + sum(format.lsb_exponent for format in formats)
        parts = [ExponentRange.of(format) for format in formats]
        if isinstance(self.source, Format):
            parts.append(ExponentRange.of(self.source))
        return Placement(
            self.how.output,
            self.how.rounding,
            self._width - self._body[1],
            self._body[1],
            # An exponent counts from its least, which is that of the lowest bit.
            constant - sum(part.least for part in parts),
            sum(part.least for part in parts),
            sum(part.greatest for part in parts),
            normalized=isinstance(self.source, Format) and self.source.normalized and not formats,
        )

    @cached_property
    def _operations(self) -> list[Operation]:
        """What happens to the body, a stage each; exponents are summed in the first and placed in the last."""
        operations: list[Operation] = []
        if self.how.bias_bits:
            operations.append(self._add_bias)
        if self._factor_bits:
            # The multiplier has registers on both sides.
            operations += [] if operations else [self._wait]
            operations += self._multiplication
        return [self._wait] * (min(len(self._exponents), 2) - len(operations)) + operations

    @cached_property
    def _multiplication(self) -> list[Operation]:
        """The factors one after the other, or with DSP blocks their product."""
        if self.dsp or self._factor_bits == 1:
            return self._long_multiply if self._factor_bits > LONG_FACTOR else [self._multiply]
        operations: list[Operation] = []
        for name, format in self.scales.items():
            if factor_bits(format):
                operations += multiply_operations(f"{name}_factor", factor_bits(format))
        return operations

    @cached_property
    def latency(self) -> int:
        """Register stages of the path."""
        return len(self._operations) + self.placement.stages + ROUNDING_STAGES

    def build(self, m: Module, stages: Stages, inputs: Mapping[str, Value], random: Random | None) -> SimpleNamespace:
        """Put the path into ``m``: from ``inputs``, named as ``fields`` and whatever else is to come along, to a
        namespace with ``code``."""
        live = SimpleNamespace(**inputs)
        self._take_apart(m, live)
        operations = self._operations
        for index, operation in enumerate(operations):
            operation(m, live)
            if index == len(operations) - 1:
                live.allowed = self.placement.allowed(m, live.exponent)
                live.exponent = None
            live = stages.register(live)
        if not operations:
            live.allowed = self.placement.allowed(m, None)
        sign = live.body[-1] if self._body[1] else Const(0, 1)
        if not isinstance(live.infinity, Const):
            sign = Mux(live.infinity, live.negative_infinity, sign)
        live.negative = parity(sign, live.flip)
        live.negative_infinity = None
        if not hasattr(live, "zero_point"):
            live.zero_point = None
        live = round_to_code(m, stages, live, self.placement, self.how, random)
        assert stages.latency == self.latency
        return live

    def _take_apart(self, m: Module, live: SimpleNamespace) -> None:
        no = Const(0, 1)
        factors = take_factors(m, live, self.scales)
        signs, exponents = factors.signs, factors.exponents
        live.nan = live.infinity = live.negative_infinity = no
        if isinstance(self.source, FixedPoint):
            live.body, live.accumulator = live.accumulator, None
            live.nan = getattr(live, "nan_in", no)
            positive, live.negative_infinity = (
                getattr(live, f"{name}_infinity_in", no) for name in ("positive", "negative")
            )
            live.infinity = either(positive, live.negative_infinity)
            live.nan_in = live.positive_infinity_in = live.negative_infinity_in = None
        else:
            operand = decode(m, self.source, live.code, "code")
            live.code = None
            live.body = operand.significand
            if operand.sign is not None:
                signs.append(operand.sign)
            if operand.exponent is not None:
                exponents.append(operand.exponent)
            live.nan = no if operand.nan is None else operand.nan
            live.infinity = no if operand.infinity is None else operand.infinity
        if live.body.shape().signed and len(live.body) == 1:
            live.body = Cat(live.body, live.body[-1]).as_signed()
        infinite_zero = no if isinstance(live.infinity, Const) else live.infinity & factors.zero
        live.nan = either(live.nan, infinite_zero, *factors.nans)
        live.scaled_infinity = factors.infinity
        live.flip = parity(*signs)
        significands = factors.significands
        if self.dsp or self._factor_bits == 1:
            live.factor = None
            for significand in significands.values():
                live.factor = significand if live.factor is None else live.factor * significand
        else:
            for name, significand in significands.items():
                setattr(live, f"{name}_factor", significand)
        live.exponent = sum_of(exponents)

    def _wait(self, m: Module, live: SimpleNamespace) -> None:
        pass

    def _add_bias(self, m: Module, live: SimpleNamespace) -> None:
        live.body = (live.body + live.bias)[: self._body[0]].as_signed()
        live.bias = None

    def _multiply(self, m: Module, live: SimpleNamespace) -> None:
        width = self._width
        if len(live.factor) == 1:
            live.body = live.body.as_unsigned() & live.factor.replicate(len(live.body))
            live.body = live.body.as_signed() if self._body[1] else live.body
        elif self._body[1]:
            live.body = (live.body * Cat(live.factor, Const(0, 1)).as_signed())[:width].as_signed()
        else:
            live.body = (live.body * live.factor)[:width]
        live.factor = None

    @cached_property
    def _long_multiply(self) -> list[Operation]:
        """A multiplication of parts that DSP blocks can hold, then of their sums an adder a stage."""
        parts = -(-self._factor_bits // LONG_FACTOR)
        step = -(-self._factor_bits // parts)
        body_parts = -(-self._body[0] // LONG_FACTOR)
        body_step = max(-(-self._body[0] // body_parts), step)
        widths = [min(step, self._factor_bits - step * k) for k in range(parts)]

        def multiply(m: Module, live: SimpleNamespace) -> None:
            body, factor = live.body, live.factor
            for k, width in enumerate(widths):
                for start in range(0, len(body), body_step):
                    part = body[start : start + body_step]
                    if body.shape().signed and start + body_step >= len(body):
                        part = part.as_signed()
                    setattr(live, f"product{k}_{start}", (part * factor[step * k :][:width])[: len(part) + width])
                    if part.shape().signed:
                        signed_product = getattr(live, f"product{k}_{start}").as_signed()
                        setattr(live, f"product{k}_{start}", signed_product)
            live.body = live.factor = None

        def add_parts(m: Module, live: SimpleNamespace) -> None:
            starts = range(0, self._body[0], body_step)
            for k, width in enumerate(widths):
                sides = []
                # Every second product has room up to the next but one: they stand side by side.
                for first in (0, 1):
                    products = [_take(live, f"product{k}_{start}") for start in starts[first::2]]
                    room = 2 * body_step
                    side: Value = Cat(Const(0, first * body_step))
                    for product in products[:-1]:
                        side = Cat(side, product, Const(0, room - len(product)))
                    if products:
                        side = Cat(side, products[-1])
                        side = side.as_signed() if products[-1].shape().signed else side
                    sides.append(side)
                row = (sides[0] + sides[1])[: self._body[0] + width]
                setattr(live, f"row{k}", row.as_signed() if self._body[1] else row)

        def add_rows(apart: int) -> Operation:
            def add(m: Module, live: SimpleNamespace) -> None:
                for k in range(0, parts - apart, 2 * apart):
                    low, high = _take(live, f"row{k}"), _take(live, f"row{k + apart}")
                    total = (low[step * apart :].as_signed() if self._body[1] else low[step * apart :]) + high
                    row = Cat(low[: step * apart], total[: len(high) + 1])
                    setattr(live, f"row{k}", row.as_signed() if self._body[1] else row)
                if 2 * apart >= parts:
                    body = _take(live, "row0")[: self._width]
                    live.body = body.as_signed() if self._body[1] else body

            return add

        operations: list[Operation] = [multiply, add_parts]
        apart = 1
        while apart < parts:
            operations.append(add_rows(apart))
            apart *= 2
        return operations


def _take(live: SimpleNamespace, name: str) -> Value:
    value = getattr(live, name)
    setattr(live, name, None)
    return value


class Requantize(wiring.Component):
    """A stream of exact sums, or of codes, in; their codes in another format out, each rounded once.

    ``code = round((accumulator + bias) * scale * tensor_scale)``, exactly as ``Requantization`` tells. Initiation
    interval 1; ``latency`` cycles from a transfer in to ``o.valid`` where nothing stalls. The pipeline stalls as a
    whole: ``i.ready`` follows ``o.ready`` within a cycle.

    Parameters
    ----------
    source: ``FixedPoint`` of the sums, or the format of the codes
    how: scales, bias, output, and the policies
    tag_bits: bits that go with a value from ``i`` to ``o``; 0 for none
    dsp: whether multiplications are plain ``*``, of parts that DSP blocks can hold; changes cost and latency, never a
        bit

    Members
    -------
    i: In(stream); fields, those that there are: ``accumulator`` or ``code``; ``nan``, ``positive_infinity``,
        ``negative_infinity``; ``scale``, ``tensor_scale`` (codes); ``bias``; ``zero_point``; ``tag``
    o: Out(stream); fields ``code``, ``tag``
    """

    def __init__(self, source: FixedPoint | Format, how: Requantization, *, tag_bits: int = 0, dsp: bool = False):
        if tag_bits < 0:
            raise ValueError(f"tag_bits must be 0 or more, not {tag_bits!r}")
        self.source = source
        self.how = how
        self.tag_bits = tag_bits
        self.dsp = dsp
        self.scaling = Scaling(source, how, dsp)
        tag = {"tag": tag_bits} if tag_bits else {}
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout(self.scaling.fields | tag))),
                "o": Out(stream.Signature(data.StructLayout({"code": how.output.width} | tag))),
            }
        )
        self.latency = self.scaling.latency

    def elaborate(self, platform) -> Module:
        m = Module()
        advance = Signal()
        m.d.comb += [advance.eq(~self.o.valid | self.o.ready), self.i.ready.eq(advance)]
        stages = Stages(m, advance, self.i.valid)
        inputs = {name: getattr(self.i.payload, name) for name in self.i.payload.shape().members}
        live = self.scaling.build(m, stages, named(inputs), make_random(m, self.how)[0])
        m.d.comb += [self.o.valid.eq(stages.valid), self.o.payload.code.eq(live.code)]
        if self.tag_bits:
            m.d.comb += self.o.payload.tag.eq(live.tag)
        return m


def named(inputs: Mapping[str, Value | ValueCastable]) -> dict[str, Value]:
    """Inputs under the names by which ``Scaling.build`` takes them: special values as they came."""
    return {f"{name}_in" if name in SPECIALS else name: Value.cast(value) for name, value in inputs.items()}


def make_random(m: Module, how: Requantization, lanes: int = 1) -> list[Random | None]:
    """For every lane, where its random words come from; the first lane says when they are used up."""
    if how.rounding is not Rounding.STOCHASTIC:
        return [None] * lanes
    m.submodules.lfsr = lfsr = Lfsr(how.seed, lanes)

    def of(lane: int) -> Random:
        def random(taken: Value) -> Value:
            if lane == 0:
                m.d.comb += lfsr.advance.eq(taken)
            return lfsr.words.word_select(lane, len(lfsr.words) // lanes)

        return random

    return [of(lane) for lane in range(lanes)]
