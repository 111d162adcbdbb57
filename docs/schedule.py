"""Draws docs/schedule.svg and .png: what the parts of a matmul engine do in every cycle of a product, as simulated.

Run it by `python docs/schedule.py`.
"""

import re
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from amaranth.sim import Simulator
from fewbit.formats import DATAFLOWS, Engine, Requantization, parse
from fewbit.hdl import MatmulDesign
from fewbit.sim import pack

M, K, N = 16, 48, 12
CYCLE = 1_000_000  # femtoseconds, of which VCD counts
LANES = {  # of the picture: title, signal, and the signal that tells halves apart
    "load A": ("load_a.transfer", "load_a.half"),
    "load W": ("load_w.transfer", "load_w.half"),
    "shift in W": ("weights_transfer", None),
    "array": ("issue", "a_half"),
    "drain": ("job_take", None),
    "C": ("c__valid", None),
}


def engine(dataflow: str) -> Engine:
    int8 = parse("int8")
    how = Requantization(int8, scale=parse("dyadic16s5"))
    return Engine(int8, int8, how, rows=4, columns=4, lanes=2, tile_m=8, max_k=K, outputs=2, dataflow=dataflow)


def trace(dataflow: str) -> dict[str, np.ndarray]:
    """Every signal of the simulated product, cycle by cycle, by its name in the hierarchy."""
    shape = engine(dataflow)
    core = MatmulDesign(shape).core()
    streams = pack(shape, np.zeros((M, K), np.uint8), np.zeros((K, N), np.uint8))

    async def start(ctx):
        for name, size in (("m", M), ("k", K), ("n", N)):
            ctx.set(getattr(core, name), size)
        for name in streams:
            ctx.set(getattr(core, name).valid, 1)
        ctx.set(core.c.ready, 1)
        ctx.set(core.start, 1)
        await ctx.tick()
        ctx.set(core.start, 0)
        await ctx.tick().until(core.done)

    simulator = Simulator(core)
    simulator.add_clock(1e-9)
    simulator.add_testbench(start)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trace.vcd")
        with path.open("w") as file, simulator.write_vcd(file):
            simulator.run()
        return read_vcd(path.read_text())


def read_vcd(text: str) -> dict[str, np.ndarray]:
    names, scope, changes, time = {}, [], [], 0
    for line in text.splitlines():
        words = line.split()
        if line.startswith("$scope"):
            scope.append(words[2])
        elif line.startswith("$upscope"):
            scope.pop()
        elif line.startswith("$var"):
            names.setdefault(words[3], ".".join([*scope[2:], words[4]]))
        elif line.startswith("#"):
            time = int(line[1:])
        elif match := re.fullmatch(r"([01])(\S+)", line):
            changes.append((time, match[2], int(match[1])))
    cycles = max(time for time, _, _ in changes) // CYCLE + 1
    found = {name: np.zeros(cycles, int) for name in names.values()}
    for time, symbol, value in changes:
        found[names[symbol]][(time + CYCLE - 1) // CYCLE :] = value
    return found


def draw(axes: plt.Axes, dataflow: str) -> None:
    signals = trace(dataflow)
    lanes = [(title, *pair) for title, pair in LANES.items() if pair[0] in signals]
    for place, (_, name, half) in enumerate(lanes):
        active = signals[name].astype(bool)
        which = signals[half] if half else np.zeros(len(active), int)
        for color in (0, 1):
            cycles = np.flatnonzero(active & (which == color))
            axes.broken_barh([(cycle, 1) for cycle in cycles], (place - 0.4, 0.8), color=("C0", "C1")[color])
    axes.set_yticks(range(len(lanes)), [title for title, *_ in lanes])
    axes.invert_yaxis()
    axes.set_title(
        f"{dataflow}: {M}x{K} by {K}x{N}, 4 x 4 elements of 2 lanes, panels of 8 rows", loc="left", fontsize=10
    )
    axes.set_xlabel("cycle")


if __name__ == "__main__":
    figure, plots = plt.subplots(2, figsize=(10, 5.5), layout="constrained")
    for axes, dataflow in zip(plots, DATAFLOWS, strict=True):
        draw(axes, dataflow)
    for suffix in ("svg", "png"):
        figure.savefig(
            Path(__file__).with_name(f"schedule.{suffix}"), metadata={"Date": None} if suffix == "svg" else None
        )
