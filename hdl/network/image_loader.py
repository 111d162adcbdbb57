"""An image comes byte by byte, becomes codes, and is written where the first records read it."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats.network import Program, View

__all__ = ["ImageLoader"]

BYTE = 8


class ImageLoader(wiring.Component):
    """It takes bytes while ``open`` is up, until an image is complete, and goes on after ``taken``.

    A byte takes three cycles at most, and as many more as its words wait to be written.

    Parameters
    ----------
    program: whose image it is
    address_bits: of the two memories

    Members
    -------
    image: In(stream of bytes), in the order of rows, pixels, channels
    open: In(1), the image's words may be written
    taken: In(1), the complete image is begun with
    complete: Out(1), there is one
    activation_wanted: Out(1), activation_address, activation_data: Out, a word that is to be written
    activation_granted: In(1), it is, in this cycle; likewise between_...
    """

    def __init__(self, program: Program, address_bits: tuple[int, int]):
        self.program = program
        image, shape = program.image, program.shape
        self.tensors: dict[str, tuple[View | None, bytes, int, int, int]] = {
            "activation": (
                image.activation,
                image.activation_codes,
                shape.activation.width,
                shape.lanes,
                address_bits[0],
            ),
            "between": (image.between, image.between_codes, shape.between.width, shape.outputs, address_bits[1]),
        }
        members: dict = {
            "image": In(stream.Signature(BYTE)),
            **{name: In(1) for name in ("open", "taken")},
            "complete": Out(1),
        }
        for name, (_, _, width, codes, bits) in self.tensors.items():
            members |= {
                f"{name}_wanted": Out(1),
                f"{name}_granted": In(1),
                f"{name}_address": Out(bits),
                f"{name}_data": Out(width * codes),
            }
        super().__init__(members)

    def elaborate(self, platform) -> Module:
        m = Module()
        image = self.program.image
        transfer, fetched = Signal(), Signal()
        channel = Signal(range(max(2, image.channels)))
        left = Signal(range(max(2, image.size)), init=image.size - 1)
        at_channel = Signal.like(channel)
        ends_pixel = Signal()
        done = Signal()
        waits = self.activation_wanted | self.between_wanted
        m.d.comb += [
            self.image.ready.eq(self.open & ~(self.complete | done | fetched | waits)),
            transfer.eq(self.image.valid & self.image.ready),
        ]
        m.d.sync += fetched.eq(transfer)
        byte = Signal(BYTE, reset_less=True)
        with m.If(transfer):
            m.d.sync += [
                byte.eq(self.image.payload),
                at_channel.eq(channel),
                ends_pixel.eq(channel == image.channels - 1),
                channel.eq(Mux(channel == image.channels - 1, 0, channel + 1)),
                left.eq(Mux(left == 0, image.size - 1, left - 1)),
                done.eq(left == 0),
            ]
        # The image is complete when its last words are written.
        with m.If(done & ~fetched & ~waits):
            m.d.sync += [done.eq(0), self.complete.eq(1)]
        with m.If(self.taken):
            m.d.sync += self.complete.eq(0)
        for name, (view, codes, width, count, _) in self.tensors.items():
            if view is not None:
                code = self._code(m, name, codes, width, channel, transfer, byte)
                self._write(m, name, view, width, count, code, fetched, at_channel, ends_pixel)
        return m

    def _code(
        self, m: Module, name: str, codes: bytes, width: int, channel: Value, transfer: Value, byte: Value
    ) -> Value:
        """The code of the byte that was taken in the cycle before."""
        if not codes:
            return byte[:width]
        address = Cat(self.image.payload, channel) if self.program.image.channels > 1 else self.image.payload
        m.submodules[f"{name}_codes"] = store = memory.Memory(shape=width, depth=1 << len(address), init=list(codes))
        read = store.read_port()
        m.d.comb += [read.addr.eq(address), read.en.eq(transfer)]
        return read.data

    def _write(
        self,
        m: Module,
        name: str,
        view: View,
        width: int,
        count: int,
        code: Value,
        fetched: Value,
        channel: Value,
        ends_pixel: Value,
    ) -> None:
        """Gather codes to words, and have them written."""
        wanted, granted = getattr(self, f"{name}_wanted"), getattr(self, f"{name}_granted")
        address, word = getattr(self, f"{name}_address"), getattr(self, f"{name}_data")
        channels = self.program.image.channels
        bits = (count - 1).bit_length()
        place = channel[:bits]
        complete: Value = ends_pixel
        if channels > count:
            complete = ends_pixel | place.all() if bits else ends_pixel | 1
        with m.If(fetched):
            for each in range(min(count, channels)):
                with m.If(place == each if bits else 1):
                    m.d.sync += word[each * width : (each + 1) * width].eq(code)
            m.d.sync += wanted.eq(complete)
        start = Signal(init=1, name=f"{name}_start")
        with m.If(self.taken | start):
            m.d.sync += [address.eq(view.base), start.eq(0)]
        behind = view.pitch - view.words
        ended = Signal(name=f"{name}_ended")
        with m.If(fetched):
            m.d.sync += ended.eq(ends_pixel)
        with m.If(wanted & granted):
            m.d.sync += [wanted.eq(0), address.eq(address + 1 + (Mux(ended, behind, 0) if behind else 0))]
