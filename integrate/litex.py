"""What LiteX takes: a module of the engine for SoCs, and the C code that drives it from the SoC's processor."""

from ..hdl import MatmulDesign, NetworkDesign
from .host import host_files
from .memory_host import memory_host_files
from .template import fill

__all__ = ["litex_files", "network_litex_files"]

ALIGNMENT = 8
"""Images are so many bytes apart in memory, or a multiple, as in ``fewbit_engine.py``."""

LEAST_BITS = 32
"""Bits of the narrowest bus that a SoC of LiteX has."""


def litex_files(design: MatmulDesign) -> dict[str, str]:
    """The files for LiteX beside the engine's Verilog, JSON and header, by name.

    Raises ValueError where a stream has no width that DMAs could feed.
    """
    engine, module = design.engine, design.module
    if engine.dma is not None:
        return {
            **memory_host_files(design),
            "fewbit_engine.py": fill("fewbit_engine.py"),
            f"{module}_litex.h": fill("litex_memory.h", module=module, upper=module.upper()),
        }
    for name in engine.stream_bits:
        bits = engine.bus(name)
        if bits < LEAST_BITS or bits & (bits - 1):
            raise ValueError(
                f"bus_bits must be given for litex, a power of two of {LEAST_BITS} or more, not {engine.bus_bits!r}: "
                f"the stream {name} has {bits}"
            )
    inputs = [name for name in engine.stream_bits if name != "c"]
    return {
        **host_files(design),
        "fewbit_engine.py": fill("fewbit_engine.py"),
        f"{module}_litex.h": fill(
            "litex.h",
            module=module,
            upper=module.upper(),
            sends="\n".join(_send(name, f"{module.upper()}_{name.upper()}") for name in inputs),
        ),
    }


def network_litex_files(design: NetworkDesign) -> dict[str, str]:
    """The files for LiteX beside the Verilog, JSON and header of a network's accelerator, by name."""
    module = design.module
    streams = {stream["name"]: stream for stream in design.description()["streams"]}
    answer, image = streams["m_axis_answer"], streams["s_axis_image"]
    named = {"module": module, "upper": module.upper()}
    weights = streams.get("s_axis_weights")
    load = "" if weights is None else fill("litex_weights.h", **named, size=str(_aligned(weights["bytes"])))
    return {
        "fewbit_engine.py": fill("fewbit_engine.py"),
        f"{module}_litex.h": fill(
            "litex_network.h",
            **named,
            bits=str(answer["beat_bits"]),
            image=str(image["bytes"]),
            stride=str(_aligned(image["bytes"])),
            sums=str(answer["bytes"] * 8 // answer["beat_bits"]),
            load=load,
        ),
    }


def _aligned(count: int) -> int:
    return -(-count // ALIGNMENT) * ALIGNMENT


def _send(name: str, stream: str) -> str:
    """The case of a stream: its DMA is stopped, set, and started."""
    dma = f"fewbit_engine_dma_{name}"
    steps = [f"{dma}_enable_write(0);", f"{dma}_base_write((uintptr_t)bytes);"]
    steps += [f"{dma}_length_write((uint32_t)count);", f"{dma}_enable_write(1);", "break;"]
    return "\n".join([f"    case {stream}:", *(f"        {step}" for step in steps)])
