"""A block's exact sum, less what its zero point adds to it, is multiplied by both of its scales."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value

from ...formats import SPECIALS, Accumulator, Blocks, FixedPoint, Format, Integer
from ..products.decode import is_twos_complement
from ..products.pipeline import Pipeline
from ..products.significand_product import significand_product
from ..scaling.lut_product import LONGEST_PLAIN
from ..scaling.scale_factors import ExponentRange, either, factor_bits, parity, sum_of, take_factors
from ..scaling.stall_pipeline import Stages

__all__ = ["ScaledBlock", "ScaledSum", "sum_fields"]


def sum_fields(form: FixedPoint | Format) -> dict[str, Shape | int]:
    """The shapes of the parts of a sum over blocks, by name."""
    if isinstance(form, FixedPoint):
        return {"accumulator": Shape(form.width, form.signed), **dict.fromkeys(form.specials, 1)}
    return {"code": form.width}


@dataclass(frozen=True)
class ScaledBlock:
    """A block's sum times its scales, as ``Stages`` registers it.

    Members
    -------
    first: whether the block begins a sum over blocks
    carried: ``last``, and ``index`` and ``tag`` where there are such
    nan, infinity: flags; the body means nothing where either is up
    flip: whether the scales change the sign of a body of two's complement; None for a magnitude
    negative: the sign of the magnitude, or of the infinity
    body: the product, an integer
    exponent: its runtime part; None where there is none
    """

    first: Value
    carried: Mapping[str, Value]
    nan: Value
    infinity: Value
    flip: Value | None
    negative: Value
    body: Value
    exponent: Value | None


@dataclass(frozen=True)
class _Factored:
    """A block that is still to be multiplied by a factor, the product of its scales' significands."""

    block: ScaledBlock
    factor: Value


