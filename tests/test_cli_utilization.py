"""``fewbit engine cycles``."""

import json

from fewbit.cli.app import run

ENGINE = ["--rows", "8", "--columns", "8", "--lanes", "4", "--tile-m", "64", "--outputs", "4"]


def test_the_table_names_sizes_and_what_is_busiest(capsys):
    assert run(["cycles", *ENGINE, "--size", "256x256x256, 1x1024x1024"]) == 0
    lines = capsys.readouterr().out.splitlines()
    square = next(line for line in lines if "256 x 256 x 256" in line)
    assert "65,536" in square and "99.1 %" in square and "array" in square


def test_json_has_all_parts(capsys):
    assert run(["cycles", *ENGINE, "--dataflow", "weight_stationary", "--size", "8x8x8", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (row,) = found["rows"]
    assert row["cycles"] == row["fill"] + row["steady"] + row["drain"]
    assert found["engine"]["products"] == 256 and found["engine"]["max_k"] == 8


def test_a_chart_comes_with_its_table(tmp_path, capsys):
    assert run(["cycles", "--size", "4x4x4", "--chart", str(tmp_path / "made" / "use")]) == 0
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"use.png", "use.svg", "use.md"}
    assert "| 4 x 4 x 4 |" in (tmp_path / "made" / "use.md").read_text()


def test_a_size_that_is_none(capsys):
    assert run(["cycles", "--size", "4x4"]) == 2
    assert capsys.readouterr().err == "fewbit: size must be MxKxN, each of 1 to 65535, as 256x256x256, not '4x4'\n"
    assert run(["cycles", "--size", "0x4x4"]) == 2
    assert capsys.readouterr().err == "fewbit: size must be MxKxN, each of 1 to 65535, as 256x256x256, not '0x4x4'\n"
