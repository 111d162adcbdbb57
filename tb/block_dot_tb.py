"""Testbench of ``block_dot``: sums of any length with a scale for every block, against the golden model."""

from collections.abc import Sequence
from typing import Any

import cocotb
import numpy as np

from ..formats import SPECIALS
from ..sim import Exact, block_dot
from ..sim.codes import random_codes
from .golden import Array
from .job import load_job, random_generator, record
from .stream_unit import StreamUnit
from .streaming import NEVER, Beat, StreamBench
from .values import every_code, finite_codes, random_scales, zero_code

job = load_job()
unit = StreamUnit.from_description(job["description"])
blocks = unit.blocks
budget: int = job["random_cycles"]
interval: int = job["description"]["block_interval"]
beats_a_block = blocks.size // unit.lanes

EXHAUSTIVE_BITS = 16
NAMES = (
    *("weight", "activation", "weight_scale", "activation_scale"),
    *(["weight_zero_point"] if blocks.zero_points else []),
)
FORMATS = {
    "weight": unit.weight,
    "activation": unit.activation,
    "weight_scale": blocks.weight_scale,
    "activation_scale": blocks.activation_scale,
    "weight_zero_point": unit.weight,
}
has_zero = unit.weight.has_zero or unit.activation.has_zero
step = 1 if has_zero else unit.lanes
longest = unit.terms // step * step

Sum = dict[str, Array]
"""Codes of ``weight`` and ``activation``, (k,), and of their scales, a code for every block."""


