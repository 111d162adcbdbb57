"""Testbench of registers behind AXI4-Lite: what a client of other people's making reads and writes, under any back
pressure, against the register map.

The design has the ports ``clk``, ``rst``, ``s_axi_*`` and, by name, those of the fields. The job has the keys
``registers`` (the map), ``address_bits``, ``seed`` and ``accesses``.
"""

import itertools
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import Combine, FallingEdge, RisingEdge, with_timeout
from cocotbext.axi import AxiLiteBus, AxiLiteMaster, AxiResp

from .job import load_job, random_generator, record

job = load_job()
registers: dict[int, dict[str, Any]] = {register["offset"]: register for register in job["registers"]}
fields: dict[str, dict[str, Any]] = {
    field["name"]: field for register in registers.values() for field in register["fields"]
}
size = 1 << job["address_bits"]


class RegistersBench:
    """The design, its client, and what its registers hold."""

    def __init__(self, dut: Any, test: str):
        self.dut = dut
        self.rng = random_generator(job["seed"], test)
        self.cycles = 0
        self.pulses = dict.fromkeys(self.named("pulse"), 0)
        self.inputs = dict.fromkeys([*self.named("ro"), *self.named("w1c")], 0)
        self.values = {name: field["reset"] for name, field in fields.items() if name not in self.named("ro")}

    def named(self, *access: str) -> list[str]:
        return [name for name, field in fields.items() if field["access"] in access]

    async def start(self) -> None:
        Clock(self.dut.clk, 10, unit="ns").start()
        self.dut.rst.value = 1
        for name in self.inputs:
            getattr(self.dut, name).value = 0
        bus = AxiLiteBus.from_prefix(self.dut, "s_axi")
        self.master = AxiLiteMaster(bus, self.dut.clk, self.dut.rst)
        for _ in range(3):
            await FallingEdge(self.dut.clk)
        self.dut.rst.value = 0
        for name in self.named("ro"):
            self.set(name, int(self.rng.integers(1 << fields[name]["width"])))
        cocotb.start_soon(self._watch())

    def set(self, name: str, value: int) -> None:
        self.inputs[name] = value
        getattr(self.dut, name).value = value

    async def _watch(self) -> None:
        """Count the cycles in which a pulse is up, and look at what the registers give in every one."""
        while True:
            await FallingEdge(self.dut.clk)
            self.cycles += 1
            for name in self.pulses:
                self.pulses[name] += int(getattr(self.dut, name).value)

    def stall(self, rate: float) -> None:
        """Stall every channel in this share of its cycles, at random and independently."""
        write, read = self.master.write_if, self.master.read_if
        for channel in (write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel):
            channel.set_pause_generator(self._pauses(rate))

    def _pauses(self, rate: float) -> Iterator[bool]:
        # Long stalls and short ones.
        for _ in itertools.count():
            yield from [bool(self.rng.random() < rate)] * int(self.rng.integers(1, 4))

    def write(self, address: int, data: bytes) -> dict[str, int]:
        """Do in the model what a write does. Returns the pulses that it makes."""
        pulses = dict.fromkeys(self.pulses, 0)
        for k, byte in enumerate(data, address):
            for field in registers.get(k & ~3, {"fields": []})["fields"]:
                name, width, place = field["name"], field["width"], 8 * (k & 3) - field["lsb"]
                lanes = (0xFF << place if place >= 0 else 0xFF >> -place) & ((1 << width) - 1)
                new = (byte << place if place >= 0 else byte >> -place) & lanes
                if field["access"] in ("rw", "wo"):
                    self.values[name] = self.values[name] & ~lanes | new
                elif field["access"] == "w1c":
                    self.values[name] &= ~new
                elif field["access"] == "pulse":
                    pulses[name] |= new
        return pulses

    def word(self, offset: int) -> int:
        known = {**self.values, **self.inputs, **{name: self.values[name] for name in self.named("w1c")}}
        return sum(
            known[field["name"]] << field["lsb"]
            for field in registers.get(offset, {"fields": []})["fields"]
            if field["access"] not in ("wo", "pulse")
        )

    def bytes(self, address: int, length: int) -> bytes:
        return bytes(self.word(k & ~3) >> (8 * (k & 3)) & 0xFF for k in range(address, address + length))

    def response(self, address: int, length: int) -> AxiResp:
        mapped = all(k & ~3 in registers for k in range(address, address + length))
        return AxiResp.OKAY if mapped else AxiResp.SLVERR

    def span(self) -> tuple[int, int]:
        """A random address and length of an access of up to three words, aligned or not."""
        address = int(self.rng.integers(size))
        if self.rng.random() < 0.5:
            address &= ~3
        return address, min(int(self.rng.choice([1, 2, 3, 4, 4, 4, 8, 11])), size - address)

    async def check_outputs(self) -> None:
        await FallingEdge(self.dut.clk)
        for name in self.named("rw", "wo", "w1c"):
            port = f"{name}_sticky" if fields[name]["access"] == "w1c" else name
            found = int(getattr(self.dut, port).value)
            assert found == self.values[name], f"{port} must be {self.values[name]:#x}, not {found:#x}"


