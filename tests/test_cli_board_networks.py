"""The commands for boards with a network: what they print and write, and how wrong arguments end."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fewbit.boards.build.built_network import describe_hardware, read_hardware
from fewbit.boards.build.memories import memories_of
from fewbit.boards.build.network_request import NetworkRequest, buffer_for
from fewbit.boards.link.description import Description
from fewbit.boards.link.network import BoardNetwork
from fewbit.boards.targets import find_board
from fewbit.cli.app import run
from fewbit.cli.common.attached import _beside_network
from fewbit.cli.common.network_options import AcceleratorOptions
from fewbit.formats import parse
from fewbit.hdl import NetworkDesign
from fewbit.study.lowering import Lowered
from network_on_board import LinearHardware, linear_answers, linear_program

PROGRAM = linear_program(4, 5, 6, answers=40)
LARGE = linear_program(1, 32, 32, answers=20, name="large")
E4M3 = parse("e4m3")
WIDE = replace(LARGE, name="wide", shape=replace(LARGE.shape, weight=E4M3, activation=E4M3))
"""Float32 holds no sum of its products, so that no matmul engine computes it either."""


@pytest.fixture
def files(tmp_path, monkeypatch, prepared):
    """Images and programs in the current folder; networks are made of simple hardware, and no port is there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [])
    monkeypatch.setattr("fewbit.hdl.NetworkDesign", LinearHardware)
    images = np.random.default_rng(1).integers(0, 256, (5, 4, 5, 6), dtype=np.uint8)
    np.save("images.npy", images)
    np.save("turned.npy", images.transpose(0, 2, 1, 3))
    np.save("floats.npy", images.view(np.int8).astype(np.float32))
    np.save("nan.npy", np.full(images.shape, np.nan))
    np.save("integers.npy", images.astype(np.int64))
    PROGRAM.write(tmp_path / "program.json")
    LARGE.write(tmp_path / "large.json")
    (tmp_path / "list.json").write_text("[1, 2]")
    (tmp_path / "changed.json").write_text(PROGRAM.text().replace('"weights": "', '"weights": "00'))
    return images