def blocks_in(k: int) -> int:
    return -(-k // blocks.size)


def operands(name: str, generator: np.random.Generator, k: int, special: float) -> Array:
    """Random codes. This share of them may be special, and the others are finite."""
    format = FORMATS[name]
    if format.width > EXHAUSTIVE_BITS:
        raise ValueError(f"{name} must have at most {EXHAUSTIVE_BITS} bits, not {format.width}")
    numbers = finite_codes(format)
    codes = np.where(
        generator.random(k) < special, generator.choice(every_code(format), k), generator.choice(numbers, k)
    )
    return np.where(generator.random(k) < 0.1, zero_code(format), codes)


def scales(name: str, generator: np.random.Generator, count: int, wild: float) -> Array:
    """Random scales around 1, equal over several blocks or not. This share of them may be anything."""
    spread = generator.choice([0.5, 3.0, 12.0])
    wanted = 2.0 ** (np.zeros(count) + generator.uniform(-spread, spread, count))
    return random_scales(FORMATS[name], generator, wanted, wild)


def random_sum(generator: np.random.Generator, most: int, special: float = 0.0, wild: float = 0.0) -> Sum:
    k = int(np.exp(generator.uniform(0, np.log(min(most, longest) + 0.99))))
    k = min(-(-k // step) * step, longest)
    one: Sum = {name: operands(name, generator, k, special) for name in NAMES[:2]}
    one |= {name: scales(name, generator, blocks_in(k), wild) for name in NAMES[2:4]}
    one |= {name: generator.choice(finite_codes(FORMATS[name]), blocks_in(k)) for name in NAMES[4:]}
    if generator.random() < 0.2 and k > blocks.size and unit.weight.signed:
        # The second block cancels the first one, or nearly does.
        part = slice(blocks.size, min(2 * blocks.size, k))
        same = part.stop - part.start
        one["activation"][part] = one["activation"][:same]
        negated = one["weight"][:same] ^ (1 << unit.weight.width - 1)
        one["weight"][part] = np.where(np.isin(negated, every_code(unit.weight)), negated, one["weight"][:same])
        for name in NAMES[2:]:
            one[name][1] = one[name][0]
    return one


def random_sums(generator: np.random.Generator, beats: int, **rates: float) -> list[Sum]:
    """Random sums with about so many beats in all."""
    found: list[Sum] = []
    while beats > 0:
        found.append(random_sum(generator, max(beats * unit.lanes, 1), **rates))
        beats -= -(-len(found[-1]["weight"]) // unit.lanes)
    return found


def ends_of(name: str) -> tuple[int, int]:
    """The codes of the least and of the largest value."""
    codes = finite_codes(FORMATS[name]) if FORMATS[name].width <= EXHAUSTIVE_BITS else None
    if codes is None:
        raise ValueError(f"{name} must have at most {EXHAUSTIVE_BITS} bits")
    numbers = [FORMATS[name].integer(code) for code in codes.tolist()]
    order = sorted(range(len(codes)), key=lambda k: numbers[k])
    return int(codes[order[0]]), int(codes[order[-1]])


def extreme_sums() -> list[Sum]:
    """Sums of extreme products with extreme scales, as long as the unit allows, or as is worth while."""
    k = min(longest, max(budget * unit.lanes // 4, unit.lanes) // step * step)
    (least_w, largest_w), (least_a, largest_a) = ends_of("weight"), ends_of("activation")
    large = [ends_of(name)[1] for name in NAMES[2:]]
    small = [ends_of(name)[0] for name in NAMES[2:]]
    pairs = [(largest_w, largest_a), (least_w, largest_a), (largest_w, least_a), (least_w, least_a)]
    return [
        {
            "weight": np.full(k, weight),
            "activation": np.full(k, activation),
            "weight_scale": np.full(blocks_in(k), scale[0]),
            "activation_scale": np.full(blocks_in(k), scale[1]),
            # of the other end, so that what is multiplied is as large as can be
            **{name: np.full(blocks_in(k), least_w + largest_w - weight) for name in NAMES[4:]},
        }
        for weight, activation in pairs
        for scale in (large, small)
    ]


def every_single() -> list[Sum]:
    """Every combination of operands and scales, as sums of one product."""
    codes = np.meshgrid(*(every_code(FORMATS[name]) for name in NAMES), indexing="ij")
    return [
        dict(zip(NAMES, (np.array([code]) for code in row), strict=True))
        for row in np.stack(codes, -1).reshape(-1, len(NAMES))
    ]


def beats_of(sums: Sequence[Sum], generator: np.random.Generator) -> list[Beat]:
    """The beats of the sums. Lanes past the end have codes of zero; scales before a block's last beat are any."""
    columns: dict[str, list[int]] = {name: [] for name in NAMES}
    last: list[int] = []
    for one in sums:
        k = len(one["weight"])
        count = -(-k // unit.lanes)
        for name in NAMES[:2]:
            width = FORMATS[name].width
            padded = np.full(count * unit.lanes, zero_code(FORMATS[name]), dtype=np.int64)
            padded[:k] = one[name]
            for beat in padded.reshape(count, unit.lanes).tolist():
                columns[name].append(sum(code << lane * width for lane, code in enumerate(beat)))
        for name in NAMES[2:]:
            row = random_codes(FORMATS[name], generator, count)
            ends = np.minimum(np.arange(1, blocks_in(k) + 1) * beats_a_block, count) - 1
            row[ends] = one[name]
            columns[name] += row.tolist()
        last += [0] * (count - 1) + [1]
    values = {name: np.array(column, dtype=object) for name, column in columns.items()}
    return [*zip(unit.beats("s_axis", values, generator), last, strict=True)]


def expect(sums: Sequence[Sum]) -> list[Beat]:
    """What the sums must be, as beats; ``tlast`` is always up."""
    rows: dict[str, list[int]] = {field.name: [] for field in unit.streams["m_axis"]}
    for one in grouped(sums):
        result = block_dot(
            *(one["activation"], one["weight"], one["activation_scale"], one["weight_scale"]),
            *(unit.activation, unit.weight, blocks, unit.terms),
            weight_zero_point=one.get("weight_zero_point"),
        )
        if isinstance(result, Exact):
            found = {"accumulator": result.integers}
            found |= {name: getattr(result, name) for name in SPECIALS if name in rows}
        else:
            found = {"code": result}
        for name, column in found.items():
            rows[name] += [int(value) for value in np.atleast_1d(column).tolist()]
    values = {name: np.array(column, dtype=object) for name, column in rows.items()}
    return [(data, 1) for data in unit.beats("m_axis", values)]


def grouped(sums: Sequence[Sum]) -> list[Sum]:
    """Groups of sums that follow each other and have one length, each as one array: (n, k)."""
    groups: list[list[Sum]] = []
    for one in sums:
        if groups and len(groups[-1][0]["weight"]) == len(one["weight"]):
            groups[-1].append(one)
        else:
            groups.append([one])
    return [{name: np.stack([one[name] for one in group]) for name in NAMES} for group in groups]


async def begin(dut: Any, test: str) -> StreamBench:
    bench = StreamBench(dut, ["s_axis"], random_generator(job["seed"], test))
    await bench.start()
    return bench


async def run(bench: StreamBench, sums: Sequence[Sum], **options: Any) -> Any:
    offered = {"s_axis": beats_of(sums, bench.generator)}
    pairs = {pair for one in sums for pair in zip(one["weight"], one["activation"], strict=True)}
    times = await bench.run(offered, expect(sums), **options)
    record(operand_pairs=0 if options.get("cycles") else len(pairs))
    return times


@cocotb.test()
async def full_speed(dut: Any) -> None:
    """A beat every cycle, but for blocks of one sum that end too close to each other; a sum ``latency`` cycles after
    its last beat."""
    bench = await begin(dut, "full_speed")
    sums = random_sums(bench.generator, budget)
    times = await run(bench, sums, rates=NEVER)
    waits = 0
    for one in sums:
        count = -(-len(one["weight"]) // unit.lanes)
        in_blocks = [min(beats_a_block, count - start) for start in range(0, count, beats_a_block)]
        waits += sum(max(interval - beats, 0) for beats in in_blocks[1:])
    beats = np.array(times.taken["s_axis"])
    assert beats[-1] - beats[0] + 1 <= len(beats) + waits, (
        f"{len(beats)} beats must take at most {len(beats) + waits} cycles, not {beats[-1] - beats[0] + 1}"
    )
    ends = np.cumsum([-(-len(one["weight"]) // unit.lanes) for one in sums]) - 1
    late = np.array(times.taken["m_axis"]) - beats[ends]
    assert (late >= unit.latency).all(), f"latency must be {unit.latency} or more, not {late.min()}"
    if not waits:
        assert (late == unit.latency).all(), f"latency must be {unit.latency}, not {late.max()}"
    await bench.rest(2 * unit.latency)


@cocotb.test()
async def latency(dut: Any) -> None:
    """Sums of one block, which wait for nothing."""
    bench = await begin(dut, "latency")
    sums = [random_sum(bench.generator, blocks.size) for _ in range(40)]
    times = await run(bench, sums, rates=NEVER)
    beats = np.array(times.taken["s_axis"])
    ends = np.cumsum([-(-len(one["weight"]) // unit.lanes) for one in sums]) - 1
    late = np.array(times.taken["m_axis"]) - beats[ends]
    assert (late == unit.latency).all(), f"latency must be {unit.latency}, not {late.min()} to {late.max()}"
    assert (np.diff(beats) == 1).all(), "initiation interval must be 1"


@cocotb.test()
async def random_stalls(dut: Any) -> None:
    bench = await begin(dut, "random_stalls")
    await run(bench, random_sums(bench.generator, budget // 2, wild=0.02))
    await bench.rest(2 * unit.latency)


@cocotb.test(skip=all(format.finite for format in FORMATS.values()))
async def special_values(dut: Any) -> None:
    """NaN and infinities in about half of the sums."""
    bench = await begin(dut, "special_values")
    await run(bench, random_sums(bench.generator, budget // 2, special=0.02, wild=0.1))


@cocotb.test()
async def wild_scales(dut: Any) -> None:
    bench = await begin(dut, "wild_scales")
    await run(bench, random_sums(bench.generator, budget // 2, wild=1.0))


@cocotb.test()
async def extremes(dut: Any) -> None:
    bench = await begin(dut, "extremes")
    await run(bench, extreme_sums(), rates=NEVER)


@cocotb.test(skip=sum(FORMATS[name].width for name in NAMES) > EXHAUSTIVE_BITS or step > 1)
async def every_combination(dut: Any) -> None:
    bench = await begin(dut, "every_combination")
    await run(bench, every_single(), rates=NEVER)


@cocotb.test()
async def resets(dut: Any) -> None:
    """A reset drops what is under way, within a block or between two of them."""
    bench = await begin(dut, "resets")
    for _ in range(12):
        cycles = int(bench.generator.integers(1, 50))
        await run(bench, random_sums(bench.generator, 60), cycles=cycles)
        await bench.reset(int(bench.generator.integers(1, 4)))
        await run(bench, random_sums(bench.generator, 30))
