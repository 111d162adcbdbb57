"""The multiplier: the product of two codes as one integer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Module, Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import Arithmetic, FixedPoint
from ..elements.hardware import hardware_of
from ..products.build import Build
from .product_design import SumDesign

__all__ = ["Multiply", "MultiplyDesign"]


class Multiply(wiring.Component):
    """The product of two codes, one a cycle.

    ``product * 2**product_format.lsb_exponent`` is the product of the two values, exact unless the arithmetic has
    another rule. Latency ``build.pipeline`` cycles, initiation interval 1; combinational where that is 0. Where the
    product is NaN or infinite, a flag says so and ``product`` reads 0.

    Parameters
    ----------
    arithmetic: formats of the operands, and what multiplies them
    build: how the product is built; changes the cost, never a bit. The first of its register stages is at the output

    Members
    -------
    weight, activation: In(width), codes
    product: Out, signed unless no product is negative
    nan, positive_infinity, negative_infinity: Out(1), those that can occur; at most one is up
    """

    def __init__(self, arithmetic: Arithmetic, build: Build):
        hardware_of(arithmetic).check_multiplier(arithmetic)
        self.arithmetic = arithmetic
        self.build = build
        self.special_names = arithmetic.specials
        self.product_format = arithmetic.accumulator(1)
        super().__init__(
            {
                "weight": In(arithmetic.weight.width),
                "activation": In(arithmetic.activation.width),
                "product": Out(Shape(self.product_format.width, self.product_format.signed)),
                **{name: Out(1) for name in self.product_format.specials},
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        hardware_of(self.arithmetic).multiply_codes(m, self)
        return m


@dataclass(frozen=True)
class MultiplyDesign(SumDesign):
    """A multiplier.

    Parameters
    ----------
    arithmetic: formats of the operands, and what multiplies them
    """

    unit = "multiply"
    summary = "exact product of two codes"
    result = "product"
    meanings: ClassVar[Mapping[str, str]] = {
        "weight": "code of the weight",
        "activation": "code of the activation",
        "product": "the exact product in units of 2**lsb_exponent",
        "nan": "the value is NaN",
        "positive_infinity": "the result is +infinity",
        "negative_infinity": "the result is -infinity",
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        hardware_of(self.arithmetic).check_multiplier(self.arithmetic)

    @property
    def sum(self) -> FixedPoint:
        return self.arithmetic.accumulator(1)

    @property
    def contract(self) -> str:
        return f"product = weight * activation, {self.by_rule}".rstrip(",")

    @property
    def latency(self) -> int:
        return self.pipeline

    def component(self) -> Multiply:
        return Multiply(self.arithmetic, self.chosen_build)

    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "terms": 1, "lanes": 1}
