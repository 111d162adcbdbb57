"""``fewbit board run``: a product on a board."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..common.attached import SIM, AttachedOptions, attached
from ..common.console import counted, print_json, progress
from ..common.engine_options import EngineOptions, takes_engine_on_a_board
from ..common.options import Json

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ...boards.host.device import Device
    from ...formats import Engine

__all__ = ["run_product"]


@takes_engine_on_a_board()
def run_product(
    a: Annotated[Path, typer.Argument(metavar="A.npy", help="A, of shape (m, k).")],
    w: Annotated[Path, typer.Argument(metavar="W.npy", help="W, of shape (k, n).")],
    options: AttachedOptions,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="C.npy", help="Where C goes.")] = Path("C.npy"),
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
    codes: Annotated[bool, typer.Option("--codes", help="A, W and C are codes, not values.")] = False,
    rounded: Annotated[bool, typer.Option("--rounded", help="Round A and W to their formats.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Compare C with the golden model, bit for bit.")] = False,
    json: Json = False,
    engine: EngineOptions = EngineOptions(),  # noqa: B008  # frozen
) -> None:
    """Compute C = A W on a board, or on the simulated board where none is attached.

    Products may have any size: what the board does not hold at once is cut into tiles. If k is over the engine's max_k,
    the host adds up exact parts, and C is float64, or int64 for integers. Otherwise C is int32, float32 or float64,
    depending on the output. Values must be values of the board's formats, unless --rounded rounds them. The options of
    the engine are for the simulated board. The exit status is 1 if --check finds a difference.
    """
    from ...boards.host.operands import check_operands
    from ...synth import write_bytes
    from ..common.files import check_folder

    if out.is_dir():
        raise ValueError(f"out must be a file, not the folder {str(out)!r}")
    check_folder(out.parent)
    for read in filter(None, (a, w, parameters)):
        if out.exists() and read.exists() and out.samefile(read):
            raise ValueError(f"out must be another file than {read}, which is read")
    left, right, given = _load(a), _load(w), _load_parameters(parameters)
    if codes and rounded:
        raise ValueError("--rounded must be left out with --codes")

    def suit(engine: "Engine") -> None:
        check_operands(engine, left, right, codes=codes, rounded=rounded, **given)

    with attached(options, engine, check=suit) as device:
        with progress("Computing, bytes of C") as report:
            found = device.matmul(left, right, codes=codes, rounded=rounded, progress=report, **given)
        wrong = _differences(device, left, right, given, found, codes, rounded) if check else None
        write_bytes(out, _npy(found))
        _tell(device, out, found, wrong, json)
    if wrong:
        raise typer.Exit(1)


@contextmanager
def _file_of(path: Path, function: str) -> Iterator[None]:
    """Turn what NumPy raises for a file that is damaged, or not NumPy's, into a ValueError. An OSError stays as it is.

    NumPy raises ValueError, EOFError and MemoryError, and what zipfile, zlib and the parser of headers raise.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        # NumPy's advice on objects is none for numbers
        why = "it holds no array of numbers" if "pickle" in str(error) else error
        raise ValueError(f"{path} must be a file of numpy.{function}: {why}") from None


def _load(path: Path) -> "NDArray[Any]":
    import numpy as np

    with _file_of(path, "save"):
        found = np.load(path, allow_pickle=False)
    if not isinstance(found, np.ndarray):
        raise ValueError(f"{path} must be an array, as numpy.save writes it, not an archive")
    return found


def _load_parameters(path: Path | None) -> "dict[str, NDArray[Any]]":
    import numpy as np

    from ...boards.host.operands import PARAMETERS

    if path is None:
        return {}
    with _file_of(path, "savez"):
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ValueError("it is one array without a name")
        with archive:
            found = {name: archive[name] for name in archive.files}
    for name in found:
        if name not in PARAMETERS:
            raise ValueError(f"parameters must be of {', '.join(PARAMETERS)}, not {name!r}")
    return found


def _npy(array: "NDArray[Any]") -> bytes:
    import numpy as np

    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


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
