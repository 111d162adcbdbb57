"""Networks through a matmul engine layer by layer: the bits are the accelerator's, and what cannot be is refused."""

import json
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
from fewbit import sim
from fewbit.boards import Device, LinkError
from fewbit.boards.build.bitstream_request import Request
from fewbit.boards.build.layers_request import LayersRequest
from fewbit.boards.host.layers import check_layers, compute_layers
from fewbit.boards.host.layers_speed import exact_depth, layer_sizes, link_seconds
from fewbit.boards.host.simulated import Simulated, default_description
from fewbit.boards.host.transport import Port
from fewbit.boards.targets import find_board
from fewbit.cli.app import run
from fewbit.formats import Engine, Requantization, parse
from fewbit.synth.room import block_rams
from network_on_board import linear_program
from network_programs import random_images, random_program
from simulated_boards import INT4, SMALL

FLOAT32 = Requantization(parse("float32"))
PROGRAM = random_program(4, layers=4, side=5, weight=INT4, activation=INT4)
LARGE = linear_program(1, 32, 32, answers=20, name="large")


def device_at(board, program=PROGRAM):
    return Device(Port(board.port, board.description.baud), seed=1, program=program)


@pytest.fixture
def board(prepared):
    with Simulated(default_description(SMALL)) as started:
        yield started


@pytest.mark.parametrize("pair", [("int4", "int4"), ("e2m1", "int4"), ("e3m2", "e2m3"), ("uint4", "int3")])
def test_layer_by_layer_every_bit_is_the_accelerators(pair):
    """With groups, dilations, padding and words that are not full; the engine's sums are computed in float64."""
    weight, activation = map(parse, pair)
    engine = Engine(weight, activation, FLOAT32, max_k=64)
    for seed in range(20):
        program = random_program(seed, weight=weight, activation=activation, zero_points=False)
        images = random_images(program, seed, 3)
        check_layers(engine, program)
        found = compute_layers(engine, program, images, lambda a, w: a @ w)
        assert found.dtype == np.int64 and np.array_equal(found, sim.network_answers(program, images))


def test_weights_of_zero_are_not_sent():
    program = linear_program(2, 2, 3)
    weights = np.frombuffer(program.weights, np.uint8).copy().reshape(3, -1)
    weights[:, [1, 5]] = 0
    depths = []

    def matmul(a, w):
        depths.append((a.shape, w.shape))
        return a @ w

    engine = Engine(parse("int8"), parse("int8"), FLOAT32)
    images = np.random.default_rng(1).integers(0, 256, (2, 2, 2, 3), dtype=np.uint8)
    for content in (weights, np.zeros_like(weights)):
        made = replace(program, weights=content.tobytes())
        assert np.array_equal(compute_layers(engine, made, images, matmul), sim.network_answers(made, images))
    assert depths == [((1, 10), (10, 3))] * 2


def test_a_simulated_engine_computes_images(board):
    images = random_images(PROGRAM, 1, 3)
    seen = []
    with device_at(board) as device:
        board.rest()
        begun = board.seconds()
        sums = device.infer(images, codes=True, check=True, progress=lambda done, total: seen.append((done, total)))
        passed = board.rest() - begun
        assert np.array_equal(sums, sim.network_answers(PROGRAM, images))
        assert seen == [(1, 3), (2, 3), (3, 3)] and device.statistics.images == 3
        assert passed > 3 * link_seconds(SMALL, layer_sizes(PROGRAM), board.description.baud)
        with pytest.raises(ValueError, match="images must be of uint8, not float32"):
            device.infer(images.astype(np.float32))


def test_a_link_that_is_cut_between_layers_is_one_error(board):
    def cut(done, total):
        if done == 2:
            os.kill(board.pid, signal.SIGKILL)

    with device_at(board) as device:
        with pytest.raises(LinkError, match=r"is gone: .* rows? of C were done; 2 of 5 images were done") as caught:
            device.infer(random_images(PROGRAM, 1, 5), progress=cut)
        assert (caught.value.images_done, caught.value.images) == (2, 5)


def test_engines_whose_sums_are_not_exact_are_refused():
    other = replace(SMALL, weight=parse("int3"))
    with pytest.raises(ValueError, match=r"engine must be of int4 x int4 to compute random4 .*, not of int3 x int4"):
        check_layers(other, PROGRAM)
    message = "engine must give exact sums to compute random4 layer by layer: int8 does not hold every exact sum of 32"
    with pytest.raises(ValueError, match=message):
        check_layers(replace(SMALL, requantization=Requantization(parse("int8"))), PROGRAM)
    with pytest.raises(ValueError, match="layer by layer: the ReLU is done once"):
        check_layers(replace(SMALL, requantization=Requantization(parse("int16"), relu=True)), PROGRAM)


