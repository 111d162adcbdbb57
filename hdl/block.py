"""Sums over blocks: every block's exact sum, times both of its scales, added to the sum of its index."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from ..formats import Accumulator, Blocks, FixedPoint, Format, Integer, Overflow, Requantization, Rounding, parse
from .accumulate import sticky_flags
from .decode import decode
from .factor import ExponentRange, either, factor_bits, parity, take_factor
from .pipeline import Pipeline
from .product import significand_product
from .requant import named
from .round import ROUNDING_STAGES, Placement, round_to_code
from .stages import Stages

__all__ = ["BlockAccumulate", "sum_fields"]

FLOAT32 = parse("float32")
BIAS = 127
PRECISION = FLOAT32.precision
ROUND = Requantization(FLOAT32, overflow=Overflow.INFINITY)

GUARD_BITS = 2
"""Bits kept below the larger of two operands, besides a sticky one: where more are cut off, one leading bit at most
cancels."""


LONGEST_ROWS = 4
"""Bits of a factor up to which a row for each of them is smaller than Booth's recoding."""


def sum_fields(form: FixedPoint | Format) -> dict[str, Shape | int]:
    """Shapes of what a sum over blocks is, by name."""
    if isinstance(form, FixedPoint):
        return {"accumulator": Shape(form.width, form.signed), **dict.fromkeys(form.specials, 1)}
    return {"code": form.width}


