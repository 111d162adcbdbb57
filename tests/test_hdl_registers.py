"""The register block, its map and header, and Wishbone in front of it."""

import json
import random
import re
import subprocess

import pytest
from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.sim import Simulator
from each_of import each_of
from fewbit.hdl.bus.axi_lite import AxiLite
from fewbit.hdl.bus.registers import Field, Register, RegisterBlock, c_header, register_map
from fewbit.hdl.bus.wishbone import Wishbone

REGISTERS = (
    Register("identity", 0x00, "ro", meaning="which unit this is"),
    Register(
        "control",
        0x04,
        meaning="what to do",
        fields=(
            Field("start", 0, 1, "pulse", meaning="begin a product"),
            Field("stop", 1, 1, "pulse", meaning="give it up"),
            Field("interrupt", 8, 1, "rw", meaning="tell when it is done"),
            Field("key", 16, 4, "wo", reset=5),
        ),
    ),
    Register(
        "status",
        0x08,
        fields=(Field("busy", 0, 1, "ro"), Field("done", 1, 2, "w1c"), Field("count", 12, 10, "ro")),
    ),
    Register("m", 0x10, width=20, reset=3, meaning="rows"),
    Register("k", 0x18, meaning="length of a dot product"),
)
MAPPED = [register.offset for register in REGISTERS]


def simulate(component, testbench, *extra):
    top = Module()
    top.submodules.dut = component
    for name, other in extra:
        top.submodules[name] = other
    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()


