"""Words of weights: in a memory as wide as they are, or brought to a panel of one tile from a memory that is not."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats.network import Product
from ..memories import UNRELATED
from .by_record import Chooser
from .plan import NetworkPlan
from .tensor_memory import TensorMemory

__all__ = ["InitializedWeights", "LoadedWeights"]

BYTE = 8


class InitializedWeights(wiring.Component):
    """A memory that holds all words from the beginning.

    Parameters
    ----------
    plan: the program in numbers

    Members
    -------
    read: In(1), address: In; word: Out, in the next cycle
    """

    def __init__(self, plan: NetworkPlan):
        self.plan = plan
        self.address_bits = max(1, (plan.program.weight_words - 1).bit_length())
        super().__init__({"read": In(1), "address": In(self.address_bits), "word": Out(plan.program.shape.weight_word)})

    def elaborate(self, platform) -> Module:
        m = Module()
        program = self.plan.program
        m.submodules.memory = store = memory.Memory(
            shape=program.shape.weight_word, depth=max(2, program.weight_words), init=program.words()
        )
        read = store.read_port()
        m.d.comb += [read.en.eq(self.read), read.addr.eq(self.address), self.word.eq(read.data)]
        return m


class LoadedWeights(wiring.Component):
    """Words come over a stream once, lie in a memory in pieces, and are brought to a panel tile by tile.

    A tile takes as many cycles as its words have pieces, and ``FILL_CYCLES`` more.

    Parameters
    ----------
    plan: the program in numbers
    ports: of the memory, see ``TensorMemory``
    piece: bits of a word of it

    Members
    -------
    weights: In(stream of bytes), all words, each padded to whole bytes, the lowest first
    loaded: Out(1), they are all there; stays up, through a reset as well
    record: In, the number of the record
    restart: In(1), the first record of an image begins
    clear: In(1), a record begins
    fill: In(1), the next tile's words are brought to the panel
    filling: Out(1), they are, from the next cycle on
    read: In(1), address: In, of the panel; word: Out, in the next cycle
    """

    def __init__(self, plan: NetworkPlan, ports: str, piece: int):
        self.plan = plan
        self.ports = ports
        self.piece = piece
        program = plan.program
        self.pieces = -(-program.shape.weight_word // piece)
        terms = [record.terms for record in program.records if isinstance(record, Product)]
        self.address_bits = max(1, (max(terms, default=1) - 1).bit_length())
        super().__init__(
            {
                "weights": In(stream.Signature(BYTE)),
                "loaded": Out(1),
                "record": In(range(max(2, len(program.records)))),
                **{name: In(1) for name in ("restart", "clear", "fill")},
                "filling": Out(1),
                "read": In(1),
                "address": In(self.address_bits),
                "word": Out(program.shape.weight_word),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        program, pieces = self.plan.program, self.pieces
        depth = max(2, program.weight_words * pieces)
        m.submodules.store = store = TensorMemory(self.piece, depth, self.ports)
        self._load(m, store)
        records = program.records
        choose = Chooser(m, self.record, len(records))
        words = [record.terms - 1 if isinstance(record, Product) else 0 for record in records]
        last_word = choose.choose("last_word", words)
        source = Signal(store.address_bits)
        word, piece = Signal(self.address_bits), Signal(range(max(2, pieces)))
        reads, written = Signal(), Signal()
        at, part = Signal.like(word), Signal.like(piece)
        bases = [record.weights * pieces if isinstance(record, Product) else 0 for record in records]
        if self._in_order:
            with m.If(self.restart):
                m.d.sync += source.eq(bases[0])
        else:
            with m.If(self.clear):
                m.d.sync += source.eq(choose.choose("source_base", bases))
        m.d.comb += [store.read.eq(reads), store.address[0].eq(source), self.filling.eq(reads | written)]
        m.d.sync += [written.eq(reads), at.eq(word), part.eq(piece)]
        with m.If(reads):
            m.d.sync += [source.eq(source + 1), piece.eq(piece + 1)]
            with m.If(piece == pieces - 1):
                m.d.sync += [piece.eq(0), word.eq(word + 1)]
                with m.If(word == last_word):
                    m.d.sync += [reads.eq(0), word.eq(0)]
        with m.If(self.fill):
            m.d.sync += reads.eq(1)
        found = []
        for place in range(pieces):
            width = min(self.piece, program.shape.weight_word - place * self.piece)
            panel = memory.Memory(shape=width, depth=1 << self.address_bits, init=[], attrs=UNRELATED)
            m.submodules[f"panel{place}"] = panel
            read, write = panel.read_port(), panel.write_port()
            m.d.comb += [
                read.en.eq(self.read),
                read.addr.eq(self.address),
                write.en.eq(written & (part == place)),
                write.addr.eq(at),
                write.data.eq(store.data[0]),
            ]
            found.append(read.data)
        m.d.comb += self.word.eq(Cat(*found))
        return m

    @property
    def _in_order(self) -> bool:
        """Whether the tiles of all records lie one after the other, in the order of their use."""
        place = 0
        for record in self.plan.program.records:
            if isinstance(record, Product):
                if record.weights != place:
                    return False
                place += self.plan.tiles(record) * record.terms
        return True

    def _load(self, m: Module, store: TensorMemory) -> None:
        """Write the words that come over the stream."""
        shape = self.plan.program.shape
        count = -(-shape.weight_word // BYTE)
        bytes_a_piece = self.piece // BYTE
        given = Signal(self.piece - BYTE, reset_less=True)
        place, address = Signal(range(max(2, count))), Signal(store.address_bits)
        transfer, complete, whole = Signal(), Signal(), Signal()
        within = Signal(range(max(2, bytes_a_piece)))
        m.d.comb += [
            self.weights.ready.eq(~self.filling),
            transfer.eq(self.weights.valid & self.weights.ready),
            whole.eq(place == count - 1),
            complete.eq(whole | (within == bytes_a_piece - 1)),
            store.write.eq(transfer & complete),
            store.write_address.eq(address),
            store.write_data.eq(_placed(given, self.weights.payload, within, bytes_a_piece)),
        ]
        loaded = Signal(reset_less=True, init=not self.plan.program.weights)
        m.d.comb += self.loaded.eq(loaded)
        with m.If(transfer):
            for number in range(bytes_a_piece - 1):
                with m.If(within == number):
                    m.d.sync += given.word_select(number, BYTE).eq(self.weights.payload)
            m.d.sync += [within.eq(Mux(complete, 0, within + 1)), place.eq(Mux(whole, 0, place + 1))]
            with m.If(complete):
                m.d.sync += address.eq(address + 1)
                with m.If(address == self.plan.program.weight_words * self.pieces - 1):
                    m.d.sync += [address.eq(0), loaded.eq(1)]


def _placed(given: Signal, byte, within: Signal, count: int):
    """The bytes of a piece, that at hand among them."""
    return Cat(
        *(
            Mux(within == number, byte, given.word_select(number, BYTE)) if number < count - 1 else byte
            for number in range(count)
        )
    )
