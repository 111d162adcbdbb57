"""The design of ``memory_tb`` with its memory, and what it must make of that."""

import itertools
from collections.abc import Collection, Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, SimTimeoutError, with_timeout

from ..sim import MemoryImage, lay_out
from ..sim.streams import beats as output_words
from .control import Registers, connect
from .engine import read_engine
from .job import load_job, random_generator, record
from .memory import FaultyRam
from .product import EngineProduct, random_product

__all__ = ["MemoryBench", "pauses"]

LONG_STALL = 30

Sizes = tuple[int, int, int]

SIZE = 1 << 17
"""Bytes of the memory."""


def pauses(generator: np.random.Generator, rate: float) -> Iterator[bool]:
    """Random stalls in this share of the cycles. Most are short, and some are long."""
    for _ in itertools.count():
        length = LONG_STALL if generator.random() < 0.02 else int(generator.integers(1, 4))
        yield from [bool(generator.random() < rate)] * length


class MemoryBench:
    """The design, its memory, and its registers."""

    def __init__(self, dut: Any, test: str):
        job = load_job()
        self.dut = dut
        self.engine = read_engine(job["description"])
        self.map = job["description"]["registers"]
        self.budget: int = job["random_cycles"]
        self.generator = random_generator(job["seed"], test)
        self.cycle = 0
        self.words_given = 0

    async def start(self) -> None:
        dut = self.dut
        assert self.engine.dma is not None
        self.beat = self.engine.dma.beat_bytes
        Clock(dut.clk, 10, unit="ns").start()
        dut.rst.value = 1
        self.registers = Registers(self.map, connect(dut, self.engine.control, self.generator))
        self.memory = FaultyRam(dut, SIZE)
        await self.reset(3)
        cocotb.start_soon(self._watch())

    async def reset(self, cycles: int) -> None:
        """Drop everything, on both sides."""
        self.dut.rst.value = 1
        for _ in range(cycles):
            await RisingEdge(self.dut.clk)
        await FallingEdge(self.dut.clk)
        for channel in ("ar", "aw", "w"):
            assert not int(getattr(self.dut, f"m_axi_{channel}valid").value), (
                f"m_axi_{channel}valid must be low in reset"
            )
        assert not int(self.dut.irq.value), "irq must be low in reset"
        await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0
        self.words_given = 0
        await RisingEdge(self.dut.clk)

    async def _watch(self) -> None:
        """Check in every cycle that what waits on a channel of the master stays as it is."""
        channels = {"ar": ("addr", "len"), "aw": ("addr", "len"), "w": ("data", "strb", "last")}
        waiting: dict[str, list[int] | None] = dict.fromkeys(channels)
        while True:
            await FallingEdge(self.dut.clk)
            self.cycle += 1
            if int(self.dut.rst.value):
                waiting = dict.fromkeys(channels)
                continue
            for name, signals in channels.items():
                valid, ready = (int(getattr(self.dut, f"m_axi_{name}{end}").value) for end in ("valid", "ready"))
                before = waiting[name]
                assert valid or before is None, f"m_axi_{name}valid must stay until m_axi_{name}ready"
                if not valid:
                    continue
                now = [int(getattr(self.dut, f"m_axi_{name}{signal}").value) for signal in signals]
                assert before in (None, now), f"what m_axi_{name} offers must stay until it is taken"
                waiting[name] = None if ready else now

    def stall(self, rate: float) -> None:
        self.memory.stall((lambda: pauses(self.generator, rate)) if rate else None)

    def random_sizes(self) -> Sizes:
        """Sizes of a product that fits into the memory; small ones are as likely as large ones."""
        engine = self.engine
        ends = {"m": 2 * engine.tile_m + 2, "k": engine.max_k, "n": 3 * engine.columns + 1}
        m, k, n = (int(np.exp(self.generator.uniform(0, np.log(end + 0.99)))) for end in ends.values())
        while m * k * n > self.budget * engine.products // 4:
            m, k, n = (-(-size // 2) if self.generator.random() < 0.5 else size for size in (m, k, n))
        return m, k, n

    def product(self, sizes: Sizes, kind: str = "finite") -> tuple[EngineProduct, MemoryImage]:
        """The next product for the engine to make, and where it is in memory, which it is put into."""
        product = random_product(self.engine, self.generator, sizes, kind, earlier=self.words_given)
        start = self.beat * int(self.generator.integers(1 << 12))
        image = lay_out(self.engine, **product.operands, start=start, gap=int(self.generator.integers(3)))
        self.memory.bytes[:] = self.generator.integers(0, 256, SIZE, np.uint8).tobytes()
        for address, content in image.contents.items():
            self.memory.bytes[address : address + len(content)] = content
        return product, image

    async def configure(self, product: EngineProduct, image: MemoryImage, **others: int) -> None:
        """Write all registers, in any order; ``others`` are what is written otherwise."""
        m, k, n = product.sizes
        values = {"m": m, "k": k, "n": n, **image.descriptors, **product.parameters, **others}
        for place in self.generator.permutation(len(values)):
            name = [*values][place]
            await self.registers.set(name, values[name])

    async def command(self) -> None:
        await self.registers.write("control", self.registers.bits("control", "start"))

    async def run(self, sizes: Sizes, kind: str = "finite") -> None:
        """Make a product from memory to memory."""
        product, image = self.product(sizes, kind)
        await self.configure(product, image)
        await self.command()
        await self.finish(product, image)
        await self.settle("done")

    async def finish(self, product: EngineProduct, image: MemoryImage) -> None:
        """Wait for a product and compare every bit of C, and every byte around it."""
        m, k, n = product.sizes
        self.words_given += output_words(self.engine, m, n)
        before = bytes(self.memory.bytes)
        if not int(self.dut.irq.value):
            try:
                await with_timeout(RisingEdge(self.dut.irq), 10 * (20000 + 100 * m * k * n), "ns")
            except SimTimeoutError:
                raise AssertionError(f"C of m, k, n = {product.sizes} must be complete by now") from None
        after = bytes(self.memory.bytes)
        found = image.output(after)
        wrong = np.argwhere(found != product.expected)
        assert not len(wrong), (
            f"C of m, k, n = {product.sizes} must be right, not wrong in {len(wrong)} of {found.size}"
        )
        address, stride = image.descriptors["c_address"], image.descriptors["c_stride"]
        end = address + m * stride
        assert after[:address] + after[end:] == before[:address] + before[end:], "memory outside of C must stay"

    async def settle(self, *events: str) -> None:
        """Check that these bits of status, and no others, are up, and clear them."""
        status, expected = await self.registers.read("status"), self.registers.bits("status", *events)
        assert status == expected, f"status must be {expected:#x} ({', '.join(events)}), not {status:#x}"
        await self.registers.write("status", expected)
        status = await self.registers.read("status")
        assert status == 0 and not int(self.dut.irq.value), f"status must be 0 once it is cleared, not {status:#x}"

    def fail(self, reads: Collection[int] = (), writes: Collection[int] = ()) -> None:
        self.memory.fail(reads, writes)

    def end(self) -> None:
        record(cycles=self.cycle)
