"""Products with signs apart added up in chains whose sum is turned over where signs differ.

A chain's sum has the sign of the product that is added next, and so that product is added as it is, whatever its sign.
Where the sign changes, all bits of the sum are inverted, which the LUT of the adder that made it does. That is a
negation less one; from positive to negative and back, what is missed cancels. So of a whole chain all that is missed is
the sign of its first product, which is added as a carry.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Module, Shape, Signal, Value, signed

from ...formats import Arithmetic
from .adder_tree import sum_by_tree, term_shape
from .adders import add
from .pipeline import Pipeline
from .product_term import Term

__all__ = ["sum_turned"]


@dataclass(frozen=True)
class _ChainSum:
    """``value + carry``, the sum of ``count`` products."""

    value: Value
    carry: Value
    count: int


def sum_turned(
    m: Module,
    pipeline: Pipeline,
    terms: Sequence[Term],
    arithmetic: Arithmetic,
    length: int,
    *,
    registered: bool = False,
) -> tuple[Value, Value]:
    """The sum of all terms as ``(value, carry)``, behind the cuts ``chain`` and ``total``.

    Parameters
    ----------
    terms: products with signs apart, 1 or more
    length: lanes to a chain
    registered: whether every level of the tree that adds the chains ends in registers
    """
    sums = []
    for start in range(0, len(terms), length):
        chain = _chain(m, terms[start : start + length], arithmetic, f"chain{start}")
        sums.append(_held(pipeline, chain, f"chain{start}"))

    def both(a: _ChainSum, b: _ChainSum, name: str) -> _ChainSum:
        count = a.count + b.count
        return _ChainSum(add(m, a.value, b.value, term_shape(arithmetic, count), name, a.carry), b.carry, count)

    def register(part: _ChainSum, name: str) -> _ChainSum:
        return _registered(m, part, name)

    whole = sum_by_tree(sums, both, register if registered else None)
    return pipeline.cross("total", "sum", whole.value), pipeline.cross("total", "carry", whole.carry)


def _chain(m: Module, terms: Sequence[Term], arithmetic: Arithmetic, name: str) -> _ChainSum:
    most = max(map(abs, arithmetic.product_range))
    first = sign = _sign(terms[0])
    total = terms[0].addend
    for k, term in enumerate(terms[1:], 1):
        turned = _turn(m, total, sign ^ _sign(term), _sum_shape(k * most), f"{name}_turned{k}")
        total = add(m, turned, term.addend, _sum_shape((k + 1) * most), f"{name}_{k}")
        sign = _sign(term)
    return _ChainSum(_turn(m, total, sign, term_shape(arithmetic, len(terms)), f"{name}_value"), first, len(terms))


def _sum_shape(most: int) -> Shape:
    """Shape of a sum whose magnitude is at most ``most``, or one more where it is turned over."""
    return signed(1 + most.bit_length())


def _sign(term: Term) -> Value:
    assert term.sign is not None and term.carry is None
    return term.sign


def _turn(m: Module, value: Value, invert: Value, shape: Shape, name: str) -> Value:
    extended, turned = Signal(shape, name=f"{name}_from"), Signal(shape, name=name)
    m.d.comb += [extended.eq(value), turned.eq(extended ^ invert.replicate(len(turned)))]
    return turned


def _held(pipeline: Pipeline, each: _ChainSum, name: str) -> _ChainSum:
    value = pipeline.cross("chain", name, each.value)
    return _ChainSum(value, pipeline.cross("chain", f"{name}_carry", each.carry), each.count)


def _registered(m: Module, each: _ChainSum, name: str) -> _ChainSum:
    value = Signal(each.value.shape(), name=f"{name}_held", reset_less=True)
    carry = Signal(name=f"{name}_held_carry", reset_less=True)
    m.d.sync += [value.eq(each.value), carry.eq(each.carry)]
    return _ChainSum(value, carry, each.count)