@dataclass(frozen=True)
class _ScaledSum:
    """``block_sum * weight_scale * activation_scale``: two's complement, or a magnitude beside its sign.

    Parameters
    ----------
    weight, activation: formats of the products
    blocks: formats of the scales
    terms: most products of a block
    twos: whether it is two's complement
    dsp: whether multiplications are left to the synthesizer, for its DSP blocks
    """

    weight: Format
    activation: Format
    blocks: Blocks
    terms: int
    twos: bool
    dsp: bool

    @cached_property
    def source(self) -> FixedPoint:
        """The form of the block's sum."""
        return FixedPoint.of(self.weight, self.activation, self.terms)

    @cached_property
    def scales(self) -> dict[str, Format]:
        return {"weight_scale": self.blocks.weight_scale, "activation_scale": self.blocks.activation_scale}

    @cached_property
    def fields(self) -> dict[str, Shape | int]:
        """Shapes of what comes in, by name."""
        return {**sum_fields(self.source), **{name: format.width for name, format in self.scales.items()}}

    @cached_property
    def factored(self) -> bool:
        """Whether there are significands to multiply by."""
        return any(map(factor_bits, self.scales.values()))

    @cached_property
    def stages(self) -> int:
        return 1 + self.factored

    @cached_property
    def width(self) -> int:
        """Bits of the product before it is shifted by the exponents."""
        bounds = Accumulator(self.weight, self.activation, self.terms)
        least, most = bounds.min_sum, bounds.max_sum
        for format in self.scales.values():
            bits = factor_bits(format)
            # The most negative integer's magnitude takes all the bits.
            largest = 1 << bits - 1 if isinstance(format, Integer) and not format.unsigned else (1 << bits) - 1
            least, most = least * (largest or 1), most * (largest or 1)
        if self.twos:
            return max(most.bit_length(), (-least - 1).bit_length() if least else 0, 1) + self.source.signed
        return max(most, -least, 1).bit_length()

    @cached_property
    def least_exponent(self) -> int:
        return sum(ExponentRange.of(format).least for format in self.scales.values())

    @cached_property
    def greatest_exponent(self) -> int:
        return sum(ExponentRange.of(format).greatest for format in self.scales.values())

    @cached_property
    def lsb_exponent(self) -> int:
        """Of the lowest bit's weight, where the runtime part of the exponent is 0."""
        return (
            self.source.lsb_exponent + sum(format.lsb_exponent for format in self.scales.values()) - self.least_exponent
        )

    def build(self, m: Module, stages: Stages, live: SimpleNamespace) -> SimpleNamespace:
        """Replace ``fields`` by what follows, in ``stages`` stages.

        body: the product
        exponent: the runtime part, ``least_exponent`` to ``greatest_exponent``; None where there is none
        flip: whether the scales change the sign of a body of two's complement
        negative: the sign of the magnitude, or of the infinity
        nan, infinity: flags; the body means nothing where either is up
        """
        no = Const(0, 1)
        factors = [take_factor(m, format, getattr(live, name), name) for name, format in self.scales.items()]
        body = live.accumulator
        sign = body[-1] if self.source.signed else no
        nan, positive, negative = (
            getattr(live, f"{name}_in", no) for name in ("nan", "positive_infinity", "negative_infinity")
        )
        for name in (*self.scales, "accumulator", "nan_in", "positive_infinity_in", "negative_infinity_in"):
            setattr(live, name, None)
        significands = [factor.significand for factor in factors if factor.significand is not None]
        exponents = [factor.exponent for factor in factors if factor.exponent is not None]

        scale_infinity = either(*(factor.infinity for factor in factors))
        infinite = either(positive, negative)
        zero_scale = either(*(~significand.any() for significand in significands))
        invalid = []
        if not isinstance(infinite, Const):
            invalid.append(infinite & zero_scale)
        if not isinstance(scale_infinity, Const):
            invalid.append(scale_infinity & (zero_scale | ~(body.any() | infinite)))
        live.nan = either(nan, *(factor.nan for factor in factors), *invalid)
        live.infinity = either(infinite, scale_infinity)
        live.flip = parity(*(factor.sign for factor in factors if factor.sign is not None))
        signed_infinity = sign if isinstance(infinite, Const) else Mux(infinite, negative, sign)
        live.negative = parity(signed_infinity, live.flip)
        if not self.twos:
            live.flip = None
            if self.source.signed:
                body = ((body ^ sign.replicate(len(body))).as_unsigned() + sign)[: len(body)]
        live.body = body
        live.exponent = exponents[0] if exponents else None
        for exponent in exponents[1:]:
            live.exponent = live.exponent + exponent
        if not significands:
            if not self.twos:
                live.body = live.body[: self.width]
            return stages.register(live)
        live.factor = significands[0]
        for significand in significands[1:]:
            live.factor = self._multiply(m, live.factor, significand)
        live = stages.register(live)

        product = self._multiply(m, live.body, live.factor)[: self.width]
        live.body = product.as_signed() if live.body.shape().signed else product
        live.factor = None
        return stages.register(live)

    def _multiply(self, m: Module, one: Value, other: Value) -> Value:
        """The product of two integers, of which the second is unsigned."""
        if one.shape().signed:
            other = Cat(other, Const(0, 1)).as_signed()
        if self.dsp:
            return one * other
        method = "rows" if len(other) <= LONGEST_ROWS else "booth"
        product, _ = significand_product(m, Pipeline(m, ()), method, one, other, tree=False, late_carry=False)
        return product


