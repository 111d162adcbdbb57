"""Testbench of ``mac``, and with several lanes of ``dot``: every output, every cycle, against the golden model."""

from typing import Any

import cocotb
import numpy as np

from . import stimulus
from .driver import drive
from .job import UnitJob

job = UnitJob()
unit = job.unit


@cocotb.test()
async def operand_pairs(dut: Any) -> None:
    """One product a cycle, each a sum of its own, or some to a sum where sums take time."""
    weight, activation = stimulus.operand_pairs(unit, job.generator("operand_pairs"))
    always = np.ones(len(weight), bool)
    words = min(max(unit.recovery, 1), max(unit.terms // unit.lanes, 1))
    first = np.arange(len(weight)) % words == 0
    await drive(dut, unit, stimulus.sums(unit, always, first, weight, activation, pairs=len(weight)))


@cocotb.test()
async def random_sums(dut: Any) -> None:
    await drive(dut, unit, stimulus.random_sums(unit, job.generator("random_sums"), job.random_cycles))


@cocotb.test()
async def resets(dut: Any) -> None:
    """``rst`` in the middle of sums wins over everything and drops what is in the pipeline."""
    cycles = job.random_cycles
    await drive(dut, unit, stimulus.random_sums(unit, job.generator("resets"), cycles, reset_rate=0.08))


@cocotb.test()
async def extreme_sums(dut: Any) -> None:
    """As many of the extreme products as the accumulator is for."""
    await drive(dut, unit, stimulus.extreme_sums(unit))


@cocotb.test(skip=unit.weight.finite and unit.activation.finite)
async def special_values(dut: Any) -> None:
    """NaN and infinities in every other sum."""
    cycles = job.random_cycles
    await drive(dut, unit, stimulus.random_sums(unit, job.generator("special_values"), cycles, special_rate=0.2))
