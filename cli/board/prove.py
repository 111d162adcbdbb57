"""``fewbit prove``: what is in a finished bitstream multiplies."""

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.console import print_json, say
from ..common.engine_options import EngineOptions, takes_engine_on_a_board
from ..common.options import Build, Json, OneActivation, Out, Weight, command_line, parse_integers, parse_sizes
from .build import SHOWN, Baud, BoardName, Dsp, Lanes, Margin, Mhz, Pll, Recipe, Seeds, Stages, request_for

if TYPE_CHECKING:
    from ...boards.proof.bitstream_proof import Proof

__all__ = ["prove"]

NAME = "board_proofs"

KEY = ("board", "weight", "activation", "rows", "columns", "lanes", "dsps")
"""Of two proofs that are alike in these, the later one stays."""


@takes_engine_on_a_board(**SHOWN)
def prove(
    context: typer.Context,
    board: BoardName,
    weight: Weight = None,
    activation: OneActivation = None,
    lanes: Lanes = None,
    dsp: Dsp = None,
    pipeline: Stages = 2,
    build: Build = "auto",
    mhz: Mhz = None,
    margin: Margin = 0.05,
    baud: Baud = None,
    pll: Pll = True,
    seeds: Seeds = "1,2,3",
    recipe: Recipe = "auto",
    sizes: Annotated[
        str | None,
        typer.Option("--sizes", help="Of the products, m x k x n.", show_default="1x1x1,3x5x7,9x17x6,4x33x11"),
    ] = None,
    random_seed: Annotated[int, typer.Option("--random-seed", min=0, help="Of the random products.")] = 1,
    results: Annotated[
        Path | None,
        typer.Option("--results", help=f"Folder whose {NAME}.json gets the proof.", show_default="none"),
    ] = None,
    out: Out = Path("out"),
    json: Json = False,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  # frozen
) -> None:
    """Prove a bitstream: build it, make a netlist of the finished file, simulate that, compare its products.

    Takes the options of `fewbit bitstream` that say what is in the file, and what that built is not built again.
    The netlist is simulated at the FPGA's pins with the host's own driver, and every bit is compared with the golden
    model. It is made out of the file by icebox_vlog where that is installed (iCE40 without DSPs), else written by a
    place and route that must give the same file.
    """
    from ...boards.build.bitstream import build as build_bitstream
    from ...boards.build.route import tools_of
    from ...boards.proof.bitstream_proof import SIZES, check_provable
    from ...boards.proof.bitstream_proof import prove as prove_bitstream
    from ..common.files import check_folder
    from ..common.first_start import prepare

    chosen = SIZES if sizes is None else tuple((size.m, size.k, size.n) for size in parse_sizes(sizes))
    if any(0 in size for size in chosen):
        raise ValueError(f"sizes must be m x k x n, none of it 0, not {sizes!r}")
    request = request_for(
        *(board, weight, activation, engine, lanes, dsp),
        pipeline=pipeline,
        build=build,
        mhz=mhz,
        margin=margin,
        baud=baud,
        pll=pll,
        seeds=parse_integers("seeds", seeds),
        recipe=recipe,
    )
    check_provable(request.board)
    check_folder(out)
    if results is not None:
        check_folder(results)
        _read(results / f"{NAME}.json")  # what cannot be added to is told now
    prepare(*(tool for tool in tools_of(request.board) if tool.startswith("yowasp-")))
    command = command_line(context)
    made = build_bitstream(request, out, say=say, command=command)
    proof = prove_bitstream(request, made, chosen, seed=random_seed, say=say)
    if results is not None:
        _keep(proof.to_dict(command), results)
    if json:
        print_json(proof.to_dict(command))
    else:
        _show(proof)
        if results is not None:
            print(f"written: {results / NAME}.json")


def _read(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    try:
        rows: list[dict[str, Any]] = json_module.loads(path.read_text())["rows"]
        for row in rows:
            _key(row)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} must be what fewbit prove wrote: {error}") from None
    return rows


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(row[name] for name in KEY)


def _keep(row: dict[str, Any], results: Path) -> None:
    """Add it to those that are in the file by now, whoever wrote them."""
    from ...places import alone
    from ...synth import write_whole

    path = results / f"{NAME}.json"
    with alone(results):
        rows = [*(each for each in _read(path) if _key(each) != _key(row)), row]
        write_whole(path, json_module.dumps({"rows": rows}, indent=1) + "\n")


def _show(proof: "Proof") -> None:
    array = f"{proof.rows} x {proof.columns} x {proof.lanes}"
    print(
        f"{proof.file}: {proof.weight} x {proof.activation}, {array}, {proof.dsps} DSPs, {proof.clock_hz / 1e6:g} MHz"
    )
    print(f"  netlist: {proof.cells} cells, {proof.netlist}")
    products = ", ".join("x".join(map(str, size)) for size in proof.products)
    print(f"  proven: {proof.values} values of products of {products} as by the golden model, in {proof.seconds:.0f} s")
