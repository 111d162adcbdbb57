"""The largest matmul array that a device takes: predicted from small ones, then placed and routed to be sure."""

import hashlib
import json
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from .. import __version__
from ..formats import Engine
from ..hdl import Design
from .cache import Cache
from .families import Target
from .family import Capacity, Counts, Router
from .flow import SEEDS, Flow, rtl_hash, synthesis_script, synthesize
from .harness import wrap
from .recipes import RECIPES, Recipe
from .row import Row
from .sweep import design_key
from .tools import ToolError, run

__all__ = [
    "COLUMNS",
    "LANES",
    "Attempt",
    "Fit",
    "FitQuestion",
    "NothingFits",
    "Shape",
    "cells_of",
    "fit",
    "fit_markdown",
    "search",
]

LANES = (1, 2, 4, 8)
"""Lanes that are tried unless the caller names others."""

MOST_OBLONG = 2
"""Sides of an array differ by this factor at most."""

STEP = 1.02
"""What the products of one candidate and the next differ by, at least."""

HEADROOM = 1.05
"""Candidates are predicted to take this much of the device, at most: a prediction may err."""

GIVE_UP = ("--placer-heap-cell-placement-timeout", "100")
"""nextpnr's option by which it gives up on a device that is too full within seconds rather than after many minutes."""

PROBES = ((2, 2), (2, 4), (4, 4))
"""Rows and columns of the small arrays that a prediction is made from; ``Model.of`` solves for exactly these."""


class NothingFits(ValueError):
    """Not even the smallest array goes into the device."""


@dataclass(frozen=True, order=True)
class Shape:
    """An array's rows, columns and lanes; ``products`` of them a cycle."""

    rows: int
    columns: int
    lanes: int

    @property
    def products(self) -> int:
        return self.rows * self.columns * self.lanes

    def __str__(self) -> str:
        return f"{self.rows}x{self.columns}x{self.lanes}"


@dataclass(frozen=True)
class Attempt:
    """What became of one shape.

    ``outcome``: ``routed``, or why not. ``share``: of the device's scarcest resource, what nextpnr packs the design
    into; above 1 where it is too large. ``fmax_mhz`` where routed.
    """

    shape: Shape
    outcome: str
    share: float
    fmax_mhz: float | None = None

    @property
    def fits(self) -> bool:
        return self.outcome == "routed"

    def __str__(self) -> str:
        speed = "" if self.fmax_mhz is None else f", {self.fmax_mhz:.1f} MHz"
        return f"{self.shape}: {self.share:.1%}, {self.outcome}{speed}"


def search(
    candidates: Sequence[Shape], start: int, attempt: Callable[[Shape], Attempt], *, climb: bool = True
) -> tuple[Attempt, list[Attempt]]:
    """The largest of ``candidates`` (smallest first) that fits, and all attempts in their order.

    Goes down from ``start`` until one fits, at once as far as it was too large; then up, past one that does not fit, to
    the next two failures in a row. Without ``climb`` the first that fits is taken. Raises NothingFits.
    """
    tried: dict[int, Attempt] = {}

    def at(index: int) -> Attempt:
        if index not in tried:
            tried[index] = attempt(candidates[index])
        return tried[index]

    index = start
    while index >= 0 and not at(index).fits:
        goal = candidates[index].products / max(1.0, tried[index].share)
        index -= 1
        while index > 0 and candidates[index].products > goal:
            index -= 1
    if index < 0:
        last = tried[min(tried)] if tried else None
        raise NothingFits(f"no array fits; the smallest that was tried: {last}" if last else "no array fits")
    best, failures = index, 0
    for above in range(index + 1, len(candidates) if climb else 0):
        if at(above).fits:
            best, failures = above, 0
        else:
            failures += 1
            if failures == 2 or tried[above].share > 1:
                break
    return tried[best], list(tried.values())


