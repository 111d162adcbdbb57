"""Several terms added to one: a balanced tree whose adders are as wide as their sums and no wider."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from amaranth.hdl import Module, Shape, Signal, Value

from ...formats import Arithmetic
from .pipeline import KEPT
from .product_term import Term

__all__ = ["sum_by_tree", "sum_terms", "term_shape", "tree_depth"]

Part = TypeVar("Part")
"""A part of a sum, in the form of the way to add it."""


def term_shape(arithmetic: Arithmetic, terms: int = 1) -> Shape:
    """Shape of the sum of that many addends, whose carries are still to be added: each may be one below its product.

    Of operands without signs no addend is below 0.
    """
    least, greatest = arithmetic.product_range
    if least >= 0 and not (arithmetic.weight.signed or arithmetic.activation.signed):
        return Shape(max((terms * greatest).bit_length(), 1))
    lowest = terms * (min(least, 0) - 1)
    return Shape(1 + max((terms * greatest).bit_length(), (-lowest - 1).bit_length()), signed=True)


def tree_depth(terms: int) -> int:
    """Levels of adders that so many terms take."""
    return (terms - 1).bit_length()


def sum_by_tree(
    parts: Sequence[Part], add: Callable[[Part, Part, str], Part], register: Callable[[Part, str], Part] | None = None
) -> Part:
    """The sum of all parts, 1 or more, by a balanced tree.

    Parameters
    ----------
    add: makes the sum of two neighbours, of that name
    register: puts a part of that name into registers, as every level ends in them; None where none does
    """
    level, depth = [*parts], 0
    while len(level) > 1:
        following = [add(level[k], level[k + 1], f"sum{depth}_{k // 2}") for k in range(0, len(level) - 1, 2)]
        following += level[len(level) & ~1 :]
        if register is not None:
            following = [register(part, f"sum{depth}_{k}") for k, part in enumerate(following)]
        level = following
        depth += 1
    (total,) = level
    return total


def sum_terms(
    m: Module,
    terms: Sequence[Term],
    arithmetic: Arithmetic,
    *,
    registered: bool = False,
    apart: bool = False,
    kept: bool = False,
) -> tuple[Value, Value | None]:
    """The sum of all terms as ``(value, carry)``; each adder takes one term's carry, and one is left over.

    Parameters
    ----------
    terms: addends of ``term_shape(arithmetic)``, 1 or more; those of several products may be longer
    registered: whether every level ends in registers; the sum is then ``tree_depth`` cycles late
    apart: whether these stay out of DSP blocks
    kept: whether adders stay adders. yosys's ``alumacc`` makes one sum of those that nothing stands between, and of
        that compressors, which take two LUTs a bit; products in DSP blocks have no logic that could share those
    """
    attributes = KEPT if kept or (registered and apart) else None
    shape = term_shape(arithmetic)
    level = [(_as(term.addend, shape), term.carry, term.products) for term in terms]
    depth = 0
    while len(level) > 1:
        following = []
        for k in range(0, len(level) - 1, 2):
            (a, a_carry, a_terms), (b, b_carry, b_terms) = level[k], level[k + 1]
            count = a_terms + b_terms
            pair = Signal(term_shape(arithmetic, count), name=f"sum{depth}_{k // 2}", reset_less=True, attrs=attributes)
            domain = m.d.sync if registered else m.d.comb
            domain += pair.eq(a + b if a_carry is None else a + b + a_carry)
            following.append((pair, _late(m, b_carry, registered, f"carry{depth}_{k // 2}"), count))
        for value, carry, count in level[len(level) & ~1 :]:
            rest = _late(m, value, registered, f"sum{depth}_rest", attributes)
            assert rest is not None
            following.append((rest, _late(m, carry, registered, f"carry{depth}_rest"), count))
        level = following
        depth += 1
    ((value, carry, _),) = level
    return value, carry


def _as(value: Value, shape: Shape) -> Value:
    return value.as_signed() if shape.signed else value


def _late(
    m: Module, value: Value | None, registered: bool, name: str, attributes: dict[str, int] | None = None
) -> Value | None:
    if value is None or not registered:
        return value
    late = Signal(value.shape(), name=name, reset_less=True, attrs=attributes)
    m.d.sync += late.eq(value)
    return late