def test_images_run_on_the_simulated_board(files, tmp_path, capsys):
    sums = linear_answers(PROGRAM, files).reshape(5, 40)
    assert run(["board", "run", "images.npy", "--program", "program.json", "--board", "sim", "--check"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("answers.npy: 5 x 40 float32 by linear on sim: 5 images, ")
    assert (
        "cycles an image, " in shown[1] and " images a second at 12 MHz, " in shown[1] and "with the link" in shown[1]
    )
    assert shown[2] == "checked: all 5 answers as the golden model has them"
    values = np.load("answers.npy")
    assert values.dtype == np.float32 and np.array_equal(values, (sums * PROGRAM.answer.scales).astype(np.float32))
    arguments = ["--program", "program.json", "--board", "sim", "--codes", "-o", "sums.npy", "--json"]
    assert run(["board", "run", "floats.npy", *arguments]) == 0  # the numbers of the same int8 codes
    told = json.loads(capsys.readouterr().out)
    assert (told["images"], told["digest"], told["differences"]) == (5, PROGRAM.digest, None)
    assert 0 < told["images_a_second"] < told["images_a_second_without_link"]
    assert np.array_equal(np.load("sums.npy").reshape(5, 40), sums)


def test_a_difference_is_told_and_is_the_exit_status(files, capsys, monkeypatch):
    monkeypatch.setattr("fewbit.sim.network_answers", lambda program, images: linear_answers(program, images) + 1)
    assert run(["board", "run", "images.npy", "--program", "program.json", "--board", "sim", "--check"]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == (
        "checked: 5 of 5 answers are not the golden model's, the first of them that to image 0"
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["turned.npy", "--program", "program.json"], "images must be of shape (n, 4, 5, 6), not (5, 5, 4, 6)"),
        (["integers.npy", "--program", "program.json"], "images must be of uint8, not int64"),
        (["nan.npy", "--program", "program.json"], "images must be of finite numbers, without NaN and infinity"),
        (["images.npy", "--program", "list.json"], "program must be one that fewbit wrote, not list.json: it is a"),
        (["images.npy", "--program", "changed.json"], "program must have the checksum that it was written with"),
        (["images.npy", "--program", "images.npy"], "program must be one that fewbit wrote, not images.npy"),
        (["images.npy"], "W.npy must be given, or a network by --model, --program or --like"),
        (["images.npy", "images.npy", "--program", "program.json"], "W.npy must be left out with a network"),
        (["images.npy", "--program", "program.json", "--rounded"], "--rounded must be left out without W.npy"),
        (["images.npy", "--program", "program.json", "--rows", "2"], "--rows must be left out with --program"),
        (["images.npy", "--program", "program.json", "--tile-m", "4"], "--tile-m must be left out with a network"),
        (
            ["images.npy", "--program", "program.json", "--between", "int8"],
            "--between must be left out without --model",
        ),
        (["images.npy", "--program", "program.json", "--model", "resnet8"], "--program must be left out with --model"),
    ],
)
def test_wrong_runs_end_with_a_line(files, tmp_path, capsys, arguments, message):
    before = sorted(tmp_path.iterdir())
    assert run(["board", "run", *arguments, *([] if "--board" in arguments else ["--board", "sim"])]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ["--board", "ice40_hx8k_b_evn", "--program", "wide.json"],
            "wide must fit ice40_hx8k_b_evn: its memories need ",
        ),
        (
            ["--board", "icebreaker", "--program", "program.json", "--largest"],
            "--largest must be left out with a network",
        ),
        (["--board", "icebreaker", "--program", "program.json", "--relu"], "--relu must be left out with a network"),
        (["--board", "icebreaker", "--between", "int8"], "--between must be left out without --model"),
    ],
)
def test_wrong_bitstreams_end_with_a_line(tmp_path, monkeypatch, capsys, prepared, arguments, message):
    monkeypatch.chdir(tmp_path)
    PROGRAM.write(tmp_path / "program.json")
    WIDE.write(tmp_path / "wide.json")
    assert run(["board", "build", *arguments, "--out", "."]) == 2
    error = capsys.readouterr().err
    assert message in error and len(error.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["program.json", "wide.json"]


def test_what_does_not_fit_is_told_with_all_that_it_takes():
    """20,480 weights of 8 bits are 40 block RAMs of 4,096 bits; and boards that have more are named."""
    with pytest.raises(ValueError) as caught:
        NetworkRequest(find_board("ice40_hx8k_b_evn"), LARGE).check_room()
    message = str(caught.value)
    assert "block RAMs, the device has 32: weights 40, the link 6" in message
    assert message.endswith("; orangecrab, tang_nano_9k, ulx3s_12f, ulx3s_85f would do")
    request = NetworkRequest(find_board("icebreaker"), PROGRAM, buffer_bytes=buffer_for(PROGRAM))
    assert request.buffer_bytes == 2048
    assert (
        request.design.loads
        and request.design.memory_ports == "spram"
        and request.design.generic.memory_ports == "single"
    )
    assert request.name == "icebreaker_linear_int8_int8_1x1x1_logic"
    request.check_room()


BETWEEN = "what lies between layers"


def test_memories_are_those_of_the_design():
    rtlil = """
module \\top
  cell \\link \\link
  end
end
module \\link
  memory width 8 size 512 \\bytes
  cell $memrd_v2 $1
    parameter \\MEMID "\\\\bytes"
  end
  cell \\core \\network
  end
end
module \\core
  cell \\store \\weights$
  end
  cell \\store \\between
  end
end
module \\store
  memory width 16 size 100 \\copy
  cell $memrd_v2 $1
    parameter \\MEMID "\\\\copy"
  end
  cell $memrd_v2 $2
    parameter \\MEMID "\\\\copy"
  end
  cell $memwr_v2 $3
    parameter \\MEMID "\\\\copy"
  end
  cell \\SB_SPRAM256KA \\one
  end
end
"""
    found = memories_of(rtlil)
    assert found[0] == ("the link", 8, 512, 1, 0, True)
    assert found[1:3] == [("weights", 0, 0, 0, 1, False), ("weights", 16, 100, 2, 0, False)]
    assert [(part, large) for part, *_, large, _ in found[3:]] == [(BETWEEN, 1), (BETWEEN, 0)]


def test_a_program_of_the_zoo_is_made_anew_where_none_lies_beside(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    named = replace(PROGRAM, name="resnet8")
    made = NetworkDesign(named, "loaded", "single", family="ice40")
    description = Description("icebreaker", BoardNetwork.of(named, True), 12_000_000, 1_000_000)
    content = {"hardware": describe_hardware(made), "description": json.loads(description.text())}
    Path("made.json").write_text(json.dumps(content))
    asked = []

    def lowering(networks, schemes, accelerator):
        asked.append((networks.model, accelerator))
        return None, lambda request: Lowered(named, None)

    monkeypatch.setattr("fewbit.cli.common.network_options.lowering", lowering)
    assert _beside_network(Path("made.json"), description, None) == (made, named)
    assert asked == [("resnet8", AcceleratorOptions("int8", "int8", "int8", 1, 1, 1, 1))]
    assert "note: made.program.json is not beside it; the program of resnet8 is made anew" in capsys.readouterr().err
    own = replace(description, computes=BoardNetwork.of(PROGRAM, True))
    with pytest.raises(FileNotFoundError, match=r"made\.program\.json"):
        _beside_network(Path("made.json"), own, None)


def test_hardware_is_read_as_it_was_written(tmp_path):
    made = NetworkDesign(PROGRAM, "loaded", "single", pipeline=1, family="ice40", dsp_elements=1)
    description = Description("icebreaker", BoardNetwork.of(PROGRAM, True), 12_000_000, 1_000_000)
    content = {"hardware": describe_hardware(made), "description": json.loads(description.text())}
    path = tmp_path / "made.json"
    path.write_text(json.dumps(content))
    (tmp_path / "made.program.json").write_text(PROGRAM.text())
    assert read_hardware(path) == made
    (tmp_path / "made.program.json").write_text(LARGE.text())
    with pytest.raises(
        ValueError, match=f"made.program.json must be the program of .*made.json, {PROGRAM.digest[:12]}"
    ):
        read_hardware(path)
    (tmp_path / "made.program.json").unlink()
    assert read_hardware(path, PROGRAM) == made
    with pytest.raises(ValueError, match=f"^program {LARGE.digest[:12]} must be the program of .*made.json"):
        read_hardware(path, LARGE)
    path.write_text("{}")
    with pytest.raises(ValueError, match="must be the JSON of a bitstream with a network"):
        read_hardware(path, PROGRAM)
