"""The products of several lanes as terms of a sum, where a build makes several of them by one multiplication."""

from collections.abc import Callable, Sequence

from amaranth.hdl import Module

from ...formats import Format
from .build import Build
from .decode import Operand
from .packed_product import products_apart, summed_products
from .packing import ApartPacking, HalvesPacking, SummedPacking
from .pipeline import Pipeline
from .product_term import Term, common_signedness, is_shifted_product, term_of_product
from .sb_mac16 import halved_products

__all__ = ["packed_terms"]


def packed_terms(
    m: Module,
    pipeline: Pipeline,
    build: Build,
    formats: tuple[Format, Format],
    operands: Sequence[tuple[Operand, Operand]],
    width: int,
    apart: bool,
    single: Callable[[tuple[Operand, Operand]], Term],
) -> list[Term]:
    """The terms of the products of all ``operands``, behind all cuts of the pipeline.

    Parameters
    ----------
    formats: of weights and activations
    operands: a weight and an activation for each product
    width: bits of the addend of a product
    apart: whether registers of products stay out of DSP blocks
    single: makes a product that is alone in its group
    """
    terms, start = [], 0
    for count in build.groups(len(operands)):
        group = operands[start : start + count]
        start += count
        if count == 1:
            terms.append(single(group[0]))
        elif isinstance(build.packing, SummedPacking):
            value, carry = summed_products(m, pipeline, build.packing, *formats, group, apart)
            terms.append(Term(value, carry, {}, products=count))
        else:
            terms += _pair(m, pipeline, build, formats, group, width, apart, f"two_products{start}")
    return terms


def _pair(
    m: Module,
    pipeline: Pipeline,
    build: Build,
    formats: tuple[Format, Format],
    pair: Sequence[tuple[Operand, Operand]],
    width: int,
    apart: bool,
    name: str,
) -> list[Term]:
    found = [common_signedness(m, operands) for operands in pair]
    significands = [each for each, _ in found]
    held = ""
    if isinstance(build.packing, HalvesPacking):
        held = _block_register(pipeline, is_shifted_product(pair[0], formats))
        bodies = halved_products(m, pipeline, name, significands, bool(held))
    else:
        assert isinstance(build.packing, ApartPacking)
        bodies = products_apart(m, pipeline, build.packing.step, significands)
    return [
        term_of_product(m, pipeline, build, formats, operands, body, negate, width, apart, held)
        for operands, body, (_, negate) in zip(pair, bodies, found, strict=True)
    ]


def _block_register(pipeline: Pipeline, shifted: bool) -> str:
    """The cut whose registers a block's own are: the first one behind the product, unless a shift stands before it."""
    for cut in ("product", *(() if shifted else ("align",))):
        if pipeline.registered(cut):
            return cut
    return ""
