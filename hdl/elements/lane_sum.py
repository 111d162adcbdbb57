"""The products of a word added to one value, in the way that their build names, and that to a running sum."""

from amaranth.hdl import Module, Signal, Value

from ...formats import Arithmetic
from ..products.accumulate import SumControl, accumulate, accumulate_and_keep
from ..products.adder_tree import sum_terms, term_shape, tree_depth
from ..products.build import Build
from ..products.cascade import sum_in_blocks
from ..products.chains import chain_count, chain_onto, sum_chains
from ..products.digit_chains import sum_digits
from ..products.gated_chains import sum_gated
from ..products.pipeline import Pipeline
from ..products.product_term import Term
from ..products.relative_signs import sum_by_signs
from ..products.turned_chains import sum_turned

__all__ = ["accumulate_words", "adder_levels", "sum_lanes", "sum_word"]


def accumulate_words(
    m: Module,
    pipeline: Pipeline,
    build: Build,
    control: SumControl,
    arithmetic: Arithmetic,
    terms: list[Term],
    accumulator: Signal,
    flags: dict[str, Signal],
    *,
    kept: bool = False,
) -> None:
    """Add up the terms of every word; where ``kept``, as ``accumulate_and_keep`` does."""
    specials = [term.specials for term in terms]
    if build.onto_sum and len(terms) > 1:
        chain, rest = terms[: build.chain], terms[build.chain :]
        if rest:
            value, carry = sum_lanes(m, pipeline, build, arithmetic, rest)
            chain = [*chain, Term(value, carry, {})]
        is_signed = term_shape(arithmetic).signed

        def plus(running: Signal) -> Value:
            return chain_onto(m, running, chain, is_signed)

        accumulate(m, control, None, None, specials, accumulator, flags, plus=plus)
        return
    addend, carry = sum_word(m, pipeline, build, arithmetic, terms)
    add_up = accumulate_and_keep if kept else accumulate
    add_up(m, control, addend, carry, specials, accumulator, flags)


def sum_word(
    m: Module, pipeline: Pipeline, build: Build, arithmetic: Arithmetic, terms: list[Term]
) -> tuple[Value, Value | None]:
    """The sum of the terms of a word as ``(value, carry)``."""
    if len(terms) == 1 and build.sums == "tree":
        (term,) = terms
        return pipeline.cross("total", "sum", term.addend), pipeline.cross("total", "carry", term.carry)
    return sum_lanes(m, pipeline, build, arithmetic, terms)


def sum_lanes(
    m: Module, pipeline: Pipeline, build: Build, arithmetic: Arithmetic, terms: list[Term], *, registered: bool = False
) -> tuple[Value, Value | None]:
    """The sum of the terms of one word as ``(value, carry)``; where ``registered``, ``adder_levels`` cycles late."""
    if build.sums == "gated":
        rows = [term.gated for term in terms]
        return sum_gated(m, pipeline, rows, arithmetic, build.chain, build.cell, registered=registered), None
    if build.sums == "digits":
        return sum_digits(m, pipeline, [term.digits for term in terms], arithmetic, build.chain, registered=registered)
    if build.sums == "chains":
        return sum_chains(m, pipeline, terms, arithmetic, build.chain, registered=registered)
    if terms[0].sign is not None:
        if build.sums == "turned":
            return sum_turned(m, pipeline, terms, arithmetic, build.chain, registered=registered)
        return sum_by_signs(m, pipeline, terms, arithmetic, build.cell, registered=registered)
    cuts = ["chain", "total"]
    if build.cascade:
        terms = sum_in_blocks(m, pipeline, terms, arithmetic, 1 if registered else build.cascade)
        cuts.remove("chain")
    how = {"registered": registered, "apart": build.keeps_apart(len(terms)), "kept": build.dsp}
    value, carry = sum_terms(m, terms, arithmetic, **how)
    for cut in cuts:
        value, carry = pipeline.cross(cut, "sum", value), pipeline.cross(cut, "carry", carry)
    return value, carry


def adder_levels(build: Build, count: int) -> int:
    """Levels of adders that add so many products, or so many chains of them."""
    return tree_depth(chain_count(count, build.chain) if build.in_chains else build.addends(count))