@dataclass(frozen=True)
class Model:
    """Logic cells of an array: ``fixed + side * (rows + columns) + element * rows * columns``."""

    fixed: float
    side: float
    element: float

    @classmethod
    def of(cls, probes: Sequence[float]) -> "Model":
        """The model that is right for the arrays of ``PROBES``."""
        small, oblong, large = probes
        element = (large - 2 * oblong + small) / 4
        side = (oblong - small - 4 * element) / 2
        return cls(small - 4 * side - 4 * element, side, element)

    def cells(self, shape: Shape) -> float:
        return self.fixed + self.side * (shape.rows + shape.columns) + self.element * shape.rows * shape.columns


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

    def __post_init__(self) -> None:
        _ = self.flow
        if self.target.family.router is None or self.target.device.capacity is None:
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
    def router(self) -> Router:
        assert self.target.family.router is not None
        return self.target.family.router

    def design(self, shape: Shape, dsp_elements: int) -> Design:
        """Raises ValueError where the engine cannot have that shape."""
        tiles = max(1, self.engine.tile_m // self.engine.rows)
        engine = replace(self.engine, **asdict(shape), tile_m=tiles * shape.rows)
        dsp = self.dsp == "auto" and engine.output_stationary
        return Design.matmul(
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


@dataclass(frozen=True, kw_only=True)
class Fit(Row):
    """The largest array found, and all that a row has: its LUTs, flip-flops and so on are the whole engine's.

    ``logic_cells`` are what nextpnr packs it into, less the harness, whose own are ``harness_cells``. Percents are of
    the device: ``logic_percent`` of ``logic_cells``. ``seeds`` are those that were routed. ``luts_per_product`` and
    ``products_per_second_per_lut`` are by logic cells. ``attempts``: every shape that was tried, and what became of it.
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


@dataclass(frozen=True)
class _Built:
    """A design synthesized and packed: yosys's counts, and what nextpnr's report says of what is used."""

    counts: Counts
    used: dict[str, int]
    harness_cells: int
    recipe: str
    rtl_sha256: str


@dataclass
class _Bench:
    """Synthesizes, packs and routes the shapes of one question, by the cache where it can.

    Netlists are kept for as long as it lasts, so that seeds don't synthesize anew.
    """

    question: FitQuestion
    store: Cache
    folder: Path
    say: Callable[[str], None]
    recipe: Recipe | None = None
    dsp_elements: dict[int, int] = field(default_factory=dict)
    netlists: dict[str, Path] = field(default_factory=dict)

    def build(self, design: Design) -> _Built:
        key = self._key("build", design)
        known = self.store.get(key)
        if isinstance(known, dict):
            return _Built(**{**known, "counts": Counts(**known["counts"])})
        return self._build(design, key)

    def _build(self, design: Design, key: str) -> _Built:
        question, family = self.question, self.question.target.family
        began = time.monotonic()
        rtlil = design.rtlil()
        place = self.folder / hashlib.sha256(key.encode()).hexdigest()[:12]
        place.mkdir(exist_ok=True)
        (place / "unit.il").write_text(rtlil)
        keep = repeated_modules(rtlil)
        chosen = (self.recipe,) if self.recipe else ()
        candidates = synthesize(
            rtlil, design.module, question.flow, place, chosen=chosen, keep=keep, timeout=question.timeout
        )
        best = min(candidates, key=lambda candidate: family.area(candidate.counts))
        harness = wrap(json.loads(best.netlist.read_text()), design.module, "clk", question.router, thin=True)
        (place / "routed.json").write_text(json.dumps(harness.netlist))
        report = self._nextpnr(place, design, "--pack-only")
        used = {name: entry["used"] for name, entry in report["utilization"].items()}
        built = _Built(best.counts, used, harness.logic_cells, best.recipe.name, rtl_hash(rtlil))
        self.store.put(key, {**asdict(built), "counts": asdict(best.counts)})
        self.netlists[key] = place
        engine = design.engine
        assert engine is not None
        shape = Shape(engine.rows, engine.columns, engine.lanes)
        self.say(f"{shape}: {self.cells(built)} logic cells by {built.recipe}, {time.monotonic() - began:.0f} s")
        return built

    def netlist(self, design: Design) -> Path:
        """The folder with what is to be routed."""
        key = self._key("build", design)
        if key not in self.netlists:
            self._build(design, key)
        return self.netlists[key]

    def route(self, design: Design, seed: int) -> float | str:
        """Fmax, or why there is none."""
        question = self.question
        key = self._key(f"route {seed} {question.mhz:g}", design)
        known = self.store.get(key)
        if isinstance(known, dict) and known.get("stopped_after", question.timeout) >= question.timeout:
            return known["fmax_mhz"] or str(known["failure"])
        place = self.netlist(design)
        began = time.monotonic()
        try:
            options = [*GIVE_UP, "--freq", f"{question.mhz:g}", "--timing-allow-fail", "--seed", str(seed)]
            report = self._nextpnr(place, design, *options, report=f"report{seed}.json")
        except ToolError as error:
            value: dict[str, Any] = {"fmax_mhz": None, "failure": str(error)}
            if _STOPPED in str(error):
                value["stopped_after"] = question.timeout
            self.store.put(key, value)
            return str(error)
        found: float = min(entry["achieved"] for entry in report["fmax"].values())
        self.store.put(key, {"fmax_mhz": found, "failure": ""})
        self.say(f"seed {seed}: {found:.1f} MHz, {time.monotonic() - began:.0f} s")
        return found

    def _nextpnr(self, place: Path, design: Design, *options: str, report: str = "report.json") -> dict[str, Any]:
        router, device = self.question.router, self.question.target.device
        fixed = [*router.options, *device.route, "--json", "routed.json", "--top", design.module, "--quiet"]
        run(router.tool, [*fixed, "--report", report, *options], place, self.question.timeout)
        found: dict[str, Any] = json.loads((place / report).read_text())
        return found

    def _key(self, what: str, design: Design) -> str:
        flow = self.question.flow
        script = synthesis_script(
            "cell $mem", design.module, flow, (self.recipe,) if self.recipe else RECIPES, ("all",)
        )
        router = (self.question.router.options, GIVE_UP, flow.target.device.route, _harness_code())
        parts = (what, script, sorted(flow.tools.items()), router, self._rtl_hash(design))
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def _rtl_hash(self, design: Design) -> str:
        known = self.store.get(design_key(design))
        if isinstance(known, str):
            return known
        found = rtl_hash(design.rtlil())
        self.store.put(design_key(design), found)
        return found

    def cells(self, built: _Built) -> int:
        return built.used[self.question.router.logic_cell] - built.harness_cells

    def share(self, built: _Built) -> float:
        """Of the scarcest resource, harness included: that has to go in too."""
        router, capacity = self.question.router, self.question.capacity
        return max(
            built.used[router.logic_cell] / capacity.luts,
            built.counts.ff / capacity.luts,
            built.used.get(router.dsp, 0) / capacity.dsps if capacity.dsps else 0,
            built.used.get(router.bram, 0) / capacity.brams,
        )

    def design(self, shape: Shape) -> Design:
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

    def _first_routed(self, shape: Shape, design: Design, share: float) -> Attempt:
        """By the first seed that succeeds; none is tried after one that took too long."""
        failure = ""
        for seed in self.question.seeds:
            found = self.route(design, seed)
            if isinstance(found, float):
                return Attempt(shape, "routed", share, found)
            self.say(f"{shape}, seed {seed}: {found}")
            failure = found
            if _STOPPED in failure:
                break
        return Attempt(shape, failure, share)


_STOPPED = "was stopped after"


@cache
def _harness_code() -> str:
    return hashlib.sha256(Path(__file__).with_name("harness.py").read_bytes()).hexdigest()


_CELL = re.compile(r"^  cell (\\\S+) ", re.MULTILINE)
_MODULE = re.compile(r"^module (\\\S+)", re.MULTILINE)


def repeated_modules(rtlil: str) -> list[str]:
    """The modules of a design that are in more than one place, as an array's elements are."""
    places = Counter(_CELL.findall(rtlil))
    return [module for module in _MODULE.findall(rtlil) if places[module] > 1]


def fit(
    question: FitQuestion,
    *,
    jobs: int = 1,
    cache_folder: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
    command: str = "",
) -> Fit:
    """Find the largest array and measure it.

    Parameters
    ----------
    jobs: runs of place and route at the same time, of the last array's seeds
    cache_folder: of everything that was measured, see ``Cache``
    say: gets a line for every step
    command: by which the row was asked for

    Raises NothingFits, ToolMissing; ToolError where not even the small arrays can be synthesized.
    """
    with (
        closing(Cache(cache_folder)) as store,
        tempfile.TemporaryDirectory(prefix="fewbit-") as name,
    ):
        bench = _Bench(question, store, Path(name), say)
        small = Shape(*PROBES[0], question.lanes[0])
        bench.recipe = next(r for r in RECIPES if r.name == bench.build(question.design(small, 0)).recipe)
        models, savings = _models(bench)
        candidates, start = _candidates(question, bench, models, savings)
        best, attempts = search(candidates, start, bench.attempt, climb=question.climb)
        design = bench.design(best.shape)
        if jobs > 1:
            bench.netlist(design)
        with ThreadPoolExecutor(jobs) as pool:
            found = [*pool.map(lambda seed: bench.route(design, seed), question.seeds)]
        routed = {seed: fmax for seed, fmax in zip(question.seeds, found, strict=True) if isinstance(fmax, float)}
        failed = [f"{best.shape}, seed {s}: {f}" for s, f in zip(question.seeds, found, strict=True) if s not in routed]
        return _row(bench, design, best.shape, routed, (*map(str, attempts), *failed), command)


def _models(bench: _Bench) -> tuple[dict[int, Model], dict[int, float]]:
    """By lanes, what arrays in logic take, and what an element less takes whose products are in multipliers."""
    question, models, savings = bench.question, {}, {}
    for lanes in question.lanes:
        probes = [bench.build(question.design(Shape(*sides, lanes), 0)) for sides in PROBES]
        models[lanes] = Model.of([bench.cells(built) for built in probes])
        savings[lanes], bench.dsp_elements[lanes] = 0.0, 0
        if question.dsp == "auto" and question.engine.output_stationary:
            elements = PROBES[0][0] * PROBES[0][1]
            mixed = bench.build(question.design(Shape(*PROBES[0], lanes), elements))
            name = question.router.dsp
            fixed = probes[0].used.get(name, 0)
            each = (mixed.used.get(name, 0) - fixed) / elements
            saved = (bench.cells(probes[0]) - bench.cells(mixed)) / elements
            if each and saved > 0:
                savings[lanes] = saved
                bench.dsp_elements[lanes] = max(0, int((question.capacity.dsps - fixed) / each))
            bench.say(f"{lanes} lanes: an element has {each:g} DSPs and saves {saved:.0f} logic cells by them")
        bench.say(f"{lanes} lanes: {models[lanes]}")
    return models, savings


def _candidates(
    question: FitQuestion, bench: _Bench, models: dict[int, Model], savings: dict[int, float]
) -> tuple[list[Shape], int]:
    """Shapes of more and more products, the cheapest for each number of them; and the one to begin with."""
    cheapest: dict[int, tuple[float, Shape]] = {}
    for shape in question.shapes():
        mixed = min(bench.dsp_elements[shape.lanes], shape.rows * shape.columns)
        predicted = (models[shape.lanes].cells(shape) - savings[shape.lanes] * mixed) / question.capacity.luts
        if predicted <= HEADROOM:
            cheapest[shape.products] = min(cheapest.get(shape.products, (predicted, shape)), (predicted, shape))
    if not cheapest:
        raise NothingFits(f"no array fits: even the smallest is predicted to be over {question.target.name}'s capacity")
    best = [cheapest[products] for products in sorted(cheapest)]
    start = max((i for i, (predicted, _) in enumerate(best) if predicted <= question.fill), default=0)
    chosen = [best[start][1]]
    for _, shape in best[start + 1 :]:
        if shape.products >= STEP * chosen[-1].products:
            chosen.append(shape)
    for _, shape in reversed(best[:start]):
        if shape.products * STEP <= chosen[0].products:
            chosen.insert(0, shape)
    return chosen, chosen.index(best[start][1])


def _row(
    bench: _Bench, design: Design, shape: Shape, routed: dict[int, float], attempts: tuple[str, ...], command: str
) -> Fit:
    question, engine = bench.question, design.engine
    assert engine is not None
    built = bench.build(design)
    cells, counts, capacity = bench.cells(built), built.counts, question.capacity
    fmax = median(routed.values())
    per_second = shape.products * fmax * 1e6
    how = engine.requantization

    def percent(used: int, there: int) -> float:
        return round(100 * used / there, 1) if there else 0.0

    dsps = built.used.get(question.router.dsp, 0)
    brams = built.used.get(question.router.bram, 0)
    return Fit(
        unit=design.unit,
        weight=engine.weight.name,
        activation=engine.activation.name,
        accumulator_bits=engine.accumulator.width,
        latency=design.latency,
        parameters={
            **asdict(shape),
            **{name: getattr(engine, name) for name in ("dataflow", "tile_m", "max_k", "outputs", "bus_bits")},
            "output": how.output.name,
            "scale": how.scale.name if how.scale else None,
            "scale_per": engine.scale_per,
            "rounding": how.rounding.value,
            "pipeline": question.pipeline,
            "build": design.chosen_build.product,
            "dsp_elements": design.dsp_elements or 0,
        },
        family=question.target.family.name,
        device=question.target.device.name,
        dsp_policy=question.dsp,
        lut_kind=question.target.family.lut_kind,
        luts=counts.luts,
        luts_by_size=counts.luts_by_size,
        inverters=counts.inverters,
        carry=counts.carry,
        ff=counts.ff,
        dsp=dsps,
        bram=brams,
        logic_cells=cells,
        fmax_mhz=round(fmax, 2),
        fmax_min_mhz=round(min(routed.values()), 2),
        fmax_max_mhz=round(max(routed.values()), 2),
        seeds=tuple(routed),
        target_mhz=question.mhz,
        meets_target=fmax >= question.mhz,
        recipe=built.recipe,
        tools=question.flow.tools,
        fewbit_version=__version__,
        rtl_sha256=built.rtl_sha256,
        products=shape.products,
        products_per_second=round(per_second),
        luts_per_product=round(cells / shape.products, 1),
        products_per_second_per_lut=round(per_second / cells),
        logic_percent=percent(cells, capacity.luts),
        ff_percent=percent(counts.ff, capacity.luts),
        dsp_percent=percent(dsps, capacity.dsps),
        bram_percent=percent(brams, capacity.brams),
        harness_cells=built.harness_cells,
        attempts=attempts,
        command=command,
    )


COLUMNS = (
    *("weight x activation", "device", "DSP policy", "array", "products a cycle", "Fmax MHz", "G products/s"),
    *("logic cells", "FF", "DSP", "BRAM", "cells a product", "M products/s a cell"),
)
"""What a person compares."""


def cells_of(row: Fit) -> list[str]:
    """A row by ``COLUMNS``."""
    cells = (
        f"{row.weight} x {row.activation}",
        f"{row.family} {row.device}",
        row.dsp_policy,
        " x ".join(str(row.parameters[name]) for name in ("rows", "columns", "lanes")),
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

Whole matmul engines (registers, panels in block RAM, array, requantization, streams), each with the largest array that
was found to place and route.

- **Array**: rows x columns x lanes, so many products a cycle at the peak. It is kept busy where k is long enough for
  the sums to be drained meanwhile, and streams bring operands fast enough; neither is part of the figure.
- **Fmax**: median and range over the seeds of place and route that succeeded, one clock for all of the engine.
- **Logic cells**: what nextpnr packs LUTs, carry and flip-flops into (on ECP5 without the latter), less those of the
  harness, which stands for the pins and has to go in too. Percents are of the device.
- Shapes are predicted from arrays of 2 x 2, 2 x 4 and 4 x 4, sides differ by a factor of two at most, and one candidate
  differs from the next by 2% or more. What was tried, and what became of it, is in `fit.json`. Another seed or a larger
  effort may fit a larger one: nothing here is an upper bound.
- **DSP policy** `auto`: as many elements as there are multipliers for have their products there, all others in logic.
"""


def fit_markdown(rows: Sequence[Fit]) -> str:
    """The rows as a table, below the commands that they come of, and what its figures mean."""
    commands = dict.fromkeys(row.command for row in rows if row.command)
    lines = [_INTRODUCTION, "```", *commands, "```", ""]
    lines += [f"| {' | '.join(COLUMNS)} |", "|" + "---|" * len(COLUMNS)]
    lines += [f"| {' | '.join(cells_of(row))} |" for row in rows]
    return "\n".join(lines) + "\n"
