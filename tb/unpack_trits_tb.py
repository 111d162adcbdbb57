"""Testbench of the units that unpack ternary codes, stalled, against the golden model."""

from typing import Any

import cocotb
import numpy as np

from ..sim import unpack_trits
from .golden import Array
from .job import load_job, random_generator, record
from .stream_unit import StreamUnit
from .streaming import NEVER, Beat, StreamBench

job = load_job()
unit = StreamUnit.from_description(job["description"])
packing: str = job["description"]["packing"]
budget: int = job["random_cycles"]


def traffic(words: Array, generator: np.random.Generator) -> tuple[dict[str, list[Beat]], list[Beat]]:
    """What to offer on the stream, and what must come out."""
    last = generator.integers(0, 2, len(words)).tolist()
    codes = unpack_trits(words, packing)
    data = unit.beats("s_axis", {"bytes": packed(words, 8)}, generator)
    expected = unit.beats("m_axis", {"codes": packed(codes, unit.weight.width)})
    return {"s_axis": [*zip(data, last, strict=True)]}, [*zip(expected, last, strict=True)]


def packed(values: Array, width: int) -> Array:
    """One integer for each beat, with value 0 in the lowest bits."""
    return np.array([sum(value << width * k for k, value in enumerate(row)) for row in values.tolist()], dtype=object)


def every_byte(generator: np.random.Generator, least: int) -> Array:
    """Words in which every lane has every byte once or more, in an order of its own."""
    turns = -(-least // 256)
    return np.stack([generator.permutation(np.tile(np.arange(256), turns)) for _ in range(unit.lanes)], axis=1)


async def begin(dut: Any, test: str) -> StreamBench:
    bench = StreamBench(dut, ("s_axis",), random_generator(job["seed"], test))
    await bench.start()
    return bench


@cocotb.test()
async def every_byte_at_full_speed(dut: Any) -> None:
    """A beat every cycle, and its codes ``latency`` cycles later."""
    bench = await begin(dut, "every_byte_at_full_speed")
    times = await bench.run(*traffic(every_byte(bench.generator, budget), bench.generator), rates=NEVER)
    late = np.array(times.taken["m_axis"]) - np.array(times.taken["s_axis"])
    assert (late == unit.latency).all(), f"latency must be {unit.latency}, not {late.min()} to {late.max()}"
    assert (np.diff(times.taken["s_axis"]) == 1).all(), "initiation interval must be 1"
    record(operand_pairs=256)
    await bench.rest(2 * unit.latency)


@cocotb.test()
async def random_stalls(dut: Any) -> None:
    bench = await begin(dut, "random_stalls")
    await bench.run(*traffic(every_byte(bench.generator, 1), bench.generator))


@cocotb.test()
async def resets(dut: Any) -> None:
    """A reset drops what is under way."""
    bench = await begin(dut, "resets")
    for _ in range(8):
        words = every_byte(bench.generator, 1)
        await bench.run(*traffic(words, bench.generator), cycles=int(bench.generator.integers(1, 50)))
        await bench.reset(int(bench.generator.integers(1, 4)))
        await bench.run(*traffic(words[:30], bench.generator))
        await bench.reset(1)
