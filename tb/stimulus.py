"""What the testbenches drive, cycle by cycle, and what must come out, all computed before the simulation starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ..formats import Format, Special
from .golden import Array, expect_products, expect_sums, to_bits
from .unit import DescribedUnit

__all__ = [
    "ControlSequence",
    "Stimulus",
    "codes_of_interest",
    "every_code",
    "extreme_pairs",
    "extreme_runs",
    "extreme_sums",
    "operand_pairs",
    "products",
    "random_control",
    "random_sums",
    "sums",
]

LONGEST_SUM = 1 << 16
"""Cycles that a worst-case sum may take; units for more terms are driven this far."""
RANDOM_PAIRS = 20_000
_RESET_CYCLES = 2


@dataclass(frozen=True)
class Stimulus:
    """Inputs before, and outputs after, every rising edge (or every change of the operands where there is no clock).

    Members
    -------
    inputs: port name to one integer a cycle
    expected: port name to the binary digits of every cycle, None where anything may stand
    operand_pairs: different pairs of operands among the inputs
    """

    inputs: Mapping[str, list[int]]
    expected: Mapping[str, list[str | None]]
    operand_pairs: int = 0

    @property
    def cycles(self) -> int:
        return len(next(iter(self.inputs.values())))


def codes_of_interest(format: Format) -> Array:
    """Zero, one step from it, both ends of the range, their neighbours, and every special value; each once."""
    codes = np.array(format.codes, dtype=np.int64)
    finite = _finite(format)
    order = np.argsort(np.array([format.integer(code) for code in finite.tolist()], dtype=object), kind="stable")
    ordered = finite[order]
    zero = int(np.argmin([abs(format.integer(code)) for code in finite.tolist()]))
    near_zero = np.flatnonzero(ordered == finite[zero])[0]
    picked = [*ordered[:2], *ordered[-2:], *ordered[max(near_zero - 2, 0) : near_zero + 3]]
    return np.unique(np.concatenate([np.array(picked), np.setdiff1d(codes, finite)[:8]]).astype(np.int64))


def _finite(format: Format) -> Array:
    return np.array([code for code in format.codes if format.special(code) is None], dtype=np.int64)


def operand_pairs(unit: DescribedUnit, generator: np.random.Generator) -> tuple[Array, Array]:
    """Codes of weight and activation, each of shape (n, lanes): all pairs in each lane, a sample beyond 2**16."""
    if unit.exhaustive:
        weights, activations = np.meshgrid(unit.weight.codes, unit.activation.codes, indexing="ij")
        pairs = np.stack([weights.ravel(), activations.ravel()])
    else:
        corners = np.meshgrid(codes_of_interest(unit.weight), codes_of_interest(unit.activation), indexing="ij")
        sample = [generator.choice(_codes(format), RANDOM_PAIRS) for format in (unit.weight, unit.activation)]
        pairs = np.unique(np.concatenate([np.stack([c.ravel() for c in corners]), np.stack(sample)], axis=1), axis=1)
    # Lanes are apart by a stride, so that a sum mixes unlike products.
    lanes = np.stack([np.roll(pairs, lane * (pairs.shape[1] // unit.lanes + 1), axis=1) for lane in range(unit.lanes)])
    return lanes[:, 0].T, lanes[:, 1].T


def _codes(format: Format) -> Array:
    return np.array(format.codes, dtype=np.int64)


def sums(
    unit: DescribedUnit,
    valid: Array,
    first: Array,
    weight: Array,
    activation: Array,
    *,
    reset: Array | None = None,
    pairs: int = 0,
) -> Stimulus:
    """A stimulus of a ``mac`` or ``dot``: reset, then these cycles, then as many idle ones as the last result needs."""
    idle = unit.delay
    if unit.recovery:
        return _whole_sums(unit, valid, first, weight, activation, reset, pairs)
    if unit.interval > 1:
        valid, first, weight, activation = _spaced(unit.interval, valid, first, weight, activation)
        reset = None if reset is None else np.repeat(reset, unit.interval)

    def pad(values: Array, before: int) -> Array:
        edges = [(_RESET_CYCLES, idle)] + [(0, 0)] * (values.ndim - 1)
        return np.pad(values, edges, constant_values=((before, 0), *((0, 0),) * (values.ndim - 1)))

    # What stands at the inputs during reset must not count, whatever it is.
    signals = {
        "rst": pad(np.zeros(len(valid), bool) if reset is None else reset, 1),
        "valid": pad(valid, 1),
        "first": pad(first, 1),
        "weight": np.pad(weight, ((_RESET_CYCLES, idle), (0, 0)), mode="edge"),
        "activation": np.pad(activation, ((_RESET_CYCLES, idle), (0, 0)), mode="edge"),
    }
    inputs = {name: signals[name].astype(int).tolist() for name in ("rst", "valid", "first")}
    inputs["weight"] = pack(signals["weight"], unit.weight.width)
    inputs["activation"] = pack(signals["activation"], unit.activation.width)
    expected: dict[str, list[str | None]] = {
        name: [*to_bits(values, unit.ports[name])] for name, values in expect_sums(unit, signals).items()
    }
    return Stimulus(inputs, expected, pairs)


def _whole_sums(
    unit: DescribedUnit,
    valid: Array,
    first: Array,
    weight: Array,
    activation: Array,
    reset: Array | None,
    pairs: int,
) -> Stimulus:
    """A stimulus of a unit that shows sums when they are whole, and then takes no words for some cycles.

    A sum is over with the last word before ``first``; one that a reset drops is not looked at.
    """
    reset = np.zeros(len(valid), bool) if reset is None else reset
    valid = valid & ~reset
    words = np.flatnonzero(valid)
    # What stands beside words that do not count must not count, whatever it is.
    last = first.copy()
    last[words] = np.append(first[words[1:]], True)

    # Every cycle, as many idle ones behind it as the end of a sum or a reset takes, and one reset before all.
    long = np.where(reset | (valid & last), 1 + unit.recovery, 1)
    long[-1] += unit.latency
    source = np.concatenate([np.zeros(_RESET_CYCLES + unit.recovery, int), np.repeat(np.arange(len(valid)), long)])
    begins = np.append(False, source[1:] != source[:-1])
    begins[_RESET_CYCLES + unit.recovery] = True
    signals = {
        "rst": (reset[source] & begins) | (np.arange(len(source)) < _RESET_CYCLES),
        "valid": valid[source] & begins,
        "first": first[source],
        "last": last[source],
        "weight": weight[source],
        "activation": activation[source],
    }
    inputs = {name: signals[name].astype(int).tolist() for name in ("rst", "valid", "last")}
    inputs |= {name: pack(signals[name], getattr(unit, name).width) for name in ("weight", "activation")}
    words = np.flatnonzero(signals["valid"])
    starts = np.zeros(len(source), bool)
    starts[words[1:]] = signals["last"][words[:-1]]
    found = expect_sums(unit, {**signals, "first": starts})
    bits = {name: to_bits(values, unit.ports[name]) for name, values in found.items()}
    expected = {
        name: [None if edge is None else digits[edge] for edge in _whole_since(unit, signals)]
        for name, digits in bits.items()
    }
    return Stimulus(inputs, expected, pairs)


def _whole_since(unit: DescribedUnit, signals: Mapping[str, Array]) -> list[int | None]:
    """After which clock edge the sum got whole that is shown after every edge; None where a sum is being made."""
    shown: list[int | None] = []
    pending: list[int] = []
    since: int | None = 0
    for edge, (reset, ends) in enumerate(zip(signals["rst"], signals["valid"] & signals["last"], strict=True)):
        if reset:
            pending, since = [], edge
        elif ends:
            pending.append(edge + unit.delay)
        if pending and edge >= pending[0] - unit.recovery:
            since = pending[0] if edge == pending[0] else None
        if pending and edge == pending[0]:
            del pending[0]
        shown.append(since)
    return shown


def _spaced(interval: int, valid: Array, *others: Array) -> tuple[Array, ...]:
    """Every cycle, and behind it as many without ``valid`` as operands take more; what stands there must not count."""
    between = np.arange(len(valid) * interval) % interval > 0
    return np.repeat(valid, interval) & ~between, *(
        np.where(between.reshape(-1, *(1,) * (each.ndim - 1)), np.roll(np.repeat(each, interval, axis=0), 3, 0), long)
        for each in others
        for long in [np.repeat(each, interval, axis=0)]
    )


def products(unit: DescribedUnit, weight: Array, activation: Array, pairs: int = 0) -> Stimulus:
    """A stimulus of a ``multiply``: these codes, each of shape (n, 1)."""
    weight, activation = (np.pad(codes[:, 0], (0, unit.delay), mode="edge") for codes in (weight, activation))
    expected: dict[str, list[str | None]] = {}
    for name, values in expect_products(unit, weight, activation).items():
        bits = to_bits(values, unit.ports[name])
        expected[name] = [*[None] * unit.delay, *bits[: len(bits) - unit.delay]]
    inputs = {"weight": weight.tolist(), "activation": activation.tolist()}
    if "rst" in unit.ports:
        inputs["rst"] = [0] * len(weight)
    return Stimulus(inputs, expected, pairs)


def pack(codes: Array, width: int) -> list[int]:
    """Codes of shape (cycles, lanes) as one integer a cycle, lane 0 lowest."""
    packed = codes[:, 0].astype(np.int64 if codes.shape[1] * width < 63 else object)
    for lane in range(1, codes.shape[1]):
        packed = packed | (codes[:, lane].astype(packed.dtype) << lane * width)
    return packed.tolist()


class ControlSequence(NamedTuple):
    """Every cycle's ``rst``, ``valid`` and ``first``, bool arrays."""

    reset: Array
    valid: Array
    first: Array


