"""Which lines of hdl/ and sim/ each test runs, and the CPU seconds that it takes: a plugin of pytest for ``mutate.py``.

``FEWBIT_COVERAGE`` names the JSON file: by the name of a test, ``seconds`` and ``lines``, which are lists by file. Run
as a program it does the same for a sample of the designs of ``rtl_hashes.py``, with a ``digest`` of each.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import coverage
import fewbit
import pytest

ROOT = Path(fewbit.__file__).resolve().parent
ONE_IN = 11
"""A prime, so that the designs of every inner loop are in the sample."""


class CoverageByTest:
    def __init__(self) -> None:
        rooms = [f"{ROOT}/hdl/*", f"{ROOT}/sim/*"]
        self.coverage = coverage.Coverage(data_file=None, include=rooms, config_file=False)
        self.found: dict[str, dict[str, Any]] = {}
        self.coverage.start()

    @contextmanager
    def of(self, name: str) -> Iterator[dict[str, Any]]:
        """Count lines and seconds for that name; the caller may add to its entry."""
        self.coverage.switch_context(name)
        before = time.process_time()
        self.found[name] = {"lines": {}}
        yield self.found[name]
        self.found[name]["seconds"] = round(time.process_time() - before, 3)
        self.coverage.switch_context("")

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        with self.of(item.nodeid):
            yield

    def pytest_unconfigure(self) -> None:
        self.coverage.stop()
        data = self.coverage.get_data()
        for file in data.measured_files():
            for line, names in data.contexts_by_lineno(file).items():
                for name in filter(None, names):
                    self.found[name]["lines"].setdefault(str(Path(file).relative_to(ROOT)), []).append(line)
        Path(os.environ["FEWBIT_COVERAGE"]).write_text(json.dumps(self.found))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(CoverageByTest())


def main() -> None:
    plugin = CoverageByTest()
    from rtl_hashes import KINDS, digest

    for kind, designs in KINDS.items():
        for number, design in enumerate(designs()):
            if number % ONE_IN == 0:
                with plugin.of(f"{kind} {number}") as entry:
                    entry["digest"] = digest(design)
    plugin.pytest_unconfigure()


if __name__ == "__main__":
    main()
