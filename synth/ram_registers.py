"""Flip-flops that take what a block RAM gives, and nothing else, become the register that the block has there itself.

Vendors' tools do that; yosys 0.70 does not. The netlist computes the same.
"""

from collections import Counter, defaultdict
from typing import Any

from ..families import RamPort, RamRegisters

__all__ = ["use_ram_registers"]

Cell = dict[str, Any]

CONSTANTS = {"0", "1", "x"}
"""What yosys writes in the place of a net's number for a pin that is not driven by a net."""


def use_ram_registers(netlist: dict[str, Any], top: str, registers: RamRegisters) -> int:
    """Use the output registers of block RAMs in module ``top`` of a netlist in yosys's JSON form, changed in place.

    A port's registers are used where every bit of it that goes anywhere goes to one flip-flop of the same clock, which
    has no enable and no reset, and where the port has no reset, which would be that of its registers, too. The result
    is how many flip-flops that spares.
    """
    module = netlist["modules"][top]
    cells = module["cells"]
    uses: Counter[Any] = Counter(bit for port in module["ports"].values() for bit in port["bits"])
    takers: dict[Any, list[str]] = defaultdict(list)
    for name, cell in cells.items():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] == "input":
                uses.update(bits)
                if cell["type"] == registers.flip_flop and pin == registers.data:
                    takers[bits[0]].append(name)
    spared = 0
    for cell in [cell for cell in cells.values() if cell["type"] == registers.ram]:
        for port in registers.ports:
            if not _rises_without_reset(cell, port):
                continue
            outputs = {
                pin: bits[0]
                for pin, bits in cell["connections"].items()
                if pin.startswith(port.outputs) and uses[bits[0]]
            }
            found = {pin: takers[bit][0] for pin, bit in outputs.items() if uses[bit] == len(takers[bit]) == 1}
            (clock,) = cell["connections"][port.clock]
            plain = all(_is_plain(cells[name], registers, clock) for name in found.values())
            if not outputs or len(found) < len(outputs) or not plain:
                continue
            cell["parameters"][port.parameter] = registers.registered
            for pin, name in found.items():
                cell["connections"][pin] = cells.pop(name)["connections"][registers.output]
            spared += len(found)
    return spared


def _rises_without_reset(ram: Cell, port: RamPort) -> bool:
    """Whether a port is clocked by rising edges and is never reset."""
    reset = ram["connections"].get(port.reset, ["0"])
    return ram["parameters"].get(port.polarity, port.clock).strip() == port.clock and reset[0] in ("0", "x")


def _is_plain(flip_flop: Cell, registers: RamRegisters, clock: Any) -> bool:
    """Whether a flip-flop takes its input at every edge of that clock."""
    settings = dict(registers.plain)
    parameters = {name: value.strip() for name, value in flip_flop["parameters"].items() if name in settings}
    driven = {
        pin
        for pin, bits in flip_flop["connections"].items()
        if flip_flop["port_directions"][pin] == "input" and bits[0] not in CONSTANTS
    }
    return (
        parameters == settings
        and driven == {registers.data, registers.clock}
        and flip_flop["connections"][registers.clock] == [clock]
    )
