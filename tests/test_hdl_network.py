"""Accelerators of random programs, simulated: their answers and cycles are the golden model's, in every bit."""

import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from amaranth.hdl import Assert, Module
from fewbit.formats.network import Program
from fewbit.hdl.emit import port_order, to_rtlil, to_verilog
from fewbit.hdl.network.network import NetworkCore
from fewbit.hdl.network.network_build import NetworkBuild
from fewbit.hdl.network.tensor_memory import TensorMemory
from fewbit.hdl.products.build import Build
from fewbit.hdl.products.choose_build import choose_build
from fewbit.hdl.verilog.family_cells import computed
from fewbit.sim import answer_order, network_answers, network_cycles
from fewbit.tb.verilator import lint
from network_programs import random_images, random_program
from stream_driver import Feed, Take, drive, simulate

SMALL = {"layers": 3, "side": 5}
FEW = {"rows": 2, "lanes": 2, "columns": 4, "outputs": 2}
"""A small array, which is elaborated and simulated quickly."""


def quick(seeds: list[int], count: int) -> list[Any]:
    """Seeds of which all but the first so many are slow."""
    return [seed if place < count else pytest.param(seed, marks=pytest.mark.slow) for place, seed in enumerate(seeds)]


SINGLE = {"rows": 1, "lanes": 2, "columns": 4}


def make(program: Program, pipeline: int = 2, **options: Any) -> NetworkCore:
    shape = program.shape
    build = choose_build(shape.weight, shape.activation, "auto", pipeline=pipeline, family=None, dsp=False)
    return NetworkCore(NetworkBuild(program, build, **options))


def run(network: NetworkCore, seed: int, rate: float = 1.0, count: int = 3) -> list[int]:
    """Images go through an accelerator, whose answers are compared; the result is the cycles of each."""
    program = network.program
    images = random_images(program, seed, count)
    answers = network_answers(program, images)
    answers = answers.reshape(count, -1)[:, answer_order(answers.shape[1:], program.shape.columns)].tolist()
    wanted = [(total, place == len(sums) - 1) for sums in answers for place, total in enumerate(sums)]
    chance = random.Random(seed)
    take = Take(network.answer, rate, chance)
    sides: list[Feed | Take] = [Feed(network.image, (int(byte) for byte in images.flat), rate, chance), take]
    if network.hardware.loaded:
        sides.append(Feed(network.weights, program.packed_words(), rate, chance))
    cycles = []

    def taken(images: int) -> Callable[[int], bool]:
        return lambda _: len(take.seen) >= images * len(answers[0])

    async def testbench(ctx) -> None:
        for image in range(1, count + 1):
            await drive(ctx, sides, until=taken(image), most=50_000)
            cycles.append(ctx.get(network.cycles))

    simulate(network, testbench)
    assert [(sums["data"], bool(sums["last"])) for sums in take.fields()] == wanted
    return cycles


def expect(seed: int, fields: dict[str, Any], **options: Any) -> None:
    network = make(random_program(seed, **{**SMALL, **fields}), **options)
    cycles = sum(record.cycles for record in network_cycles(network.program, network.hardware.timing))
    assert run(network, seed) == [cycles] * 3, (seed, fields, options)


@pytest.mark.parametrize("seed", quick([15, 62, 89, *range(8)], 2))
def test_random_programs_give_the_models_bits_in_its_cycles(seed):
    """The second one has groups."""
    expect(seed, FEW)


@pytest.mark.parametrize("seed", quick([4, 15, *range(10, 14)], 2))
def test_tiles_may_end_within_words(seed):
    expect(seed, {"rows": 3, "lanes": 4, "columns": 3, "outputs": 1})


@pytest.mark.parametrize("seed", quick([*range(20, 26)], 2))
def test_zero_points_are_taken_out_and_added(seed):
    expect(seed, {**FEW, "zero_points": True})


@pytest.mark.parametrize("seed", quick([170, 92], 1))
def test_pools_are_written_to_both_memories(seed):
    expect(seed, {**FEW, "layers": 4})


