"""A stimulus is run on the design. After every clock edge, every output is compared with what it must be."""

from collections.abc import Callable, Mapping
from typing import Any

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

from .job import record
from .stimulus import Stimulus
from .unit import DescribedUnit

__all__ = ["apply", "drive", "number"]

Mismatch = Callable[[int, str, str, str], None]


async def apply(dut: Any, widths: Mapping[str, int], stimulus: Stimulus, clocked: bool, mismatch: Mismatch) -> None:
    """Apply the stimulus; call ``mismatch(cycle, output, found, expected)`` for every output whose digits differ.

    Inputs change and outputs are read at the falling edge, where all simulators agree on what a rising edge has done.
    """
    if clocked:
        Clock(dut.clk, 10, unit="ns").start()
        tick: Any = FallingEdge(dut.clk)
    else:
        tick = Timer(1, unit="ns")
    handles = [getattr(dut, name) for name in stimulus.inputs]
    outputs = [(getattr(dut, name), name, digits) for name, digits in stimulus.expected.items()]
    for name in [*stimulus.inputs, *stimulus.expected]:
        found = len(getattr(dut, name))
        assert found == widths[name], f"{name} must be {widths[name]} bits wide, not {found}"
    # In Icarus, combinational logic of yosys starts only when an input changes, so every input has to change once.
    for handle in handles:
        handle.value = (1 << len(handle)) - 1
    await tick
    standing: list[int | None] = [None] * len(handles)
    for cycle, row in enumerate(zip(*stimulus.inputs.values(), strict=True)):
        for k, value in enumerate(row):
            if value != standing[k]:
                handles[k].value = value
                standing[k] = value
        await tick
        for handle, name, digits in outputs:
            expected = digits[cycle]
            if expected is not None and str(handle.value) != expected:
                mismatch(cycle, name, str(handle.value), expected)


async def drive(dut: Any, unit: DescribedUnit, stimulus: Stimulus) -> None:
    """Apply the stimulus to one unit; raise AssertionError at the first output that differs."""

    def fail(cycle: int, name: str, found: str, expected: str) -> None:
        signed = unit.ports[name].signed
        taken = max(cycle - unit.delay, 0)
        operands = " ".join(f"{name}={values[taken]:#x}" for name, values in stimulus.inputs.items())
        values = f"{number(expected, signed)}, not {number(found, signed)}"
        raise AssertionError(f"{name} must be {values}, in cycle {cycle} after {operands}")

    await apply(dut, {port.name: port.width for port in unit.ports.values()}, stimulus, unit.clocked, fail)
    record(operand_pairs=stimulus.operand_pairs, cycles=stimulus.cycles)


def number(digits: str, signed: bool) -> str:
    """Binary digits as a decimal number. They are left as they are if one of them is X or Z."""
    if set(digits) - {"0", "1"}:
        return f"0b{digits}"
    return str(int(digits, 2) - (signed and digits[0] == "1") * (1 << len(digits)))
