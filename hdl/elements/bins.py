"""Elements that sum products by exponent: in short sums first, of which the exact sum is made behind the last word."""

from collections.abc import Mapping
from dataclasses import replace

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from ...formats import Arithmetic, FixedPoint
from ...formats.elements.bins import Bins
from ..products.accumulate import sticky_flags
from ..products.adder_tree import sum_by_tree
from ..products.build import Build
from ..products.decode import Operand
from ..products.operand_bus import Edge
from ..products.pipeline import KEPT, Pipeline
from ..products.product_term import common_signedness, special_product, total_shift
from ..products.significand_product import significand_product
from .hardware import ElementHardware, register_hardware

__all__ = ["BinsHardware"]

CUTS = ("input", "product", "align")
"""Where register stages are: at the array's edge, behind the product of significands, and behind its shift."""

READ = 3
"""Cycles from the addition of a sum's last products to the lowest bin in the sum: bins are read, added, carried."""


def _own(build: Build) -> Build:
    """The build of a product of significands, whatever the build of a product is."""
    return replace(build, product="table") if build.product in ("whole", "recoded", "gated") else build


class BinsHardware(ElementHardware):
    """A product of significands, a memory of bins and an adder for each lane; one chain of carries."""

    def buses(self, arithmetic: Arithmetic, build: Build) -> tuple[Edge, Edge]:
        own = _own(build)
        return Edge(arithmetic.weight, own, weight=True), Edge(arithmetic.activation, own)

    def latency(self, arithmetic: Arithmetic, build: Build, lanes: int) -> int:
        return build.pipeline + READ + arithmetic.recovery

    def control(
        self, m: Module, arithmetic: Arithmetic, build: Build, valid: Value, first: Value, last: Value | None
    ) -> Mapping[str, Value]:
        """``add``: products are added. ``read``, ``bin``: that bin is read and cleared. ``carry``: the bin that was
        read two cycles before is added to what the bins below carry, which is nothing where ``opens`` was up."""
        assert last is not None, "bins are read behind a last word"
        bins = arithmetic.recovery
        pipeline = Pipeline(m, CUTS[: build.pipeline])
        add, ends = valid, valid & last
        for cut in CUTS[: build.pipeline]:
            add = pipeline.cross(cut, "add", add, reset=True)
            ends = pipeline.cross(cut, "ends", ends, reset=True)
        # After a reset all bins are cleared, and nothing comes of them.
        read = Signal(name="read", init=1)
        counts = Signal(name="read_counts")
        bin = Signal(range(bins), name="read_bin")
        with m.If(ends):
            m.d.sync += [read.eq(1), counts.eq(1)]
        with m.Elif(read):
            m.d.sync += bin.eq(bin + 1)
            with m.If(bin == bins - 1):
                m.d.sync += [read.eq(0), counts.eq(0), bin.eq(0)]
        late = {}
        for name, signal in {
            "opens": read & counts & (bin == 0),
            "carry": read & counts,
            "done": read & (bin == bins - 1) & counts,
        }.items():
            for cycle in range(1 if name == "opens" else 2):
                behind = Signal(name=f"{name}_late{cycle}")
                m.d.sync += behind.eq(signal)
                signal = behind
            late[name] = signal
        return {"add": add, "read": read, "bin": bin, **late}

    def element(
        self, arithmetic: Arithmetic, build: Build, accumulator: FixedPoint, lanes: int, edge: Build | None = None
    ) -> "BinsElement":
        return BinsElement(self.buses(arithmetic, edge or build), arithmetic, _own(build), accumulator, lanes)


