"""The runner and a testbench exchange two files in the folder that the simulation runs in."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from .unit import DescribedUnit

__all__ = ["JOB", "REPORT", "UnitJob", "load_job", "random_generator", "record"]

JOB = "job.json"
REPORT = "report.jsonl"


def load_job() -> dict[str, Any]:
    """What the runner asks for."""
    job: dict[str, Any] = json.loads(Path(JOB).read_text())
    return job


def record(**entry: Any) -> None:
    """Tell the runner what was verified."""
    with open(REPORT, "a") as report:
        report.write(json.dumps(entry) + "\n")


def random_generator(seed: int, test: str) -> np.random.Generator:
    """Random numbers that depend on the seed and the test alone, not on which tests ran before."""
    return np.random.default_rng([seed, *test.encode()])


class UnitJob:
    """What the testbench of one unit is asked to do."""

    def __init__(self) -> None:
        job = load_job()
        self.unit = DescribedUnit.from_description(job["description"])
        self.seed: int = job["seed"]
        self.random_cycles: int = job["random_cycles"]

    def generator(self, test: str) -> np.random.Generator:
        return random_generator(self.seed, test)
