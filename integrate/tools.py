"""The tools that an engine or a network can be taken into, and the files of each."""

from collections.abc import Callable, Mapping
from typing import Any

from ..hdl import MatmulDesign, NetworkDesign
from .fusesoc import fusesoc_files
from .ip_xact import LIBRARY, VENDOR, VERSION
from .litex import litex_files, network_litex_files
from .network import network_core_files
from .systemrdl import system_rdl
from .template import fill
from .vivado import PART, ip_files, vivado_files

__all__ = ["DEFAULTS", "NETWORK_TOOLS", "TOOLS", "network_files", "tool_files"]

TOOLS: Mapping[str, Callable[[MatmulDesign], dict[str, str]]] = {
    "vivado": vivado_files,
    "fusesoc": fusesoc_files,
    "litex": litex_files,
}
"""What makes the files of a tool, by the tool's name."""

NETWORK_TOOLS: Mapping[str, Callable[[NetworkDesign], dict[str, str]]] = {
    "vivado": ip_files,
    "fusesoc": network_core_files,
    "litex": network_litex_files,
}
"""The same for the accelerators of networks."""

DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "vivado": {"bus_bits": 32, "control": "axi_lite"},
    "fusesoc": {"bus_bits": 32, "control": "axi_lite"},
    "litex": {"bus_bits": 32, "control": "wishbone"},
}
"""Parameters of an engine that suit a tool: streams that DMAs feed as they are, and the bus of the registers."""


def tool_files(design: MatmulDesign, tool: str, command: str) -> dict[str, str]:
    """The files for a tool beside MODULE.v, MODULE.json and MODULE.h, by name. README.md tells what to type.

    Parameters
    ----------
    tool: a key of ``TOOLS``
    command: the command that made them, for the README

    Raises ValueError where the tool cannot take the engine.
    """
    if tool not in TOOLS:
        raise ValueError(f"tool must be one of {', '.join(TOOLS)}, not {tool!r}")
    kind = "" if design.engine.dma is None else "_memory"
    return _told(design, f"readme_{tool}{kind}.md", command) | TOOLS[tool](design)


def network_files(design: NetworkDesign, tool: str, command: str) -> dict[str, str]:
    """The same for the accelerator of a network. ``tool``: a key of ``NETWORK_TOOLS``"""
    if tool not in NETWORK_TOOLS:
        raise ValueError(f"tool must be one of {', '.join(NETWORK_TOOLS)} for a network, not {tool!r}")
    return _told(design, f"readme_{tool}_network.md", command) | NETWORK_TOOLS[tool](design)


def _told(design: MatmulDesign | NetworkDesign, template: str, command: str) -> dict[str, str]:
    """What is the same for all tools: README.md, and the registers."""
    module = design.module
    readme = fill(
        template,
        module=module,
        upper=module.upper(),
        command=command,
        contract=design.contract,
        vendor=VENDOR,
        library=LIBRARY,
        version=VERSION,
        part=PART,
    )
    registers = system_rdl(module, design.contract, design.description()["registers"])
    return {"README.md": readme, f"{module}.rdl": registers}
