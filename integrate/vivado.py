"""What Vivado takes: a script that packs a unit as an IP, constraints for it alone, and a block design around it."""

from collections.abc import Iterable, Mapping

from ..formats import Dma
from ..hdl import MatmulDesign, NetworkDesign
from ..hdl.bus.interfaces import find_interfaces
from .host import host_files
from .ip_xact import LIBRARY, VENDOR, VERSION, component_xml
from .memory_host import memory_host_files
from .template import fill

__all__ = ["ip_files", "vivado_files"]

PART = "xc7z020clg400-1"
"""The part that scripts take unless they are given another: that of many boards with a Zynq 7020."""

OUT_OF_CONTEXT_MHZ = 200

DMA_BITS = (32, 64, 128, 256, 512)
"""Widths that a DMA's streams may have."""


def vivado_files(design: MatmulDesign) -> dict[str, str]:
    """The files for Vivado beside the engine's Verilog, by name.

    Raises ValueError where the registers are behind Wishbone, of which Vivado has no definition.
    """
    if design.engine.control != "axi_lite":
        raise ValueError(f"control must be axi_lite for vivado, not {design.engine.control!r}")
    host = host_files if design.engine.dma is None else memory_host_files
    return {**host(design), **ip_files(design, _dma_bits(design))}


def ip_files(design: MatmulDesign | NetworkDesign, dma_bits: int = DMA_BITS[0]) -> dict[str, str]:
    """The files that make an IP, and an example of it, by name.

    ``dma_bits``: the width of the example's DMAs, one of ``DMA_BITS``
    """
    module, said = design.module, design.description()
    interfaces = find_interfaces(port["name"] for port in said["ports"])
    streams = {stream["name"]: stream["beat_bits"] // 8 for stream in said["streams"]}
    named = {"module": module, "vendor": VENDOR, "library": LIBRARY, "version": VERSION, "part": PART}
    dma = design.engine.dma if isinstance(design, MatmulDesign) else None
    period = f"{1000 / OUT_OF_CONTEXT_MHZ:.3f}"
    return {
        "component.xml": component_xml(design),
        "package_ip.tcl": fill(
            "package_ip.tcl",
            **named,
            description=design.contract,
            interfaces=" ".join(each.name for each in interfaces),
            **_masters(dma),
        ),
        f"{module}_ooc.xdc": fill("ooc.xdc", module=module, mhz=str(OUT_OF_CONTEXT_MHZ), period=period),
        **_example(named, streams, dma_bits),
    }


def _masters(dma: Dma | None) -> dict[str, str]:
    """Names of the masters, which are one or none, the bytes that their addresses reach, and the bits of a beat."""
    if dma is None:
        return {"masters": "", "range": "4G", "width": "32"}
    reach = "16E" if dma.address_bits == 64 else str(1 << dma.address_bits)
    return {"masters": "m_axi", "range": reach, "width": str(dma.memory_bits)}


def _example(named: dict[str, str], streams: Mapping[str, int], dma_bits: int) -> dict[str, str]:
    """A block design around the unit, by its file's name: with DMAs where it has streams, which are given."""
    if not streams:
        return {"zynq_memory.tcl": fill("zynq_memory.tcl", **named)}
    parts = {"bits": str(dma_bits), "dmas": _dmas(streams), "streams": _streams(streams)}
    return {"zynq_dma.tcl": fill("zynq_dma.tcl", **named, **parts)}


def _dma_bits(design: MatmulDesign) -> int:
    """The width of the DMAs' streams: that of the engine's where DMAs may have it. Else streams are converted."""
    bits = design.engine.bus_bits
    return bits if bits in DMA_BITS else DMA_BITS[0]


def _streams(streams: Mapping[str, int]) -> str:
    """A line for every stream: its name, and the bytes of a beat."""
    return _rows((_short(name), str(count)) for name, count in streams.items())


def _dmas(streams: Mapping[str, int]) -> str:
    """A line for every DMA: its name, the stream that it reads memory for, and the one that it writes memory from."""
    inputs = [_short(name) for name in streams if name.startswith("s_")]
    (output,) = [_short(name) for name in streams if name.startswith("m_")]
    return _rows((f"dma_{name}", name, output if name == inputs[0] else "-") for name in inputs)


def _short(stream: str) -> str:
    """The name of a stream without that of its bus."""
    return stream.partition("_axis_")[2]


def _rows(rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join(f"    {' '.join(row)}" for row in rows)
