"""The largest arrays are kept as rows, and printed as a table for people."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..formats import DATAFLOWS
from .row import Row

__all__ = ["COLUMNS", "Fit", "cells_of", "fit_markdown"]


@dataclass(frozen=True, kw_only=True)
class Fit(Row):
    """The largest array that was found. LUTs, flip-flops and so on are those of the whole engine.

    ``logic_cells`` are the cells that nextpnr packs it into, without those of the harness, which are ``harness_cells``.
    ``logic_percent`` and other percentages are shares of the device. ``seeds`` are those that were routed.
    ``luts_per_product`` and ``products_per_second_per_lut`` count logic cells. ``attempts`` has every shape that was
    tried, and what became of it.
    """

    products: int
    products_per_second: float
    luts_per_product: float
    products_per_second_per_lut: float
    logic_percent: float
    ff_percent: float
    dsp_percent: float
    bram_percent: float
    harness_cells: int
    attempts: tuple[str, ...]
    command: str

    def to_dict(self) -> dict[str, Any]:
        return {**super().to_dict(), "attempts": list(self.attempts)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Fit":
        return super().from_dict({**values, "attempts": tuple(values.get("attempts", ()))})


COLUMNS = (
    *("weight x activation", "device", "DSP policy", "array", "products a cycle", "Fmax MHz", "G products/s"),
    *("logic cells", "FF", "DSP", "BRAM", "cells a product", "M products/s a cell"),
)
"""The columns of the table for people."""


def cells_of(row: Fit) -> list[str]:
    """The cells of a row, in the order of ``COLUMNS``."""
    cells = (
        f"{row.weight} x {row.activation}",
        f"{row.family} {row.device}",
        row.dsp_policy,
        " x ".join(str(row.parameters[name]) for name in ("rows", "columns", "lanes"))
        + ("" if row.parameters["dataflow"] == DATAFLOWS[0] else ", weight-stationary"),
        row.products,
        f"{row.fmax_mhz:.1f} ({row.fmax_min_mhz:.1f}-{row.fmax_max_mhz:.1f})",
        f"{row.products_per_second / 1e9:.2f}",
        f"{row.logic_cells} ({row.logic_percent:.1f}%)",
        f"{row.ff} ({row.ff_percent:.1f}%)",
        f"{row.dsp} ({row.dsp_percent:.0f}%)",
        f"{row.bram} ({row.bram_percent:.0f}%)",
        f"{row.luts_per_product:.1f}",
        f"{row.products_per_second_per_lut / 1e6:.2f}",
    )
    return [*map(str, cells)]


_INTRODUCTION = """# The largest arrays

Each row is a whole matmul engine (registers, panels in block RAM, array, requantization, streams) with the largest
array that could be placed and routed.

- **Array**: the rows, columns and lanes; their product is the number of products a cycle at the peak. The array is
  kept busy if k is long enough for sums to be drained meanwhile, and if streams bring operands fast enough. The
  figure contains neither.
- **Fmax**: the median and the range over those seeds of place and route that succeeded. The whole engine has one
  clock.
- **Logic cells**: the cells into which nextpnr packs LUTs, carry and flip-flops (on ECP5 without flip-flops), minus
  those of the harness. The harness stands for the pins, and has to fit too. Percentages are of the device.
- **Search**: shapes of some lanes and a dataflow are predicted from arrays of 2 x 2, 2 x 4 and 4 x 4. A climb from 4
  lanes ends at the lanes, and then at the dataflow, that are predicted to make the most products. Sides differ by a
  factor of two at most, and one candidate differs from the next by 2% or more. `fit.json` says what was tried, and with
  which result. Another seed or more effort may fit a larger array, so no figure here is an upper bound.
- **`--fill` and `--no-climb`**: the search begins with what is predicted to fill so much, 93% of an iCE40 and 60% of an
  ECP5 unless the command says otherwise, and with `--no-climb` nothing larger was tried. On ECP5, arrays that take 82
  to 99% of the cells were seen to find no place for their flip-flops.
- **`--placer`**: nextpnr's. On ECP5 the default is `--placer static` with block RAMs in places that fewbit gives them,
  which nextpnr's own default, `heap`, follows where that fails. Rows whose commands say `heap` are older.
- **`--timing-weight`**: how much the placer `heap` heeds timing beside the length of wires, 10 unless the command says
  otherwise.
- **DSP policy** `auto`: as many elements as the device has multipliers for use them, and all others are in logic.
"""


def fit_markdown(rows: Sequence[Fit]) -> str:
    """The page in Markdown: what the figures mean, the commands that made them, and the rows as a table."""
    commands = dict.fromkeys(row.command for row in rows if row.command)
    lines = [_INTRODUCTION, "```", *commands, "```", ""]
    lines += [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    lines += [f"| {' | '.join(cells_of(row))} |" for row in rows]
    return "\n".join(lines) + "\n"
