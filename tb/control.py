"""Registers of a unit are read and written by their names, through AXI4-Lite or Wishbone."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

__all__ = ["AxiLiteAccess", "Registers", "WishboneAccess", "connect"]

_WORD = 32


class Access(Protocol):
    """Reads and writes over a bus."""

    async def read(self, offset: int) -> int: ...

    async def write(self, offset: int, value: int) -> None: ...

    def answered(self) -> bool:
        """Whether an access is answered in this cycle, waiting or not."""


class AxiLiteAccess:
    """Access through the client of cocotbext-axi, which other people have made."""

    def __init__(self, dut: Any):
        self.dut = dut
        self.master = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)

    async def read(self, offset: int) -> int:
        answer = await self.master.read(offset, 4)
        assert answer.resp == AxiResp.OKAY, f"read at {offset:#x} must be answered with OKAY, not {answer.resp!r}"
        return int.from_bytes(answer.data, "little")

    async def write(self, offset: int, value: int) -> None:
        answer = await self.master.write(offset, value.to_bytes(4, "little"))
        assert answer.resp == AxiResp.OKAY, f"write at {offset:#x} must be answered with OKAY, not {answer.resp!r}"

    def answered(self) -> bool:
        return bool(int(self.dut.s_axi_bvalid.value))


class WishboneAccess:
    """An initiator of Wishbone B4 classic cycles, with pauses at random."""

    def __init__(self, dut: Any, generator: np.random.Generator):
        self.dut = dut
        self.generator = generator
        for name in ("cyc", "stb", "we", "adr", "sel", "dat_w"):
            getattr(dut, f"wb_{name}").value = 0

    async def read(self, offset: int) -> int:
        await self._cycle(offset, 0, write=False)
        return int(self.dut.wb_dat_r.value)

    async def write(self, offset: int, value: int) -> None:
        await self._cycle(offset, value, write=True)

    async def _cycle(self, offset: int, value: int, write: bool) -> None:
        dut, edge = self.dut, RisingEdge(self.dut.clk)
        for _ in range(int(self.generator.integers(3))):
            await edge
        dut.wb_adr.value, dut.wb_dat_w.value, dut.wb_we.value = offset // 4, value, int(write)
        dut.wb_sel.value = 0xF
        dut.wb_cyc.value = dut.wb_stb.value = 1
        await edge
        while not (int(dut.wb_ack.value) or int(dut.wb_err.value)):
            await edge
        assert not int(dut.wb_err.value), f"access at {offset:#x} must be answered with wb_ack, not wb_err"
        dut.wb_cyc.value = dut.wb_stb.value = 0

    def answered(self) -> bool:
        return bool(int(self.dut.wb_ack.value))


def connect(dut: Any, control: str, generator: np.random.Generator) -> Access:
    """Make the client for that bus."""
    return AxiLiteAccess(dut) if control == "axi_lite" else WishboneAccess(dut, generator)


class Registers:
    """Reads and writes registers and fields by the names of a map, as a host would. ``UNIT.json`` has the map.

    Members
    -------
    access: the bus
    map: the registers by name
    """

    def __init__(self, registers: Sequence[Mapping[str, Any]], access: Access):
        self.access = access
        self.map = {register["name"]: register for register in registers}

    async def read(self, register: str) -> int:
        return await self.access.read(self.map[register]["offset"])

    async def write(self, register: str, value: int) -> None:
        await self.access.write(self.map[register]["offset"], value)

    async def set(self, name: str, value: int) -> None:
        """Write a parameter, which may have a second register for the bits above 32."""
        await self.write(name, value & ((1 << _WORD) - 1))
        if f"{name}_high" in self.map:
            await self.write(f"{name}_high", value >> _WORD)

    def bits(self, register: str, *fields: str) -> int:
        """The mask of these fields, or of all if none is named."""
        return sum(
            ((1 << field["width"]) - 1) << field["lsb"]
            for field in self.map[register]["fields"]
            if not fields or field["name"] in fields
        )

    def word(self, register: str, **fields: int) -> int:
        """The word of a register whose fields have these values."""
        places = {field["name"]: field["lsb"] for field in self.map[register]["fields"]}
        return sum(value << places[name] for name, value in fields.items())
