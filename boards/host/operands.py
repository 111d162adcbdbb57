"""Matrices and parameters are checked here, and turned into the codes that an engine takes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...formats import Engine, Format, Overflow, parse
from ...sim import decode, encode, engine_matmul, scale_codes
from ...sim.codes import check_codes, code_dtype
from ...sim.encode import as_numbers
from .tiles import Parameters, check_depth

__all__ = ["PARAMETERS", "check_operands", "values_of"]

Array = NDArray[Any]

PARAMETERS = (
    *("scale", "tensor_scale", "bias", "zero_point", "weight_zero_point"),
    *("activation_scale", "weight_scale"),
)


def check_operands(
    engine: Engine,
    a: ArrayLike,
    w: ArrayLike,
    *,
    codes: bool = False,
    rounded: bool = False,
    **parameters: ArrayLike | None,
) -> tuple[Array, Array, dict[str, ArrayLike | None]]:
    """Codes of A and W, and all parameters, as an engine takes them. The arguments are those of ``Device.matmul``.

    Raises ValueError for what the engine does not take.
    """
    for name in parameters:
        if name not in PARAMETERS:
            raise ValueError(f"parameters must be of {', '.join(PARAMETERS)}, not {name!r}")
    x, y = _numbers("a", a, codes), _numbers("w", w, codes)
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[0] or not all((*x.shape, *y.shape)):
        raise ValueError(f"a and w must be of shapes (m, k) and (k, n), none of them 0, not {x.shape} and {y.shape}")
    check_depth(engine, x.shape[1])
    x = _codes("a", x, engine.activation, codes, rounded)
    y = _codes("w", y, engine.weight, codes, rounded)
    if x.shape[1] > engine.max_k and codes:
        raise ValueError(f"codes must be False with k over {engine.max_k}: sums of parts are no codes")
    given = _filled(engine, parameters, x.shape[0], x.shape[1], y.shape[1])
    _check_parameters(engine, given, y.shape[1])
    return x, y, given


def _numbers(name: str, values: ArrayLike, codes: bool) -> Array:
    """The values as an array. Raises ValueError if they are not numbers; codes are not checked here."""
    if isinstance(values, np.ma.MaskedArray) and (missing := np.ma.count_masked(values)):
        raise ValueError(f"{name} must have a value everywhere, and {missing} of {values.size} are masked")
    with _named(name):
        return np.asarray(values) if codes else as_numbers(values)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Put the name of the matrix in front of the message of every ValueError."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _codes(name: str, array: Array, format: Format, codes: bool, rounded: bool) -> Array:
    """Values or codes as codes. Raises ValueError that names the first value that the format does not have."""
    if codes:
        with _named(name):
            return check_codes(array, format).astype(code_dtype(format))
    if array.dtype.kind == "f" and not format.has_nan and np.isnan(array).any():
        raise ValueError(_offender(name, array, np.isnan(array), format))
    found = encode(array, format)
    if array.dtype.kind == "f" and format.has_infinity:
        infinite = np.isinf(array)
        found[infinite] = encode(array[infinite], format, overflow=Overflow.INFINITY)
    if rounded:
        return found
    wrong = _differs(decode(found, format), array)
    if wrong.any():
        raise ValueError(f"{_offender(name, array, wrong, format)}; rounded=True, or --rounded, rounds them")
    return found


def _differs(values: Array, array: Array) -> NDArray[np.bool_]:
    """Where floats differ from the numbers that they stand for. NaN equals NaN here."""
    wrong = np.asarray((values != array) & ~(np.isnan(values) & (array != array)))
    if array.dtype.kind in "iu":  # NumPy compares these as floats
        long = np.abs(array.astype(np.float64)) > 1 << 53
        wrong[long] = [int(value) != number for value, number in zip(values[long], array[long].tolist(), strict=True)]
    return wrong


def _offender(name: str, array: Array, wrong: NDArray[np.bool_], format: Format) -> str:
    place = tuple(int(index) for index in np.argwhere(wrong)[0])
    where = f"[{', '.join(map(str, place))}]" if place else ""
    return f"{name}{where} must be a value of the engine's {format.name}, not {array[place]}"


def _filled(engine: Engine, given: Parameters, m: int, k: int, n: int) -> dict[str, ArrayLike | None]:
    """The parameters, with a one or a zero for each that the engine takes and that is not given."""
    how = engine.requantization
    filled: dict[str, ArrayLike | None] = {name: value for name, value in given.items() if value is not None}
    fields = {*engine.tensor_fields, *engine.channel_fields}
    for name, format in (("scale", how.scale), ("tensor_scale", how.tensor_scale)):
        if name in fields and name not in filled and format is not None:
            filled[name] = _one(name, format)
    for name in fields - filled.keys():
        filled[name] = 0
    if engine.blocks is not None:
        count = -(-k // engine.blocks.size)
        for name, format, shape in (
            ("activation_scale", engine.blocks.activation_scale, (m, count)),
            ("weight_scale", engine.blocks.weight_scale, (count, n)),
        ):
            if name not in filled:
                filled[name] = np.broadcast_to(_one(name, format), shape)
            if np.shape(filled[name]) != shape:  # type: ignore[arg-type]
                raise ValueError(f"{name} must be of shape {shape}, not {np.shape(filled[name])}")  # type: ignore[arg-type]
        if engine.blocks.zero_points:
            filled.setdefault("weight_zero_point", np.zeros((count, n), dtype=np.uint8))
    return filled


def _one(name: str, format: Format) -> Array:
    code = scale_codes(1.0, format)
    if decode(code, format) != 1.0:
        raise ValueError(f"{name} must be given: {format.name} has no 1")
    return code


def _check_parameters(engine: Engine, given: Parameters, n: int) -> None:
    """Raise ValueError if the engine does not take these. The golden model finds out, with a k of 1."""
    some = {name: value for name, value in given.items() if value is not None}
    of_blocks = [("activation_scale", np.s_[:1, :1]), ("weight_scale", np.s_[:1, :])]
    if engine.blocks is not None and engine.blocks.zero_points:
        of_blocks.append(("weight_zero_point", np.s_[:1, :]))
    for name, part in of_blocks:
        if name in some:
            some[name] = np.asarray(some[name])[part]
    zeros = np.zeros((1, 1), dtype=np.uint8), np.zeros((1, n), dtype=np.uint8)
    engine_matmul(engine, *zeros, **some)  # type: ignore[arg-type]


def values_of(codes: Array, output: Format) -> Array:
    """The values of codes: float32 for ``float32``, int32 for whole numbers, and float64 for other formats."""
    if output == parse("float32"):
        return codes.astype(np.uint32).view(np.float32)
    values = decode(codes, output)
    return values.astype(np.int32) if output.kind == "integer" else values
