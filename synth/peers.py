"""fewbit's MACs and dot products are compared with the best open ones, by the same counting. The peers' figures are in
``peers.json``."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from importlib.resources import files
from statistics import geometric_mean
from typing import Any

from .row import Row

__all__ = [
    "DOT_FAMILY",
    "PEER_FAMILIES",
    "Comparison",
    "Match",
    "compare",
    "dot_pairs",
    "peer_pairs",
    "peers",
]

PEER_FAMILIES = ("xc7", "ecp5", "ice40")


DOT_FAMILY = "xc7"
"""The family that the peers' dot products were measured on."""


@cache
def peers() -> dict[str, Any]:
    """The peers' figures, and how they were measured."""
    return json.loads(files(__package__).joinpath("peers.json").read_text(encoding="utf-8"))


def peer_pairs() -> list[tuple[str, str]]:
    """The format pairs, weight and activation, that the peers were measured on."""
    return [(row["weight"], row["activation"]) for row in peers()["rows"]]


def dot_pairs() -> list[tuple[str, str]]:
    """The format pairs that the peers' dot products were measured on."""
    return [(row["weight"], row["activation"]) for row in peers()["dots"]["rows"]]


@dataclass(frozen=True)
class Match:
    """One MAC of fewbit beside that of the peer, on one family; or a dot product, whose figures are those of a lane.

    ``ours`` and ``theirs`` are numbers of cells: LUT cells, and on ecp5 also carry cells. Their parts are beside them.
    ``*_area`` counts an ecp5 carry cell as the two LUTs whose place it takes. ``*_logic_cells`` are yosys's estimate on
    xc7, and None elsewhere, since the peers' are not known. ``ours_mhz`` and ``theirs_mhz`` are there only on ecp5.
    """

    weight: str
    activation: str
    family: str
    ours: float
    theirs: float
    ours_luts: float
    theirs_luts: float
    ours_carry: int | None
    theirs_carry: int | None
    ours_area: float
    theirs_area: float
    ours_logic_cells: int | None
    theirs_logic_cells: int | None
    ours_mhz: float | None
    theirs_mhz: tuple[float, float] | None

    @property
    def ratio(self) -> float:
        """Ours divided by theirs. Below 1, fewbit is better than the peer."""
        return self.ours / self.theirs


@dataclass(frozen=True)
class Comparison:
    """Every match, and the geometric means of the ratios: over all, by family, and by area."""

    matches: tuple[Match, ...]

    @property
    def geometric_mean(self) -> float:
        return geometric_mean(match.ratio for match in self.matches)

    @property
    def area_geometric_mean(self) -> float:
        return geometric_mean(match.ours_area / match.theirs_area for match in self.matches)

    @property
    def by_family(self) -> dict[str, float]:
        families = dict.fromkeys(match.family for match in self.matches)
        return {
            family: geometric_mean(match.ratio for match in self.matches if match.family == family)
            for family in families
        }

    @property
    def worse(self) -> tuple[Match, ...]:
        """The matches that the peer wins."""
        return tuple(match for match in self.matches if match.ours > match.theirs)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "matches": [{**asdict(match), "ratio": match.ratio} for match in self.matches],
            "geometric_mean": self.geometric_mean,
            "area_geometric_mean": self.area_geometric_mean,
            "by_family": self.by_family,
        }


def compare(rows: Iterable[Row]) -> Comparison:
    """Match rows with the peers'. Rows under another contract are left out: other units, terms, DSP policy or devices.

    Raises ValueError if no row is left.
    """
    known = {(row["weight"], row["activation"]): row for row in peers()["rows"]}
    rows = [*rows]
    matches = [
        _match(row, known[row.weight, row.activation])
        for row in rows
        if (row.weight, row.activation) in known and row.family in PEER_FAMILIES and _same_contract(row)
    ]
    dots = {(row["weight"], row["activation"]): row for row in peers()["dots"]["rows"]}
    matches += [
        _match_dot(row, dots[row.weight, row.activation])
        for row in rows
        if (row.weight, row.activation) in dots and row.family == DOT_FAMILY and _same_dot(row)
    ]
    if not matches:
        raise ValueError(
            f"rows to compare must have a mac with terms {peers()['terms']}, dsp none, on {', '.join(PEER_FAMILIES)}, "
            f"or a dot of {peers()['dots']['lanes']} lanes on {DOT_FAMILY}, of formats that peers.json has"
        )
    return Comparison(tuple(matches))


def _same_contract(row: Row) -> bool:
    inputs_registered = row.latency >= 2
    same_terms = row.parameters.get("terms") == peers()["terms"]
    exact = "element" not in row.parameters
    return row.unit == "mac" and row.dsp_policy == "none" and same_terms and exact and inputs_registered


def _same_dot(row: Row) -> bool:
    contract = peers()["dots"]
    wanted = {"terms": peers()["terms"], "lanes": contract["lanes"]}
    same = all(row.parameters.get(name) == value for name, value in wanted.items())
    return row.unit == "dot" and row.dsp_policy == "none" and same and "element" not in row.parameters


def _match_dot(row: Row, peer: dict[str, Any]) -> Match:
    """A lane of a dot product beside one of the peer's, which has neither accumulator nor registers."""
    ours, theirs = row.luts / row.parameters["lanes"], peer["xc7_luts_a_lane"]
    return Match(
        weight=row.weight,
        activation=row.activation,
        family=row.family,
        ours=ours,
        theirs=theirs,
        ours_luts=ours,
        theirs_luts=theirs,
        ours_carry=None,
        theirs_carry=None,
        ours_area=ours,
        theirs_area=theirs,
        ours_logic_cells=None,
        theirs_logic_cells=None,
        ours_mhz=None,
        theirs_mhz=None,
    )


def _match(row: Row, peer: dict[str, Any]) -> Match:
    xc7, ecp5 = row.family == "xc7", row.family == "ecp5"
    theirs_luts = peer[f"{row.family}_luts"]
    ours_carry, theirs_carry = (row.carry, peer["ecp5_carry"]) if ecp5 else (0, 0)
    fmax = peer["ecp5_fmax_mhz"] if ecp5 else None
    return Match(
        weight=row.weight,
        activation=row.activation,
        family=row.family,
        ours=row.luts + ours_carry,
        theirs=theirs_luts + theirs_carry,
        ours_luts=row.luts,
        theirs_luts=theirs_luts,
        ours_carry=ours_carry if ecp5 else None,
        theirs_carry=theirs_carry if ecp5 else None,
        ours_area=row.luts + 2 * ours_carry,
        theirs_area=theirs_luts + 2 * theirs_carry,
        ours_logic_cells=row.logic_cells if xc7 else None,
        theirs_logic_cells=peer["xc7_logic_cells"] if xc7 else None,
        ours_mhz=row.fmax_mhz if ecp5 else None,
        theirs_mhz=(fmax[0], fmax[1]) if fmax else None,
    )
