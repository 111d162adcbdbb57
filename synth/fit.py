"""The largest matmul array that fits a device is predicted from small ones, then placed and routed to be sure."""

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from statistics import median

from .. import __version__
from ..formats import DATAFLOWS
from ..hdl import MatmulDesign
from .cache import Cache
from .fit_runner import HEADROOM, FitQuestion, FitRunner
from .fit_search import (
    PROBES,
    Model,
    NothingFits,
    Prediction,
    Shape,
    cheapest_shapes,
    climb,
    has_probes,
    middle,
    most_products,
    search,
)
from .fit_table import Fit
from .recipes import NAMED
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
    lanes, dataflow = min(question.lanes), question.dataflows[0]
    if question.engine.outputs == 1:
        check_room(question.engine_of(Shape(1, 1, lanes, dataflow)), question.target)
    with (
        closing(Cache(cache_folder)) as store,
        tempfile.TemporaryDirectory(prefix="fewbit-") as name,
    ):
        runner = FitRunner(question, store, Path(name), say)
        if question.recipe == "auto":
            runner.choose_recipe(question.design(Shape(*PROBES[0], lanes, dataflow), 0))
        else:
            runner.recipe = NAMED[question.recipe]
        candidates, start = _candidates(question, _predictions(runner))
        if question.recipe == "auto" and _is_surprise(runner, candidates[start]):
            # a recipe that wins on small arrays may lose on large ones, most of all by their multiplexers
            runner.choose_recipe(runner.design(candidates[start]))
            candidates, start = _candidates(question, _predictions(runner))
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
    return runner.cells(runner.build(runner.design(shape))) > SURPRISE * question.room


def _predictions(runner: FitRunner) -> dict[tuple[str, int], Prediction]:
    """What arrays take, by their dataflow and number of lanes, as far as a climb to the most products looks at it.

    The climb of the second dataflow begins with the lanes that are best in the first.
    """
    question = runner.question
    found: dict[tuple[str, int], Prediction] = {}

    def worth(dataflow: str, lanes: int) -> int:
        shapes = [*question.shapes(dataflow, lanes)]
        if not has_probes(shapes):
            return 0
        found[dataflow, lanes] = prediction = _prediction(runner, dataflow, lanes, shapes)
        most = most_products(shapes, prediction, question.room)
        told = prediction.told(lambda cells: f"{cells:.0f} logic cells")
        runner.say(f"{dataflow}, lanes {lanes}: {told}; {most} products at most")
        return most

    lanes = middle(question.lanes)
    for dataflow in question.dataflows:
        lanes = climb(question.lanes, lanes, partial(worth, dataflow))
    return found


def _prediction(runner: FitRunner, dataflow: str, lanes: int, shapes: Sequence[Shape]) -> Prediction:
    """What arrays of ``shapes`` take. Elements share multipliers with their neighbours where more products fit so."""
    question = runner.question
    probes = [runner.build(question.design(Shape(*sides, lanes, dataflow), 0)) for sides in PROBES]
    best = Prediction(Model.of([runner.cells(built) for built in probes]))
    if question.dsp == "none" or dataflow != DATAFLOWS[0]:
        return best
    # A former recipe may have had multipliers where this one has none.
    runner.multipliers.pop(lanes, None)
    elements = PROBES[0][0] * PROBES[0][1]
    name = question.router.dsp
    fixed = probes[0].used.get(name, 0)
    tried = []
    for grid in (False, True):
        design = question.design(Shape(*PROBES[0], lanes, dataflow), elements, grid)
        if design.chosen_build in tried:
            continue
        tried.append(design.chosen_build)
        mixed = runner.build(design)
        each = (mixed.used.get(name, 0) - fixed) / elements
        saved = (runner.cells(probes[0]) - runner.cells(mixed)) / elements
        if not each or saved <= 0:
            continue
        found = Prediction(best.model, saved, max(0, int((question.capacity.dsps - fixed) / each)))
        if most_products(shapes, found, question.room) > most_products(shapes, best, question.room):
            best, runner.multipliers[lanes] = found, (found.dsp_elements, grid)
    return best


def _candidates(question: FitQuestion, predictions: dict[tuple[str, int], Prediction]) -> tuple[list[Shape], int]:
    """The cheapest shape for each number of products, in ascending order, and the one to begin with."""
    predicted = ((prediction, question.shapes(*kind)) for kind, prediction in predictions.items())
    best = cheapest_shapes(predicted, HEADROOM * question.capacity.luts)
    if not best:
        raise NothingFits(f"no array fits: even the smallest is predicted to be over {question.target.name}'s capacity")
    start = max((i for i, (taken, _) in enumerate(best) if taken <= question.room), default=0)
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
            **{name: getattr(engine, name) for name in ("tile_m", "max_k", "outputs", "bus_bits")},
            "output": how.output.name,
            "scale": how.scale.name if how.scale else None,
            "scale_per": engine.scale_per,
            "rounding": how.rounding.value,
            "pipeline": question.pipeline,
            "build": design.chosen_build.product,
            "dsp_elements": design.dsp_elements or 0,
            "dsp_grid": design.dsp_grid,
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
