"""Weights as sums of binary planes with a scale each: BCQ, FDB and BinaryDM."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...formats import Format, parse
from ..network.grid import floats
from .of_weights import OfWeights

__all__ = ["PLANES", "BinaryPlanes"]

Array = NDArray[Any]

ROUNDS = 15
"""How often scales and planes are found in turn."""


@dataclass(frozen=True)
class BinaryPlanes(OfWeights):
    """Stands in a scheme for weights that are ``sum over planes of scale * bit``, with scales for every block.

    ``bcq{N}`` begins greedily, a plane being the sign of what is left and its scale the mean magnitude, and then takes
    in turn the scales of least squared error and the nearest sums (nuQmm, arXiv 2206.09557; Xu et al., arXiv
    1802.00150). ``binarydm`` is the greedy beginning with two planes (arXiv 2404.05662, without training). ``fdb``
    begins with bits of 0 and 1 and the scales 2s and -s, s being half of the largest magnitude, and goes on as ``bcq``
    (DB-LLM, arXiv 2402.11960, without training).

    Members
    -------
    name: the name in options and points
    width: how many planes there are, and so the bits of a weight
    bits: the format of a plane: bipolar, or uint1
    rounds: how often scales and planes are found in turn
    """

    bits: str = "bipolar"
    rounds: int = ROUNDS

    @property
    def format(self) -> Format:
        """The format of a plane."""
        return parse(self.bits)

    def fit(self, rows: Array, scale_format: Format) -> tuple[Array, Array]:
        """The planes of rows (rows, values) as codes, (planes, rows, values), and their scales, float32 (planes, rows).

        Scales are values of ``scale_format``. Given them, every value is the nearest of the sums.
        """
        values = rows.astype(np.float64)
        scales = self._greedy(values) if self.bits == "bipolar" else self._halves(values)
        codes = self._nearest(values, scales)
        for _ in range(self.rounds):
            scales = self._least_squares(values, codes)
            moved = self._nearest(values, scales)
            if np.array_equal(moved, codes):
                break
            codes = moved
        rounded = floats(scales, scale_format)
        return self._nearest(values, rounded.astype(np.float64)), rounded

    def values(self, codes: Array, scales: Array) -> Array:
        """What the planes stand for: (rows, values), float32."""
        return np.einsum("prv,pr->rv", self._bits(codes), scales.astype(np.float64)).astype(np.float32)

    @property
    def signed(self) -> bool:
        """Whether scales have signs."""
        return self.bits != "bipolar"

    def _bits(self, codes: Array) -> Array:
        return 2.0 * codes - 1 if self.bits == "bipolar" else codes.astype(np.float64)

    def _greedy(self, values: Array) -> Array:
        scales, rest = [], values
        for _ in range(self.width):
            scales.append(np.abs(rest).mean(axis=1))
            rest = rest - np.where(rest < 0, -1, 1) * scales[-1][:, None]
        return np.array(scales)

    def _halves(self, values: Array) -> Array:
        half = np.abs(values).max(axis=1) / 2
        return np.array([2 * half, -half])

    def _nearest(self, values: Array, scales: Array) -> Array:
        """The codes of the sums that are nearest to values; of two that are equally near, those of lower codes."""
        every = np.array([*product((0, 1), repeat=self.width)])
        sums = self._bits(every) @ scales
        least = np.full(values.shape, np.inf)
        best = np.zeros(values.shape, np.int64)
        for place, total in enumerate(sums):
            distance = np.abs(values - total[:, None])
            better = distance < least
            least, best = np.where(better, distance, least), np.where(better, place, best)
        return every[best].transpose(2, 0, 1).astype(np.uint8)

    def _least_squares(self, values: Array, codes: Array) -> Array:
        """The scales of least squared error for planes. Those that planes leave open stay as near to 0 as can be."""
        bits = self._bits(codes)
        moments = np.einsum("prv,qrv->rpq", bits, bits)
        found = np.linalg.pinv(moments) @ np.einsum("prv,rv->rp", bits, values)[..., None]
        scales = np.asarray(found[..., 0].T)
        # with both signs of a bit, a scale below 0 is one above 0 whose bits are the others
        return np.abs(scales) if self.bits == "bipolar" else scales


PLANES = {
    each.name: each
    for each in (
        *(BinaryPlanes(f"bcq{bits}", bits) for bits in range(2, 5)),
        BinaryPlanes("binarydm", 2, rounds=0),
        BinaryPlanes("fdb", 2, bits="uint1"),
    )
}
"""All that there are, by name."""
