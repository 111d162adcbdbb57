"""Many designs in one simulation: what one of them does wrong is laid at its door, and only there."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from fewbit.formats import Format, parse, study_formats
from fewbit.hdl import Design
from fewbit.tb import verify_space
from fewbit.tb.batch import rename_modules

Entry = tuple[str, str, dict[str, Any]]


pytestmark = pytest.mark.usefixtures("own_cache")


def designs(weights: Sequence[Format], activations: Sequence[Format], **parameters: Any) -> Iterator[Entry]:
    for weight in weights:
        for activation in activations:
            design = Design("mac", weight, activation, **parameters)
            yield f"{weight} x {activation}", design.verilog(), design.description(command="")


def one_pair_wrong(entry: Entry, weight: int, activation: int) -> Entry:
    """The same design but for one operand pair, which it takes for its neighbour."""
    name, verilog, description = entry
    ports = {port["name"]: port for port in description["ports"]}
    header = ", ".join(f"{port['direction']} [{port['width'] - 1}:0] {name}" for name, port in ports.items())
    links = {name: name for name in ports}
    links["activation"] = f"weight == {weight} && activation == {activation} ? {activation ^ 1} : activation"
    connections = ", ".join(f".{name}({link})" for name, link in links.items())
    outer = f"module mac({header});\n  inner_mac inner ({connections});\nendmodule\n"
    return name, rename_modules(verilog, "inner_") + outer, description


@pytest.mark.slow
def test_every_design_is_verified_and_a_wrong_one_named() -> None:
    entries = [*designs([parse("e2m1")], study_formats(3), terms=64)]
    entries[1] = one_pair_wrong(entries[1], 5, 3)
    found = {verified.name: verified for verified in verify_space(entries, jobs=1, random_cycles=300)}
    assert [*found] == [name for name, _, _ in entries]
    assert [verified.ok for verified in found.values()] == [True, False, True]
    assert {verified.operand_pairs for verified in found.values()} == {128}
    wrong = found[entries[1][0]]
    assert wrong.message.startswith("operand_pairs: accumulator must be ")
    assert (wrong.weight, wrong.activation) == ("e2m1", entries[1][2]["activation"]["name"])
    assert all(verified.random_cycles > 300 and verified.extreme_cycles > 3 * 64 for verified in found.values())
    assert len({verified.sha256 for verified in found.values()}) == 3


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", [0, 3])
def test_a_corner_of_the_space(pipeline: int) -> None:
    weights, activations = study_formats(3), study_formats(4, 5)
    found = [*verify_space(designs(weights, activations, terms=50, pipeline=pipeline), random_cycles=300)]
    assert len(found) == len(weights) * len(activations)
    assert all(verified.ok for verified in found), [verified for verified in found if not verified.ok]


@pytest.mark.slow
def test_special_values() -> None:
    names = ["float8_e4m3", "float8_e5m2", "float8_e4m3fn", "float8_e5m2fnuz", "int4"]
    entries = [*designs([parse("float8_e4m3")], [parse(name) for name in names], terms=20)]
    assert all(verified.ok for verified in verify_space(entries, random_cycles=300))


def test_designs_that_cannot_share_operands_are_refused() -> None:
    with pytest.raises(ValueError, match="format must use every code to share operands with others, not int4s"):
        [*verify_space(designs([parse("int4s")], [parse("int4")]))]
    with pytest.raises(ValueError, match="design must be a mac of at most 16 operand bits, not mac e4m5 x int8"):
        [*verify_space(designs([parse("e4m5")], [parse("int8")]))]


def test_modules_are_renamed_where_defined_and_where_used() -> None:
    verilog = (
        "module mac(a);\n  \\mac.inner  inner (.a(a));\n  mac_cell #(.N(1)) mac (.a(a));\n"
        "  other other_1 (.a(a));\nendmodule\nmodule \\mac.inner (a);\nendmodule\nmodule mac_cell (a);\nendmodule\n"
    )
    assert rename_modules(verilog, "p_") == (
        "module p_mac(a);\n  \\p_mac.inner  inner (.a(a));\n  p_mac_cell #(.N(1)) mac (.a(a));\n"
        "  other other_1 (.a(a));\nendmodule\nmodule \\p_mac.inner (a);\nendmodule\nmodule p_mac_cell (a);\nendmodule\n"
    )
