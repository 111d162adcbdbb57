"""The formats that papers and other tools named: their tables against published ones, and that commands take them."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from each_of import each_of
from fewbit import sim
from fewbit.cli.app import run
from fewbit.formats import Table, catalog, parse, read_format
from fewbit.formats.kinds import kinds
from fewbit.hdl import Design
from fewbit.study.quantization.qonnx_write import check_format

PUBLISHED = json.loads((Path(__file__).parent / "data" / "published_tables.json").read_text())
TABLES = {
    name: (kind, group[kind][name]) for group in PUBLISHED for kind in group if kind != "source" for name in group[kind]
}
EXACTLY = ("nf4", "iq4nl")
"""Formats whose values, and the order of whose codes, are the published ones; others differ by a factor."""


@each_of("name", TABLES)
def test_a_table_has_the_published_values(name):
    kind, values = TABLES[name]
    published = [Fraction(value) for value in values]
    format = parse(name)
    if name in EXACTLY:
        assert [format.value(code) for code in format.codes] == published
    if kind == "magnitudes":
        published += [-value for value in published]
    published = sorted({*published})
    found = [integer for integer, _ in format.ordered]
    assert [Fraction(integer, found[-1]) for integer in found] == [value / published[-1] for value in published]


def test_every_named_table_is_compared_with_a_published_one():
    named = {format.name for names in kinds() for format in names.listed}
    ours = {"bipolar", "ternary", "nf4_int8", "bitmod3", "bitmod4", *(f"pow2_{bits}" for bits in range(2, 7))}
    ours |= {*(f"nupes{bits}" for bits in range(3, 9)), *(f"uflint{bits}" for bits in range(2, 9))}
    assert named - ours == {*TABLES}


def test_nf4_has_the_float32_values_and_its_integers_are_no_wider_than_they_must_be():
    nf4 = parse("nf4")
    values = np.array(TABLES["nf4"][1], np.float32)
    assert sim.decode(np.arange(16), nf4).tobytes() == values.astype(np.float64).tobytes()
    assert nf4.lsb_exponent == -27 and any(integer % 2 for integer in nf4.integers)
    rounded = parse("nf4_int8")
    assert list(rounded.integers) == np.rint(values.astype(np.float64) * 127).tolist()


def test_squares_and_powers_of_two_are_what_they_are_called():
    assert parse("nupes4").integers[:8] == (0, 1, 4, 9, 16, 25, 36, 49)
    assert {integer for integer, _ in parse("pow2_4").ordered} == {sign << k for k in range(8) for sign in (1, -1)}
    assert sim.encode([0.0, -0.0, 0.4, -0.4, 1.4, 1.5, -300.0], parse("pow2_4")).tolist() == [0, 0, 0, 8, 0, 1, 15]


def test_a_code_of_bitmod_is_that_of_its_member_below_the_selector():
    for width in (3, 4):
        whole = parse(f"bitmod{width}")
        members = [format for format in catalog() if format.name.startswith(f"bitmod{width}") and format != whole]
        assert whole.width == width + 2 and len(members) == 4 and whole.choices == tuple(members)
        for code in whole.codes:
            selector, below = divmod(code, 1 << width)
            assert whole.value(code) == members[selector].value(below)


def test_ternary_is_int2s_by_another_name():
    ternary, int2s = parse("ternary"), parse("int2s")
    assert ternary != int2s and ternary.codes == int2s.codes and ternary.entries == int2s.entries
    ours, known = (Design("mac", format, parse("int8")).description() for format in (ternary, int2s))
    assert ours["weight"] == {**known["weight"], "name": "ternary"}
    assert read_format(ours["weight"]) == ternary


def test_export_takes_those_that_qonnx_has_a_node_for():
    for name in ("ternary", "pow2_4z"):
        check_format(parse(name))
    for format in (parse(name) for name in ("nf4", "iq4nl", "flint4", "apot4", "pow2_4", "nupes4", "bitmod4p5")):
        with pytest.raises(ValueError, match=f"^format must be int.* to be written as QONNX, not '{format.name}'$"):
            check_format(format)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("flint9", "format 'flint9': width of flint9 must be 3 to 8 bits, not 9"),
        ("apot2", "format 'apot2': width of apot2 must be 3 to 7 bits, not 2"),
        ("nupes16", "format 'nupes16': width of nupes16 must be 3 to 8 bits, not 16"),
        ("pow2_7z", "format 'pow2_7z': width of pow2_7z must be 2 to 6 bits, not 7"),
    ],
)
def test_a_width_that_a_kind_does_not_have_is_refused(name, message):
    with pytest.raises(ValueError) as error:
        parse(name)
    assert str(error.value) == message


def test_symmetric_tables_have_a_sign_above_their_magnitudes():
    table = Table.symmetric("both", [0, 3, 1, 7], -1)
    assert table.entries == (0, 3, 1, 7, 0, -3, -1, -7) and table.has_sign_bit and table.lsb_exponent == -1


PICTURES = {
    "nf4": (
        "|--------------|-------|-----|----|----|----|---|---|---|---|---|----|-----|-------|------------|",
        "-1                                              0                                               1",
    ),
    "uint2": (
        "|-------------------------------|-------------------------------|-------------------------------|",
        "0                                                                                               3",
    ),
    "e4m3": (
        "|--|--|---|--|--|--|--|-|-||-||-|-||||2|||32345+++64323|||2||||-|-||-||-|-|--|--|--|--|---|--|--|",
        "-480                                            0                                             480",
    ),
}


def shown(capsys, name):
    assert run(["show", name]) == 0
    return capsys.readouterr().out.splitlines()[-2:]


def test_show_draws_where_values_lie(capsys):
    for name, picture in PICTURES.items():
        assert shown(capsys, name) == list(picture)
