"""The taps of a record are issued one a cycle: loops, the addresses that they go through, and what is padding."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from ...formats.network import Pool, Product, Record
from .by_record import Chooser, shape_for
from .plan import LEVELS, NEXT_STEP, PIXEL, START, TILE, NetworkPlan, Step

__all__ = ["TapIssue"]


class TapIssue(wiring.Component):
    """It goes through tiles, rows of pixels, groups, and what each of them reads: a *tap*, a word of one pixel a row.

    A tap is counted in one cycle, and stands at the outputs in the next or later, for as long as it is blocked. With a
    panel of weights it pauses behind every tile until ``go``; else it goes on to the end of the record.

    Parameters
    ----------
    plan: the program in numbers
    address_bits, weight_bits: of the addresses

    Members
    -------
    record: In, the number of the record
    clear: In(1), the record begins; ``load`` has to follow in the next cycle
    load: In(1)
    go: In(1), the next tile may be issued
    blocked: In(1), the tap at hand has to wait
    valid: Out(1), there is a tap
    issue: Out(1), there is one, and it does not wait
    first, last: Out(1), of a sum
    ends_group, ends_tile: Out(1), the tap is the last of a row's last group, of a tile
    last_tile: Out(1), it belongs to the last tile
    address: Out.array(rows), of the word in the source's memory
    inside: Out(rows), which rows' taps are no padding
    weights: Out, address of the word of weights
    idle: Out(1), nothing is issued before the next ``go``
    more: Out(1), there are further tiles
    """

    def __init__(self, plan: NetworkPlan, address_bits: int, weight_bits: int):
        self.plan = plan
        self.address_bits = address_bits
        self.weight_bits = weight_bits
        shape = plan.program.shape
        flags = ("valid", "issue", "first", "last", "ends_group", "ends_tile", "last_tile", "idle", "more")
        super().__init__(
            {
                "record": In(range(max(2, len(plan.program.records)))),
                **{name: In(1) for name in ("clear", "load", "go", "blocked")},
                **{name: Out(1) for name in flags},
                "address": Out(address_bits).array(shape.rows),
                "inside": Out(shape.rows),
                "weights": Out(weight_bits),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        self._records = self.plan.program.records
        choose = Chooser(m, self.record, len(self._records))
        counted = Signal()
        step = Signal()
        m.d.comb += [
            step.eq(~(self.valid & self.blocked)),
            self.issue.eq(self.valid & ~self.blocked),
            self.idle.eq(~counted & ~self.valid),
        ]
        last_tile, level, ends = self._count(m, choose, step & counted, counted)
        with m.If(step):
            m.d.sync += self.valid.eq(counted)
            m.d.sync += [getattr(self, name).eq(flag) for name, flag in ends.items()]
        with m.If(self.issue):
            m.d.sync += self.first.eq(self.last)
        with m.If(self.clear):
            m.d.sync += self.first.eq(1)
        self._walk(m, choose, step & counted, level, last_tile)
        return m

    def _count(self, m: Module, choose: Chooser, step: Signal, counted: Signal):
        """Count the loops. The results are whether the tile is the last one, the step's level, and what ends there."""
        plan, records = self.plan, self._records
        counts = [(plan.counts(record, False), plan.counts(record, True)) for record in records]
        last = [Signal(name=f"last{level}") for level in range(LEVELS)]
        inner = [Signal(name=f"wraps{level}") for level in range(LEVELS)]
        counters = []
        for level in range(LEVELS):
            most = {(place, flag): both[flag][level] - 1 for place, both in enumerate(counts) for flag in (0, 1)}
            limit = choose.choose_by(f"limit{level}", most, last[TILE])
            counter = Signal(max(1, max(most.values()).bit_length()), name=f"count{level}")
            counters.append(counter)
            m.d.comb += last[level].eq(counter == limit)
            m.d.comb += inner[level].eq(last[level] if level == 0 else last[level] & inner[level - 1])
            with m.If(step if level == 0 else step & inner[level - 1]):
                m.d.sync += counter.eq(Mux(last[level], 0, counter + 1))
        next_step = self._next_step(m, choose, step & inner[TILE - 1])
        level = Signal(3)
        m.d.comb += level.eq(next_step)
        for place in reversed(range(TILE)):
            with m.If(~last[place]):
                m.d.comb += level.eq(place)
        with m.If(self.go):
            m.d.sync += counted.eq(1)
        with m.If(step & inner[TILE - 1]):
            if self.plan.panel:
                m.d.sync += counted.eq(0)
            with m.If(last[TILE]):
                m.d.sync += [counted.eq(0), self.more.eq(0)]
        with m.If(self.clear):
            m.d.sync += [self.more.eq(1), *(counter.eq(0) for counter in counters)]
        is_pool = choose.choose("is_pool", [isinstance(record, Pool) for record in records])
        ends = {
            "last": Mux(is_pool, inner[1], inner[2]),
            "ends_group": last[PIXEL],
            "ends_tile": inner[TILE - 1],
            "last_tile": last[TILE],
        }
        return last[TILE], level, ends

    def _next_step(self, m: Module, choose: Chooser, ends_tile) -> Signal | Const:
        """The level of a step of tiles: whether the tile after it reads other words."""
        apart = [
            record.tiles_a_step if isinstance(record, Product) and record.tile_step else 0 for record in self._records
        ]
        if not any(apart):
            return Const(TILE, 3)
        limit = choose.choose("tiles_a_step", [max(count - 1, 0) for count in apart])
        counter = Signal.like(limit, name="count_step")
        over = Signal(name="last_step")
        m.d.comb += over.eq(counter == limit)
        with m.If(ends_tile):
            m.d.sync += counter.eq(Mux(over, 0, counter + 1))
        with m.If(self.clear):
            m.d.sync += counter.eq(0)
        return Mux(over, NEXT_STEP, TILE)

    def _walk(self, m: Module, choose: Chooser, step, level: Signal, last_tile: Signal) -> None:
        """Go on with addresses and places, by the distances of the step that was counted."""
        plan, records, rows = self.plan, self._records, self.plan.program.shape.rows
        strides = [record.window.stride_x if isinstance(record, Product) else 0 for record in records]
        places = [_places(plan, record) for record in records]
        padded = any(_is_padded(plan, record) for record in records)
        y_shape, x_shape = (
            shape_for([place for both in places for place in both[axis]], is_signed=True) for axis in (0, 1)
        )
        fields = {"address": self.address_bits}
        if any(isinstance(record, Product) for record in records):
            fields["weights"] = self.weight_bits
        if padded:
            fields |= {"y": y_shape.width, "x": x_shape.width}
        layout = data.StructLayout(fields)
        m.submodules.distances = distances = memory.Memory(
            shape=layout.size, depth=16 << len(self.record), init=self._distances(fields)
        )
        read = distances.read_port()
        m.d.comb += [
            read.addr.eq(Cat(Mux(self.clear, START, level), last_tile, self.record)),
            read.en.eq(self.clear | step),
        ]
        distance = data.View(layout, read.data)
        at = {name: Signal(width, name=f"at_{name}") for name, width in fields.items()}
        with m.If(self.clear):
            m.d.sync += [signal.eq(0) for signal in at.values()]
        with m.Elif(self.issue | self.load):
            m.d.sync += [signal.eq(signal + getattr(distance, name)) for name, signal in at.items()]
        if "weights" in at:
            m.d.comb += self.weights.eq(at["weights"])
        apart = [stride * record.source.pitch for stride, record in zip(strides, records, strict=True)]
        for row in range(rows):
            offset = choose.choose(f"row{row}_offset", [row * distance for distance in apart])
            m.d.comb += self.address[row].eq(at["address"] + offset if row else at["address"])
            if not padded:
                m.d.comb += self.inside[row].eq(1)
                continue
            beside = choose.choose(f"row{row}_x", [row * stride for stride in strides])
            x = Signal(x_shape.width, name=f"x{row}")
            m.d.comb += x.eq(at["x"] + beside if row else at["x"])
            width = choose.choose("source_width", [record.source.width for record in records])
            height = choose.choose("source_height", [record.source.height for record in records])
            m.d.comb += self.inside[row].eq((x < width) & (at["y"] < height))

    def _distances(self, fields: dict[str, int]) -> list[int]:
        """The memory of distances, by record, whether the tile is the last, and level."""
        words = []
        for record in self._records:
            for last_tile in (False, True):
                steps = [self.plan.step(record, last_tile, level) for level in range(NEXT_STEP + 1)]
                words += [_packed(step, fields) for step in (*steps, self.plan.start(record))]
        return words