class BinsElement(wiring.Component):
    """``lanes`` products a cycle into one exact sum, by way of bins.

    Parameters
    ----------
    buses: of weights and activations
    arithmetic: formats of the operands, and the element
    build: how significands are multiplied, and its register stages, of which the first is at the array's edge
    accumulator: the sum's form
    lanes: products a cycle

    Members
    -------
    weight, activation: In, words of the buses
    add: In(1), this cycle's products count, behind all register stages
    read, bin: In, that bin is read, and is 0 then; no products count meanwhile
    opens: In(1), nothing is carried in the next cycle
    carry: In(1), what was read two cycles before is carried into the sum
    done: In(1), comes with the last ``carry``
    sum: Out, the finished sum; holds until the next ``carry``
    nan, positive_infinity, negative_infinity: Out(1), those that can occur
    """

    def __init__(
        self,
        buses: tuple[Edge, Edge],
        arithmetic: Arithmetic,
        build: Build,
        accumulator: FixedPoint,
        lanes: int,
    ):
        assert isinstance(arithmetic.element, Bins)
        self.buses = buses
        self.arithmetic = arithmetic
        self.build = build
        self.accumulator = accumulator
        self.lanes = lanes
        self.places = arithmetic.element.apart(arithmetic.weight, arithmetic.activation)
        self.bins = arithmetic.recovery
        self.terms = arithmetic.element.most_terms(arithmetic.weight, arithmetic.activation, accumulator)
        super().__init__(
            {
                "weight": In(lanes * buses[0].shape.width),
                "activation": In(lanes * buses[1].shape.width),
                **{name: In(1) for name in ("add", "read", "opens", "carry", "done")},
                "bin": In(range(self.bins)),
                "sum": Out(Shape(accumulator.width, accumulator.signed)),
                **{name: Out(1) for name in accumulator.specials},
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        pipeline = Pipeline(m, CUTS[1 : self.build.pipeline])
        lanes, raised = [], []
        for lane in range(self.lanes):
            weight, activation = (
                bus.leave(m, word.word_select(lane, bus.shape.width), name)
                for bus, word, name in zip(
                    self.buses, (self.weight, self.activation), ("weight", "activation"), strict=True
                )
            )
            lanes.append(self._lane(m, pipeline, weight, activation))
            raised.append(special_product(m, pipeline, weight, activation))
        self._carry(m, [read for read, _ in lanes], lanes[0][1])
        self._flag(m, raised)
        return m

    def _shape(self, extreme: int, signed: bool) -> Shape:
        """Of what no more than ``extreme`` products of significands, shifted within a bin, make together."""
        form = FixedPoint.between(-extreme if signed else 0, extreme, 0)
        return Shape(form.width, form.signed)

    def _lane(self, m: Module, pipeline: Pipeline, weight: Operand, activation: Operand) -> tuple[Signal, int]:
        """Products of a lane, added to its bins: what was read of these in the cycle before, and its greatest size."""
        (w, a), negate = common_signedness(m, (weight, activation))
        shift = total_shift(
            m, (weight, activation), self.arithmetic.weight.max_shift + self.arithmetic.activation.max_shift
        )
        assert shift is not None
        long, short = (w, a) if len(w) >= len(a) else (a, w)
        body, _ = significand_product(
            m, pipeline, self.build.product, long, short, tree=self.build.tree, late_carry=False
        )
        body, negate, amount = (
            pipeline.cross("product", name, value)
            for name, value in (("body", body), ("negate", negate), ("amount", shift.amount))
        )
        extreme = 1
        for factor in (w, a):
            extreme *= 1 << len(factor) - 1 if factor.shape().signed else (1 << len(factor)) - 1
        extreme <<= self.places - 1
        shape = self._shape(extreme * -(-self.terms // self.lanes), negate is not None or w.shape().signed)

        fine_bits = self.places.bit_length() - 1
        counts: Value = Const(1, 1)
        if len(body) == 1:
            # What is nothing or a power of two needs no bits but those of its place.
            counts, body = pipeline.cross("align", "counts", body), Const(1, 1)
        fine = Signal(Shape(len(body) + self.places - 1, body.shape().signed), name="fine")
        m.d.comb += fine.eq(body << amount[:fine_bits])
        fine, negate, place = (
            pipeline.cross("align", name, value)
            for name, value in (("fine", fine), ("negate", negate), ("place", amount[fine_bits:]))
        )
        memory = Memory(shape=shape, depth=1 << len(self.bin), init=[])
        m.submodules += memory
        into, out = memory.write_port(), memory.read_port(domain="comb")
        # Signals of the sum's own width, of which yosys makes one adder, and no compressor.
        addend, carry, total = (
            Signal(shape, name="bin_addend"),
            Signal(name="bin_carry"),
            Signal(shape, name="bin_total"),
        )
        placed = Signal(shape, name="placed")
        sign = Const(0, 1) if negate is None else negate
        m.d.comb += [
            placed.eq(fine),
            # A bin that is read becomes 0, which is the sum of it, of its complement and of 1.
            addend.eq(Mux(self.read, ~out.data, placed ^ sign.replicate(len(placed)))),
            carry.eq(self.read | sign),
            total.eq(out.data + addend + carry),
            out.addr.eq(Mux(self.read, self.bin, place)),
            into.addr.eq(out.addr),
            into.data.eq(total),
            into.en.eq(self.read | (self.add & counts)),
        ]
        read = Signal(shape, name="read_data", reset_less=True)
        m.d.sync += read.eq(out.data)
        return read, extreme

    def _carry(self, m: Module, read: list[Signal], extreme: int) -> None:
        """Add up what was read in all lanes, and carry it into the sum: its lowest places are the next of the sum."""
        signed = read[0].shape().signed
        most = extreme * self.terms
        merged = Signal(self._shape(most, signed), name="merged", reset_less=True)

        def add(one: Value, other: Value, name: str) -> Value:
            # Kept, since yosys's ``alumacc`` makes compressors, of two LUTs a bit, of sums of sums.
            found = Signal((one + other).shape(), name=name, attrs=KEPT)
            m.d.comb += found.eq(one + other)
            return found

        m.d.sync += merged.eq(sum_by_tree(read, add))
        carried = 0
        while carried != (more := -(-(most + carried) >> self.places)):
            carried = more
        top = Signal(self._shape(most + carried, signed), name="top")
        below = Signal(self.places * (self.bins - 1), name="below")
        with m.If(self.carry):
            m.d.sync += [
                top.eq((top >> self.places) + merged),
                below.eq(Cat(below, top[: self.places])[self.places :]),
            ]
        # Behind it, so that it becomes the registers' reset and takes no logic before them.
        with m.If(self.opens):
            m.d.sync += top.eq(0)
        with m.If(self.done & Cat(*(getattr(self, name) for name in self.accumulator.specials)).any()):
            m.d.sync += [top.eq(0), below.eq(0)]
        offset = sum(format.exponent_offset for format in (self.arithmetic.weight, self.arithmetic.activation))
        whole = Cat(below, top)[offset:]
        m.d.comb += self.sum.eq(whole.as_signed() if signed else whole)

    def _flag(self, m: Module, raised: list[dict[str, Value]]) -> None:
        """Flags stick from a product on, and are shown, and begin anew, when bins are read."""
        names = self.accumulator.specials
        running = {name: Signal(name=f"running_{name}") for name in names}
        now = {name: Cat(*(flags[name] for flags in raised)).any() for name in names}
        total = sticky_flags(m, running, now)
        for name in names:
            with m.If(self.add):
                m.d.sync += running[name].eq(total[name])
            with m.If(self.opens):
                m.d.sync += [getattr(self, name).eq(running[name]), running[name].eq(0)]


register_hardware(Bins, BinsHardware())
