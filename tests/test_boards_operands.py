"""What a board takes as values: those of its formats, infinities and NaN among them; and what it does not."""

import ml_dtypes
import numpy as np
import pytest
from fewbit.boards.host.operands import check_operands
from fewbit.formats import Engine, Requantization, parse

E5M2 = ml_dtypes.float8_e5m2


def engine_of(weight, activation):
    output = Requantization(parse("float32"))
    return Engine(parse(weight), parse(activation), output, rows=1, columns=1, tile_m=1, max_k=4)


@pytest.mark.parametrize("rounded", [False, True])
def test_every_value_of_a_format_is_taken(rounded):
    values = np.arange(256, dtype=np.uint8).view(E5M2).astype(np.float64)
    _, codes, _ = check_operands(engine_of("float8_e5m2", "int4"), [[1]], [values], rounded=rounded)
    found = codes.astype(np.uint8).view(E5M2).astype(np.float64)[0]
    np.testing.assert_array_equal(found, values)
    assert (np.signbit(found) == np.signbit(values))[~np.isnan(values)].all()


def test_an_infinity_is_a_value_of_formats_that_have_it():
    a, w = [[1.0, -np.inf]], [[np.inf], [np.nan]]
    x, y, _ = check_operands(engine_of("float8_e5m2", "float8_e5m2"), a, w)
    assert x.tolist() == [[0x3C, 0xFC]] and y[0, 0] == 0x7C and np.isnan(y.view(E5M2)[1, 0])
    with pytest.raises(ValueError, match=r"w\[0, 0\] must be a value of the engine's float8_e4m3fn, not inf"):
        check_operands(engine_of("float8_e4m3fn", "float8_e5m2"), a, w)
    with pytest.raises(ValueError, match=r"a\[0, 1\] must be a value of the engine's int4, not -inf"):
        check_operands(engine_of("float8_e5m2", "int4"), a, w)
    x, y, _ = check_operands(engine_of("float8_e4m3fn", "int4"), a, w, rounded=True)
    assert x.tolist() == [[1, 0x8]] and y[0, 0] == 0x7E


@pytest.mark.parametrize("codes", [False, True])
def test_shapes_come_before_values(codes):
    """Swapped matrices are told as such, not as values that would have to be rounded."""
    a, w = np.full((2, 4), 99), np.full((3, 2), 0.5)
    with pytest.raises(ValueError, match=r"a and w must be of shapes .*, not \(2, 4\) and \(3, 2\)"):
        check_operands(engine_of("int4", "int4"), a, w, codes=codes)


@pytest.mark.parametrize(
    "a, w, codes, message",
    [
        (["x"], [[1]], False, "a: values must be real numbers of at most 64 bits, not <U1"),
        ([[1]], [[1j]], False, "w: values must be real numbers of at most 64 bits, not complex128"),
        ([[1]], [[16]], True, "w: code must be 0 to 15 for int4, not 16"),
        ([[1.0]], [[1]], True, "a: codes must be integers, not float64"),
    ],
)
def test_messages_say_which_matrix(a, w, codes, message):
    with pytest.raises(ValueError, match=message):
        check_operands(engine_of("int4", "int4"), a, w, codes=codes)


def test_masked_values_are_none():
    masked = np.ma.masked_array([[1, 2]], mask=[[False, True]])
    for codes in (False, True):
        with pytest.raises(ValueError, match="a must have a value everywhere, and 1 of 2 are masked"):
            check_operands(engine_of("int4", "int4"), masked, [[1], [1]], codes=codes)
    whole = np.ma.masked_array([[1, 2]], mask=False)
    x, _, _ = check_operands(engine_of("int4", "int4"), whole, [[1], [1]])
    assert x.tolist() == [[1, 2]]
