"""Writes docs/weights.md from results/weights: ``python docs/weights.py``."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

from fewbit.study.choice.pareto import pareto
from fewbit.study.measurement.weight_accuracy import NAMES, WeightAccuracy, read_accuracies
from fewbit.study.quantization.tensor_formats import parse_operand, stored_bits
from fewbit.synth import write_whole
from page_tables import table as as_table

RESULTS = Path(__file__).parent.parent / "results" / "weights"
PAGE = Path(__file__).parent / "weights.md"
NETWORKS = {
    "resnet8": "ResNet-8",
    "vit": "ViT",
    "efficientnet_lite0": "EfficientNet-Lite0",
    "minilm": "MiniLM",
    "vit_s": "ViT-S",
}
SIZES = (None, 128, 64, 32)

HEAD = """# Weights of three and four bits

Written by `python docs/weights.py` from `results/weights`; the commands that made those are at the end. Weights alone
are rounded here: activations and all between layers are float32, and onnxruntime runs the network as a whole
([how](study.md#the-noise-of-weights)). A scale, in bfloat16, is that of an output channel or of 128, 64 or 32 weights
along K. What each system is, and what its lanes cost, is in [other arithmetic](systems.md)."""

FRONTS = """## Which are on the front

A front is of bits a weight, with scales, selectors and zero points, against a ratio in dB, over all formats and all
groups of a network: on it are those that no other one of as few bits, or fewer, reaches. An entry says with which
groups a format is on the front, or by how many dB it is below, with the best of its groups."""

OF_OUTPUTS = """### By the SQNR of the output

The output's ratio is that of one rounding of each network, and moves by up to a dB with chance where weights hardly
change: what is within a dB of the front is as good as on it. Standard errors, which are those of the choice of samples,
are below each network. Where the ratio is some 0 dB or less, as of EfficientNet-Lite0 with 3 bits, hardly anything is
left of the output, also on the front."""

OF_WEIGHTS = """### By the SQNR of the weights

Scales here are those of least squared error of weights, which need no samples, and of some output channels of each
layer (`weights.json`). k-means tables of ViT-S are left out: they are of two channels alone, which flatters them."""

ACCURACY = """### By accuracy

Standard errors are larger than what most formats differ by, so that a front would be one of luck. This is what takes
the fewest bits of all that are within one standard error of float32, three for each network:"""

FLATTERED = {("vit_s", "kmeans4"), ("vit_s", "kmeans3")}


@dataclass(frozen=True)
class Entry:
    """A format with a size of groups: bits a weight, and a ratio in dB."""

    weight: str
    block_size: int | None
    bits: float
    sqnr: float


def main() -> None:
    found = {name: rows for name in NETWORKS if (rows := rows_of(name))}
    outputs = {name: [entry_of(row) for row in whole_sizes(rows)] for name, rows in found.items()}
    weights = {name: entries_of_weights(name) for name in NETWORKS}
    parts = [
        HEAD,
        FRONTS,
        OF_OUTPUTS,
        measured(found),
        *fronts(outputs),
        OF_WEIGHTS,
        *fronts(weights),
        ACCURACY,
        table_of_fewest(found),
    ]
    for name, rows in found.items():
        parts += [f"## {NETWORKS[name]}", described(rows), table(rows)]
    commands = [command for name in found for command in read_accuracies(RESULTS / name / NAMES[0])[1]]
    commands += [json.loads((RESULTS / name / "weights.json").read_text())["command"] for name in NETWORKS]
    write_whole(PAGE, "\n\n".join([*parts, "## Commands", "```\n" + "\n".join(commands) + "\n```"]) + "\n")


def rows_of(network: str) -> list[WeightAccuracy]:
    path = RESULTS / network / NAMES[0]
    return read_accuracies(path)[0] if path.exists() else []


def whole_sizes(rows: list[WeightAccuracy]) -> list[WeightAccuracy]:
    """Without groups of which some formats are still to be measured, whose place others would seem to have."""
    count = Counter(row.block_size for row in rows)
    return [row for row in rows if count[row.block_size] == max(count.values())]


def entry_of(row: WeightAccuracy) -> Entry:
    return Entry(row.weight, row.block_size, row.bits, row.metrics["sqnr"])


def entries_of_weights(network: str) -> list[Entry]:
    """Of formats of three and four bits; ``weights.json`` has some of one and two."""
    rows = json.loads((RESULTS / network / "weights.json").read_text())["rows"]
    entries = [Entry(*(row[name] for name in ("weight", "block_size", "bits", "sqnr"))) for row in rows]
    wide = {name for name in formats(entries) if stored_bits(parse_operand(name), 0)[0] >= 3}
    return [entry for entry in entries if entry.weight in wide and (network, entry.weight) not in FLATTERED]


def formats(rows: Iterable[WeightAccuracy | Entry]) -> list[str]:
    return [*dict.fromkeys(row.weight for row in rows)]


def group(size: int | None) -> str:
    return "channel" if size is None else str(size)


def measured(found: dict[str, list[WeightAccuracy]]) -> str:
    """How many pairs of a format and a size of groups each network has."""
    every = len(formats(row for rows in found.values() for row in rows)) * len(SIZES)
    if all(len(found.get(name, [])) == every for name in NETWORKS):
        return f"All {every} pairs of a format and a size of groups are measured, of all {len(NETWORKS)} networks."
    counts = ", ".join(f"{len(found.get(name, []))} of {title}" for name, title in NETWORKS.items())
    return fill(
        f"Of {every} pairs of a format and a size of groups, there are {counts}. Groups of which not all formats of a "
        "network are there are left out.",
        width=120,
    )


def fronts(found: dict[str, list[Entry]]) -> Iterator[str]:
    """A table of all formats, and sentences on those that are on many fronts, and on none."""
    of = {name: pareto(entries, lambda entry: entry.bits, lambda entry: entry.sqnr) for name, entries in found.items()}
    names = formats(entry for entries in found.values() for entry in entries)
    below = {(name, at): distance(name, found[at], of[at]) for name in names for at in found}
    least = {name: [each for at in found if (each := below[name, at]) is not None] for name in names}
    lines = []
    for name in sorted(names, key=lambda name: -least[name].count(0)):
        cells = [place(name, of[at], below[name, at]) for at in found]
        lines.append([f"`{name}`", *cells])
    yield as_table(["weight", *(NETWORKS[name] for name in found)], lines)
    yield f"Never on the front: {listed(name for name in names if min(least[name]) > 0)}."
    yield f"Never within a dB of it: {listed(name for name in names if min(least[name]) > 1)}."


def distance(weight: str, entries: list[Entry], front: list[Entry]) -> float | None:
    """By how many dB a format is below the front, with the best of its groups; None where it was not measured."""
    own = [entry for entry in entries if entry.weight == weight]
    return min((max(o.sqnr for o in front if o.bits <= entry.bits) - entry.sqnr for entry in own), default=None)


def place(weight: str, front: list[Entry], below: float | None) -> str:
    """With which groups a format is on the front, or how far below; empty for one that was not measured."""
    sizes = {entry.block_size for entry in front if entry.weight == weight}
    if below is None or sizes:
        return ", ".join(group(size) for size in SIZES if size in sizes)
    return f"-{max(below, 0.05):.1f}" if below else "as good"


def listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def table_of_fewest(found: dict[str, list[WeightAccuracy]]) -> str:
    lines = []
    for name, rows in found.items():
        metric = next(iter(rows[0].metrics))
        good = [row for row in rows if row.metrics[metric] >= row.float32[metric] - row.standard_errors[metric]]
        for row in sorted(good, key=lambda row: row.bits)[:3]:
            shown = f"{100 * row.metrics[metric]:.1f} ± {100 * row.standard_errors[metric]:.1f}"
            cells = (f"`{row.weight}`", group(row.block_size), f"{row.bits:.2f}", f"{100 * row.float32[metric]:.1f}")
            lines.append([f"{NETWORKS[name]}, {metric}", *cells[:3], shown, cells[3]])
    return as_table(["network", "weight", "groups", "bits", "%", "float32"], lines)


def described(rows: list[WeightAccuracy]) -> str:
    """How many samples, what float32 has, and how large standard errors are."""
    first = rows[0]
    names = [name for name in first.metrics if name != "sqnr"]
    parts = []
    for name in names:
        errors = [row.standard_errors[name] for row in rows]
        parts.append(
            f"{name} {100 * first.float32[name]:.1f} in float32, with standard errors up to {100 * max(errors):.1f}"
        )
    error = max(row.standard_errors["sqnr"] for row in rows)
    return fill(
        f"{first.samples} samples: {'; '.join(parts)}. Standard errors of SQNR are up to {error:.1f} dB. Each entry "
        f"has {names[0]} in %, and the output's SQNR in dB; bits are those of groups of 64.",
        width=120,
    )


def table(rows: list[WeightAccuracy]) -> str:
    known = {(row.weight, row.block_size): row for row in rows}
    metric = next(iter(rows[0].metrics))
    names = sorted(formats(rows), key=lambda name: -best(known, name))
    lines = []
    for name in names:
        cells = [
            f"{100 * row.metrics[metric]:.1f}, {row.metrics['sqnr']:.1f}" if (row := known.get((name, size))) else ""
            for size in SIZES
        ]
        middle = known.get((name, 64))
        lines.append([f"`{name}`", f"{middle.bits:.2f}" if middle else "", *cells])
    return as_table(["weight", "bits", *map(group, SIZES)], lines)


def best(known: dict[tuple[str, int | None], WeightAccuracy], name: str) -> float:
    """The SQNR in groups of 64, by which formats are in order."""
    row = known.get((name, 64)) or next(row for (other, _), row in known.items() if other == name)
    return row.metrics["sqnr"]


if __name__ == "__main__":
    main()
