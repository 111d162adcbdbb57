"""The flags that sums of products may have beside their integer."""

from .base import Format

__all__ = ["SPECIALS", "special_names"]

SPECIALS = ("nan", "positive_infinity", "negative_infinity")
"""The flags that a fixed-point value may have beside its integer, in the order of their bits."""


def special_names(*factors: Format) -> tuple[str, ...]:
    """The flags that a sum of products of these formats can raise."""
    if any(factor.has_infinity for factor in factors):
        return SPECIALS
    return SPECIALS[:1] if any(factor.has_nan for factor in factors) else ()
