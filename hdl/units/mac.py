"""The multiply-accumulate unit: one product, or several, added to a sum word by word."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Module, Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import Arithmetic, FixedPoint
from ..elements.hardware import hardware_of
from ..products.build import Build
from .design import check_terms
from .product_design import SumDesign

__all__ = ["Mac", "MacDesign"]


class Mac(wiring.Component):
    """Multiply-accumulate of two formats.

    ``accumulator * 2**accumulator_format.lsb_exponent`` is the sum of all products since the last ``first`` (or
    reset), exact for up to ``terms`` of them unless the arithmetic has another rule. Where a product is NaN or
    infinite, a sticky flag says so until the next ``first``, and ``accumulator`` reads 0 meanwhile.

    Latency ``latency`` cycles, ``build.pipeline + 1`` for exact elements; initiation interval ``arithmetic.interval``:
    ``valid`` must not be up in less than so many cycles after a cycle in which it was.

    Parameters
    ----------
    arithmetic: formats of the operands, and what multiplies them
    build: how products are built; changes the cost, never a bit. Its register stages are before the accumulator
    terms: most products in one sum
    lanes: products of a word; ``Dot`` is the name of a unit with more than one

    Members
    -------
    valid: In(1), the operands count in this cycle
    first: In(1), the sum starts anew with this product; means nothing without ``valid``
    last: In(1), in the place of ``first`` where the arithmetic has a ``recovery``: the sum is over with this product,
        and the next one starts anew. ``valid`` must not be up for so many cycles more after it, nor after a reset, and
        ``accumulator`` is whole from ``latency`` cycles after it on, until the next ``last``
    weight, activation: In(lanes * width), codes, lane 0 in the lowest bits
    accumulator: Out, signed unless no product is negative; holds while no product arrives
    nan, positive_infinity, negative_infinity: Out(1), those that can occur; at most one is up
    """

    def __init__(self, arithmetic: Arithmetic, build: Build, *, terms: int = 4096, lanes: int = 1):
        if lanes < 1:
            raise ValueError(f"lanes must be 1 or more, not {lanes!r}")
        hardware = hardware_of(arithmetic)
        hardware.check_pipeline(arithmetic, build.pipeline)
        self.arithmetic = arithmetic
        self.build = build
        self.special_names = arithmetic.specials
        self.terms = terms
        self.lanes = lanes
        self.latency = hardware.latency(arithmetic, build, lanes)
        self.accumulator_format = arithmetic.accumulator(terms)
        super().__init__(
            {
                "valid": In(1),
                "last" if arithmetic.recovery else "first": In(1),
                "weight": In(lanes * arithmetic.weight.width),
                "activation": In(lanes * arithmetic.activation.width),
                "accumulator": Out(Shape(self.accumulator_format.width, self.accumulator_format.signed)),
                **{name: Out(1) for name in self.accumulator_format.specials},
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        hardware_of(self.arithmetic).sum_codes(m, self)
        return m


@dataclass(frozen=True)
class MacDesign(SumDesign):
    """A multiply-accumulate unit.

    Parameters
    ----------
    arithmetic: formats of the operands, and what multiplies them
    terms: most products in one sum, 1 to 2**32
    """

    unit = "mac"
    summary = "exact multiply-accumulate, one product a cycle"
    result = "accumulator"
    meanings: ClassVar[Mapping[str, str]] = {
        "valid": "the operands of this cycle count",
        "first": "the sum starts anew with this product; means nothing without valid",
        "last": "the sum is over with this product, the next starts anew; means nothing without valid",
        "weight": "code of the weight",
        "activation": "code of the activation",
        "accumulator": "the exact sum in units of 2**lsb_exponent; holds while no product arrives",
        "nan": "the value is NaN",
        "positive_infinity": "the result is +infinity",
        "negative_infinity": "the result is -infinity",
    }

    terms: int = 4096

    def __post_init__(self) -> None:
        super().__post_init__()
        check_terms(self.terms)
        hardware_of(self.arithmetic).check_pipeline(self.arithmetic, self.pipeline)

    @property
    def lanes(self) -> int:
        """Products of a word."""
        return 1

    @property
    def sum(self) -> FixedPoint:
        return self.arithmetic.accumulator(self.terms)

    @property
    def contract(self) -> str:
        span = "up to last" if self.arithmetic.recovery else "since first"
        return f"accumulator = sum of {self._products} {span}, {self.by_rule} for up to {self.terms} terms"

    @property
    def _products(self) -> str:
        return "weight * activation"

    @property
    def latency(self) -> int:
        return hardware_of(self.arithmetic).latency(self.arithmetic, self.chosen_build, self.lanes)

    def component(self) -> Mac:
        return Mac(self.arithmetic, self.chosen_build, terms=self.terms, lanes=self.lanes)

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "terms": self.terms, "lanes": self.lanes}
