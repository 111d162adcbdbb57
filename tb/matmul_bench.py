"""The design of ``matmul_tb`` with its clients, and what it must give next."""

import itertools
from collections.abc import Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, SimTimeoutError, with_timeout
from cocotbext.axi import AxiStreamBus, AxiStreamSink, AxiStreamSource

from ..sim import cycle_limits, unpack
from ..sim.streams import beats as output_words
from .axi_stream import StreamRules, beat_bytes, from_beats
from .control import AxiLiteAccess, Registers, connect
from .engine import read_engine
from .job import load_job, random_generator, record
from .product import EngineProduct, random_product

__all__ = ["SIZES", "MatmulBench", "budget", "engine", "patience", "random_sizes", "steps"]

job = load_job()
description = job["description"]
engine = read_engine(description)
inputs = [name for name in engine.stream_bits if name != "c"]
budget: int = job["random_cycles"]
SIZES = ("m", "k", "n")
LONG_STALL = 30

Sizes = tuple[int, int, int]


def steps(sizes: Sizes) -> int:
    """The fewest cycles that the array and the streams need for a product, which is roughly how long it takes."""
    limits = cycle_limits(engine, *sizes, description["latencies"])
    return max(limits[name] for name in ("array", "a", "w", "p", "c") if name in limits)


def patience(sizes: Sizes) -> int:
    """Nanoseconds after which a product is complete, however much stalls, or will never be."""
    return 10 * (5000 + 60 * steps(sizes))


def pauses(generator: np.random.Generator, rate: float) -> Iterator[bool]:
    """Random stalls in this share of the cycles. Most are short, and some are long."""
    for _ in itertools.count():
        length = LONG_STALL if generator.random() < 0.02 else int(generator.integers(1, 4))
        yield from [bool(generator.random() < rate)] * length


