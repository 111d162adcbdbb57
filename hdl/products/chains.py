"""Products of several lanes added up in chains, in which the logic that makes a row shares the LUTs of its adder.

A position of a carry chain adds one bit that comes as it is to one that its LUT makes: on families with LUT6 of five
inputs. A chain's running sum is the first and a row is the second, so a row that is a function of five bits costs no
LUT beside its adder. The rows of one position of all lanes are chained, some lanes to a chain; a tree adds the chains,
and the positions are joined last. Rows enter the adders as unsigned numbers, with their sign bits inverted: no sign is
then extended, and what that adds to all of them together is one bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

from ...formats import Arithmetic
from .adder_tree import sum_by_tree, term_shape
from .pipeline import Pipeline
from .product_term import Term
from .significand_product import ProductRow, add_rows

__all__ = ["chain_count", "chain_onto", "sum_chains"]


def chain_count(lanes: int, length: int) -> int:
    """Chains of so many lanes, ``length`` lanes to a chain."""
    return -(-lanes // length)


def sum_chains(
    m: Module,
    pipeline: Pipeline,
    terms: Sequence[Term],
    arithmetic: Arithmetic,
    length: int,
    *,
    registered: bool = False,
    products: int | None = None,
) -> tuple[Value, Value | None]:
    """The sum of all terms as ``(value, carry)``, behind the cuts ``chain`` and ``total``.

    Parameters
    ----------
    terms: the products, 1 or more, whose rows are all at the same positions
    length: lanes to a chain; with 1, a tree adds the rows of every position, and its adders take in no logic
    registered: whether every level of the tree that adds the chains ends in registers
    products: how many all terms stand for; None for one each
    """
    rows = [term.rows or (_whole_row(term, arithmetic),) for term in terms]
    parts = [_sum_position(m, pipeline, lanes, length, registered) for lanes in zip(*rows, strict=True)]
    total = sum_by_tree(parts, lambda low, high, _: add_rows(m, low, high))
    shape = term_shape(arithmetic, products or len(terms))
    value = Cat(Const(0, total.position), total.value) if total.position else total.value
    # A carry is still to be added: the value of unsigned products may be -1.
    below = total.least < 0
    width = shape.width + (below and not shape.signed)
    value = value[:width] if len(value) > width else value
    value = value.as_signed() if below else value
    return pipeline.cross("total", "sum", value), pipeline.cross("total", "carry", total.carry)


def chain_onto(m: Module, running: Signal, terms: Sequence[Term], is_signed: bool) -> Value:
    """``running`` and all terms, one after the other: every adder takes in the logic of a term, the first one too.

    Parameters
    ----------
    is_signed: whether addends are in two's complement
    """
    total: Value = running
    for k, term in enumerate(terms):
        carry = Const(0, 1) if term.carry is None else term.carry
        addend = Signal(running.shape(), name=f"onto{k}_addend")
        m.d.comb += addend.eq(term.addend.as_signed() if is_signed else term.addend)
        wide = Signal(len(running) + 1, name=f"onto{k}")
        # A difference for the reason that ``_plus`` tells.
        m.d.comb += wide.eq(Cat(carry, total) - Cat(~carry, ~addend))
        total = wide[1:]
    return total


def _whole_row(term: Term, arithmetic: Arithmetic) -> ProductRow:
    """A product that is one row."""
    least, greatest = arithmetic.product_range
    if not term_shape(arithmetic).signed:
        return ProductRow(term.addend, 0, 0, greatest, term.carry)
    return ProductRow(term.addend.as_signed(), 0, least - 1, greatest, term.carry)


@dataclass(frozen=True)
class _Biased:
    """``value + carry``, where ``value`` is unsigned, at most ``greatest``, and too great by some constant."""

    value: Value
    greatest: int
    carry: Value | None


def _sum_position(
    m: Module, pipeline: Pipeline, rows: Sequence[ProductRow], length: int, registered: bool
) -> ProductRow:
    """The sum of rows of one position, of the same shape."""
    first, count = rows[0], len(rows)
    is_signed, width = first.least < 0, len(first.value)
    assert all(len(row.value) == width for row in rows)
    # With as many sign bits as make a power of two, all that they add is the top bit of the sum.
    bits = (count - 1).bit_length()
    spare = (1 << bits) - count if is_signed else 0
    name = f"position{first.position}"
    plain = length == 1
    chains = []
    for start in range(0, count, length):
        total = _first(m, rows[start], 0 if start else spare, f"{name}_chain{start}")
        for k, row in enumerate(rows[start + 1 : start + length], start + 1):
            total = _plus(m, total, _biased(row), f"{name}_chain{k}", plain)
        chains.append(_late(pipeline, total, f"{name}_chain{start}"))

    def add(a: _Biased, b: _Biased, place: str) -> _Biased:
        return _plus(m, a, b, f"{name}_{place}", plain)

    def register(part: _Biased, place: str) -> _Biased:
        return _registered(m, part, f"{name}_{place}")

    total = sum_by_tree(chains, add, register if registered else None)
    carries = 0 if total.carry is None else count - 1
    least, greatest = count * first.least, count * first.greatest + carries
    if not is_signed:
        return ProductRow(total.value, first.position, least, greatest, total.carry)
    top = width + bits - 1
    padded = Cat(total.value, Const(0, max(0, top + 1 - len(total.value))))
    value = Cat(padded[:top], ~padded[top])
    needed = 1 + max(greatest.bit_length(), (-least - 1).bit_length())
    return ProductRow(value[:needed].as_signed(), first.position, least, greatest, total.carry)


def _biased(row: ProductRow) -> _Biased:
    """A row as an unsigned number: of two's complement, the sign bit is inverted."""
    if row.least >= 0:
        return _Biased(row.value, row.greatest, row.carry)
    return _Biased(Cat(row.value[:-1], ~row.value[-1]), row.greatest + (1 << len(row.value) - 1), row.carry)


