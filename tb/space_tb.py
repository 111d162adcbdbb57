"""Testbench of many ``mac`` designs at once: what mac_tb does to one, with the operands shared."""

from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np

from . import stimulus
from .batch import LOWEST, OUTPUTS, SHARED, combine, output_width
from .driver import apply, number
from .golden import Array
from .job import load_job, random_generator, record
from .stimulus import Stimulus
from .unit import DescribedUnit

job = load_job()
units = [DescribedUnit.from_description(description) for description in job["descriptions"]]
weight_bits = max(unit.weight.width for unit in units)
activation_bits = max(unit.activation.width for unit in units)
CHUNK = 1 << 12


def shared(valid: Array, first: Array, weight: Array, activation: Array, reset: Array | None = None) -> Stimulus:
    """The stimulus of all designs when each takes the low bits of the same operands, of shape (cycles, 1)."""
    stimuli = [
        stimulus.sums(
            unit,
            valid,
            first,
            weight & (1 << unit.weight.width) - 1,
            activation & (1 << unit.activation.width) - 1,
            reset=reset,
        )
        for unit in units
    ]
    return combine(units, stimuli, [SHARED] * stimuli[0].cycles)


async def run(dut: Any, test: str, stimuli: Iterator[Stimulus]) -> None:
    """Drive the stimuli; note the first wrong output of every design, and go on."""
    wrong: dict[int, str] = {}
    cycles = 0

    def note(cycle: int, name: str, found: str, expected: str) -> None:
        end = len(expected)
        for k, unit in enumerate(units):
            for output in reversed(unit.outputs):
                start, signed = end - unit.ports[output].width, unit.ports[output].signed
                if k not in wrong and found[start:end] != expected[start:end]:
                    values = f"{number(expected[start:end], signed)}, not {number(found[start:end], signed)}"
                    wrong[k] = f"{test}: {output} must be {values}, in cycle {cycle}"
                end = start

    for one in stimuli:
        await apply(dut, widths, one, True, note)
        cycles += one.cycles
    record(test=test, cycles=cycles, wrong=wrong)
    assert not wrong, next(iter(wrong.values()))


widths = {
    **dict.fromkeys(("rst", "valid", "first"), 1),
    **{"mode": 2, "weight": weight_bits, "activation": activation_bits, OUTPUTS: sum(map(output_width, units))},
}


@cocotb.test()
async def operand_pairs(dut: Any) -> None:
    def stimuli() -> Iterator[Stimulus]:
        always = np.ones(CHUNK, bool)
        for start in range(0, 1 << weight_bits + activation_bits, CHUNK):
            pair = np.arange(start, min(start + CHUNK, 1 << weight_bits + activation_bits))[:, None]
            some = always[: len(pair)]
            yield shared(some, some, pair >> activation_bits, pair & (1 << activation_bits) - 1)

    await run(dut, "operand_pairs", stimuli())


@cocotb.test()
async def random_sums(dut: Any) -> None:
    generator = random_generator(job["seed"], "random_sums")
    cycles = job["random_cycles"]
    control = stimulus.random_control(units[0], generator, cycles, reset_rate=0.01)
    weight, activation = (generator.integers(0, 1 << bits, (cycles, 1)) for bits in (weight_bits, activation_bits))
    await run(dut, "random_sums", iter([shared(control.valid, control.first, weight, activation, control.reset)]))


@cocotb.test()
async def extreme_sums(dut: Any) -> None:
    stimuli = [stimulus.extreme_sums(unit) for unit in units]
    high, _ = stimulus.extreme_runs(units[0])
    mode = np.pad(LOWEST + high, (stimuli[0].cycles - len(high) - units[0].delay, units[0].delay))
    await run(dut, "extreme_sums", iter([combine(units, stimuli, mode.tolist())]))
