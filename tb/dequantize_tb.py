"""Testbench of ``dequantize``: blocks of codes and their scales, stalled apart, against the golden model."""

from typing import Any, NamedTuple

import cocotb
import numpy as np

from ..formats import Rounding
from ..sim import dequantize, lfsr_words
from ..sim.codes import random_codes
from .golden import Array
from .job import load_job, random_generator, record
from .stream_unit import StreamUnit
from .streaming import NEVER, Beat, StreamBench
from .values import every_code, random_scales, values_of

job = load_job()
unit = StreamUnit.from_description(job["description"])
how = unit.requantization
assert how.scale is not None
scale_format = how.scale
budget: int = job["random_cycles"]
beats_a_block = unit.block_size // unit.lanes

EXHAUSTIVE_BITS = 16
INPUTS = ("s_axis", "s_axis_scale")


class Codes(NamedTuple):
    """Codes of (beats, lanes), the beats that end their block early, the scales of blocks, and the scale of the
    tensor."""

    codes: Array
    last: Array
    scales: Array
    tensor_scale: int | None


def blocks_of(last: Array) -> Array:
    """The number of the block of each beat."""
    blocks = np.zeros(len(last), dtype=np.int64)
    place = 0
    for beat in range(1, len(last)):
        place += 1
        ended = bool(last[beat - 1]) or place == beats_a_block
        blocks[beat] = blocks[beat - 1] + ended
        place *= not ended
    return blocks


def rows_of_codes(generator: np.random.Generator, beats: int) -> Codes:
    """Rows that end within a block, and scales by which most codes fall within the output's range or about its ends."""
    codes = random_codes(unit.weight, generator, (beats, unit.lanes))
    last = generator.random(beats) < 0.5 / beats_a_block
    last[-1] = True
    count = int(blocks_of(last)[-1]) + 1
    largest, least = float(np.log2(float(how.output.max_finite))), how.output.lsb_exponent
    wanted = 2.0 ** generator.uniform(max(least - 2, -150), min(largest + 2, 150), count)
    usual = float(np.median(values_of(codes, unit.weight)))
    tensor_scale = None
    if how.tensor_scale is not None:
        (tensor_scale,) = random_scales(how.tensor_scale, generator, 2.0 ** generator.uniform(-4, 4, 1), 0.2).tolist()
        usual *= float(values_of(np.array([tensor_scale]), how.tensor_scale)[0])
    return Codes(codes, last, random_scales(scale_format, generator, wanted / usual), tensor_scale)


def every_pair(generator: np.random.Generator) -> Codes:
    """Every code with every scale. A block that is left over ends early, or is filled up with any codes."""
    codes = every_code(unit.weight)
    scales = every_code(scale_format)
    beats = -(-len(codes) // unit.lanes)
    padded = np.concatenate([codes, generator.choice(codes, beats * unit.lanes - len(codes))])
    of_one_scale = generator.permutation(padded).reshape(beats, unit.lanes)
    last = np.arange(beats) == beats - 1
    blocks = int(blocks_of(last)[-1]) + 1
    tensor_scale = None
    if how.tensor_scale is not None:
        (tensor_scale,) = random_scales(how.tensor_scale, generator, np.ones(1), 0.0).tolist()
    return Codes(
        np.tile(of_one_scale, (len(scales), 1)), np.tile(last, len(scales)), np.repeat(scales, blocks), tensor_scale
    )


def traffic(generator: np.random.Generator, given: Codes) -> tuple[dict[str, list[Beat]], list[Beat]]:
    """What to offer on the streams, and what must come out."""
    options: dict[str, Any] = {}
    if given.tensor_scale is not None:
        options["tensor_scale"] = given.tensor_scale
    if how.rounding is Rounding.STOCHASTIC:
        options["words"] = lfsr_words(how.seed, given.codes.size).reshape(given.codes.shape)
    scale = given.scales[blocks_of(given.last)][:, None]
    expected = dequantize(given.codes, unit.weight, how, scale=scale, **options)
    last = given.last.astype(int).tolist()
    beats = unit.beats("s_axis", {"codes": packed(given.codes, unit.weight.width)}, generator)
    scales = unit.beats("s_axis_scale", {"scale": given.scales}, generator)
    # tlast of the scales means nothing.
    ends = generator.integers(0, 2, len(scales)).tolist()
    offered = {"s_axis": [*zip(beats, last, strict=True)], "s_axis_scale": [*zip(scales, ends, strict=True)]}
    codes = unit.beats("m_axis", {"codes": packed(expected, how.output.width)})
    return offered, [*zip(codes, last, strict=True)]


def packed(codes: Array, width: int) -> Array:
    """One integer for each beat, with lane 0 in the lowest bits."""
    whole = np.zeros(len(codes), dtype=object)
    for lane in range(codes.shape[1]):
        whole = whole | (codes[:, lane].astype(object) << lane * width)
    return whole


async def begin(dut: Any, test: str) -> StreamBench:
    bench = StreamBench(dut, INPUTS, random_generator(job["seed"], test))
    await bench.start()
    return bench


def set_tensor_scale(dut: Any, given: Codes) -> None:
    if given.tensor_scale is not None:
        dut.tensor_scale.value = given.tensor_scale


async def run(bench: StreamBench, given: Codes, **options: Any) -> Any:
    set_tensor_scale(bench.dut, given)
    return await bench.run(*traffic(bench.generator, given), **options)


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """A beat every cycle, and its codes ``latency`` cycles later."""
    bench = await begin(dut, "full_speed")
    given = rows_of_codes(bench.generator, budget)
    times = await run(bench, given, rates=NEVER)
    late = np.array(times.taken["m_axis"]) - np.array(times.taken["s_axis"])
    assert (late == unit.latency).all(), f"latency must be {unit.latency}, not {late.min()} to {late.max()}"
    assert (np.diff(times.taken["s_axis"]) == 1).all(), "initiation interval must be 1"
    blocks = blocks_of(given.last)
    ends = np.flatnonzero(np.append(np.diff(blocks), 1))
    assert times.taken["s_axis_scale"] == np.array(times.taken["s_axis"])[ends].tolist(), (
        "a scale must be taken with its block's last beat"
    )
    scales = given.scales[blocks].repeat(unit.lanes)
    record(operand_pairs=len({*zip(given.codes.ravel().tolist(), scales.tolist(), strict=True)}))
    await bench.rest(2 * unit.latency)


@cocotb.test()
async def random_stalls(dut: Any) -> None:
    bench = await begin(dut, "random_stalls")
    for _ in range(3):
        await run(bench, rows_of_codes(bench.generator, budget // 9))
        await bench.rest(2 * unit.latency)
        await bench.reset(1)


@cocotb.test(skip=unit.weight.width + scale_format.width > EXHAUSTIVE_BITS)
async def every_code_and_scale(dut: Any) -> None:
    bench = await begin(dut, "every_code_and_scale")
    await run(bench, every_pair(bench.generator), rates=NEVER)
    record(operand_pairs=len(unit.weight.codes) * len(scale_format.codes))


@cocotb.test()
async def resets(dut: Any) -> None:
    """A reset drops what is under way, within a block too, and random words begin anew."""
    bench = await begin(dut, "resets")
    for _ in range(12):
        cycles = int(bench.generator.integers(1, 50))
        await run(bench, rows_of_codes(bench.generator, 60), cycles=cycles)
        await bench.reset(int(bench.generator.integers(1, 4)))
        await run(bench, rows_of_codes(bench.generator, 30))
        await bench.reset(1)
