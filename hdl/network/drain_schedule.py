"""Finished sums are drained a beat at a time: which beat is next, and what ends with it."""

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...formats.network import Pool, Record
from .by_record import Chooser
from .plan import NetworkPlan

__all__ = ["DrainSchedule", "beat_layout", "is_paced", "is_serial"]


def is_paced(record: Record, single_port: bool) -> bool:
    """Whether a beat takes two cycles: one for each tensor written, or one that reads and one that writes."""
    return len(record.outputs) == 2 or _reads_and_writes(record, single_port)


def is_serial(record: Record, single_port: bool) -> bool:
    """Whether all that was drained has to be written, or taken by the host, before further sums are finished."""
    return not record.outputs or _reads_and_writes(record, single_port)


def _reads_and_writes(record: Record, single_port: bool) -> bool:
    return single_port and record.residual is not None and record.between is not None


def beat_layout(plan: NetworkPlan) -> data.StructLayout:
    """What is told of a beat.

    row, beat: of the group, and of the row's sums
    second: whether it is for the tensor between layers
    writes: whether anything becomes of it; else it is there to read a residual
    begins_beat, ends_beat: no cycle before, and none after, is for the same sums
    ends_pixel, ends_tile: they are the last of their pixel, of the tile
    last_tile: they belong to the last tile
    """
    return data.StructLayout(
        {
            "row": unsigned(max(1, (plan.program.shape.rows - 1).bit_length())),
            "beat": unsigned(max(1, (plan.tile_beats - 1).bit_length())),
            **dict.fromkeys(
                ("second", "writes", "begins_beat", "ends_beat", "ends_pixel", "ends_tile", "last_tile"), unsigned(1)
            ),
        }
    )


class DrainSchedule(wiring.Component):
    """It goes through the sums of a group, row by row and beat by beat; of a pool, through one beat at a time.

    Parameters
    ----------
    plan: the program in numbers
    single_port: whether the memory between layers reads or writes in a cycle

    Members
    -------
    record: In, the number of the record
    clear: In(1), a record begins
    advance: In(1), a beat is taken
    start: In(1), the last tap of sums is issued; they are drained from the next cycle on
    ends_group, ends_tile, last_tile: In(1), of that tap
    free: Out(1), a last tap may be issued in this cycle
    valid: Out(1), o: Out(beat_layout), the beat
    """

    def __init__(self, plan: NetworkPlan, single_port: bool):
        self.plan = plan
        self.single_port = single_port
        flags = ("clear", "advance", "start", "ends_group", "ends_tile", "last_tile")
        super().__init__(
            {
                "record": In(range(max(2, len(plan.program.records)))),
                **{name: In(1) for name in flags},
                "free": Out(1),
                "valid": Out(1),
                "o": Out(beat_layout(plan)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        plan, records = self.plan, self.plan.program.records
        choose = Chooser(m, self.record, len(records))
        beat, row, second = (Signal.like(getattr(self.o, name)) for name in ("beat", "row", "second"))
        row_limit = Signal.like(row)
        ends_tile, last_tile = Signal(), Signal()
        limits = {
            (place, flag): plan.beats(record, bool(flag)) - 1 for place, record in enumerate(records) for flag in (0, 1)
        }
        limit = choose.choose_by("beat_limit", limits, last_tile)
        paced = choose.choose("paced", [is_paced(record, self.single_port) for record in records])
        single = choose.choose("single", [isinstance(record, Pool) for record in records])
        only_second = choose.choose("only_second", [len(r.outputs) == 1 and r.between is not None for r in records])
        both = choose.choose("both", [len(record.outputs) == 2 for record in records])
        written = choose.choose("written", [bool(record.outputs) for record in records])
        ends_beat, ends_pixel, ends_row = Signal(), Signal(), Signal()
        m.d.comb += [
            ends_beat.eq(~paced | second),
            ends_pixel.eq(beat == limit),
            ends_row.eq(row == row_limit),
            self.o.row.eq(row),
            self.o.beat.eq(beat),
            self.o.second.eq(Mux(both, second, only_second)),
            self.o.writes.eq((both | ends_beat) & written),
            self.o.begins_beat.eq(~second),
            self.o.ends_beat.eq(ends_beat),
            self.o.ends_pixel.eq(ends_pixel),
            self.o.ends_tile.eq(ends_tile & ends_pixel & ends_row),
            self.o.last_tile.eq(last_tile),
        ]
        over = Signal()
        m.d.comb += over.eq(self.advance & ends_beat & (single | (ends_pixel & ends_row)))
        m.d.comb += self.free.eq(~self.valid | over)
        with m.If(self.valid & self.advance):
            m.d.sync += second.eq(paced & ~second)
            with m.If(ends_beat):
                m.d.sync += beat.eq(Mux(ends_pixel, 0, beat + 1))
                with m.If(ends_pixel):
                    m.d.sync += row.eq(Mux(ends_row, 0, row + 1))
        with m.If(over):
            m.d.sync += self.valid.eq(0)
        with m.If(self.start):
            m.d.sync += [self.valid.eq(1), ends_tile.eq(self.ends_tile), last_tile.eq(self.last_tile)]
            full = choose.choose("row_limit", [plan.rows(record) - 1 for record in records])
            rest = choose.choose("last_row_limit", [plan.last_rows(record) - 1 for record in records])
            m.d.sync += row_limit.eq(Mux(self.ends_group, rest, full))
        with m.If(self.clear):
            m.d.sync += self.valid.eq(0)
        return m