def random_sizes(generator: np.random.Generator, most: int) -> Sizes:
    """Sizes of a product of up to so many steps; small ones are as likely as large ones."""
    ends = {"m": 2 * engine.tile_m + 2, "k": engine.max_k, "n": 3 * engine.columns + 1}
    m, k, n = (int(np.exp(generator.uniform(0, np.log(end + 0.99)))) for end in ends.values())
    while steps((m, k, n)) > most and max(m, k, n) > 1:
        m, k, n = (-(-size // 2) if generator.random() < 0.5 else size for size in (m, k, n))
    return m, k, n


class MatmulBench:
    """The design, its clients, and what it must give next."""

    def __init__(self, dut: Any, test: str):
        self.dut = dut
        self.generator = random_generator(job["seed"], test)
        self.rules = {name: StreamRules(dut, port(name), framed=name == "c") for name in engine.stream_bits}
        self.cycle = 0
        self.answered_at = 0
        self.outputs_at: list[int] = []
        self._forget()

    def _forget(self) -> None:
        """Set what holds after a reset."""
        self.words_given = 0
        self.beats_owed = dict.fromkeys(inputs, 0)
        self.beats_offered = dict.fromkeys(inputs, 0)

    async def start(self) -> None:
        dut = self.dut
        Clock(dut.clk, 10, unit="ns").start()
        dut.rst.value = 1
        self.registers = Registers(description["registers"], connect(dut, engine.control, self.generator))
        self.sources = {
            name: AxiStreamSource(AxiStreamBus.from_prefix(dut, port(name)), dut.clk, dut.rst) for name in inputs
        }
        self.sink = AxiStreamSink(AxiStreamBus.from_prefix(dut, port("c")), dut.clk, dut.rst)
        for _ in range(3):
            await RisingEdge(dut.clk)
        dut.rst.value = 0
        cocotb.start_soon(self._watch())
        await RisingEdge(dut.clk)

    async def reset(self, cycles: int) -> None:
        """Drop everything, on both sides."""
        self.dut.rst.value = 1
        for source in self.sources.values():
            source.clear()
        for _ in range(cycles):
            await RisingEdge(self.dut.clk)
        await FallingEdge(self.dut.clk)
        assert not int(self.dut.m_axis_c_tvalid.value), "m_axis_c_tvalid must be low in reset"
        assert not int(self.dut.irq.value), "irq must be low in reset"
        await RisingEdge(self.dut.clk)
        self.dut.rst.value = 0
        self.sink.clear()
        self._forget()
        await RisingEdge(self.dut.clk)

    async def _watch(self) -> None:
        """Check the rules of the streams in every cycle, and note when what happens.

        It does so at the falling edge, when all inputs of the next rising edge are there.
        """
        answered = False
        while True:
            await FallingEdge(self.dut.clk)
            self.cycle += 1
            if int(self.dut.rst.value):
                for rules in self.rules.values():
                    rules.forget()
                answered = False
                continue
            for name, rules in self.rules.items():
                if rules.cycle() and name == "c":
                    self.outputs_at.append(self.cycle)
            answered, before = self.registers.access.answered(), answered
            if answered and not before:
                self.answered_at = self.cycle

    def stall(self, rate: float, *streams: str) -> None:
        """Stop these streams, all of them and the registers' bus if none is named, in this share of the cycles."""
        clients = [self.sink if name == "c" else self.sources[name] for name in streams or engine.stream_bits]
        access = self.registers.access
        if isinstance(access, AxiLiteAccess) and not streams:
            write, read = access.master.write_if, access.master.read_if
            clients += [write.aw_channel, write.w_channel, write.b_channel, read.ar_channel, read.r_channel]
        for client in clients:
            client.set_pause_generator(pauses(self.generator, rate) if rate else None)
            client.pause = False

    def product(self, sizes: Sizes, kind: str = "finite") -> EngineProduct:
        """The next product for the engine to make, one after the other."""
        product = random_product(engine, self.generator, sizes, kind, earlier=self.words_given)
        self.words_given += output_words(engine, sizes[0], sizes[2])
        return product

    def offer(self, product: EngineProduct) -> None:
        """Queue the product's words on all streams, in frames of any length: ``tlast`` means nothing there."""
        for name, words in product.words.items():
            beats = beat_bytes(words, engine.bus(name), self.generator)
            self.beats_offered[name] += len(beats)
            cuts = np.sort(self.generator.integers(0, len(beats), int(self.generator.integers(4))))
            for part in np.split(beats, cuts):
                if len(part):
                    self.sources[name].send_nowait(part.tobytes())

    async def configure(self, product: EngineProduct) -> None:
        values = {**dict(zip(SIZES, product.sizes, strict=True)), **product.parameters}
        for place in self.generator.permutation(len(values)):
            name = [*values][place]
            await self.registers.set(name, values[name])

    async def command(self) -> int:
        """Write ``start``. Returns the cycle in which it arrives."""
        await self.registers.write("control", self.registers.bits("control", "start"))
        return self.answered_at

    async def begin(self, product: EngineProduct) -> int:
        """Start a product that is configured. Returns the cycle in which it starts."""
        m, _, n = product.sizes
        self.rules["c"].expect(output_words(engine, m, n) * engine.beats("c"))
        for name, words in product.words.items():
            self.beats_owed[name] += len(words) * engine.beats(name)
        return await self.command()

    async def run(self, sizes: Sizes, kind: str = "finite", early: bool | None = None) -> None:
        """Make a product, its data on the streams before the start or after it, at random unless ``early`` says so."""
        product = self.product(sizes, kind)
        if early is None:
            early = bool(self.generator.random() < 0.5)
        if early:
            self.offer(product)
        await self.configure(product)
        self.check_taken()
        began = await self.begin(product)
        if not early:
            self.offer(product)
        await self.receive(product)
        await self.check_cycles(began)
        await self.settle("done")

    async def receive(self, product: EngineProduct) -> None:
        """Compare every bit of C."""
        m, _, n = product.sizes
        try:
            frame = await with_timeout(self.sink.recv(), patience(product.sizes), "ns")
        except SimTimeoutError:
            taken = ", ".join(f"{rules.taken} of {name}" for name, rules in self.rules.items())
            raise AssertionError(f"C of m, k, n = {product.sizes} must be complete by now; beats: {taken}") from None
        bits = engine.bus("c")
        beats = np.frombuffer(bytes(frame.tdata), np.uint8).reshape(-1, bits // 8)
        found = unpack(engine, from_beats(beats, engine.stream_bits["c"], bits), m, n)
        wrong = np.argwhere(found != product.expected)
        if len(wrong):
            row, column = wrong[0]
            raise AssertionError(
                f"C of m, k, n = {product.sizes} must be {product.expected[row, column]:#x} at {row}, {column}, not "
                f"{found[row, column]:#x}; wrong are {len(wrong)} of {found.size}"
            )

    async def check_cycles(self, began: int) -> None:
        """The register ``cycles`` counts from the cycle after the start to that of the last word of C."""
        found = began + await self.registers.read("cycles")
        beats = engine.beats("c")
        if beats == 1:
            least = most = self.outputs_at[-1]
        else:
            # The beats of a word leave after it does, and it cannot before those of the word before have left.
            least = self.outputs_at[-beats - 1] if len(self.outputs_at) > beats else 0
            most = self.outputs_at[-1] - beats
        assert least <= found <= most, f"cycles must be {least - began} to {most - began}, not {found - began}"

    async def settle(self, *events: str) -> None:
        """Check that these bits of status, and no others, are up, and irq with them, until each is cleared."""
        self.check_taken()
        for count in range(len(events) + 1):
            left = events[count:]
            await self.check_status(*left)
            if left:
                await self.registers.write("status", self.registers.bits("status", left[0]))
        await self.check_status()

    async def check_status(self, *events: str) -> None:
        status = await self.registers.read("status")
        expected = self.registers.bits("status", *events) if events else 0
        assert status == expected, f"status must be {expected:#x} ({', '.join(events) or 'nothing'}), not {status:#x}"
        assert int(self.dut.irq.value) == bool(events), f"irq must be {int(bool(events))} with status {status:#x}"

    def check_taken(self) -> None:
        """Check that all words of the products so far have been taken, and no more."""
        for name, owed in self.beats_owed.items():
            # Where a word is several beats, one is put together before it is wanted.
            ahead = min(engine.beats(name), self.beats_offered[name] - owed) if engine.beats(name) > 1 else 0
            taken = self.rules[name].taken
            assert owed <= taken <= owed + ahead, f"{port(name)}: beats taken must be {owed}, not {taken}"

    def end(self) -> None:
        record(cycles=self.cycle)


def port(stream: str) -> str:
    return f"{'m' if stream == 'c' else 's'}_axis_{stream}"
