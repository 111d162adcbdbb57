"""Columns whose weights stay as the sums of some of them, in tables that codes of one or two bits choose from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Arithmetic, FixedPoint, Format
from ...formats.elements.serial import twos_complement_bits
from ...formats.elements.table import SumTable, TableSums, sum_table
from ..memories import UNRELATED
from ..products.adder_tree import term_shape, tree_depth
from ..products.build import Build, chain_length
from ..products.chains import chain_count, sum_chains
from ..products.operand_bus import OperandBus, filled
from ..products.pipeline import Pipeline
from ..products.product_term import Term
from ..products.significand_product import ProductRow
from ..products.truth_table import truth_table
from .hardware import ElementHardware, register_hardware
from .serial import PlaneBus

__all__ = ["TableHardware"]

CUTS = ("chain", "total")
"""Where register stages are behind that of the array's edge, and behind the tables, which have one of their own."""

ENTRY_BITS = 4


@dataclass(frozen=True)
class ChoiceBus(OperandBus):
    """Groups of codes as what they choose: an entry of a table, and above it a sign where there is one.

    Parameters
    ----------
    format: of the codes
    """

    format: Format

    @property
    def shape(self) -> Shape:
        return unsigned(self.format.width)

    @property
    def choice_bits(self) -> int:
        return ENTRY_BITS + sum_table(self.format).has_sign

    def word_bits(self, lanes: int) -> int:
        return lanes // sum_table(self.format).group * self.choice_bits

    def enter(self, m: Module, code: Value, name: str, keep: Value | None = None) -> Value:
        return filled(self.format, code, keep)

    def enter_word(
        self, m: Module, codes: Sequence[Value], names: Sequence[str], keeps: Sequence[Value | None]
    ) -> Value:
        table, width = sum_table(self.format), self.format.width
        known = {code: self.format.integer(code) for code in self.format.codes}

        def choice(bits: int) -> int:
            # A code that stands for no value chooses as zero does.
            values = [known.get(bits >> width * k & (1 << width) - 1, 0) for k in range(table.group)]
            entry, negative = table.choice(tuple(values))
            return entry | negative << ENTRY_BITS

        chosen = []
        for first in range(0, len(codes), table.group):
            places = range(first, first + table.group)
            word = Signal(table.group * width, name=f"{names[first]}_group")
            m.d.comb += word.eq(Cat(self.enter(m, codes[k], names[k], keeps[k]) for k in places))
            chosen.append(truth_table(word, choice, self.choice_bits))
        return Cat(chosen)


def sum_shape(arithmetic: Arithmetic, table: SumTable) -> Shape:
    """Of an entry: as wide as any sum of a group."""
    most = table.group * max(arithmetic.weight.max_integer, -arithmetic.weight.min_integer)
    return signed(1 + most.bit_length())


class TableHardware(ElementHardware):
    """Tables in LUT RAM, or block RAM where a family has no other, and chains of adders that take in the signs."""

    dataflows = ("weight_stationary",)
    keeps_weights = True

    def buses(self, arithmetic: Arithmetic, build: Build) -> tuple[OperandBus, OperandBus]:
        whole = tuple(range(twos_complement_bits(arithmetic.weight)))
        return PlaneBus(arithmetic.weight, (whole,)), ChoiceBus(arithmetic.activation)

    def latency(self, arithmetic: Arithmetic, build: Build, lanes: int) -> int:
        raise ValueError(_alone(arithmetic))

    def control(
        self, m: Module, arithmetic: Arithmetic, build: Build, valid: Value, first: Value, last: Value | None
    ) -> Mapping[str, Value]:
        raise ValueError(_alone(arithmetic))

    def element(
        self,
        arithmetic: Arithmetic,
        build: Build,
        accumulator: FixedPoint,
        lanes: int,
        edge: Build | None = None,
    ) -> wiring.Component:
        raise ValueError(_alone(arithmetic))

    def check_pipeline(self, arithmetic: Arithmetic, pipeline: int) -> None:
        raise ValueError(_alone(arithmetic))

    def keeping_column(self, arithmetic: Arithmetic, build: Build, rows: int, lanes: int) -> "TableColumn":
        return TableColumn(self.buses(arithmetic, build), arithmetic, build, rows, lanes)

    def column_latency(self, arithmetic: Arithmetic, build: Build, count: int) -> int:
        groups = count // sum_table(arithmetic.activation).group
        return 1 + len(CUTS[: build.pipeline - 1]) + tree_depth(chain_count(groups, chain_length(build.lut_inputs))) + 1

    def load_control(
        self, m: Module, arithmetic: Arithmetic, rows: int, load: Value, swap: Value
    ) -> Mapping[str, Value]:
        table = sum_table(arithmetic.activation)
        count = len(table.steps)
        step = Signal(range(count + 1), init=count, name="fill_step")
        row = Signal(rows, init=1 << (rows - 1), name="fill_row")
        half = Signal(name="read_half")
        with m.If(load):
            m.d.sync += [step.eq(0), row.eq(Cat(row[-1], row[:-1]))]
        with m.Elif(step != count):
            m.d.sync += step.eq(step + 1)
        with m.If(swap):
            m.d.sync += half.eq(~half)

        def known(name: str, width: int, values: Sequence[int]) -> Signal:
            signal = Signal(width, name=name)
            m.d.comb += signal.eq(truth_table(step, lambda k: values[k] if k < count else 0, width))
            return signal

        place = known("fill_place", (table.group - 1).bit_length(), [each.place for each in table.steps])
        negative = known("fill_negative", 1, [each.factor < 0 for each in table.steps])
        doubled = known("fill_doubled", 1, [abs(each.factor) == 2 for each in table.steps])
        entry = known("fill_entry", ENTRY_BITS, [each.entry or 0 for each in table.steps])
        writes = known("fill_writes", 1, [each.entry is not None for each in table.steps])
        address = Signal(ENTRY_BITS + 1, name="fill_address", reset_less=True)
        write = Signal(rows, name="fill_write")
        m.d.sync += [address.eq(Cat(entry, ~half)), write.eq(row & writes.replicate(rows))]
        first = Signal(name="fill_first")
        m.d.comb += first.eq(step == 0)
        return {
            **{"place": place, "negative": negative, "doubled": doubled, "opens": first},
            **{"write": write, "address": address, "half": half},
        }


