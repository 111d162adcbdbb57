"""The codec against code that is not ours: every code of every format that ml_dtypes, gfloat or NumPy has, both ways.

Encoding is tried where rounding can go wrong: at every value, at every midpoint, one step of the input format beside
each, between the least value and zero, and around and beyond the largest value: some 10**6 inputs for 16 bits.
"""

from typing import Any

import gfloat
import ml_dtypes
import numpy as np
import pytest
from each_of import each_of
from fewbit.formats import Format, Integer, Minifloat, Overflow, Rounding, SignMagnitude, Specials, parse, study_formats
from fewbit.sim import decode, encode
from gfloat.formats import (
    format_info_binary32,
    format_info_ocp_e2m1,
    format_info_ocp_e2m3,
    format_info_ocp_e3m2,
    format_info_ocp_e4m3,
    format_info_ocp_e5m2,
    format_info_ocp_e8m0,
)
from numpy.typing import NDArray

Floats = NDArray[Any]

FLOATS = [
    *("float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2"),
    *("float8_e5m2fnuz", "float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn", "bfloat16", "float16"),
]
INTEGERS = ["int2", "int4", "uint2", "uint4"]
OTHERS = ["e4m3b11", "e4m3b-3", "e5m10", "e6m9", "e8m7", "ue4m3", "ue2m0", *(f"sm{n}" for n in (2, 5, 8, 16))]
GFLOAT = [
    *study_formats(2, *range(3, 9)),
    *map(parse, [*FLOATS, *OTHERS, "int9", "int12", "int16"]),
]


def dtype_of(name: str) -> np.dtype[Any]:
    return np.dtype(name) if name in ("float16", "float32") else np.dtype(getattr(ml_dtypes, name))


def own_overflow(format: Format) -> Overflow:
    """What ml_dtypes and, without saturation, gfloat do on overflow."""
    return Overflow.INFINITY if format.has_infinity else Overflow.NAN if format.has_nan else Overflow.SATURATE


def every_code(format: Format) -> NDArray[Any]:
    return np.arange(1 << format.width, dtype=np.uint32)


def rounding_points(format: Format, dtype: Any, midpoints_of_ones: bool = True) -> Floats:
    """Finite inputs of type ``dtype`` where rounding could go wrong, in both signs."""
    values = decode(every_code(format), format)
    steps = np.unique(np.abs(values[np.isfinite(values)]))
    last = steps[-1] - steps[-2] if len(steps) > 1 else steps[-1]
    if isinstance(format, Minifloat) and format.fraction_bits == 0:
        last = steps[-1]  # the next value would be twice as large
    steps = np.concatenate([[0.0], steps, [steps[-1] + last, steps[-1] + 2 * last]])
    middles = (steps[1:] + steps[:-1]) / 2
    beyond = steps[-1] * np.array([1.5, 2.0, 1024.0, 1e10])
    least = np.array([2.0**-126, 2.0**-130, 2.0**-149, 2.0**-1074])
    with np.errstate(over="ignore", under="ignore"):
        points = np.concatenate([steps, (steps[1:] * 3 + steps[:-1]) / 4, beyond, least]).astype(dtype)
        ties = middles.astype(dtype)
        points = np.concatenate([points, np.nextafter(points, dtype(np.inf)), np.nextafter(points, dtype(0))])
        aside = np.concatenate([np.nextafter(ties, dtype(np.inf)), np.nextafter(ties, dtype(0))])
    if midpoints_of_ones:
        points = np.concatenate([points, ties])
    points = np.concatenate([points, aside])
    points = points[np.isfinite(points)]
    return np.concatenate([points, -points])


def assert_same_codes(ours: Floats, theirs: Floats, values: Floats, format: Format) -> None:
    different = np.flatnonzero(ours.astype(np.int64) != theirs.astype(np.int64))
    shown = [(float(values[i]), int(ours[i]), int(theirs[i])) for i in different[:5]]
    assert not different.size, f"{format.name}: {different.size} codes differ; (value, ours, theirs) {shown}"


# Casting a signalling NaN makes NumPy warn.
pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered in cast")


