"""Products of several lanes added up in chains of Booth's digits, each of which its adder's carry cell applies.

A digit takes an operand once or twice or not at all, and inverts it. A LUT that chooses between the operand and its
double is one a bit beside the adder. Here no LUT does: one register holds the operand and another its double, and a
register's own set makes ones of what is not taken. A carry cell of ECP5 adds what both have in common, inverted or not,
to the running sum: see ``Ccu2c``. That costs registers, of which there is one beside every LUT.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Module, Shape, Signal, Value, signed

from ...formats import Arithmetic
from .adder_tree import sum_by_tree, term_shape
from .adders import add
from .ccu2c import Ccu2c
from .digits import Digit
from .pipeline import Pipeline
from .significand_product import ProductRow, add_rows, digit_multiple, held_multiple

__all__ = ["sum_digits"]


def sum_digits(
    m: Module,
    pipeline: Pipeline,
    lanes: Sequence[tuple[Digit, ...]],
    arithmetic: Arithmetic,
    length: int,
    *,
    registered: bool = False,
) -> tuple[Value, Value | None]:
    """The sum of the products of all lanes' digits as ``(value, carry)``, behind the cuts ``partial``, ``middle``,
    ``chain`` and ``total``.

    The cut ``middle`` is in the middle of every chain. Digits of its later half have to come as much later.

    Parameters
    ----------
    lanes: for each lane its digits, at the same positions
    length: lanes to a chain
    registered: whether every level of the tree that adds the chains ends in registers
    """
    parts = [_sum_position(m, pipeline, digits, length, registered) for digits in zip(*lanes, strict=True)]
    total = sum_by_tree(parts, lambda low, high, _: add_rows(m, low, high))
    value = Signal(term_shape(arithmetic, len(lanes)), name="digits_sum")
    m.d.comb += value.eq(total.value)
    return pipeline.cross("total", "sum", value), pipeline.cross("total", "carry", total.carry)


@dataclass(frozen=True)
class _Chain:
    """The sum of the products of ``count`` digits of a position as ``value + carry``."""

    value: Value
    carry: Value
    count: int


def _sum_position(m: Module, pipeline: Pipeline, digits: Sequence[Digit], length: int, registered: bool) -> ProductRow:
    bits, name = len(digits[0].multiplied) + 1, f"position{digits[0].position}"
    chains = []
    for start in range(0, len(digits), length):
        chain = _chain(m, pipeline, digits[start : start + length], f"{name}_chain{start}", length // 2)
        value = pipeline.cross("chain", f"{name}_chain{start}", chain.value)
        carry = pipeline.cross("chain", f"{name}_chain{start}_carry", chain.carry)
        chains.append(_Chain(value, carry, chain.count))

    def both(a: _Chain, b: _Chain, place: str) -> _Chain:
        count = a.count + b.count
        value = add(m, a.value, b.value, _sum_shape(bits, count), f"{name}_{place}", b.carry)
        return _Chain(value, a.carry, count)

    def register(part: _Chain, place: str) -> _Chain:
        value = Signal(part.value.shape(), name=f"{name}_{place}_held", reset_less=True)
        carry = Signal(name=f"{name}_{place}_carry", reset_less=True)
        m.d.sync += [value.eq(part.value), carry.eq(part.carry)]
        return _Chain(value, carry, part.count)

    total = sum_by_tree(chains, both, register if registered else None)
    reach = total.count << bits - 1
    return ProductRow(total.value, digits[0].position, -reach, reach - 1, total.carry)


def _sum_shape(bits: int, count: int) -> Shape:
    """Shape of the sum of so many products of digits, one of whose carries is still to be added."""
    return signed(bits + (count - 1).bit_length())


def _chain(m: Module, pipeline: Pipeline, digits: Sequence[Digit], name: str, half: int) -> _Chain:
    """The sum of some products, one after the other. The first one is made by LUTs, since no adder takes it in.

    ``half``: after how many of them the cut ``middle`` is; at the end where there are not more.
    """
    bits = len(digits[0].multiplied) + 1
    total, open_carry = _first(pipeline, digits[0], name)
    for k, digit in enumerate(digits[1:], 1):
        if k == half:
            total, open_carry = _middle(pipeline, total, open_carry, name)
        shape = _sum_shape(bits, k + 1)
        a, once, twice = (Signal(shape, name=f"{name}_{what}{k}") for what in ("sum", "once", "twice"))
        held_once, held_twice, invert, carry = _held(pipeline, digit, bits, f"{name}_{k}")
        m.d.comb += [a.eq(total), once.eq(held_once), twice.eq(held_twice)]
        added = Ccu2c.add(m, f"{name}_{k}", "digit", a, once, invert, other=twice, carry=carry)
        total = added.as_signed()
    if len(digits) <= half:
        total, open_carry = _middle(pipeline, total, open_carry, name)
    return _Chain(total, open_carry, len(digits))


def _middle(pipeline: Pipeline, total: Value, carry: Value, name: str) -> tuple[Value, Value]:
    return pipeline.cross("middle", name, total), pipeline.cross("middle", f"{name}_carry", carry)


def _first(pipeline: Pipeline, digit: Digit, name: str) -> tuple[Value, Value]:
    multiple = digit_multiple(digit.multiplied, digit.triple)
    value, carry = held_multiple(pipeline, digit.triple, multiple, f"{name}_0", f"{name}_0_carry")
    return value.as_signed(), carry


def _held(pipeline: Pipeline, digit: Digit, bits: int, name: str) -> tuple[Value, Value, Value, Value]:
    """The operand and its double, or ones in the place of either, and of both where the digit is 0; whether what they
    have in common is inverted; and the carry that is added to that."""
    a, triple = digit.multiplied, digit.triple
    is_double = (triple[0] == triple[1]) & (triple[1] != triple[2])
    once = pipeline.cross("partial", f"{name}_once", a, clear=triple[0] == triple[1], cleared=-1)
    twice = pipeline.cross("partial", f"{name}_twice", (a << 1)[:bits], clear=~is_double, cleared=-1)
    invert = pipeline.cross("partial", f"{name}_invert", triple[2])
    # Of no multiple, all ones are left, which are -1, or inverted 0.
    carry = pipeline.cross("partial", f"{name}_carry", ~triple.any() | (triple[2] & ~triple.all()))
    return once.as_signed(), twice.as_signed(), invert, carry
