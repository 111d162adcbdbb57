"""Synthesize accelerators of a ResNet-8, and write the table that estimates are fitted to.

Run in this folder: ``python network_cells.py [FIRST [LAST]]`` synthesizes the probes, or some of them, each in a minute
or more, and puts their rows into ``boards/build/network_cells.json`` in the place of those of the same probes.
"""

import json
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from fewbit.boards.build.estimate import estimate
from fewbit.boards.build.network_cells import TABLE, Features, features, in_multipliers
from fewbit.boards.build.network_request import NetworkRequest, buffer_for
from fewbit.boards.build.route import BoardRouter, tools_of
from fewbit.boards.targets import find_board
from fewbit.synth.cache import Cache
from resnet_program import resnet8

RECIPE = "abc-area-twice"
FIELDS = ("weight", "activation", "between", "rows", "columns", "lanes", "outputs", "multiplier_bits")
PROBES = (
    ("icebreaker", "none", "e2m1", "int4", "int8", 1, 8, 4, 1, 16),
    ("icebreaker", "auto", "int4", "int4", "int8", 1, 16, 4, 1, 12),
    ("icebreaker", "none", "e2m1", "int4", "int8", 1, 4, 4, 1, 8),
    ("icebreaker", "none", "int4", "int4", "int4", 1, 8, 4, 2, 16),
    ("icebreaker", "auto", "e2m1", "int4", "int8", 1, 16, 4, 1, 16),
    ("ice40_hx8k_b_evn", "none", "e2m1", "e2m1", "int8", 1, 8, 4, 1, 16),
    ("ulx3s_85f", "none", "int8", "int8", "int8", 2, 8, 4, 2, 16),
    ("ulx3s_85f", "none", "e2m1", "e2m1", "int8", 4, 8, 4, 2, 16),
    ("ulx3s_85f", "none", "e4m3", "e4m3", "int8", 2, 8, 4, 1, 16),
    ("ulx3s_85f", "auto", "int8", "int8", "int8", 4, 8, 4, 2, 16),
    ("ulx3s_85f", "none", "e3m2", "e3m2", "int8", 4, 8, 4, 4, 12),
    ("ulx3s_85f", "none", "int4", "int4", "int8", 8, 16, 4, 4, 16),
    ("tang_nano_9k", "none", "e2m1", "int4", "int8", 2, 8, 4, 1, 16),
)


def request(board: str, dsp: str, *shape: Any) -> NetworkRequest:
    """The bitstream of a probe."""
    program = resnet8(**dict(zip(FIELDS, shape, strict=True)))
    return NetworkRequest(find_board(board), program, dsp=dsp, buffer_bytes=buffer_for(program), recipe=RECIPE)


def probe_features(made: NetworkRequest) -> Features:
    """What the estimate of a probe's LUTs follows from."""
    shape, design = made.program.shape, made.design
    elements = in_multipliers(shape, design.family, design.dsp_elements)
    return features(shape, design.hardware.bounds, elements, made.dsp != "none")


def row(*probe: Any) -> dict[str, Any]:
    """What a probe takes, and what its estimate follows from."""
    made = request(*probe)
    known = probe_features(made)._asdict().items()
    with closing(Cache(None)) as store, tempfile.TemporaryDirectory(prefix="fewbit-") as folder:
        router = BoardRouter(made.board, made.flow, store, Path(folder), print, made.recipe)
        counts = router.netlist(made.rtlil(made.settings(made.board.part.first_mhz * 1e6))).counts
    return {
        **dict(zip(("board", "dsp", *FIELDS), probe, strict=True)),
        "family": made.board.part.target.family.name,
        **{name: round(value, 1) for name, value in known},
        **{"luts": counts.luts, "carry": counts.carry, "flip_flops": counts.ff, "dsps": counts.dsp},
        **{"brams": counts.bram, "large_rams": counts.large_rams},
        "tools": {tool: version for tool, version in tools_of(made.board).items() if "yosys" in tool},
    }


def main(first: int = 0, last: int = len(PROBES) - 1) -> None:
    rows = json.loads(TABLE.read_text())["rows"] if TABLE.exists() else []
    for probe in PROBES[first : last + 1]:
        made = row(*probe)
        names = ("board", "dsp", *FIELDS)
        rows = [one for one in rows if [one[name] for name in names] != [made[name] for name in names]] + [made]
        TABLE.write_text(json.dumps({"recipe": RECIPE, "rows": rows}, indent=1) + "\n")
    for probe in PROBES:
        made = estimate(request(*probe))
        print(*probe, {name: amount.used for name, amount in made.resources.items()})


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
