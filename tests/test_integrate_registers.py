"""Registers for other people's tools: SystemRDL by its compiler, IP-XACT by PeakRDL's importer."""

import pytest
from fewbit.formats import Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.integrate.ip_xact import component_xml
from fewbit.integrate.systemrdl import system_rdl

INT8 = parse("int8")
ALL = Requantization(INT8, scale=parse("dyadic32s6"), tensor_scale=parse("float32"), zero_point=True)
DESIGN = Design.matmul(Engine(INT8, INT8, ALL, weight_zero_point=True))
REGISTERS = DESIGN.description()["registers"]
PLACES = {
    each["name"]: (each["offset"], {field["name"]: (field["lsb"], field["width"]) for field in each["fields"]})
    for each in REGISTERS
}


@pytest.fixture
def compiler():
    return pytest.importorskip("systemrdl").RDLCompiler()


def registers_of(root) -> dict:
    """The registers of whatever was compiled, by name."""
    return {node.inst_name: node for node in root.top.descendants() if type(node).__name__ == "RegNode"}


def places_of(registers) -> dict:
    return {
        name: (node.absolute_address, {field.inst_name: (field.low, field.width) for field in node.fields()})
        for name, node in registers.items()
    }


def test_systemrdl_has_every_register_where_it_is(compiler, tmp_path):
    (tmp_path / "matmul.rdl").write_text(system_rdl("matmul", 'a "quoted" meaning', REGISTERS))
    compiler.compile_file(str(tmp_path / "matmul.rdl"))
    root = compiler.elaborate()
    registers = registers_of(root)
    assert root.top.get_property("desc") == 'a "quoted" meaning'
    assert places_of(registers) == PLACES
    for register in REGISTERS:
        for field in register["fields"]:
            node = registers[register["name"]].get_child_by_name(field["name"])
            assert node.get_property("desc") == field["meaning"]
            readable, writable = field["access"] in ("rw", "ro", "w1c"), field["access"] != "ro"
            assert (node.is_sw_readable, node.is_sw_writable) == (readable, writable)
            assert bool(node.get_property("singlepulse")) == (field["access"] == "pulse")
            assert (node.get_property("onwrite") is not None) == (field["access"] == "w1c")
            assert node.get_property("reset") == (field["reset"] if writable else None)


def test_component_has_every_register_where_it_is(compiler, tmp_path):
    importer = pytest.importorskip("peakrdl_ipxact").IPXACTImporter(compiler)
    (tmp_path / "component.xml").write_text(component_xml(DESIGN))
    importer.import_file(str(tmp_path / "component.xml"))
    registers = registers_of(compiler.elaborate())
    assert places_of(registers) == PLACES
    done = registers["status"].get_child_by_name("done")
    assert (
        done.get_property("onwrite").name == "woclr" and registers["control"].get_child_by_name("start").is_sw_writable
    )
