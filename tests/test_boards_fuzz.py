"""The host's driver over a line that spoils frames both ways: a right product or a LinkError, in bounded time."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import cycle

import numpy as np
import pytest
from fewbit.boards.host.challenge import compute, random_challenge
from fewbit.boards.host.device import Device
from fewbit.boards.host.simulated import Simulated, default_description
from fewbit.boards.host.transport import LinkError, Port
from fewbit.boards.host.worker import TRIES
from simulated_boards import SMALL, FaultyLine

RATES = (0.1, 0.2, 0.3)
TIMEOUT = 1.0


def fuzz(board: Simulated, seed: int, faults: int) -> tuple[Counter, Counter, Counter]:
    """How products ended while so many frames were spoilt, the faults by their kind, and retries by their cause."""
    generator = np.random.default_rng(seed)
    ends = Counter()
    line = FaultyLine(Port(board.port, board.description.baud), seed)
    with Device(line, timeout=TIMEOUT, seed=seed) as device:
        for rate in cycle(RATES):
            line.rate = rate
            ends[end_of(device, random_challenge(SMALL, generator, 64))] += 1
            if line.faults.total() >= faults:
                break
        line.rate = 0.0
        assert end_of(device, random_challenge(SMALL, generator, 500)) == "right"
        return ends, line.faults, device.statistics.retries


def end_of(device: Device, challenge) -> str:
    rows = len(challenge.a)
    begun = time.monotonic()
    try:
        end = "right" if compute(device, challenge)[0] else "wrong"
    except LinkError as error:
        assert error.rows == rows > error.rows_done
        end = "lost"
    panels = -(-rows // SMALL.tile_m)
    assert time.monotonic() - begun < 2 * TRIES * panels * (TIMEOUT + 1)
    return end


@pytest.mark.parametrize(
    "lines, faults", [(1, 500), pytest.param(4, 2400, marks=pytest.mark.slow)], ids=["500", "9600"]
)
def test_no_fault_makes_a_wrong_product_or_a_hang(lines, faults, prepared):
    with ExitStack() as stack:
        boards = [stack.enter_context(Simulated(default_description(SMALL))) for _ in range(lines)]
        pool = stack.enter_context(ThreadPoolExecutor(lines))  # much of the time goes to answers that do not come
        found = list(pool.map(fuzz, boards, range(faults, faults + lines), [faults] * lines))
    ends, faults_by_kind, causes = (sum(counters, Counter()) for counters in zip(*found, strict=True))
    assert ends["wrong"] == 0
    assert min(ends["right"], ends["lost"]) >= sum(ends.values()) / 20, ends
    assert {"gap", "CRC", "SEQUENCE"} <= causes.keys()
    assert faults_by_kind.total() >= lines * faults
    assert len(faults_by_kind) == 2 * len(FaultyLine.KINDS)
    assert min(faults_by_kind.values()) >= lines * faults / 40
