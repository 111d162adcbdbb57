"""Images through the simulated board by the host's driver, and what of a network it refuses."""

import os
import signal
from contextlib import closing

import numpy as np
import pytest
from fewbit import sim
from fewbit.boards import Device, LinkError
from fewbit.boards.host.challenge import random_images
from fewbit.boards.host.images import sums_of
from fewbit.boards.host.simulated import Simulated, default_description
from fewbit.boards.host.transport import Port
from fewbit.boards.link.network import BoardNetwork
from fewbit.hdl import NetworkDesign
from network_on_board import INT8, LinearHardware, linear_answers, linear_program
from network_programs import random_program
from simulated_boards import SMALL

PROGRAM = linear_program(4, 5, 6, answers=40)
OTHER = linear_program(4, 5, 6, answers=40, seed=2)
HARDWARE = LinearHardware(PROGRAM)
LOADING = LinearHardware(PROGRAM, loads=True)


def board_of(hardware):
    return Simulated(default_description(hardware), hardware)


def device_at(board, program=PROGRAM, **options):
    return Device(Port(board.port, board.description.baud), seed=1, program=program, **options)


def some_images(count, seed=1):
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 5, 6), dtype=np.uint8)


@pytest.fixture(scope="module")
def board(prepared):
    with board_of(HARDWARE) as started:
        yield started


def test_answers_are_sums_and_values(board):
    images = some_images(20)
    seen = []
    with device_at(board) as device:
        sums = device.infer(images, codes=True, progress=lambda done, total: seen.append((done, total)))
        assert sums.dtype == np.int64 and np.array_equal(sums, linear_answers(PROGRAM, images))
        assert seen == [(number, 20) for number in range(1, 21)]
        values = device.infer(images[:3])
        scales = np.array(PROGRAM.answer.scales)
        assert values.dtype == np.float32 and values.shape == (3, 40)
        assert np.array_equal(values, (sums[:3].reshape(3, 40) * scales).astype(np.float32))
        assert device.statistics.images == 23
        each = device.statistics.cycles / 23
        assert 2 * len(PROGRAM.weights) < each < 3 * len(PROGRAM.weights)


def test_every_answer_can_be_checked(board, monkeypatch):
    images = some_images(5)
    with device_at(board) as device:
        assert np.array_equal(device.infer(images, codes=True, check=True), linear_answers(PROGRAM, images))
        wrong = linear_answers(PROGRAM, images)
        wrong[3, 0, 0, 39] += 1
        monkeypatch.setattr(sim, "network_answers", lambda program, images: wrong)
        with pytest.raises(
            RuntimeError, match=r"computes wrongly: 1 of 5 answers .* the first of them that to image 3"
        ):
            device.infer(images, check=True)


def test_the_link_hides_behind_the_computing(board):
    """Of eight images the first one's way to the board, and the last answer's way back, pass while nothing computes."""
    with device_at(board) as device:
        board.rest()
        before = board.figures()["cycles"]
        device.infer(some_images(8))
        passed, computing = board.figures()["cycles"] - before, device.statistics.cycles
    byte = 10 * board.description.clock_hz / board.description.baud
    assert passed < computing + (PROGRAM.image.size + board.description.network.answer_bytes + 60) * byte


@pytest.mark.slow
def test_weights_are_loaded_when_the_board_has_none(prepared):
    images = some_images(4)
    wanted = linear_answers(PROGRAM, images)
    with board_of(LOADING) as board:
        with device_at(board) as device:
            assert np.array_equal(device.infer(images, codes=True), wanted)
            loaded = device.statistics.sent
            assert np.array_equal(device.infer(images, codes=True), wanted)
            assert device.statistics.sent - loaded < loaded - len(PROGRAM.weights)
        with device_at(board) as device:  # another program of the host's finds them there
            assert np.array_equal(device.infer(images, codes=True), wanted)
            assert device.statistics.sent < loaded - len(PROGRAM.weights)
    with board_of(LOADING) as board, device_at(board) as device:
        device.program = OTHER  # past the check: the board itself finds that these are not its weights
        with pytest.raises(
            LinkError, match=r"lost: 5 tries .* does not have the weights of its program; none of the 4"
        ):
            device.infer(images)
        device.program = PROGRAM
        assert np.array_equal(device.infer(images, codes=True), wanted)
        assert device.statistics.retries.keys() == {"UNLOADED"}


