"""Codes of the format between layers become integers: residuals, and windows that are pooled."""

from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats import FixedPoint, Format
from ...formats.network import Pool
from ..products.decode import as_signed, decode
from .by_record import Chooser
from .plan import NetworkPlan

__all__ = ["BetweenReader"]


class BetweenReader(wiring.Component):
    """What was read of the memory between layers, a word of ``outputs`` codes a cycle, is decoded and pooled.

    Parameters
    ----------
    plan: the program in numbers
    residual: form of a residual's integers
    pool: form of pooled integers
    delay: cycles from a tap's read to its pool, 3 or more

    Members
    -------
    record: In, the number of the record
    word: In, what was read in the cycle before
    is_residual: In(1), it is that of a residual, whose integers stand at ``residual`` from the next cycle on
    is_tap: In(1), it is a tap's
    first, inside: In(1), of that tap
    residual: Out(residual).array(outputs), until the next one
    pool: Out(pool).array(outputs), of the window that ends with a tap
    """

    def __init__(self, plan: NetworkPlan, residual: FixedPoint, pool: FixedPoint, delay: int):
        self.plan = plan
        self.residual_form = residual
        self.pool_form = pool
        self.delay = delay
        shape = plan.program.shape
        super().__init__(
            {
                "record": In(range(max(2, len(plan.program.records)))),
                "word": In(shape.between_word),
                **{name: In(1) for name in ("is_residual", "is_tap", "first", "inside")},
                "residual": Out(_shape(residual)).array(shape.outputs),
                "pool": Out(_shape(pool)).array(shape.outputs),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        shape, records = self.plan.program.shape, self.plan.program.records
        choose = Chooser(m, self.record, len(records))
        tap_zeros = {(place, 0): record.zero for place, record in enumerate(records) if isinstance(record, Pool)}
        residual_zeros = {
            (place, 1): record.residual.zero for place, record in enumerate(records) if record.residual is not None
        }
        zero = choose.choose_by("zero", tap_zeros | residual_zeros, self.is_residual)
        maximum = choose.choose("maximum", [isinstance(r, Pool) and r.kind == "max" for r in records])
        pools = any(isinstance(record, Pool) for record in records)
        flags = {name: Signal(name=f"tap_{name}") for name in ("valid", "first", "inside")}
        m.d.sync += [
            flags["valid"].eq(self.is_tap),
            flags["first"].eq(self.first),
            flags["inside"].eq(self.inside),
        ]
        for place in range(shape.outputs):
            code = self.word.word_select(place, shape.between.width)
            integer = _integer(m, shape.between, code, f"code{place}") - zero
            with m.If(self.is_residual):
                m.d.sync += self.residual[place].eq(integer)
            if not pools:
                continue
            tap = Signal(_shape(self.pool_form), name=f"tap{place}", reset_less=True)
            m.d.sync += tap.eq(integer)
            found = self._pool(m, place, tap, flags, maximum)
            for stage in range(self.delay - 3):
                late = Signal.like(found, name=f"pool{place}_late{stage}", reset_less=True)
                m.d.sync += late.eq(found)
                found = late
            m.d.comb += self.pool[place].eq(found)
        return m

    def _pool(self, m: Module, place: int, tap: Signal, flags: dict[str, Signal], maximum: Value) -> Signal:
        """The sum or the greatest of the taps of a window so far."""
        kinds = {record.kind for record in self.plan.program.records if isinstance(record, Pool)}
        pooled = Signal(_shape(self.pool_form), name=f"pooled{place}", reset_less=True)
        inside, first = flags["inside"], flags["first"]
        # No tap has less than the least integer, so that it stands for none.
        least = Const(self.pool_form.min_integer, _shape(self.pool_form))
        total = Mux(first, 0, pooled) + Mux(inside, tap, 0)
        greatest = Mux(inside & (first | (tap > pooled)), tap, Mux(first, least, pooled))
        if kinds == {"sum"}:
            found: Value = total
        elif kinds == {"max"}:
            found = greatest
        else:
            found = Mux(maximum, greatest, total)
        with m.If(flags["valid"]):
            m.d.sync += pooled.eq(found)
        return pooled


def _integer(m: Module, format: Format, code: Value, name: str) -> Value:
    """The integer of a code, in units of the format's lowest bit."""
    operand = decode(m, format, code, name)
    value = as_signed(m, operand, name)
    if operand.exponent is None:
        return value
    shift = Signal(range(format.max_shift + 1), name=f"{name}_shift")
    m.d.comb += shift.eq(operand.exponent - operand.exponent_offset)
    shifted = Signal(Shape(len(value) + format.max_shift, True), name=f"{name}_integer")
    m.d.comb += shifted.eq(value << shift)
    return shifted


def _shape(form: FixedPoint) -> Shape:
    return Shape(form.width, form.signed)