def test_sums_are_short_enough_to_be_exact():
    e3m2 = Engine(parse("e3m2"), parse("e3m2"), FLOAT32, rows=2, tile_m=16, max_k=1000)
    assert exact_depth(e3m2) == 64  # a product has up to 18 bits, and float32 holds sums of 24
    assert exact_depth(replace(e3m2, weight=INT4, activation=INT4)) == 1000
    assert exact_depth(replace(e3m2, weight=parse("e4m3"), activation=parse("e4m3"))) == 0


def test_panels_are_those_that_the_link_takes_the_least_time_with():
    engine = Engine(parse("int8"), parse("int8"), FLOAT32, rows=2, columns=2, tile_m=16, max_k=256)
    request = Request(find_board("ice40_hx8k_b_evn"), engine)
    made = LayersRequest.of(request, linear_program(4, 5, 15))
    assert made.engine.max_k == 300  # sums come back once, and not for 256 products and for 44
    assert made.images_a_second(3_000_000) > 1 / link_seconds(engine, layer_sizes(made.program), 3_000_000)
    assert made.beside() == {".program.json": made.program.text()}
    small = replace(engine, weight=INT4, activation=INT4, lanes=4, tile_m=2, max_k=512)
    # 80 x 9, 80 x 13 and 1 x 240: a panel of 80 rows of 240 would be the best, but for the RAM that it takes
    program = random_program(6, layers=4, side=14, weight=INT4, activation=INT4)
    chosen = LayersRequest.of(replace(request, engine=small), program).engine
    assert (chosen.max_k, chosen.tile_m) == (13, 20)
    target = request.board.part.target
    assert block_rams(chosen, target) == block_rams(small, target) < block_rams(replace(small, tile_m=20), target)
    e4m3 = replace(engine, weight=parse("e4m3"), activation=parse("e4m3"))
    program = random_program(1, weight=parse("e4m3"), activation=parse("e4m3"), zero_points=False)
    with pytest.raises(ValueError, match="float32 does not hold every exact sum of 256 products"):
        LayersRequest.of(Request(find_board("icebreaker"), e4m3), program)


@pytest.fixture
def folder(tmp_path, monkeypatch, prepared):
    """A bitstream's files with the small engine, programs and images, in the current folder."""
    monkeypatch.chdir(tmp_path)
    PROGRAM.write(tmp_path / "made.program.json")
    LARGE.write(tmp_path / "large.json")
    np.save("images.npy", random_images(PROGRAM, 1, 2))
    (tmp_path / "made.json").write_text(json.dumps({"description": json.loads(default_description(SMALL).text())}))
    return tmp_path


def test_images_run_layer_by_layer(folder, capsys):
    assert run(["board", "run", "images.npy", "--like", "made.json", "--codes", "--check", "-o", "sums.npy"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("sums.npy: 2 x ") and " int64 by random4 on sim: 2 images, " in told[0]
    assert told[1].startswith("layer by layer, with the host in between: at most ") and " were measured" in told[1]
    assert told[2] == "checked: all 2 answers as the golden model has them"
    assert np.array_equal(np.load("sums.npy"), sim.network_answers(PROGRAM, np.load("images.npy")))
    assert run(["board", "run", "images.npy", "--like", "made.json", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["layer_by_layer"] and 0 < found["images_a_second"] < found["images_a_second_at_most"]


def test_what_has_no_program_of_its_own_is_told(folder, capsys):
    (folder / "made.program.json").unlink()
    assert run(["board", "run", "images.npy", "--like", "made.json"]) == 2
    assert "W.npy, --model or --program must be given: made.json has a matmul engine, and" in capsys.readouterr().err
    assert run(["board", "run", "images.npy", "--like", "made.json", "--program", "large.json"]) == 2
    assert "engine must be of int8 x int8 to compute large layer by layer" in capsys.readouterr().err
    assert not (folder / "answers.npy").exists()


def test_a_network_that_does_not_fit_becomes_an_engine_and_says_so(folder, capsys, monkeypatch):
    asked = []

    def build(request, *arguments, **options):
        asked.append(request)
        raise ValueError("no tools here")

    monkeypatch.setattr("fewbit.boards.build.bitstream.build", build)
    arguments = ["--board", "ice40_hx8k_b_evn", "--program", "large.json"]
    assert run(["board", "build", *arguments]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert told.startswith("large does not fit ice40_hx8k_b_evn: its memories need ")
    assert "a matmul engine instead, through which the host computes it layer by layer: at most " in told
    (request,) = asked
    assert isinstance(request, LayersRequest) and request.name == "ice40_hx8k_b_evn_large_int8_int8_3x3x4_layers"
    rate = request.images_a_second(3_000_000)
    assert f"at most {rate:.2f} images a second at 3 Mbaud" in told
    # four times a PRODUCT, three rows of 256 numbers and 21 columns of 256 weights, in 27 frames of 9 more bytes
    assert rate == 1 / (4 * (6 + 3 * 256 + 21 * 256 + 27 * 9) * 10 / 3_000_000)