@dataclass(frozen=True)
class _ExactSum:
    """An exact sum: the product shifted into its place, and added.

    Parameters
    ----------
    product: what is added
    form: of the sum
    """

    product: _ScaledSum
    form: FixedPoint

    @cached_property
    def _shift_bits(self) -> int:
        return self.product.greatest_exponent.bit_length()

    @cached_property
    def used(self) -> int:
        """Stages before the sum so far is used."""
        return self.product.stages + (self._shift_bits + 3) // 4

    @cached_property
    def written(self) -> int:
        """Stages before the new sum is written back."""
        return self.used

    @cached_property
    def latency(self) -> int:
        return self.used + 1

    @cached_property
    def width(self) -> int:
        """Bits of a sum that is kept."""
        return self.form.width + len(self.form.specials)

    def align(self, m: Module, stages: Stages, live: SimpleNamespace) -> SimpleNamespace:
        """Shift the product into its place."""
        # An exponent that starts above 0 shifts too far, by bits that are then left out.
        offset = self.product.least_exponent
        is_signed = live.body.shape().signed
        for low in range(0, self._shift_bits, 2):
            if low and low % 4 == 0:
                live = stages.register(live)
            digit = live.exponent[low : min(low + 2, self._shift_bits)]
            most = min((1 << len(digit)) - 1, self.product.greatest_exponent >> low)
            shifted = [Cat(Const(0, j << low), live.body) for j in range(most + 1)]
            width = min(len(shifted[-1]), offset + self.form.width)
            body = Signal(Shape(width, is_signed), name=f"shifted{low}")
            m.d.comb += body.eq(_choose(digit, [value.as_signed() if is_signed else value for value in shifted]))
            live.body = body
        addend = Signal(self.form.width, name="addend")
        placed = live.body[offset:]
        m.d.comb += addend.eq(placed.as_signed() if is_signed else placed)
        live.addend, live.carry = addend, live.flip
        if not isinstance(live.flip, Const):
            live.addend = addend ^ live.flip.replicate(self.form.width)
        live.body = live.exponent = live.flip = None
        return stages.register(live) if self._shift_bits else live

    def add(self, m: Module, stages: Stages, live: SimpleNamespace, before: Value, keep: "Keep") -> SimpleNamespace:
        form = self.form
        running = {name: Signal(name=f"running_{name}") for name in form.specials}
        so_far = before & ~live.first.replicate(self.width)
        m.d.comb += [flag.eq(bit) for flag, bit in zip(running.values(), so_far[form.width :], strict=True)]
        total = Signal(form.width, name="total")
        m.d.comb += total.eq(live.addend + so_far[: form.width] + live.carry)
        infinity = live.infinity & ~live.nan
        raised = {
            "nan": live.nan,
            "positive_infinity": infinity & ~live.negative,
            "negative_infinity": infinity & live.negative,
        }
        flags = sticky_flags(m, running, raised)
        keep(live, Cat(total, *flags.values()))
        live.accumulator = Mux(Cat(*flags.values()).any(), 0, total) if flags else total
        for name in ("addend", "carry", "first", "index", "nan", "infinity", "negative"):
            setattr(live, name, None)
        for name, flag in flags.items():
            setattr(live, name, flag)
        return stages.register(live)


