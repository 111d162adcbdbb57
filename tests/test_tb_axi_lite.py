"""Registers behind AXI4-Lite, as Verilog in a simulator, driven by a client of other people's making."""

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from fewbit.hdl.bus.axi_lite import AxiLite
from fewbit.hdl.bus.registers import Field, Register, RegisterBlock, register_map
from fewbit.hdl.emit import to_rtlil, to_verilog
from fewbit.tb import lint
from fewbit.tb.runner import run

REGISTERS = (
    Register("identity", 0x00, "ro"),
    Register(
        "control",
        0x04,
        fields=(
            Field("start", 0, 1, "pulse"),
            Field("stop", 9, 1, "pulse"),
            Field("interrupt_enable", 10, 1),
            Field("key", 14, 4, "wo", reset=5),
        ),
    ),
    Register(
        "status", 0x08, fields=(Field("busy", 0, 1, "ro"), Field("done", 1, 2, "w1c"), Field("error", 7, 3, "w1c"))
    ),
    Register("m", 0x10, width=20, reset=3),
    Register("k", 0x18, reset=0xFFFFFFFF),
)


class Peripheral(wiring.Component):
    """An ``AxiLite`` and a ``RegisterBlock``, with flat ports."""

    def __init__(self, registers, address_bits):
        self.front = AxiLite(address_bits)
        self.block = RegisterBlock(registers, address_bits)
        parts = [self.front.signature.members.items(), self.block.signature.members.items()]
        self.names = [[name for name, _ in items if name != "bus"] for items in parts]
        super().__init__({name: member for items in parts for name, member in items if name != "bus"})

    def elaborate(self, platform):
        m = Module()
        m.submodules.front, m.submodules.block = self.front, self.block
        wiring.connect(m, self.front.bus, self.block.bus)
        for part, names in zip((self.front, self.block), self.names, strict=True):
            for name in names:
                inward = part.signature.members[name].flow is wiring.In
                target, source = (part, self) if inward else (self, part)
                m.d.comb += getattr(target, name).eq(getattr(source, name))
        return m


def verilog(address_bits):
    (text,) = to_verilog([("peripheral", to_rtlil(Peripheral(REGISTERS, address_bits), "peripheral"), [])])
    return text


def simulate(text, address_bits, seed=1):
    job = {"registers": register_map(REGISTERS), "address_bits": address_bits, "seed": seed, "accesses": 400}
    result, _ = run("registers", text, "peripheral", "fewbit.tb.axi_lite_tb", job)
    return result


@pytest.mark.slow
@pytest.mark.parametrize(("address_bits", "seed"), [(5, 1), (8, 2)])
def test_every_access_is_answered(own_cache, address_bits, seed):
    result = simulate(verilog(address_bits), address_bits, seed)
    assert result.ok, result.failed
    assert len(result.passed) == 3 and result.cycles > 5000


def test_the_verilog_is_clean():
    assert lint(verilog(8)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "wrong", "failing"),
    [
        ("bus__strobes <= s_axi_wstrb", "bus__strobes <= 4'hf", "one_after_another"),
        ("bus__error ? 2'h2 : 2'h0", "bus__error ? 2'h0 : 2'h0", "one_after_another"),
        ("s_axi_arready = ~ar_held", "s_axi_arready = 1'h1", "many_at_once"),
        ("s_axi_awready = ~aw_held", "s_axi_awready = 1'h1", "many_at_once"),
        ("if (rst) s_axi_bvalid <=", "if (1'h0) s_axi_bvalid <=", "reset_forgets"),
    ],
)
def test_a_wrong_peripheral_fails(own_cache, right, wrong, failing):
    text = verilog(5)
    assert text.count(right) == 1
    result = simulate(text.replace(right, wrong), 5)
    assert failing in {failure.test for failure in result.failed}
