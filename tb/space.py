"""Verifies a whole space of MACs in few simulations: designs of one weight format go into one, with shared operands."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

from .batch import MODULE, rename_modules, wrapper
from .errors import BuildError
from .runner import run
from .unit import DescribedUnit

__all__ = ["Verified", "verify_space"]


@dataclass(frozen=True)
class Verified:
    """What became of one design.

    Members
    -------
    name, weight, activation: of the design
    operand_pairs: different operand pairs compared, which is all that there are
    random_cycles, extreme_cycles: cycles of random sums, and of sums that go to both ends of the accumulator
    sha256: of the Verilog
    ok: whether every output was right in every cycle
    message: the first output of each test that was not, empty where ok
    """

    name: str
    weight: str
    activation: str
    operand_pairs: int
    random_cycles: int
    extreme_cycles: int
    sha256: str
    ok: bool
    message: str = ""


class DesignToVerify(NamedTuple):
    name: str
    verilog: str
    description: Mapping[str, Any]
    unit: DescribedUnit


def verify_space(
    designs: Iterable[tuple[str, str, Mapping[str, Any]]],
    *,
    simulator: str = "verilator",
    jobs: int | None = None,
    largest_batch: int = 40,
    random_cycles: int = 2000,
    seed: int = 1,
) -> Iterator[Verified]:
    """Verify every design over all its operand pairs, and by random and worst-case sums; yield as batches finish.

    Parameters
    ----------
    designs: (name, Verilog, UNIT.json) of ``mac`` units whose operands have 16 bits together at most. Those in a
        row with one weight format, latency and number of terms are simulated together. It is drawn from as needed
    simulator: ``verilator`` or ``icarus``
    jobs: simulations at once, as many as there are cores unless given
    largest_batch: designs in one simulation
    random_cycles, seed: of the random sums

    Raises ValueError where a design cannot be verified so, ToolMissingError and BuildError; a wrong design does not.
    """
    jobs = jobs or os.cpu_count() or 1
    checked = (
        _check(DesignToVerify(name, verilog, about, DescribedUnit.from_description(about)))
        for name, verilog, about in designs
    )
    batches = _batches(checked, largest_batch)

    def verify(batch: list[DesignToVerify]) -> list[Verified]:
        return _verify(batch, simulator, random_cycles, seed)

    yield from _in_parallel(verify, batches, jobs)


def _in_parallel(
    work: Callable[[list[DesignToVerify]], list[Verified]], batches: Iterable[list[DesignToVerify]], jobs: int
) -> Iterator[Verified]:
    """Results as they come; no more batches are drawn than are being worked on."""
    with ThreadPoolExecutor(jobs) as pool:
        running: set[Future[list[Verified]]] = set()
        try:
            for batch in batches:
                running.add(pool.submit(work, batch))
                if len(running) >= jobs:
                    done, running = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield from future.result()
            while running:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield from future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _check(design: DesignToVerify) -> DesignToVerify:
    unit = design.unit
    if unit.kind != "mac" or not unit.exhaustive:
        raise ValueError(
            f"design must be a mac of at most 16 operand bits, not {unit.kind} {unit.weight} x {unit.activation}"
        )
    for format in (unit.weight, unit.activation):
        if format.code_count != 1 << format.width:
            raise ValueError(f"format must use every code to share operands with others, not {format}")
    return design


def _batches(designs: Iterable[DesignToVerify], largest: int) -> Iterator[list[DesignToVerify]]:
    def alike(design: DesignToVerify) -> tuple[object, ...]:
        return design.unit.weight, design.unit.latency, design.unit.terms

    for _, group in groupby(designs, key=alike):
        batch: list[DesignToVerify] = []
        for design in group:
            batch.append(design)
            if len(batch) == largest:
                yield batch
                batch = []
        if batch:
            yield batch


def _verify(batch: list[DesignToVerify], simulator: str, random_cycles: int, seed: int) -> list[Verified]:
    texts = [rename_modules(design.verilog, f"d{k}_") for k, design in enumerate(batch)]
    tops = [(f"d{k}_{design.unit.module}", design.unit) for k, design in enumerate(batch)]
    job = {"descriptions": [dict(design.description) for design in batch], "random_cycles": random_cycles, "seed": seed}
    name = f"mac {batch[0].unit.weight} x {len(batch)} formats"
    verilog = "\n".join([*texts, wrapper(tops)])
    result, records = run(name, verilog, MODULE, f"{__package__}.space_tb", job, simulator=simulator)
    cycles = {record["test"]: record["cycles"] for record in records}
    if len(cycles) != 3:
        failures = "; ".join(map(str, result.failed))
        raise BuildError(f"testbench of {name} must reach its end: {failures}")
    found = []
    for k, design in enumerate(batch):
        messages = [record["wrong"][str(k)] for record in records if str(k) in record["wrong"]]
        found.append(
            Verified(
                name=design.name,
                weight=design.unit.weight.name,
                activation=design.unit.activation.name,
                operand_pairs=1 << design.unit.weight.width + design.unit.activation.width,
                random_cycles=cycles["random_sums"],
                extreme_cycles=cycles["extreme_sums"],
                sha256=hashlib.sha256(design.verilog.encode()).hexdigest(),
                ok=not messages,
                message="; ".join(messages),
            )
        )
    return found
