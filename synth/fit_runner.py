"""What is to be fitted into what, and the tools that try it: a shape is synthesized, packed, routed, and all kept."""

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from ..families import Capacity, CellCounts, HarnessCells, Nextpnr, Target
from ..formats import Engine
from ..hdl import MatmulDesign
from .cache import Cache
from .fit_search import Attempt, Shape
from .flow import SEEDS, Flow, rtl_hash, smallest, synthesis_script
from .harness import wrap
from .nextpnr import NETLIST, PlaceAndRoute
from .recipes import RECIPES, SynthesisRecipe
from .sweep import design_key
from .tools import ToolError, ToolTimeout

__all__ = ["HEADROOM", "LANES", "Built", "FitQuestion", "FitRunner", "repeated_modules"]

LANES = (1, 2, 4, 8)
"""Lanes that are tried unless the caller names others."""

MOST_OBLONG = 2
"""Sides of an array differ by this factor at most."""

HEADROOM = 1.05
"""Candidates are predicted to take this much of the device, at most: a prediction may err."""

GIVE_UP = 100
"""See ``PlaceAndRoute``: nextpnr gives up on a device that is too full within seconds rather than many minutes."""


@dataclass(frozen=True)
class FitQuestion:
    """What is to be fitted into what.

    Parameters
    ----------
    engine: all of it counts but its rows, columns and lanes; ``tile_m`` grows with the rows
    target: with a router and a capacity
    dsp: ``none``; or ``auto``, as many elements by multipliers of the device as there are, all others in logic
    lanes: those to choose from
    pipeline: register stages
    build: how products are built; ``auto`` takes the fewest LUTs, which other builds are easier to place than
    target_mhz: what nextpnr is asked for; the device's own unless given
    seeds: of place and route, 3 or more; the search takes the next where one fails
    fill: share of the device that the first attempt is predicted to take
    climb: whether larger ones are tried once one fits
    timeout: of every run of a tool, in seconds
    recipe: of synthesis, by name; ``auto`` chooses by the smallest array, and by the first where that is a surprise
    """

    engine: Engine
    target: Target
    dsp: str = "none"
    lanes: tuple[int, ...] = LANES
    pipeline: int = 2
    build: str = "auto"
    target_mhz: float | None = None
    seeds: tuple[int, ...] = SEEDS
    fill: float = 0.97
    climb: bool = True
    timeout: float = 3600
    recipe: str = "auto"

    def __post_init__(self) -> None:
        _ = self.flow
        known = [recipe.name for recipe in RECIPES]
        if self.recipe not in ("auto", *known):
            raise ValueError(f"recipe must be auto or one of {', '.join(known)}, not {self.recipe!r}")
        device = self.target.device
        if self.target.family.router is None or device.capacity is None or not device.target_mhz:
            raise ValueError(f"family must be one that arrays can be fitted into, not {self.target.name!r}")
        if not self.lanes or min(self.lanes) < 1:
            raise ValueError(f"lanes must be 1 or more, not {self.lanes!r}")
        if not 0 < self.fill <= HEADROOM:
            raise ValueError(f"fill must be above 0 and at most {HEADROOM}, not {self.fill!r}")
        if self.timeout <= 0:
            raise ValueError(f"timeout must be above 0, not {self.timeout!r}")

    @property
    def flow(self) -> Flow:
        return Flow(self.target, self.dsp, seeds=self.seeds)

    @property
    def mhz(self) -> float:
        return self.target_mhz or self.target.device.target_mhz

    @property
    def capacity(self) -> Capacity:
        assert self.target.device.capacity is not None
        return self.target.device.capacity

    @property
    def router(self) -> Nextpnr:
        assert self.target.family.router is not None
        return self.target.family.router

    @property
    def cells(self) -> HarnessCells:
        assert self.target.family.harness is not None
        return self.target.family.harness

    def design(self, shape: Shape, dsp_elements: int) -> MatmulDesign:
        """Raises ValueError where the engine cannot have that shape."""
        tiles = max(1, self.engine.tile_m // self.engine.rows)
        engine = replace(self.engine, **asdict(shape), tile_m=tiles * shape.rows)
        dsp = self.dsp == "auto" and engine.output_stationary
        return MatmulDesign(
            engine,
            pipeline=self.pipeline,
            build=self.build,
            dsp=dsp,
            family=self.target.family.name,
            dsp_elements=min(dsp_elements, shape.rows * shape.columns) if dsp else None,
        )

    def shapes(self) -> Iterator[Shape]:
        """All that the engine can have and that are not too oblong."""
        for lanes in self.lanes:
            for rows in range(1, 65):
                for columns in range(-(-rows // MOST_OBLONG), min(64, MOST_OBLONG * rows) + 1):
                    shape = Shape(rows, columns, lanes)
                    try:
                        self.design(shape, 0)
                    except ValueError:
                        continue
                    yield shape


@dataclass(frozen=True)
class Built:
    """A design synthesized and packed: yosys's counts, and what nextpnr's report says of what is used."""

    counts: CellCounts
    used: dict[str, int]
    harness_cells: int
    recipe: str
    rtl_sha256: str


@dataclass
class FitRunner:
    """Synthesizes, packs and routes the shapes of one question, by the cache where it can.

    Netlists are kept for as long as it lasts, so that seeds don't synthesize anew.
    """

    question: FitQuestion
    store: Cache
    folder: Path
    say: Callable[[str], None]
    recipe: SynthesisRecipe | None = None
    dsp_elements: dict[int, int] = field(default_factory=dict)
    netlists: dict[str, Path] = field(default_factory=dict)

    def choose_recipe(self, design: MatmulDesign) -> None:
        """From now on, whichever makes the least of this design."""
        self.recipe = None
        name = self.build(design).recipe
        self.recipe = next(recipe for recipe in RECIPES if recipe.name == name)

    def build(self, design: MatmulDesign) -> Built:
        key = self._key("build", design)
        known = self.store.get(key)
        if isinstance(known, dict):
            return Built(**{**known, "counts": CellCounts(**known["counts"])})
        return self._build(design, key)

    def _build(self, design: MatmulDesign, key: str) -> Built:
        question = self.question
        began = time.monotonic()
        rtlil = design.rtlil()
        place = self.folder / hashlib.sha256(key.encode()).hexdigest()[:12]
        place.mkdir(exist_ok=True)
        keep = repeated_modules(rtlil)
        chosen = (self.recipe,) if self.recipe else ()
        best = smallest(rtlil, design.module, question.flow, place, chosen=chosen, keep=keep, timeout=question.timeout)
        harness = wrap(json.loads(best.netlist.read_text()), design.module, "clk", question.cells, thin=True)
        (place / NETLIST).write_text(json.dumps(harness.netlist))
        used = {name: number for name, (number, _) in self._job(design).pack(place).used.items()}
        built = Built(best.counts, used, harness.logic_cells, best.recipe.name, rtl_hash(rtlil))
        self.store.put(key, {**asdict(built), "counts": asdict(best.counts)})
        self.netlists[key] = place
        engine = design.engine
        shape = Shape(engine.rows, engine.columns, engine.lanes)
        self.say(f"{shape}: {self.cells(built)} logic cells by {built.recipe}, {time.monotonic() - began:.0f} s")
        return built

    def netlist(self, design: MatmulDesign) -> Path:
        """The folder with what is to be routed."""
        key = self._key("build", design)
        if key not in self.netlists:
            self._build(design, key)
        return self.netlists[key]

    def route(self, design: MatmulDesign, seed: int) -> float | str:
        """Fmax, or why there is none."""
        question = self.question
        key = self._key(f"route {seed} {question.mhz:g}", design)
        known = self.store.get(key)
        if isinstance(known, dict) and known.get("stopped_after", question.timeout) >= question.timeout:
            return known["fmax_mhz"] or str(known["failure"])
        place = self.netlist(design)
        began = time.monotonic()
        try:
            found = self._job(design).route(place, seed, mhz=question.mhz, report=f"report{seed}.json").mhz
        except ToolError as error:
            value: dict[str, Any] = {"fmax_mhz": None, "failure": str(error)}
            if isinstance(error, ToolTimeout):
                value["stopped_after"] = question.timeout
            self.store.put(key, value)
            return str(error)
        self.store.put(key, {"fmax_mhz": found, "failure": ""})
        self.say(f"seed {seed}: {found:.1f} MHz, {time.monotonic() - began:.0f} s")
        return found

    def _job(self, design: MatmulDesign) -> PlaceAndRoute:
        question = self.question
        options, timeout = question.cells.options, question.timeout
        return PlaceAndRoute(question.target, design.module, options, give_up=GIVE_UP, timeout=timeout)

    def _key(self, what: str, design: MatmulDesign) -> str:
        flow = self.question.flow
        script = synthesis_script(
            "cell $mem", design.module, flow, (self.recipe,) if self.recipe else RECIPES, ("all",)
        )
        router = (self.question.cells.options, GIVE_UP, flow.target.device.route, _harness_code())
        parts = (what, script, sorted(flow.tools.items()), router, self._rtl_hash(design))
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def _rtl_hash(self, design: MatmulDesign) -> str:
        key = design_key(design)
        known = self.store.get(key) if key else None
        if isinstance(known, str):
            return known
        found = rtl_hash(design.rtlil())
        if key:
            self.store.put(key, found)
        return found

    def cells(self, built: Built) -> int:
        return built.used[self.question.router.logic_cell] - built.harness_cells

    def share(self, built: Built) -> float:
        """Of the scarcest resource, harness included: that has to go in too."""
        router, capacity = self.question.router, self.question.capacity
        return max(
            built.used[router.logic_cell] / capacity.luts,
            built.counts.ff / capacity.luts,
            built.used.get(router.dsp, 0) / capacity.dsps if capacity.dsps else 0,
            built.used.get(router.bram, 0) / capacity.brams,
        )

    def design(self, shape: Shape) -> MatmulDesign:
        return self.question.design(shape, self.dsp_elements.get(shape.lanes, 0))

    def attempt(self, shape: Shape) -> Attempt:
        design = self.design(shape)
        try:
            built = self.build(design)
        except ToolError as error:
            found = Attempt(shape, f"not built: {error}", 1.0)
        else:
            share = self.share(built)
            found = Attempt(shape, "too large", share) if share > 1 else self._first_routed(shape, design, share)
        self.say(str(found))
        return found

    def _first_routed(self, shape: Shape, design: MatmulDesign, share: float) -> Attempt:
        """By the first seed that succeeds; none is tried after one that took too long."""
        failure = ""
        for seed in self.question.seeds:
            found = self.route(design, seed)
            if isinstance(found, float):
                return Attempt(shape, "routed", share, found)
            self.say(f"{shape}, seed {seed}: {found}")
            failure = found
            if "was stopped after" in failure:  # from the cache it has no class
                break
        return Attempt(shape, failure, share)


@cache
def _harness_code() -> str:
    return hashlib.sha256(Path(__file__).with_name("harness.py").read_bytes()).hexdigest()


_CELL = re.compile(r"^  cell (\\\S+) ", re.MULTILINE)
_MODULE = re.compile(r"^module (\\\S+)", re.MULTILINE)


def repeated_modules(rtlil: str) -> list[str]:
    """The modules of a design that are in more than one place, as an array's elements are."""
    places = Counter(_CELL.findall(rtlil))
    return [module for module in _MODULE.findall(rtlil) if places[module] > 1]
