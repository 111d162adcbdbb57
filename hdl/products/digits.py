"""A product in two's complement as products of one operand with the other one's radix-4 Booth digits."""

from dataclasses import dataclass

from amaranth.hdl import Value

from .significand_product import booth_triples

__all__ = ["Digit", "digits_of"]


@dataclass(frozen=True)
class Digit:
    """One radix-4 Booth digit of an operand, and the other operand, which it multiplies.

    Members
    -------
    multiplied: the other operand, in two's complement
    triple: the three bits that the digit is made of, as of ``booth_rows``
    position: the product is in units of ``2**position``
    """

    multiplied: Value
    triple: Value
    position: int


def digits_of(a: Value, b: Value) -> tuple[Digit, ...]:
    """The digits of ``b`` whose products with ``a`` add up to ``a * b``; both are signed."""
    return tuple(Digit(a, triple, 2 * k) for k, triple in enumerate(booth_triples(b)))
