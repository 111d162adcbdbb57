"""How large the numbers of a program can become, which says how wide its hardware has to be."""

from dataclasses import dataclass
from functools import cached_property

from ...formats import Arithmetic, FixedPoint
from ...formats.network import Output, Pool, Product, Program, Record

__all__ = ["Bounds"]

Range = tuple[int, int]


@dataclass(frozen=True)
class Bounds:
    """The ranges of what a program computes, whatever the image: no hardware has to be wider.

    Parameters
    ----------
    program: with its weights and parameters, which are known beforehand
    """

    program: Program

    @cached_property
    def products(self) -> Range:
        """Of sums of products, and of what they are on their way, in units of a product's lowest bit."""
        return _around(self._products(record) for record in self.program.records if isinstance(record, Product))

    @cached_property
    def residuals(self) -> FixedPoint:
        """The form of what is added to sums; it is signed."""
        return _form(_around(map(self.residual, self.program.records)))

    @cached_property
    def pools(self) -> FixedPoint:
        """The form of pools without their biases; it is signed."""
        return _form(_around(self._sums(record) for record in self.program.records if isinstance(record, Pool)))

    @cached_property
    def sums(self) -> FixedPoint:
        """The form of sums without their biases, products and pools."""
        return _form(_around(map(self._sums, self.program.records)))

    @cached_property
    def biased(self) -> FixedPoint:
        """The form of sums with their biases; it is signed."""
        return _form(_around(map(self._biased, self.program.records)))

    @cached_property
    def scaled(self) -> FixedPoint:
        """The form of what is rounded; it is signed."""
        return _form(
            _around(self._scaled(record, output) for record in self.program.records for output in record.outputs)
        )

    @cached_property
    def terms(self) -> int:
        """The number of terms whose accumulator holds all sums of products."""
        arithmetic = self.program.shape.arithmetic
        least, most = self.products
        low, high = arithmetic.product_range
        return max(1, -(-most // high) if high > 0 else 1, -(least // -low) if low < 0 else 1)

    def residual(self, record: Record) -> Range:
        """Of the integers that a record adds, those of no residual being 0."""
        if record.residual is None:
            return 0, 0
        between, zero = self.program.shape.between, record.residual.zero
        return between.min_integer - zero, between.max_integer - zero

    def _products(self, record: Product) -> Range:
        shape = self.program.shape
        arithmetic = shape.arithmetic
        if not arithmetic.is_exact:
            form = arithmetic.accumulator(record.terms * shape.lanes)
            return form.min_integer, form.max_integer
        most = [_greatest(arithmetic, code) for code in range(1 << shape.weight.width)]
        least = [_least(arithmetic, code) for code in range(1 << shape.weight.width)]
        word = shape.columns * shape.lanes
        found = []
        for tile in range(record.tiles(shape.columns)):
            start = (record.weights + tile * record.terms) * word
            codes = self.program.weights[start : start + record.terms * word]
            for column in range(shape.columns):
                mine = [code for lane in range(shape.lanes) for code in codes[column * shape.lanes + lane :: word]]
                found.append((sum(least[code] for code in mine), sum(most[code] for code in mine)))
        return _around(found)

    def _sums(self, record: Record) -> Range:
        if isinstance(record, Product):
            return self._products(record)
        assert isinstance(record, Pool)
        between = self.program.shape.between
        least, most = between.min_integer - record.zero, between.max_integer - record.zero
        if record.kind == "sum":
            return least * record.window.taps, most * record.window.taps
        return least, most

    def _biased(self, record: Record) -> Range:
        least, most = self._sums(record)
        biases = [parameter.bias for parameter in self._parameters(record)]
        return least + min(biases), most + max(biases)

    def _scaled(self, record: Record, output: Output) -> Range:
        least, most = self._biased(record)
        name = "activation" if output is record.activation else "between"
        factor = max(getattr(parameter, name) for parameter in self._parameters(record))
        low, high = self.residual(record)
        added = output.multiplier << output.residual_shift
        return min(least, 0) * factor + low * added, max(most, 0) * factor + high * added

    def _parameters(self, record: Record) -> list:
        count = record.channels if record.parameter_step else 1
        return list(self.program.parameters[record.parameters : record.parameters + count])


def _least(arithmetic: Arithmetic, weight: int) -> int:
    integer = arithmetic.weight.integer(weight)
    return min(integer * arithmetic.activation.min_integer, integer * arithmetic.activation.max_integer, 0)


def _greatest(arithmetic: Arithmetic, weight: int) -> int:
    integer = arithmetic.weight.integer(weight)
    return max(integer * arithmetic.activation.min_integer, integer * arithmetic.activation.max_integer, 0)


def _around(ranges) -> Range:
    """What holds all ranges, and zero."""
    least, most = 0, 0
    for low, high in ranges:
        least, most = min(least, low), max(most, high)
    return least, most


def _form(range: Range) -> FixedPoint:
    return FixedPoint.between(min(range[0], -1), max(range[1], 0), 0)
