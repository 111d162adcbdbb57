"""A value is taken apart, biased, multiplied by its scales, and rounded once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, ValueCastable, signed, unsigned
from amaranth.lib import data

from ...formats import SPECIALS, FixedPoint, Format, Integer, Requantization, check_format
from ..products.decode import decode, operand_layout
from .dsp_product import DspProduct
from .folded_product import FoldedProduct
from .lut_product import ADDERS, lut_product_stages, multiply_in_luts
from .normalizing_shift import NormalizingShift
from .number import Rounded, Traits, Unrounded, Unscaled
from .round import ROUNDING_STAGES, Random, round_to_code
from .scale_factors import ExponentRange, Factors, either, factor_bits, parity, sum_of, take_factors
from .stall_pipeline import Stages

__all__ = ["ScaleAndRound", "named"]

EXPONENT_STAGES = 2
"""Most stages that the sum of exponents, and the shift that it allows, take on their own."""


@dataclass(frozen=True)
class _Scaled:
    """A number without scales, and the shift that its exponent allows."""

    number: Unscaled
    allowed: Value | int


@dataclass(frozen=True)
class ScaleAndRound:
    """The data path of one value, without its handshake. Every unit that scales and rounds is made of it.

    A value is at first an integer, or the significand of a code: two's complement, or a magnitude beside a sign. It is
    multiplied as what it is.

    Parameters
    ----------
    source: form of what comes in
    how: what becomes of it
    dsp: whether multiplications are plain ``*``, of parts that DSP blocks can hold
    cycles: most cycles that a value may take. A product with the significand of one scale is folded over as many of
        them as it has a use for, if it is made in LUTs; else a value takes one
    fast: whether more registers stand in a product that is made in LUTs
    """

    source: FixedPoint | Format
    how: Requantization
    dsp: bool = False
    cycles: int = 1
    fast: bool = False

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
        """The shapes of the inputs by name, in the order of their bits."""
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
        """Bits of all scales' significands together."""
        return sum(factor_bits(format) for format in self.scales.values())

    @cached_property
    def _dsp_product(self) -> DspProduct | None:
        """The multiplication by all scales at once; None where they are multiplied by in LUTs, one after the other."""
        if self._factor_bits == 1 or (self.dsp and self._factor_bits):
            return DspProduct(self._body[0], self._factor_bits, self._body[1])
        return None

    @cached_property
    def _folded_product(self) -> FoldedProduct | None:
        """The multiplication by the only scale that has a significand, over several cycles; None where it is not."""
        bits = [factor_bits(format) for format in self.scales.values() if factor_bits(format)]
        if len(bits) != 1 or self._dsp_product is not None:
            return None
        product = FoldedProduct(bits[0], self.cycles, bool(self.how.bias_bits), self.fast)
        return product if product.fits else None

    @cached_property
    def interval(self) -> int:
        """Cycles that a value takes: through all of them it stands at the inputs, and it is taken in the last one."""
        return 1 if self._folded_product is None else self._folded_product.interval

    @cached_property
    def _exponents(self) -> list[ExponentRange]:
        """The ranges of the exponents of the scales and of the source."""
        formats = [*self.scales.values()]
        if isinstance(self.source, Format):
            formats.append(self.source)
        return [ExponentRange.of(format) for format in formats]

    @cached_property
    def shift(self) -> NormalizingShift:
        """The shift that brings the scaled value to where the output keeps bits of it."""
        formats = list(self.scales.values())
        least = sum(exponent.least for exponent in self._exponents)
        body_bits, twos = self._body
        width = body_bits + (self._factor_bits if self._factor_bits > 1 else 0)
        return NormalizingShift(
            self.how.output,
            self.how.rounding,
            width - twos,
            twos,
            # An exponent counts from its least, which is that of the lowest bit.
            self.source.lsb_exponent + sum(format.lsb_exponent for format in formats) - least,
            least,
            sum(exponent.greatest for exponent in self._exponents),
            normalized=isinstance(self.source, Format) and self.source.normalized and not formats,
        )

    @property
    def _adders(self) -> int:
        """Most adders one after the other in a stage of a product."""
        return 1 if self.fast else ADDERS

    @cached_property
    def _product_stages(self) -> int:
        if self._dsp_product is not None:
            return self._dsp_product.stages
        bits = [factor_bits(format) for format in self.scales.values()]
        return sum(lut_product_stages(each, self._adders) for each in bits if each)

    @cached_property
    def _scaling_stages(self) -> int:
        """Stages before the shift. The multiplier, if there is one, has registers on both sides."""
        if self._folded_product is not None:
            return 0
        needed = self._product_stages + bool(self.how.bias_bits or self._factor_bits)
        runtime = sum(exponent.greatest > exponent.least for exponent in self._exponents)
        return max(needed, min(runtime, EXPONENT_STAGES))

    @cached_property
    def latency(self) -> int:
        """Register stages of the path."""
        return self._scaling_stages + self.shift.stages + ROUNDING_STAGES

    def build(self, m: Module, stages: Stages, inputs: Mapping[str, Value], random: Random | None) -> Rounded:
        """Put the path into ``m``.

        Parameters
        ----------
        inputs: those of ``fields`` by the names that ``named`` gives them, and whatever else is to come along
        random: gives the random words; None without stochastic rounding
        """
        stages.note(inputs)
        number = self._take_apart(m, inputs)
        stages.note(number)
        if self._folded_product is not None:
            scaled = self._fold(m, stages, number, self._folded_product)
            return round_to_code(m, stages, self._unrounded(scaled), self.shift, self.how, random)
        # Exponents are added before the first register, and become a shift before the last one.
        for _ in range(self._scaling_stages - 1 - self._product_stages):
            number = stages.register(number)
        number = self._add_bias(number)
        if self._factor_bits:
            number = self._multiply(m, stages, number)
        scaled = _Scaled(replace(number, exponent=None), self.shift.allowed(m, number.exponent))
        if self._scaling_stages:
            scaled = stages.register(scaled)
        rounded = round_to_code(m, stages, self._unrounded(scaled), self.shift, self.how, random)
        assert stages.latency == self.latency
        return rounded

    def _add_bias(self, number: Unscaled) -> Unscaled:
        if number.bias is None:
            return number
        body = (number.body + number.bias)[: self._body[0]].as_signed()
        return replace(number, body=body, bias=None)

    def _fold(self, m: Module, stages: Stages, number: Unscaled, product: FoldedProduct) -> _Scaled:
        """Multiply in several cycles, at the end of which the shift that the exponent allows stands as well."""
        (name,) = number.factors
        number = product.multiply(m, stages, self._add_bias(number), name)
        allowed = self.shift.allowed(m, number.exponent)
        if isinstance(allowed, Value):
            steady = Signal(allowed.shape(), name="allowed_steady", reset_less=True)
            m.d.sync += steady.eq(allowed)
            allowed = steady
        return _Scaled(replace(number, exponent=None), allowed)

    def _take_apart(self, m: Module, inputs: Mapping[str, Value]) -> Unscaled:
        """Split what comes in into its parts."""
        no = Const(0, 1)
        factors = take_factors(m, inputs, self.scales)
        signs, exponents = factors.signs, factors.exponents
        negative_infinity: Value = no
        if isinstance(self.source, FixedPoint):
            body = inputs["accumulator"]
            nan, positive, negative_infinity = (inputs.get(f"{name}_in", no) for name in SPECIALS)
            infinity = either(positive, negative_infinity)
        else:
            operand = decode(m, self.source, inputs["code"], "code")
            body = operand.significand
            if operand.sign is not None:
                signs.append(operand.sign)
            if operand.exponent is not None:
                exponents.append(operand.exponent)
            nan = no if operand.nan is None else operand.nan
            infinity = no if operand.infinity is None else operand.infinity
            if operand.infinity is not None and body.shape().signed:
                negative_infinity = body[-1]  # of an infinity it is its sign
        if body.shape().signed and len(body) == 1:
            body = Cat(body, body[-1]).as_signed()
        infinite_zero = no if isinstance(infinity, Const) else infinity & factors.zero
        mine = {*self.fields, *(f"{name}_in" for name in SPECIALS)}
        return Unscaled(
            bias=inputs.get("bias"),
            zero_point=inputs.get("zero_point"),
            carried={name: value for name, value in inputs.items() if name not in mine},
            nan=either(nan, infinite_zero, *factors.nans),
            infinity=infinity,
            negative_infinity=negative_infinity,
            body=body,
            scaled_infinity=factors.infinity,
            flip=parity(*signs),
            factors=self._significands(factors),
            exponent=sum_of(exponents),
        )

    def _significands(self, factors: Factors) -> dict[str, Value]:
        """What the body is to be multiplied by: one factor for DSP blocks, else one for each scale."""
        if self._dsp_product is None:
            return {f"{name}_factor": significand for name, significand in factors.significands.items()}
        factor, *others = factors.significands.values()
        for other in others:
            factor = factor * other
        return {"factor": factor}

    def _multiply(self, m: Module, stages: Stages, number: Unscaled) -> Unscaled:
        """Multiply by all factors; the last stage has no register behind it."""
        number = stages.register(number)
        if self._dsp_product is not None:
            return self._dsp_product.multiply(stages, number)
        for index, name in enumerate(number.factors):
            number = stages.register(number) if index else number
            number = multiply_in_luts(m, stages, number, name, self._adders)
        return number

    def _unrounded(self, scaled: _Scaled) -> Unrounded:
        """The number with its sign, be it infinite or not."""
        number = scaled.number
        sign = number.body[-1] if self._body[1] else Const(0, 1)
        if not isinstance(number.infinity, Const):
            sign = Mux(number.infinity, number.negative_infinity, sign)
        traits = Traits(
            zero_point=number.zero_point,
            carried=number.carried,
            nan=number.nan,
            infinity=number.infinity,
            scaled_infinity=number.scaled_infinity,
            flip=number.flip,
            negative=parity(sign, number.flip),
        )
        return Unrounded(traits, number.body, scaled.allowed)


def named(inputs: Mapping[str, Value | ValueCastable]) -> dict[str, Value]:
    """Inputs under the names by which ``ScaleAndRound.build`` takes them: special values have ``_in`` behind theirs."""
    return {f"{name}_in" if name in SPECIALS else name: Value.cast(value) for name, value in inputs.items()}
