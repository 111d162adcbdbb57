"""How many cells a network's accelerator takes is estimated from its shape, and from others that were made.

The logic cells are a sum of five: what every accelerator has, and shares for products of integers, for products that
are shifted, for adders and the sums that the array keeps, and for the way of sums to the memories. The shares are of
features that are estimates of their own. The five numbers are fitted to two tables beside this file: accelerators that
were synthesized, which ``tests/network_cells.py`` has written, and bitstreams that were placed and routed, which
``fewbit estimate --against`` has compared.
"""

import json
from dataclasses import dataclass
from functools import cache
from math import log2
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...families import FAMILIES
from ...formats import Format
from ...formats.network import NetworkShape
from ...hdl import NetworkDesign, multiplications
from ...hdl.network.bounds import Bounds

__all__ = [
    *("BUILDS", "FEATURES", "TABLE", "Cells", "Features", "cells", "features", "in_multipliers", "left_out", "logic"),
    "product_luts",
]

TABLE = Path(__file__).parent / "network_cells.json"
BUILDS = Path(__file__).parent / "network_builds.json"
FEATURES = ("products", "shifted_products", "sums", "way_out")

PRODUCT = (1.707, 1.201, 1.405)
"""LUTs of a product: for each bit of a significand times one, for each bit of the sum's range, and for each place and
binary digit of a shift. Fitted to the 1,089 pairs of results/price_pairs.csv on iCE40: 6.5% off on average."""

LEAST_PRODUCT = {"ice40": 11, "ecp5": 4}
"""Bits of a product from which on yosys leaves it to a multiplier, by family; 9 in others."""

DSP_BITS = 17
"""Bits of a factor that a multiplier takes, without its sign."""


@dataclass(frozen=True)
class Cells:
    """An estimate.

    Members
    -------
    logic: LUTs of the whole FPGA, the link and what carries among them
    error: the root of the mean square of what the estimate is off, relative, for the tables' rows if each is left out
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


class Features(NamedTuple):
    """What the logic of an accelerator follows from, each about in LUTs.

    Members
    -------
    products: of integers, in logic
    shifted_products: those of other formats, in logic
    sums: the adders of lanes, and the bits of the sums that the array keeps
    way_out: from sums to codes
    """

    products: float
    shifted_products: float
    sums: float
    way_out: float


def features(shape: NetworkShape, bounds: Bounds, dsp_elements: int, multipliers: bool) -> Features:
    """What the logic follows from.

    Parameters
    ----------
    shape, bounds: of the program
    dsp_elements: elements of the array whose products go to multipliers, see ``in_multipliers``
    multipliers: whether the device's are used at all
    """
    elements, factors = shape.rows * shape.columns, (shape.weight, shape.activation)
    products = (elements - dsp_elements) * shape.lanes * product_luts(*factors)
    shifted = any(format.max_shift for format in factors)
    least, most = bounds.products
    kept = max(-least, most).bit_length() + 1
    added = (shape.lanes - 1) * (_range_bits(*factors) + 1)
    scaling = 0 if multipliers else shape.multiplier_bits * (bounds.biased.width + bounds.residuals.width)
    return Features(
        0 if shifted else products,
        products if shifted else 0,
        elements * (added + kept),
        shape.outputs * (scaling + bounds.scaled.width * log2(bounds.scaled.width)),
    )


def cells(design: NetworkDesign, multipliers: bool) -> Cells:
    """The estimate for a design. ``multipliers``: whether the device's are used."""
    shape, bounds = design.program.shape, design.hardware.bounds
    elements = in_multipliers(shape, design.family, design.dsp_elements)
    found = logic(features(shape, bounds, elements, multipliers))
    widths = [bounds.biased.width, *([bounds.residuals.width] if _adds(design) else [])]
    scaling = shape.outputs * sum(-(-bits // DSP_BITS) for bits in widths) if multipliers else 0
    each = multiplications(shape.arithmetic, shape.lanes, design.family)
    return Cells(round(found), _fit()[1], elements * each + scaling)


def in_multipliers(shape: NetworkShape, family: str | None, elements: int) -> int:
    """Of so many elements that leave their products to multipliers, those whose products are put there by yosys."""
    bits = sum(format.precision + format.signed for format in (shape.weight, shape.activation))
    return elements if bits >= LEAST_PRODUCT.get(family or "", 9) else 0


def _adds(design: NetworkDesign) -> bool:
    return any(record.residual is not None for record in design.program.records)


def _range_bits(weight: Format, activation: Format) -> int:
    greatest = max(abs(a * b) for a in _ends(weight) for b in _ends(activation))
    return greatest.bit_length() + 1


def _ends(format: Format) -> tuple[int, int]:
    return format.min_integer, format.max_integer


def logic(of: Features) -> float:
    """LUTs by the fitted numbers, what carries among them."""
    return float(np.dot([1.0, *of], _fit()[0]))


def left_out() -> list[float]:
    """How far each estimate is off, relative, if its own row is left out of the fit: of all that was synthesized, and
    then of all bitstreams."""
    known, made = _known()
    return [
        float(known[place] @ _solve(np.delete(known, place, 0), np.delete(made, place)) / made[place]) - 1
        for place in range(len(made))
    ]


@cache
def _fit() -> tuple[tuple[float, ...], float]:
    """The five numbers, and the relative error."""
    known, made = _known()
    return tuple(map(float, _solve(known, made))), float(np.sqrt(np.mean(np.square(left_out()))))


def _known() -> tuple[Any, Any]:
    """The features of all rows, with a 1 before them, and their LUTs."""
    rows = json.loads(TABLE.read_text())["rows"]
    luts = [row["luts"] + FAMILIES[row["family"]].carry_area * row["carry"] for row in rows]
    builds = json.loads(BUILDS.read_text())["builds"]
    luts += [build["built"]["LUTs"] for build in builds]
    known = [[1.0, *(row[name] for name in FEATURES)] for row in rows]
    known += [[1.0, *(build["features"][name] for name in FEATURES)] for build in builds]
    return np.array(known), np.array(luts, dtype=float)


def _solve(known: Any, made: Any) -> Any:
    """The numbers with the least relative error."""
    return np.linalg.lstsq(known / made[:, None], np.ones(len(made)), rcond=None)[0]
