"""Formats that are found for each tensor: the best of a few types, as ANT takes it, or a table made by k-means; and the
names of all that a scheme takes for an operand."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format, FormatNames, parse, parse_list
from ..network.grid import round_to
from .binary_planes import PLANES, BinaryPlanes
from .kmeans import codebook
from .of_weights import OfWeights
from .outliers import OUTLIERS
from .scales import Error, best_scales, squares
from .zero_points import ZERO_POINTS, WithZeroPoints

__all__ = [
    *("FormatOfTensor", "Operand", "Rows", "format_of"),
    *("operand_pairs", "parse_operand", "parse_operands", "stored_bits"),
]

Array = NDArray[Any]

MOST_EXPONENT_BITS = 5
"""Of floats and of powers of two, which reach as far as any tensor's values then."""

ROUNDS = 4
"""How often a table is made anew for the scales of the one before it."""


@dataclass(frozen=True, eq=False)
class Rows:
    """The values of a tensor, of which each row has a scale of its own.

    Members
    -------
    values: real values, (rows, values)
    scale_format: the format of the scales
    error: the error of differences (rows, values) by row; their squares if there is none, see ``best_scales``
    share: how much the square of a difference is of that error, by values: an array that fits ``values``
    unit: the power of two of a format by which values are divided before scales are searched
    """

    values: Array
    scale_format: Format
    error: Error | None = None
    share: Array | float = 1.0
    unit: Callable[[Format], np.float32] = lambda format: np.float32(1)

    def quantized(self, format: Format) -> tuple[Array, float]:
        """The scales of least error for a format, (rows,), and that error of all rows together.

        Where the format has a selector, each row has that of least error.
        """
        if format not in self._searched:
            self._searched[format] = self._search(format)
        return self._searched[format]

    @cached_property
    def _searched(self) -> dict[Format, tuple[Array, float]]:
        """What was found for each format: many ask for the same one."""
        return {}

    def _search(self, format: Format) -> tuple[Array, float]:
        unit, error = self.unit(format), self.error or squares
        least, best = np.full(len(self.values), np.inf), np.ones(len(self.values), np.float32)
        for choice in format.choices or (format,):
            scales = unit * best_scales(self.values / unit, choice, self.scale_format, axis=0, error=self.error)
            steps = scales[:, None]
            errors = error(self.values - round_to(self.values / steps, choice) * steps)
            best, least = np.where(errors < least, scales, best), np.minimum(errors, least)
        return best, float(least.sum())


class FormatOfTensor(ABC):
    """Stands in a scheme where each tensor gets a format of its own, of ``width`` bits, found by its values.

    Members
    -------
    name: the name in options and points
    width: bits of a code
    """

    def __init__(self, kind: str, width: int):
        self.name = f"{kind}{width}"
        self.width = width

    @property
    def label(self) -> str:
        """The name, which is short."""
        return self.name

    @abstractmethod
    def format(self, tensors: list[Rows]) -> Format:
        """The format for these tensors, which all get the same one."""

    def __str__(self) -> str:
        return self.name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FormatOfTensor) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


Operand = Format | FormatOfTensor | OfWeights
"""What a scheme says of an operand: its format, how that is found, or how weights are stored."""


def format_of(operand: Operand, tensors: list[Rows]) -> Format:
    """The format that a scheme's operand is for these tensors, which all get the same one.

    It is that of a plane where weights are sums of planes, that of codes where they have zero points, and that of all
    values where outliers are apart.
    """
    if isinstance(operand, FormatOfTensor):
        return operand.format(tensors)
    return operand if isinstance(operand, Format) else operand.format


class _BestType(FormatOfTensor):
    """ANT's choice (Guo et al., MICRO 2022, arXiv 2208.14286): of integer, float, power of two and flint, the type that
    has the least squared error; of types without a sign where no value is below 0.

    Floats have two bits of exponent or more, and one of fraction or more: with less they are one of the others.
    """

    def __init__(self, width: int):
        super().__init__("ant", width)

    def types(self, signed: bool) -> list[Format]:
        """What is chosen from, in order: of two that are equally good, the first."""
        u, bits = "" if signed else "u", self.width - signed
        floats = [f"{u}e{exponent}m{bits - exponent}" for exponent in range(2, min(bits - 1, MOST_EXPONENT_BITS) + 1)]
        powers = [f"pow2_{self.width}z" if signed else f"ue{bits}m0"] if bits <= MOST_EXPONENT_BITS else []
        return [parse(name) for name in (f"{u}int{self.width}", *floats, *powers, f"{u}flint{self.width}")]

    def format(self, tensors: list[Rows]) -> Format:
        signed = any(tensor.values.min(initial=0) < 0 for tensor in tensors)
        return min(self.types(signed), key=lambda format: sum(tensor.quantized(format)[1] for tensor in tensors))