@dataclass(frozen=True)
class _FloatSum:
    """A float32 sum: the one of both operands that has the smaller exponent is shifted to the other, and what comes of
    them rounded once.

    Parameters
    ----------
    product: what is added; normalized first
    """

    product: _ScaledSum

    @cached_property
    def _top(self) -> int:
        """Bits of the larger operand."""
        return max(self.product.width, PRECISION)

    @cached_property
    def _leading_bits(self) -> int:
        """Bits of the number of zeros above the product's leading bit."""
        return max((self.product.width - 1).bit_length(), 1)

    @cached_property
    def _amount_bits(self) -> int:
        """Bits of the shift: enough to shift all of an operand out."""
        return (self._top + GUARD_BITS).bit_length()

    @cached_property
    def _exponent_offset(self) -> int:
        """What makes the runtime exponent that of the product's top bit, biased."""
        return self.product.lsb_exponent + self.product.width - 1 + BIAS

    @cached_property
    def _greatest(self) -> int:
        return max(self._exponent_offset + self.product.greatest_exponent, 2 * BIAS)

    @cached_property
    def placement(self) -> Placement:
        # A bit for the carry above the larger operand, and the sticky bit below its guard bits.
        width = self._top + GUARD_BITS + 2
        return Placement(FLOAT32, Rounding.TIES_TO_EVEN, width, False, 2 - width - BIAS, 1, self._greatest)

    @cached_property
    def used(self) -> int:
        """Stages before the sum so far is used."""
        return self.product.stages + (self._leading_bits + 1) // 2

    @cached_property
    def written(self) -> int:
        """Stages before the new sum is written back."""
        return self.latency

    @cached_property
    def latency(self) -> int:
        align = (self._amount_bits // 2 + 1) // 2
        return self.used + 1 + align + 2 + self.placement.stages + ROUNDING_STAGES

    @cached_property
    def width(self) -> int:
        """Bits of a sum that is kept."""
        return FLOAT32.width

    def align(self, m: Module, stages: Stages, live: SimpleNamespace) -> SimpleNamespace:
        """Normalize the product."""
        width = self.product.width
        found: list[str] = []
        low = self._leading_bits
        while low:
            high, low = low, max(low - 2, 0)
            most = min((width - 1) >> low, (1 << high - low) - 1)
            empty = [~live.body[max(width - (j << low), 0) :].any() for j in range(1, most + 1)]
            one, two, three = empty + [Const(0, 1)] * (3 - most)
            digit = Signal(high - low, name=f"leading{low}")
            m.d.comb += digit.eq(Cat((one & ~two) | three, two))
            live.body = _choose(digit, [Cat(Const(0, j << low), live.body)[:width] for j in range(most + 1)])
            found.append(digit.name)
            setattr(live, digit.name, digit)
            if not low:
                base = self._exponent_offset + (0 if live.exponent is None else live.exponent)
                least = self._exponent_offset + self.product.least_exponent - (1 << self._leading_bits)
                exponent = Signal(Shape.cast(range(least, self._greatest + 1)), name="product_exponent")
                m.d.comb += exponent.eq(base - Cat(getattr(live, name) for name in reversed(found)))
                live.exponent = exponent
                for name in found:
                    setattr(live, name, None)
            live = stages.register(live)
        return live

    def add(self, m: Module, stages: Stages, live: SimpleNamespace, before: Value, keep: "Keep") -> SimpleNamespace:
        live = stages.register(self._compare(m, live, before))
        live.allowed = self.placement.allowed(m, live.exponent)
        live.exponent = None
        live = self._shift(m, stages, live)
        live = stages.register(self._sum(m, live))
        live = stages.register(self._absolute(live))
        live = round_to_code(m, stages, live, self.placement, ROUND)
        keep(live, live.code)
        return live

    def _compare(self, m: Module, live: SimpleNamespace, before: Value) -> SimpleNamespace:
        """Which operand has the larger exponent, and how far the other one is to be shifted to the right."""
        code = Signal(FLOAT32.width, name="so_far")
        m.d.comb += code.eq(before & ~live.first.replicate(FLOAT32.width))
        so_far = decode(m, FLOAT32, code, "so_far")
        assert so_far.sign is not None and so_far.exponent is not None
        assert so_far.nan is not None and so_far.infinity is not None
        reach = self._top + GUARD_BITS
        product, other = live.body, so_far.significand

        difference = live.exponent - so_far.exponent
        below = difference[-1]
        product_larger = Signal(name="product_larger")
        # The exponent of a product of zero means nothing; of any other the top bit is set.
        m.d.comb += product_larger.eq(~below & product[-1])
        # Of a smaller product's shift, one bit is here already: the rest is the difference's complement.
        distance = difference[:-1] ^ below.replicate(len(difference) - 1)
        live.amount = distance[: self._amount_bits] | distance[self._amount_bits :].any().replicate(self._amount_bits)
        live.larger = Mux(product_larger, _left(product, self._top), _left(other, self._top))
        live.smaller = Mux(product_larger, _left(other, reach), _left(Cat(product, Const(0, 1)), reach))
        exponent_bits = self._greatest.bit_length()
        live.exponent = Mux(product_larger, live.exponent[:exponent_bits], so_far.exponent)

        subtract = so_far.sign ^ live.negative
        live.nan = live.nan | so_far.nan | (live.infinity & so_far.infinity & subtract)
        of_product = Mux(live.infinity | so_far.infinity, live.infinity, product_larger)
        live.negative = Mux(of_product, live.negative, so_far.sign)
        live.infinity = live.infinity | so_far.infinity
        live.subtract = subtract
        live.body = live.first = None
        return live

    def _shift(self, m: Module, stages: Stages, live: SimpleNamespace) -> SimpleNamespace:
        """Shift the smaller operand by all but the last bit of the amount, where that has an odd number of bits."""
        live.sticky = Const(0, 1)
        low = self._amount_bits
        for index in range(low // 2):
            low -= 2
            live = self._shift_digit(m, live, live.amount[low : low + 2], low)
            if index % 2 or low < 2:
                live = stages.register(live)
        return live

    def _shift_digit(self, m: Module, live: SimpleNamespace, digit: Value, low: int) -> SimpleNamespace:
        bits, width = live.smaller, len(live.smaller)
        most = (1 << len(digit)) - 1
        cut = [bits[min((j - 1) << low, width) : j << low].any() & (digit >= j) for j in range(1, most + 1)]
        smaller, sticky = Signal(width, name=f"smaller{low}"), Signal(name=f"sticky{low}")
        m.d.comb += smaller.eq(_choose(digit, [bits[min(j << low, width) :] for j in range(most + 1)]))
        m.d.comb += sticky.eq(Cat(live.sticky, *cut).any())
        live.smaller, live.sticky = smaller, sticky
        return live

    def _sum(self, m: Module, live: SimpleNamespace) -> SimpleNamespace:
        if self._amount_bits % 2:
            live = self._shift_digit(m, live, live.amount[:1], 0)
        # One adder: the carry comes in through a bit below both operands.
        subtract = live.subtract
        smaller = Cat(live.sticky, live.smaller)
        larger = Cat(subtract, Const(0, GUARD_BITS + 1), live.larger)
        total = larger + Cat(subtract, smaller ^ subtract.replicate(len(smaller)))
        live.body = total[1:]
        live.larger = live.smaller = live.sticky = live.amount = None
        return live

    def _absolute(self, live: SimpleNamespace) -> SimpleNamespace:
        """Only equal exponents, and subnormal sums, let a difference be negative, and nothing is cut off then that the
        sticky bit would not stand for on either side of zero."""
        difference, carry = live.body[:-1], live.body[-1]
        below = live.subtract & ~carry
        magnitude = (difference ^ below.replicate(len(difference))) + below
        live.body = Cat(magnitude[: len(difference)], carry & ~live.subtract)
        live.negative = live.negative ^ (below & ~live.infinity)
        live.subtract = None
        live.scaled_infinity = Const(0, 1)
        live.zero_point = None
        return live


Keep = Callable[[SimpleNamespace, Value], None]
"""Writes the new sum of the block at hand back."""


class _Stages(Stages):
    """Remembers what entered the last stage, and in which stages a block is whose sum goes on."""

    def __init__(self, m: Module, advance: Value, valid: Value):
        super().__init__(m, advance, valid)
        self.entered = SimpleNamespace()
        self.going_on: list[Value] = []

    def register(self, live: SimpleNamespace) -> SimpleNamespace:
        self.entered = live
        live = super().register(live)
        self.going_on.append(self.valid & ~live.last)
        return live


class BlockAccumulate(wiring.Component):
    """``depth`` sums over blocks, each of ``block_sum * weight_scale * activation_scale``: exact, or in float32.

    A float32 sum is rounded once for every block, like a fused multiply-add: ties to even, subnormals kept, overflow to
    infinity, an exact zero positive, every NaN 0x7FC00000. Beside an exact one a sticky flag says what is special, and
    ``accumulator`` reads 0 then.

    Initiation interval 1; ``latency`` cycles from a transfer in to ``o.valid`` where nothing stalls. The pipeline
    stalls as a whole: ``i.ready`` follows ``o.ready`` within a cycle. A block that goes on with a sum must not enter
    before the sum has been written back: it may enter where ``busy`` is low, or else ``distance`` cycles with
    ``i.ready`` after the block before it. A block that begins a sum may enter in any cycle.

    Parameters
    ----------
    weight, activation: formats of the products
    blocks: size of a block, formats of the scales, and what the sums are kept in
    terms: most products in all blocks of one sum together
    depth: sums under way, each with its index
    tag_bits: bits that go with a block from ``i`` to ``o``; 0 for none
    dsp: whether multiplications by scales are plain ``*``, for the synthesizer to put into DSP blocks

    Members
    -------
    i: In(stream); fields ``accumulator`` and those of ``nan``, ``positive_infinity``, ``negative_infinity`` that there
        are, of a block's exact sum; ``weight_scale``, ``activation_scale`` (codes); ``first``, the block begins its
        sum; ``last``, it ends it; ``index`` of the sum; ``tag``
    o: Out(stream), a beat for every block with ``last``; fields ``accumulator`` and the flags that there are, or
        ``code``; ``tag``
    busy: Out(1), a block is under way whose sum goes on and isn't written back
    """

    def __init__(
        self,
        weight: Format,
        activation: Format,
        blocks: Blocks,
        *,
        terms: int,
        depth: int,
        tag_bits: int = 0,
        dsp: bool = False,
    ):
        if not isinstance(blocks, Blocks):
            raise ValueError(f"blocks must be a Blocks, not {blocks!r}")
        for name, value, least in (("terms", terms, 1), ("depth", depth, 1), ("tag_bits", tag_bits, 0)):
            if value < least:
                raise ValueError(f"{name} must be {least} or more, not {value!r}")
        self.weight = weight
        self.activation = activation
        self.blocks = blocks
        self.terms = terms
        self.depth = depth
        self.tag_bits = tag_bits
        self.dsp = dsp
        self.form = form = blocks.sum_format(weight, activation, terms)
        is_exact = isinstance(form, FixedPoint)
        self._product = _ScaledSum(weight, activation, blocks, min(blocks.size, terms), is_exact, dsp)
        self._sum = _ExactSum(self._product, form) if isinstance(form, FixedPoint) else _FloatSum(self._product)
        self.latency = self._sum.latency
        # A memory is addressed a stage before its word is used.
        self.distance = self._sum.written - self._sum.used + (1 if depth == 1 else 2)
        tag = {"tag": tag_bits} if tag_bits else {}
        control = {"first": 1, "last": 1, "index": max(1, ceil_log2(depth))}
        super().__init__(
            {
                "i": In(stream.Signature(data.StructLayout(self._product.fields | control | tag))),
                "o": Out(stream.Signature(data.StructLayout(sum_fields(form) | tag))),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        advance = Signal()
        m.d.comb += [advance.eq(~self.o.valid | self.o.ready), self.i.ready.eq(advance)]
        stages = _Stages(m, advance, self.i.valid)
        live = SimpleNamespace(**named({name: getattr(self.i.payload, name) for name, _ in self.i.payload.shape()}))
        if self.depth == 1:
            live.index = None
        live = self._product.build(m, stages, live)
        live = self._sum.align(m, stages, live)
        assert stages.latency == self._sum.used
        before, keep = self._store(m, stages)
        live = self._sum.add(m, stages, live, before, keep)
        assert stages.latency == self.latency
        m.d.comb += [
            self.o.valid.eq(stages.valid & live.last),
            self.busy.eq(Cat(*stages.going_on[: self.distance - 1]).any()),
        ]
        m.d.comb += [getattr(self.o.payload, name).eq(getattr(live, name)) for name, _ in self.o.payload.shape()]
        return m

    def _store(self, m: Module, stages: _Stages) -> tuple[Value, Keep]:
        """The kept sum of the block that is in the last stage so far, and how to replace it."""
        if self.depth == 1:
            kept = Signal(self._sum.width, reset_less=True)

            def keep(live: SimpleNamespace, value: Value) -> None:
                with m.If(stages.valid & stages.advance):
                    m.d.sync += kept.eq(value)

            return kept, keep

        m.submodules.sums = memory = Memory(shape=self._sum.width, depth=self.depth, init=[])
        read, write = memory.read_port(), memory.write_port()
        m.d.comb += [read.en.eq(stages.advance), read.addr.eq(stages.entered.index)]

        def keep_word(live: SimpleNamespace, value: Value) -> None:
            m.d.comb += [
                write.en.eq(stages.valid & stages.advance),
                write.addr.eq(live.index),
                write.data.eq(value),
            ]

        return read.data, keep_word


def _choose(digit: Value, choices: Sequence[Value]) -> Value:
    """The choice of that number; the last one beyond."""
    level = [*choices, *[choices[-1]] * ((1 << len(digit)) - len(choices))]
    for bit in digit:
        level = [Mux(bit, odd, even) for even, odd in zip(level[::2], level[1::2], strict=True)]
    return level[0]


def _left(value: Value, width: int) -> Value:
    """The value at the upper end of so many bits."""
    return Cat(Const(0, width - len(value)), value)
