"""Scales are taken apart into significand, sign and exponent, so that a value can be multiplied by several of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add, or_, xor

from amaranth.hdl import Const, Module, Mux, Value

from ...formats import Format, Minifloat
from ..products.decode import decode, operand_layout

__all__ = ["ExponentRange", "Factors", "either", "factor_bits", "parity", "sum_of", "take_factors"]


@dataclass(frozen=True)
class ExponentRange:
    """The limits of the runtime part of a format's exponent, as its bits are read.

    ``least`` is what those bits read where a value's lowest bit has the weight ``2**lsb_exponent``.
    """

    least: int
    greatest: int

    @classmethod
    def of(cls, format: Format) -> "ExponentRange":
        return cls(format.exponent_offset, format.exponent_offset + format.max_shift)


@dataclass(frozen=True)
class _Factor:
    """A scale, taken apart. It is a power of two where ``significand`` is None."""

    significand: Value | None
    sign: Value | None
    exponent: Value | None
    nan: Value
    infinity: Value


def factor_bits(format: Format) -> int:
    """The number of bits of a scale's significand; 0 where all values of the format are powers of two."""
    if isinstance(format, Minifloat) and not (format.fraction_bits or format.subnormals):
        return 0
    return int(operand_layout(format)["significand"].width)


def parity(*flags: Value) -> Value:
    """The exclusive or of some flags. Constants, which are never up, are left out."""
    return reduce(xor, [flag for flag in flags if not isinstance(flag, Const)] or [Const(0, 1)])


def either(*flags: Value) -> Value:
    """The or of some flags. Constants, which are never up, are left out."""
    return reduce(or_, [flag for flag in flags if not isinstance(flag, Const)] or [Const(0, 1)])


@dataclass(frozen=True)
class Factors:
    """Several scales together: the significands by name, and a list of each other part that any of them has."""

    significands: dict[str, Value]
    signs: list[Value]
    exponents: list[Value]
    nans: list[Value]
    infinity: Value

    @property
    def zero(self) -> Value:
        """Whether any of them is zero."""
        return either(*(~significand.any() for significand in self.significands.values()))


def take_factors(m: Module, codes: Mapping[str, Value], scales: Mapping[str, Format]) -> Factors:
    """Take the scales apart whose codes and formats are given by name; ``codes`` may hold others beside them."""
    factors = {name: _take_factor(m, format, codes[name], name) for name, format in scales.items()}
    return Factors(
        {name: factor.significand for name, factor in factors.items() if factor.significand is not None},
        [factor.sign for factor in factors.values() if factor.sign is not None],
        [factor.exponent for factor in factors.values() if factor.exponent is not None],
        [factor.nan for factor in factors.values()],
        either(*(factor.infinity for factor in factors.values())),
    )


def sum_of(exponents: Sequence[Value]) -> Value | None:
    """The sum of exponents, or None where there are none."""
    return reduce(add, exponents) if exponents else None


def _take_factor(m: Module, format: Format, code: Value, name: str) -> _Factor:
    """Take a scale's code apart. The names of the signals made for it in ``m`` start with ``name``."""
    no = Const(0, 1)
    operand = decode(m, format, code, name)
    significand, sign = operand.significand, operand.sign
    if significand.shape().signed:
        sign = significand[-1]
        significand = Mux(sign, -significand, significand)[: len(significand)]
    return _Factor(
        significand if factor_bits(format) else None,
        sign,
        operand.exponent,
        no if operand.nan is None else operand.nan,
        no if operand.infinity is None else operand.infinity,
    )
