"""``fewbit board selftest``: random products on a board for a while, every one checked."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.attached import AttachedOptions, attached
from ..common.console import percent, print_json, progress
from ..common.engine_options import EngineOptions, takes_engine_on_a_board
from ..common.options import Json, Seed

if TYPE_CHECKING:
    from ...boards.host.device import Device

__all__ = ["selftest"]

MOST_SECONDS, MOST_CODES = 7 * 24 * 3600, 1 << 20


@takes_engine_on_a_board()
def selftest(
    options: AttachedOptions,
    seconds: Annotated[
        float, typer.Option("--seconds", metavar="SECONDS", help="How long, by the clock on the wall.")
    ] = 60.0,
    seed: Seed = 1,
    most: Annotated[int, typer.Option("--most", help="Codes of A and W in a product, about.")] = 4096,
    json: Json = False,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  # frozen
) -> None:
    """Make random products of many sizes on a board, and compare every bit with the golden model.

    The exit status is 1 if any product is wrong. On the simulated board, rates are those of simulated time.
    """
    if not 0 < seconds <= MOST_SECONDS:
        raise ValueError(f"seconds must be above 0 and at most {MOST_SECONDS}, a week, not {seconds!r}")
    if not 2 <= most <= MOST_CODES:
        raise ValueError(f"most must be 2 to {MOST_CODES}, not {most}")
    with attached(options, engine, seed) as device:
        figures = _measure(device, seconds, seed, most)
    if json:
        print_json(figures)
    else:
        _show(figures)
    if figures["wrong"]:
        raise typer.Exit(1)


def _measure(device: "Device", seconds: float, seed: int, most: int) -> dict[str, Any]:
    import numpy as np

    from ...boards.host.challenge import compute, random_challenge

    generator = np.random.default_rng(seed)
    statistics, simulated = device.statistics, device.simulated
    before = (statistics.sent, statistics.received)
    begun_simulated = simulated.seconds() if simulated is not None else 0.0
    begun, in_link = time.monotonic(), 0.0
    matmuls = wrong = products = 0
    with progress("Testing") as report:
        while not matmuls or time.monotonic() - begun < seconds:
            report(int(time.monotonic() - begun), int(seconds))
            challenge = random_challenge(device.engine, generator, most)
            right, took = compute(device, challenge)
            in_link += took
            matmuls += 1
            wrong += not right
            products += challenge.products
    # The simulated board counts whatever is on its line; a board that is attached is waited for.
    passed = in_link if simulated is None else simulated.seconds() - begun_simulated
    a_second = 1 / passed if passed else 0.0
    baud = device.description.baud
    return {
        "board": device.description.board,
        "weight": device.engine.weight.name,
        "activation": device.engine.activation.name,
        "simulated": simulated is not None,
        "matmuls": matmuls,
        "wrong": wrong,
        "products": products,
        "seconds": passed,
        "products_a_second": products * a_second,
        "baud": baud,
        "sent_a_second": (statistics.sent - before[0]) * a_second,
        "received_a_second": (statistics.received - before[1]) * a_second,
        "retries": dict(statistics.retries),
    }


def _show(figures: dict[str, Any]) -> None:
    of = "simulated time" if figures["simulated"] else "time on the link"
    print(
        f"{figures['board']}, {figures['weight']} x {figures['activation']}: {figures['matmuls']} matmuls of random "
        f"sizes in {figures['seconds']:.3g} s of {of}, {figures['wrong']} wrong"
    )
    rates = [
        f"{figures[way]:,.0f} bytes a second {word}, {percent(10 * figures[way] / figures['baud'])} of the line"
        for way, word in (("sent_a_second", "sent"), ("received_a_second", "received"))
    ]
    print(f"{figures['products_a_second']:,.0f} products a second; at {figures['baud']:,} baud {'; '.join(rates)}")
    causes = ", ".join(f"{count} {cause}" for cause, count in figures["retries"].items())
    print(f"retries: {causes or 'none'}")
    if figures["simulated"]:
        print("the SIMULATED board was tested, no hardware")
