"""``fewbit board run`` of images: through a network on a board, or on the simulated board."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..common.attached import SIM, AttachedOptions, attached_network
from ..common.console import counted, print_json, progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...boards.host.device import Device
    from ...formats.network import Program

__all__ = ["run_images"]


def run_images(
    images: "NDArray[Any]",
    options: AttachedOptions,
    program: "Program | None",
    out: Path,
    *,
    codes: bool,
    check: bool,
    json: bool,
) -> None:
    """Have a board compute images, write what it answers, and tell how fast that was.

    Parameters
    ----------
    images: bytes, or codes where the program takes these; or floats in the network's numbers
    program: None for that of the bitstream that ``--like`` names
    """
    import numpy as np

    from ... import sim
    from ...boards.host.images import check_images, differences, values_of_sums
    from ...synth import write_bytes
    from .arrays import npy_bytes

    floats = images if images.dtype.kind == "f" else None

    def suit(found: "Program") -> None:
        nonlocal images
        images = check_images(found, images if floats is None else sim.network_images(found, floats))

    with attached_network(options, program, check=suit) as device:
        assert device.program is not None
        before, passed = 0.0, None
        if device.simulated is not None:
            if _loads(device):
                device.infer(images[:1])  # weights are loaded once, which is no part of what an image takes
            before = device.simulated.rest()
        cycles = device.statistics.cycles
        with progress("Computing, images") as report:
            sums = device.infer(images, codes=True, progress=report)
        cycles = device.statistics.cycles - cycles
        if device.simulated is not None:
            passed = device.simulated.seconds() - before
        wrong = differences(device.program, images, sums) if check else None
        found = sums if codes else values_of_sums(device.program, sums)
        write_bytes(out, npy_bytes(np.asarray(found)))
        _tell(device, out, found, cycles / len(images), passed, wrong, json)
    if wrong:
        raise typer.Exit(1)


def _loads(device: "Device") -> bool:
    """Whether the board has a network whose weights come over the link."""
    from ...boards.link.network import BoardNetwork

    computes = device.description.computes
    return isinstance(computes, BoardNetwork) and computes.loads


def _tell(
    device: "Device",
    out: Path,
    found: "NDArray[np.generic]",
    each: float,
    passed: float | None,
    wrong: str | None,
    json: bool,
) -> None:
    """Tell what was computed.

    Parameters
    ----------
    each: cycles an image in which the board computed
    passed: seconds of simulated time; None on a board
    wrong: what differs from the golden model; None if nobody looked
    """
    from ...boards.host.layers_speed import layer_sizes, link_seconds
    from ...formats import Engine

    statistics, program, described = device.statistics, device.program, device.description
    assert program is not None
    count, board = len(found), described.board
    layers = isinstance(described.computes, Engine)
    most = (
        1 / link_seconds(described.engine, layer_sizes(program), described.baud)
        if layers
        else described.clock_hz / each
    )
    rate = None if passed is None else count / passed
    if json:
        print_json(
            {
                "board": board,
                "simulated": device.simulated is not None,
                "network": program.name,
                "digest": program.digest,
                "layer_by_layer": layers,
                "file": str(out),
                "shape": list(found.shape),
                "dtype": str(found.dtype),
                "images": count,
                "cycles_an_image": each,
                "images_a_second": rate,
                "images_a_second_at_most" if layers else "images_a_second_without_link": most,
                "sent": statistics.sent,
                "received": statistics.received,
                "retries": dict(statistics.retries),
                "differences": wrong,
            }
        )
        return
    where = f"the simulated {board}" if device.simulated and board != SIM else board
    tried = sum(statistics.retries.values())
    again = f", {tried} tries anew ({', '.join(f'{n} {cause}' for cause, n in statistics.retries.items())})"
    print(
        f"{out}: {' x '.join(map(str, found.shape))} {found.dtype} by {program.name} on {where}: "
        f"{counted(count, 'image')}, {statistics.sent:,} bytes sent, {statistics.received:,} received"
        f"{again if tried else ''}"
    )
    if layers:
        measured = "" if rate is None else f"; {rate:.2f} were measured, without the host's own time"
        print(
            f"layer by layer, with the host in between: at most {most:.2f} images a second over a link of "
            f"{described.baud / 1e6:g} Mbaud{measured}"
        )
    else:
        link = "" if rate is None else f", {rate:.1f} with the link"
        print(f"{each:,.0f} cycles an image, {most:.1f} images a second at {described.clock_hz / 1e6:g} MHz{link}")
    if wrong is not None:
        print(f"checked: {wrong or f'all {count} answers as the golden model has them'}")
