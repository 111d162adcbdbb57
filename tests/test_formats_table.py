"""A format is its table: a kind that nothing knows works everywhere, and known kinds do as their tables say."""

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator
from each_of import each_of
from fewbit import sim
from fewbit.formats import (
    SPECIALS,
    FixedPoint,
    Format,
    Overflow,
    Requantization,
    Rounding,
    Special,
    Table,
    catalog,
    parse,
    read_format,
)
from fewbit.formats.kinds import kinds
from fewbit.formats.kinds.codebook import Codebook
from fewbit.hdl import Design
from fewbit.hdl.products.choose_build import BUILDS
from fewbit.hdl.products.decode import Decode
from fewbit.hdl.scaling.requant import Requantize

NAN, UP, DOWN = Special.NAN, Special.POSITIVE_INFINITY, Special.NEGATIVE_INFINITY


@dataclass(frozen=True)
class Toy(Format):
    """A kind of format that only this test knows, told by as little as a kind can be told by."""

    table: tuple
    exponent: int

    @property
    def name(self):
        return f"toy{len(self.table)}"

    @property
    def width(self):
        return len(self.table).bit_length() - 1

    @property
    def lsb_exponent(self):
        return self.exponent

    def special(self, code):
        return self.table[code] if isinstance(self.table[code], str) else None

    def integer(self, code):
        return self.table[code]


TOYS = [
    Toy((0, 1, 3, 9, -2, -7, -7, 16), -3),
    Toy((5, NAN, -6, UP, 0, 2, DOWN, -11), 1),
    Toy((3, 10, 4, NAN, 21, 5, 7, UP), 0),  # of positive values
    Toy((-3, -10, -4, -5), -1),  # of negative values
    Toy((-3, 1, 8, -1), 0),  # without a zero between them
    Toy((0, 1, 2, 5, 0, -1, -2, -5), 0),  # with a sign bit
    Toy((7, 7, 0, 0), 2),
    parse("bipolar"),
    Codebook((-8, -5, -3, -2, -1, 0, 0, 1, 2, 3, 4, 5, 6, 8, 11, 15), -4),
]
KNOWN = ["e2m1", "e1m1", "e3m0", "ue2m2", "int3", "int1", "uint4", "sm3", "e2m2b5"]
NAMED = [
    format
    for names in kinds()
    for format in names.listed
    if format not in TOYS and (format.width <= 5 or format.name == "bitmod4") and format.name != "ternary"
    # The zeros of the others have signs, which the reference does not know.
    if not format.has_negative_zero
]


def finite_values(format):
    return {code: Fraction(integer) * format.lsb for code, integer in enumerate(format.integers) if integer is not None}


def reference(value, format, rounding, overflow):
    """The code of an exact value, by going through all values; a float infinity stands for itself."""
    codes = {}
    for code, known in finite_values(format).items():
        codes.setdefault(known, code)
    values = sorted(codes)
    step = [values[0] - (values[1] - values[0]), values[-1] + (values[-1] - values[-2])]
    ends = [code_beyond(format, overflow, name, codes[end]) for name, end in ((DOWN, values[0]), (UP, values[-1]))]
    if isinstance(value, float):
        return ends[value > 0]
    if value == 0 and 0 not in codes and overflow is not Overflow.SATURATE:
        return ends[values[0] <= 0]
    if value <= 0 < values[0] or values[-1] < 0 <= value:
        return ends[value >= 0 and values[-1] < 0]
    candidates = [*values, *(end for end, outside in zip(step, (value < 0, value > 0), strict=True) if outside)]
    if rounding is Rounding.TOWARD_ZERO:
        inside = [one for one in candidates if abs(one) <= abs(value) and one * value >= 0]
        same = [one for one in candidates if one * value > 0 or (value == 0 and one > 0)]
        chosen = max(inside, key=abs) if inside else min(same or candidates, key=abs)
    else:
        least = min(abs(one - value) for one in candidates)
        ties = sorted((one for one in candidates if abs(one - value) == least), key=abs)
        chosen = ties[0]
        if len(ties) == 2:
            even = abs(ties[0]) / abs(ties[1] - ties[0]) % 2 == 0
            chosen = ties[0] if even else max(ties, key=lambda one: (abs(one), one))
    return codes.get(chosen, ends[chosen > values[0]])


