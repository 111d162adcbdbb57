"""Testbench of ``matmul``: products of every shape and kind through the streams of the emitted Verilog, every bit of C
against the golden model.

The client is cocotbext-axi, which is of other people's making (the Wishbone initiator is not). Whatever is on the
streams, their rules are looked at in every cycle.
"""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge, SimTimeoutError, with_timeout
from cocotbext.axi import AxiStreamBus, AxiStreamSink, AxiStreamSource

from ..formats import MAX_SIZE
from ..sim import unpack
from ..sim.streams import beats as output_words
from .axi_stream import StreamRules, beat_bytes, from_beats
from .control import AxiLiteAccess, Registers, connect
from .engine import read_engine
from .job import load_job, random_generator, record
from .product import Product, random_product

job = load_job()
description = job["description"]
engine = read_engine(description)
inputs = [name for name in engine.stream_bits if name != "c"]
budget: int = job["random_cycles"]
IDENTITY = 0x46425431
SIZES = ("m", "k", "n")
LONG_STALL = 30

Sizes = tuple[int, int, int]


def steps(sizes: Sizes) -> int:
    """Cycles that a product takes at the very least, of the array and of every stream: roughly how long it takes."""
    m, k, n = sizes
    panels, column_panels = -(-m // engine.tile_m), -(-n // engine.columns)
    depth = -(-k // engine.k_step)
    if engine.output_stationary:
        a_words = -(-m // engine.rows) * depth
        compute, w_words = a_words * column_panels, panels * column_panels * depth
    else:
        a_words = m * depth
        compute, w_words = a_words * column_panels, panels * column_panels * depth * engine.rows
    words = {"a": a_words, "w": w_words, "c": output_words(engine, m, n), "p": panels * n}
    return max(compute, *(count * engine.beats(name) for name, count in words.items() if name in engine.stream_bits))


def pauses(generator: np.random.Generator, rate: float) -> Iterator[bool]:
    """Stalls in this share of the cycles, short ones and now and then a long one."""
    for _ in itertools.count():
        length = LONG_STALL if generator.random() < 0.02 else int(generator.integers(1, 4))
        yield from [bool(generator.random() < rate)] * length


def random_sizes(generator: np.random.Generator, most: int) -> Sizes:
    """Sizes of a product of up to so many steps; small ones are as likely as large ones."""
    ends = {"m": 2 * engine.tile_m + 2, "k": engine.max_k, "n": 3 * engine.columns + 1}
    m, k, n = (int(np.exp(generator.uniform(0, np.log(end + 0.99)))) for end in ends.values())
    while steps((m, k, n)) > most:
        m, k, n = (-(-size // 2) if generator.random() < 0.5 else size for size in (m, k, n))
    return m, k, n


class Bench:
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
        """What holds after a reset."""
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
        """In every cycle, at the falling edge, when all stands that the rising edge will take: the rules of the
        streams, and when what happens."""
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

    def product(self, sizes: Sizes, kind: str = "finite") -> Product:
        """The next product for the engine to make, one after the other."""
        product = random_product(engine, self.generator, sizes, kind, earlier=self.words_given)
        self.words_given += output_words(engine, sizes[0], sizes[2])
        return product

    def offer(self, product: Product) -> None:
        """Queue the product's words on all streams, in frames of any length: ``tlast`` means nothing there."""
        for name, words in product.words.items():
            beats = beat_bytes(words, engine.bus(name), self.generator)
            self.beats_offered[name] += len(beats)
            cuts = np.sort(self.generator.integers(0, len(beats), int(self.generator.integers(4))))
            for part in np.split(beats, cuts):
                if len(part):
                    self.sources[name].send_nowait(part.tobytes())

    async def configure(self, product: Product) -> None:
        values = {**dict(zip(SIZES, product.sizes, strict=True)), **product.parameters}
        for place in self.generator.permutation(len(values)):
            name = [*values][place]
            await self.registers.set(name, values[name])

    async def command(self) -> int:
        """Write ``start``; give back the cycle in which it arrives."""
        await self.registers.write("control", self.registers.bits("control", "start"))
        return self.answered_at

    async def begin(self, product: Product) -> int:
        """Start a product that is configured; give back the cycle."""
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

    async def receive(self, product: Product) -> None:
        """Compare every bit of C."""
        m, _, n = product.sizes
        cycles = 5000 + 60 * steps(product.sizes)
        try:
            frame = await with_timeout(self.sink.recv(), 10 * cycles, "ns")
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
        """These bits of status, and no others, are up, and irq with them, until each is cleared."""
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
        """All words of the products so far have been taken, and no more."""
        for name, owed in self.beats_owed.items():
            # Where a word is several beats, one is put together before it is wanted.
            ahead = min(engine.beats(name), self.beats_offered[name] - owed) if engine.beats(name) > 1 else 0
            taken = self.rules[name].taken
            assert owed <= taken <= owed + ahead, f"{port(name)}: beats taken must be {owed}, not {taken}"

    def end(self) -> None:
        record(cycles=self.cycle)


def port(stream: str) -> str:
    return f"{'m' if stream == 'c' else 's'}_axis_{stream}"


@cocotb.test()
async def registers(dut: Any) -> None:
    """What the engine says of itself, and what it keeps of what is written."""
    bench = Bench(dut, "registers")
    await bench.start()
    bank = bench.registers
    fixed = {
        "identity": IDENTITY,
        "shape": bank.word(
            "shape", **{f"shape_{name}": getattr(engine, name) for name in ("rows", "columns", "lanes", "outputs")}
        ),
        "limits": bank.word("limits", limit_tile_m=engine.tile_m, limit_k=engine.max_k),
        "cycles": 0,
        "status": 0,
        "control": 0,
    }
    written = {name: 0 for name in bank.map if name not in fixed}
    for rate in (0.0, 0.5):
        bench.stall(rate)
        for name, value in {**fixed, **written}.items():
            found = await bank.read(name)
            assert found == value, f"{name} must read {value:#x}, not {found:#x}"
        for name in written:
            value = int(bench.generator.integers(1 << 32))
            await bank.write(name, value)
            written[name] = value & bank.bits(name)
        for name in ("identity", "shape", "limits", "cycles"):
            await bank.write(name, 0xFFFFFFFF)
    await bench.reset(1)
    for name, value in {**fixed, **dict.fromkeys(written, 0)}.items():
        found = await bank.read(name)
        assert found == value, f"{name} must read {value:#x} after reset, not {found:#x}"
    bench.end()


@cocotb.test()
async def random_shapes(dut: Any) -> None:
    """Products of many shapes, nothing ever stalls."""
    await several(dut, "random_shapes", lambda bench: None)


@cocotb.test()
async def stalls(dut: Any) -> None:
    """Everything stalls at random, or a single stream nearly always."""

    def stall(bench: Bench) -> None:
        bench.stall(0)
        if bench.generator.random() < 0.5:
            bench.stall(float(bench.generator.choice([0.1, 0.4, 0.7])))
        else:
            bench.stall(0.85, str(bench.generator.choice([*engine.stream_bits])))

    await several(dut, "stalls", stall)


async def several(dut: Any, test: str, prepare: Callable[[Bench], None]) -> None:
    """Random products until about as many cycles have passed as the job has."""
    bench = Bench(dut, test)
    await bench.start()
    for count in itertools.count():
        if bench.cycle > budget and count > 2:
            break
        prepare(bench)
        await bench.run(random_sizes(bench.generator, budget // 4))
    bench.end()


@cocotb.test()
async def edges(dut: Any) -> None:
    """The smallest product, and sizes about every one that the engine was made for."""
    bench = Bench(dut, "edges")
    await bench.start()
    near = {
        "m": (engine.rows, engine.tile_m, 2 * engine.tile_m),
        "k": (engine.k_step, engine.max_k),
        "n": (engine.outputs, engine.columns, 2 * engine.columns),
    }
    order = {}
    for name, sizes in near.items():
        values = {max(1, size + step) for size in sizes for step in (-1, 0, 1)}
        values = {value for value in values if name != "k" or value <= engine.max_k}
        order[name] = bench.generator.permutation(sorted(values)).tolist()
    await bench.run((1, 1, 1))
    for count in range(max(map(len, order.values()))):
        m, k, n = (sizes[count % len(sizes)] for sizes in order.values())
        for sizes in [(m, k, n)] if steps((m, k, n)) <= budget // 4 else [(m, 1, n), (1, k, 1)]:
            await bench.run(sizes)
    bench.end()


@cocotb.test()
async def refused(dut: Any) -> None:
    """Starts that cannot be obeyed set their bit and touch nothing; so does one while a product is at hand."""
    bench = Bench(dut, "refused")
    await bench.start()
    m, k, n = sizes = (engine.rows + 1, min(engine.max_k, engine.k_step + 1), engine.columns + 1)
    over = MAX_SIZE + 1
    await bench.run(sizes)
    last = await bench.registers.read("cycles")
    product = bench.product(sizes)
    bench.offer(product)
    for wrong, *events in (
        ((0, k, n), "error_zero"),
        ((m, 0, n), "error_zero"),
        ((m, k, 0), "error_zero"),
        ((0, 0, 0), "error_zero"),
        ((m, engine.max_k + 1, n), "error_large"),
        ((m, over + 1, n), "error_large"),
        ((m, (1 << 31) + 1, n), "error_large"),
        ((over, k, n), "error_large"),
        ((m, k, over + n), "error_large"),
        ((0xFFFFFFFF, k, n), "error_large"),
        ((0, k, over), "error_zero", "error_large"),
    ):
        for name, size in zip(SIZES, wrong, strict=True):
            await bench.registers.write(name, size)
        await bench.command()
        await bench.check_status(*events)
        await bench.registers.write("status", 0)
        await bench.settle(*events)
        found = await bench.registers.read("cycles")
        assert found == last, f"cycles must stay those of the last product, {last}, not become {found}"
    await bench.configure(product)
    bench.sink.pause = True
    began = await bench.begin(product)
    for name in (*SIZES, *product.parameters):
        await bench.registers.set(name, int(bench.generator.integers(1 << 16)))
    await bench.command()
    for name in SIZES:
        await bench.registers.write(name, 0)
    await bench.command()
    status = await bench.registers.read("status")
    expected = bench.registers.bits("status", "busy", "error_busy")
    assert status == expected, f"status must be {expected:#x} (busy, error_busy), not {status:#x}"
    if not int(dut.m_axis_c_tvalid.value):
        # It must not wait for tready.
        await with_timeout(RisingEdge(dut.m_axis_c_tvalid), 10 * (5000 + 60 * steps(product.sizes)), "ns")
    bench.sink.pause = False
    await bench.receive(product)
    await bench.check_cycles(began)
    await bench.settle("done", "error_busy")
    bench.end()


@cocotb.test()
async def resets(dut: Any) -> None:
    """A reset at any time drops the product and all its data; the next product is right."""
    bench = Bench(dut, "resets")
    await bench.start()
    for count in itertools.count():
        if bench.cycle > budget and count > 5:
            break
        bench.stall(float(bench.generator.choice([0.0, 0.3])))
        product = bench.product(random_sizes(bench.generator, budget // 8))
        await bench.configure(product)
        bench.offer(product)
        await bench.begin(product)
        for _ in range(int(bench.generator.integers(1 + 3 * steps(product.sizes) // 2))):
            await RisingEdge(dut.clk)
        await bench.reset(int(bench.generator.integers(1, 4)))
        bench.stall(0)
        await bench.run(random_sizes(bench.generator, budget // 16), early=True)
    bench.end()


@cocotb.test()
async def extreme_values(dut: Any) -> None:
    """The largest and the least codes everywhere, for as long a sum as there may be."""
    bench = Bench(dut, "extreme_values")
    await bench.start()
    m, n = engine.rows + 1, engine.columns + 1
    sizes = (m, engine.max_k, n) if steps((m, engine.max_k, n)) < budget else (1, engine.max_k, 1)
    for kind in ("largest", "least", "opposite"):
        await bench.run(sizes, kind)
    bench.end()


@cocotb.test(skip=engine.weight.finite and engine.activation.finite and engine.requantization.scale is None)
async def special_values(dut: Any) -> None:
    """NaN and infinities in the operands, and scales whatever their bits say."""
    bench = Bench(dut, "special_values")
    await bench.start()
    for count in itertools.count():
        if bench.cycle > budget and count > 2:
            break
        await bench.run(random_sizes(bench.generator, budget // 4), "special")
    bench.end()


@cocotb.test()
async def back_to_back(dut: Any) -> None:
    """The data of many products in a row on the streams; each is configured while the one before is at hand, and
    started as soon as that is complete."""
    bench = Bench(dut, "back_to_back")
    await bench.start()
    for rate in (0.0, 0.3):
        bench.stall(rate)
        products = [bench.product(random_sizes(bench.generator, budget // 8)) for _ in range(6)]
        for product in products:
            bench.offer(product)
        await bench.configure(products[0])
        for product, after in itertools.zip_longest(products, products[1:]):
            await bench.begin(product)
            if after is not None:
                await bench.configure(after)
            if not int(dut.irq.value):
                await with_timeout(RisingEdge(dut.irq), 10 * (5000 + 60 * steps(product.sizes)), "ns")
            bench.check_taken()
            await bench.registers.write("status", bench.registers.bits("status", "done"))
        for product in products:
            await bench.receive(product)
        await bench.settle()
    bench.end()
