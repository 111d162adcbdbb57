"""Memories behind the AXI4 master of an engine: that of cocotbext-axi, which may fail, and a fast one."""

from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import Any

import cocotb
from cocotb.triggers import RisingEdge
from cocotbext.axi import AxiBus, AxiRamRead, AxiRamWrite

__all__ = ["STEADY_READ", "STEADY_WRITE", "FaultyRam", "SteadyMemory"]

STEADY_READ = 2
"""Cycles from an address to its first beat in a ``SteadyMemory``."""

STEADY_WRITE = 1
"""Cycles from the last beat of a burst to its answer."""


class _FaultyRead(AxiRamRead):  # type: ignore[misc]  # without types
    failing: Collection[int] = ()

    async def _read(self, address: int, length: int) -> bytes:
        if address in self.failing:
            raise OSError("this address is to fail")
        found: bytes = await super()._read(address, length)
        return found


class _FaultyWrite(AxiRamWrite):  # type: ignore[misc]  # without types
    failing: Collection[int] = ()

    async def _write(self, address: int, data: bytes) -> None:
        if address in self.failing:
            raise OSError("this address is to fail")
        await super()._write(address, data)


class FaultyRam:
    """The memory models of cocotbext-axi, some of whose addresses are answered with SLVERR.

    They assert that bursts stay in their pages and that ``wlast`` is where it belongs.

    Members
    -------
    bytes: what is in it
    """

    def __init__(self, dut: Any, size: int):
        bus = AxiBus.from_prefix(dut, "m_axi")
        self.bytes = bytearray(size)
        self.write_if = _FaultyWrite(bus.write, dut.clk, dut.rst, mem=self.bytes)
        self.read_if = _FaultyRead(bus.read, dut.clk, dut.rst, mem=self.bytes)
        for part in (self.write_if, self.read_if):
            part.log.setLevel("CRITICAL")

    def fail(self, reads: Collection[int] = (), writes: Collection[int] = ()) -> None:
        """Let beats at these addresses fail, and no others."""
        self.read_if.failing, self.write_if.failing = reads, writes

    def stall(self, pauses: Callable[[], Iterator[bool]] | None) -> None:
        """Let every channel stall in the cycles that ``pauses`` says, each anew; never for None."""
        write, read = self.write_if, self.read_if
        for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel):
            channel.set_pause_generator(pauses() if pauses else None)
            channel.pause = False


class SteadyMemory:
    """A memory that never stalls: it takes every address and every beat at once, and gives a beat in every cycle as
    long as any is asked for. It takes as little Python a cycle as possible.

    Members
    -------
    bytes: what is in it
    """

    def __init__(self, dut: Any, size: int):
        self.dut = dut
        self.bytes = bytearray(size)
        self.width = len(dut.m_axi_wdata) // 8
        for name in ("arready", "awready", "wready"):
            getattr(dut, f"m_axi_{name}").value = 1
        for name in ("rvalid", "bvalid", "rresp", "bresp", "rlast", "rid", "bid"):
            getattr(dut, f"m_axi_{name}").value = 0
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        dut, width, edge = self.dut, self.width, RisingEdge(self.dut.clk)
        ar, aw, w = dut.m_axi_arvalid, dut.m_axi_awvalid, dut.m_axi_wvalid
        reads: deque[tuple[int, int]] = deque()
        writes: deque[int] = deque()
        answers: deque[int] = deque()
        offered = answered = False
        cycle = 0
        while True:
            await edge
            cycle += 1
            if offered:
                assert dut.m_axi_rready.value, "rready must be high for a beat that was asked for"
                reads.popleft()
            if ar.value:
                address = int(dut.m_axi_araddr.value)
                reads += [(cycle + STEADY_READ - 1, address + k * width) for k in range(int(dut.m_axi_arlen.value) + 1)]
            if aw.value:
                address = int(dut.m_axi_awaddr.value)
                writes += range(address, address + (int(dut.m_axi_awlen.value) + 1) * width, width)
            if w.value:
                self._write(writes.popleft())
                if dut.m_axi_wlast.value:
                    answers.append(cycle + STEADY_WRITE - 1)
            was, offered = offered, bool(reads) and reads[0][0] <= cycle
            if offered:
                address = reads[0][1]
                dut.m_axi_rdata.value = int.from_bytes(self.bytes[address : address + width], "little")
            if offered != was:
                dut.m_axi_rvalid.value = int(offered)
            was, answered = answered, bool(answers) and answers[0] <= cycle
            if answered:
                answers.popleft()
            if answered != was:
                dut.m_axi_bvalid.value = int(answered)

    def _write(self, address: int) -> None:
        data = int(self.dut.m_axi_wdata.value).to_bytes(self.width, "little")
        strobes = int(self.dut.m_axi_wstrb.value)
        if strobes == (1 << self.width) - 1:
            self.bytes[address : address + self.width] = data
            return
        for place in range(self.width):
            if strobes >> place & 1:
                self.bytes[address + place] = data[place]
