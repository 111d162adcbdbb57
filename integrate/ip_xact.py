"""A unit as IP-XACT, IEEE 1685-2014: its files, ports, buses and registers."""

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from ..hdl import Design
from ..hdl.bus.interfaces import Interface, find_interfaces

__all__ = ["LIBRARY", "VENDOR", "VERSION", "component_xml"]

VENDOR, LIBRARY, VERSION = "fewbit", "ip", "1.0"
"""What the name of a unit begins and ends with where tools want vendor, library, name and version."""

_NAMESPACE = "http://www.accellera.org/XMLSchema/IPXACT/1685-2014"
_SCHEMA = "http://www.w3.org/2001/XMLSchema-instance"

_ACCESS = {
    "rw": {"access": "read-write"},
    "ro": {"volatile": "true", "access": "read-only"},
    "wo": {"access": "write-only"},
    "pulse": {"access": "write-only"},
    "w1c": {"volatile": "true", "access": "read-write", "modifiedWriteValue": "oneToClear"},
}
"""Elements of a field, by its access."""


def component_xml(design: Design) -> str:
    """The component of a design whose Verilog is in MODULE.v beside it."""
    said = design.description()
    ports = said["ports"]
    registers = said.get("registers", [])
    ElementTree.register_namespace("ipxact", _NAMESPACE)
    top = ElementTree.Element(_tag("component"))
    location = f"{_NAMESPACE} {_NAMESPACE}/index.xsd"
    top.set(f"{{{_SCHEMA}}}schemaLocation", location)
    _add_texts(top, vendor=VENDOR, library=LIBRARY, name=design.module, version=VERSION)
    interfaces = find_interfaces(port["name"] for port in ports)
    if interfaces:
        buses = _add(top, "busInterfaces")
        for each in interfaces:
            _add_interface(buses, each)
    if registers:
        _add_registers(top, registers)
    _add_model(top, design.module, ports)
    files = _add(_add(top, "fileSets"), "fileSet")
    _add_texts(files, name="rtl")
    _add_texts(_add(files, "file"), name=f"{design.module}.v", fileType="verilogSource")
    _add_texts(top, description=design.contract)
    ElementTree.indent(top)
    return ElementTree.tostring(top, encoding="unicode", xml_declaration=True) + "\n"


def _add_interface(buses: ElementTree.Element, interface: Interface) -> None:
    vendor, library, name, version = interface.definition.split(":")
    bus = _add(buses, "busInterface")
    _add_texts(bus, name=interface.name)
    kind = {"vendor": vendor, "library": library, "version": version}
    _add(bus, "busType", name=name, **kind)
    how = _add(_add(bus, "abstractionTypes"), "abstractionType")
    _add(how, "abstractionRef", name=f"{name}_rtl", **kind)
    maps = _add(how, "portMaps")
    for signal, port in interface.ports.items():
        pair = _add(maps, "portMap")
        _add_texts(_add(pair, "logicalPort"), name=signal)
        _add_texts(_add(pair, "physicalPort"), name=port)
    role = _add(bus, "master" if interface.is_initiator else "slave")
    if interface.kind in ("axi", "wishbone") and not interface.is_initiator:
        _add(role, "memoryMapRef", memoryMapRef="registers")
    if interface.parameters:
        parameters = _add(bus, "parameters")
        for name, value in interface.parameters.items():
            parameter = _add(parameters, "parameter", parameterId=f"{interface.name}_{name}", type="string")
            _add_texts(parameter, name=name, value=value)


def _add_registers(top: ElementTree.Element, registers: Sequence[dict[str, Any]]) -> None:
    memory = _add(_add(top, "memoryMaps"), "memoryMap")
    _add_texts(memory, name="registers")
    block = _add(memory, "addressBlock")
    size = registers[-1]["offset"] + 4
    _add_texts(block, name="registers", baseAddress="0", range=str(size), width="32", usage="register")
    for register in registers:
        here = _add(block, "register")
        _add_texts(here, name=register["name"], description=register["meaning"])
        _add_texts(here, addressOffset=f"'h{register['offset']:X}", size="32")
        for field in register["fields"]:
            part = _add(here, "field")
            _add_texts(part, name=field["name"], description=field["meaning"], bitOffset=str(field["lsb"]))
            if field["access"] != "ro":
                _add_texts(_add(_add(part, "resets"), "reset"), value=f"'h{field['reset']:X}")
            _add_texts(part, bitWidth=str(field["width"]), **_ACCESS[field["access"]])


def _add_model(top: ElementTree.Element, module: str, ports: Sequence[dict[str, Any]]) -> None:
    model = _add(top, "model")
    view = _add(_add(model, "views"), "view")
    _add_texts(view, name="rtl", componentInstantiationRef="rtl")
    made = _add(_add(model, "instantiations"), "componentInstantiation")
    _add_texts(made, name="rtl", language="verilog", moduleName=module)
    _add_texts(_add(made, "fileSetRef"), localName="rtl")
    listed = _add(model, "ports")
    for each in ports:
        port = _add(listed, "port")
        _add_texts(port, name=each["name"], description=each["meaning"])
        wire = _add(port, "wire")
        _add_texts(wire, direction={"input": "in", "output": "out"}[each["direction"]])
        if each["width"] > 1:
            _add_texts(_add(_add(wire, "vectors"), "vector"), left=str(each["width"] - 1), right="0")


def _tag(name: str) -> str:
    return f"{{{_NAMESPACE}}}{name}"


def _add(parent: ElementTree.Element, element: str, **attributes: str) -> ElementTree.Element:
    return ElementTree.SubElement(parent, _tag(element), attributes)


def _add_texts(parent: ElementTree.Element, **texts: str) -> None:
    for name, text in texts.items():
        _add(parent, name).text = text
