"""The tools that an engine can be taken into, and the files of each."""

from collections.abc import Callable, Mapping
from typing import Any

from ..hdl import MatmulDesign
from .fusesoc import fusesoc_files
from .ip_xact import LIBRARY, VENDOR, VERSION
from .litex import litex_files
from .systemrdl import system_rdl
from .template import fill
from .vivado import PART, vivado_files

__all__ = ["DEFAULTS", "TOOLS", "tool_files"]

TOOLS: Mapping[str, Callable[[MatmulDesign], dict[str, str]]] = {
    "vivado": vivado_files,
    "fusesoc": fusesoc_files,
    "litex": litex_files,
}
"""What makes the files of a tool, by the tool's name."""

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
    module = design.module
    readme = fill(
        f"readme_{tool}.md",
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
    return {"README.md": readme, f"{module}.rdl": registers, **TOOLS[tool](design)}
