"""How many small faults in hdl/ and sim/ the tests find: `python tests/mutate.py --count 400`.

Every mutant runs in a private copy of the checkout, with the quick tests that run its line, the quickest first. One
that no test finds is ``survived``; or ``same RTL`` if it is in hdl/ and changes no bit of those designs of
``rtl_hashes.py`` that its line has a part in. What is known of files that have not changed since is kept, so another
run goes on.
"""

import argparse
import ast
import collections
import contextlib
import csv
import fnmatch
import hashlib
import importlib.metadata
import itertools
import json
import os
import platform
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import amaranth.sim  # noqa: F401  imported before a process is forked for a mutant, as is all that is not ours
import numpy  # noqa: F401
import pytest
import rich.progress  # noqa: F401
import typer  # noqa: F401
from mutants import Mutant, mutants_of
from mutation_map import ROOT, TestMap, private_copy

OUTCOMES = ("killed", "survived", "same RTL")
MEMORY = 3 << 30
"""Bytes that the tests of a mutant may take."""
COLUMNS = ("file", "line", "kind", "before", "after", "outcome", "test", "error", "tests")


class Judge:
    """A plugin of pytest that runs the tests in their given order, stops each that takes ten times as long as it did
    without a mutant, and remembers the first that failed."""

    def __init__(self, seconds: dict[str, float]):
        self.seconds = seconds
        self.ran = 0
        self.test = self.error = ""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        found = {item.nodeid: item for item in items}
        items[:] = [found[name] for name in self.seconds if name in found]

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self.ran += 1
        signal.setitimer(signal.ITIMER_PROF, 5 + 10 * self.seconds[item.nodeid])
        yield
        signal.setitimer(signal.ITIMER_PROF, 0)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.test:
            self.test = report.nodeid
            crash = getattr(report.longrepr, "reprcrash", None)
            self.error = (crash.message if crash else str(report.longrepr)).splitlines()[0][:120]


def too_long(*_: object) -> None:
    raise TimeoutError("the test takes ten times as long")


def judge(copy: Path, mutant: Mutant, tests: dict[str, float], designs: dict[str, str]) -> dict[str, Any]:
    """What becomes of a mutant, in a process of its own."""
    os.chdir(copy)
    os.environ |= {"PYTHONPATH": str(copy.parent), "FEWBIT_CACHE": str(copy.parent / "cache")}
    sys.path[:] = [str(copy.parent), str(copy / "tests"), *(path for path in sys.path if path != str(ROOT / "tests"))]
    sys.dont_write_bytecode = True
    signal.signal(signal.SIGPROF, too_long)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    for module in ("mutants", "mutation_map"):
        del sys.modules[module]
    plugin = Judge(tests)
    files = sorted({name.partition("::")[0] for name in tests})
    if not files:
        return {"outcome": "survived", "test": "", "error": "", "tests": 0}
    code = pytest.main(["-x", "-q", "-W", "ignore", "-p", "no:cacheprovider", *files], plugins=[plugin])
    found = {"test": plugin.test, "error": plugin.error, "tests": plugin.ran}
    if code != pytest.ExitCode.OK:
        return {"outcome": "killed"} | found
    return {"outcome": "same RTL" if designs and not changed(designs) else "survived"} | found


def changed(designs: dict[str, str]) -> bool:
    """Whether any of these designs has another digest now, or none."""
    from rtl_hashes import KINDS, digest

    for kind in {name.split()[0] for name in designs}:
        numbers = {int(name.split()[1]): value for name, value in designs.items() if name.split()[0] == kind}
        try:
            for number, design in enumerate(KINDS[kind]()):
                if number in numbers and numbers.pop(number) != digest(design):
                    return True
        except Exception:
            return True
        if numbers:
            return True
    return False


class Workers:
    """As many processes as there are copies; each judges one mutant and ends."""

    def __init__(self, copies: list[Path], patience: float):
        self.idle = copies
        self.patience = patience
        self.busy: dict[int, tuple[Path, Mutant, float]] = {}

    def start(self, mutant: Mutant, tests: dict[str, float], designs: dict[str, str]) -> None:
        copy = self.idle.pop()
        source = (ROOT / mutant.file).read_text()
        (copy / mutant.file).write_text(mutant.applied_to(source))
        verdict = copy.parent / "verdict.json"
        verdict.unlink(missing_ok=True)
        process = os.fork()
        if process == 0:
            os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            with open(copy.parent / "log", "w") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            with contextlib.suppress(BaseException):
                verdict.write_text(json.dumps(judge(copy, mutant, tests, designs)))
            os._exit(0)
        self.busy[process] = copy, mutant, time.monotonic() + self.patience

    def stop(self) -> None:
        for process in self.busy:
            os.killpg(process, signal.SIGKILL)

    def finished(self) -> tuple[Mutant, dict[str, Any]]:
        """Wait for one to end, or end it where it takes too long."""
        while True:
            for process, (copy, mutant, deadline) in self.busy.items():
                late = time.monotonic() > deadline
                if late:
                    os.killpg(process, signal.SIGKILL)
                if late or os.waitpid(process, os.WNOHANG) != (0, 0):
                    if late:
                        os.waitpid(process, 0)
                    del self.busy[process]
                    self.idle.append(copy)
                    (copy / mutant.file).write_text((ROOT / mutant.file).read_text())
                    verdict = copy.parent / "verdict.json"
                    error = "it takes too long" if late else "the tests cannot be collected"
                    none = {"outcome": "killed", "test": "", "error": error, "tests": 0}
                    return mutant, json.loads(verdict.read_text()) if verdict.exists() else none
            time.sleep(0.05)


