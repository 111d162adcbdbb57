"""What FuseSoC takes: a core with targets that lint, simulate and synthesize an engine, and a program that runs it."""

from collections.abc import Sequence
from pathlib import Path

from ..formats import Engine
from ..formats.policy import Rounding
from ..hdl import MatmulDesign, NetworkDesign
from .example import example_header, example_of
from .host import host_files
from .ip_xact import LIBRARY, VENDOR, VERSION
from .memory_host import memory_host_files, memory_simulation_files
from .template import fill

__all__ = ["core_file", "fusesoc_files", "simulation_files"]


def fusesoc_files(design: MatmulDesign) -> dict[str, str]:
    """The files for FuseSoC beside the engine's Verilog and header, by name."""
    is_dma = design.engine.dma is not None
    sources = [f"{design.module}{end}" for end in (".h", "_host.h", "_example.h", "_host.c", "_sim.cpp")]
    return {
        **core_file(design, sources, "a product driven by the C code of the host"),
        **(memory_host_files if is_dma else host_files)(design),
        **(memory_simulation_files if is_dma else simulation_files)(design),
    }


def core_file(design: MatmulDesign | NetworkDesign, sources: Sequence[str], example: str) -> dict[str, str]:
    """The core, by its file's name.

    Parameters
    ----------
    sources: the files of the simulation; headers, C and C++
    example: what is simulated, in words
    """
    kinds = {".h": "cSource, is_include_file: true", ".c": "cSource", ".cpp": "cppSource"}
    simulation = "\n".join(f"      - {name}: {{file_type: {kinds[Path(name).suffix]}}}" for name in sources)
    text = fill(
        "fusesoc.core",
        module=design.module,
        vendor=VENDOR,
        library=LIBRARY,
        version=VERSION,
        description=design.contract.replace('"', "'"),
        simulation=simulation,
        example=example,
    )
    return {f"{design.module}.core": text}


def simulation_files(design: MatmulDesign) -> dict[str, str]:
    """A program that runs the engine by Verilator, and the product with its answer that it checks the engine with."""
    engine, module = design.engine, design.module
    named = {"module": module, "upper": module.upper()}
    return {
        f"{module}_example.h": example_header(module, example_of(engine), engine),
        f"{module}_sim.cpp": fill(
            "sim.cpp",
            **named,
            streams="\n".join(f"        {_stream(engine, name)}," for name in engine.stream_bits),
            bus=fill(f"sim_{engine.control}.cpp", **named),
            runs=str(_runs(engine)),
        ),
    }


def _stream(engine: Engine, name: str) -> str:
    """A stream in C++: where its ports are, and how many bytes a beat has."""
    port = f"top.{'m' if name == 'c' else 's'}_axis_{name}"
    pins = ", ".join(f"&{port}_{signal}" for signal in ("tvalid", "tready", "tlast"))
    return f"{{&{port}_tdata, sizeof {port}_tdata, {engine.bus(name) // 8}, {pins}}}"


def _runs(engine: Engine) -> int:
    """How many products are run. Where rounding is by chance, only the first one has the same answer."""
    return 1 if engine.requantization.rounding is Rounding.STOCHASTIC else 2
