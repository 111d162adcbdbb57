"""Scales as factors: taken apart into significand, sign and exponent, so that a value can be multiplied by several."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add, or_, xor
from types import SimpleNamespace

from amaranth.hdl import Const, Module, Mux, Value

from ...formats import Format, Minifloat
from ..products.decode import decode, operand_layout

__all__ = ["ExponentRange", "Factors", "either", "factor_bits", "parity", "sum_of", "take_factors"]


@dataclass(frozen=True)
class ExponentRange:
    """The runtime part of a format's exponent as its bits are read: its limits.

    The lower one is what the bits are above ``lsb_exponent``.
    """

    least: int
    greatest: int

    @classmethod
    def of(cls, format: Format) -> "ExponentRange":
        return cls(format.exponent_offset, format.exponent_offset + format.max_shift)


@dataclass(frozen=True)
class _Factor:
    """A scale taken apart; a significand of None is one."""

    significand: Value | None
    sign: Value | None
    exponent: Value | None
    nan: Value
    infinity: Value


def factor_bits(format: Format) -> int:
    """Bits of the scale's significand; 0 where all its values are powers of two."""
    if isinstance(format, Minifloat) and not (format.fraction_bits or format.subnormals):
        return 0
    return int(operand_layout(format)["significand"].width)


def parity(*flags: Value) -> Value:
    """The exclusive or of flags, those left out that are never up."""
    return reduce(xor, [flag for flag in flags if not isinstance(flag, Const)] or [Const(0, 1)])


def either(*flags: Value) -> Value:
    """The or of flags, those left out that are never up."""
    return reduce(or_, [flag for flag in flags if not isinstance(flag, Const)] or [Const(0, 1)])


@dataclass(frozen=True)
class Factors:
    """What several scales are together: their significands by name, and of all else what there is."""

    significands: dict[str, Value]
    signs: list[Value]
    exponents: list[Value]
    nans: list[Value]
    infinity: Value

    @property
    def zero(self) -> Value:
        """Whether any of them is zero."""
        return either(*(~significand.any() for significand in self.significands.values()))


def take_factors(m: Module, live: SimpleNamespace, scales: Mapping[str, Format]) -> Factors:
    """Split the codes that ``live`` has by the names of ``scales``; they are gone from there then."""
    factors = {name: _take_factor(m, format, getattr(live, name), name) for name, format in scales.items()}
    for name in scales:
        setattr(live, name, None)
    return Factors(
        {name: factor.significand for name, factor in factors.items() if factor.significand is not None},
        [factor.sign for factor in factors.values() if factor.sign is not None],
        [factor.exponent for factor in factors.values() if factor.exponent is not None],
        [factor.nan for factor in factors.values()],
        either(*(factor.infinity for factor in factors.values())),
    )


def sum_of(exponents: Sequence[Value]) -> Value | None:
    """All of them added, None where there is none."""
    return reduce(add, exponents) if exponents else None


def _take_factor(m: Module, format: Format, code: Value, name: str) -> _Factor:
    """Split a scale's code; the signals made for it in ``m`` start with ``name``."""
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