@pytest.mark.parametrize("seed", quick([9, 37, 63, *range(30, 38)], 3))
def test_memories_of_one_port_give_the_same_bits(seed):
    """The first three have records that read residuals of the memory that they write."""
    store = ("initialized", "loaded")[seed % 2]
    expect(seed, {**SINGLE, "outputs": 1 + seed % 2}, ports="single", weight_store=store, piece=8 << seed % 3)


def test_a_memory_of_one_port_never_reads_and_writes_at_once(monkeypatch):
    """Residuals are read, beat after beat, while the first beats of the same pixel are written."""
    plain = TensorMemory.elaborate

    def watched(memory: TensorMemory, platform: Any) -> Module:
        m = plain(memory, platform)
        m.d.sync += Assert(~(memory.read & memory.write), "it does both")
        return m

    monkeypatch.setattr(TensorMemory, "elaborate", watched)
    program = random_program(160, layers=3, side=4, rows=1, lanes=2, columns=8, outputs=1)
    run(make(program, ports="single"), 160)


@pytest.mark.slow
@pytest.mark.parametrize("pipeline", [1, 3])
def test_register_stages_change_no_bit(pipeline):
    expect(40, FEW, pipeline=pipeline)
    expect(41, {**SINGLE, "outputs": 2}, pipeline=pipeline, ports="single")


@pytest.mark.parametrize("options", [{}, {"ports": "single", "weight_store": "loaded"}], ids=["dual", "single"])
def test_streams_stall_at_any_time(options):
    run(make(random_program(50, **SMALL, **SINGLE, outputs=2), **options), 50, rate=0.3)


@pytest.mark.slow
def test_arrays_of_all_sides_give_the_same_bits():
    for seed in range(60, 63):
        expect(seed, {})


def test_arguments_that_do_not_fit_are_refused():
    program = random_program(1, **SMALL, **FEW)
    for options, message in (
        ({"weight_store": "read"}, "weight_store must be one of initialized, loaded, not 'read'"),
        ({"ports": "triple"}, "ports must be one of dual, single, spram, not 'triple'"),
        ({"ports": "single"}, "rows must be 1 where memories of tensors have a single port, as large"),
        ({"piece": 12}, "piece must be a multiple of 8, not 12"),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
            NetworkBuild(program, Build("whole", pipeline=2), **options)


@pytest.mark.parametrize("seed", quick([5, 4, 3, 2], 1))
def test_verilog_is_clean(seed, tmp_path):
    """Of memories too that hold nothing but zeros and are never written, as that of weights without a product."""
    network = make(random_program(seed, **SMALL, **FEW), weight_store=("initialized", "loaded")[seed % 2 == 0])
    (text,) = to_verilog([("network", to_rtlil(network, "network"), port_order(network))])
    (tmp_path / "network.v").write_text(text)
    assert lint([tmp_path / "network.v"], "network") == []


def test_memories_of_ultraplus_are_its_cells():
    network = make(random_program(4, **SMALL, **SINGLE, outputs=1), ports="spram", weight_store="loaded", piece=32)
    assert {name for name, size in network.hardware.memories.items() if size.large} == {
        "activations",
        "between",
        "weights",
    }
    (text,) = to_verilog([("network", to_rtlil(network, "network"), port_order(network))])
    assert text.count("SB_SPRAM256KA") == 4
    assert text.count("`ifdef SYNTHESIS\n  SB_SPRAM256KA") == text.count("_words [0:16383];") == 4


def test_a_memory_of_ultraplus_that_writes_parts_of_words_is_refused():
    pins = {"MASKWREN": "4'h3", "STANDBY": "1'h0", "SLEEP": "1'h0", "POWEROFF": "1'h1"}
    with pytest.raises(ValueError, match=r"^SB_SPRAM256KA must be on and write whole words, not have .*4'h3"):
        computed("SB_SPRAM256KA", {}, pins, "cell0")
