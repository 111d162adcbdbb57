"""What LiteX takes: a module of the engine for SoCs, and the C code that drives it from the SoC's processor."""

from ..hdl import MatmulDesign
from .host import host_files
from .template import fill

__all__ = ["litex_files"]

LEAST_BITS = 32
"""Bits of the narrowest bus that a SoC of LiteX has."""


def litex_files(design: MatmulDesign) -> dict[str, str]:
    """The files for LiteX beside the engine's Verilog, JSON and header, by name.

    Raises ValueError where a stream has no width that DMAs could feed.
    """
    engine, module = design.engine, design.module
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


def _send(name: str, stream: str) -> str:
    """The case of a stream: its DMA is stopped, set, and started."""
    dma = f"fewbit_engine_dma_{name}"
    steps = [f"{dma}_enable_write(0);", f"{dma}_base_write((uintptr_t)bytes);"]
    steps += [f"{dma}_length_write((uint32_t)count);", f"{dma}_enable_write(1);", "break;"]
    return "\n".join([f"    case {stream}:", *(f"        {step}" for step in steps)])
