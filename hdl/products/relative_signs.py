"""Products with signs apart added by a tree whose nodes are sums with signs of their own.

The sign of a node is that of its first product, and its value is what the sum would be if that were positive. An adder
then takes in its second value inverted where the two signs differ, which costs no LUT beside the adder's, and the first
as it is. Only the sign of all is applied to a sum, where it goes into the accumulator. Two's complement of every
product would take a LUT a bit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from amaranth.hdl import Cat, Module, Signal, Value, signed

from ...formats import Arithmetic
from .adder_tree import term_shape, tree_depth
from .adders import add_inverted
from .pipeline import Pipeline
from .product_term import Term

__all__ = ["sum_by_signs"]


@dataclass(frozen=True)
class _Node:
    """``(-1)**sign * value``, and ``value`` is in ``least`` to ``greatest``."""

    sign: Value
    value: Value
    least: int
    greatest: int


EARLY_LEVELS = 2
"""Levels of the tree before the cut ``chain``."""


def sum_by_signs(
    m: Module,
    pipeline: Pipeline,
    terms: Sequence[Term],
    arithmetic: Arithmetic,
    cell: str | None,
    *,
    registered: bool = False,
) -> tuple[Value, Value]:
    """The sum of all terms as ``(value, carry)``, behind the cuts ``chain`` and ``total``.

    Parameters
    ----------
    terms: products with signs apart, 1 or more
    cell: the carry cell that takes in an inverted second value, None where yosys makes the adders
    registered: whether every level of the tree ends in registers; the sum is then ``tree_depth`` cycles late
    """
    most = max(map(abs, arithmetic.product_range))
    level = []
    for term in terms:
        assert term.sign is not None and term.carry is None
        level.append(_Node(term.sign, term.addend, 0, most))
    early = min(EARLY_LEVELS, tree_depth(len(terms)))
    depth = 0
    if early == 0:
        level = _cross(pipeline, level)
    while len(level) > 1:
        pairs = range(0, len(level) - 1, 2)
        following = [_add(m, level[k], level[k + 1], f"sum{depth}_{k // 2}", cell) for k in pairs]
        level = following + level[len(level) & ~1 :]
        if registered:
            level = [_registered(m, node, f"sum{depth}_{k}_held") for k, node in enumerate(level)]
        depth += 1
        if depth == early:
            level = _cross(pipeline, level)
    (node,) = level
    shape = term_shape(arithmetic, len(terms))
    value = Signal(shape, name="signed_sum")
    extended = Signal(shape, name="sum_value")
    m.d.comb += extended.eq(node.value)
    m.d.comb += value.eq(extended ^ node.sign.replicate(shape.width))
    return pipeline.cross("total", "sum", value), pipeline.cross("total", "sign", node.sign)


def _cross(pipeline: Pipeline, level: list[_Node]) -> list[_Node]:
    return [
        replace(
            node,
            sign=pipeline.cross("chain", f"sign{k}", node.sign),
            value=pipeline.cross("chain", f"value{k}", node.value),
        )
        for k, node in enumerate(level)
    ]


def _add(m: Module, a: _Node, b: _Node, name: str, cell: str | None) -> _Node:
    """The sum of two nodes. It is a difference for the reason that ``chains`` tells."""
    least, greatest = a.least + min(b.least, -b.greatest), a.greatest + max(b.greatest, -b.least)
    shape = signed(1 + max(greatest.bit_length(), (-least - 1).bit_length()))
    differ = Signal(name=f"{name}_differ")
    m.d.comb += differ.eq(a.sign ^ b.sign)
    if cell is not None:
        return _Node(a.sign, add_inverted(m, a.value, b.value, differ, shape, name, cell), least, greatest)
    first, second = (Signal(shape, name=f"{name}_{which}") for which in ("first", "second"))
    m.d.comb += [first.eq(a.value), second.eq(b.value)]
    wide = Signal(shape.width + 1, name=name)
    m.d.comb += wide.eq(Cat(differ, first) - Cat(~differ, ~(second ^ differ.replicate(shape.width))))
    return _Node(a.sign, wide[1:].as_signed(), least, greatest)


def _registered(m: Module, node: _Node, name: str) -> _Node:
    sign = Signal(name=f"{name}_sign", reset_less=True)
    value = Signal(node.value.shape(), name=name, reset_less=True)
    m.d.sync += [sign.eq(node.sign), value.eq(node.value)]
    return replace(node, sign=sign, value=value)
