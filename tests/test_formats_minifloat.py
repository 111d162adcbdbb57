"""Minifloats: every code's fields and value against their definition, the limits, and what may not be built."""

import pickle
from dataclasses import FrozenInstanceError
from fractions import Fraction

import pytest
from each_of import each_of
from fewbit.formats import Fields, Format, Minifloat, Special, Specials, parse, study_formats

SMALL = [format for format in study_formats(2, *range(3, 9)) if isinstance(format, Minifloat)]
NAMED = [
    *("float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2"),
    *("float8_e5m2fnuz", "float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn", "bfloat16", "float16"),
]
MORE = ["e4m3b11", "e4m3b-3", "e2m1b400", "e8m0b-400", "ue4m3", "ue2m0", "ue1m4b5", "e5m10", "e8m7"]
ALL = [*SMALL, *map(parse, NAMED), *map(parse, MORE)]


def finite_codes(format: Format) -> list[int]:
    return [code for code in format.codes if format.special(code) is None]


@pytest.mark.parametrize("format", ALL, ids=str)
def test_every_code_has_the_value_that_its_bits_define(format: Minifloat) -> None:
    assert format.width == format.has_sign + format.exponent_bits + format.fraction_bits
    unit = Fraction(2) ** format.lsb_exponent
    steps = {
        exponent: Fraction(2) ** (exponent - format.bias - format.fraction_bits)
        for exponent in range(1 << format.exponent_bits)
    }
    for code in format.codes:
        bits = f"{code:0{format.width}b}"
        sign = int(bits[0]) if format.has_sign else None
        exponent = int(bits[format.has_sign : format.has_sign + format.exponent_bits], 2)
        fraction = int(bits[format.has_sign + format.exponent_bits :] or "0", 2)
        assert format.fields(code) == Fields(sign, exponent, fraction)
        if format.special(code) is None:
            subnormal = exponent == 0 and format.subnormals
            significand = fraction + (0 if subnormal else 1 << format.fraction_bits)
            expected = (-significand if sign else significand) * (steps[1] if subnormal else steps[exponent])
            assert format.value(code) == expected == format.integer(code) * unit
            assert format.integers[code] == format.integer(code)
        else:
            assert format.integers[code] is None


@each_of("format", ALL)
def test_limits_are_those_of_the_codes(format: Minifloat) -> None:
    finite = finite_codes(format)
    integers = [format.integer(code) for code in finite]
    values = [format.value(code) for code in finite]
    assert (format.min_integer, format.max_integer) == (min(integers), max(integers))
    assert (format.min_finite, format.max_finite) == (min(values), max(values))
    assert format.min_subnormal == min(value for value in values if value > 0)
    assert format.signed == (min(integers) < 0)
    assert format.has_zero == (0 in integers)
    assert format.code_count == len(format.codes) == 1 << format.width
    specials = {format.special(code) for code in format.codes}
    assert format.has_nan == (Special.NAN in specials)
    assert format.has_infinity == (Special.POSITIVE_INFINITY in specials)
    assert format.finite == (specials == {None})
    longest = max(
        (abs(integer) >> (abs(integer) & -abs(integer)).bit_length() - 1).bit_length()
        for integer in integers
        if integer
    )
    assert format.precision >= longest
    if len(values) > 4:
        assert format.precision == longest


@pytest.mark.parametrize(
    ("name", "nan", "positive", "negative"),
    [
        ("float8_e5m2", [*range(0x7D, 0x80), *range(0xFD, 0x100)], [0x7C], [0xFC]),
        ("float8_e4m3", [*range(0x79, 0x80), *range(0xF9, 0x100)], [0x78], [0xF8]),
        ("float8_e4m3fn", [0x7F, 0xFF], [], []),
        ("float8_e4m3fnuz", [0x80], [], []),
        ("float8_e8m0fnu", [0xFF], [], []),
        ("float4_e2m1fn", [], [], []),
        ("e4m3", [], [], []),
    ],
)
def test_special_codes(name: str, nan: list[int], positive: list[int], negative: list[int]) -> None:
    format = parse(name)
    for special, codes in (
        (Special.NAN, nan),
        (Special.POSITIVE_INFINITY, positive),
        (Special.NEGATIVE_INFINITY, negative),
    ):
        assert [code for code in format.codes if format.special(code) == special] == codes