def code_beyond(format, overflow, name, end):
    """What overflows to that side becomes."""
    if overflow is Overflow.SATURATE:
        return end
    return format.special_codes[NAN] if overflow is Overflow.NAN else format.special_codes.get(name, end)


def policies(format):
    has = {Overflow.SATURATE: True, Overflow.INFINITY: format.has_infinity, Overflow.NAN: format.has_nan}
    roundings = (Rounding.TIES_TO_EVEN, Rounding.TOWARD_ZERO)
    return [(rounding, overflow) for rounding in roundings for overflow in has if has[overflow]]


def grid_of(format, beyond=3):
    """Eighths of the lowest bit from beyond one end to beyond the other."""
    far = beyond * 8 * max(map(abs, format.beyond))
    return range(-far, far + 1, 1 if far < 2000 else 3)


@each_of("format", [*TOYS, *NAMED])
def test_a_kind_of_its_own_is_what_its_table_says(format):
    values = sim.decode(np.arange(1 << format.width), format)
    for code, value in enumerate(values):
        if (special := format.special(code)) is not None:
            assert np.isnan(value) if special == NAN else value == {UP: np.inf, DOWN: -np.inf}[special]
        else:
            assert Fraction(value) == format.value(code)
    grid = grid_of(format) if format in TOYS else interesting(format)
    eighths = np.ldexp(np.array(grid, dtype=np.float64), format.lsb_exponent - 3)
    for rounding, overflow in policies(format):
        expected = [reference(Fraction(k) * format.lsb / 8, format, rounding, overflow) for k in grid]
        assert sim.encode(eighths, format, rounding, overflow).tolist() == expected
        narrow = eighths.astype(np.float32)
        kept = narrow == eighths
        many = np.tile(narrow[kept], 5000 // kept.sum() + 1)  # those are looked up
        found = sim.encode(many, format, rounding, overflow)
        assert found.tolist() == np.resize(np.array(expected)[kept], len(many)).tolist()
        infinite = [reference(sign * np.inf, format, rounding, overflow) for sign in (-1, 1)]
        assert sim.encode(np.array([-np.inf, np.inf]), format, rounding, overflow).tolist() == infinite
        nearly = np.nextafter(eighths, np.inf), np.nextafter(eighths, -np.inf)
        for values in nearly:
            exact = [reference(Fraction(float(value)), format, rounding, overflow) for value in values[::7]]
            assert sim.encode(values[::7], format, rounding, overflow).tolist() == exact


@pytest.mark.parametrize("format", TOYS, ids=str)
def test_products_and_sums_of_a_kind_of_its_own_are_exact(format):
    other = parse("int4")
    finite = np.array([code for code, integer in enumerate(format.integers) if integer is not None])
    w, a = (codes.ravel() for codes in np.meshgrid(finite, np.arange(16), indexing="ij"))
    product = sim.multiply(w, a, format, other)
    assert product.integers.tolist() == [format.integer(x) * other.integer(y) for x, y in zip(w, a, strict=True)]
    assert product.lsb_exponent == format.lsb_exponent
    total = sim.dot(w, w[::-1], format, format)
    assert int(total.integers) == sum(format.integer(x) * format.integer(y) for x, y in zip(w, w[::-1], strict=True))


def has_table(format):
    """Of all codes, and of 40 bits at most."""
    return format.code_count == 1 << format.width and max(map(abs, format.beyond)).bit_length() <= 40


@each_of("format", [f for f in catalog() if f.width <= 8 and f.kind != "table" and has_table(f)])
def test_the_golden_model_does_known_kinds_as_their_tables_say(format):
    table = Table.of(format)
    codes = np.arange(1 << format.width)
    np.testing.assert_array_equal(*(signs(sim.decode(codes, one)) for one in (format, table)))
    assert (table.has_nan, table.has_infinity, table.has_zero) == (
        *(format.has_nan, format.has_infinity, format.has_zero),
    )
    assert (table.max_integer, table.min_integer) == (format.max_integer, format.min_integer)
    assert table.filler == format.filler or not format.has_zero
    assert table.has_negative_zero == format.has_negative_zero and table.min_subnormal == format.min_subnormal
    assert table.has_sign_bit == format.has_sign_bit or not format.finite or not format.has_zero
    values = np.unique([float(value) for value in finite_values(format).values()])
    places = [2 * values[0] - values[1], *values, 2 * values[-1] - values[-2]]
    middles = (np.array(places[1:]) + np.array(places[:-1])) / 2
    tried = np.concatenate([places, middles, *(np.nextafter(middles, end) for end in (np.inf, -np.inf))])
    tried = np.concatenate([tried, [0.0, -0.0, 1e-300, -1e-300, 1e300, -1e300, np.inf, -np.inf, -0.4, -0.6]])
    for rounding, overflow in policies(format):
        one, other = (sim.decode(sim.encode(tried, each, rounding, overflow), each) for each in (format, table))
        np.testing.assert_array_equal(signs(one), signs(other))


def signs(values):
    """Values and their signs, which zeros and infinities have too and NaN has not."""
    return np.where(np.isnan(values), np.nan, values), np.signbit(values) & ~np.isnan(values)


def codes_out(unit, payloads):
    """What a stream unit makes of payloads, one a cycle."""
    seen = []

    async def testbench(ctx):
        ctx.set(unit.o.ready, 1)
        ctx.set(unit.i.valid, 1)
        for cycle in range(len(payloads) + unit.latency):
            if cycle < len(payloads):
                ctx.set(unit.i.payload, payloads[cycle])
            await ctx.tick()
            if cycle + 1 >= unit.latency and len(seen) < len(payloads):
                seen.append(ctx.get(unit.o.payload.code))

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(testbench)
    simulator.run()
    return seen


def combinational(component, inputs, outputs):
    """What a component without a clock shows for every set of inputs."""
    seen = []

    async def testbench(ctx):
        for values in inputs:
            for name, value in values.items():
                ctx.set(getattr(component, name), int(value))
            await ctx.delay(1e-9)
            seen.append(tuple(ctx.get(getattr(component, name)) for name in outputs))

    simulator = Simulator(component)
    simulator.add_testbench(testbench)
    simulator.run()
    return seen


@pytest.mark.parametrize(
    "format", [*TOYS, *NAMED, *(Table.of(parse(name)) for name in ["e2m1", "ue2m2", "int3", "int1"])], ids=str
)
def test_the_hardware_decodes_and_multiplies_by_the_table(format):
    names = [name for name in ("nan", "infinity") if getattr(format, f"has_{name}")]
    codes = range(1 << format.width)
    found = combinational(Decode(format), [{"code": code} for code in codes], ["sign", "significand", "shift", *names])
    for code, (sign, significand, shift, *marks) in zip(codes, found, strict=True):
        special = format.special(code)
        marked = dict(zip(names, marks, strict=True))
        assert (marked.get("nan", 0), marked.get("infinity", 0)) == (special == NAN, special in (UP, DOWN))
        if special in (UP, DOWN):
            assert sign == (special == DOWN)
        if special is None:
            assert (-1) ** sign * (significand << shift) == format.integer(code)
    for other in (format, parse("e2m1")):
        small = format.width + other.width <= 8 and format.precision + other.precision <= 10
        check_products(format, other, BUILDS if small else ["auto"])
    check_products(parse("float8_e3m4" if format.width < 3 else "int2"), format, ["auto"])


def check_products(weight, activation, builds):
    """All products, made in all these ways side by side."""
    m = Module()
    inputs = Signal(weight.width), Signal(activation.width)
    units = [Design("multiply", weight, activation, pipeline=0, build=build).component() for build in builds]
    for build, unit in zip(builds, units, strict=True):
        m.submodules[build] = unit
        m.d.comb += [unit.weight.eq(inputs[0]), unit.activation.eq(inputs[1])]
    pairs = [(w, a) for w in range(1 << weight.width) for a in range(1 << activation.width)]
    golden = sim.multiply(*map(np.array, zip(*pairs, strict=True)), weight, activation)
    masks = [getattr(golden, name) for name in units[0].special_names]

    async def testbench(ctx):
        for k, (w, a) in enumerate(pairs):
            ctx.set(inputs[0], w)
            ctx.set(inputs[1], a)
            await ctx.delay(1e-9)
            flags = [0 if mask is None else int(mask[k]) for mask in masks]
            for build, unit in zip(builds, units, strict=True):
                assert [ctx.get(getattr(unit, name)) for name in unit.special_names] == flags, (build, w, a)
                # The integer means nothing beside a flag.
                assert any(flags) or ctx.get(unit.product) == golden.integers[k], (build, w, a)

    simulator = Simulator(m)
    simulator.add_testbench(testbench)
    simulator.run()


def interesting(format):
    """Values in eighths of the lowest bit: of all places, those in the middle, and next to each."""
    below, above = format.beyond
    places = [2 * below - 8, below, *(integer for integer, _ in format.ordered), above, 2 * above + 8, 0]
    middles = [4 * (one + other) for one, other in pairwise(places)]
    return sorted({place + off for place in (*middles, *(8 * place for place in places)) for off in (-1, 0, 1)})


@pytest.mark.parametrize("format", [*TOYS, *NAMED, *(Table.of(parse(name)) for name in KNOWN)], ids=str)
def test_the_hardware_rounds_to_the_nearest_of_the_table(format):
    """All policies, with every flag, bias, scale and ReLU; toy8 by every value that there is."""
    tried = interesting(format) if format != TOYS[0] else list(range(-640, 640))
    source = FixedPoint(max(map(abs, tried)).bit_length() + 1, True, format.lsb_exponent - 3, SPECIALS)
    integers = np.array([0, 0, 0, *tried])
    flags = {name: np.arange(len(integers)) == k for k, name in enumerate(SPECIALS)}
    for k, (rounding, overflow) in enumerate(policies(format)):
        how = Requantization(format, rounding=rounding, overflow=overflow, relu=k % 3 == 2)
        given = {}
        if k % 2:
            how = replace(how, scale=parse("e2m0"), bias_bits=4)
            given = {"scale": np.arange(len(integers)) * 5 % 8, "bias": np.arange(len(integers)) % 16 - 8}
        golden = sim.requantize(sim.Exact(integers, source.lsb_exponent, **flags), how, **given)
        columns = {"accumulator": integers, **{name: flag.astype(int) for name, flag in flags.items()}, **given}
        payloads = [{name: int(values[k]) for name, values in columns.items()} for k in range(len(integers))]
        assert codes_out(Requantize(source, how), payloads) == golden.tolist(), how
        if format in TOYS or format in NAMED:
            values = [Fraction(int(integer)) * format.lsb / 8 for integer in integers]
            if given:
                scales = [parse("e2m0").value(int(code)) for code in given["scale"]]
                values = [
                    (value + int(bias) * format.lsb / 8) * scale
                    for value, bias, scale in zip(values, given["bias"], scales, strict=True)
                ]
            values = [max(value, Fraction(0)) if how.relu else value for value in values]
            assert golden[3:].tolist() == [reference(value, format, rounding, overflow) for value in values[3:]]


@pytest.mark.parametrize("name", ["e2m1", "uint4", "sm3", "ue2m2"])
def test_hardware_by_the_table_is_that_of_a_known_kind(name):
    known, table = parse(name), Table.of(parse(name))
    source = FixedPoint(9, True, known.lsb_exponent - 2)
    payloads = [{"accumulator": integer} for integer in range(-256, 256)]
    units = [Requantize(source, Requantization(format)) for format in (known, table)]
    assert codes_out(units[0], payloads) == codes_out(units[1], payloads)


def test_codes_of_a_kind_of_its_own_are_scaled_and_are_scales():
    toy = TOYS[0]
    codes = np.arange(8)
    for source, how in (
        (toy, Requantization(parse("int6"), parse("e3m2"))),
        (parse("e2m1"), Requantization(parse("e4m3"), toy)),
        (toy, Requantization(toy, toy)),
        (TOYS[5], Requantization(TOYS[5], TOYS[5])),
    ):
        scale = how.scale
        pairs = [(code, by) for code in range(1 << source.width) for by in range(1 << scale.width)]
        codes, scales = map(np.array, zip(*pairs, strict=True))
        golden = sim.dequantize(codes, source, how, scale=scales)
        payloads = [{"code": code, "scale": by} for code, by in pairs]
        assert codes_out(Requantize(source, how), payloads) == golden.tolist()
        exact = [source.value(code) * scale.value(by) for code, by in pairs]
        again = sim.encode(np.array([float(value) for value in exact]) + 0.0, how.output)
        assert golden.tolist() == again.tolist()


def test_codes_that_are_infinite_keep_their_sign_when_they_are_scaled():
    """In two's complement as well, where no sign stands beside the significand."""
    source, scale = TOYS[1], parse("int2")
    assert not source.has_sign_bit
    how = Requantization(parse("float8_e5m2"), scale, overflow=Overflow.INFINITY)
    pairs = [(code, by) for code in range(8) for by in range(4)]
    codes, scales = map(np.array, zip(*pairs, strict=True))
    found = codes_out(Requantize(source, how), [{"code": code, "scale": by} for code, by in pairs])
    assert found == sim.dequantize(codes, source, how, scale=scales).tolist()
    ends = [how.output.special_codes[name] for name in (DOWN, UP)]
    assert [found[pairs.index((6, by))] for by in (1, 3)] == ends  # minus infinity times 1, and times -1


def test_a_zero_with_a_minus_sign_alone_is_the_zero_of_its_table():
    table = Table("minus", ("-0", 1, 3, -2))
    assert table.has_zero and table.zero_code == table.negative_zero == 0
    values = [0.0, -0.0, 0.25, -0.25, 0.75, -0.75, -1.75, 2.5]
    assert sim.encode(values, table).tolist() == [0, 0, 0, 0, 1, 0, 3, 2]
    source, how = FixedPoint(5, True, -2), Requantization(table)
    golden = sim.requantize(sim.Exact(np.arange(-16, 16), -2), how).tolist()
    assert codes_out(Requantize(source, how), [{"accumulator": integer} for integer in range(-16, 16)]) == golden


@pytest.mark.parametrize("rounding", [Rounding.TIES_TO_EVEN, Rounding.TOWARD_ZERO])
def test_what_overflows_to_a_least_value_of_zero_has_no_sign(rounding):
    how = Requantization(Table("positive", (0, "-0", 1, 3)), rounding=rounding)
    golden = sim.requantize(sim.Exact(np.arange(-64, 32), -2), how).tolist()
    payloads = [{"accumulator": integer} for integer in range(-64, 32)]
    assert codes_out(Requantize(FixedPoint(7, True, -2), how), payloads) == golden
    assert golden[:60] == [0] * 60 and golden[63] == 1


@pytest.mark.parametrize("format", TOYS, ids=str)
def test_json_carries_the_table(format):
    described = format.describe()
    assert described["encoding"] == "table" and len(described["table"]) == 1 << format.width
    found = read_format(described)
    assert (found.entries, found.lsb_exponent, found.width) == (format.entries, format.lsb_exponent, format.width)
    assert Design("mac", format, parse("int4")).description()["weight"] == described


def test_a_table_has_to_be_that_of_its_name():
    described = parse("bipolar").describe() | {"table": [1, -1]}
    with pytest.raises(ValueError, match=r"^table of bipolar must be the one that the name stands for, not another$"):
        read_format(described)
    assert read_format("e2m1") == read_format(parse("e2m1").describe()) == parse("e2m1")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("x", (1, 2, 3)), r"table must have 2, 4, 8 and so on up to 2\*\*16 entries, not 3"),
        (("x", (1, 0.5)), "table must be of integers, NaN, Infinity, -Infinity and -0, not 0.5"),
        (("x", (NAN, UP)), "table must have a finite entry, not special values alone"),
        (("x", (0, 1), 1.5), "lsb_exponent must be an integer, not 1.5"),
    ],
)
def test_a_table_says_what_it_must_be(arguments, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        Table(*arguments)


def test_what_a_table_cannot_do_is_refused():
    toy = TOYS[0]
    with pytest.raises(ValueError, match="rounding must be 'ties_to_even' or 'toward_zero' for toy8, whose steps"):
        sim.encode(1.0, toy, Rounding.STOCHASTIC, seed=1)
    with pytest.raises(ValueError, match=r"overflow must be 'wrap' for .* only, not for toy8"):
        Requantization(toy, overflow=Overflow.WRAP)
    with pytest.raises(ValueError, match=r"zero_point must be False except for .*, not for toy8"):
        Requantization(toy, zero_point=True)
    wide = Table("wide", tuple(range(512)))
    with pytest.raises(
        ValueError, match=r"^an output that hardware encodes by its table must have at most 8 bits, not 9"
    ):
        Requantize(FixedPoint(12, True, 0), Requantization(wide))
    with pytest.raises(
        ValueError, match=r"^a format that hardware decodes by its table must have at most 12 bits, not 13"
    ):
        Design("decode", Table("wider", tuple(range(1 << 13)))).component()
    with pytest.raises(ValueError, match=r"^weight must be a format of numbers, not of scales as dyadic4s2$"):
        Design("mac", parse("dyadic4s2"))
    with pytest.raises(ValueError, match=r"^format must have a code for every pattern to be a table, not int4s$"):
        Table.of(parse("int4s"))