def random_control(
    unit: DescribedUnit, generator: np.random.Generator, cycles: int, reset_rate: float = 0.0
) -> ControlSequence:
    """Sums of random length: gaps in ``valid``, ``first`` while ``valid`` is low, firsts back to back.

    The first sum after a reset may begin without ``first``. No sum has more products than the unit's ``terms``.

    Parameters
    ----------
    reset_rate: share of cycles with ``rst`` high, whatever the other inputs are
    """
    reset = generator.random(cycles) < reset_rate
    density = np.repeat(generator.choice([1.0, 0.7, 0.2], cycles // 64 + 1), 64)[:cycles]
    valid = generator.random(cycles) < density
    first = generator.random(cycles) < 0.25
    # Most sums are long, and now and then a few short ones follow each other.
    start = generator.random(cycles) < np.repeat(generator.choice([0.01, 0.1, 0.8], cycles // 32 + 1), 32)[:cycles]
    longest = max(unit.terms // unit.lanes, 1)
    room = longest
    for cycle in range(cycles):
        if reset[cycle]:
            room = longest
        elif valid[cycle]:
            first[cycle] = room == 0 or start[cycle]
            room = (longest if first[cycle] else room) - 1
    return ControlSequence(reset, valid, first)


def random_sums(
    unit: DescribedUnit,
    generator: np.random.Generator,
    cycles: int,
    *,
    reset_rate: float = 0.0,
    special_rate: float = 0.02,
) -> Stimulus:
    """Sums of random length and operands; see ``random_control``.

    Parameters
    ----------
    special_rate: share of operands that are infinities of one sign, where the formats have them; fewer are NaN
    """
    control = random_control(unit, generator, cycles, reset_rate)
    # A sum now and then of operands that are all corner cases.
    corner = np.repeat(generator.random(cycles // 16 + 1) < 0.3, 16)[:cycles, None]
    weight, activation = (
        _random_codes(format, generator, corner, (cycles, unit.lanes), special_rate)
        for format in (unit.weight, unit.activation)
    )
    return sums(unit, control.valid, control.first, weight, activation, reset=control.reset)


def _random_codes(
    format: Format, generator: np.random.Generator, corner: Array, shape: tuple[int, int], special_rate: float
) -> Array:
    finite, interesting = _finite(format), codes_of_interest(format)
    codes = np.where(
        corner, generator.choice(np.intersect1d(interesting, finite), shape), generator.choice(finite, shape)
    )
    for kind in np.unique([format.special(code) or "" for code in format.codes]):
        if kind:
            rate = special_rate / shape[1] * (0.2 if kind == Special.NAN else 1)  # NaN would hide what infinities do
            special = [code for code in format.codes if format.special(code) == kind]
            codes = np.where(generator.random(shape) < rate, generator.choice(special, shape), codes)
    return codes


def extreme_sums(unit: DescribedUnit) -> Stimulus:
    """The sums that touch both ends of the accumulator, and one that goes to one end and half the way back."""
    high, first = extreme_runs(unit)
    cycles = len(high) // 3
    spare = max(cycles * unit.lanes - unit.terms, 0)  # lanes that the last cycle of a sum must leave at zero
    codes = np.repeat(np.where(high, *np.array(extreme_pairs(unit))[::-1, :, None])[:, :, None], unit.lanes, axis=2)
    if spare:
        codes[:, cycles - 1 :: cycles, unit.lanes - spare :] = [[[_zero(unit.weight)]], [[_zero(unit.activation)]]]
    return sums(unit, np.ones(len(high), bool), first, codes[0], codes[1])


def extreme_runs(unit: DescribedUnit) -> tuple[Array, Array]:
    """Three sums of as many terms as the unit is for: whether a cycle has the greatest product, and ``first``."""
    cycles = min(-(-unit.terms // unit.lanes), LONGEST_SUM)
    place = np.arange(3 * cycles)
    high = (place < cycles) | ((place >= 2 * cycles) & (place % cycles < cycles // 2))
    return high, place % cycles == 0


def extreme_pairs(unit: DescribedUnit) -> tuple[tuple[int, int], tuple[int, int]]:
    """The codes (weight, activation) of the least and of the greatest product."""
    ends = [_ends(format) for format in (unit.weight, unit.activation)]
    pairs = [(w, a) for w in ends[0] for a in ends[1]]

    def product(pair: tuple[int, int]) -> int:
        return unit.weight.integer(pair[0]) * unit.activation.integer(pair[1])

    return min(pairs, key=product), max(pairs, key=product)


def _ends(format: Format) -> tuple[int, int]:
    finite = _finite(format).tolist()
    return min(finite, key=format.integer), max(finite, key=format.integer)


def _zero(format: Format) -> int:
    return int(min(_finite(format).tolist(), key=lambda code: abs(format.integer(code))))


def every_code(unit: DescribedUnit) -> Array:
    """All bit patterns of a decoder's format, or a sample with the corner cases where it has more than 16 bits."""
    width = unit.weight.width
    return np.arange(1 << width) if width <= 16 else codes_of_interest(unit.weight)
