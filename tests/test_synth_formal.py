"""The stream contract, proven of everything that gives a stream, and not of what breaks it."""

from functools import partial

import pytest
from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from fewbit.formats import FixedPoint, Requantization, Rounding, parse
from fewbit.hdl.bus.axi_lite import AxiLite
from fewbit.hdl.bus.gearbox import Downsizer, Upsizer
from fewbit.hdl.scaling.requant import Requantize
from fewbit.synth.formal import HandshakePorts, check_stream
from fewbit.synth.tools import ToolError

pytestmark = pytest.mark.usefixtures("prepared")

WIDTHS = [(8, 8), (5, 8), (24, 8), (20, 8), (128, 32)]
AXI_LITE = (
    HandshakePorts("b", "s_axi_bvalid", "s_axi_bready", ("s_axi_bresp",)),
    HandshakePorts("r", "s_axi_rvalid", "s_axi_rready", ("s_axi_rdata", "s_axi_rresp")),
    HandshakePorts("aw", "s_axi_awvalid", "s_axi_awready", ("s_axi_awaddr", "s_axi_awprot")),
    HandshakePorts("w", "s_axi_wvalid", "s_axi_wready", ("s_axi_wdata", "s_axi_wstrb")),
    HandshakePorts("ar", "s_axi_arvalid", "s_axi_arready", ("s_axi_araddr", "s_axi_arprot")),
)


@pytest.mark.parametrize("gearbox", [Upsizer, partial(Upsizer, shift=True), Downsizer])
@pytest.mark.parametrize(("word_bits", "bus_bits"), WIDTHS)
def test_gearboxes_keep_the_contract(gearbox, word_bits, bus_bits):
    check_stream(gearbox(word_bits, bus_bits))


@pytest.mark.slow
@pytest.mark.parametrize(
    "how",
    [
        Requantization(parse("int8"), parse("bfloat16"), bias_bits=16, zero_point=True),
        Requantization(parse("e4m3"), parse("float32"), rounding=Rounding.STOCHASTIC),
    ],
    ids=["nearest", "stochastic"],
)
def test_requantize_keeps_the_contract(how):
    unit = Requantize(FixedPoint(20, True, -4), how, tag_bits=2, dsp=True)  # a short pipeline
    check_stream(unit, reach=unit.latency + 4)


@pytest.mark.parametrize("fast", [False, True])
def test_axi_lite_keeps_the_contract(fast):
    check_stream(AxiLite(8, fast), AXI_LITE)


@pytest.mark.parametrize("fast", [False, True])
def test_axi_lite_keeps_the_contract_towards_any_initiator(fast):
    check_stream(AxiLite(8, fast), AXI_LITE[:2])


class Stage(wiring.Component):
    """One register between two streams, in a right and in several wrong ways."""

    def __init__(self, fault):
        self.fault = fault
        super().__init__({"i": In(stream.Signature(4)), "o": Out(stream.Signature(4))})

    def elaborate(self, platform):
        m = Module()
        o, i, fault = self.o, self.i, self.fault
        full = Signal(reset_less=fault == "survives reset")
        word = Signal(4)
        take = Signal()
        m.d.comb += [
            take.eq(~full | o.ready),
            i.ready.eq(1 if fault == "overwrites" else take),
            o.valid.eq(full),
            o.payload.eq(word),
        ]
        with m.If(take | (fault == "drops")):
            m.d.sync += full.eq(i.valid)
        with m.If(i.ready):
            m.d.sync += word.eq(i.payload)
        if fault == "waits for ready":
            m.d.comb += o.valid.eq(full & o.ready)
        if fault == "never":
            m.d.comb += o.valid.eq(0)
        if fault == "late":
            # A fault that shows only after a while.
            count = Signal(4)
            m.d.sync += count.eq(count + (count != 12))
            with m.If(count == 12):
                m.d.comb += o.payload.eq(i.payload)
        return m


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("drops", "valid of o must hold until ready; it is broken in cycle"),
        ("overwrites", "payload of o must not change before ready; it is broken in cycle"),
        ("late", "payload of o must not change before ready; it is broken in cycle 13"),
        ("survives reset", "valid of o must be low after reset; it is broken in cycle 3"),
        ("waits for ready", "valid of o must not depend on ready of o"),
        ("never", "stream o must be able to wait and to be taken within 16 cycles"),
    ],
)
def test_a_broken_stage_fails(fault, message):
    with pytest.raises(ToolError, match=message):
        check_stream(Stage(fault))


def test_the_stage_without_a_fault_passes():
    check_stream(Stage(None))


class Through(wiring.Component):
    """Keeps the contract only as far as its input does."""

    i: In(1)
    o: Out(stream.Signature(1))

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o.valid.eq(self.i)
        return m


def test_inputs_that_are_no_streams_do_as_they_like():
    with pytest.raises(ToolError, match="valid of o must be low after reset; it is broken in cycle 1"):
        check_stream(Through())


class Ring(wiring.Component):
    """Keeps the contract, but only since its counter never gets to 50."""

    o: Out(stream.Signature(1))

    def elaborate(self, platform):
        m = Module()
        count = Signal(6)
        m.d.sync += count.eq(count + 1)
        with m.If(count == 3):
            m.d.sync += count.eq(0)
        m.d.comb += self.o.valid.eq(count == 50)
        return m


def test_what_cannot_be_proven_is_not_taken_for_proven():
    with pytest.raises(ToolError, match="stream contract must be provable by induction over 4 steps"):
        check_stream(Ring(), steps=4)


def test_a_component_without_streams_is_refused():
    class Nothing(wiring.Component):
        i: In(stream.Signature(1))

        def elaborate(self, platform):
            return Module()

    with pytest.raises(ValueError, match="component must give at least one stream, Nothing gives none"):
        check_stream(Nothing())
    with pytest.raises(ValueError, match="channel b must have members of Nothing, not 'bvalid'"):
        check_stream(Nothing(), [HandshakePorts("b", "bvalid", "bready", ())])
