"""Integers of every encoding: every code against Python's own reading of the bits, and what may not be built."""

import pickle
from dataclasses import FrozenInstanceError

import pytest
from each_of import each_of
from fewbit.formats import Fields, Format, Integer, SignMagnitude

WIDTHS = range(1, 17)


@each_of("bits", WIDTHS)
def test_twos_complement(bits: int) -> None:
    format = Integer(bits)
    size = -(-bits // 8)
    for code in format.codes:
        extended = code - (1 << bits) if f"{code:0{bits}b}"[0] == "1" else code
        assert int.from_bytes(extended.to_bytes(size, "little", signed=True), "little") & ((1 << bits) - 1) == code
        assert format.integer(code) == extended == format.integers[code] == format.value(code)
        assert format.fields(code) == Fields(int(extended < 0), None, code)
    assert (format.name, format.width, format.lsb_exponent) == (f"int{bits}", bits, 0)


@each_of("bits", WIDTHS)
def test_unsigned(bits: int) -> None:
    format = Integer(bits, unsigned=True)
    assert [format.integer(code) for code in format.codes] == list(range(1 << bits))
    assert format.fields(1) == Fields(None, None, 1)
    assert format.name == f"uint{bits}" and not format.signed and format.precision == bits


@pytest.mark.parametrize("bits", WIDTHS[1:])
def test_symmetric(bits: int) -> None:
    format, whole = Integer(bits, symmetric=True), Integer(bits)
    left_out = 1 << bits - 1
    assert set(whole.codes) - set(format.codes) == {left_out}
    assert all(format.integer(code) == whole.integer(code) for code in whole.codes)
    assert format.code_count == len(format.codes) == (1 << bits) - 1
    assert format.name == f"int{bits}s" and format.min_integer == -format.max_integer


@pytest.mark.parametrize("bits", WIDTHS[1:])
def test_sign_magnitude(bits: int) -> None:
    format = SignMagnitude(bits)
    for code in format.codes:
        sign, magnitude = f"{code:0{bits}b}"[0], int(f"{code:0{bits}b}"[1:], 2)
        assert format.fields(code) == Fields(int(sign), None, magnitude)
        assert format.integer(code) == (-magnitude if sign == "1" else magnitude)
    assert format.name == f"sm{bits}" and format.code_count == 1 << bits and format.precision == bits - 1


def every_integer() -> list[Format]:
    return [
        *(Integer(bits) for bits in WIDTHS),
        *(Integer(bits, unsigned=True) for bits in WIDTHS),
        *(Integer(bits, symmetric=True) for bits in WIDTHS[1:]),
        *(SignMagnitude(bits) for bits in WIDTHS[1:]),
    ]


@each_of("format", every_integer())
def test_limits_are_those_of_the_codes(format: Format) -> None:
    integers = [format.integer(code) for code in format.codes]
    assert (format.min_integer, format.max_integer) == (min(integers), max(integers))
    assert (format.min_finite, format.max_finite) == (min(integers), max(integers))
    assert format.signed == (min(integers) < 0)
    assert format.finite and format.has_zero and not format.has_nan and not format.has_infinity
    assert format.min_subnormal == 1
    assert {format.special(code) for code in format.codes} == {None}
    assert format.precision == max(1, format.max_integer.bit_length())


@each_of("format", every_integer())
def test_formats_are_values(format: Format) -> None:
    copy = pickle.loads(pickle.dumps(format))
    assert copy == format and hash(copy) == hash(format) and str(format) == format.name
    with pytest.raises(FrozenInstanceError):
        format.bits = 3  # type: ignore[attr-defined]


def test_encodings_differ() -> None:
    assert len({Integer(4), Integer(4, unsigned=True), Integer(4, symmetric=True), SignMagnitude(4)}) == 4


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Integer(0), "width of int0 must be 1 to 16 bits, not 0"),
        (lambda: Integer(17), "width of int17 must be 1 to 16 bits, not 17"),
        (lambda: Integer(17, unsigned=True), "width of uint17 must be 1 to 16 bits, not 17"),
        (lambda: Integer(1, symmetric=True), "width of int1s must be 2 to 16 bits, not 1"),
        (lambda: Integer(4, unsigned=True, symmetric=True), "an integer must be unsigned or symmetric, not both"),
        (lambda: SignMagnitude(1), "width of sm1 must be 2 to 16 bits, not 1"),
        (lambda: SignMagnitude(17), "width of sm17 must be 2 to 16 bits, not 17"),
        (lambda: Integer(4).integer(16), "code must be 0 to 15 for int4, not 16"),
        (lambda: Integer(4).fields(-1), "code must be 0 to 15 for int4, not -1"),
        (lambda: SignMagnitude(4).fields(16), "code must be 0 to 15 for sm4, not 16"),
        (lambda: Integer(4).special(16), "code must be 0 to 15 for int4, not 16"),
    ],
)
def test_what_cannot_be_is_refused(build, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError) as error:
        build()
    assert str(error.value) == message