async def write(ctx, block, offset, value, strobes=0xF):
    """Write a word; give back the error."""
    ctx.set(block.bus.address, offset // 4)
    ctx.set(block.bus.write_data, value)
    ctx.set(block.bus.strobes, strobes)
    ctx.set(block.bus.write, 1)
    error = ctx.get(block.bus.error)
    await ctx.tick()
    ctx.set(block.bus.write, 0)
    return error


def read(ctx, block, offset):
    """Read a word; give it back with the error."""
    ctx.set(block.bus.address, offset // 4)
    ctx.set(block.bus.read, 1)
    found = ctx.get(block.bus.read_data), ctx.get(block.bus.error)
    ctx.set(block.bus.read, 0)
    return found


class Model:
    """What the outputs of the block and its words are, write by write."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.values = {f.name: f.reset for r in REGISTERS for f in r.parts if f.access != "ro"}

    def step(self, inputs, offset=None, value=0, strobes=0):
        lanes = sum(0xFF << (8 * k) for k in range(4) if strobes >> k & 1)
        for register in REGISTERS:
            for field in register.parts:
                mask = lanes & field.mask if register.offset == offset else 0
                new, mask = (value & mask) >> field.lsb, mask >> field.lsb
                if field.access in ("rw", "wo"):
                    self.values[field.name] = self.values[field.name] & ~mask | new
                elif field.access == "pulse":
                    self.values[field.name] = new
                elif field.access == "w1c":
                    self.values[field.name] = self.values[field.name] & ~new | inputs[field.name]

    def word(self, offset, inputs):
        values = {**inputs, **self.values}
        parts = [f for r in REGISTERS if r.offset == offset for f in r.parts if f.access not in ("wo", "pulse")]
        return sum(values[field.name] << field.lsb for field in parts)


def test_block_does_what_the_model_does():
    block, model, rng, reset = RegisterBlock(REGISTERS), Model(), random.Random(5), Signal()
    inputs = {f.name: 0 for r in REGISTERS for f in r.parts if f.access in ("ro", "w1c")}
    widths = {f.name: f.width for r in REGISTERS for f in r.parts}

    async def testbench(ctx):
        for _ in range(3000):
            for name, width in widths.items():
                if name in inputs:
                    inputs[name] = rng.getrandbits(width) & rng.getrandbits(width)
                    ctx.set(getattr(block, name), inputs[name])
            for name, value in model.values.items():
                member = f"{name}_sticky" if name == "done" else name
                assert ctx.get(getattr(block, member)) == value, member
            offset = rng.randrange(0, 0x20, 4)
            word, error = read(ctx, block, offset)
            assert error == (offset not in MAPPED)
            assert word == model.word(offset, inputs)
            ctx.set(reset, rng.random() < 0.02)
            if ctx.get(reset):
                model.reset()
                await ctx.tick()
            elif rng.random() < 0.6:
                value, strobes = rng.getrandbits(32), rng.choice([0xF, 0xF, rng.getrandbits(4)])
                model.step(inputs, offset, value, strobes)
                assert await write(ctx, block, offset, value, strobes) == (offset not in MAPPED)
            else:
                # Data without a strobe is nothing.
                ctx.set(block.bus.write_data, rng.getrandbits(32))
                model.step(inputs)
                await ctx.tick()

    simulate(ResetInserter(reset)(block), testbench)


def test_members_of_the_block():
    block = RegisterBlock(REGISTERS)
    flows = {name: member.flow.name for name, member in block.signature.members.items()}
    assert flows == dict.fromkeys(("bus", "identity", "busy", "done", "count"), "In") | dict.fromkeys(
        ("start", "stop", "interrupt", "key", "done_sticky", "m", "k"), "Out"
    )
    assert block.address_bits == 5
    assert RegisterBlock(REGISTERS, 12).bus.address.shape().width == 10
    assert RegisterBlock([Register("only", 0)]).address_bits == 3


def test_map_is_json():
    described = json.loads(json.dumps(register_map(reversed(REGISTERS))))
    assert [register["offset"] for register in described] == MAPPED
    assert described[1]["fields"][2] == {
        "name": "interrupt",
        "lsb": 8,
        "width": 1,
        "access": "rw",
        "reset": 0,
        "meaning": "tell when it is done",
    }
    (m,) = described[3]["fields"]
    assert (m["name"], m["width"], m["reset"], m["meaning"]) == ("m", 20, 3, "rows")


def test_header_compiles_and_says_what_the_map_says(tmp_path):
    header = c_header("matmul", REGISTERS)
    (tmp_path / "matmul.h").write_text(header)
    lines = []
    for register in register_map(REGISTERS):
        head = f"MATMUL_{register['name'].upper()}"
        lines.append(f"{head}_OFFSET == {register['offset']}")
        for field in register["fields"]:
            single = [field["name"]] == [register["name"]]
            name = head if single else f"{head}_{field['name'].upper()}"
            lines += [
                f"{name}_SHIFT == {field['lsb']}",
                f"{name}_WIDTH == {field['width']}",
                f"{name}_MASK >> {name}_SHIFT == (1ull << {name}_WIDTH) - 1",
                f"{name}_RESET == {field['reset']}",
            ]
    checks = "".join(f"typedef char check_{k}[({line}) ? 1 : -1];\n" for k, line in enumerate(lines))
    (tmp_path / "use.c").write_text(f'#include "matmul.h"\n#include "matmul.h"\n{checks}')
    for source in ("use.c", "matmul.h"):
        command = ["gcc", "-Wall", "-Wextra", "-Werror", "-std=c99", "-c", source, "-o", "out"]
        subprocess.run(command, cwd=tmp_path, check=True)
    for meaning in ("which unit this is", "begin a product", "rows"):
        assert meaning in header
    assert "#define MATMUL_SIZE 0x1cu" in header


@each_of(
    "make, message",
    [
        (lambda: Field("A"), "name of a field must be lower-case letters, digits and underscores, not 'A'"),
        (lambda: Field("a", access="w"), "access of a must be one of rw, ro, wo, pulse, w1c, not 'w'"),
        (lambda: Field("a", width=33), "width of a must be 1 to 32, not 33"),
        (lambda: Field("a", 31, 2), "lsb of a must be 0 to 30, not 31"),
        (lambda: Field("a", reset=2), "reset of a must be 0 to 1 for access 'rw', not 2"),
        (lambda: Field("a", access="ro", reset=1), "reset of a must be 0 to 0 for access 'ro', not 1"),
        (lambda: Field("a", meaning="a */"), "meaning of a must be one line that fits into a C comment, not 'a */'"),
        (lambda: Register("a", 2), "offset of a must be a multiple of 4, not 2"),
        (lambda: Register("a", -4), "offset of a must be 0 or more, not -4"),
        (lambda: Register("a", 0, width=0), "width of a must be 1 to 32, not 0"),
        (
            lambda: Register("a", 0, fields=(Field("b", 0, 4), Field("c", 3))),
            "lsb of c must be 4 or more, past the field before, not 3",
        ),
        (
            lambda: Register("a", 0, "ro", fields=(Field("b"),)),
            "access, width and reset of a must be given in its fields alone",
        ),
        (lambda: RegisterBlock([]), "registers must be at least one"),
        (
            lambda: RegisterBlock([Register("a", 0), Register("b", 0)]),
            "offsets of registers must be unique, not 0 ",
        ),
        (
            lambda: RegisterBlock([Register("a", 0), Register("a", 4)]),
            "names of registers must be unique, not 'a' ",
        ),
        (
            lambda: RegisterBlock([Register("a", 0), Register("b", 4, fields=(Field("a"),))]),
            "names of fields must be unique, not 'a' twice",
        ),
        (
            lambda: RegisterBlock([Register("bus", 0)]),
            "name of a field must not be that of another member of the block: 'bus'",
        ),
        (lambda: RegisterBlock([Register("a", 8)], 3), "address_bits must be 4 or more for these registers, not 3"),
        (lambda: RegisterBlock([Register("a", 0)], 33), "address_bits must be 3 to 32, not 33"),
        (
            lambda: c_header("x", [Register("a", 0, fields=(Field("b_c"),)), Register("a_b", 4, fields=(Field("c"),))]),
            "names of registers and fields must give different macros, not X_A_B_C_SHIFT twice",
        ),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        make()


class Initiator:
    """The initiator's side of Wishbone classic, and the rules that the subordinate has to keep."""

    def __init__(self, ctx, bus, rng):
        self.ctx, self.bus, self.rng = ctx, bus, rng

    async def idle(self):
        """Any number of cycles without a request; the other lines are noise."""
        ctx, bus = self.ctx, self.bus
        for _ in range(self.rng.choice([0, 0, 1, 2])):
            cyc, stb = self.rng.choice([(0, 0), (1, 0), (0, 1)])
            self.lines(cyc, stb, self.rng.getrandbits(1), self.rng.randrange(8), self.rng.getrandbits(32), 0xF)
            assert not ctx.get(bus.wb_ack) and not ctx.get(bus.wb_err), "no answer without a request"
            await ctx.tick()

    def lines(self, cyc, stb, we, address, value, select):
        ctx, bus = self.ctx, self.bus
        for name, level in zip(
            ("cyc", "stb", "we", "adr", "dat_w", "sel"), (cyc, stb, we, address, value, select), strict=True
        ):
            ctx.set(getattr(bus, f"wb_{name}"), level)

    async def access(self, we, offset, value=0, select=0xF):
        """One cycle; give back the data and whether it was an error."""
        ctx, bus = self.ctx, self.bus
        await self.idle()
        self.lines(1, 1, we, offset // 4, value, select)
        for _ in range(2):
            ack, err = ctx.get(bus.wb_ack), ctx.get(bus.wb_err)
            found = ctx.get(bus.wb_dat_r)
            assert not (ack and err)
            if ack or err:
                # Without the strobe the answer goes at once.
                ctx.set(bus.wb_stb, 0)
                assert not ctx.get(bus.wb_ack) and not ctx.get(bus.wb_err)
                ctx.set(bus.wb_stb, 1)
                await ctx.tick()
                return found, bool(err)
            await ctx.tick()
        raise AssertionError("an answer must come in the cycle after the request")


def test_wishbone_reads_and_writes():
    wishbone, block, model, rng = Wishbone(5), RegisterBlock(REGISTERS), Model(), random.Random(6)
    inputs = {"identity": 0xFEEDBEEF, "busy": 1, "count": 0x155, "done": 0}
    pulses = []

    async def testbench(ctx):
        initiator = Initiator(ctx, wishbone, rng)
        for name, value in inputs.items():
            ctx.set(getattr(block, name), value)
        for _ in range(500):
            offset, value, select = rng.randrange(0, 0x20, 4), rng.getrandbits(32), rng.getrandbits(4)
            if rng.random() < 0.5:
                found, error = await initiator.access(0, offset)
                assert error == (offset not in MAPPED)
                assert error or found == model.word(offset, inputs)
            elif rng.random() < 0.2:
                # Given up in the first cycle: a read leaves nothing behind.
                await initiator.idle()
                initiator.lines(1, 1, 0, offset // 4, 0, 0)
                await ctx.tick()
                initiator.lines(0, 0, 0, 0, 0, 0)
                assert not ctx.get(wishbone.wb_ack) and not ctx.get(wishbone.wb_err)
                await ctx.tick()
            else:
                model.step(inputs, offset, value, select)
                started = offset == 4 and value & select & 1
                _, error = await initiator.access(1, offset, value, select)
                assert error == (offset not in MAPPED)
                pulses[:0] = [1] * started
                for name in ("m", "k", "key", "interrupt"):
                    assert ctx.get(getattr(block, name)) == model.values[name], name

    async def count_pulses(ctx):
        while True:
            await ctx.tick()
            if ctx.get(block.start):
                seen.append(1)

    seen = []
    top = Module()
    top.submodules.wishbone, top.submodules.block = wishbone, block
    wiring.connect(top, wishbone.bus, block.bus)
    simulator = Simulator(top)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.add_testbench(count_pulses, background=True)
    simulator.run()
    assert seen == pulses and seen


async def axi_lite_access(ctx, axi, offset, value=None):
    """One access, whose answer waits for a cycle; give back the data and whether it was an error."""
    request, answer = ("ar", "r") if value is None else ("aw", "b")

    def port(channel, name):
        return getattr(axi, f"s_axi_{channel}{name}")

    ctx.set(port(request, "addr"), offset)
    for channel in (request, *(["w"] if value is not None else [])):
        assert ctx.get(port(channel, "ready"))
        ctx.set(port(channel, "valid"), 1)
    if value is not None:
        ctx.set(axi.s_axi_wdata, value)
        ctx.set(axi.s_axi_wstrb, 0xF)
    await ctx.tick()
    for channel in ("ar", "aw", "w"):
        ctx.set(port(channel, "valid"), 0)
    for _ in range(1 + axi.fast):
        assert not ctx.get(port(answer, "valid"))
        await ctx.tick()
    for ready in (0, 1):
        assert ctx.get(port(answer, "valid")), "an answer must come after two cycles or three, and stay"
        found = ctx.get(axi.s_axi_rdata), bool(ctx.get(port(answer, "resp")))
        ctx.set(port(answer, "ready"), ready)
        await ctx.tick()
    ctx.set(port(answer, "ready"), 0)
    assert not ctx.get(port(answer, "valid"))
    return found


@pytest.mark.parametrize("fast", [False, True])
def test_axi_lite_reaches_every_address(fast):
    axi, block, model, rng = AxiLite(6, fast), RegisterBlock(REGISTERS, 6), Model(), random.Random(8)
    assert (len(axi.s_axi_wdata), len(axi.s_axi_rdata), len(axi.s_axi_wstrb)) == (32, 32, 4)
    inputs = {"identity": 0xFEEDBEEF, "busy": 1, "count": 0x155, "done": 0}
    top = Module()
    top.submodules.axi, top.submodules.block = axi, block
    wiring.connect(top, axi.bus, block.bus)

    async def testbench(ctx):
        for name, value in inputs.items():
            ctx.set(getattr(block, name), value)
        for offset in rng.sample(range(0, 1 << 6, 4), 1 << 4) * 2:
            value = rng.getrandbits(32)
            model.step(inputs, offset, value, 0xF)
            _, error = await axi_lite_access(ctx, axi, offset, value)
            assert error == (offset not in MAPPED)
            found, error = await axi_lite_access(ctx, axi, offset)
            assert error == (offset not in MAPPED) and (error or found == model.word(offset, inputs))
            for name in ("m", "k", "key", "interrupt"):
                assert ctx.get(getattr(block, name)) == model.values[name], name

    simulate(top, testbench)
