"""What a network takes on a board and how fast it is there, told before synthesis."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import fewbit
import numpy as np
import pytest
from fewbit.boards.build.estimate import CLOCKS, estimate, reason
from fewbit.boards.build.network_cells import FEATURES, TABLE, cells, features, product_luts
from fewbit.boards.build.network_request import NetworkRequest
from fewbit.boards.targets import find_board
from fewbit.cli.app import run
from fewbit.families import FAMILIES
from fewbit.formats import parse
from fewbit.sim import network_cycles, network_pause
from fewbit.sim.network import RecordCycles
from network_cells import FIELDS, PROBES, request
from resnet_program import resnet8

RESULTS = Path(fewbit.__file__).parent / "results"


@pytest.fixture(scope="module")
def program():
    return resnet8(weight="e2m1", activation="int4")


def test_cycles_and_rates_follow_from_the_cycle_model(program):
    wanted = NetworkRequest(find_board("icebreaker"), program, buffer_bytes=2048)
    found = estimate(wanted)
    timing = wanted.design.hardware.timing
    assert timing.single_port and timing.pieces == 4
    assert found.records == network_cycles(program, timing)
    assert found.pause == network_pause(program, timing)
    computed = (sum(record.cycles for record in found.records) + found.pause) / 20e6
    assert found.rate(20e6, link=False) == 1 / computed
    # A resident image of 784 bytes, in four frames, comes while the one before is computed.
    assert found.frame_bytes == (784 + 4 * 9, 10 * 3 + 9) and found.waiting == 0
    assert found.rate(20e6, link=True) == 1 / computed
    assert replace(found, baud=115_200).rate(20e6, link=True) == 115_200 / 10 / 820
    assert found.busy == sum(r.taps for r in found.records if r.name != "pool") / (found.cycles + found.pause)


def test_an_image_that_the_buffer_does_not_hold_waits(program):
    moved = replace(program, image=replace(program.image, resident=False))
    found = estimate(NetworkRequest(find_board("ulx3s_85f"), moved, buffer_bytes=512))
    assert found.waiting == 784 + 4 * 9 - 512
    seconds = (found.cycles + found.pause) / 60e6 + 10 * found.waiting / found.baud
    assert found.rate(60e6, link=True) == pytest.approx(1 / max(seconds, 8200 / found.baud), rel=1e-12)


@pytest.mark.slow
def test_what_does_not_fit_is_told():
    large = resnet8(weight="int8", activation="int8", rows=1, columns=32, lanes=8)
    found = estimate(NetworkRequest(find_board("icebreaker"), large))
    assert not found.fits and not found.resources["LUTs"].fits and not found.to_dict()["fits"]


def test_a_record_is_bound_by_what_takes_most_of_it():
    assert reason(RecordCycles("a", 100, taps=60, weights=30, sums=0, memory=0)) == "taps"
    assert reason(RecordCycles("a", 100, taps=20, weights=30, sums=0, memory=25)) == "weights"
    assert reason(RecordCycles("a", 100, taps=20, weights=0, sums=40, memory=25)) == "sums"
    assert reason(RecordCycles("a", 100, taps=20, weights=0, sums=20, memory=5)) == "begin and end"


def test_clocks_are_those_of_bitstreams_that_were_routed():
    rows = json.loads((RESULTS / "boards.json").read_text())["rows"]
    for part, (low, high) in CLOCKS.items():
        clocks = [row["clock_mhz"] for row in rows if find_board(row["board"]).part.name == part]
        assert (low, high) == (round(min(clocks), 1), round(max(clocks), 1))


def test_products_are_priced_as_the_pairs_of_the_study_are():
    with (RESULTS / "price_pairs.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["family"] == "ice40"]
    off = [
        (product_luts(parse(row["weight"]), parse(row["activation"])) + int(row["accumulator_bits"])) / int(row["luts"])
        - 1
        for row in rows
    ]
    assert len(off) == 1089
    assert np.mean(np.abs(off)) < 0.07


def test_the_table_is_of_the_probes_as_they_are_now():
    """What estimates are fitted to has the features that the probes have today."""
    rows = json.loads(TABLE.read_text())["rows"]
    assert [(row["board"], row["dsp"], *(row[name] for name in FIELDS)) for row in rows] == list(PROBES)
    for probe, row in list(zip(PROBES, rows, strict=True))[::5]:
        design = request(*probe).design
        found = cells(design, row["dsp"] != "none")
        assert [row[name] for name in FEATURES] == [round(value, 1) for value in features(design, row["dsp"] != "none")]
        assert (
            abs(found.logic / (row["luts"] + FAMILIES[row["family"]].carry_area * row["carry"]) - 1) < 3 * found.error
        )
        assert abs(found.dsps - row["dsps"]) <= max(2, row["dsps"] // 10)


def test_the_command_tells_it_in_words_and_in_json(tmp_path, capsys, program):
    path = tmp_path / "resnet8.json"
    program.write(path)
    assert run(["estimate", "--program", str(path), "--board", "icebreaker"]) == 0
    told = capsys.readouterr().out
    assert "e2m1 x int4, int8 between layers, 1 x 8 x 4, 32 products a cycle" in told
    assert (
        "bound by the array" in told
        and "the link bounds them" not in told
        and "images a second with the link at 3 Mbaud" in told
    )
    assert run(["estimate", "--program", str(path), "--board", "icebreaker", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(record["cycles"] for record in found["records"]) == found["cycles"]
    assert found["fits"] and found["resources"]["large RAMs"] == [4, 4]


def test_a_command_without_a_network_is_refused(capsys):
    assert run(["estimate", "--board", "icebreaker"]) == 2
    assert "--model or --program must be given" in capsys.readouterr().err
