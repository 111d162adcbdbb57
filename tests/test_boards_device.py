"""Tiles of products of any size, and the host's driver against the simulated board."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from fewbit import sim
from fewbit.boards.host import tiles
from fewbit.boards.host.challenge import compute, random_challenge
from fewbit.boards.host.channel import Channel, Trouble
from fewbit.boards.host.device import Device
from fewbit.boards.host.simulated import Simulated, default_description
from fewbit.boards.host.transport import LinkError, Port, find_ports, usb_ids
from fewbit.boards.link.protocol import MAX_PAYLOAD, STREAM_KINDS, Kind
from fewbit.formats import Dma, Engine, Requantization, parse
from fewbit.hdl import Design
from simulated_boards import INT4, RICH, SMALL, FaultyLine

pytestmark = pytest.mark.slow

ENGINES = {"small": SMALL, **RICH}


@pytest.fixture(scope="session")
def small_board(prepared):
    with Simulated(default_description(SMALL)) as board:
        yield board


def device_at(board, **options):
    return Device(Port(board.port, board.description.baud), seed=1, **options)


@pytest.mark.parametrize("name", ENGINES)
def test_tiles_make_up_the_product(name):
    engine = ENGINES[name]
    generator = np.random.default_rng(2)
    for _ in range(30):
        m, n = (int(size) for size in generator.integers(1, 60, 2))
        k = int(generator.integers(1, engine.max_k + 1))
        most = int(generator.integers(100, 3000))
        count = np.zeros((m, n), dtype=int)
        found = tiles.split(engine, m, k, n, most)
        for tile in found:
            assert tile.m <= engine.tile_m and (tile.first, tile.end) == (0, k)
            assert tile.right == n or tile.n % engine.columns == 0
            count[tile.top : tile.bottom, tile.left : tile.right] += 1
            sizes = tiles.stream_bytes(engine, tile.m, k, tile.n)
            fixed = sizes["a"] + sizes.get("a_scales", 0)
            assert tile.n <= engine.columns or sum(sizes.values()) <= max(most, 2 * fixed)
            assert tile.n <= engine.columns or tiles.result_bytes(engine, tile.m, tile.n) <= most
        assert (count == 1).all()
        assert [tile.top for tile in found] == sorted(tile.top for tile in found)


def test_challenges_are_of_codes_alone():
    ternary = Engine(parse("ternary"), parse("int8s"), Requantization(parse("float32")), max_k=64)
    a, w, _ = random_challenge(ternary, np.random.default_rng(1))
    assert {*w.flat} == {0, 1, 3} and 0x80 not in a and 0x81 in a


@pytest.mark.parametrize("name", ENGINES)
def test_frames_carry_the_streams_in_their_order(name):
    engine = ENGINES[name]
    a, w, given = random_challenge(engine, np.random.default_rng(3), 3000)
    for tile in tiles.split(engine, a.shape[0], a.shape[1], w.shape[1], 2000):
        (kind, head), *rest = tiles.frames(engine, tile, a, w, given)
        assert kind == Kind.PRODUCT
        assert head[:6] == b"".join(size.to_bytes(2, "little") for size in (tile.m, tile.n, tile.k))
        assert len(head) == 6 + sum(-(-bits // 8) for bits in engine.tensor_fields.values())
        parameters = tile.parameters(engine, given)
        streamed = {name: parameters.get(name) for name in engine.channel_fields}
        if engine.blocks is not None:
            streamed |= {name: parameters[name] for name in ("activation_scale", "weight_scale", "weight_zero_point")}
        words = sim.pack(engine, *tile.operands(a, w), **streamed)
        sizes = tiles.stream_bytes(engine, tile.m, tile.k, tile.n)
        assert {name: words[name].size for name in words} == sizes
        for stream, kind in STREAM_KINDS.items():
            payloads = [payload for each, payload in rest if each == kind]
            assert b"".join(payloads) == (words[stream].tobytes() if stream in words else b"")
            assert all(1 <= len(payload) <= MAX_PAYLOAD for payload in payloads)
        check_order(engine, tile, rest, words)


def check_order(engine, tile, rest, words):
    """A first, and never a byte for a panel of W before all bytes for the panels before it."""
    panels = -(-tile.n // engine.columns)
    after_a = [kind for kind, _ in rest if kind not in (Kind.A, Kind.A_SCALES)]
    assert [kind for kind, _ in rest][-len(after_a) :] == after_a
    each = {Kind.W: words["w"].size // panels}
    if "p" in words:
        each[Kind.P] = engine.columns * words["p"].shape[1]
    if "w_scales" in words:
        each[Kind.W_SCALES] = words["w_scales"].size // panels
    came = dict.fromkeys(each, 0)
    for kind, payload in rest:
        if kind in each:
            came[kind] += len(payload)
            panel = -(-came[kind] // each[kind])
            if len(each) > 1:
                assert all(came[other] >= (panel - 1) * each[other] for other in each if other != kind)
            if kind == Kind.W:
                others = [other for other in each if other != kind]
                assert all(came[other] >= min(panel * each[other], words_bytes(words, other)) for other in others)


def words_bytes(words, kind):
    return next(words[name].size for name, each in STREAM_KINDS.items() if each == kind)


def test_parts_of_k_are_added_only_where_nothing_is_rounded():
    assert tiles.depth_refusal(SMALL) == ""
    found = tiles.split(SMALL, 3, 70, 5, 10_000)
    assert [(tile.first, tile.end) for tile in found] == [(0, 32), (32, 64), (64, 70)]
    exact = Engine(INT4, INT4, Requantization(parse("float32")), max_k=1024)
    assert tiles.depth_refusal(exact) == ""
    refused = {
        "uint8 does not hold every exact sum of 32 products": {"output": "uint8"},
        "rounded once, on the board, with its scale": {"output": "int16", "scale": parse("float8_e8m0fnu")},
        "the ReLU is done once": {"output": "int16", "relu": True},
        "bfloat16 does not hold every exact sum of 32": {"output": "bfloat16"},
    }
    for reason, how in refused.items():
        how = how | {"output": parse(how["output"])}
        with pytest.raises(ValueError, match=f"k must be at most 32 on this board, not 70: .*{reason}.*--max-k 70"):
            tiles.split(Engine(INT4, INT4, Requantization(**how), max_k=32), 3, 70, 5, 10_000)
    special = Engine(parse("float8_e5m2"), INT4, Requantization(parse("float32")), max_k=8)
    assert "float32 does not hold" in tiles.depth_refusal(special)
    assert "block scales" in tiles.depth_refusal(RICH["blocks"])


def test_random_products_are_those_of_the_golden_model(small_board):
    generator = np.random.default_rng(4)
    with device_at(small_board) as device:
        for most in (2, 20, 200, 2000, 2000, 4000):
            assert compute(device, random_challenge(SMALL, generator, most))[0]
        assert device.statistics.retries.total() <= 1  # where the machine is busy, an answer may come too late
        assert device.statistics.cycles > 0


def test_values_go_in_and_come_out(small_board):
    generator = np.random.default_rng(5)
    a, w = generator.integers(-8, 8, (9, 32)), generator.integers(-8, 8, (32, 5)).astype(np.float32)
    seen = []
    with device_at(small_board) as device:
        c = device.matmul(a, w, progress=lambda done, total: seen.append((done, total)))
        assert c.dtype == np.int32 and (c == a @ w).all()
        assert seen[-1][0] == seen[-1][1] and seen == sorted(seen)
        long_a, long_w = generator.integers(-8, 8, (5, 100)), generator.integers(-8, 8, (100, 3))
        c = device.matmul(long_a, long_w)
        assert c.dtype == np.int64 and (c == long_a @ long_w).all()
        assert (device.golden(long_a, long_w) == c).all()
        assert (device.matmul([[7.4, -100.0]], [[0.6], [1]], rounded=True) == [[7 - 8]]).all()


WRONG = {
    r"a\[1, 0\] must be a value of the engine's int4, not 0.5; rounded=True": ([[1], [0.5]], [[1]], {}),
    r"w\[0, 0\] must be a value of the engine's int4, not 9": ([[1]], [[9]], {}),
    r"a\[0, 1\] must be a value of the engine's int4, not nan": ([[1, np.nan]], [[1], [1]], {}),
    r"shapes \(m, k\) and \(k, n\)": ([[1, 2]], [[1]], {}),
    "scale of the outputs must be left out": ([[1]], [[1]], {"scale": 1}),
    "parameters must be of scale, .*, not 'size'": ([[1]], [[1]], {"size": 1}),
    "codes must be False with k over 32": (np.zeros((1, 40), int), np.zeros((40, 1), int), {"codes": True}),
    "code must be 0 to 15": ([[16]], [[1]], {"codes": True}),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_the_board_does_not_take_is_told(small_board, message):
    a, w, options = WRONG[message]
    with device_at(small_board) as device:
        sent = device.statistics.sent
        with pytest.raises(ValueError, match=message):
            device.matmul(a, w, **options)
        assert device.statistics.sent == sent


def test_another_board_than_the_described_one_is_refused(small_board):
    with closing(Port(small_board.port, 3_000_000)) as line, pytest.raises(LinkError, match="is another one"):
        Device(line, description=default_description(SMALL, "icebreaker"))


def test_a_port_that_is_not_there_is_a_link_error():
    with pytest.raises(LinkError, match=r"serial port /dev/no-board cannot be opened: No such file or directory$"):
        Device.open("/dev/no-board")


def test_a_path_is_no_description_and_a_board_is_no_port():
    with pytest.raises(TypeError, match=r"description must be a Description, as .* gives it, not"):
        Device.open("sim", description="m.json")
    with pytest.raises(TypeError, match="design must be a MatmulDesign or a NetworkDesign, not 'matmul'"):
        Device.open("sim", design="matmul")
    with pytest.raises(ValueError, match=r"^design must have streams on a board, not a dma$"):
        Device.open("sim", design=Design.matmul(replace(SMALL, dma=Dma(32))))
    with pytest.raises(ValueError, match="port must be a serial port, sim or auto, not the board 'icebreaker'"):
        Device.open("icebreaker")


def test_a_closed_device_says_so(small_board):
    with device_at(small_board) as device:
        assert device.matmul([[3]], [[2]]) == 6
    with pytest.raises(LinkError, match="the device is closed"):
        device.matmul([[3]], [[2]])


def test_it_waits_without_work_and_wakes(small_board):
    with device_at(small_board) as device:
        device.matmul([[1]], [[1]])
        time.sleep(0.05)
        before = processor_seconds(small_board.pid)
        time.sleep(0.3)
        assert processor_seconds(small_board.pid) == before
        assert device.matmul([[2]], [[3]]) == 6


def processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def test_a_board_that_stops_is_lost_in_bounded_time_and_comes_back(small_board):
    with device_at(small_board, timeout=0.2) as device:
        os.kill(small_board.pid, signal.SIGSTOP)
        begun = time.monotonic()
        try:
            with pytest.raises(LinkError, match=r"5 tries in a row .* none of the 1 rows of C were done"):
                device.matmul([[1]], [[1]])
            assert time.monotonic() - begun < 4
        finally:
            os.kill(small_board.pid, signal.SIGCONT)
        time.sleep(0.2)
        assert device.matmul([[2]], [[3]]) == 6


def test_a_board_that_lives_but_does_not_get_on_is_given_up(small_board):
    with closing(Port(small_board.port, small_board.description.baud)) as line:
        channel = Channel(line, 0.3, random.Random(1))
        channel.reset()
        begun = time.monotonic()
        with pytest.raises(Trouble, match=r"has not got on for 0\.3 s") as caught:
            for _ in channel.exchange(iter([(Kind.PRODUCT, bytes([1, 0, 1, 0, 1, 0]))])):
                pass
        assert caught.value.cause == "silence" and 0.3 < time.monotonic() - begun < 2
        assert channel.statistics.received > 100  # it was asked, and answered


def test_a_pulled_cable_is_one_error_that_says_what_was_done(prepared):
    def pull(done, total):
        if done > total // 2:
            os.kill(board.pid, signal.SIGKILL)

    a, w = np.ones((400, 32), dtype=int), np.ones((32, 40), dtype=int)
    with Simulated(default_description(SMALL)) as board, device_at(board) as device:
        with pytest.raises(LinkError, match=r"is gone: .*; rows 0 to \d+ of C were done, rows \d+ to 399") as caught:
            device.matmul(a, w, progress=pull)
        assert 200 <= caught.value.rows_done <= 396 and caught.value.rows == 400
        assert device.statistics.retries == {}
        with pytest.raises(LinkError, match="none of the 400 rows"):
            device.matmul(a, w)


def test_the_simulated_board_ends_with_its_parent(small_board):
    program = (
        "import os; from fewbit.boards.host.simulated import *; from simulated_boards import SMALL\n"
        "board = Simulated(default_description(SMALL)); print(board.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    path = os.pathsep.join([os.path.dirname(__file__), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    process = int(run.stdout)
    end = time.monotonic() + 5
    while os.path.exists(f"/proc/{process}") and time.monotonic() < end:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{process}")


@pytest.mark.slow
@pytest.mark.parametrize("name", RICH)
def test_every_kind_of_engine_is_that_of_the_golden_model(name, prepared):
    generator = np.random.default_rng(6)
    with Simulated(default_description(RICH[name])) as board:
        line = FaultyLine(Port(board.port, board.description.baud), seed=6)
        with Device(line, seed=6) as device:
            for most in (2, 30, 300, 1000, 1000, 2000, 4000):
                assert compute(device, random_challenge(RICH[name], generator, most))[0]
            line.rate = 0.03  # and after a reset, with which also the random numbers of rounding begin anew
            while device.statistics.resets < 5:
                with suppress(LinkError):
                    assert compute(device, random_challenge(RICH[name], generator, 300))[0]


def test_a_port_is_opened_without_knowing_the_board(small_board):
    with Device.open(small_board.port) as device:
        assert device.description == default_description(SMALL)
        assert device.simulated is None
        assert device.matmul([[2, 3]], [[4], [5]]) == 23


def test_the_simulated_board_takes_the_place_of_one_that_is_not_there(monkeypatch, small_board):
    monkeypatch.setattr("fewbit.boards.host.transport.find_ports", lambda board=None: [])
    with (
        pytest.warns(UserWarning, match="no board is attached: the simulated board computes"),
        Device.open(description=default_description(SMALL)) as device,
    ):
        assert device.matmul([[2]], [[3]]) == 6
        assert device.simulated.seconds() > 0
    assert device.simulated.pid != small_board.pid
    assert not os.path.exists(f"/proc/{device.simulated.pid}")


def test_a_simulated_board_that_stands_still_at_times_is_no_bad_line(prepared):
    a, w = np.ones((100, 32), dtype=int), np.ones((32, 40), dtype=int)
    with Device.open("sim", description=default_description(SMALL)) as device:
        device.matmul(a, w)
        process, over = device.simulated.pid, threading.Event()

        def disturb():
            while not over.wait(0.003):
                os.kill(process, signal.SIGSTOP)
                time.sleep(0.05)
                os.kill(process, signal.SIGCONT)

        thread = threading.Thread(target=disturb)
        thread.start()
        try:
            assert (device.matmul(a, w) == 32).all()
        finally:
            over.set()
            thread.join()
        assert device.statistics.retries == {} and device.statistics.asked == 0


PORTS = [
    SimpleNamespace(device="/dev/ttyUSB0", vid=0x0403, pid=0x6010, location="1-2:1.0", product="iCEBreaker V1.0e"),
    SimpleNamespace(device="/dev/ttyUSB1", vid=0x0403, pid=0x6010, location="1-2:1.1", product="iCEBreaker V1.0e"),
    SimpleNamespace(device="/dev/ttyS0", vid=None, pid=None, location=None, product=None),
    SimpleNamespace(device="/dev/ttyUSB2", vid=0x1A86, pid=0x7523, location="1-3", product="USB Serial"),
]


def test_ports_are_found_by_usb_id_and_interface(monkeypatch):
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: PORTS)
    assert find_ports() == ["/dev/ttyUSB1"]
    assert find_ports("icebreaker") == ["/dev/ttyUSB1"]
    assert usb_ids("icebreaker") == ["0403:6010"]
    with pytest.raises(ValueError, match=r"board must be one of .*did you mean 'icebreaker'"):
        find_ports("icebraker")
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [PORTS[1], PORTS[1]])
    with pytest.raises(ValueError, match=r"port must be one of /dev/ttyUSB1, /dev/ttyUSB1, since several"):
        Device.open()
