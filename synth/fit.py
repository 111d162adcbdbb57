"""The largest matmul array that fits a device is predicted from small ones, then placed and routed to be sure."""

import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from statistics import median

from .. import __version__
from ..hdl import MatmulDesign
from .cache import Cache
from .fit_runner import HEADROOM, FitQuestion, FitRunner
from .fit_search import PROBES, Model, NothingFits, Shape, search
from .fit_table import Fit
from .recipes import RECIPES
from .room import check_room

__all__ = ["fit"]

STEP = 1.02
"""Factor by which one candidate has more products than the one before, at least."""

SURPRISE = 1.1
"""If the first array takes so much more of the device than predicted, all recipes are tried again on it."""


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
    jobs: how many seeds of the last array are placed and routed at the same time
    cache_folder: the folder of the cache of all that was measured, see ``Cache``
    say: is called with a line for every step
    command: the command that asked for the row

    Raises NothingFits and ToolMissing, and ToolError if not even the small arrays can be synthesized.
    """
    smallest = question.design(Shape(1, 1, question.lanes[0]), 0).engine if question.engine.outputs == 1 else None
    if smallest is not None:
        check_room(smallest, question.target)
    with (
        closing(Cache(cache_folder)) as store,
        tempfile.TemporaryDirectory(prefix="fewbit-") as name,
    ):
        runner = FitRunner(question, store, Path(name), say)
        if question.recipe == "auto":
            runner.choose_recipe(question.design(Shape(*PROBES[0], question.lanes[0]), 0))
        else:
            runner.recipe = next(recipe for recipe in RECIPES if recipe.name == question.recipe)
        models, savings = _models(runner)
        candidates, start = _candidates(question, runner, models, savings)
        if question.recipe == "auto" and _is_surprise(runner, candidates[start]):
            # a recipe that wins on small arrays may lose on large ones, most of all by their multiplexers
            runner.choose_recipe(runner.design(candidates[start]))
            models, savings = _models(runner)
            candidates, start = _candidates(question, runner, models, savings)
        best, attempts = search(candidates, start, runner.attempt, climb=question.climb)
        design = runner.design(best.shape)
        if jobs > 1:
            runner.netlist(design)
        with ThreadPoolExecutor(jobs) as pool:
            found = [*pool.map(lambda seed: runner.route(design, seed), question.seeds)]
        routed = {seed: fmax for seed, fmax in zip(question.seeds, found, strict=True) if isinstance(fmax, float)}
        failed = [f"{best.shape}, seed {s}: {f}" for s, f in zip(question.seeds, found, strict=True) if s not in routed]
        return _row(runner, design, best.shape, routed, (*map(str, attempts), *failed), command)


def _is_surprise(runner: FitRunner, shape: Shape) -> bool:
    """Whether an array takes much more of the device than predicted."""
    question = runner.question
    return runner.cells(runner.build(runner.design(shape))) > SURPRISE * question.fill * question.capacity.luts


def _models(runner: FitRunner) -> tuple[dict[int, Model], dict[int, float]]:
    """For each number of lanes, the model of arrays in logic, and what an element saves by using multipliers."""
    question, models, savings = runner.question, {}, {}
    for lanes in question.lanes:
        probes = [runner.build(question.design(Shape(*sides, lanes), 0)) for sides in PROBES]
        models[lanes] = Model.of([runner.cells(built) for built in probes])
        savings[lanes], runner.dsp_elements[lanes] = 0.0, 0
        if question.dsp == "auto" and question.engine.output_stationary:
            elements = PROBES[0][0] * PROBES[0][1]
            mixed = runner.build(question.design(Shape(*PROBES[0], lanes), elements))
            name = question.router.dsp
            fixed = probes[0].used.get(name, 0)
            each = (mixed.used.get(name, 0) - fixed) / elements
            saved = (runner.cells(probes[0]) - runner.cells(mixed)) / elements
            if each and saved > 0:
                savings[lanes] = saved
                runner.dsp_elements[lanes] = max(0, int((question.capacity.dsps - fixed) / each))
            runner.say(f"lanes {lanes}: an element has {each:g} DSPs and saves {saved:.0f} logic cells by them")
        runner.say(f"lanes {lanes}: {models[lanes].told(lambda cells: f'{cells:.0f} logic cells')}")
    return models, savings


def _candidates(
    question: FitQuestion, runner: FitRunner, models: dict[int, Model], savings: dict[int, float]
) -> tuple[list[Shape], int]:
    """The cheapest shape for each number of products, in ascending order, and the one to begin with."""
    cheapest: dict[int, tuple[float, Shape]] = {}
    for shape in question.shapes():
        mixed = min(runner.dsp_elements[shape.lanes], shape.rows * shape.columns)
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
    runner: FitRunner,
    design: MatmulDesign,
    shape: Shape,
    routed: dict[int, float],
    attempts: tuple[str, ...],
    command: str,
) -> Fit:
    question, engine = runner.question, design.engine
    built = runner.build(design)
    cells, counts, capacity = runner.cells(built), built.counts, question.capacity
    fmax = median(routed.values())
    per_second = shape.products * fmax * 1e6 / engine.arithmetic.interval
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
