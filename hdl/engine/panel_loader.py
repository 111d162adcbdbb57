"""A stream of words is written into one half of a memory, a panel, while the other half is read."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats import MAX_SIZE, Engine
from ..memories import UNRELATED
from .loops import Loop, LoopNest

__all__ = ["LoaderLoop", "PanelLoader", "size_bits"]


def size_bits(engine: Engine) -> dict[str, int]:
    """The number of bits of m, k and n."""
    return {"m": MAX_SIZE.bit_length(), "k": engine.max_k.bit_length(), "n": MAX_SIZE.bit_length()}


@dataclass(frozen=True)
class LoaderLoop:
    """One loop of a loader, whose length is a size of the product.

    Parameters
    ----------
    over: ``m``, ``k`` or ``n``
    step: how many of them a step takes
    within: name of a loop further out, one step of which this one goes through
    """

    name: str
    over: str
    step: int
    within: str | None = None

    def loop(self, component: wiring.Component) -> Loop:
        return Loop(self.name, None if self.within else getattr(component, self.over), self.step, self.within)


class PanelLoader(wiring.Component):
    """It takes the words of one product from a stream, in the order of its loops, into two halves of a memory by turns.

    Words are taken from ``start`` on, as many as the loops have steps, and wait while the half that they belong in is
    full. One word a cycle; no cycle is lost between halves.

    Parameters
    ----------
    engine: whose sizes they are
    bits: of a word
    loops: the outermost first
    half: name of the loop at whose end a half is complete
    depth: words in a half, at most
    parts: consecutive words that are read as one
    ahead: of its ``LoopNest``. ``present`` and ``i.ready`` are registers then, too
    late: whether a word comes two cycles after ``enable``. Each half then has a memory of its own with a register
        behind it, so that nothing but a wire follows a memory
    spaced: where ``ahead``, whether a register stands between the stream and the loops. A word is taken every second
        cycle at most, and can be read a cycle later

    Members
    -------
    start: In(1); m, k, n: In, steady from then on, or from the cycle before it where ``ahead``
    i: In(stream.Signature(bits))
    full: Out(2), which halves can be read
    present: Out(1), whether ``which_half`` can be read
    coming: Out(1), where ``ahead``: what ``present`` is in the next cycle
    release: In(2), which halves are done with; In(1) where ``ahead``, whether that is done with which is read. Where
        ``present`` is asked for, ``which_half`` has to change at the end of just that cycle
    enable: In(1), offset: In, which_half: In(1), read a word
    word: Out(bits * parts), the cycle after, or the one after that where ``late``
    """

    def __init__(
        self,
        engine: Engine,
        bits: int,
        loops: list[LoaderLoop],
        half: str,
        depth: int,
        parts: int = 1,
        *,
        ahead: bool = False,
        late: bool = False,
        spaced: bool = False,
    ):
        if spaced and not ahead:
            raise ValueError("spaced must be False where the loops do not look ahead")
        self.ahead = ahead
        self.late = late
        self.spaced = spaced
        self.bits = bits
        self.loops = loops
        self.half = half
        self.parts = parts
        self.depth = -(-depth // parts)
        super().__init__(
            {
                "start": In(1),
                **{name: In(width) for name, width in size_bits(engine).items()},
                "i": In(stream.Signature(unsigned(bits))),
                "full": Out(2),
                "present": Out(1),
                **({"coming": Out(1)} if ahead else {}),
                "release": In(1 if ahead else 2),
                "enable": In(1),
                "which_half": In(1),
                "offset": In(max(1, (self.depth - 1).bit_length())),
                "word": Out(bits * parts),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        offset_bits = len(self.offset)
        if self.late:
            writes = [self._memory(m, f"memory{k}", self.offset) for k in (0, 1)]
        else:
            writes = [self._memory(m, "memory", Cat(self.offset, self.which_half))]
        m.d.comb += self.word.eq(self._word(m, [word for _, word in writes]))
        nest = LoopNest(m, "load", [loop.loop(self) for loop in self.loops], self.ahead)
        active = Signal()
        half = Signal()
        offset = Signal(offset_bits)
        part = Signal(range(self.parts))
        transfer = Signal()
        m.d.comb += transfer.eq(self.i.valid & self.i.ready)
        taken = transfer
        if self.spaced:
            taken = Signal()
            m.d.sync += taken.eq(transfer)
        for k, (write, _) in enumerate(writes):
            mine = transfer & (half == k) if self.late else transfer
            m.d.comb += [
                write.addr.eq(offset if self.late else Cat(offset, half)),
                write.data.eq(self.i.payload.replicate(self.parts)),
                write.en.eq(mine.replicate(len(write.en)) & (1 << part)),
            ]
        released = self.release << self.which_half if self.ahead else self.release
        m.d.sync += self.full.eq(self.full & ~released)
        if self.ahead:
            ready = Signal()
            fills = taken & nest.wraps[self.half]
            read_half = self.which_half ^ self.release
            m.d.comb += self.coming.eq(Mux(read_half, self.full[1], self.full[0]) | (fills & (half == read_half)))
            m.d.sync += self.present.eq(self.coming)
            # Both cases are ready before it is known whether a word is taken.
            free = [~self.full[k] | (self.release & (self.which_half == k)) for k in (0, 1)]
            here, there = Mux(half, free[1], free[0]), Mux(half, free[0], free[1])
            behind = ~nest.done & Mux(nest.wraps[self.half], there, here)
            goes_on = active & Mux(taken, behind, here)
            m.d.sync += ready.eq(self.start | (goes_on & ~transfer if self.spaced else goes_on))
            m.d.comb += self.i.ready.eq(ready)
        else:
            m.d.comb += self.present.eq(self.full.bit_select(self.which_half, 1))
            m.d.comb += self.i.ready.eq(active & ~self.full.bit_select(half, 1))
        with m.If(taken):
            nest.advance()
            with m.If(part == self.parts - 1):
                m.d.sync += [part.eq(0), offset.eq(offset + 1)]
            with m.Else():
                m.d.sync += part.eq(part + 1)
            with m.If(nest.wraps[self.half]):
                m.d.sync += [part.eq(0), offset.eq(0), half.eq(~half)]
                m.d.sync += self.full.bit_select(half, 1).eq(1)
            with m.If(nest.done):
                m.d.sync += active.eq(0)
        with m.If(self.start):
            nest.start()
            m.d.sync += [active.eq(1), half.eq(0), part.eq(0), offset.eq(0), self.full.eq(0)]
        return m

    def _memory(self, m: Module, name: str, address: Value) -> tuple[memory.WritePort, Value]:
        """Make a memory that is read at an address. The result is its port to write by, and the word that was read."""
        shape = data.ArrayLayout(unsigned(self.bits), self.parts)
        m.submodules[name] = store = memory.Memory(shape=shape, depth=1 << len(address), init=[], attrs=UNRELATED)
        write = store.write_port(granularity=1 if self.parts > 1 else None)
        read = store.read_port()
        m.d.comb += [read.en.eq(self.enable), read.addr.eq(address)]
        return write, read.data.as_value()

    def _word(self, m: Module, words: list[Value]) -> Value:
        """The word that was read, behind registers where there is a word of each half."""
        if not self.late:
            return words[0]
        late = [Signal.like(word, name=f"word{k}", reset_less=True) for k, word in enumerate(words)]
        read_half, late_half = Signal(name="read_half", reset_less=True), Signal(name="late_half", reset_less=True)
        m.d.sync += [register.eq(word) for register, word in zip(late, words, strict=True)]
        m.d.sync += [read_half.eq(self.which_half), late_half.eq(read_half)]
        return Mux(late_half, late[1], late[0])
