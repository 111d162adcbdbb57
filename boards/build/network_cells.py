"""How many cells a network's accelerator takes is estimated from its shape, and from others that were synthesized.

The logic cells are a sum of four: what every accelerator has, and shares for products and their adders, for the sums
that the array keeps, and for the way of sums to the memories. The shares are of features that are estimates of their
own. The four numbers are fitted to the table beside this file, which ``tests/network_cells.py`` has written.
"""

import json
from dataclasses import dataclass
from functools import cache
from math import log2
from pathlib import Path
from typing import Any

import numpy as np

from ...families import FAMILIES
from ...formats import Format
from ...hdl import NetworkDesign

__all__ = ["FEATURES", "TABLE", "Cells", "cells", "features", "product_luts"]

TABLE = Path(__file__).parent / "network_cells.json"
FEATURES = ("products", "sums", "way_out")

PRODUCT = (1.707, 1.201, 1.405)
"""LUTs of a product: for each bit of a significand times one, for each bit of the sum's range, and for each place and
binary digit of a shift. Fitted to the 1,089 pairs of results/price_pairs.csv on iCE40: 6.5% off on average."""

LEAST_PRODUCT = {"ice40": 11}
"""Bits of a product from which on yosys leaves it to a multiplier, by family; 9 in others."""

DSP_BITS = 17
"""Bits of a factor that a multiplier takes, without its sign."""


@dataclass(frozen=True)
class Cells:
    """An estimate.

    Members
    -------
    logic: LUTs of the whole FPGA, the link and what carries among them
    error: the root of the mean square of what the estimate is off, relative, for the table's rows if each is left out
    dsps: multipliers
    """

    logic: int
    error: float
    dsps: int


def product_luts(weight: Format, activation: Format) -> float:
    """The LUTs of a product of these formats, about, without the adder behind it."""
    bits = _range_bits(weight, activation)
    shift = min(weight.precision + activation.precision, bits) * log2(1 + weight.max_shift + activation.max_shift)
    return PRODUCT[0] * weight.precision * activation.precision + PRODUCT[1] * bits + PRODUCT[2] * shift


def features(design: NetworkDesign, multipliers: bool) -> tuple[float, float, float]:
    """What the logic of a design follows from: its products, its sums, and the way out.

    ``multipliers``: whether the device's are used.
    """
    shape, bounds = design.program.shape, design.hardware.bounds
    elements = shape.rows * shape.columns
    in_luts = elements - _dsp_elements(design)
    products = in_luts * shape.lanes * product_luts(shape.weight, shape.activation)
    adders = elements * (shape.lanes - 1) * (_range_bits(shape.weight, shape.activation) + 1)
    least, most = bounds.products
    sums = elements * (max(-least, most).bit_length() + 1)
    factors = 0 if multipliers else shape.multiplier_bits * (bounds.biased.width + bounds.residuals.width)
    return products + adders, sums, shape.outputs * (factors + bounds.scaled.width * log2(bounds.scaled.width))


def cells(design: NetworkDesign, multipliers: bool) -> Cells:
    """The estimate for a design. ``multipliers``: whether the device's are used."""
    fitted, error = _fit()
    bounds = design.hardware.bounds
    logic = float(np.dot([1.0, *features(design, multipliers)], fitted))
    widths = [bounds.biased.width, *([bounds.residuals.width] if _adds(design) else [])]
    scaling = design.program.shape.outputs * sum(-(-bits // DSP_BITS) for bits in widths) if multipliers else 0
    return Cells(round(logic), error, _dsp_elements(design) * design.program.shape.lanes + scaling)


def _dsp_elements(design: NetworkDesign) -> int:
    """Elements whose products go to multipliers."""
    formats = (design.program.shape.weight, design.program.shape.activation)
    bits = sum(format.precision + format.signed for format in formats)
    return design.dsp_elements if bits >= LEAST_PRODUCT.get(design.family or "", 9) else 0


def _adds(design: NetworkDesign) -> bool:
    return any(record.residual is not None for record in design.program.records)


def _range_bits(weight: Format, activation: Format) -> int:
    greatest = max(abs(a * b) for a in _ends(weight) for b in _ends(activation))
    return greatest.bit_length() + 1


def _ends(format: Format) -> tuple[int, int]:
    return format.min_integer, format.max_integer


@cache
def _fit() -> tuple[tuple[float, ...], float]:
    """The four numbers, and the relative error."""
    rows = json.loads(TABLE.read_text())["rows"]
    known = np.array([[1.0, *(row[name] for name in FEATURES)] for row in rows])
    logic = np.array([row["luts"] + FAMILIES[row["family"]].carry_area * row["carry"] for row in rows], dtype=float)
    off = [
        float(known[place] @ _solve(np.delete(known, place, 0), np.delete(logic, place))) / logic[place] - 1
        for place in range(len(rows))
    ]
    return tuple(map(float, _solve(known, logic))), float(np.sqrt(np.mean(np.square(off))))


def _solve(known: Any, logic: Any) -> Any:
    """The numbers with the least relative error."""
    return np.linalg.lstsq(known / logic[:, None], np.ones(len(logic)), rcond=None)[0]