def test_published_limits() -> None:
    """OCP FP8 1.0 and OCP MX 1.0, tables of the formats' limits."""
    assert parse("float8_e4m3fn").max_finite == 448
    assert parse("float8_e5m2").max_finite == 57344
    assert parse("float8_e4m3fn").min_subnormal == Fraction(1, 512)
    assert parse("float8_e5m2").min_subnormal == Fraction(1, 65536)
    assert parse("float6_e3m2fn").max_finite == 28
    assert parse("float6_e2m3fn").max_finite == Fraction(15, 2)
    assert parse("float4_e2m1fn").max_finite == 6
    assert parse("float8_e8m0fnu").max_finite == 2**127
    assert parse("float16").max_finite == 65504
    assert parse("float32").max_finite == 2**128 - 2**104
    assert parse("float32").lsb_exponent == -149
    assert parse("e4m3").max_finite == 480


def test_wide_formats_have_no_table() -> None:
    with pytest.raises(ValueError, match=r"a table of codes must have at most 16 bits, not 32 \(float32\)"):
        _ = parse("float32").integers


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"exponent_bits": 0, "fraction_bits": 3},
            "exponent bits must be 1 to 8, not 0; without an exponent it is sm4",
        ),
        (
            {"exponent_bits": 0, "fraction_bits": 3, "has_sign": False},
            "exponent bits must be 1 to 8, not 0; without an exponent it is uint3",
        ),
        ({"exponent_bits": 9, "fraction_bits": 3}, "exponent bits must be 1 to 8, not 9"),
        ({"exponent_bits": 4, "fraction_bits": 24}, "fraction bits must be 0 to 23, not 24"),
        ({"exponent_bits": 4, "fraction_bits": -1}, "fraction bits must be 0 to 23, not -1"),
        ({"exponent_bits": 4, "fraction_bits": 3, "bias": 401}, "bias must be -400 to 400, not 401"),
        (
            {"exponent_bits": 4, "fraction_bits": 3, "specials": Specials.FNUZ, "has_sign": False, "alias": "x"},
            "specials must not be FNUZ without a sign: there is no negative zero to use for NaN",
        ),
        (
            {"exponent_bits": 4, "fraction_bits": 3, "specials": Specials.FN},
            "alias must be given for a minifloat with specials or without subnormals, not None",
        ),
        (
            {"exponent_bits": 4, "fraction_bits": 3, "subnormals": False},
            "alias must be given for a minifloat with specials or without subnormals, not None",
        ),
    ],
)
def test_what_cannot_be_is_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError) as error:
        Minifloat(**arguments)  # type: ignore[arg-type]
    assert str(error.value) == message


def test_codes_out_of_range_are_refused() -> None:
    for code in (-1, 256):
        for ask in (parse("e4m3").fields, parse("e4m3").special, parse("e4m3").integer, parse("e4m3").value):
            with pytest.raises(ValueError, match=rf"code must be 0 to 255 for e4m3, not {code}"):
                ask(code)


def test_a_special_code_is_no_integer() -> None:
    with pytest.raises(ValueError, match=r"code must be finite to be an integer, not 255 \(NaN in float8_e4m3fn\)"):
        parse("float8_e4m3fn").integer(255)


def test_names_and_bias() -> None:
    assert Minifloat(4, 3) == Minifloat(4, 3, 7) == parse("e4m3b7")
    assert Minifloat(4, 3).bias == 7 and Minifloat(4, 3, 7).name == "e4m3" and Minifloat(4, 3, 11).name == "e4m3b11"
    assert Minifloat(2, 1, has_sign=False).name == "ue2m1"
    assert str(parse("bfloat16")) == "bfloat16" and repr(parse("e4m3b11")) == "Minifloat('e4m3b11')"


@each_of("format", ALL)
def test_formats_are_values(format: Minifloat) -> None:
    _ = format.integers  # what is cached must not change equality
    copy = pickle.loads(pickle.dumps(format))
    assert copy == format and hash(copy) == hash(format) and {format: 1}[copy] == 1
    with pytest.raises(FrozenInstanceError):
        format.bias = 3  # type: ignore[misc]


def test_without_subnormals_the_hidden_bit_is_always_there():
    format = Minifloat(3, 1, subnormals=False, has_sign=False, alias="normal")
    values = [format.value(code) for code in format.codes]
    assert (min(values), max(values)) == (format.min_finite, format.max_finite)
    assert format.min_subnormal == min(values) and format.min_integer == 2