class _Means(FormatOfTensor):
    """A table of the values that k-means finds, as integers of 8 bits; see ``kmeans.codebook``.

    Values are divided by their rows' scales first. Scales and table are found in turn, since each depends on the other,
    and the best pair is taken.
    """

    def __init__(self, width: int):
        super().__init__("kmeans", width)

    def format(self, tensors: list[Rows]) -> Format:
        scales = [np.abs(tensor.values).max(axis=1, initial=0) for tensor in tensors]
        best: tuple[float, Format] | None = None
        for _ in range(ROUNDS):
            format = codebook(*_scaled(tensors, scales), self.width)
            found = [tensor.quantized(format) for tensor in tensors]
            scales, errors = [scale for scale, _ in found], sum(error for _, error in found)
            if best is not None and not errors < best[0]:
                break
            best = (errors, format)
        assert best is not None
        return best[1]


def _scaled(tensors: list[Rows], scales: list[Array]) -> tuple[Array, Array]:
    """All values in units of their scales, and of how much weight the square of a difference from each is."""
    steps = [np.where(scale > 0, scale, 1)[:, None].astype(np.float64) for scale in scales]
    pairs = [(tensor.values / step, tensor.share * step**2) for tensor, step in zip(tensors, steps, strict=True)]
    values, weights = zip(*((value, np.broadcast_to(weight, value.shape)) for value, weight in pairs), strict=True)
    return np.concatenate([each.reshape(-1) for each in values]), np.concatenate([each.reshape(-1) for each in weights])


def stored_bits(operand: Operand, scale_bits: int) -> tuple[int, int]:
    """The bits that are stored for a weight, and those beside the weights that share a scale of so many bits."""
    if isinstance(operand, BinaryPlanes):
        return operand.width, operand.width * scale_bits
    if isinstance(operand, WithZeroPoints):
        return operand.width, scale_bits + operand.width
    selector = operand.selector_bits if isinstance(operand, Format) else 0
    return operand.width - selector, scale_bits + selector


_KINDS: dict[str, FormatOfTensor | OfWeights] = {
    **{each.name: each for each in (*map(_BestType, range(3, 9)), *map(_Means, range(2, 7)))},
    **PLANES,
    **ZERO_POINTS,
    **OUTLIERS,
}


def parse_operand(name: str) -> Operand:
    """What a scheme takes for an operand by that name, a format or one of the others. Raises ValueError."""
    return _own(name) or parse(name)


def _own(name: str) -> FormatOfTensor | OfWeights | None:
    """What only the study has by that name. Raises ValueError where it has such of other widths."""
    if name not in _KINDS:
        like = [known for known in _KINDS if known[:-1] == name.rstrip("0123456789")]
        if like:
            raise ValueError(f"format must be {', '.join(like[:-1])} or {like[-1]}, not {name!r}")
    return _KINDS.get(name)


def parse_operands(names: FormatNames) -> list[Operand]:
    """The operands that a list names, as ``formats.parse_list`` reads it, each once and in order. Raises ValueError."""
    parts: list[Operand | str] = []
    for each in [names] if isinstance(names, str | Format) else names:
        parts += each.split(",") if isinstance(each, str) else [each]
    found: dict[Operand, None] = {}
    for part in parts:
        if isinstance(part, str):
            own = _own(part.strip())
            found |= dict.fromkeys(parse_list(part) if own is None else [own])
        else:
            found[part] = None
    return [*found]


def operand_pairs(weight: FormatNames, activation: FormatNames | None = None) -> list[tuple[Operand, Operand]]:
    """The pairs of operands: every weight with every activation, or each weight with itself. Raises ValueError."""
    weights = parse_operands(weight)
    if activation is None:
        return [(each, each) for each in weights]
    return [(each, other) for each in weights for other in parse_operands(activation)]
