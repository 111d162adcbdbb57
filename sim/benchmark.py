"""How fast the golden model is beside what one would use otherwise: ``python -m fewbit.sim.benchmark [--json]``.

Both sides run by turns in one process, and the median of the ratios is reported, since the machine's speed drifts.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..formats import parse
from .elements.exact import matmul
from .encode import encode

__all__ = ["SpeedComparison", "main", "measure_encode", "measure_matmul"]

ENCODE_LIMIT, MATMUL_LIMIT = 3.0, 4.0
ML_DTYPES = [
    *("float8_e3m4", "float8_e4m3", "float8_e4m3b11fnuz", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2"),
    *("float8_e5m2fnuz", "float8_e8m0fnu", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn", "bfloat16"),
    *("int2", "int4", "uint2", "uint4"),
]
# The last two give results longer than 53 bits, which take several products; no limit is set for those.
MATMUL_PAIRS = (
    ("int8", "int8"),
    ("int4", "e2m1"),
    ("e4m3", "e4m3"),
    ("float8_e4m3fn", "int8"),
    ("float8_e5m2", "float8_e5m2"),
    ("bfloat16", "int8"),
)


class SpeedComparison(NamedTuple):
    """One comparison: times in seconds, and the median ratio with the most that it may be (None: no limit)."""

    what: str
    against: str
    ours: float
    theirs: float
    ratio: float
    limit: float | None


def _compare(
    what: str, against: str, ours: Callable[[], Any], theirs: Callable[[], Any], limit: float | None, runs: int
) -> SpeedComparison:
    ours()
    theirs()
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        ours()
        middle = time.perf_counter()
        theirs()
        times.append((middle - start, time.perf_counter() - middle))
    mine, other = (statistics.median(column) for column in zip(*times, strict=True))
    return SpeedComparison(what, against, mine, other, statistics.median(a / b for a, b in times), limit)


def measure_encode(size: int = 1 << 22, runs: int = 7) -> list[SpeedComparison]:
    """Rounding ``size`` float32 values, beside ml_dtypes' ``astype``. Raises ImportError where ml_dtypes is missing."""
    import ml_dtypes

    values = np.random.default_rng(0).standard_normal(size).astype(np.float32)
    rows = []
    for name in ML_DTYPES:
        format, dtype = parse(name), getattr(ml_dtypes, name)
        values_in_range = np.abs(values) if name.startswith("uint") or name == "float8_e8m0fnu" else values

        def ours(values: Any = values_in_range, format: Any = format) -> Any:
            return encode(values, format)

        def theirs(values: Any = values_in_range, dtype: Any = dtype) -> Any:
            return values.astype(dtype)

        rows.append(_compare(f"encode {name}", "ml_dtypes astype", ours, theirs, ENCODE_LIMIT, runs))
    return rows


def measure_matmul(size: int = 1024, runs: int = 5) -> list[SpeedComparison]:
    """The exact product of two ``size`` by ``size`` matrices, beside NumPy's ``@`` of float64 ones."""
    random = np.random.default_rng(0)
    left, right = random.standard_normal((2, size, size))
    rows = []
    for activation_name, weight_name in MATMUL_PAIRS:
        activation, weight = parse(activation_name), parse(weight_name)
        activation_codes, weight_codes = encode(left, activation), encode(right, weight)
        split = activation_name in ("float8_e5m2", "bfloat16")

        def ours(arguments: Any = (activation_codes, weight_codes, activation, weight)) -> Any:
            return matmul(*arguments)

        rows.append(
            _compare(
                f"matmul {activation_name} x {weight_name}{' (split)' if split else ''}",
                f"float64 @, {size}^3",
                ours,
                lambda: left @ right,
                None if split else MATMUL_LIMIT,
                runs,
            )
        )
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; the exit code is 1 where a ratio is above its limit or ml_dtypes is missing."""
    parser = argparse.ArgumentParser(prog="python -m fewbit.sim.benchmark", description=__doc__.split(":")[0] + ".")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args(arguments)
    from rich.console import Console
    from rich.table import Table

    try:
        rows = measure_encode() + measure_matmul()
    except ImportError as error:
        Console(stderr=True).print(
            f"the benchmark needs ml_dtypes to compare with ({error}): pip install 'fewbit\\[dev]'"
        )
        return 1
    if options.json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
    else:
        table = Table("what", "beside", "ours, ms", "theirs, ms", "ratio", "limit")
        for row in rows:
            limit = "" if row.limit is None else f"{row.limit:g}"
            times = f"{row.ours * 1e3:.1f}", f"{row.theirs * 1e3:.1f}"
            table.add_row(row.what, row.against, *times, f"{row.ratio:.2f}", limit)
        Console(width=max(Console().width, 110)).print(table)  # a row on a line, in a log as well
    return int(any(row.limit is not None and row.ratio > row.limit for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
