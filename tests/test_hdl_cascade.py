"""Products that are added one after the other, as DSP blocks do."""

import random

from amaranth.hdl import Module, Signal, signed
from amaranth.sim import Simulator
from each_of import each_of
from fewbit.families import FAMILIES
from fewbit.formats import Arithmetic, parse
from fewbit.hdl.products.adder_tree import sum_terms
from fewbit.hdl.products.cascade import sum_in_blocks
from fewbit.hdl.products.choose_build import choose_build
from fewbit.hdl.products.pipeline import Pipeline
from fewbit.hdl.products.product_term import Term

INT8 = Arithmetic(parse("int8"), parse("int8"))


@each_of("count, cascade", [(1, 8), (4, 4), (7, 3), (9, 8)])
def test_cascades_add_up_all_terms(count, cascade):
    least, most = INT8.product_range
    m = Module()
    products = [Signal(signed(16), name=f"product{k}") for k in range(count)]
    terms = sum_in_blocks(m, Pipeline(m, ()), [Term(each, None, {}) for each in products], INT8, cascade)
    assert len(terms) == -(-count // cascade)
    value, carry = sum_terms(m, terms, INT8, kept=True)
    assert carry is None
    total = Signal(signed(32))
    m.d.comb += total.eq(value)
    chance = random.Random(count)

    async def bench(ctx):
        for _ in range(20):
            given = [chance.choice((least, most, chance.randint(least, most))) for _ in products]
            for signal, number in zip(products, given, strict=True):
                ctx.set(signal, number)
            assert ctx.get(total) == sum(given)

    simulator = Simulator(m)
    simulator.add_testbench(bench)
    simulator.run()


def test_blocks_add_where_they_make_single_products():
    def cascade(weight, family, pipeline=2):
        formats = parse(weight), parse(weight)
        how = {"pipeline": pipeline, "family": family, "dsp": True, "lanes": 4, "packed": True}
        return choose_build(*formats, "auto", **how).cascade

    assert [cascade("int8", "xc7"), cascade("int8", "xcup", pipeline=3)] == [FAMILIES["xc7"].block.cascade, 4]
    assert [cascade("int4", "xc7"), cascade("e4m3", "xc7"), cascade("int8", "ecp5")] == [0, 0, 0]
