"""``fewbit board prove``: what is in a finished bitstream computes as the golden model does."""

import json as json_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.command import command_line
from ..common.console import print_json, say
from ..common.designs import parse_sizes
from ..common.engine_options import EngineOptions, takes_engine_on_a_board
from ..common.options import Json, Out, Seed
from ..common.options import size as size_option
from ..common.program_options import ProgramOptions
from .bitstream_options import SHOWN, BitstreamOptions

if TYPE_CHECKING:
    from ...boards.proof.bitstream_proof import Proof

__all__ = ["prove"]

NAME = "board_proofs"

KEY = ("board", "weight", "activation", "rows", "columns", "lanes", "dsps")
"""If two proofs are alike in these fields, and of the same network or of none, the later one is kept."""


@takes_engine_on_a_board(**SHOWN)
def prove(
    context: typer.Context,
    options: BitstreamOptions,
    network: ProgramOptions,
    images: Annotated[
        int | None, typer.Option("--images", min=1, help="With --model: how many random images.", show_default="2")
    ] = None,
    size: Annotated[
        str | None,
        size_option("Sizes of the products, with commas between.", shown="1x1x1,3x5x7,9x17x6,4x33x11"),
    ] = None,
    seed: Seed = 1,
    results: Annotated[
        Path | None,
        typer.Option("--results", help=f"Folder whose {NAME}.json gets the proof.", show_default="none"),
    ] = None,
    out: Out = Path("out"),
    json: Json = False,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  # frozen
) -> None:
    """Prove a bitstream: build it, make a netlist of the finished file, simulate that, compare its products, or with
    --model its answers.

    It takes the options of `fewbit board build` that say what is in the file. What that command has built is not built
    again. The netlist is simulated at the FPGA's pins with the host's own driver, and every bit is compared with the
    golden model. icebox_vlog makes the netlist from the file if it is installed (iCE40 without DSPs and large RAM).
    Otherwise a place and route writes it, which must give the same file.
    """
    from ...boards.build.bitstream import build as build_bitstream
    from ...boards.build.route import tools_of
    from ...boards.proof.bitstream_proof import IMAGES, SIZES, check_provable
    from ...boards.proof.bitstream_proof import prove as prove_bitstream
    from ..common.files import check_folder
    from ..common.first_start import prepare

    chosen = SIZES if size is None else tuple((each.m, each.k, each.n) for each in parse_sizes(size))
    for option, value, wanted in (("--images", images, network.given), ("--size", size, not network.given)):
        if value is not None and not wanted:
            raise ValueError(f"{option} must be left out {'without' if option == '--images' else 'with'} a network")
    request = options.request(engine, network)
    check_provable(request.board)
    check_folder(out)
    if results is not None:
        check_folder(results)
        _read(results / f"{NAME}.json")  # what cannot be added to is told now
    prepare(*(tool for tool in tools_of(request.board) if tool.startswith("yowasp-")))
    command = command_line(context)
    made = build_bitstream(request, out, say=say, command=command)
    proof = prove_bitstream(request, made, chosen, images=images or IMAGES, seed=seed, say=say)
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
        raise ValueError(f"{path} must be what fewbit board prove wrote: {error}") from None
    return rows


def _key(row: dict[str, Any]) -> tuple[Any, ...]:
    return (*(row[name] for name in KEY), row.get("network", ""))


def _keep(row: dict[str, Any], results: Path) -> None:
    """Add a proof to those in the file, whoever wrote them."""
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
    what = (
        f"values of products of {products}" if proof.products else f"sums of {proof.images} images of {proof.network}"
    )
    print(f"  proven: {proof.values} {what} as by the golden model, in {proof.seconds:.0f} s")
