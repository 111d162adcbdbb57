"""How many cells a network's accelerator takes is estimated from its shape, and from others that were synthesized.

The LUTs are ``fixed + array * a + way_out * b``: what every accelerator has, the array, and the way of its sums to the
memories. The array's feature is an estimate of its own, of products and sums; the other is how many bits are
multiplied and shifted. The three numbers are fitted to the table beside this file, for devices with large RAM, where
weights come over the link, and for others. ``tests/network_cells.py`` has written the table.
"""

import json
from dataclasses import dataclass
from functools import cache
from math import log2
from pathlib import Path
from typing import Any

import numpy as np

from ...formats import Format
from ..gateware.accelerator import Accelerator

__all__ = ["TABLE", "Cells", "cells", "features", "product_luts"]

TABLE = Path(__file__).parent / "network_cells.json"

PRODUCT = (1.707, 1.201, 1.405)
"""LUTs of a product: for each bit of a significand times one, for each bit of the sum's range, and for each place and
binary digit of a shift. Fitted to the 1,089 pairs of results/price_pairs.csv on iCE40: 6.5% off on average."""

DSP_BITS = 17
"""Bits of a factor that a multiplier takes, without its sign."""


@dataclass(frozen=True)
class Cells:
    """An estimate.

    Members
    -------
    luts: of the whole FPGA, the link among them
    error: the root of the mean square of what the estimate is off, relative, for the table's rows if each is left out
    dsps: multipliers
    """

    luts: int
    error: float
    dsps: int


def product_luts(weight: Format, activation: Format) -> float:
    """The LUTs of a product of these formats, about, without the adder behind it."""
    bits = _range_bits(weight, activation)
    shift = min(weight.precision + activation.precision, bits) * log2(1 + weight.max_shift + activation.max_shift)
    return PRODUCT[0] * weight.precision * activation.precision + PRODUCT[1] * bits + PRODUCT[2] * shift


def features(design: Accelerator, multipliers: bool) -> tuple[float, float]:
    """What the LUTs of a design follow from: of the array, and of the way out. ``multipliers``: whether the device's
    are used."""
    core: Any = design.core()
    shape, bounds = design.program.shape, core.bounds
    least, most = bounds.products
    sum_bits = max(-least, most).bit_length() + 1
    adders = (shape.lanes - 1) * (_range_bits(shape.weight, shape.activation) + 1)
    products = shape.lanes * product_luts(shape.weight, shape.activation)
    in_luts = shape.rows * shape.columns - design.dsp_elements
    array = in_luts * (products + adders) + shape.rows * shape.columns * 2 * sum_bits
    factors = 0 if multipliers else shape.multiplier_bits * (bounds.biased.width + bounds.residuals.width)
    return array, shape.outputs * (factors + bounds.scaled.width * log2(bounds.scaled.width))


def cells(design: Accelerator, multipliers: bool) -> Cells:
    """The estimate for a design. ``multipliers``: whether the device's are used."""
    shape, bounds = design.program.shape, design.core().bounds  # type: ignore[attr-defined]
    fitted, error = _fit(design.loads)
    luts = float(np.dot([1.0, *features(design, multipliers)], fitted))
    factors = (bounds.biased.width, *([bounds.residuals.width] if _adds(design) else []))
    scaling = shape.outputs * sum(-(-bits // DSP_BITS) for bits in factors) if multipliers else 0
    return Cells(round(luts), error, design.dsp_elements * shape.lanes + scaling)


def _adds(design: Accelerator) -> bool:
    return any(record.residual is not None for record in design.program.records)


def _range_bits(weight: Format, activation: Format) -> int:
    greatest = max(abs(a * b) for a in _ends(weight) for b in _ends(activation))
    return greatest.bit_length() + 1


def _ends(format: Format) -> tuple[int, int]:
    return format.min_integer, format.max_integer


@cache
def _fit(loads: bool) -> tuple[tuple[float, ...], float]:
    """The three numbers, and the relative error."""
    rows = [row for row in json.loads(TABLE.read_text())["rows"] if row["loads"] == loads]
    known = np.array([[1.0, row["array"], row["way_out"]] for row in rows])
    luts = np.array([float(row["luts"]) for row in rows])
    off = [
        float(known[place] @ _solve(np.delete(known, place, 0), np.delete(luts, place))) / luts[place] - 1
        for place in range(len(rows))
    ]
    return tuple(map(float, _solve(known, luts))), float(np.sqrt(np.mean(np.square(off))))


def _solve(known: Any, luts: Any) -> Any:
    """The numbers with the least relative error."""
    return np.linalg.lstsq(known / luts[:, None], np.ones(len(luts)), rcond=None)[0]
