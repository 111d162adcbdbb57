"""Families, their devices, and how cells are counted."""

import pickle

import pytest
from fewbit.boards.families import board_families
from fewbit.synth import FAMILIES, Flow, parse_target, targets


def test_families_are_known_by_the_names_of_their_files():
    assert [family.name for family in FAMILIES.values()] == list(FAMILIES)
    assert set(board_families()) < set(FAMILIES)


def test_targets_are_parsed_from_their_names():
    assert [parse_target(target.name) for target in targets()] == targets()
    assert parse_target("ice40") == parse_target("ice40-hx8k")
    assert parse_target("ice40-up5k").device.name == "up5k"


def test_unknown_family_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"family must be ecp5, ecp5-85k, gatemate, .*, ice40-up5k, .*, not 'virtex'"):
        parse_target("virtex")


def test_targets_survive_the_way_to_another_process():
    for target in targets():
        copy = pickle.loads(pickle.dumps(Flow(target)))
        assert copy == Flow(target) and copy.target.name == target.name
        assert hash(copy) == hash(Flow(target))


def test_cells_are_counted_by_kind():
    counts = FAMILIES["xc7"].count({"LUT2": 3, "LUT6": 4, "SRL16E": 1, "CARRY4": 5, "FDRE": 6, "FDSE": 1, "INV": 2}, 9)
    assert (counts.luts, counts.luts_by_size) == (8, {"2": 3, "6": 5})
    assert (counts.carry, counts.ff, counts.inverters, counts.estimated_cells) == (5, 7, 2, 9)
    assert FAMILIES["xc7"].area(counts) == 10
    rams = FAMILIES["xc7"].count({"RAM32M": 2, "RAM64X1D": 1, "RAM32X1S": 3, "LUT3": 1})
    assert (rams.luts, rams.luts_by_size) == (14, {"3": 1, "6": 13})


def test_ecp5_carry_takes_the_place_of_two_luts():
    counts = FAMILIES["ecp5"].count({"LUT4": 10, "CCU2C": 3, "TRELLIS_FF": 7, "MULT18X18D": 1, "DP16KD": 2})
    assert (counts.luts, counts.carry, counts.ff, counts.dsp, counts.bram) == (10, 3, 7, 1, 2)
    assert FAMILIES["ecp5"].area(counts) == 16


def test_ice40_carry_shares_the_lut():
    counts = FAMILIES["ice40"].count({"SB_LUT4": 10, "SB_CARRY": 3, "SB_DFFESR": 7, "SB_DFF": 1, "SB_MAC16": 1})
    assert (counts.luts, counts.luts_by_size, counts.carry, counts.ff, counts.dsp) == (10, {"4": 10}, 3, 8, 1)
    assert FAMILIES["ice40"].area(counts) == 10
