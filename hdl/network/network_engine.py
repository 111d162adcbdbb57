"""The edge of a network's accelerator: images and answers go by AXI4-Stream, and registers tell what it is doing."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from ...formats.network import Program
from ..bus.axi_lite import AxiLite
from ..bus.axi_stream import axi_stream_in, axi_stream_out, connect_in, connect_out
from ..bus.register_edge import add_registers
from ..bus.registers import WORD_BITS, Field, Register
from .network import BYTE, NetworkCore

__all__ = ["ADDRESS_BITS", "NetworkEngine", "answer_bits", "network_engine_members", "network_registers"]

ADDRESS_BITS = 6
IDENTITY = 0x46424E31
"""``FBN1``: what the register ``identity`` reads, so that a host knows that an accelerator is there."""

DIGEST_WORDS = 2


def answer_bits(program: Program) -> int:
    """Bits of a beat of answers: a sum, sign-extended to 32 or 64 bits."""
    return WORD_BITS * -(-program.shape.sum.width // WORD_BITS)


def network_registers(program: Program) -> tuple[Register, ...]:
    """The registers of an accelerator; their offsets do not depend on the network."""
    sizes = {
        "image_bytes": (0x20, program.image.size, "bytes of an image"),
        "answer_sums": (0x24, program.answer.size, "sums of an answer"),
    }
    return (
        Register(
            "status",
            0x00,
            meaning="what the accelerator is doing; write 1 to clear a bit",
            fields=(
                Field("busy", 0, 1, "ro", meaning="an image is computed"),
                Field("done", 1, 1, "w1c", meaning="an image is answered"),
                Field("loaded", 2, 1, "ro", meaning="all weights are there"),
            ),
        ),
        Register("layer", 0x04, "ro", meaning="number of the record at hand"),
        Register("cycles", 0x08, "ro", meaning="clock cycles of the last image that was answered"),
        Register("images", 0x0C, "ro", meaning="images that were answered since the last reset, modulo 2**32"),
        Register("identity", 0x10, "ro", meaning=f"0x{IDENTITY:08x}, whatever the network"),
        *(
            Register(
                f"digest{place}",
                0x14 + 4 * place,
                "ro",
                meaning=f"bytes {4 * place} to {4 * place + 3} of the program's SHA-256",
            )
            for place in range(DIGEST_WORDS)
        ),
        *(
            Register(name, offset, "ro", meaning=f"{meaning}: {value}")
            for name, (offset, value, meaning) in sizes.items()
        ),
    )


def network_engine_members(program: Program, loads: bool) -> dict[str, wiring.Member]:
    """The ports of an accelerator, without clock and reset. ``loads``: whether weights come over a stream."""
    weights = axi_stream_in("s_axis_weights", BYTE) if loads else {}
    return {
        **AxiLite.ports(ADDRESS_BITS),
        **axi_stream_in("s_axis_image", BYTE),
        **weights,
        **axi_stream_out("m_axis_answer", answer_bits(program)),
        "irq": Out(1),
    }


class NetworkEngine(wiring.Component):
    """``NetworkCore`` with registers behind AXI4-Lite, and AXI4-Streams for images, weights and answers.

    An image is ``image_bytes`` beats of a byte; ``tlast`` of the inputs is not looked at. An answer is ``answer_sums``
    beats of a sum each, sign-extended, in the order that ``NetworkCore`` tells; ``tlast`` marks the last one. ``irq``
    is up while ``done`` is.

    Parameters
    ----------
    network: what is behind the edge

    Members
    -------
    s_axi_*: the registers' bus
    s_axis_image: images
    s_axis_weights: the weights, only where they are loaded
    m_axis_answer: answers
    irq: Out(1)
    """

    def __init__(self, network: NetworkCore):
        self.network = network
        self.registers = network_registers(network.program)
        super().__init__(network_engine_members(network.program, network.hardware.loaded))

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.network = network = self.network
        block = add_registers(m, self, AxiLite(ADDRESS_BITS), self.registers)
        connect_in(m, self, "s_axis_image", network.image)
        loads = network.hardware.loaded
        if loads:
            connect_in(m, self, "s_axis_weights", network.weights)
        answer = network.answer
        # A sum is signed: all bits of the bus above it are its sign.
        total = Signal.like(self.m_axis_answer_tdata)
        m.d.comb += total.eq(answer.payload.data)
        connect_out(m, self, "m_axis_answer", answer, answer.payload.last)
        m.d.comb += self.m_axis_answer_tdata.eq(total)
        done, images = Signal(), Signal(WORD_BITS)
        m.d.comb += done.eq(answer.valid & answer.ready & answer.payload.last)
        with m.If(done):
            m.d.sync += images.eq(images + 1)
        program = network.program
        digest = bytes.fromhex(program.digest)
        m.d.comb += [
            block.busy.eq(network.busy),
            block.done.eq(done),
            block.loaded.eq(network.loaded if loads else 1),
            block.layer.eq(network.layer),
            block.cycles.eq(network.cycles),
            block.images.eq(images),
            block.identity.eq(IDENTITY),
            *(
                getattr(block, f"digest{place}").eq(int.from_bytes(digest[4 * place : 4 * place + 4], "little"))
                for place in range(DIGEST_WORDS)
            ),
            block.image_bytes.eq(program.image.size),
            block.answer_sums.eq(program.answer.size),
            self.irq.eq(block.done_sticky),
        ]
        return m
