"""The demo's last part: a whole network on a simulated board, images in and answers out."""

from typing import Any

__all__ = ["IMAGES", "answer_images"]

BOARD, MODEL, WEIGHT, ACTIVATION = "icebreaker", "resnet8", "e2m1", "int4"
CLOCK_HZ = 24_000_000
"""The clock that the bitstream of this network reaches, see docs/network.md."""

IMAGES = 16


def answer_images() -> dict[str, Any]:
    """Let the simulated board answer test images, and compare every sum with the golden model.

    The result is ready for JSON: what was computed and how fast it would be, the labels that came and those that were
    expected, and whether all sums are the golden model's.
    """
    import numpy as np

    from ..boards.build.network_request import NetworkRequest, buffer_for
    from ..boards.host.device import Device
    from ..boards.host.images import differences
    from ..boards.targets import find_board
    from .common.network_options import AcceleratorOptions, lowered
    from .common.study_options import NetworkOptions, SchemeOptions

    board = find_board(BOARD)
    networks, accelerator = NetworkOptions(model=MODEL, samples=IMAGES), AcceleratorOptions(WEIGHT, ACTIVATION)
    study, found = lowered(networks, SchemeOptions(), accelerator, board.network)
    program = found.program
    request = NetworkRequest(board, program, dsp="auto", buffer_bytes=buffer_for(program))
    images = found.images(study.test.inputs[study.lowering.reading.input.tensor])
    with Device.open("sim", description=request.description(CLOCK_HZ), design=request.design) as device:
        assert device.simulated is not None
        device.infer(images[:1])  # weights are loaded once, which is no part of what an image takes
        before, cycles = device.simulated.rest(), device.statistics.cycles
        sums = device.infer(images, codes=True)
        seconds, cycles = device.simulated.seconds() - before, device.statistics.cycles - cycles
    expected = study.test.expected
    assert expected is not None
    labels = found.outputs(sums).argmax(axis=1)
    return {
        "board": BOARD,
        "model": MODEL,
        "weight": WEIGHT,
        "activation": ACTIVATION,
        "images": len(images),
        "labels": labels.tolist(),
        "expected": expected.tolist(),
        "right": int(np.count_nonzero(labels == expected)),
        "cycles_an_image": cycles / len(images),
        "images_a_second": len(images) / seconds,
        "differences": differences(program, images, sums),
    }
