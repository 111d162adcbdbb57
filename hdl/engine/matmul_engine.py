"""The edge of the matmul engine: registers stand behind a bus, and data comes and goes by AXI4-Stream, or by an AXI4
master of the engine's own."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import Engine
from ..bus.axi4 import axi4_master
from ..bus.axi_lite import AxiLite
from ..bus.axi_stream import axi_stream_in, axi_stream_out, connect_in, connect_out
from ..bus.gearbox import Downsizer, Upsizer
from ..bus.register_edge import add_registers
from ..bus.registers import WORD_BITS, Field, Register, RegisterBlock
from ..bus.wishbone import Wishbone
from ..dma.matmul_dma import MASTER
from ..dma.memory_matmul import MemoryMatmul
from ..dma.registers import DMA_ADDRESS_BITS, DMA_ERRORS, connect_descriptors, descriptor_registers
from ..products.build import Build
from .core import Matmul

__all__ = ["MatmulEngine", "engine_members", "engine_registers"]

ADDRESS_BITS = 6
IDENTITY = 0x46425431
"""``FBT1``: what the register ``identity`` reads, so that a host knows that an engine is there."""

_BUS: dict[str, type[AxiLite] | type[Wishbone]] = {"axi_lite": AxiLite, "wishbone": Wishbone}


def engine_registers(engine: Engine) -> tuple[Register, ...]:
    """The registers of an engine. It depends on the engine which parameters there are, but not at which offsets."""
    registers = [
        Register(
            "control",
            0x00,
            meaning="commands",
            fields=(Field("start", 0, 1, "pulse", meaning="begin the product of the sizes in m, n and k"),),
        ),
        Register(
            "status",
            0x04,
            meaning="what the engine is doing, and what became of the last start; write 1 to clear a bit",
            fields=(
                Field("busy", 0, 1, "ro", meaning="a product is at hand"),
                Field("done", 1, 1, "w1c", meaning="a product is complete"),
                Field("error_busy", 2, 1, "w1c", meaning="start was not obeyed: a product was at hand"),
                Field("error_zero", 3, 1, "w1c", meaning="start was not obeyed: a size was 0"),
                Field(
                    "error_large",
                    4,
                    1,
                    "w1c",
                    meaning=f"start was not obeyed: m or n over 65535, or k over {engine.max_k}",
                ),
                *(
                    Field(f"error_{name}", 5 + place, 1, "w1c", meaning=meaning)
                    for place, (name, meaning) in enumerate(DMA_ERRORS.items())
                    if engine.dma is not None
                ),
            ),
        ),
        Register("m", 0x08, meaning="rows of A and of C"),
        Register("n", 0x0C, meaning="columns of W and of C"),
        Register("k", 0x10, meaning="columns of A, rows of W"),
        Register("cycles", 0x14, "ro", meaning="clock cycles of the product at hand, or of the last one"),
        Register("identity", 0x18, "ro", meaning=f"0x{IDENTITY:08x}, whatever the engine"),
        Register(
            "shape",
            0x1C,
            meaning="how the engine was made",
            fields=tuple(
                Field(f"shape_{name}", 8 * place, 8, "ro", meaning=meaning)
                for place, (name, meaning) in enumerate(
                    {
                        "rows": "rows of processing elements",
                        "columns": "columns of processing elements",
                        "lanes": "products a cycle of each",
                        "outputs": "outputs a beat of m_axis_c",
                    }.items()
                )
            ),
        ),
        Register(
            "limits",
            0x20,
            meaning="how the engine was made",
            fields=(
                Field("limit_tile_m", 0, 16, "ro", meaning="rows of A in a panel"),
                Field("limit_k", 16, 16, "ro", meaning="largest k"),
            ),
        ),
    ]
    offsets = {
        "scale": 0x24,
        "scale_high": 0x28,
        "tensor_scale": 0x2C,
        "tensor_scale_high": 0x30,
        "zero_point": 0x34,
        "weight_zero_point": 0x38,
        "dropped_digits": 0x3C,
    }
    meanings = {
        "scale": "code of the scale of all outputs",
        "tensor_scale": "code of the second scale of all outputs",
        "zero_point": "added to every output, two's complement where the output is",
        "weight_zero_point": "subtracted from every weight, two's complement where the weights are",
        "dropped_digits": "lowest digits of the weights that do not count, each of which spares a cycle a word",
    }
    for name, bits in engine.tensor_fields.items():
        registers.append(Register(name, offsets[name], width=min(bits, WORD_BITS), meaning=meanings[name]))
        if bits > WORD_BITS:
            rest = f"the bits of {name} above {WORD_BITS}"
            registers.append(Register(f"{name}_high", offsets[f"{name}_high"], width=bits - WORD_BITS, meaning=rest))
    return tuple(registers) if engine.dma is None else (*registers, *descriptor_registers(engine))


def _address_bits(engine: Engine) -> int:
    """Of the registers' bus."""
    return ADDRESS_BITS if engine.dma is None else DMA_ADDRESS_BITS


