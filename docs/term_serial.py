"""What it takes to add terms one after the other, or in carry-save form: `python docs/term_serial.py`.

An element's LUTs times cycles with a digit a cycle come first, beside the exact element's.

The terms of a weight are its digits to the base of four that are not zero. A lane that skips all others is done early,
but lanes that share an adder wait for the longest. A sum in carry-save form is two words that no carry runs through.
"""

from collections.abc import Callable

import numpy as np
from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from fewbit.formats import Arithmetic, parse, parse_element
from fewbit.hdl import Design, hardware_of
from fewbit.hdl.emit import to_rtlil
from fewbit.study.measurement.evaluate import Study
from fewbit.study.quantization.scheme import Scheme
from fewbit.study.zoo.networks import network
from fewbit.synth import Flow, parse_target
from netlist_luts import luts

TERMS, LONGEST, LANES, DEVIATIONS = 4096, (1 << 16) - 1, 32, (10, 20, 30, 40, 50)
SUM_BITS, PRODUCT_BITS = 28, 16


def booth(integer: int) -> int:
    """Digits of -2 to 2 that are not zero."""
    return digits(integer, lambda digit, rest: digit > 2 or (digit == 2 and rest % 2 == 1))


def signless(integer: int) -> int:
    """Digits of -1 to 2 of the magnitude that are not zero, which are OPT's."""
    return digits(abs(integer), lambda digit, rest: digit == 3)


def digits(integer: int, borrows: Callable[[int, int], bool]) -> int:
    found = 0
    while integer:
        digit = integer % 4
        if borrows(digit, integer // 4):
            digit -= 4
        found += digit != 0
        integer = (integer - digit) // 4
    return found


class Sum(wiring.Component):
    """A sum of products, in one word or in carry-save form."""

    def __init__(self, carry_save: bool):
        self._carry_save = carry_save
        super().__init__({"product": In(PRODUCT_BITS), "sum": Out(SUM_BITS), "carries": Out(SUM_BITS)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        product = Signal(SUM_BITS)
        m.d.comb += product.eq(self.product.as_signed())
        if self._carry_save:
            carries = (self.sum & self.carries) | (self.sum & product) | (self.carries & product)
            m.d.sync += [self.sum.eq(self.sum ^ self.carries ^ product), self.carries.eq(carries << 1)]
        else:
            m.d.sync += self.sum.eq(self.sum + product)
        return m


def terms() -> None:
    for name, count in (("-1 to 2, of the magnitude", signless), ("-2 to 2", booth)):
        table = np.array([count(integer) for integer in range(-128, 128)])
        random = np.random.default_rng(0)
        drawn = [random.normal(0, deviation, 1 << 18).round().clip(-128, 127) for deviation in DEVIATIONS]
        means = ", ".join(f"{table[each.astype(int) + 128].mean():.2f}" for each in drawn)
        print(f"digits of {name}: {means} a value of N(0, {', '.join(map(str, DEVIATIONS))})")
        for model in ("resnet8", "vit"):
            layers = Study(network(model), samples=1).quantized(Scheme(weight=parse("int8"), activation=parse("int8")))
            found = [
                table[layer.codes.astype(np.int8).astype(int) + 128]
                for layer in layers.values()
                if layer.codes is not None
            ]
            longest = [
                each[:, start : start + LANES].max(axis=1) for each in found for start in range(0, each.shape[1], LANES)
            ]
            mean, most = (np.concatenate([part.reshape(-1) for part in parts]).mean() for parts in (found, longest))
            print(f"  weights of {model} in int8: {mean:.2f} digits a weight, {most:.2f} the most of {LANES} lanes")


def elements() -> None:
    flow, int4 = Flow(parse_target("xc7"), "none"), parse("int4")
    for lanes in (32, 64, 128):
        found = []
        for name in ("exact", "booth_serial:digits=2"):
            arithmetic = Arithmetic(int4, int4, parse_element(name))
            build = Design("dot", int4, lanes=lanes, terms=TERMS, family="xc7", element=arithmetic.element).chosen_build
            sums = arithmetic.accumulator(LONGEST)
            element = hardware_of(arithmetic).element(arithmetic, build, sums, lanes)
            found.append(luts(to_rtlil(element, "element"), "element", flow))
        exact, serial = found
        print(
            f"xc7, an element of {lanes} lanes of int4: {exact} LUTs exact, {serial} in two cycles: "
            f"{2 * serial / exact:.2f}"
        )


def costs(family: str) -> None:
    flow, int8 = Flow(parse_target(family), "none"), parse("int8")
    serial = parse_element("booth_serial:digits=4")
    for lanes, unit in ((1, "mac"), (LANES, "dot")):
        shape = {"terms": TERMS, "family": family} | ({"lanes": lanes} if lanes > 1 else {})
        one, other = (
            luts(Design(unit, int8, **shape, **own).rtlil(), unit, flow) / lanes for own in ({}, {"element": serial})
        )
        print(f"{family}, {lanes} lanes of int8 x int8: {one:.1f} LUTs a lane exact, {other:.1f} with a digit a cycle")
    word, carry_save = (luts(to_rtlil(Sum(form), "sum"), "sum", flow) for form in (False, True))
    print(f"{family}, a sum of {SUM_BITS} bits: {word} LUTs in one word, {carry_save} in carry-save form")


if __name__ == "__main__":
    elements()
    terms()
    for family in ("xc7", "ice40"):
        costs(family)
