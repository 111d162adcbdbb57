"""The dispatcher hands the content of good frames to whom it is for: what computes, its streams, or the sender."""

from amaranth.hdl import Cat, Module, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..link.protocol import Kind
from ..link.traffic import Traffic

__all__ = ["Dispatcher"]


class Dispatcher(wiring.Component):
    """Reads frames in order, and does what each asks for.

    A frame is acted on after all bytes of the frames before it have been handed over. The byte of an operand is handed
    over in the cycle in which it comes. Each frame takes two more cycles, and a PRODUCT takes three. ``start`` waits
    until no product is at hand, and all later frames wait with it. Reset drops the frame that is being read.

    Parameters
    ----------
    traffic: says which streams and parameters there are

    Members
    -------
    i: In(stream.Signature(8)), the kind, length and payload of each good frame
    describe: Out(stream.Signature(8)), the number of a block; its frame is consumed when the number is taken
    consumed: Out(1), is up for a cycle at the end of every frame
    one for each of ``traffic.streams``: Out(stream.Signature(8)), the bytes of that stream

    If there is a PRODUCT:

    at_hand: In(1), says that a product is being computed, so that no other may begin
    start: Out(1), is up for a cycle to begin a product with the parameters below
    one for each of ``traffic.fields``: Out, does not change while ``start`` is up
    """

    def __init__(self, traffic: Traffic):
        self.traffic = traffic
        super().__init__(
            {
                "i": In(stream.Signature(unsigned(8))),
                **({"at_hand": In(1), "start": Out(1)} if traffic.fields else {}),
                **{name: Out(bits) for name, bits in traffic.fields.items()},
                **{name: Out(stream.Signature(unsigned(8))) for name in traffic.streams},
                "describe": Out(stream.Signature(unsigned(8))),
                "consumed": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        outputs = {Kind.DESCRIBE: self.describe}
        outputs |= {kind: getattr(self, name) for name, kind in self.traffic.streams.items()}
        heads = (Kind.PRODUCT,) if self.traffic.fields else ()
        goes = {kind: Signal(name=f"goes_{kind.name.lower()}") for kind in (*heads, *outputs)}
        left = Signal(8)
        transfer = Signal()
        kept = (goes[kind] for kind in heads)
        ready = Cat(*kept, *(goes[kind] & output.ready for kind, output in outputs.items())).any()
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
                        m.d.comb += self.consumed.eq(~goes[Kind.PRODUCT] if heads else 1)
                        for kind in heads:
                            with m.If(goes[kind]):
                                m.next = "START"
            if heads:
                with m.State("START"), m.If(~self.at_hand):
                    m.d.comb += [self.start.eq(1), self.consumed.eq(1)]
                    m.next = "KIND"
        if heads:
            self._keep(m, transfer & goes[Kind.PRODUCT])
        return m

    def _keep(self, m: Module, enable: Value) -> None:
        """Shift the byte at ``i`` into the parameters.

        The payload of a PRODUCT is as long as all of them, so it replaces whatever was there.
        """
        sizes = self.traffic.sizes
        parameters = Signal(8 * sum(sizes.values()), reset_less=True)
        with m.If(enable):
            m.d.sync += parameters.eq(Cat(parameters[8:], self.i.payload))
        position = 0
        for name, size in sizes.items():
            m.d.comb += getattr(self, name).eq(parameters[position:])
            position += 8 * size
