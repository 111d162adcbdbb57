"""What products of two formats can be: the range of their integers, and what is not finite."""

from .base import Format

__all__ = ["SPECIALS", "product_range", "special_names"]

SPECIALS = ("nan", "positive_infinity", "negative_infinity")
"""The flags that a fixed-point value may have beside its integer, in the order of their bits."""


def special_names(*factors: Format) -> tuple[str, ...]:
    """The flags that a sum of products of these formats can raise."""
    if any(factor.has_infinity for factor in factors):
        return SPECIALS
    return SPECIALS[:1] if any(factor.has_nan for factor in factors) else ()


def product_range(weight: Format, activation: Format) -> tuple[int, int]:
    """The least and the greatest integer of any product, its lsb_exponent being the sum of the operands'."""
    corners = [
        w * a
        for w in (weight.min_integer, weight.max_integer)
        for a in (activation.min_integer, activation.max_integer)
    ]
    return min(corners), max(corners)