def _packed(step: Step, fields: dict[str, int]) -> int:
    word, position = 0, 0
    for name, width in fields.items():
        word |= (getattr(step, name) & (1 << width) - 1) << position
        position += width
    return word


def _places(plan: NetworkPlan, record: Record) -> tuple[tuple[int, int], tuple[int, int]]:
    """Limits of the y and x that taps of a record have, those of rows that count for nothing too; and of its source's.

    A negative place, taken as an unsigned number, so lies beyond the source.
    """
    window, source = record.window, record.source
    pixels = plan.groups(record) * plan.rows(record)
    below = (record.height - 1) * window.stride_y + (window.kernel_y - 1) * window.dilation_y
    right = (pixels - 1) * window.stride_x + (window.kernel_x - 1) * window.dilation_x
    return (-window.pad_y, max(below, source.height)), (-window.pad_x, max(right, source.width))


def _is_padded(plan: NetworkPlan, record: Record) -> bool:
    window, source = record.window, record.source
    below = (record.height - 1) * window.stride_y + (window.kernel_y - 1) * window.dilation_y - window.pad_y
    right = (record.width - 1) * window.stride_x + (window.kernel_x - 1) * window.dilation_x - window.pad_x
    return bool(window.pad_y or window.pad_x or below >= source.height or right >= source.width)