def _first(m: Module, row: ProductRow, spare: int, name: str) -> _Biased:
    """The first row of a chain, and ``spare`` sign bits that no row has."""
    biased = _biased(row)
    greatest = biased.greatest + (spare << len(row.value) - 1)
    total = Signal(greatest.bit_length(), name=name)
    bits = biased.value if not spare else Cat(row.value[:-1], Mux(row.value[-1], spare, spare + 1))
    m.d.comb += total.eq(bits)
    return _Biased(total, greatest, row.carry)


def _plus(m: Module, total: _Biased, row: _Biased, name: str, plain: bool) -> _Biased:
    """``total + row`` with the row's carry; the total's is left open.

    It is made as a difference, whose lowest bit is only there for the carry. Of a sum, yosys's ``alumacc`` puts the
    operand first that has fewer bits, and only the first one passes by the LUTs; and it makes one sum of many operands
    of a chain of sums, which takes two LUTs for what takes one here. It leaves differences as they are. Where rows are
    not made in the adders' LUTs, it is a ``plain`` sum, whose lowest bit is enough to keep it from being merged.
    """
    greatest = total.greatest + row.greatest + (row.carry is not None)
    width = greatest.bit_length()
    carry = Const(0, 1) if row.carry is None else row.carry
    wide = Signal(width + 1, name=name)
    if plain:
        m.d.comb += wide.eq(Cat(carry, total.value) + Cat(carry, row.value))
        return _Biased(wide[1:], greatest, total.carry)
    extended = Cat(row.value, Const(0, width - len(row.value)))
    m.d.comb += wide.eq(Cat(carry, total.value) - Cat(~carry, ~extended))
    return _Biased(wide[1:], greatest, total.carry)


def _late(pipeline: Pipeline, total: _Biased, name: str) -> _Biased:
    value = pipeline.cross("chain", name, total.value)
    return replace(total, value=value, carry=pipeline.cross("chain", f"{name}_carry", total.carry))


def _registered(m: Module, total: _Biased, name: str) -> _Biased:
    value, carry = Signal(len(total.value), name=f"{name}_held", reset_less=True), None
    m.d.sync += value.eq(total.value)
    if total.carry is not None:
        carry = Signal(name=f"{name}_carry", reset_less=True)
        m.d.sync += carry.eq(total.carry)
    return replace(total, value=value, carry=carry)