def _alone(arithmetic: Arithmetic) -> str:
    return f"unit must be matmul for elements {arithmetic.element}, whose tables are filled for many words"


class TableColumn(wiring.Component):
    """A column of a weight-stationary array that holds ``rows * lanes`` weights as tables of their sums.

    ``partial`` is the exact sum of ``rows * lanes`` products, a fixed number of cycles after the choices of their
    activations stood at the input. A word of weights is for the next row of the half that is not read; an adder for
    each table of a row fills it, an entry a cycle.

    Parameters
    ----------
    buses: of weights and activations
    arithmetic: formats of the operands
    build: its register stages, of which the first is at the array's edge
    rows: words of weights
    lanes: weights a word

    Members
    -------
    load: In(1), ``weight`` counts
    weight: In, the weights of a row, as their bus makes them
    activation: In, choices of all rows
    place, negative, doubled, opens: In, the step in which tables are filled, from the cycle after ``load`` on
    write, address: In, which row is written, and where, in the cycle after
    half: In(1), which half is read
    partial: Out
    """

    def __init__(
        self, buses: tuple[OperandBus, OperandBus], arithmetic: Arithmetic, build: Build, rows: int, lanes: int
    ):
        self.arithmetic = arithmetic
        self.build = build
        self.rows = rows
        self.lanes = lanes
        self.table = sum_table(arithmetic.activation)
        self.weight_bits = buses[0].shape.width
        super().__init__(
            {
                "load": In(1),
                "weight": In(buses[0].word_bits(lanes)),
                "activation": In(buses[1].word_bits(rows * lanes)),
                "place": In((self.table.group - 1).bit_length()),
                **{name: In(1) for name in ("negative", "doubled", "opens", "half")},
                "write": In(rows),
                "address": In(ENTRY_BITS + 1),
                "partial": Out(term_shape(arithmetic, rows * lanes)),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        group, shape = self.table.group, sum_shape(self.arithmetic, self.table)
        held = Signal(len(self.weight), name="weight_held", reset_less=True)
        with m.If(self.load):
            m.d.sync += held.eq(self.weight)
        sums = [self._filler(m, k, held.word_select(k, group * self.weight_bits)) for k in range(self.lanes // group)]
        bits = len(self.activation) // (self.rows * len(sums))
        rows = []
        for number in range(self.rows * len(sums)):
            row, k = divmod(number, len(sums))
            choice = self.activation.word_select(number, bits)
            found = self._look_up(m, number, choice, sums[k], self.write[row])
            carry = None
            if self.table.has_sign:
                carry = Signal(name=f"negative{number}", reset_less=True)
                m.d.sync += carry.eq(choice[-1])
                found = (found.as_unsigned() ^ carry.replicate(len(found))).as_signed()
            most = 1 << shape.width - 1
            rows.append(ProductRow(found, 0, -most, most, carry))
        terms = [Term(Const(0, 1), None, {}, rows=(row,)) for row in rows]
        pipeline = Pipeline(m, CUTS[: self.build.pipeline - 1])
        products = self.rows * self.lanes
        value, last = sum_chains(
            m,
            pipeline,
            terms,
            self.arithmetic,
            chain_length(self.build.lut_inputs),
            registered=True,
            products=products,
        )
        m.d.sync += self.partial.eq(value if last is None else value + last)
        return m

    def _filler(self, m: Module, number: int, weights: Value) -> Signal:
        """The sum that is written in the cycle after."""
        shape = sum_shape(self.arithmetic, self.table)
        total = Signal(shape, name=f"fill{number}_sum", reset_less=True)
        addend = Signal(signed(self.weight_bits), name=f"fill{number}_addend")
        m.d.comb += addend.eq(weights.word_select(self.place, self.weight_bits))
        if any(abs(step.factor) == 2 for step in self.table.steps):
            doubled = Signal(signed(self.weight_bits + 1), name=f"fill{number}_doubled")
            m.d.comb += doubled.eq(Mux(self.doubled, addend << 1, addend))
            addend = doubled
        before = Mux(self.opens, 0, total)
        turned = (addend.as_unsigned() ^ self.negative.replicate(len(addend))).as_signed()
        m.d.sync += total.eq(before + turned + self.negative)
        return total

    def _look_up(self, m: Module, number: int, choice: Value, written: Signal, write: Value) -> Value:
        """The entry that is chosen, a cycle later."""
        attributes = {"ram_style": "distributed"} if self.build.lut_inputs >= 6 else {}
        store = memory.Memory(shape=written.shape(), depth=2 << ENTRY_BITS, init=[], attrs={**UNRELATED, **attributes})
        m.submodules[f"table{number}"] = store
        port, read = store.write_port(), store.read_port()
        m.d.comb += [
            *(port.addr.eq(self.address), port.data.eq(written), port.en.eq(write)),
            *(read.addr.eq(Cat(choice[:ENTRY_BITS], self.half)), read.en.eq(1)),
        ]
        return read.data


register_hardware(TableSums, TableHardware())
