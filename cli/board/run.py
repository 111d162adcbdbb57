"""``fewbit board run``: a product on a board, or images through a network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.attached import SIM, AttachedOptions, attached
from ..common.console import counted, print_json, progress
from ..common.engine_options import EngineOptions, takes_engine_on_a_board
from ..common.options import Json
from ..common.program_options import ProgramOptions
from .arrays import file_of, load_array, npy_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...boards.host.device import Device
    from ...formats import Engine

__all__ = ["run_product"]


@takes_engine_on_a_board()
def run_product(
    a: Annotated[
        Path,
        typer.Argument(metavar="A.npy", help="A, of shape (m, k), or images, of shape (n, height, width, channels)."),
    ],
    options: AttachedOptions,
    network: ProgramOptions,
    w: Annotated[
        Path | None, typer.Argument(metavar="W.npy", help="W, of shape (k, n); none with images.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE.npy", help="Where C goes.", show_default="C.npy, or answers.npy"),
    ] = None,
    parameters: Annotated[
        Path | None,
        typer.Option(
            "--parameters",
            metavar="FILE.npz",
            help="Arrays named scale, tensor_scale, bias, zero_point, weight_zero_point, activation_scale or "
            "weight_scale; scales as codes.",
            show_default="scales 1, the rest 0",
        ),
    ] = None,
    codes: Annotated[
        bool, typer.Option("--codes", help="A, W and C are codes, not values; of images the sums are written.")
    ] = False,
    rounded: Annotated[bool, typer.Option("--rounded", help="Round A and W to their formats.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Compare all with the golden model, bit for bit.")] = False,
    json: Json = False,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  # frozen
) -> None:
    """Compute C = A W, or what a network makes of images, on a board, or on the simulated board where none is attached.

    Products may have any size: what the board does not hold at once is cut into tiles. If k is over the engine's max_k,
    the host adds up exact parts, and C is float64, or int64 for integers. Otherwise C is int32, float32 or float64,
    depending on the output. Values must be values of the board's formats, unless --rounded rounds them. The options of
    the engine are for the simulated board. The exit status is 1 if --check finds a difference.

    Without W, the first file has images: bytes, uint8, or numbers of the network's input, floats. --model, --program or
    --like say which network the board has; the answers are float32.
    """
    from ...boards.host.operands import check_operands
    from ...synth import write_bytes
    from ..common.files import check_folder

    network.check(engine)
    out = out or Path("answers.npy" if w is None else "C.npy")
    if out.is_dir():
        raise ValueError(f"out must be a file, not the folder {str(out)!r}")
    check_folder(out.parent)
    for read in filter(None, (a, w, parameters)):
        if out.exists() and read.exists() and out.samefile(read):
            raise ValueError(f"out must be another file than {read}, which is read")
    if w is None:
        for name, value in (("parameters", parameters), ("rounded", rounded or None)):
            if value is not None:
                raise ValueError(f"--{name} must be left out without W.npy: it is of products")
        _run_images(load_array(a), options, network, out, engine, codes=codes, check=check, json=json)
        return
    if network.given:
        raise ValueError(f"W.npy must be left out with a network, not {str(w)!r}")
    left, right, given = load_array(a), load_array(w), _load_parameters(parameters)
    if codes and rounded:
        raise ValueError("--rounded must be left out with --codes")

    def suit(engine: "Engine") -> None:
        check_operands(engine, left, right, codes=codes, rounded=rounded, **given)

    with attached(options, engine, check=suit) as device:
        with progress("Computing, bytes of C") as report:
            found = device.matmul(left, right, codes=codes, rounded=rounded, progress=report, **given)
        wrong = _differences(device, left, right, given, found, codes, rounded) if check else None
        write_bytes(out, npy_bytes(found))
        _tell(device, out, found, wrong, json)
    if wrong:
        raise typer.Exit(1)


def _run_images(
    images: "NDArray[Any]",
    options: AttachedOptions,
    network: ProgramOptions,
    out: Path,
    engine: EngineOptions,
    **how: bool,
) -> None:
    from ...boards.build.network_request import usual_dsp
    from ...boards.targets import board_names, find_board
    from .run_network import run_images

    if not network.given and options.like is None:
        raise ValueError("W.npy must be given, or a network by --model, --program or --like")
    program = None
    if network.given:
        found = find_board(options.board if options.board in board_names() else "icebreaker")
        program = network.fitting(engine, options.weight, options.activation, options.lanes, found, usual_dsp(found))
    run_images(images, options, program, out, **how)


def _load_parameters(path: Path | None) -> "dict[str, NDArray[Any]]":
    import numpy as np

    from ...boards.host.operands import PARAMETERS

    if path is None:
        return {}
    with file_of(path, "savez"):
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ValueError("it is one array without a name")
        with archive:
            found = {name: archive[name] for name in archive.files}
    for name in found:
        if name not in PARAMETERS:
            raise ValueError(f"parameters must be of {', '.join(PARAMETERS)}, not {name!r}")
    return found


def _differences(
    device: "Device",
    a: "NDArray[Any]",
    w: "NDArray[Any]",
    given: "dict[str, NDArray[Any]]",
    found: "np.ndarray[Any, Any]",
    codes: bool,
    rounded: bool,
) -> int:
    """How many values of C differ in any bit from those of the golden model."""
    import numpy as np

    expected = device.golden(a, w, codes=codes, rounded=rounded, **given).astype(found.dtype)
    bits = f"u{found.dtype.itemsize}"
    return int(np.count_nonzero(found.view(bits) != expected.view(bits)))


def _tell(device: "Device", out: Path, found: "NDArray[Any]", wrong: int | None, json: bool) -> None:
    statistics = device.statistics
    if json:
        print_json(
            {
                "board": device.description.board,
                "simulated": device.simulated is not None,
                "file": str(out),
                "shape": list(found.shape),
                "dtype": str(found.dtype),
                "sent": statistics.sent,
                "received": statistics.received,
                "cycles": statistics.cycles,
                "retries": dict(statistics.retries),
                "differences": wrong,
            }
        )
        return
    rows, columns = found.shape
    tried = sum(statistics.retries.values())
    again = f", {tried} tries anew ({', '.join(f'{n} {cause}' for cause, n in statistics.retries.items())})"
    board = device.description.board
    where = f"the simulated {board}" if device.simulated and board != SIM else board
    print(
        f"{out}: {rows} x {columns} {found.dtype} on {where}: {counted(statistics.products, 'product')}, "
        f"{statistics.cycles:,} cycles, {statistics.sent:,} bytes sent, {statistics.received:,} received"
        f"{again if tried else ''}"
    )
    if wrong is not None:
        verdict = f"{wrong} of {found.size} differ" if wrong else f"all {found.size} as the golden model has them"
        print(f"checked: {verdict}")