def chosen(mutants: list[Mutant], seed: int, count: int) -> list[Mutant]:
    """A sample, in which a mutant's place depends on it and the seed alone. Of None for an argument, which seldom gets
    far, it takes one in six."""

    def place(mutant: Mutant) -> float:
        chance = random.Random(f"{seed} {mutant.file} {mutant.line} {mutant.column} {mutant.after}")
        return chance.random() * (6 if mutant.kind == "argument" else 1)

    drawn = sorted(mutants, key=place)
    return list(itertools.islice((mutant for mutant in drawn if is_python(mutant)), count))


def is_python(mutant: Mutant) -> bool:
    try:
        ast.parse(mutant.applied_to((ROOT / mutant.file).read_text()))
    except SyntaxError:
        return False
    return True


def identity(record: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(record[name] for name in ("file", "line", "column", "before", "after", "source"))


def record_of(mutant: Mutant, sources: dict[str, str]) -> dict[str, Any]:
    names = ("file", "line", "column", "kind")
    texts = {name: " ".join(getattr(mutant, name).split()) for name in ("before", "after")}
    return {name: getattr(mutant, name) for name in names} | texts | {"source": sources[mutant.file]}


def write(out: Path, command: str, records: list[dict[str, Any]]) -> None:
    records = sorted(records, key=lambda record: (record["file"], record["line"], record["column"], record["after"]))
    counts = {outcome: sum(record["outcome"] == outcome for record in records) for outcome in OUTCOMES}
    versions = {name: importlib.metadata.version(name) for name in ("amaranth", "numpy", "pytest")}
    whole = {
        "command": command,
        "versions": {"python": platform.python_version()} | versions,
        "counts": counts,
        "mutants": records,
    }
    for path in (out, out.with_suffix(".csv")):
        scratch = path.with_name(f".{path.name}")
        with scratch.open("w", newline="") as file:
            if path == out:
                json.dump(whole, file, indent=1)
                file.write("\n")
            else:
                rows = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
                rows.writeheader()
                rows.writerows(records)
        scratch.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", default="*", help="only files whose path fits, as 'hdl/engine/*'")
    parser.add_argument(
        "--tests", default="test_[hs][di][lm]_*.py", help="files of tests, those of hdl and sim if not given"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--count", type=int, default=400, help="mutants in the sample")
    parser.add_argument("--again", action="store_true", help="try those that were not killed before, and no others")
    parser.add_argument("--minutes", type=float, default=60, help="when to stop")
    parser.add_argument("--seconds", type=float, default=60, help="of the CPU, for the tests of one mutant")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at once")
    parser.add_argument("--out", type=Path, default=ROOT / "results/mutation.json", help="and a .csv beside it")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    paths = sorted(path for room in ("hdl", "sim") for path in (ROOT / room).rglob("*.py"))
    files = [name for name in (str(path.relative_to(ROOT)) for path in paths) if fnmatch.fnmatch(name, options.files)]
    mutants = [mutant for file in files for mutant in mutants_of(ROOT, file)]

    before = json.loads(options.out.read_text()) if options.out.exists() else {"mutants": []}
    sources = {str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in paths}
    known = {
        identity(record): record for record in before["mutants"] if sources.get(record["file"]) == record["source"]
    }
    if options.again:
        found = {name for name, record in known.items() if record["outcome"] != "killed"}
        open_ones = [mutant for mutant in mutants if identity(record_of(mutant, sources)) in found]
    else:
        sample = chosen(mutants, options.seed, options.count)
        open_ones = [mutant for mutant in sample if identity(record_of(mutant, sources)) not in known]
    sampled = f"--seed {options.seed} --count {options.count} --seconds {options.seconds:g}"
    command = f"python tests/mutate.py --files '{options.files}' {sampled}"
    if options.again:
        command = before.get("command", command)

    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch, str(k)) for k in range(options.jobs)]
        copies = [private_copy(folder) for folder in folders if not folder.mkdir()]
        tests = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests").glob(options.tests))
        test_map = TestMap(ROOT / "out/mutation", copies[0], tests)
        workers = Workers(copies, patience=60 + 20 * options.seconds)
        counts: collections.Counter[str] = collections.Counter()
        try:
            for mutant, verdict in judged(open_ones, workers, test_map, options.seconds, end):
                record = record_of(mutant, sources) | verdict
                known[identity(record)] = record
                write(options.out, command, list(known.values()))
                counts[record["outcome"]] += 1
                if record["outcome"] != "killed":
                    place, fault = f"{mutant.file}:{mutant.line}", f"{mutant.before!r} -> {mutant.after!r}"
                    print(f"{place}: {record['outcome']}: {fault}", flush=True)
        finally:
            workers.stop()
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES)
    print(f"{counts.total()} of {len(open_ones)} tried: {told}; {options.out}")


def judged(
    mutants: list[Mutant], workers: Workers, test_map: TestMap, seconds: float, end: float
) -> Iterator[tuple[Mutant, dict[str, Any]]]:
    """Every mutant with its verdict, as they come, of those that are begun before the time of ``end``."""
    waiting = mutants[::-1]
    while True:
        while waiting and workers.idle and time.monotonic() < end:
            mutant = waiting.pop()
            tests = {name: test_map.tests[name]["seconds"] for name in test_map.tests_of(mutant, seconds)}
            designs = test_map.designs_of(mutant, seconds) if mutant.file.startswith("hdl") else {}
            workers.start(mutant, tests, designs)
        if not workers.busy:
            return
        yield workers.finished()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("mutate: stopped"))
    main()
