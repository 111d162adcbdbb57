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

    ``program``: None for that of the bitstream that ``--like`` names
    """
    import numpy as np

    from ...boards.host.images import check_images, differences, values_of_sums
    from ...synth import write_bytes
    from .arrays import npy_bytes

    with attached_network(options, program, check=lambda found: check_images(found, images)) as device:
        assert device.program is not None
        before, passed = 0.0, None
        if device.simulated is not None:
            if device.description.network.loads:
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
    each: cycles an image
    passed: seconds of simulated time; None on a board
    wrong: what differs from the golden model; None if nobody looked
    """
    statistics, network, board = device.statistics, device.description.network, device.description.board
    count = len(found)
    without = device.description.clock_hz / each
    rate = None if passed is None else count / passed
    if json:
        print_json(
            {
                "board": board,
                "simulated": device.simulated is not None,
                "network": network.name,
                "digest": network.digest,
                "file": str(out),
                "shape": list(found.shape),
                "dtype": str(found.dtype),
                "images": count,
                "cycles_an_image": each,
                "images_a_second": rate,
                "images_a_second_without_link": without,
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
        f"{out}: {' x '.join(map(str, found.shape))} {found.dtype} by {network.name} on {where}: "
        f"{counted(count, 'image')}, {statistics.sent:,} bytes sent, {statistics.received:,} received"
        f"{again if tried else ''}"
    )
    link = "" if rate is None else f", {rate:.1f} with the link"
    print(
        f"{each:,.0f} cycles an image, {without:.1f} images a second at {device.description.clock_hz / 1e6:g} MHz{link}"
    )
    if wrong is not None:
        print(f"checked: {wrong or f'all {count} answers as the golden model has them'}")
