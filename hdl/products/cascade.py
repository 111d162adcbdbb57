"""Products added by the adders that DSP blocks have, each to the sum of those before it."""

from collections.abc import Sequence

from amaranth.hdl import Module, Signal, Value

from ...formats import Arithmetic
from .adder_tree import term_shape
from .pipeline import KEPT, Pipeline
from .product_term import Term

__all__ = ["sum_in_blocks"]


def sum_in_blocks(
    m: Module, pipeline: Pipeline, terms: Sequence[Term], arithmetic: Arithmetic, cascade: int
) -> list[Term]:
    """The sums of ``cascade`` terms each, behind the cut ``chain``; terms with carries stay alone.

    Each term is added to the sum of those before it, as a DSP block adds its product to what the block before it has.
    The last block has the registers of the cut.
    """
    if any(term.carry is not None for term in terms):
        cascade = 1
    groups = [terms[start : start + cascade] for start in range(0, len(terms), cascade)]
    return [_one_by_one(m, pipeline, group, arithmetic, f"cascade{k}") for k, group in enumerate(groups)]


def _one_by_one(m: Module, pipeline: Pipeline, terms: Sequence[Term], arithmetic: Arithmetic, name: str) -> Term:
    total, carry, products = _addend(terms[0], arithmetic), terms[0].carry, terms[0].products
    for place, term in enumerate(terms[1:], 1):
        products += term.products
        # The last block takes in the register behind it where nothing is kept between the two.
        ends = pipeline.registered("chain") and place == len(terms) - 1
        shape = term_shape(arithmetic, products)
        following = Signal(shape, name=f"{name}_{place}", attrs=None if ends else KEPT)
        m.d.comb += following.eq(total + _addend(term, arithmetic))
        total = following
    return Term(
        pipeline.cross("chain", name, total), pipeline.cross("chain", f"{name}_carry", carry), {}, products=products
    )


def _addend(term: Term, arithmetic: Arithmetic) -> Value:
    return term.addend.as_signed() if term_shape(arithmetic).signed else term.addend