@cocotb.test()
async def one_after_another(dut: Any) -> None:
    """Every kind of access to every address, with the answers as they come."""
    bench = RegistersBench(dut, "one_after_another")
    await bench.start()
    for address in range(0, size, 4):
        answer = await with_timeout(bench.master.read(address, 4), 10, "us")
        assert answer.resp == bench.response(address, 4), f"read of {address:#x}: {answer.resp!r}"
        assert int.from_bytes(answer.data, "little") == bench.word(address), f"register at {address:#x} after reset"
    for count in range(job["accesses"]):
        if count % 50 == 0:
            bench.stall((0.0, 0.3, 0.6, 0.9)[count // 50 % 4])
        for name in bench.named("w1c"):
            if bench.rng.random() < 0.3:
                bits = int(bench.rng.integers(1 << fields[name]["width"]))
                bench.set(name, bits)
                await RisingEdge(dut.clk)
                await FallingEdge(dut.clk)
                bench.set(name, 0)
                bench.values[name] |= bits
        address, length = bench.span()
        expected = bench.response(address, length)
        if bench.rng.random() < 0.5:
            answer = await with_timeout(bench.master.read(address, length), 10, "us")
            assert answer.resp == expected, f"read at {address:#x} must be {expected!r}, not {answer.resp!r}"
            found = bytes(answer.data)
            assert found == bench.bytes(address, length), (
                f"{length} bytes at {address:#x} must be {bench.bytes(address, length).hex()}, not {found.hex()}"
            )
        else:
            data = bench.rng.integers(0, 256, length, np.uint8).tobytes()
            before = dict(bench.pulses)
            pulses = bench.write(address, data)
            answer = await with_timeout(bench.master.write(address, data), 10, "us")
            assert answer.resp == expected, f"write at {address:#x} must be {expected!r}, not {answer.resp!r}"
            await bench.check_outputs()
            await FallingEdge(dut.clk)
            for name, count_before in before.items():
                assert bench.pulses[name] - count_before == pulses[name], f"{name} must be up for one cycle a write"
    record(cycles=bench.cycles)


@cocotb.test()
async def many_at_once(dut: Any) -> None:
    """Reads and writes side by side, with requests waiting in both: each keeps its own order, none is lost."""
    bench = RegistersBench(dut, "many_at_once")
    await bench.start()
    plain = [
        offset for offset, register in registers.items() if {field["access"] for field in register["fields"]} <= {"rw"}
    ]
    fixed = [
        offset for offset, register in registers.items() if {field["access"] for field in register["fields"]} <= {"ro"}
    ]
    for rate in (0.0, 0.5, 0.8):
        bench.stall(rate)
        writes, reads = [], []
        for _ in range(job["accesses"] // 4):
            offset = int(bench.rng.choice(plain))
            data = bench.rng.integers(0, 256, 4, np.uint8).tobytes()
            bench.write(offset, data)
            writes.append(bench.master.init_write(offset, data))
            offset = int(bench.rng.choice([*fixed, size - 4]))
            reads.append((offset, bench.master.init_read(offset, 4)))
        await with_timeout(Combine(*(event.wait() for event in writes)), 1, "ms")
        await with_timeout(Combine(*(event.wait() for _, event in reads)), 1, "ms")
        assert all(event.data.resp == AxiResp.OKAY for event in writes), "every write must be answered by OKAY"
        for offset, event in reads:
            assert event.data.resp == bench.response(offset, 4), f"read of {offset:#x}: {event.data.resp!r}"
            assert int.from_bytes(event.data.data, "little") == bench.word(offset), f"register at {offset:#x}"
        await bench.check_outputs()
    record(cycles=bench.cycles)


@cocotb.test()
async def reset_forgets(dut: Any) -> None:
    """A reset in the middle of accesses leaves reset values, and a bus that works."""
    bench = RegistersBench(dut, "reset_forgets")
    await bench.start()
    for _ in range(20):
        bench.stall(0.5)
        for offset in registers:
            bench.master.init_write(offset, b"\xff" * 4)
            bench.master.init_read(offset, 4)
        for _ in range(int(bench.rng.integers(1, 30))):
            await FallingEdge(dut.clk)
        dut.rst.value = 1
        await FallingEdge(dut.clk)
        await FallingEdge(dut.clk)
        assert not int(dut.s_axi_bvalid.value) and not int(dut.s_axi_rvalid.value), "valid must be low in reset"
        dut.rst.value = 0
        await bench.check_outputs()
        for offset in registers:
            answer = await with_timeout(bench.master.read(offset, 4), 10, "us")
            assert int.from_bytes(answer.data, "little") == bench.word(offset), f"register at {offset:#x} after reset"
    record(cycles=bench.cycles)
