"""Testbench of ``requantize``: every code that comes out against the golden model, stalled on both sides."""

from typing import Any

import cocotb
import numpy as np

from ..formats import Integer, Rounding
from ..sim import Exact, lfsr_words, requantize
from ..sim.codes import random_codes
from .golden import Array
from .job import load_job, random_generator, record
from .stream_unit import StreamUnit
from .streaming import NEVER, Beat, StreamBench
from .values import integers, random_scales, values_of

job = load_job()
unit = StreamUnit.from_description(job["description"])
source, how = unit.accumulator, unit.requantization
budget: int = job["random_cycles"]

EXHAUSTIVE_BITS = 16
input_bits = sum(field.width for field in unit.streams["s_axis"])

Columns = dict[str, Array]


def random_columns(generator: np.random.Generator, count: int, special_rate: float = 0.02) -> Columns:
    """Sums of all lengths, and scales by which most fall within the output's range or about its ends."""
    columns: Columns = {"accumulator": integers(generator, source.width, source.signed, count)}
    special = generator.random(count) < special_rate
    chosen = generator.integers(0, max(len(source.specials), 1), count)
    for k, name in enumerate(source.specials):
        columns[name] = (special & (chosen == k)).astype(np.int64)
    largest = float(np.log2(float(how.output.reach)))
    least = how.output.lsb_exponent
    goal = 2.0 ** generator.uniform(max(least - 2, -150), min(largest + 2, 150), count)
    sums = np.abs(columns["accumulator"].astype(np.float64)) * 2.0**source.lsb_exponent
    wanted = goal / np.where(sums > 0, sums, 1.0)
    if how.tensor_scale is not None:
        apart = 2.0 ** generator.uniform(-6, 6, count) if how.scale is not None else wanted
        columns["tensor_scale"] = random_scales(how.tensor_scale, generator, apart)
        wanted = wanted / values_of(columns["tensor_scale"], how.tensor_scale)
    if how.scale is not None:
        columns["scale"] = random_scales(how.scale, generator, wanted)
    if how.bias_bits:
        columns["bias"] = integers(generator, how.bias_bits, True, count)
    if how.zero_point:
        assert isinstance(how.output, Integer)
        low, high = zero_points(how.output)
        columns["zero_point"] = generator.integers(low, high + 1, count)
        ends = generator.choice(np.array([low, high, 0]), count)
        columns["zero_point"] = np.where(generator.random(count) < 0.2, ends, columns["zero_point"])
    return columns


def zero_points(output: Integer) -> tuple[int, int]:
    return (0, output.max_integer) if output.unsigned else (-(1 << output.bits - 1), output.max_integer)


def every_column() -> Columns:
    """All inputs that there are: of the flags at most one is up."""
    patterns = np.arange(1 << input_bits)
    columns: Columns = {}
    place = 0
    for field in unit.streams["s_axis"]:
        values = patterns >> place & ((1 << field.width) - 1)
        place += field.width
        columns[field.name] = np.where(
            field.signed & (values >> field.width - 1 > 0), values - (1 << field.width), values
        )
    allowed = sum((columns[name] for name in source.specials), np.zeros_like(patterns)) <= 1
    for name, format in (("scale", how.scale), ("tensor_scale", how.tensor_scale)):
        if format is not None:
            allowed &= np.isin(columns[name], np.array(format.codes))
    if how.zero_point:
        assert isinstance(how.output, Integer)
        low, high = zero_points(how.output)
        allowed &= (columns["zero_point"] >= low) & (columns["zero_point"] <= high)
    return {name: values[allowed] for name, values in columns.items()}


def expect(columns: Columns) -> Array:
    """The codes, the first of them the first since a reset."""
    flags = {name: columns[name].astype(bool) for name in source.specials}
    kept = np.where(sum(flags.values(), np.zeros(len(columns["accumulator"]), bool)), 0, columns["accumulator"])
    given: Columns = {
        name: columns[name] for name in ("scale", "tensor_scale", "bias", "zero_point") if name in columns
    }
    if how.rounding is Rounding.STOCHASTIC:
        given["words"] = lfsr_words(how.seed, len(kept))
    return requantize(Exact(kept, source.lsb_exponent, **flags), how, **given)


def traffic(generator: np.random.Generator, columns: Columns) -> tuple[dict[str, list[Beat]], list[Beat]]:
    """What to offer, and what must come of it."""
    last = (generator.random(len(columns["accumulator"])) < 0.2).astype(int).tolist()
    beats = unit.beats("s_axis", columns, generator)
    codes = unit.beats("m_axis", {"code": expect(columns)})
    return {"s_axis": [*zip(beats, last, strict=True)]}, [*zip(codes, last, strict=True)]


async def begin(dut: Any, test: str) -> StreamBench:
    bench = StreamBench(dut, ["s_axis"], random_generator(job["seed"], test))
    await bench.start()
    return bench


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """A sum as often as can be, and its code ``latency`` cycles later."""
    bench = await begin(dut, "full_speed")
    offered, expected = traffic(bench.generator, random_columns(bench.generator, budget))
    times = await bench.run(offered, expected, rates=NEVER)
    late = np.array(times.taken["m_axis"]) - np.array(times.taken["s_axis"])
    assert (late == unit.latency).all(), f"latency must be {unit.latency}, not {late.min()} to {late.max()}"
    interval = unit.description["initiation_interval"]
    assert (np.diff(times.taken["s_axis"]) == interval).all(), f"initiation interval must be {interval}"
    record(operand_pairs=len(set(offered["s_axis"])))
    await bench.rest(2 * unit.latency)


@cocotb.test()
async def random_stalls(dut: Any) -> None:
    bench = await begin(dut, "random_stalls")
    await bench.run(*traffic(bench.generator, random_columns(bench.generator, budget // 3)))
    await bench.rest(2 * unit.latency)


@cocotb.test(skip=not source.specials)
async def special_values(dut: Any) -> None:
    bench = await begin(dut, "special_values")
    await bench.run(*traffic(bench.generator, random_columns(bench.generator, budget // 3, special_rate=0.6)))


@cocotb.test()
async def corners(dut: Any) -> None:
    """The extreme sums with every scale there is, or with many."""
    bench = await begin(dut, "corners")
    sums = sorted({source.min_integer, source.min_integer + 1, -1 * source.signed, 0, 1, source.max_integer})
    columns = random_columns(bench.generator, max(budget // 2, 64))
    count = len(columns["accumulator"])
    columns["accumulator"] = np.resize(np.array(sums, dtype=columns["accumulator"].dtype), count)
    for name, format in (("scale", how.scale), ("tensor_scale", how.tensor_scale)):
        if format is not None:
            columns[name] = random_codes(format, bench.generator, count)
    await bench.run(*traffic(bench.generator, columns), rates=NEVER)


@cocotb.test(skip=input_bits > EXHAUSTIVE_BITS)
async def every_input(dut: Any) -> None:
    bench = await begin(dut, "every_input")
    columns = every_column()
    await bench.run(*traffic(bench.generator, columns), rates=NEVER)
    record(operand_pairs=len(columns["accumulator"]))


@cocotb.test()
async def resets(dut: Any) -> None:
    """A reset drops what is under way, and random words begin anew."""
    bench = await begin(dut, "resets")
    for _ in range(12):
        await bench.run(
            *traffic(bench.generator, random_columns(bench.generator, 60)),
            cycles=int(bench.generator.integers(1, 50)),
        )
        await bench.reset(int(bench.generator.integers(1, 4)))
        await bench.run(*traffic(bench.generator, random_columns(bench.generator, 30)))
        await bench.reset(1)