def engine_members(engine: Engine) -> dict[str, wiring.Member]:
    """The ports of an engine, without clock and reset."""
    members = dict(_BUS[engine.control].ports(_address_bits(engine)))
    if engine.dma is not None:
        return {**members, **axi4_master(MASTER, engine.dma.memory_bits, engine.dma.address_bits), "irq": Out(1)}
    for name in engine.stream_bits:
        if name != "c":
            members |= axi_stream_in(f"s_axis_{name}", engine.bus(name))
    return {**members, **axi_stream_out("m_axis_c", engine.bus("c")), "irq": Out(1)}


class MatmulEngine(wiring.Component):
    """``Matmul`` with registers behind AXI4-Lite or Wishbone, and AXI4-Streams for all data; or ``MemoryMatmul`` with
    such registers and its AXI4 master, for an engine with a DMA.

    The registers are those of ``engine_registers``; sizes and parameters count as they stand when ``start`` is
    written. ``irq`` is up while ``done`` or an error is. A word of a stream is one beat, or as many as its bus needs,
    the lowest bits first; ``tlast`` of the inputs is not looked at, that of ``m_axis_c`` marks the product's last beat.

    Parameters
    ----------
    engine: formats, shape, buses
    build: how products are built; changes the cost, never a bit. It has 1 to 3 register stages before the accumulators
    dsp_elements: of an output-stationary array, see there

    Members
    -------
    s_axi_* or wb_*: the registers' bus
    s_axis_a, s_axis_w, s_axis_p, s_axis_a_scales, s_axis_w_scales: inputs, those that the engine has
    m_axis_c: outputs
    m_axi_*: the master, in the place of all streams
    irq: Out(1)
    """

    matmul: Matmul | MemoryMatmul

    def __init__(self, engine: Engine, build: Build, dsp_elements: int = 0):
        self.engine = engine
        self.build = build
        self.matmul = (Matmul if engine.dma is None else MemoryMatmul)(engine, build, dsp_elements)
        self.registers = engine_registers(engine)
        super().__init__(engine_members(engine))

    def elaborate(self, platform) -> Module:
        m = Module()
        engine = self.engine
        m.submodules.matmul = matmul = self.matmul
        fast = {"fast": True} if engine.control == "axi_lite" and self.build.short_paths else {}
        block = add_registers(m, self, _BUS[engine.control](_address_bits(engine), **fast), self.registers)
        self._connect_registers(m, block)
        if isinstance(matmul, MemoryMatmul):
            connect_descriptors(m, matmul, block)
            for name, member in matmul.master.items():
                here, inside = getattr(self, name), getattr(matmul, name)
                m.d.comb += inside.eq(here) if member.flow is In else here.eq(inside)
            return m
        for name, bits in matmul.inputs.items():
            m.submodules[f"words_{name}"] = words = Upsizer(bits, engine.bus(name))
            connect_in(m, self, f"s_axis_{name}", words.i)
            wiring.connect(m, words.o, getattr(matmul, name))
        m.submodules.beats_c = beats = Downsizer(engine.stream_bits["c"], engine.bus("c"))
        wiring.connect(m, matmul.c, beats.i)
        connect_out(m, self, "m_axis_c", beats.o, beats.o.payload.last)
        return m

    def _connect_registers(self, m: Module, block: RegisterBlock) -> None:
        engine, matmul = self.engine, self.matmul
        cycles = Signal(WORD_BITS)
        events = ["done", "error_busy", "error_zero", "error_large"]
        refused = matmul.refused_busy | matmul.refused_zero | matmul.refused_large
        if isinstance(matmul, MemoryMatmul):
            events.append("error_alignment")
            refused = refused | matmul.refused_alignment
        with m.If(block.start & ~refused):
            m.d.sync += cycles.eq(0)
        with m.Elif(matmul.busy):
            m.d.sync += cycles.eq(cycles + 1)
        m.d.comb += [
            matmul.start.eq(block.start),
            *(getattr(matmul, name).eq(getattr(block, name)) for name in ("m", "n", "k")),
            block.busy.eq(matmul.busy),
            block.done.eq(matmul.done),
            *(
                getattr(block, f"error_{name}").eq(getattr(matmul, f"refused_{name}"))
                for name in ("busy", "zero", "large")
            ),
            block.cycles.eq(cycles),
            block.identity.eq(IDENTITY),
            *(
                getattr(block, f"shape_{name}").eq(getattr(engine, name))
                for name in ("rows", "columns", "lanes", "outputs")
            ),
            block.limit_tile_m.eq(engine.tile_m),
            block.limit_k.eq(engine.max_k),
        ]
        irq = block.done_sticky
        for name in events[1:]:
            irq = irq | getattr(block, f"{name}_sticky")
        m.d.comb += self.irq.eq(irq)
        for name, bits in engine.tensor_fields.items():
            low = getattr(matmul, name)
            m.d.comb += low[:WORD_BITS].eq(getattr(block, name))
            if bits > WORD_BITS:
                m.d.comb += low[WORD_BITS:].eq(getattr(block, f"{name}_high"))