@dataclass(frozen=True)
class ScaledSum:
    """``block_sum * weight_scale * activation_scale``: two's complement, or a magnitude beside its sign.

    Where blocks have zero points, ``weight_zero_point * row_sum`` is subtracted from the block's sum first.

    Parameters
    ----------
    weight, activation: formats of the products
    blocks: formats of the scales, and whether there are zero points
    terms: most products of a block
    twos: whether it is two's complement
    dsp: whether multiplications are left to the synthesizer, for its DSP blocks
    """

    weight: Format
    activation: Format
    blocks: Blocks
    terms: int
    twos: bool
    dsp: bool

    @cached_property
    def source(self) -> FixedPoint:
        """The form of the block's sum as it comes."""
        return FixedPoint.of(self.weight, self.activation, self.terms)

    @cached_property
    def row_sum(self) -> FixedPoint:
        """The form of the sum of the block's activations."""
        return FixedPoint.of(Integer(1, unsigned=True), self.activation, self.terms)

    @cached_property
    def scaled(self) -> FixedPoint:
        """The form of the block's sum without what its zero point adds."""
        return FixedPoint.of(self.blocks.multiplied(self.weight), self.activation, self.terms)

    @cached_property
    def scales(self) -> dict[str, Format]:
        return {"weight_scale": self.blocks.weight_scale, "activation_scale": self.blocks.activation_scale}

    @cached_property
    def fields(self) -> dict[str, Shape | int]:
        """The shapes of the inputs, by name."""
        found = {**sum_fields(self.source), **{name: format.width for name, format in self.scales.items()}}
        if self.blocks.zero_points:
            found["weight_zero_point"] = Shape(self.weight.width, self.weight.signed)
            found["row_sum"] = Shape(self.row_sum.width, self.row_sum.signed)
        return found

    @cached_property
    def factored(self) -> bool:
        """Whether there are significands to multiply by."""
        return any(map(factor_bits, self.scales.values()))

    @cached_property
    def stages(self) -> int:
        return 1 + self.factored + self.blocks.zero_points

    @cached_property
    def width(self) -> int:
        """Bits of the product before it is shifted by the exponents."""
        bounds = Accumulator(self.blocks.multiplied(self.weight), self.activation, self.terms)
        least, most = bounds.min_sum, bounds.max_sum
        for format in self.scales.values():
            bits = factor_bits(format)
            # The most negative integer's magnitude takes all the bits.
            largest = 1 << bits - 1 if is_twos_complement(format) else (1 << bits) - 1
            least, most = least * (largest or 1), most * (largest or 1)
        if self.twos:
            return max(most.bit_length(), (-least - 1).bit_length() if least else 0, 1) + self.scaled.signed
        return max(most, -least, 1).bit_length()

    @cached_property
    def least_exponent(self) -> int:
        return sum(ExponentRange.of(format).least for format in self.scales.values())

    @cached_property
    def greatest_exponent(self) -> int:
        return sum(ExponentRange.of(format).greatest for format in self.scales.values())

    @cached_property
    def lsb_exponent(self) -> int:
        """The exponent of the lowest bit's weight, where the runtime part of the exponent is 0."""
        return (
            self.source.lsb_exponent + sum(format.lsb_exponent for format in self.scales.values()) - self.least_exponent
        )

    def build(self, m: Module, stages: Stages, inputs: Mapping[str, Value]) -> ScaledBlock:
        """Multiply a block's sum by its scales, in ``stages`` stages.

        ``inputs`` are those of ``fields`` by the names that ``named`` gives them, ``first``, and what comes along.
        """
        no = Const(0, 1)
        stages.note(inputs)
        if self.blocks.zero_points:
            inputs = stages.register(self._less_zero_point(m, inputs))
        factors = take_factors(m, inputs, self.scales)
        body = inputs["accumulator"]
        sign = body[-1] if self.scaled.signed else no
        nan, positive, negative = (inputs.get(f"{name}_in", no) for name in SPECIALS)
        infinite = either(positive, negative)
        invalid = []
        if not isinstance(infinite, Const):
            invalid.append(infinite & factors.zero)
        if not isinstance(factors.infinity, Const):
            invalid.append(factors.infinity & (factors.zero | ~(body.any() | infinite)))
        flip = parity(*factors.signs)
        signed_infinity = sign if isinstance(infinite, Const) else Mux(infinite, negative, sign)
        if not self.twos and self.scaled.signed:
            body = ((body ^ sign.replicate(len(body))).as_unsigned() + sign)[: len(body)]
        mine = {*self.fields, *(f"{name}_in" for name in SPECIALS), "first"}
        block = ScaledBlock(
            first=inputs["first"],
            carried={name: value for name, value in inputs.items() if name not in mine},
            nan=either(nan, *factors.nans, *invalid),
            infinity=either(infinite, factors.infinity),
            flip=flip if self.twos else None,
            negative=parity(signed_infinity, flip),
            body=body,
            exponent=sum_of(factors.exponents),
        )
        if not factors.significands:
            return stages.register(block if self.twos else replace(block, body=body[: self.width]))
        factor, *others = factors.significands.values()
        for other in others:
            factor = self._multiply(m, factor, other)
        factored = stages.register(_Factored(block, factor))

        block = factored.block
        product = self._multiply(m, block.body, factored.factor)[: self.width]
        return stages.register(replace(block, body=product.as_signed() if block.body.shape().signed else product))

    def _less_zero_point(self, m: Module, inputs: Mapping[str, Value]) -> Mapping[str, Value]:
        """The inputs with the block's sum less what its zero point adds to it."""
        zero_point, row_sum = inputs["weight_zero_point"], inputs["row_sum"]
        added = row_sum * zero_point if self.weight.signed else self._multiply(m, row_sum, zero_point)
        difference = Signal(Shape(self.scaled.width, self.scaled.signed), name="difference")
        m.d.comb += difference.eq(inputs["accumulator"] - added)
        others = {name: value for name, value in inputs.items() if name not in ("weight_zero_point", "row_sum")}
        return {**others, "accumulator": difference}

    def _multiply(self, m: Module, one: Value, other: Value) -> Value:
        """Multiply two integers, of which the second is unsigned."""
        if one.shape().signed:
            other = Cat(other, Const(0, 1)).as_signed()
        if self.dsp:
            return one * other
        method = "rows" if len(other) <= LONGEST_PLAIN else "booth"
        product, _ = significand_product(m, Pipeline(m, ()), method, one, other, tree=False, late_carry=False)
        return product
