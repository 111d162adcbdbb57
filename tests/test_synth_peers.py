"""Our rows against the peers' figures."""

import math
from dataclasses import fields

import pytest
from fewbit.formats import parse
from fewbit.synth import Row, compare, peer_pairs, peers


def peer_row(**changes):
    """A row of the MAC int8 x int8 on ecp5; what a comparison does not read is only filled in."""
    values = {field.name: "-" for field in fields(Row)}
    contract = {"unit": "mac", "dsp_policy": "none", "latency": 2, "parameters": {"terms": 8192}}
    cost = {"luts": 60, "carry": 24, "logic_cells": 110, "fmax_mhz": 120.5}
    return Row(**{**values, "weight": "int8", "activation": "int8", "family": "ecp5", **contract, **cost, **changes})


def test_peers_are_the_first_table():
    assert len(peer_pairs()) == 10
    assert all(parse(name) for pair in peer_pairs() for name in pair)
    assert [row["xc7_luts"] for row in peers()["rows"]] == [250, 168, 108, 87, 71, 53, 124, 75, 41, 50]
    assert [row["xc7_logic_cells"] for row in peers()["rows"]] == [212, 140, 87, 77, 52, 43, 114, 71, 36, 44]
    assert [row["ecp5_luts"] for row in peers()["rows"]] == [253, 199, 113, 99, 75, 56, 145, 87, 45, 54]
    assert [row["ecp5_carry"] for row in peers()["rows"]] == [51, 44, 24, 29, 20, 17, 23, 19, 15, 10]
    assert [row["ice40_luts"] for row in peers()["rows"]] == [357, 264, 159, 149, 118, 89, 185, 122, 72, 72]


def test_ecp5_counts_carry_and_shows_it_apart():
    (match,) = compare([peer_row(luts=60, carry=24)]).matches
    assert (match.ours, match.theirs) == (84, 168)
    assert (match.ours_luts, match.ours_carry, match.theirs_luts, match.theirs_carry) == (60, 24, 145, 23)
    assert (match.ours_area, match.theirs_area) == (108, 191)
    assert (match.ours_mhz, match.theirs_mhz) == (120.5, (91, 107))
    assert match.ratio == 0.5


def test_means_are_geometric():
    rows = [
        peer_row(family="ice40", luts=185),
        peer_row(family="xc7", luts=31, logic_cells=30, fmax_mhz=None),
    ]
    comparison = compare(rows)
    assert comparison.by_family == {"ice40": 1.0, "xc7": 0.25}
    assert math.isclose(comparison.geometric_mean, 0.5)
    assert [match.ours_logic_cells for match in comparison.matches] == [None, 30]
    assert comparison.worse == ()
    assert comparison.to_dict()["geometric_mean"] == comparison.geometric_mean


def test_what_the_peer_wins_is_named():
    comparison = compare([peer_row(family="xc7", luts=125), peer_row(family="ice40", luts=185)])
    assert [match.family for match in comparison.worse] == ["xc7"]


def test_a_lane_of_a_dot_product_is_compared_on_its_family():
    dot = {"unit": "dot", "family": "xc7", "luts": 1360, "parameters": {"terms": 8192, "lanes": 32}}
    (match,) = compare([peer_row(**dot), peer_row(**{**dot, "parameters": {"terms": 8192, "lanes": 16}})]).matches
    assert (match.ours, match.theirs, match.ratio, match.ours_area) == (42.5, 170, 0.25, 42.5)
    assert compare([peer_row(**dot), peer_row()]).by_family == {"ecp5": 0.5, "xc7": 0.25}


@pytest.mark.parametrize(
    "changes",
    [
        {"unit": "dot"},
        {"weight": "e3m4"},
        {"dsp_policy": "auto"},
        {"family": "gowin"},
        {"latency": 1},
        {"parameters": {"terms": 4096}},
        {"unit": "multiply", "parameters": {"pipeline": 2}},
        {"parameters": {"terms": 8192, "element": "halves", "interval": 2}},
    ],
)
def test_rows_under_another_contract_are_left_out(changes):
    with pytest.raises(ValueError, match="rows to compare must have a mac with terms 8192"):
        compare([peer_row(**changes)])