@each_of("name", [*FLOATS, *INTEGERS])
def test_every_code_decodes_as_in_ml_dtypes(name: str) -> None:
    format, dtype = parse(name), dtype_of(name)
    codes = every_code(format).astype(np.uint8 if dtype.itemsize == 1 else np.uint16)
    theirs = codes.view(dtype).astype(np.float64)
    ours = decode(codes, format)
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(np.signbit(ours[~np.isnan(ours)]), np.signbit(theirs[~np.isnan(ours)]))


@each_of("name", FLOATS)
@each_of("source", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_rounding_of_floats_as_in_ml_dtypes(name: str, source: Any) -> None:
    format, dtype = parse(name), dtype_of(name)
    if source is np.float32:
        values: Floats = rounding_points(format, np.float32)
    else:
        values = np.arange(1 << 16, dtype=np.uint16).view(source)  # all there are
    specials = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -np.nan]).astype(source)
    values = np.concatenate([values, specials])
    if not format.has_nan:
        values = values[~np.isnan(values.astype(np.float64))]
    if name == "float8_e8m0fnu":
        # ml_dtypes 0.5 and 0.6 round subnormals up to 2**-126 from anywhere above 2**-127, not from the midpoint on.
        magnitude = np.abs(values.astype(np.float64))
        values = values[~((magnitude > 2.0**-127) & (magnitude < 1.5 * 2.0**-127))]
    with np.errstate(all="ignore"):
        theirs = values.astype(dtype).view(np.uint8 if dtype.itemsize == 1 else np.uint16)
    ours = encode(values, format, overflow=own_overflow(format))
    is_nan = np.isnan(values.astype(np.float64))
    if dtype in (np.float16, source):  # these casts keep the payload of a NaN
        assert np.isnan(decode(ours[is_nan], format)).all()
        ours, theirs, values = ours[~is_nan], theirs[~is_nan], values[~is_nan]
    assert_same_codes(ours, theirs, values.astype(np.float64), format)


@pytest.mark.parametrize("name", ["float16", "float32"])
def test_rounding_of_float64_as_in_numpy(name: str) -> None:
    format, dtype = parse(name), np.dtype(name)
    random = np.random.default_rng(0)
    bits = random.integers(0, 1 << 64, 1 << 16, dtype=np.uint64)
    near = (random.integers(0, 1 << 32, 1 << 16, dtype=np.uint64) << np.uint64(32)) & ~np.uint64(0x1FFFFFFF)
    exponents = np.uint64(1023 - 160) + random.integers(0, 320, 1 << 16, dtype=np.uint64)
    near = (near & ~np.uint64(0x7FF << 52)) | exponents << np.uint64(52)
    ties = near | np.uint64(1 << 28)
    values = np.concatenate([bits, near, ties, ties + np.uint64(1), ties - np.uint64(1)]).view(np.float64)
    values = np.concatenate([values[~np.isnan(values)], [0.0, -0.0, np.inf, -np.inf, 5e-324]])
    if name == "float16":
        values = np.concatenate([values, rounding_points(format, np.float64)])
    with np.errstate(all="ignore"):
        theirs = values.astype(dtype).view(f"u{dtype.itemsize}")
    assert_same_codes(encode(values, format, overflow=Overflow.INFINITY), theirs, values, format)


def test_float32_decodes_as_in_numpy() -> None:
    bits = np.random.default_rng(0).integers(0, 1 << 32, 1 << 18, dtype=np.uint32)
    bits = np.concatenate([bits, bits & 0x807FFFFF, np.array([0, 1 << 31, 0x7F800000, 0xFF800000], np.uint32)])
    ours, theirs = decode(bits, parse("float32")), bits.view(np.float32).astype(np.float64)
    np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(np.signbit(ours[~np.isnan(ours)]), np.signbit(theirs[~np.isnan(ours)]))


def gfloat_info(format: Format) -> gfloat.FormatInfo:
    """gfloat's description of the same format."""
    floating = isinstance(format, Minifloat)
    bias = format.bias if isinstance(format, Minifloat) else 2 - format.width
    specials = format.specials if isinstance(format, Minifloat) else Specials.NONE
    ieee = specials is Specials.IEEE
    return gfloat.FormatInfo(
        format.name,
        k=format.width,
        precision=format.fraction_bits + 1 if isinstance(format, Minifloat) else format.width,
        bias=bias,
        is_signed=format.has_sign if isinstance(format, Minifloat) else True,
        domain=gfloat.Domain.Extended if ieee else gfloat.Domain.Finite,
        has_nz=isinstance(format, SignMagnitude)
        or (floating and specials is not Specials.FNUZ and format.min_integer < 0),
        num_high_nans=(1 << format.fraction_bits) - 1
        if ieee and isinstance(format, Minifloat)
        else specials is Specials.FN,
        has_subnormals=format.subnormals if isinstance(format, Minifloat) else True,
        is_twos_complement=isinstance(format, Integer),
    )


