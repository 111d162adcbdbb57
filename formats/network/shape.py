"""The shape of a network accelerator: what its hardware, its golden model and its cycle model all depend on."""

from dataclasses import dataclass

from ..arithmetic import Arithmetic
from ..base import Format, check_flag, check_integer, check_operand
from ..element import EXACT, Element
from ..fixed_point import FixedPoint

__all__ = ["NetworkShape"]

MAX_SIDE = 64
MAX_TERMS = 1 << 20


@dataclass(frozen=True)
class NetworkShape:
    """An output-stationary array of ``rows x columns`` sums of ``lanes`` products a cycle, between three memories.

    The memory of activations gives a word of ``lanes`` codes to each row in a cycle; that of weights gives ``columns *
    lanes`` codes, which all rows share. The memory between layers gives a beat of ``outputs`` codes, for residuals and
    pools. Sums are scaled and rounded a beat a cycle, once for each tensor that is written of them.

    Parameters
    ----------
    weight, activation: formats of the array's operands
    between: format of residuals, and of whatever is pooled, added or looked up
    rows: pixels of a row of the result that are computed at once, 1 to 64
    columns: channels of the result that are computed at once, 1 to 64
    lanes: channels of a word of activations, a power of two up to 64
    outputs: channels of a beat, a power of two that divides ``columns`` and ``lanes``
    terms: most products of a sum, 1 or more
    multiplier_bits: of the scales' multipliers, 1 to 16; with 1 every scale is a power of two
    residual_shifts: the shifts to the left that a residual can have, ascending
    zero_points: whether there are zero points other than 0; both formats are integers then
    pooled: most pixels of a window whose integers are summed, 1 or more
    element: what the array is made of
    """

    weight: Format
    activation: Format
    between: Format
    rows: int = 1
    columns: int = 8
    lanes: int = 4
    outputs: int = 1
    terms: int = 576
    multiplier_bits: int = 16
    residual_shifts: tuple[int, ...] = (0,)
    zero_points: bool = False
    pooled: int = 1
    element: Element = EXACT

    def __post_init__(self) -> None:
        for name in ("weight", "activation", "between"):
            format = getattr(self, name)
            check_operand(name, format)
            if not format.finite:
                raise ValueError(f"{name} must be a format without NaN and infinity, not {format.name}")
            if format.zero_code is None:
                raise ValueError(f"{name} must be a format with a zero, not {format.name}")
            if format.width > 8:
                raise ValueError(f"{name} must be a format of at most 8 bits, not {format.name}")
        for name in ("rows", "columns", "lanes", "outputs"):
            check_integer(name, getattr(self, name), 1, MAX_SIDE)
        for name in ("lanes", "outputs"):
            value = getattr(self, name)
            if value & (value - 1):
                raise ValueError(f"{name} must be a power of two, not {value}")
        if self.columns % self.outputs or self.lanes % self.outputs:
            raise ValueError(
                f"outputs must divide the {self.columns} columns and the {self.lanes} lanes, not be {self.outputs}"
            )
        check_integer("terms", self.terms, 1, MAX_TERMS)
        check_integer("multiplier_bits", self.multiplier_bits, 1, 16)
        check_integer("pooled", self.pooled, 1, MAX_TERMS)
        check_flag("zero_points", self.zero_points)
        shifts = self.residual_shifts
        numbers = isinstance(shifts, tuple) and all(type(shift) is int and 0 <= shift <= 31 for shift in shifts)
        if not shifts or not numbers or list(shifts) != sorted(set(shifts)):
            raise ValueError(f"residual_shifts must be ascending numbers from 0 to 31, not {shifts!r}")
        if self.zero_points and not (self.activation.takes_zero_point and self.between.takes_zero_point):
            raise ValueError(
                f"zero_points must be False unless activation and between are integers, not {self.activation} and "
                f"{self.between}"
            )
        if self.arithmetic.interval > 1 or self.arithmetic.recovery:
            raise ValueError(f"element must take a product a cycle, not {self.element}")

    @property
    def arithmetic(self) -> Arithmetic:
        return Arithmetic(self.weight, self.activation, self.element)

    @property
    def accumulator(self) -> FixedPoint:
        """The form of a sum of products."""
        return self.arithmetic.accumulator(self.terms)

    @property
    def bias(self) -> FixedPoint:
        """The form of a bias: as wide as a sum, signed, in units of a sum's lowest bit."""
        return FixedPoint(max(self.accumulator.width, 2), True, 0)

    @property
    def residual(self) -> FixedPoint:
        """The form of an integer that is read from the memory between layers, its zero point subtracted."""
        least, most = self.between.min_integer, self.between.max_integer
        if self.zero_points:
            least, most = least - most, most - least
        return FixedPoint.between(least, most, 0)

    @property
    def pool(self) -> FixedPoint:
        """The form of a pooled sum, which is in units of the lowest bit of the format between layers."""
        form = self.residual
        return FixedPoint.between(form.min_integer * self.pooled, form.max_integer * self.pooled, 0)

    @property
    def sum(self) -> FixedPoint:
        """The form of ``S``: a sum of products, or of a pool, with its bias. Its unit is 1."""
        parts = (self.accumulator, self.pool)
        least = min(part.min_integer for part in parts) + self.bias.min_integer
        most = max(part.max_integer for part in parts) + self.bias.max_integer
        return FixedPoint.between(least, most, 0)

    @property
    def scaled(self) -> FixedPoint:
        """The form of ``S * m + ((r * multiplier) << residual_shift)``."""
        factor = (1 << self.multiplier_bits) - 1
        shifted = factor << self.residual_shifts[-1]
        least = self.sum.min_integer * factor + self.residual.min_integer * shifted
        most = self.sum.max_integer * factor + self.residual.max_integer * shifted
        return FixedPoint.between(least, most, 0)

    @property
    def products_a_cycle(self) -> int:
        return self.rows * self.columns * self.lanes

    @property
    def weight_word(self) -> int:
        """Bits of a word of weights."""
        return self.columns * self.lanes * self.weight.width

    @property
    def activation_word(self) -> int:
        """Bits of a word of activations."""
        return self.lanes * self.activation.width

    @property
    def between_word(self) -> int:
        """Bits of a word of the memory between layers."""
        return self.outputs * self.between.width

    def describe(self) -> dict[str, object]:
        """It in plain values, as JSON has it."""
        return {
            "weight": self.weight.name,
            "activation": self.activation.name,
            "between": self.between.name,
            "rows": self.rows,
            "columns": self.columns,
            "lanes": self.lanes,
            "outputs": self.outputs,
            "terms": self.terms,
            "multiplier_bits": self.multiplier_bits,
            "residual_shifts": list(self.residual_shifts),
            "zero_points": self.zero_points,
            "pooled": self.pooled,
            "element": str(self.element),
        }
