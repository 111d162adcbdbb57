"""The question of what fits into a device, and the tools that try it. A shape is synthesized, packed, routed, and
kept."""

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

from ..families import Capacity, CellCounts, HarnessCells, Nextpnr, Target
from ..formats import DATAFLOWS, Engine
from ..hdl import MatmulDesign
from .cache import Cache
from .fit_search import LANES, Attempt, Shape, possible_shapes
from .flow import SEEDS, Flow, code_hash, rtl_hash, smallest, synthesis_script
from .harness import wrap
from .nextpnr import NETLIST, PlaceAndRoute, timing_weight
from .recipes import NAMED, RECIPES, SynthesisRecipe
from .sweep import design_key
from .tools import ToolError, ToolTimeout

__all__ = ["HEADROOM", "PLACERS", "Built", "FitQuestion", "FitRunner", "repeated_modules"]

HEADROOM = 1.05
"""Candidates may be predicted to take up to this share of the device, since a prediction may err."""

GIVE_UP = 100
"""An option of ``PlaceAndRoute``: nextpnr gives up on a device that is too full in seconds rather than many minutes."""

PLACERS = ("auto", "heap")


@dataclass(frozen=True)
class FitQuestion:
    """Asks which engine fits into which device.

    Parameters
    ----------
    engine: the engine; its rows, columns, lanes and dataflow do not matter, and its ``tile_m`` grows with the rows
    target: the device, which has a router and a known capacity
    dsp: ``none``, or ``auto``: as many elements as the device has multipliers for use them, and the others are in logic
    lanes: the numbers of lanes to choose from
    dataflows: the dataflows to choose from
    pipeline: register stages
    build: how products are built. ``auto`` takes the fewest LUTs, but other builds may be easier to place
    target_mhz: the clock that nextpnr is asked for; the device's own unless given
    seeds: the seeds of place and route, 3 or more. The search takes the next one if one fails
    fill: the share of the device that the first attempt is predicted to take; None stands for what place and route of
        the family is known to fill
    climb: whether larger arrays are tried once one fits
    placer: ``auto``, the family's for large netlists where there is one, or ``heap``, nextpnr's usual one
    timing_weight: how much the placer ``heap`` heeds timing, as in ``nextpnr.timing_weight``
    timeout: seconds that a run of a tool may take
    within: seconds after which no run of a tool goes on. Once something fits, larger arrays are tried in the first half
        of them only
    recipe: the name of the recipe of synthesis. ``auto`` chooses by the smallest array, and again by the first large
        one if that takes more than predicted
    """

    engine: Engine
    target: Target
    dsp: str = "none"
    lanes: tuple[int, ...] = LANES
    dataflows: tuple[str, ...] = DATAFLOWS
    pipeline: int = 2
    build: str = "auto"
    target_mhz: float | None = None
    seeds: tuple[int, ...] = SEEDS
    fill: float | None = None
    climb: bool = True
    placer: str = "auto"
    timing_weight: int | None = None
    timeout: float = 3600
    within: float = 7200
    recipe: str = "auto"

    def __post_init__(self) -> None:
        _ = self.flow
        if self.recipe not in ("auto", *NAMED):
            raise ValueError(f"recipe must be auto or one of {', '.join(NAMED)}, not {self.recipe!r}")
        device = self.target.device
        if self.target.family.router is None or device.capacity is None or not device.target_mhz:
            raise ValueError(f"family must be one that arrays can be fitted into, not {self.target.name!r}")
        if not self.lanes or min(self.lanes) < 1:
            raise ValueError(f"lanes must be 1 or more, not {self.lanes!r}")
        unknown = [dataflow for dataflow in self.dataflows if dataflow not in DATAFLOWS]
        if not self.dataflows or unknown:
            raise ValueError(f"dataflows must be one or more of {', '.join(DATAFLOWS)}, not {self.dataflows!r}")
        if self.fill is not None and not 0 < self.fill <= HEADROOM:
            raise ValueError(f"fill must be above 0 and at most {HEADROOM}, not {self.fill!r}")
        if self.timing_weight is not None and self.timing_weight < 1:
            raise ValueError(f"timing weight must be 1 or more, not {self.timing_weight!r}")
        if self.placer not in PLACERS:
            raise ValueError(f"placer must be one of {', '.join(PLACERS)}, not {self.placer!r}")
        if self.timing_weight is not None and self.large_placer:
            raise ValueError("placer must be heap where a timing weight is given")
        for name, seconds in (("timeout", self.timeout), ("within", self.within)):
            if seconds <= 0:
                raise ValueError(f"{name} must be above 0, not {seconds!r}")

    @property
    def flow(self) -> Flow:
        return Flow(self.target, self.dsp, seeds=self.seeds, dense=True)

    @property
    def mhz(self) -> float:
        return self.target_mhz or self.target.device.target_mhz

    @property
    def room(self) -> float:
        """The logic cells that the first attempt is predicted to take at most."""
        return (self.router.fill if self.fill is None else self.fill) * self.capacity.luts

    @property
    def capacity(self) -> Capacity:
        assert self.target.device.capacity is not None
        return self.target.device.capacity

    @property
    def router(self) -> Nextpnr:
        assert self.target.family.router is not None
        return self.target.family.router

    @property
    def large_placer(self) -> bool:
        """Whether arrays are placed by the family's placer for large netlists."""
        return self.placer == "auto" and bool(self.router.large_placer)

    @property
    def cells(self) -> HarnessCells:
        assert self.target.family.harness is not None
        return self.target.family.harness

    def engine_of(self, shape: Shape) -> Engine:
        """The engine of that shape. Raises ValueError if there is none."""
        tiles = max(1, self.engine.tile_m // self.engine.rows)
        return replace(self.engine, **asdict(shape), tile_m=tiles * shape.rows)

    def design(self, shape: Shape, dsp_elements: int, dsp_grid: bool = False) -> MatmulDesign:
        """The design of that shape, see ``MatmulDesign``. Raises ValueError if the engine cannot have it."""
        engine = self.engine_of(shape)
        dsp = self.dsp == "auto" and engine.output_stationary and self.target.multiplies
        return MatmulDesign(
            engine,
            pipeline=self.pipeline,
            build=self.build,
            dsp=dsp,
            family=self.target.family.name,
            dsp_elements=min(dsp_elements, shape.rows * shape.columns) if dsp else None,
            dsp_grid=dsp_grid and dsp,
        )

    def shapes(self, dataflow: str, lanes: int) -> Iterator[Shape]:
        """All shapes of these that the engine can have, that are not too oblong, and whose memories the device has."""
        return possible_shapes(lanes, dataflow, lambda shape: self.design(shape, 0).engine, self.target)


@dataclass(frozen=True)
class Built:
    """A design that is synthesized and packed, with yosys's counts and what nextpnr reports as used."""

    counts: CellCounts
    used: dict[str, int]
    harness_cells: int
    recipe: str
    rtl_sha256: str


@dataclass
class FitRunner:
    """Synthesizes, packs and routes the shapes of one question. It asks the cache first.

    Netlists are kept as long as it exists, so that a new seed needs no new synthesis.
    """

    question: FitQuestion
    store: Cache
    folder: Path
    say: Callable[[str], None]
    recipe: SynthesisRecipe | None = None
    multipliers: dict[int, tuple[int, bool]] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    fitting: bool = False
    netlists: dict[str, Path] = field(default_factory=dict)

    @property
    def left(self) -> float:
        """Seconds that are left of the question's."""
        return self.began + self.question.within - time.monotonic()

    def may_take(self) -> float:
        """Seconds that the next run of a tool may take. Raises ToolTimeout if none are left."""
        if self.left <= 0:
            raise ToolTimeout(f"out of time: the search was stopped after {self.question.within:g} s")
        return min(self.question.timeout, self.left)

    def choose_recipe(self, design: MatmulDesign) -> None:
        """Choose the recipe that makes this design smallest, from now on."""
        self.recipe = None
        self.recipe = NAMED[self.build(design).recipe]

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
        best = smallest(rtlil, design.module, question.flow, place, chosen=chosen, keep=keep, timeout=self.may_take())
        netlist = best.routable(design.module, question.target.family)
        harness = wrap(netlist, design.module, "clk", question.cells, thin=True)
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
        """The folder with the netlist that is to be routed."""
        key = self._key("build", design)
        if key not in self.netlists:
            self._build(design, key)
        return self.netlists[key]

    def route(self, design: MatmulDesign, seed: int) -> float | str:
        """Place and route a design. Returns Fmax, or why there is none."""
        question = self.question
        key = self._key(f"route {seed} {question.mhz:g}", design)
        known = self.store.get(key)
        if isinstance(known, dict) and known.get("stopped_after", question.timeout) >= question.timeout:
            return known["fmax_mhz"] or str(known["failure"])
        began = time.monotonic()
        try:
            place, job = self.netlist(design), self._job(design)
            found = job.route(place, seed, mhz=question.mhz, report=f"report{seed}.json", say=self.say).mhz
        except ToolTimeout as error:
            seconds = time.monotonic() - began
            self.store.put(key, {"fmax_mhz": None, "failure": str(error), "stopped_after": seconds})
            return str(error)
        except ToolError as error:
            self.store.put(key, {"fmax_mhz": None, "failure": str(error)})
            return str(error)
        self.store.put(key, {"fmax_mhz": found, "failure": ""})
        self.say(f"seed {seed}: {found:.1f} MHz, {time.monotonic() - began:.0f} s")
        return found

    def _job(self, design: MatmulDesign) -> PlaceAndRoute:
        question = self.question
        options, placing = question.cells.options, timing_weight(question.timing_weight)
        target, timeout, large = question.target, self.may_take(), question.large_placer
        return PlaceAndRoute(
            target, design.module, options, give_up=GIVE_UP, placing=placing, timeout=timeout, large=large
        )

    def _key(self, what: str, design: MatmulDesign) -> str:
        flow = self.question.flow
        script = synthesis_script(
            "cell $mem", design.module, flow, (self.recipe,) if self.recipe else RECIPES, ("all",)
        )
        placing = (GIVE_UP, self.question.placer, *timing_weight(self.question.timing_weight))
        router = (self.question.cells.options, placing, flow.target.device.route, _code())
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
        """The share of the scarcest resource that is used. The harness counts, since it has to fit too."""
        router, capacity = self.question.router, self.question.capacity
        return max(
            built.used[router.logic_cell] / capacity.luts,
            built.counts.ff / capacity.luts,
            built.used.get(router.dsp, 0) / capacity.dsps if capacity.dsps else 0,
            built.used.get(router.bram, 0) / capacity.brams,
        )

    def design(self, shape: Shape) -> MatmulDesign:
        return self.question.design(shape, *self.multipliers.get(shape.lanes, (0, False)))

    def attempt(self, shape: Shape) -> Attempt:
        if self.fitting and self.left < self.question.within / 2:
            return Attempt(shape, "out of time", HEADROOM)
        design = self.design(shape)
        try:
            built = self.build(design)
        except ToolError as error:
            found = Attempt(shape, f"not built: {error}", 1.0)
        else:
            share = self.share(built)
            found = Attempt(shape, "too large", share) if share > 1 else self._first_routed(shape, design, share)
        self.fitting = self.fitting or found.fits
        self.say(str(found))
        return found

    def _first_routed(self, shape: Shape, design: MatmulDesign, share: float) -> Attempt:
        """Route by the first seed that succeeds. After a seed that took too long, no other is tried."""
        failure = ""
        for seed in self.question.seeds:
            found = self.route(design, seed)
            if isinstance(found, float):
                return Attempt(shape, "routed", share, found)
            self.say(f"{shape}, seed {seed}: {found}")
            failure = found
            if "was stopped after" in failure:  # an error out of the cache has no class
                break
        return Attempt(shape, failure, share)


@cache
def _code() -> str:
    return code_hash("harness", "nextpnr", "ram_registers", "ram_sites")


_CELL = re.compile(r"^  cell (\\\S+) ", re.MULTILINE)
_MODULE = re.compile(r"^module (\\\S+)", re.MULTILINE)


def repeated_modules(rtlil: str) -> list[str]:
    """The modules of a design that are in more than one place, as an array's elements are."""
    places = Counter(_CELL.findall(rtlil))
    return [module for module in _MODULE.findall(rtlil) if places[module] > 1]
