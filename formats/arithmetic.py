"""Arithmetic: what an array computes with, as one object that hardware, golden model, study and price share."""

from dataclasses import dataclass

from .base import Format, check_format
from .element import EXACT, Element
from .fixed_point import FixedPoint

__all__ = ["Arithmetic"]


@dataclass(frozen=True)
class Arithmetic:
    """Products of two formats by one kind of element, and their sums.

    It says which bits come out and in how many cycles, and nothing of how the hardware is built: number of register
    stages, way to build a product, FPGA family and use of DSP blocks are ``hdl.Build``'s, and change no bit. The
    hardware of an arithmetic is ``hdl.hardware_of(arithmetic)``, its golden model ``sim.model_of(arithmetic)``, and the
    unit that prices it ``hdl.priced_unit(arithmetic, terms)``.

    Raises ValueError where the element cannot multiply these formats.

    Parameters
    ----------
    weight, activation: formats of the operands
    element: the kind of element that multiplies and adds
    """

    weight: Format
    activation: Format
    element: Element = EXACT

    def __post_init__(self) -> None:
        for name in ("weight", "activation"):
            check_format(name, getattr(self, name))
        if not isinstance(self.element, Element):
            raise ValueError(f"element must be an Element, not {self.element!r}")
        self.element.check(self.weight, self.activation)

    @property
    def rule(self) -> str:
        """Name of the rule of multiplication: ``exact``, or one that changes bits on purpose."""
        return self.element.rule

    @property
    def is_exact(self) -> bool:
        """Whether products are those of the operands' values."""
        return self.rule == EXACT.rule

    @property
    def interval(self) -> int:
        """Cycles from one word of operands to the next, and so cycles a product."""
        return self.element.interval

    @property
    def recovery(self) -> int:
        """Cycles from the last word of a sum to the next sum's first word, beside the interval."""
        return self.element.recovery(self.weight, self.activation)

    @property
    def load_interval(self) -> int:
        """Cycles from one word of weights that stay in a weight-stationary array to the next."""
        return self.element.load_interval(self.weight, self.activation)

    @property
    def product_range(self) -> tuple[int, int]:
        """The least and the greatest integer of any product, in units of ``2**lsb_exponent``."""
        return self.element.product_range(self.weight, self.activation)

    @property
    def lsb_exponent(self) -> int:
        """Exponent of the power of two that every product is an integer multiple of."""
        return self.element.lsb_exponent(self.weight, self.activation)

    @property
    def specials(self) -> tuple[str, ...]:
        """The flags, of ``SPECIALS``, that products and their sums can raise."""
        return self.element.specials(self.weight, self.activation)

    def accumulator(self, terms: int) -> FixedPoint:
        """The form of a sum of up to ``terms`` products, as narrow as no such sum overflows unless the rule says so."""
        return self.element.accumulator(self.weight, self.activation, terms)

    def __str__(self) -> str:
        pair = f"{self.weight} x {self.activation}"
        return pair if self.element == EXACT else f"{pair} by {self.element}"
