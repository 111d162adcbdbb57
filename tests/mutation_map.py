"""Private copies of the checkout, and the map from a line of its source to the tests that run it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from mutants import Mutant

__all__ = ["ROOT", "TestMap", "private_copy"]

ROOT = Path(__file__).parents[1]
_NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "out", "results", "*_cache", "docs", "__pycache__")
_SOURCES = ("formats", "hdl", "sim")


def private_copy(folder: Path) -> Path:
    """A copy of the package in a folder, under the name by which it is imported."""
    copy = folder / ROOT.name
    shutil.copytree(ROOT, copy, ignore=_NOT_COPIED, symlinks=True)
    copy.rename(folder / "fewbit")
    command = [sys.executable, "-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "fewbit"]
    subprocess.run(command, cwd=folder, check=True)  # a file's time is too coarse to tell one mutant from the next
    return folder / "fewbit"


class TestMap:
    """Which tests run which line, from what is kept in a folder, or else by running them once in a copy.

    Parameters
    ----------
    kept: folder for what was measured, a file for every file of tests and one for the designs of ``rtl_hashes.py``
    copy: as ``private_copy`` gives it
    files: of tests, from the package's root
    """

    __test__ = False

    def __init__(self, kept: Path, copy: Path, files: list[str]):
        self.tests: dict[str, dict[str, Any]] = {}
        for file in files:
            pytest = ["-m", "pytest", "-p", "coverage_by_test", "-q", "-m", "not slow", file]
            self.tests |= _measured(kept, copy, file, pytest)
        self.designs = _measured(kept, copy, "tests/rtl_hashes.py", ["-W", "ignore", "tests/coverage_by_test.py"])

    def tests_of(self, mutant: Mutant, seconds: float) -> list[str]:
        """Names of tests that run the mutant's statement, then of others that run anything in its file, as many as take
        so many seconds. One case of every test comes first, those of quick tests before others, then another of each.
        """
        chosen = []
        on_line = [name for name, test in self.tests.items() if mutant.in_function and _runs(test, mutant)]
        in_file = [name for name, test in self.tests.items() if mutant.file in test["lines"]]
        for names in (on_line, sorted({*in_file} - {*on_line})):
            for name in self._in_turn(names):
                seconds -= self.tests[name]["seconds"]
                if seconds < 0 and chosen:
                    return chosen
                chosen.append(name)
        return chosen

    def _in_turn(self, names: list[str]) -> list[str]:
        cases = defaultdict(list)
        for name in sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest()):
            cases[name.partition("[")[0]].append(name)
        place = {name: (k, self.tests[name]["seconds"]) for each in cases.values() for k, name in enumerate(each)}
        return sorted(names, key=place.__getitem__)

    def designs_of(self, mutant: Mutant, seconds: float) -> dict[str, str]:
        """Digests of designs that the mutant's statement has a part in, as many as take so many seconds."""
        chosen = {}
        for name, design in sorted(self.designs.items(), key=lambda item: item[1]["seconds"]):
            if _runs(design, mutant) if mutant.in_function else mutant.file in design["lines"]:
                seconds -= design["seconds"]
                if seconds < 0:
                    break
                chosen[name] = design["digest"]
        return chosen


def _runs(measured: dict[str, Any], mutant: Mutant) -> bool:
    first, last = mutant.lines
    return any(first <= line <= last for line in measured["lines"].get(mutant.file, ()))


def _measured(kept: Path, copy: Path, file: str, arguments: list[str]) -> dict[str, dict[str, Any]]:
    """What ``coverage_by_test`` says of a file, as long as neither that file nor the package has changed."""
    digest = hashlib.sha256((copy / file).read_bytes())
    for source in sorted(path for room in _SOURCES for path in (copy / room).rglob("*.py")):
        digest.update(source.read_bytes())
    path = kept / f"{Path(file).stem}-{digest.hexdigest()[:16]}.json"
    if not path.exists():
        print(f"measuring {file}", flush=True)
        kept.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(".making")
        environment = {"PYTHONPATH": f"{copy.parent}:{copy}/tests", "FEWBIT_COVERAGE": str(scratch)}
        done = subprocess.run(
            [sys.executable, *arguments], cwd=copy, env=os.environ | environment, capture_output=True, text=True
        )
        if done.returncode not in (0, 5):  # 5: all of its tests are slow
            raise SystemExit(f"mutate: {file} must pass before it is tried on mutants\n{done.stdout}{done.stderr}")
        scratch.rename(path)
    return json.loads(path.read_text())
