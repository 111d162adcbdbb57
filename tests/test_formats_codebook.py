"""Codebooks and bipolar: what they are read from, what they are called, and that commands take them by name."""

import json
import pickle
import re

import numpy as np
import pytest
from each_of import each_of
from fewbit import sim
from fewbit.cli.app import run
from fewbit.cli.common.files import folders
from fewbit.formats import Engine, Requantization, parse, parse_list
from fewbit.formats.kinds.codebook import Codebook, read_codebook
from fewbit.hdl import Design
from fewbit.study.choice.pareto import kind_of
from fewbit.study.quantization.qonnx_write import check_format
from fewbit.synth.proof import prove_multiplier
from fewbit.tb.engine import read_engine
from fewbit.tb.unit import DescribedUnit

BOOK = Codebook((-9, -4, -1, 0, 1, 2, 5, 9), -2)
NAME = "codebook3e-2xf7fcff0001020509"


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The same codebook in several files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "some where").mkdir()
    (tmp_path / "some where" / "a.json").write_text('{"integers": [-9, -4, -1, 0, 1, 2, 5, 9], "lsb_exponent": -2}')
    (tmp_path / "b.csv").write_text("lsb_exponent, -2\n-9,-4,-1,0\n\n1,2\n5,9\n")
    (tmp_path / "list.JSON").write_text("[-9, -4, -1, 0, 1, 2, 5, 9]")
    (tmp_path / "even.csv").write_text("-36\n-16\n-4\n0\n4\n8\n20\n36\nlsb_exponent,-4\n")
    return tmp_path


def test_a_codebook_is_its_content_and_not_its_file(files):
    found = [parse(f"codebook:{name}") for name in ("some where/a.json", "b.csv", "even.csv", f"{files}/b.csv")]
    assert all(one == BOOK and hash(one) == hash(BOOK) for one in found)
    assert parse("codebook:list.JSON") == Codebook(BOOK.table) != BOOK
    assert parse_list("codebook:b.csv,bipolar,codebook:some where/a.json") == [BOOK, parse("bipolar")]
    (files / "b.csv").unlink()
    assert parse(BOOK.name) == pickle.loads(pickle.dumps(BOOK)) == BOOK
    assert BOOK.name == NAME and str(BOOK) == NAME and BOOK.label == "codebook3_c31a0a31"


