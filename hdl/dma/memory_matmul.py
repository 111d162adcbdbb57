"""A matmul engine whose matrices are in memory: it reads A and W, and writes C, by an AXI4 master of its own."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import Engine
from ..engine.core import Matmul
from ..engine.panel_loader import size_bits
from ..products.build import Build
from .matmul_dma import MatmulDma

__all__ = ["MemoryMatmul"]


class MemoryMatmul(wiring.Component):
    """``Matmul``, with its streams connected to memory by ``MatmulDma``.

    Sizes, parameters and descriptors are taken with ``start``.

    Parameters
    ----------
    engine: formats and shape; it has a DMA
    build, dsp_elements: as of ``Matmul``

    Attributes
    ----------
    descriptors: names and bits of what says where matrices are
    master: the members of the AXI4 master

    Members
    -------
    start, m, k, n, scale, tensor_scale, zero_point, weight_zero_point, refused_zero, refused_large: as of ``Matmul``
    a_address, a_stride and so on: In, those of ``descriptors``, in bytes, strides in two's complement
    busy: Out(1), from the cycle after ``start`` to the last answer of a write
    done: Out(1), up for a cycle after it
    refused_busy: Out(1), up for a cycle with a ``start`` during a product
    refused_alignment: Out(1), up for a cycle with a ``start`` with an address or a stride that is no multiple of a beat
    read_failed, write_failed: Out(1), up for a cycle with an answer that is an error
    m_axi_*: an AXI4 master
    """

    def __init__(self, engine: Engine, build: Build, dsp_elements: int = 0):
        dma = engine.dma
        assert dma is not None
        self.engine = engine
        self.dma = dma
        self.matmul = Matmul(engine, build, dsp_elements)
        self.mover = MatmulDma(engine)
        self.descriptors = self.mover.descriptors
        self.master = self.mover.master
        refusals = ("refused_busy", "refused_zero", "refused_large", "refused_alignment")
        super().__init__(
            {
                "start": In(1),
                **{name: In(32) for name in size_bits(engine)},
                **{name: In(width) for name, width in engine.tensor_fields.items()},
                **{name: In(width) for name, width in self.descriptors.items()},
                **{name: Out(1) for name in ("busy", "done", *refusals, "read_failed", "write_failed")},
                **self.master,
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        engine, matmul = self.engine, self.matmul
        m.submodules.core = matmul
        low = (self.dma.beat_bytes - 1).bit_length()
        misaligned, obeyed, begin = Signal(), Signal(), Signal()
        m.d.comb += [
            misaligned.eq(Cat(getattr(self, name)[:low] for name in self.descriptors).any()),
            self.refused_busy.eq(self.start & self.busy),
            self.refused_alignment.eq(self.start & ~self.busy & misaligned),
            matmul.start.eq(self.start & ~self.busy & ~misaligned),
            self.refused_zero.eq(matmul.refused_zero),
            self.refused_large.eq(matmul.refused_large),
            obeyed.eq(matmul.start & ~matmul.refused_zero & ~matmul.refused_large),
            *(getattr(matmul, name).eq(getattr(self, name)) for name in (*size_bits(engine), *engine.tensor_fields)),
        ]
        m.d.sync += begin.eq(obeyed)
        held = {
            name: Signal(bits, name=f"held_{name}") for name, bits in {**size_bits(engine), **self.descriptors}.items()
        }
        with m.If(matmul.start):
            m.d.sync += [value.eq(getattr(self, name)) for name, value in held.items()]
        self._move(m, held, begin)
        finished = Signal()
        # The first cycle with begin finds everything as the last product left it.
        m.d.comb += finished.eq(self.busy & ~begin & self.mover.idle)
        m.d.sync += [self.busy.eq((self.busy | obeyed) & ~finished), self.done.eq(finished)]
        return m

    def _move(self, m: Module, held: dict[str, Signal], begin: Signal) -> None:
        """Connect what moves data."""
        m.submodules.dma = mover = self.mover
        m.d.comb += mover.start.eq(begin)
        m.d.comb += [getattr(mover, name).eq(value) for name, value in held.items()]
        for name in self.engine.stream_bits:
            wiring.connect(m, getattr(mover, name), getattr(self.matmul, name))
        for name, member in self.master.items():
            here, inside = getattr(self, name), getattr(mover, name)
            m.d.comb += inside.eq(here) if member.flow is In else here.eq(inside)
        m.d.comb += [self.read_failed.eq(mover.read_failed), self.write_failed.eq(mover.write_failed)]
