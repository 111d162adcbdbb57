"""A unit's registers stand behind a bus whose ports are the unit's own."""

from collections.abc import Sequence

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from .axi_lite import AxiLite
from .registers import Register, RegisterBlock
from .wishbone import Wishbone

__all__ = ["add_registers"]


def add_registers(
    m: Module, unit: wiring.Component, front: AxiLite | Wishbone, registers: Sequence[Register]
) -> RegisterBlock:
    """Put registers and their adapter ``front`` into ``m``, and connect that to the unit's ports of the same names."""
    m.submodules.bus = front
    m.submodules.registers = block = RegisterBlock(registers, front.address_bits)
    wiring.connect(m, front.bus, block.bus)
    for name, member in front.ports(front.address_bits).items():
        here, inside = getattr(unit, name), getattr(front, name)
        m.d.comb += inside.eq(here) if member.flow is In else here.eq(inside)
    return block