@each_of("format", GFLOAT)
def test_every_code_decodes_as_in_gfloat(format: Format) -> None:
    codes = every_code(format)
    theirs = gfloat.decode_ndarray(gfloat_info(format), codes.astype(np.int64))
    ours = decode(codes, format)
    np.testing.assert_array_equal(ours, theirs)
    if not isinstance(format, Integer):
        np.testing.assert_array_equal(np.signbit(ours[~np.isnan(ours)]), np.signbit(theirs[~np.isnan(ours)]))


@pytest.mark.parametrize(
    ("name", "info"),
    [
        ("float4_e2m1fn", format_info_ocp_e2m1),
        ("float6_e2m3fn", format_info_ocp_e2m3),
        ("float6_e3m2fn", format_info_ocp_e3m2),
        ("float8_e4m3fn", format_info_ocp_e4m3),
        ("float8_e5m2", format_info_ocp_e5m2),
        ("float8_e8m0fnu", format_info_ocp_e8m0),
    ],
)
def test_gfloat_names_describe_the_same_formats(name: str, info: gfloat.FormatInfo) -> None:
    """The other tests describe our formats to gfloat; its own descriptions must say the same."""
    ours = gfloat_info(parse(name))
    ours.name = info.name
    assert ours == info


@each_of(
    "format, rounding, saturate",
    [
        *((format, rounding, True) for format in GFLOAT for rounding in (Rounding.TIES_TO_EVEN, Rounding.TOWARD_ZERO)),
        *((format, Rounding.TIES_TO_EVEN, False) for format in GFLOAT if not format.finite),  # else gfloat refuses
    ],
)
def test_rounding_as_in_gfloat(format: Format, rounding: Rounding, saturate: bool) -> None:
    overflow = Overflow.SATURATE if saturate else own_overflow(format)
    # In a format without a fraction every normal value has an odd significand. At a tie gfloat takes the even code,
    # IEEE 754-2019 (4.3.1) and ml_dtypes the larger magnitude, and so do we.
    ties = not (isinstance(format, Minifloat) and format.fraction_bits == 0)
    values = rounding_points(format, np.float64, ties)
    if format.has_zero:
        values = np.concatenate([values, [0.0, -0.0]])
    if not saturate or format.finite:
        values = np.concatenate([values, [np.inf, -np.inf]])
    if not format.signed:
        values = values[values >= 0]
    if not format.has_zero:
        values = values[values >= float(format.min_finite)]
    info = gfloat_info(format)
    mode = gfloat.RoundMode.TiesToEven if rounding is Rounding.TIES_TO_EVEN else gfloat.RoundMode.TowardZero
    rounded = gfloat.round_ndarray(info, values, mode, sat=saturate)
    ours = encode(values, format, rounding, overflow)
    nan = np.isnan(rounded)
    np.testing.assert_array_equal(np.isnan(decode(ours, format)), nan)
    assert_same_codes(ours[~nan], gfloat.encode_ndarray(info, rounded[~nan]), values[~nan], format)


def test_float32_rounding_as_in_gfloat() -> None:
    format = parse("float32")
    random = np.random.default_rng(0)
    values = np.ldexp(random.standard_normal(1 << 16), random.integers(-160, 135, 1 << 16))
    values = values[np.abs(values) > 2.0**-160]
    for rounding, mode in (
        (Rounding.TIES_TO_EVEN, gfloat.RoundMode.TiesToEven),
        (Rounding.TOWARD_ZERO, gfloat.RoundMode.TowardZero),
    ):
        rounded = gfloat.round_ndarray(format_info_binary32, values, mode, sat=True)
        theirs = gfloat.encode_ndarray(format_info_binary32, rounded)
        assert_same_codes(encode(values, format, rounding), theirs, values, format)
