"""A bitstream is built for the highest clock that meets timing with a margin, or not at all."""

import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ... import __version__
from ...places import write_bytes, write_whole
from ...synth.cache import Cache
from ...synth.tools import ToolError
from ..gateware.pll import Settings
from ..link.description import Description
from ..targets.board import Board
from .bitstream_request import BitstreamRequest
from .route import BoardRouter, Routed, TooLarge, tools_of

__all__ = ["Bitstream", "TimingNotMet", "build", "check_name"]

ROUNDS = 4
"""Most clocks that are tried."""

GAIN = 1.03
"""A clock is tried only if it is higher by this factor. Place and route of a large device takes minutes, and its result
varies by a few hundredths by chance."""


LONGEST_NAME = 200
"""Most bytes of a name. File systems take 255, of which some are needed before and behind it."""


class TimingNotMet(ToolError):
    """The wanted clock, or any clock that the board can make, does not meet timing with the margin."""


@dataclass(frozen=True)
class Bitstream:
    """A finished bitstream, or the netlist and the constraints if the board's FPGA has no open place and route.

    Parameters
    ----------
    board: the name of the board
    description: what the board will say of itself, with its clock
    files: the files that were written; the first is the one to program, and the last is its JSON
    utilization: how many of a resource are used, and how many there are, by nextpnr's name of it, or by yosys's if
        nothing was routed
    fmax_mhz: Fmax of the last place and route; None if there was none
    margin: the share of Fmax by which the clock had to stay below it
    recipe, seed: the recipe of synthesis and the seed of place and route that made it
    tools: the versions of the tools
    seconds: how long it took
    sha256: the hash of the file
    command: the command that asked for it
    hardware: how a network's hardware was made; empty for an engine, which the description describes
    """

    board: str
    description: Description
    files: tuple[Path, ...]
    utilization: dict[str, tuple[int, int]]
    fmax_mhz: float | None
    margin: float
    recipe: str
    seed: int | None
    tools: dict[str, str]
    seconds: float
    sha256: str
    command: str
    hardware: dict[str, Any] = field(default_factory=dict)

    @property
    def clock_mhz(self) -> float:
        return self.description.clock_hz / 1e6

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as the JSON file has them."""
        return {
            "board": self.board,
            "file": self.files[0].name,
            "sha256": self.sha256,
            "description": json.loads(self.description.text()),
            **({"hardware": self.hardware} if self.hardware else {}),
            "clock_mhz": self.clock_mhz,
            "fmax_mhz": self.fmax_mhz,
            "margin": self.margin,
            "utilization": {
                name: {"used": used, "available": there} for name, (used, there) in self.utilization.items()
            },
            "recipe": self.recipe,
            "seed": self.seed,
            "tools": self.tools,
            "fewbit_version": __version__,
            "seconds": round(self.seconds, 1),
            "command": self.command,
        }


def build(
    request: BitstreamRequest,
    out: Path,
    name: str | None = None,
    *,
    cache_folder: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
    command: str = "",
) -> Bitstream:
    """Build a bitstream, and write ``NAME.bin`` (``.bit``, ``.fs``) and ``NAME.json`` into ``out``.

    Both files are whole, or neither is written.

    The first place and route finds how fast the design can be. The clock is then set to the highest one of the PLL that
    leaves the margin. Everything is built again for that clock, because the serial line and the description depend on
    it. If timing is met with ``GAIN`` to spare, a higher clock is tried: the one that the last place and route reached,
    and if that fails one between the two.

    Parameters
    ----------
    name: the name of the files; ``BOARD_WEIGHT_ACTIVATION_ROWSxCOLUMNSxLANES`` for an engine unless given
    cache_folder: the folder of the cache of all that was built, see ``Cache``
    say: is called with a line for every step
    command: the command that asked for it

    Raises ValueError for a name that files cannot have; TooLarge, TimingNotMet, ToolMissing; and ToolError if a tool
    fails.
    """
    began = time.monotonic()
    check_name(name)
    tools = tools_of(request.board)
    request.check_room()
    name = request.name if name is None else name
    for suffix in (request.board.part.suffix, "json"):
        if (out / f"{name}.{suffix}").is_dir():
            raise ValueError(f"name must be that of files, and {out / name}.{suffix} is a folder")
    with closing(Cache(cache_folder)) as store, tempfile.TemporaryDirectory(prefix="fewbit-") as folder:
        router = BoardRouter(request.board, request.flow, store, Path(folder), say, request.recipe)
        made = _routed(request, router) if request.board.part.routed else _synthesized(request, router)
    found = Bitstream(
        board=request.board.name,
        description=request.description(round(made.settings.hz)),
        files=(out / f"{name}.{request.board.part.suffix}",),
        utilization=made.utilization,
        fmax_mhz=None if made.routed is None else round(made.routed.fmax_mhz, 2),
        margin=request.margin,
        recipe=router.recipe,
        seed=made.seed,
        tools=tools,
        seconds=time.monotonic() - began,
        sha256=hashlib.sha256(made.file).hexdigest(),
        command=command,
        hardware=request.hardware(),
    )
    _tell_overwritten(out / f"{name}.json", command, say)
    return _write(found, request, made.file, out / f"{name}.json")


def check_name(name: str | None) -> None:
    """Raise ValueError for a name that files cannot have. For None, ``build`` makes a name."""
    if name is None:
        return
    if not name.isprintable() or name in ("", ".", "..") or Path(name).name != name:
        raise ValueError(f"name must be that of a file, without a folder, not {name!r}")
    if len(name.encode()) > LONGEST_NAME:
        raise ValueError(f"name must be of at most {LONGEST_NAME} bytes, not {len(name.encode())}")


def _tell_overwritten(described: Path, command: str, say: Callable[[str], None]) -> None:
    """Say that another command's bitstream of that name is gone."""
    try:
        before = json.loads(described.read_text(encoding="utf-8"))["command"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    if before != command:
        say(f"note: {described} was of another command, `{before}`, and is overwritten; --name keeps both")


def _write(found: Bitstream, request: BitstreamRequest, file: bytes, described: Path) -> Bitstream:
    written = [*found.files]
    texts = _constraints(request.board) | request.beside()
    try:
        write_bytes(found.files[0], file)
        for suffix, text in texts.items():
            written.append(described.with_name(described.stem + suffix))
            write_whole(written[-1], text)
        found = replace(found, files=(*written, described))
        write_whole(described, json.dumps(found.to_dict(), indent=1) + "\n")
    except BaseException:
        for path in written:
            path.unlink(missing_ok=True)
        raise
    return found


def _constraints(board: Board) -> dict[str, str]:
    """The file of pins for the maker's tools, by its suffix, if the board's FPGA has no open place and route."""
    return {} if board.part.routed else {f".{board.part.family.constraints_suffix}": board.constraints}


@dataclass(frozen=True)
class _Made:
    settings: Settings
    file: bytes
    utilization: dict[str, tuple[int, int]]
    routed: Routed | None
    seed: int | None


@dataclass(frozen=True)
class _Attempt(_Made):
    """A place and route at one clock. ``reach`` is the highest clock, in Hz, that it leaves the margin for."""

    routed: Routed
    reach: float

    @property
    def met(self) -> bool:
        return self.settings.hz <= self.reach


def _synthesized(request: BitstreamRequest, router: BoardRouter) -> _Made:
    settings = request.settings(float("inf"))
    rtlil = request.rtlil(settings)
    netlist = router.netlist(rtlil)
    router.recipe = netlist.recipe
    return _Made(settings, router.edif(rtlil), router.sizes(netlist), None, None)


def _routed(request: BitstreamRequest, router: BoardRouter) -> _Made:
    """Place and route for the wanted clock, or for the highest that can be found if none is wanted."""
    settings = request.settings((request.mhz or request.board.part.first_mhz) * 1e6)
    router.choose_recipe(request.rtlil(settings))
    if request.mhz is None:
        return _highest(request, router, _best_seed(request, router, settings, all_seeds=False))
    made = _best_seed(request, router, settings, all_seeds=True)
    if not made.met:
        raise _timing_not_met(request, made)
    return made


def _highest(request: BitstreamRequest, router: BoardRouter, first: _Attempt) -> _Attempt:
    """Search for the highest clock that is met, as long as there is something to gain.

    Each clock is what the last place and route reached, or a lower one if that clock was not met. If no other clock is
    met, the result is the first attempt, provided that its clock was met.
    """
    found, limit, tried = first if first.met else None, first.reach, [first]
    for _ in range(ROUNDS - 1):
        try:
            settings = request.settings(limit)
        except ValueError:
            break
        if found and settings.hz < found.settings.hz * GAIN:
            break
        router.say(f"the clock is to be {float(settings.hz) / 1e6:.2f} MHz")
        made = _best_seed(request, router, settings, all_seeds=True)
        tried.append(made)
        if made.met:
            found, limit = made, made.reach
        else:
            limit = min(made.reach, float(settings.hz) / GAIN)
    if found is None:
        raise _timing_not_met(request, *tried)
    return found


def _timing_not_met(request: BitstreamRequest, *tried: _Attempt) -> TimingNotMet:
    return TimingNotMet(
        f"clock must be met with a margin of {request.margin:.0%}: {float(tried[-1].settings.hz) / 1e6:.2f} MHz was "
        f"asked for, and {max(made.routed.fmax_mhz for made in tried):.2f} MHz is the most that {request.board.name} "
        "makes of this array; a smaller array, more register stages (--pipeline) or another --seeds may help"
    )


def _best_seed(request: BitstreamRequest, router: BoardRouter, settings: Settings, *, all_seeds: bool) -> _Attempt:
    """The result of the first seed that meets the clock, or else of the fastest one.

    Without ``all_seeds`` it is the first that can be placed. Raises TooLarge if none can be placed.
    """
    rtlil, best, failure = request.rtlil(settings), None, ""
    for seed in request.seeds:
        try:
            routed = router.route(rtlil, float(settings.hz) / 1e6, seed)
        except TooLarge:
            raise
        except ToolError as error:
            failure = str(error)
            router.say(f"seed {seed}: {failure}")
            continue
        if best is None or routed.fmax_mhz > best.routed.fmax_mhz:
            reach = routed.fmax_mhz * 1e6 * (1 - request.margin)
            best = _Attempt(settings, routed.file, routed.used, routed, seed, reach)
        if best.met or not all_seeds:
            break
    if best is None:
        raise TooLarge(
            f"array must be smaller on {request.board.name}, none of the seeds can be placed: {failure}; "
            "--rows, --columns and --lanes name another, --largest searches"
        )
    return best
