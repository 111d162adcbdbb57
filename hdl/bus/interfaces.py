"""The buses among the ports of a unit are found by the names of the ports, and Vivado is told of them by attributes."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

__all__ = ["Interface", "find_interfaces", "port_attributes"]

_AXI_SIGNALS = "|".join(
    f"{channel}{signal}"
    for channel, signals in {
        "a[wr]": "addr|prot|valid|ready|id|len|size|burst|lock|cache|qos|region",
        "w": "data|strb|valid|ready|last",
        "b": "resp|valid|ready|id",
        "r": "data|resp|valid|ready|last|id",
    }.items()
    for signal in signals.split("|")
)

_BUSES = {
    "axi_stream": re.compile(r"(?P<name>[sm]_axis(?:_\w+)?)_(?P<signal>tdata|tvalid|tready|tlast)"),
    "axi": re.compile(rf"(?P<name>[sm]_axi(?:_\w+?)?)_(?P<signal>{_AXI_SIGNALS})"),
    "wishbone": re.compile(r"(?P<name>wb)_(?P<signal>cyc|stb|we|adr|sel|dat_w|dat_r|ack|err)"),
}
"""What the ports of a bus are called, by the kind of the bus."""

_SIGNALS = {
    "clk": ("clock", "CLK", {}),
    "rst": ("reset", "RST", {"POLARITY": "ACTIVE_HIGH"}),
    "irq": ("interrupt", "INTERRUPT", {"SENSITIVITY": "LEVEL_HIGH"}),
}
"""Ports that are an interface by themselves: its kind, what the port is in it, and its parameters."""

DEFINITIONS = {
    "axi_stream": "xilinx.com:interface:axis:1.0",
    "axi": "xilinx.com:interface:aximm:1.0",
    "wishbone": "opencores.org:interface:wishbone:b4",
    "clock": "xilinx.com:signal:clock:1.0",
    "reset": "xilinx.com:signal:reset:1.0",
    "interrupt": "xilinx.com:signal:interrupt:1.0",
}
"""Vendor, library, name and version of the definition of each kind of interface."""


@dataclass(frozen=True)
class Interface:
    """Ports that belong together.

    Parameters
    ----------
    name: what the ports' names begin with; the name of the port where there is one alone
    kind: a key of ``DEFINITIONS``
    ports: the port of every signal, by the name that the bus gives the signal
    is_initiator: whether it begins transfers, or drives the interrupt
    parameters: what Vivado is told of the interface beside its ports
    """

    name: str
    kind: str
    ports: Mapping[str, str]
    is_initiator: bool
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def definition(self) -> str:
        """Vendor, library, name and version, with colons between."""
        return DEFINITIONS[self.kind]

    @property
    def is_axi(self) -> bool:
        return self.kind in ("axi", "axi_stream")


def find_interfaces(ports: Iterable[str]) -> list[Interface]:
    """The interfaces that ports of these names make. Clock and reset come first.

    There are none where no port belongs to a bus, so units that are plain arithmetic have none.
    """
    ports = list(ports)
    found: dict[str, tuple[str, dict[str, str]]] = {}
    for port in ports:
        for kind, names in _BUSES.items():
            match = names.fullmatch(port)
            if match:
                found.setdefault(match["name"], (kind, {}))[1][match["signal"].upper()] = port
    if not found:
        return []
    buses = [
        Interface(name, kind, signals, name.startswith("m_"), _parameters(kind, signals))
        for name, (kind, signals) in found.items()
    ]
    clocked = {"ASSOCIATED_BUSIF": ":".join(bus.name for bus in buses if bus.is_axi), "ASSOCIATED_RESET": "rst"}
    singles = []
    for port, (kind, signal, parameters) in _SIGNALS.items():
        if port in ports or port != "irq":
            told = {name: value for name, value in clocked.items() if value} if port == "clk" else parameters
            singles.append(Interface(port, kind, {signal: port}, port == "irq", told))
    return [*singles[:2], *buses, *singles[2:]]


def port_attributes(ports: Iterable[str]) -> dict[str, dict[str, str]]:
    """The attributes of every port by which Vivado's block designs see interfaces instead of wires.

    Vivado has no definition of Wishbone, so its ports get none.
    """
    attributes: dict[str, dict[str, str]] = {}
    for each in find_interfaces(ports):
        if each.kind == "wishbone":
            continue
        for signal, port in each.ports.items():
            attributes[port] = {"X_INTERFACE_INFO": f"{each.definition} {each.name} {signal}"}
        if each.parameters:
            first = next(iter(each.ports.values()))
            told = ", ".join(f"{name} {value}" for name, value in each.parameters.items())
            attributes[first]["X_INTERFACE_PARAMETER"] = told
    return attributes


def _parameters(kind: str, signals: Mapping[str, str]) -> dict[str, str]:
    return {"PROTOCOL": "AXI4" if "AWLEN" in signals or "ARLEN" in signals else "AXI4LITE"} if kind == "axi" else {}
