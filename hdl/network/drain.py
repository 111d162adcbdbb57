"""The way out: finished sums are biased, and go to the host or are scaled, rounded and written."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats.network import Pool
from ..scaling.select import select
from .beats import Beats
from .bounds import Bounds
from .by_record import Chooser
from .drain_schedule import beat_layout
from .parameters import ParameterTable
from .plan import NetworkPlan
from .scale import Scale
from .writeback import WriteBack, make_walk, walk_kind

__all__ = ["Drain", "drain_stages"]


@dataclass(frozen=True)
class DrainStages:
    """Cycles from a beat to what becomes of it.

    biased: its sums with their biases stand
    codes: the codes made of them stand
    between_codes: those for the memory between layers do, which may wait a cycle, so that they are not written when
        others are read
    """

    biased: int
    codes: int
    between_codes: int

    @property
    def last(self) -> int:
        """The last word that it completes is written."""
        return self.between_codes + 1


def drain_stages(scale: Scale, array: int, single_port: bool) -> DrainStages:
    """The stages of the way out whose sums stand ``array`` cycles after their beat."""
    biased = array + 2
    codes = biased + scale.latency
    return DrainStages(biased, codes, codes + (single_port and scale.latency % 2 == 0))


class Drain(wiring.Component):
    """A beat of sums a cycle is taken, scaled, rounded and written, or given to the host a sum at a time.

    A beat comes from the schedule ``array`` cycles before its sums stand. It never waits but for the host.

    Parameters
    ----------
    plan: the program in numbers
    array: cycles from a beat to its sums, 2 or more
    sums: shape of the array's sums
    address_bits: of the two memories
    single_port: whether the memory between layers reads or writes in a cycle: then all that reads does so in cycles in
        which nothing that was read before is written

    Members
    -------
    record: In, the number of the record
    restart: In(1), the first record of an image begins
    clear: In(1), a record begins
    valid: In(1), beat: In(beat_layout), advance: Out(1): a beat is taken
    sums: In.array(rows * columns), pools: In.array(outputs), at stage ``array``
    read: Out(1), read_address: Out, the residual's word is read
    residuals: In.array(outputs), of the word read two cycles before
    activation_write, ...: Out, see ``TensorMemory``; between_write, ... likewise
    answer: Out(stream), a sum and whether it is the image's last one
    empty: Out(1), nothing is under way
    """

    def __init__(self, plan: NetworkPlan, array: int, sums: Shape, address_bits: tuple[int, int], single_port: bool):
        self.plan = plan
        self.array = array
        self.address_bits = address_bits
        self.single_port = single_port
        self.bounds = Bounds(plan.program)
        self.parameters = ParameterTable(plan)
        self.scale = Scale(self.bounds, self.parameters.scales)
        self.stages = drain_stages(self.scale, array, single_port)
        shape = plan.program.shape
        self.backs = {
            name: WriteBack(plan, bool(second), address_bits[second])
            for second, name in enumerate(("activation", "between"))
        }
        members: dict = {
            "record": In(range(max(2, len(plan.program.records)))),
            **{name: In(1) for name in ("restart", "clear", "valid")},
            "beat": In(beat_layout(plan)),
            "advance": Out(1),
            "sums": In(sums).array(shape.rows * shape.columns),
            "pools": In(_shape(self.bounds.pools)).array(shape.outputs),
            "read": Out(1),
            "read_address": Out(address_bits[1]),
            "residuals": In(_shape(self.bounds.residuals)).array(shape.outputs),
            "answer": Out(stream.Signature(data.StructLayout({"data": signed(shape.sum.width), "last": 1}))),
            "empty": Out(1),
        }
        for name, back in self.backs.items():
            members |= {
                f"{name}_write": Out(1),
                f"{name}_enables": Out(back.beats_a_word),
                f"{name}_write_address": Out(back.address_bits),
                f"{name}_write_data": Out(back.format.width * shape.outputs * back.beats_a_word),
            }
        super().__init__(members)

    def elaborate(self, platform) -> Module:
        m = Module()
        records = self.plan.program.records
        choose = Chooser(m, self.record, len(records))
        beats = Beats(m, beat_layout(self.plan), self.valid, self.beat, self.advance, self.stages.biased)
        sums, multipliers = self._biased(m, choose, beats)
        self._read(m, beats)
        residuals: list[Value] = list(self.residuals)
        codes = self.scale.build(m, choose, beats, self.stages.biased, sums, multipliers, residuals)
        for name, back in self.backs.items():
            if not codes[name]:
                continue
            at = self.stages.codes
            if name == "between":
                while at < self.stages.between_codes:
                    codes[name] = [self._held(m, code, f"{name}{place}_held") for place, code in enumerate(codes[name])]
                    at += 1
            found = back.build(m, self.clear, self.record, beats, at, codes[name], name)
            m.d.comb += [getattr(self, f"{name}_{signal}").eq(value) for signal, value in found.items()]
        self._answer(m, choose, beats, sums)
        beats.valid(self.stages.last)
        m.d.comb += self.empty.eq(~(self.valid | beats.any()))
        return m

    def _held(self, m: Module, value: Value, name: str) -> Signal:
        held = Signal(len(value), name=name, reset_less=True)
        m.d.sync += held.eq(value)
        return held

    def _biased(self, m: Module, choose: Chooser, beats: Beats) -> tuple[list[Value], list[Value]]:
        """The sums of a beat with their biases, and their multipliers, when they stand."""
        shape, table, records = self.plan.program.shape, self.parameters, self.plan.program.records
        place = beats.at(self.array)
        tile = Signal(range(max(2, table.tiles)))
        with m.If(self.restart):
            m.d.sync += tile.eq(0)
        with m.Elif(beats.valid(self.array) & self.advance & place.ends_beat & place.ends_tile):
            m.d.sync += tile.eq(tile + 1)
        address = Cat(place.beat[: table.beat_bits], tile)
        m.submodules.parameters = store = memory.Memory(
            shape=table.layout.size, depth=1 << len(address), init=table.words()
        )
        read = store.read_port()
        m.d.comb += [read.addr.eq(address), read.en.eq(self.advance)]
        entries = data.View(table.layout, read.data)
        is_pool = choose.choose("is_pool", [isinstance(record, Pool) for record in records])
        second = beats.at(self.array + 1).second
        sums: list[Value] = []
        multipliers: list[Value] = []
        for output in range(shape.outputs):
            entry = entries[output]
            rows = []
            for row in range(shape.rows):
                first = row * shape.columns
                mine = [self.sums[column] for column in range(first + output, first + shape.columns, shape.outputs)]
                rows.append(select(place.beat[: table.beat_bits], [each.as_unsigned() for each in mine]))
            row_bits = (shape.rows - 1).bit_length()
            word = select(place.row[:row_bits], rows)
            from_array = word.as_signed() if self.sums[0].shape().signed else word
            taken = Signal(_shape(self.bounds.sums), name=f"sum{output}", reset_less=True)
            biased = Signal(_shape(self.bounds.biased), name=f"biased{output}", reset_less=True)
            multiplier = Signal(max(entry.activation.shape().width, entry.between.shape().width), name=f"by{output}")
            # Pooled integers stand for one cycle, and sums may be needed in a second one.
            with m.If(self.advance & place.begins_beat):
                m.d.sync += taken.eq(Mux(is_pool, self.pools[output], from_array))
            with m.If(self.advance):
                m.d.sync += [
                    biased.eq(taken + entry.bias),
                    multiplier.eq(Mux(second, entry.between, entry.activation)),
                ]
            sums.append(biased)
            multipliers.append(multiplier)
        return sums, multipliers

    def _read(self, m: Module, beats: Beats) -> None:
        """Read the words of residuals, so that their integers stand with the biased sums."""
        records = self.plan.program.records
        views = [None if record.residual is None else (record, record.residual.view) for record in records]
        if not any(views):
            return
        choose = Chooser(m, self.record, len(records))
        reads = choose.choose("adds", [view is not None for view in views])
        m.submodules.residual_walk = walk = make_walk(self.plan, self.address_bits[1], 1, 1, views)
        before, now = beats.at(self.array - 1), beats.at(self.array)
        m.d.comb += [
            walk.clear.eq(self.clear),
            walk.step.eq(self.clear | (beats.valid(self.array - 1) & before.begins_beat)),
            walk.kind.eq(walk_kind(self.clear, before, Const(0, 0), self.record)),
            self.read.eq(beats.valid(self.array) & now.begins_beat & reads),
            self.read_address.eq(walk.address),
        ]

    def _answer(self, m: Module, choose: Chooser, beats: Beats, sums: list[Value]) -> None:
        """Give the sums of the last record to the host, one a cycle; the others wait meanwhile."""
        shape, records = self.plan.program.shape, self.plan.program.records
        answers = Signal()
        m.d.comb += answers.eq(self.record == len(records) - 1)
        beat = beats.at(self.stages.biased)
        place = Signal(range(max(2, shape.outputs)))
        last_beat = Signal()
        last_place: Value = Const(shape.outputs - 1)
        rest = (records[-1].channels - 1) % shape.outputs
        m.d.comb += last_beat.eq(beat.ends_pixel & beat.last_tile)
        if rest != shape.outputs - 1:
            last_place = Mux(last_beat, rest, shape.outputs - 1)
        done = Signal()
        m.d.comb += [
            done.eq(place == last_place if shape.outputs > 1 else 1),
            self.answer.valid.eq(beats.valid(self.stages.biased) & answers),
            self.answer.payload.data.eq(select(place[: (shape.outputs - 1).bit_length()], sums)),
            self.answer.payload.last.eq(done & beat.ends_tile & beat.last_tile),
            self.advance.eq(~self.answer.valid | (self.answer.ready & done)),
        ]
        if shape.outputs > 1:
            with m.If(self.answer.valid & self.answer.ready):
                m.d.sync += place.eq(Mux(done, 0, place + 1))


def _shape(form) -> Shape:
    return Shape(form.width, form.signed)
