"""What FuseSoC takes of a network's accelerator: a core, and a program that has it answer images."""

import numpy as np
from numpy.typing import NDArray

from ..formats.network import Program
from ..hdl import NetworkDesign
from ..sim import answer_order, image_bytes, network_answers
from .example import c_array
from .fusesoc import core_file
from .template import fill

__all__ = ["example_images", "network_core_files"]

IMAGES, SEED = 3, 1


def network_core_files(design: NetworkDesign) -> dict[str, str]:
    """The files for FuseSoC beside the accelerator's Verilog and header, by name."""
    module, program = design.module, design.program
    said = {stream["name"]: stream["beat_bits"] for stream in design.description()["streams"]}
    load = fill("sim_network_weights.cpp", module=module) if design.loads else ""
    return {
        **core_file(design, [f"{module}_example.h", f"{module}_sim.cpp"], "images and their answers"),
        f"{module}_example.h": _header(program, design.loads),
        f"{module}_sim.cpp": fill(
            "sim_network.cpp", module=module, load=load, answer=f"int{said['m_axis_answer']}_t", images=str(IMAGES)
        ),
    }


def example_images(program: Program) -> NDArray[np.uint8]:
    """Images of random bytes, the same at every call."""
    image = program.image
    size = (IMAGES, image.height, image.width, image.channels)
    return np.random.default_rng(SEED).choice(image_bytes(program), size)


def _header(program: Program, loads: bool) -> str:
    """Images, and the sums of their answers in the order in which they come, as arrays of C."""
    images, answer = example_images(program), program.answer
    order = answer_order((answer.height, answer.width, answer.channels), program.shape.columns)
    sums = network_answers(program, images).reshape(len(images), -1)[:, order]
    lines = ["/* Images and the sums of their answers, by fewbit's golden model. */", "#include <stdint.h>", ""]
    lines += c_array("example_images", "uint8_t", images)
    if loads:
        lines += c_array("example_weights", "uint8_t", np.frombuffer(program.packed_words(), np.uint8))
    return "\n".join([*lines, *c_array("example_answers", "int64_t", sums), ""])