WRONG = {
    "images must be of uint8, not int64": np.zeros((1, 4, 5, 6), int),
    "images must be of uint8, not float32": np.zeros((1, 4, 5, 6), np.float32),
    r"images must be of shape \(n, 4, 5, 6\), not \(1, 4, 6, 5\)": np.zeros((1, 4, 6, 5), np.uint8),
    r"images must be of shape \(n, 4, 5, 6\), not \(4, 5, 6\)": np.zeros((4, 5, 6), np.uint8),
    "images must be 1 or more, not none": np.zeros((0, 4, 5, 6), np.uint8),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_are_no_images_of_the_network_are_refused(board, message):
    with device_at(board) as device:
        sent = device.statistics.sent
        with pytest.raises(ValueError, match=message):
            device.infer(WRONG[message])
        assert device.statistics.sent == sent


def test_another_program_is_refused(board):
    with closing(Port(board.port, 3_000_000)) as line:
        message = f"has the program of linear, {PROGRAM.digest[:12]}, not that of linear, {OTHER.digest[:12]}: build"
        with pytest.raises(LinkError, match=message):
            Device(line, program=OTHER)
    with device_at(board, program=None) as device:
        with pytest.raises(ValueError, match="program must be given when the device of linear is opened, not None"):
            device.infer(some_images(1))
        with pytest.raises(ValueError, match="board must have a matmul engine, not the network linear"):
            device.matmul([[1]], [[1]])
    with pytest.raises(ValueError, match="board must have a matmul engine, not the network linear"):
        Device.open("sim", description=board.description)


def test_a_matmul_engine_infers_nothing(prepared):
    message = "board must have a network, not a matmul engine of int4 x int4"
    with Simulated(default_description(SMALL)) as engine, closing(Port(engine.port, 3_000_000)) as line:
        with pytest.raises(ValueError, match=message):
            Device(line).infer(some_images(1))
        with pytest.raises(LinkError, match="has a matmul engine and no program: engine must be of int8 x int8"):
            Device(line, program=PROGRAM)


def test_a_link_that_is_cut_in_the_middle_of_an_image_is_one_error(prepared):
    def cut(done, total):
        if done == 5:
            os.kill(board.pid, signal.SIGKILL)

    with board_of(HARDWARE) as board, device_at(board) as device:
        with pytest.raises(
            LinkError, match=r"is gone: .*; images 0 to \d were done, images \d+ to 99 were not"
        ) as caught:
            device.infer(some_images(100), progress=cut)
        assert 5 <= caught.value.images_done < 10 and caught.value.images == 100
        with pytest.raises(LinkError, match="none of the 3 images were done"):
            device.infer(some_images(3))


@pytest.mark.parametrize("sizes", [(1, 1, 7, 2, 3), (3, 5, 4, 2, 2), (4, 7, 6, 3, 4), (2, 2, 1, 4, 8)])
def test_sums_are_put_in_their_order(sizes):
    height, width, channels, rows, columns = sizes
    shape = (height, width, channels)
    network = BoardNetwork("n", "", *[INT8] * 3, shape, shape, rows, columns, 1, 1, 13, False)
    wanted = np.random.default_rng(1).integers(-4096, 4096, shape)
    beats = [
        wanted[y, x, c]
        for tile in range(0, channels, columns)
        for y in range(height)
        for group in range(0, width, rows)
        for x in range(group, min(group + rows, width))
        for c in range(tile, min(tile + columns, channels))
    ]
    content = b"".join((int(value) & 0x1FFF).to_bytes(2, "little") for value in beats)
    assert np.array_equal(sums_of(network, content), wanted)


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed, fields, memory",
    [(1, {}, ("initialized", "dual")), (10, {"rows": 1, "columns": 8, "lanes": 4, "outputs": 1}, ("loaded", "spram"))],
    ids=["block RAM", "large RAM"],
)
def test_accelerators_give_the_golden_models_answers(seed, fields, memory, prepared):
    program = random_program(seed, layers=2, side=4, **fields)
    images = random_images(program, np.random.default_rng(seed), 12)
    with Device.open("sim", design=NetworkDesign(program, *memory), seed=1) as device:
        assert device.infer(images, check=True).shape[0] == 12
        assert device.statistics.images == 12
