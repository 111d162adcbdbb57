"""What a network takes on a board and how fast it is there, told before synthesis."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import fewbit
import numpy as np
import pytest
from fewbit.boards.build import array_search
from fewbit.boards.build.array_search import ArraySides, fill_of, find_array
from fewbit.boards.build.built_estimates import bitstreams, known_builds, told_errors
from fewbit.boards.build.estimate import CLOCKS, estimate, reason
from fewbit.boards.build.memories import planned_memories, shares
from fewbit.boards.build.network_cells import FEATURES, TABLE, cells, left_out, product_luts
from fewbit.boards.build.network_request import NetworkRequest, buffer_for
from fewbit.boards.targets import find_board
from fewbit.cli.app import run
from fewbit.cli.estimate_chart import chart
from fewbit.families import FAMILIES
from fewbit.formats import parse
from fewbit.sim import network_cycles, network_pause
from fewbit.sim.network import RecordCycles
from network_cells import FIELDS, PROBES, probe_features, request
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
        clocks += [build.built["clock"] for build in known_builds() if find_board(build.board).part.name == part]
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
        made = request(*probe)
        found = cells(made.design, row["dsp"] != "none")
        assert [row[name] for name in FEATURES] == [round(value, 1) for value in probe_features(made)]
        assert (
            abs(found.logic / (row["luts"] + FAMILIES[row["family"]].carry_area * row["carry"]) - 1) < 3 * found.error
        )
        assert abs(found.dsps - row["dsps"]) <= max(2, row["dsps"] // 10)


def test_the_command_tells_it_in_words_and_in_json(tmp_path, capsys, program):
    path = tmp_path / "resnet8.json"
    program.write(path)
    assert run(["estimate", "--program", str(path), "--board", "icebreaker"]) == 0
    told = capsys.readouterr().out
    assert "e2m1 x int4, int8 between layers, 1 x 8 x 4, 32 products and 1 output a cycle" in told
    assert (
        "bound by the array" in told
        and "the link bounds them" not in told
        and "images a second with the link at 3 Mbaud" in told
    )
    assert run(["estimate", "--program", str(path), "--board", "icebreaker", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert sum(record["cycles"] for record in found["records"]) == found["cycles"]
    assert found["fits"] and found["resources"]["large RAMs"] == [4, 4] and "layer_by_layer" not in found
    assert run(["estimate", "--program", str(path), "--board", "icebreaker", "--chart", "x.png"]) == 2
    assert "--chart must be a file that ends in .svg, not 'x.png'" in capsys.readouterr().err


def test_what_does_not_fit_is_told_with_its_speed_layer_by_layer(tmp_path, capsys, program):
    path = tmp_path / "resnet8.json"
    program.write(path)
    assert run(["estimate", "--program", str(path), "--board", "ice40_hx8k_b_evn"]) == 1
    told = capsys.readouterr().out
    assert "it does not fit: ice40_hx8k_b_evn has too few block RAMs" in told and "with the link" not in told
    assert "through which the host computes the network layer by layer: at most 0.74 images a second" in told


def test_a_command_without_a_network_is_refused(capsys):
    assert run(["estimate", "--board", "icebreaker"]) == 2
    assert "--model or --program must be given" in capsys.readouterr().err


@pytest.mark.parametrize("probe", [PROBES[0], PROBES[12]], ids=["icebreaker", "tang_nano_9k"])
def test_memories_are_counted_without_elaboration(probe):
    """As they are found in what is elaborated, block by block."""
    made = request(*probe)
    found, planned = (
        shares(memories, made.board.part.target)
        for memories in (made.memories(), planned_memories(made.design, made.buffer_bytes))
    )
    assert {part: share[:2] for part, share in planned.items()} == {part: share[:2] for part, share in found.items()}


def program_of(shape):
    sides = dict(zip(("rows", "columns", "lanes", "outputs"), shape, strict=True))
    return resnet8(weight="e2m1", activation="int4", multiplier_bits=16, **sides)


def estimated(board, shape):
    program = program_of(shape)
    return estimate(NetworkRequest(board, program, dsp="auto", buffer_bytes=buffer_for(program)))


def test_the_array_is_the_fastest_that_fits():
    board = find_board("icebreaker")
    program, found = find_array(board, "auto", program_of)
    assert program.shape == found.program.shape and found.fits
    assert found.resources["LUTs"].used <= fill_of(board) * 5280
    for shape in [
        (1, 4, 4, 1),
        (1, 8, 4, 1),
        (1, 8, 4, 2),
        (1, 8, 4, 4),
        (1, 8, 8, 1),
        (1, 16, 4, 1),
        (1, 16, 2, 2),
        (1, 12, 4, 2),
    ]:
        other = estimated(board, shape)
        fits = other.fits and other.resources["LUTs"].used <= fill_of(board) * 5280
        assert not fits or other.cycles + other.pause >= found.cycles + found.pause


def test_exact_cycles_and_the_estimate_decide(monkeypatch):
    """Though the rough count had told nothing apart, and let everything through."""
    monkeypatch.setattr(array_search, "logic", lambda found: 0)
    monkeypatch.setattr(array_search, "_cycles", lambda *_: 0)
    board = find_board("icebreaker")
    slow, fast = (estimated(board, (1, 8, 4, outputs)) for outputs in (1, 2))
    least = slow.resources["LUTs"].used
    assert least < fast.resources["LUTs"].used and fast.cycles < slow.cycles
    for limit, expected in ((5280, fast), (least, slow)):
        monkeypatch.setattr(array_search, "fill_of", lambda board, limit=limit: limit / 5280)
        assert find_array(board, "auto", program_of, ArraySides(1, 8, 4, None))[1].cycles == expected.cycles


def test_sides_that_are_given_are_kept():
    board = find_board("ulx3s_12f")
    program, found = find_array(board, "none", program_of, ArraySides(2, None, 4, 1))
    assert (program.shape.rows, program.shape.lanes, program.shape.outputs) == (2, 4, 1)
    assert found.program is program and found.fits
    assert find_array(board, "none", program_of, ArraySides(16, 64, 16, 1)) is None


def test_builds_that_estimates_are_held_against_are_the_bitstreams_of_the_results():
    found = {each.name: each for each in bitstreams(RESULTS / "network" / "boards")}
    builds = known_builds()
    assert len(builds) >= 4 and {build.name for build in builds} <= {*found}
    for build in builds:
        content, run_ = found[build.name].content, found[build.name].run
        router = find_board(build.board).part.target.family.nextpnr
        assert build.built["LUTs"] == content["utilization"][router.logic_cell]["used"]
        assert build.built["clock"] == content["clock_mhz"]
        assert run_ is None or build.built["cycles"] == round(run_["cycles_an_image"])
    errors = told_errors()
    assert errors["LUTs"] == (min(left_out()[len(PROBES) :]), max(left_out()[len(PROBES) :]))
    assert all(-0.001 < off <= 0 for off in errors["cycles"]) and errors["DSPs"] == (0, 0)
    assert errors["LUTs"][0] > -0.25 and errors["LUTs"][1] < 0.25


@pytest.mark.slow
def test_estimates_of_bitstreams_are_those_of_today(capsys):
    assert run(["estimate", "--against", str(RESULTS / "network" / "boards"), "--json"]) == 0
    found = {build["name"]: build for build in json.loads(capsys.readouterr().out)["builds"]}
    assert all(found[build.name] == build.to_dict() for build in known_builds())


def test_a_folder_without_bitstreams_is_refused(tmp_path, capsys):
    (tmp_path / "other.json").write_text("{}")
    assert run(["estimate", "--against", str(tmp_path)]) == 2
    assert "must have the JSON of bitstreams with networks" in capsys.readouterr().err
    assert run(["estimate", "--against", str(tmp_path), "--board", "icebreaker"]) == 2
    assert "--board, --model and --program must be left out with --against" in capsys.readouterr().err


def test_the_chart_has_the_cycles_of_every_layer(tmp_path, program, capsys):
    path, picture = tmp_path / "resnet8.json", tmp_path / "chart.svg"
    program.write(path)
    assert run(["estimate", "--program", str(path), "--board", "icebreaker", "--chart", str(picture)]) == 0
    made = estimate(NetworkRequest(find_board("icebreaker"), program, dsp="auto", buffer_bytes=buffer_for(program)))
    root = ElementTree.fromstring(picture.read_text())
    texts = [each.text for each in root.iter() if each.tag.endswith("}text")]
    for record in made.records:
        assert record.name in texts
        assert any(text.startswith(f"{record.cycles:,} cycles, ") for text in texts)
    widths = [
        float(each.get("width")) for each in root.iter() if each.tag.endswith("}rect") and each.get("height") == "16"
    ]
    longest = max(record.cycles for record in made.records)
    assert sum(widths) == pytest.approx(520 * made.cycles / longest, rel=0.01)
    counted = {record.name: record.cycles for record in made.records}
    assert (
        f"{made.cycles:,} as counted" in chart(made, counted)
        and "; " not in chart(made, counted).split("first</text>")[1]
    )
    assert "7 counted" in chart(made, counted | {"first": 7})
