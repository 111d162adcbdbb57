"""ECP5's carry cell: what the text says it computes is what its LUTs hold, and what Amaranth simulates."""

import itertools

import pytest
from amaranth.sim import Simulator
from fewbit.hdl.emit import to_rtlil
from fewbit.hdl.products.ccu2c import LOGIC, Ccu2c
from fewbit.hdl.verilog.family_cells import computed

NAMES = "abcd"

OF_FOUR = ("ands", "digit")
"""Kinds of addends that all four inputs of a LUT make."""


def positions(init: int, a: int, b: int, c: int, d: int, carry: int) -> tuple[int, int]:
    """Sum and carry of a position, as yosys's ``cells_sim.v`` has them."""
    made = init >> (a + 2 * b + 4 * c + 8 * d) & 1
    return made ^ carry, carry if made else init >> (a + 2 * b) & 1


@pytest.mark.parametrize("logic", LOGIC)
def test_a_position_adds_what_it_is_named_after(logic: str) -> None:
    addends = {
        "and": lambda a, b, c, d: a + (b & c),
        "nand": lambda a, b, c, d: a + 1 - (b & c),
        "xor": lambda a, b, c, d: a + (b ^ c),
        "start": lambda a, b, c, d: (a & (1 - b)) + c,
        "ands": lambda a, b, c, d: (a & b) + (c & d),
        "digit": lambda a, b, c, d: a + ((b & c) ^ d),
    }
    for a, b, c, d, carry in itertools.product((0, 1), repeat=5):
        if d or logic in OF_FOUR:
            bit, following = positions(LOGIC[logic], a, b, c, d, carry)
            assert bit + 2 * following == addends[logic](a, b, c, d) + carry


@pytest.mark.parametrize("logic", LOGIC)
def test_the_text_computes_what_the_cell_does(logic: str) -> None:
    pins = {f"{name.upper()}{half}": f"{name}{half}" for name in NAMES for half in (0, 1)}
    if logic not in OF_FOUR:
        pins |= {"D0": "1'h1", "D1": "1'h1"}
    pins |= {"CIN": "cin", "S0": "s0", "S1": "s1", "COUT": "cout"}
    lines = computed("CCU2C", {"INIT0": LOGIC[logic], "INIT1": LOGIC[logic]}, pins, "cell0")
    for bits in itertools.product((0, 1), repeat=9):
        values = dict(zip((*(f"{name}{half}" for half in (0, 1) for name in NAMES), "cin"), bits, strict=True))
        if logic not in OF_FOUR and not (values["d0"] and values["d1"]):
            continue
        expected = {}
        carry = values["cin"]
        for half in (0, 1):
            inputs = [values[f"{name}{half}"] for name in NAMES]
            expected[f"s{half}"], carry = positions(LOGIC[logic], *inputs, carry)
        expected["cout"] = carry
        for line in lines:
            name, _, text = line.strip().removeprefix("wire ").removeprefix("assign ").rstrip(";").partition(" = ")
            if "?" in text:
                made, one, other = text.replace("?", ":").split(" : ")
                text = f"({one}) if {made} else ({other})"
            values[name] = eval(text, {}, values) & 1
        assert {name: values[name] for name in expected} == expected


def test_other_contents_of_luts_are_refused() -> None:
    pins = {f"{name.upper()}{half}": "x" for name in NAMES for half in (0, 1)} | {"CIN": "x"}
    with pytest.raises(ValueError, match="CCU2C must have a LUT that is known, not 1234 of"):
        computed("CCU2C", {"INIT0": 0x1234, "INIT1": 0x1234}, pins, "cell0")


@pytest.mark.parametrize(
    "logic, carry", [("and", False), ("nand", True), ("xor", True), ("start", True), ("ands", False), ("digit", True)]
)
def test_amaranth_simulates_what_the_cells_compute(logic: str, carry: bool) -> None:
    width = 3
    adder = Ccu2c(width, logic, carry=carry)

    async def testbench(ctx):
        thirds = {"digit": range(8), "ands": range(2)}.get(logic, (0,))
        for a, b, third, gate, carried in itertools.product(range(8), range(8), thirds, (0, 1), (0, 1)):
            ctx.set(adder.a, a)
            ctx.set(adder.b, b)
            ctx.set(adder.gate, gate)
            if carry:
                ctx.set(adder.carry, carried)
            if logic == "ands":
                ctx.set(adder.other_gate, third)
            if logic == "digit":
                ctx.set(adder.other, third)
            bit_carry, expected = carried if carry else 0, 0
            for k in range(width):
                one, two, three = (number >> k & 1 for number in (a, b, third))
                inputs = {
                    "start": (one, gate, two, 1),
                    "ands": (one, third, two, gate),
                    "digit": (one, two, three, gate),
                }.get(logic, (one, two, gate, 1))
                bit, bit_carry = positions(LOGIC[logic], *inputs, bit_carry)
                expected |= bit << k
            assert ctx.get(adder.sum) == expected

    simulator = Simulator(adder)
    simulator.add_testbench(testbench)
    simulator.run()


@pytest.mark.parametrize("logic", LOGIC)
def test_every_cell_has_the_output_that_place_and_route_asks_for(logic: str) -> None:
    """nextpnr-ecp5 ends with an exception where the last cell of a chain has no carry out."""
    text = to_rtlil(Ccu2c(5, logic), "adder")
    assert text.count("cell \\CCU2C ") == 3 == text.count("connect \\COUT ")
