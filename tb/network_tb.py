"""Testbench of ``network``: images go through the emitted Verilog, every sum of every answer against the golden model.

Streams run freely or stall at random. The registers are read over AXI4-Lite by cocotbext-axi, which is of other
people's making, and have to tell what the cycle model tells.
"""

from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import ClockCycles, RisingEdge
from cocotbext.axi import AxiLiteBus, AxiLiteMaster

from ..formats.network import NetworkTiming, Program
from ..sim import answer_order, network_answers, network_cycles, network_pause
from .axi_stream import collect, feed
from .job import load_job, random_generator, record

job = load_job()
description: dict[str, Any] = job["description"]
program = Program.of(job["program"])
images = np.array(job["images"], np.uint8)
answers = network_answers(program, images)
order = answer_order(answers.shape[1:], program.shape.columns)
streams = [stream["name"] for stream in description["streams"]]
registers = {register["name"]: register["offset"] for register in description["registers"]}

SOME = 64
"""Pauses of a stream before they come again."""


class NetworkBench:
    """An accelerator whose streams are driven and whose registers are read."""

    def __init__(self, dut: Any, test: str):
        self.dut = dut
        self.generator = random_generator(job["seed"], test)
        self.bus = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), dut.clk, dut.rst)

    async def start(self) -> None:
        dut = self.dut
        for name in streams:
            signals = ("tready",) if name.startswith("m_") else ("tvalid", "tdata", "tlast")
            for signal in signals:
                getattr(dut, f"{name}_{signal}").value = 0
        Clock(dut.clk, 10, unit="ns").start()
        dut.rst.value = 1
        for _ in range(3):
            await RisingEdge(dut.clk)
        dut.rst.value = 0
        await RisingEdge(dut.clk)
        if "s_axis_weights" in streams:
            await feed(dut, "s_axis_weights", program.packed_words())

    async def read(self, name: str) -> int:
        data = await self.bus.read(registers[name], 4)
        return int.from_bytes(data.data, "little")

    def pauses(self, rate: float) -> list[int]:
        return [int(pause) for pause in self.generator.geometric(1 - rate, SOME) - 1]

    async def answer(self, rate: float) -> list[int]:
        """The sums of the next answer."""
        beats = await collect(self.dut, "m_axis_answer", self.pauses(rate) if rate else None)
        return [int.from_bytes(beat.tobytes(), "little", signed=True) for beat in beats]

    async def compute(self, chosen: list[int], rate: float = 0.0) -> None:
        """Feed these images and compare what comes."""
        content = images[chosen].tobytes()
        pauses = self.pauses(rate) if rate else None
        repeated = None if pauses is None else [pauses[place % SOME] for place in range(len(content))]
        feeding = cocotb.start_soon(feed(self.dut, "s_axis_image", content, repeated))
        for image in chosen:
            found, wanted = await self.answer(rate), answers[image].ravel()[order].tolist()
            assert found == wanted, f"answer of image {image} must be {wanted[:10]}, not {found[:10]}"
        await feeding


@cocotb.test()
async def images_one_by_one(dut: Any) -> None:
    """Each image alone: its answer, the cycles it took, and what the registers say."""
    bench = NetworkBench(dut, "images_one_by_one")
    await bench.start()
    timing = NetworkTiming(**description["timing"])
    cycles = sum(each.cycles for each in network_cycles(program, timing))
    for count in range(len(images)):
        await bench.compute([count])
        await ClockCycles(dut.clk, network_pause(program, timing))  # from then on it is no longer busy
        for name, value in (("cycles", cycles), ("images", count + 1), ("status", 0b110)):
            found = await bench.read(name)
            assert found == value, f"{name} must read {value}, not {found}"
        await bench.bus.write(registers["status"], (2).to_bytes(4, "little"))
        assert await bench.read("status") == 0b100, "done must clear by writing 1"
    digest = bytes.fromhex(program.digest)
    for name, value in (
        ("identity", 0x46424E31),
        ("image_bytes", program.image.size),
        ("digest0", int.from_bytes(digest[:4], "little")),
    ):
        found = await bench.read(name)
        assert found == value, f"{name} must read {value:#x}, not {found:#x}"
    record(cycles=cycles * len(images))


@cocotb.test()
async def images_in_a_row(dut: Any) -> None:
    """All images as fast as they are taken."""
    bench = NetworkBench(dut, "images_in_a_row")
    await bench.start()
    await bench.compute([*range(len(images))])


@cocotb.test()
async def stalls(dut: Any) -> None:
    """Streams stall at random."""
    bench = NetworkBench(dut, "stalls")
    await bench.start()
    await bench.compute([*range(len(images))], 0.6)
