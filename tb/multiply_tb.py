"""Testbench of ``multiply``: every operand pair, the product and its flags, at the stated latency."""

from typing import Any

import cocotb

from . import stimulus
from .driver import drive
from .job import UnitJob

job = UnitJob()
unit = job.unit


@cocotb.test()
async def operand_pairs(dut: Any) -> None:
    weight, activation = stimulus.operand_pairs(unit, job.generator("operand_pairs"))
    await drive(dut, unit, stimulus.products(unit, weight, activation, len(weight)))


@cocotb.test()
async def random_pairs(dut: Any) -> None:
    """Operands that have nothing to do with the ones before them."""
    generator = job.generator("random_pairs")
    weight, activation = (
        generator.choice(format.codes, (job.random_cycles, 1)) for format in (unit.weight, unit.activation)
    )
    await drive(dut, unit, stimulus.products(unit, weight, activation))
