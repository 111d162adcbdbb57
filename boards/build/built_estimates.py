"""Estimates are held against bitstreams with networks that were placed and routed, and run."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

from .estimate import Estimate, estimate
from .network_cells import BUILDS, TABLE, features, in_multipliers, left_out
from .network_request import NetworkRequest

__all__ = ["BuiltEstimate", "BuiltNetwork", "bitstreams", "compare", "known_builds", "told_errors"]


@dataclass(frozen=True)
class BuiltNetwork:
    """What the files say of a bitstream with a network.

    Members
    -------
    name: of its files, in the folder that was looked through
    path: of its JSON, as ``fewbit board build`` wrote it
    content: of that
    run: what ``fewbit board run --json`` printed, in NAME.run.json beside it; None if there is no such file
    """

    name: str
    path: Path
    content: dict[str, Any]
    run: dict[str, Any] | None

    @property
    def network(self) -> dict[str, Any]:
        """What the bitstream says of its network."""
        found: dict[str, Any] = self.content["description"]["network"]
        return found


@dataclass(frozen=True)
class BuiltEstimate:
    """What was told of a bitstream before it was built, and what it is.

    Members
    -------
    name: of its files
    board, what: what was built, in words
    features: what its LUTs are estimated from
    told, built: by name: block RAMs, large RAMs, DSPs, cycles an image, and images a second with the link, at the clock
        that was built. ``told`` has the slowest and the fastest clock, in MHz, and ``built`` the LUTs and the clock.
        What was not run has no cycles and no images a second
    """

    name: str
    board: str
    what: str
    features: dict[str, float]
    told: dict[str, Any]
    built: dict[str, Any]

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def bitstreams(folder: Path) -> Iterator[BuiltNetwork]:
    """The bitstreams with networks in a folder and those inside it, by their JSON files. Raises OSError, ValueError."""
    found = 0
    for path in sorted(folder.rglob("*.json")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} must be JSON: {error}") from None
        if not isinstance(content, dict) or not {"hardware", "description", "utilization", "file"} <= {*content}:
            continue
        if path.stem != Path(content["file"]).stem or "network" not in content["description"]:
            continue
        run = path.with_suffix(".run.json")
        found += 1
        ran = json.loads(run.read_text(encoding="utf-8")) if run.exists() else None
        yield BuiltNetwork(path.relative_to(folder).with_suffix("").as_posix(), path, content, ran)
    if not found:
        raise ValueError(f"{folder} must have the JSON of bitstreams with networks, as `fewbit board build` wrote them")


def compare(bitstream: BuiltNetwork, request: NetworkRequest) -> BuiltEstimate:
    """The estimate for a request beside what was built for it. Raises ValueError if it is of another program."""
    program, name = request.program, bitstream.name
    if program.digest != bitstream.network["digest"]:
        raise ValueError(f"program of {name} must be {bitstream.network['digest'][:12]}, not {program.digest[:12]}")
    made, shape, bounds = estimate(request), program.shape, request.design.hardware.bounds
    elements = in_multipliers(shape, request.design.family, request.design.dsp_elements)
    array = f"{shape.rows} x {shape.columns} x {shape.lanes}"
    return BuiltEstimate(
        name=name,
        board=request.board.name,
        what=f"{program.name} {shape.weight} x {shape.activation}, {array}",
        features={
            key: round(value, 1)
            for key, value in features(shape, bounds, elements, request.dsp != "none")._asdict().items()
        },
        told=_told(made, bitstream.content["clock_mhz"] * 1e6),
        built=_built(bitstream, request, made),
    )


def _told(made: Estimate, hz: float) -> dict[str, Any]:
    amounts = {name: amount.used for name, amount in made.resources.items() if name != "LUTs"}
    clocks = None if made.clocks is None else [clock / 1e6 for clock in made.clocks]
    rate = round(made.rate(hz, link=True), 2)
    return {**amounts, "clock": clocks, "cycles": made.cycles, "images a second": rate}


def _built(bitstream: BuiltNetwork, request: NetworkRequest, made: Estimate) -> dict[str, Any]:
    router = request.board.part.target.family.nextpnr
    assert router is not None
    names = {"LUTs": router.logic_cell, "block RAMs": router.bram, "large RAMs": router.large_ram, "DSPs": router.dsp}
    used = bitstream.content["utilization"]
    found = {name: used[names[name]]["used"] for name in made.resources}
    found["clock"] = bitstream.content["clock_mhz"]
    if bitstream.run is not None:
        found["cycles"] = round(bitstream.run["cycles_an_image"])
        found["images a second"] = round(bitstream.run["images_a_second"], 2)
    return found


@cache
def known_builds() -> tuple[BuiltEstimate, ...]:
    """Those that were compared for this version of fewbit."""
    return tuple(map(BuiltEstimate.from_dict, json.loads(BUILDS.read_text())["builds"]))


def told_errors() -> dict[str, tuple[float, float]]:
    """The least and the greatest relative error of each figure but the clock, of the bitstreams that are known.

    LUTs are estimated without the bitstream at hand.
    """
    builds = known_builds()
    synthesized = len(json.loads(TABLE.read_text())["rows"])
    found: dict[str, list[float]] = {"LUTs": left_out()[synthesized:]}
    for build in builds:
        for name, value in build.told.items():
            if name in build.built and name != "clock":
                found.setdefault(name, []).append(_off(value, build.built[name]))
    return {name: (min(errors), max(errors)) for name, errors in found.items() if errors}


def _off(told: float, built: float) -> float:
    """How far a figure that was told is off, relative; itself where there is none of it."""
    return told / built - 1 if built else told
