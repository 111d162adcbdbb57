"""Many designs are measured on many devices, in parallel. The cache is asked first."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from ..families import Target
from ..hdl import Design, ProductDesign, hardware_of
from ..places import sources_hash
from .cache import Cache
from .flow import SEEDS, Flow, measure, rtl_hash
from .pool import work_through
from .row import Cost, Row

__all__ = ["SweepError", "sweep"]

Job = tuple[Design, Flow]
Progress = Callable[[int, int], None]


class SweepError(RuntimeError):
    """Some designs could not be measured. ``failures`` has a line for each; the rows of all others were yielded.

    ``refused``: whether all of them are refused as they were asked for, so that no tool failed
    """

    def __init__(self, failures: list[str], refused: bool = False):
        self.failures, self.refused = failures, refused
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        super().__init__(f"{failures[0]}{more}")


def sweep(
    designs: Iterable[Design],
    targets: Iterable[Target],
    dsp_policies: Iterable[str] = ("none",),
    *,
    target_mhz: float | None = None,
    seeds: tuple[int, ...] = SEEDS,
    route: bool = True,
    executor: Executor | None = None,
    jobs: int | None = None,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[Row]:
    """Yield a row for every design on every target under every DSP policy, as they finish. Rows in the cache come
    first.

    Each design is generated for the target's family and the DSP policy. A caller that may stop early has to close the
    iterator (``contextlib.closing``). That ends all tools, as Ctrl-C does; rows that were finished are in the cache.

    Parameters
    ----------
    designs: the designs, whose ``family`` and ``dsp`` are set by the sweep
    targets: the devices, as ``parse_target`` gives them
    dsp_policies: ``none`` and ``auto``
    target_mhz, seeds: see ``Flow``
    route: whether to place and route, for families that can be. If not, designs are only synthesized and have no Fmax
    executor: the executor that measures; processes on this machine unless given. An executor that is given is not shut
        down
    jobs: how many processes to use on this machine; one for each core unless given
    cache_folder: the folder of the cache of results, see ``Cache``
    progress: is called with the numbers of finished and of all rows

    Raises ToolMissing before anything is measured, ValueError for a wrong argument, and SweepError at the end.
    """
    targets, policies = [target if route else _unrouted(target) for target in targets], list(dsp_policies)
    flows = [Flow(target, policy, target_mhz, seeds) for target in targets for policy in policies]
    for flow in flows:
        _ = flow.tools
    asked = dict.fromkeys((_for_flow(design, flow), flow) for design in designs for flow in flows)
    done, total = 0, len(asked)
    report = progress or (lambda done, total: None)
    report(done, total)
    todo, failures = [], []
    with closing(Cache(cache_folder)) as store:
        for job in asked:
            cost = _cached(job, store)
            if cost is None:
                todo.append(job)
                continue
            done += 1
            report(done, total)
            yield _row(job[0], cost)
        for job, result in work_through(_work, todo, store.folder, executor=executor, jobs=jobs):
            done += 1
            report(done, total)
            if isinstance(result, Cost):
                _store(job, result, store)
                yield _row(job[0], result)
            else:
                failures.append(f"{_title(job)}: {str(result) or type(result).__name__}")
    if failures:
        raise SweepError(failures)


def _unrouted(target: Target) -> Target:
    """The target without a router. The cache takes it for a flow of its own."""
    return replace(target, family=replace(target.family, harness=None))


def _for_flow(design: Design, flow: Flow) -> Design:
    return replace(design, family=flow.target.family.name, dsp=flow.dsp == "auto" and flow.target.multiplies)


def _work(job: Job, folder: Path) -> Cost:
    design, flow = job
    rtlil = design.rtlil()
    store = Cache(folder)
    try:
        cost = _read_cost(store.get(flow.identity(rtl_hash(rtlil))))
        if cost is None:
            cost = measure(rtlil, design.module, flow)
        _store(job, cost, store)
        return cost
    finally:
        store.close()


def _cached(job: Job, store: Cache) -> Cost | None:
    """The cost out of the cache. RTL whose hash is known from the same sources is not generated."""
    design, flow = job
    key = design_key(design)
    known = store.get(key) if key else None
    return _read_cost(store.get(flow.identity(known))) if isinstance(known, str) else None


def _store(job: Job, cost: Cost, store: Cache) -> None:
    design, flow = job
    store.put(flow.identity(cost.rtl_sha256), cost.to_dict())
    key = design_key(design)
    if key:
        store.put(key, cost.rtl_sha256)


def _read_cost(values: object) -> Cost | None:
    try:
        return Cost.from_dict(values) if isinstance(values, dict) else None
    except (ValueError, TypeError):
        return None


def design_key(design: Design) -> str | None:
    """A key for the hash of the RTL, valid as long as the generator's sources do not change; None if some are not
    fewbit's."""
    parts: list[object] = [design]
    if isinstance(design, ProductDesign):
        parts += [design.computes.element, hardware_of(design.computes)]
    package = __name__.partition(".")[0]
    if any(type(part).__module__.partition(".")[0] != package for part in parts):
        return None
    everything = (version("amaranth"), sources_hash("formats", "families", "hdl"), design)
    return hashlib.sha256(repr(everything).encode()).hexdigest()


def _row(design: Design, cost: Cost) -> Row:
    return Row(
        **cost.__dict__,
        unit=design.unit,
        weight=design.weight.name,
        activation=design.activation.name,
        accumulator_bits=design.accumulator_bits,
        latency=design.latency,
        parameters=design.parameters,
    )


def _title(job: Job) -> str:
    design, flow = job
    return f"{design.unit} {design.weight.name} x {design.activation.name} on {flow.target.name}, dsp {flow.dsp}"
