"""The host's driver over a line that spoils frames both ways: right products and answers or a LinkError, in bounded
time."""

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
from network_on_board import LinearHardware, linear_answers, linear_program
from simulated_boards import SMALL, FaultyLine

TIMEOUT = 1.0


class Products:
    """Products of random sizes on a matmul engine."""

    description, design, program = default_description(SMALL), None, None
    rates = (0.1, 0.2, 0.3)

    def __init__(self, device: Device, generator: np.random.Generator):
        self.device, self.generator = device, generator

    def end(self, most: int) -> tuple[str, int]:
        """How a product ended, and how many panels it had."""
        challenge = random_challenge(SMALL, self.generator, most)
        rows = len(challenge.a)
        panels = -(-rows // SMALL.tile_m)
        try:
            return "right" if compute(self.device, challenge)[0] else "wrong", panels
        except LinkError as error:
            assert error.rows == rows > error.rows_done
            return "lost", panels


class Images:
    """One to three images through a network whose weights have to be loaded first."""

    program = linear_program(3, 5, 12, answers=4)
    design = LinearHardware(program, loads=True)
    description = default_description(design)
    rates = (0.2, 0.3, 0.5)

    def __init__(self, device: Device, generator: np.random.Generator):
        self.device, self.generator = device, generator

    def end(self, most: int) -> tuple[str, int]:
        """How the images ended, and how many there were."""
        count = 1 + most % 3
        images = self.generator.integers(0, 256, (count, 3, 5, 12), dtype=np.uint8)
        try:
            right = np.array_equal(self.device.infer(images, codes=True), linear_answers(self.program, images))
            return "right" if right else "wrong", count
        except LinkError as error:
            assert error.images == count > error.images_done
            return "lost", count


def fuzz(kind: type[Products | Images], board: Simulated, seed: int, faults: int) -> tuple[Counter, Counter, Counter]:
    """How work ended while so many frames were spoilt, the faults by their kind, and retries by their cause."""
    ends = Counter()
    line = FaultyLine(Port(board.port, board.description.baud), seed)
    with Device(line, timeout=TIMEOUT, seed=seed, program=kind.program) as device:
        work = kind(device, np.random.default_rng(seed))
        for number, rate in enumerate(cycle(kind.rates)):
            line.rate = rate
            begun = time.monotonic()
            end, parts = work.end(64 + number)
            assert time.monotonic() - begun < 2 * TRIES * parts * (TIMEOUT + 1)
            ends[end] += 1
            if line.faults.total() >= faults:
                break
        line.rate = 0.0
        assert work.end(500)[0] == "right"
        return ends, line.faults, device.statistics.retries


@pytest.mark.parametrize(
    "kind, lines, faults",
    [
        pytest.param(Products, 1, 500, id="500 for products"),
        pytest.param(Images, 2, 250, id="500 for images", marks=pytest.mark.slow),
        pytest.param(Products, 4, 1200, id="4800 for products", marks=pytest.mark.slow),
        pytest.param(Images, 4, 1250, id="5000 for images", marks=pytest.mark.slow),
    ],
)
def test_no_fault_makes_a_wrong_result_or_a_hang(kind, lines, faults, prepared):
    with ExitStack() as stack:
        boards = [stack.enter_context(Simulated(kind.description, kind.design)) for _ in range(lines)]
        pool = stack.enter_context(ThreadPoolExecutor(lines))  # much of the time goes to answers that do not come
        found = list(pool.map(fuzz, [kind] * lines, boards, range(faults, faults + lines), [faults] * lines))
    ends, faults_by_kind, causes = (sum(counters, Counter()) for counters in zip(*found, strict=True))
    assert ends["wrong"] == 0
    assert min(ends["right"], ends["lost"]) >= sum(ends.values()) / 20, ends
    assert {"gap", "CRC", "SEQUENCE"} <= causes.keys()
    assert faults_by_kind.total() >= lines * faults
    assert len(faults_by_kind) == 2 * len(FaultyLine.KINDS)
    assert min(faults_by_kind.values()) >= lines * faults / 40
