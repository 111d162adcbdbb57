"""Good frames to where they belong: parameters and start of a product, operands, questions."""

from amaranth.hdl import Cat, Module, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Engine
from ..link.protocol import Kind
from .receiver import product_bytes, stream_kinds

__all__ = ["Dispatcher"]


class Dispatcher(wiring.Component):
    """Takes frames in order: what one asks for is done after all bytes before it are where they belong.

    A byte of an operand goes on in the cycle in which it comes; a frame takes two cycles besides, a PRODUCT three.
    ``start`` waits until no product is at hand, and so do all frames after it. Reset drops the frame at hand.

    Parameters
    ----------
    engine: which streams and parameters there are

    Members
    -------
    i: In(stream.Signature(8)), kind, length and payload of good frames
    at_hand: In(1), a product is; no other begins
    start: Out(1), up for a cycle: begin the product of the parameters
    m, n, k, and those of ``engine.tensor_fields``: Out, steady with ``start``
    a, w, p, a_scales, w_scales: Out(stream.Signature(8)), the inputs of ``engine.stream_bits``
    describe: Out(stream.Signature(8)), a block's number; the frame is consumed when it is taken
    consumed: Out(1), up for a cycle with the end of every frame
    """

    def __init__(self, engine: Engine):
        self.engine = engine
        widths = {"m": 16, "n": 16, "k": 16} | engine.tensor_fields
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(8))),
                "at_hand": In(1),
                "start": Out(1),
                **{name: Out(bits) for name, bits in widths.items()},
                **{name: Out(stream.Signature(unsigned(8))) for name in stream_kinds(engine)},
                "describe": Out(stream.Signature(unsigned(8))),
                "consumed": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        outputs = {Kind.DESCRIBE: self.describe}
        outputs |= {kind: getattr(self, name) for name, kind in stream_kinds(self.engine).items()}
        goes = {kind: Signal(name=f"goes_{kind.name.lower()}") for kind in (Kind.PRODUCT, *outputs)}
        left = Signal(8)
        transfer = Signal()
        ready = Cat(goes[Kind.PRODUCT], *(goes[kind] & output.ready for kind, output in outputs.items())).any()
        m.d.comb += transfer.eq(self.i.valid & self.i.ready)
        m.d.comb += [output.payload.eq(self.i.payload) for output in outputs.values()]
        with m.FSM():
            with m.State("KIND"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += [signal.eq(self.i.payload == kind) for kind, signal in goes.items()]
                with m.If(transfer):
                    m.next = "LENGTH"
            with m.State("LENGTH"):
                m.d.comb += self.i.ready.eq(1)
                m.d.sync += left.eq(self.i.payload)
                with m.If(transfer):
                    m.next = "PAYLOAD"
            with m.State("PAYLOAD"):
                m.d.comb += self.i.ready.eq(ready)
                m.d.comb += [output.valid.eq(self.i.valid & goes[kind]) for kind, output in outputs.items()]
                with m.If(transfer):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 1):
                        m.next = "KIND"
                        m.d.comb += self.consumed.eq(~goes[Kind.PRODUCT])
                        with m.If(goes[Kind.PRODUCT]):
                            m.next = "START"
            with m.State("START"), m.If(~self.at_hand):
                m.d.comb += [self.start.eq(1), self.consumed.eq(1)]
                m.next = "KIND"
        self._keep(m, transfer & goes[Kind.PRODUCT])
        return m

    def _keep(self, m: Module, enable: Value) -> None:
        """Move the byte at ``i`` into the parameters. Whatever was there, a PRODUCT's payload fills them."""
        sizes = product_bytes(self.engine)
        parameters = Signal(8 * sum(sizes.values()), reset_less=True)
        with m.If(enable):
            m.d.sync += parameters.eq(Cat(parameters[8:], self.i.payload))
        position = 0
        for name, size in sizes.items():
            m.d.comb += getattr(self, name).eq(parameters[position:])
            position += 8 * size
