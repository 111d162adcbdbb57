"""Testbench of ``decode``: every code's sign, significand and shift together are its value, and the marks are right."""

from typing import Any

import cocotb
from cocotb.triggers import Timer

from ..sim.codes import unpack
from . import stimulus
from .job import UnitJob, record

job = UnitJob()
unit = job.unit


@cocotb.test()
async def codes(dut: Any) -> None:
    dut.code.value = (1 << unit.weight.width) - 1
    await Timer(1, unit="ns")
    tried = stimulus.every_code(unit)
    golden = unpack(tried, unit.weight)

    def read(name: str) -> int:
        """The value of an output, or 0 if the format has no such output."""
        return int(getattr(dut, name).value) if name in unit.ports else 0

    for code, sign, significand, shift, nan, infinity in zip(tried.tolist(), *map(list, golden), strict=True):
        dut.code.value = code
        await Timer(1, unit="ns")
        marks = (read("nan"), read("infinity"))
        assert marks == (nan, infinity), f"nan, infinity must be {int(nan)}, {int(infinity)}, not {marks} for {code:#x}"
        integer = (-1) ** int(sign) * (int(significand) << int(shift))
        found = (-1) ** read("sign") * (read("significand") << read("shift"))
        if nan:
            continue
        if infinity:
            assert read("sign") == sign, f"sign of the infinity {code:#x} must be {int(sign)}, not {read('sign')}"
            continue
        assert found == integer, f"value must be {integer}, not {found}, in units of the lsb for code {code:#x}"
    record(cycles=len(tried))