@each_of("digits", range(1, 7))
@each_of("width", range(1, 9))
def test_the_name_of_any_codebook_parses_back(width, digits):
    chance = np.random.default_rng([width, digits])
    most = 1 << 4 * digits - 1
    table = tuple(chance.integers(1 - most, most, 1 << width).tolist())
    if len({*table}) == 1:
        table = (-most + 1, most - 1) * (len(table) // 2)
    book = Codebook(table, int(chance.integers(-100, 100)))
    assert parse(book.name) == book and re.fullmatch(r"codebook\d_[0-9a-f]{8}", book.label)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.json", "[1, 2, 3]", r"x\.json: a codebook must have 2, 4, .*, 256 integers, not 3; repeat .*"),
        ("x.json", "[1, 2.0]", r"x\.json: an integer of a codebook must be -16777215 to 16777215, not 2\.0"),
        ("x.json", "[1, true]", r"x\.json: an integer of a codebook must be -16777215 to 16777215, not True"),
        ("x.json", "[7, 7]", r"x\.json: a codebook must have two different values or more, not 7 alone"),
        ("x.json", '{"integers": [1, 2], "lsb_exponent": 0.5}', r"x\.json: lsb_exponent .* must be .*, not 0\.5"),
        ("x.json", '{"integers": [1, 2], "lsb_exponent": 104}', r"x.*: lsb_exponent .* must be -149 to 103, not 104"),
        ("x.json", '{"integers": [1, 2], "exponent": 1}', r"a codebook's JSON must be a list of .* 'x\.json'"),
        ("x.json", '"12"', r"a codebook's JSON must be a list of integers, .* in 'x\.json'"),
        ("x.json", "[1,", r"a codebook's file must be JSON, not 'x\.json'"),
        ("x.csv", "1,2.5", r"a codebook's CSV must have integers, .*, not '1,2\.5' in 'x\.csv'"),
        ("x.csv", "lsb_exponent\n1,2", r"a codebook's CSV must have integers, .*, not 'lsb_exponent' in 'x\.csv'"),
        ("x.txt", "1,2", r"a codebook's file must end in \.json or \.csv, not be 'x\.txt'"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_codebook_is_refused(tmp_path, monkeypatch, name, content, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=f"^{message}$"):
        parse(f"codebook:{name}")


def test_what_is_no_file_or_no_name_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"^a codebook's file must be one that can be read, not '.*none\.csv': No such"
    ):
        read_codebook(tmp_path / "none.csv")
    with pytest.raises(ValueError, match=r"^a codebook's name must have as many digits for each of its 8 codes$"):
        parse("codebook3e0x12345")


def test_bipolar_is_what_the_signs_of_binarized_networks_are():
    bipolar = parse("bipolar")
    assert [bipolar.integer(code) for code in (0, 1)] == [-1, 1]
    assert sim.encode([-3.0, -0.1, -0.0, 0.0, 0.1, 9.0], bipolar).tolist() == [0, 0, 1, 1, 1, 1]
    xnor = [[1, 0], [0, 1]]
    codes = np.arange(2)
    products = sim.multiply(codes[:, None], codes[None, :], bipolar, bipolar).integers
    assert sim.encode(products, bipolar).tolist() == xnor


def test_an_engine_without_any_zero_takes_one_value_of_k_a_cycle():
    bipolar = parse("bipolar")
    how = Requantization(parse("int8"))
    assert Engine(bipolar, bipolar, how, lanes=1).k_step == 1
    with pytest.raises(
        ValueError, match="one of the formats must have a zero to fill up a ragged k with 2 values a cycle"
    ):
        Engine(bipolar, bipolar, how, lanes=2)


def test_contracts_carry_the_table_and_files_have_short_names(tmp_path):
    bipolar = parse("bipolar")
    designs = [Design("mac", BOOK, each) for each in (bipolar, BOOK)]
    places = [place.name for place in folders(designs, tmp_path)]
    assert places == ["mac_codebook3_c31a0a31_bipolar", "mac_codebook3_c31a0a31_codebook3_c31a0a31"]
    described = json.loads(json.dumps(designs[0].description()))
    assert described["weight"]["table"] == [*BOOK.table] and described["activation"]["table"] == [-1, 1]
    assert (DescribedUnit.from_description(described).weight, DescribedUnit.from_description(described).activation) == (
        BOOK,
        bipolar,
    )
    engine = Engine(BOOK, bipolar, Requantization(BOOK, scale=BOOK), lanes=2)
    assert read_engine(json.loads(json.dumps(Design.matmul(engine).description()))) == engine


def test_the_study_and_export_know_what_they_are():
    assert kind_of(NAME, "bipolar") == "table" and kind_of(NAME, "int4") == "mixed"
    for name in (NAME, "bipolar"):
        with pytest.raises(ValueError, match=f"^format must be int.* to be written as QONNX, not '{name}'$"):
            check_format(parse(name))


def test_list_and_show_take_them(files, capsys):
    assert run(["list", "codebook:b.csv,bipolar", "--json"]) == 0
    assert [entry["name"] for entry in json.loads(capsys.readouterr().out)["formats"]] == [NAME, "bipolar"]
    assert run(["show", "codebook:b.csv"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"codebook3_c31a0a31: value = integer * 2**-2, exactly\nits name for commands: {NAME}\n")
    assert "2.25" in shown


@pytest.mark.slow
def test_no_pair_of_codes_multiplies_to_anything_else(prepared):
    for build in ("auto", "booth"):
        prove_multiplier(Design("multiply", BOOK, parse("bipolar"), pipeline=0, build=build))
