"""The survey finds, for each board and pair of formats, the largest array, its clock, and products a second."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..formats import Engine, Format, Requantization, parse
from ..hdl import priced_unit
from ..sim.codes import random_codes
from ..synth.fit_search import LANES, Shape
from ..synth.sweep import sweep
from .build.bitstream import Bitstream
from .build.bitstream import build as build_bitstream
from .build.bitstream_request import Request
from .build.largest import default_max_k, largest, with_shape
from .host.challenge import Challenge, compute
from .host.device import Device
from .host.simulated import Simulated
from .host.transport import Port
from .targets.board import BITS_A_BYTE, Board

__all__ = ["PAIRS", "SurveyRow", "check_board", "survey"]

PAIRS = (("int8", "int8"), ("e4m3", "e4m3"), ("e2m1", "int4"), ("e2m1", "e2m1"))
"""The pairs of weight and activation that are built unless the caller names others."""

LIMITS = {"array": "array", "sent": "link to the board", "received": "link from the board"}
SURE = 0.8

TIMEOUT, PATIENCE = 300.0, 200.0
"""A large array is simulated hundreds of times slower than its clock. If the host asked it meanwhile whether it is
alive, that would be measured too."""

TRIES, ASKED = 3, 0.01
"""A product is measured again, up to so many times, if more than this share of the bytes sent asked whether the board
is alive. It answers as slowly as this machine simulates it."""

Size = tuple[int, int, int]
Say = Callable[[str], None]


@dataclass(frozen=True)
class SurveyRow:
    """One engine on one board.

    Parameters
    ----------
    board, device, weight, activation, output: their names
    rows, columns, lanes, dsp_policy: the shape of the array, and how it uses DSPs
    pipeline, build: its register stages, and how its products are built
    tile_m, max_k: the panels of the engine
    used, available: how many of each resource are used, with the link, and how many there are, by nextpnr's name of it
    fmax_mhz, clock_mhz: Fmax by place and route, and the clock that the PLL was set to
    baud: bits a second of the link
    peak: products a second if every element made one in every cycle
    size: m, k, n of the product that was measured
    measured: products a second of that in the simulated board, from the first byte to the last
    busy: the shares of that time that the array at its peak, the line to the board, and the line from it would need
    bound: which of these takes most of that time
    single_mac_mhz: Fmax of one MAC of these formats alone on this device, as the median of three seeds. It is also the
        MAC's millions of products a second. None if single units are not routed for the family
    recipe, seed, sha256, tools, fewbit_version: how the bitstream was made
    """

    board: str
    device: str
    weight: str
    activation: str
    output: str
    rows: int
    columns: int
    lanes: int
    dsp_policy: str
    pipeline: int
    build: str
    tile_m: int
    max_k: int
    used: dict[str, int]
    available: dict[str, int]
    fmax_mhz: float
    clock_mhz: float
    baud: int
    peak: float
    size: Size
    measured: float
    busy: dict[str, float]
    bound: str
    single_mac_mhz: float | None
    recipe: str
    seed: int | None
    sha256: str
    tools: dict[str, str]
    fewbit_version: str

    @property
    def array(self) -> str:
        return f"{self.rows} x {self.columns} x {self.lanes}"

    @property
    def times_single(self) -> float | None:
        """How many single MACs would make as many products a second as the peak."""
        return None if self.single_mac_mhz is None else self.peak / (self.single_mac_mhz * 1e6)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"size": list(self.size)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SurveyRow":
        """The row with these values. Raises ValueError if they are not those of a row."""
        try:
            return cls(**(values | {"size": tuple(values["size"])}))
        except (TypeError, KeyError) as error:
            raise ValueError(f"a row must have the fields of a {cls.__name__}: {error}") from None


def survey(
    board: Board,
    weight: Format,
    activation: Format,
    *,
    size: Size,
    search: bool = False,
    lanes: tuple[int, ...] | None = None,
    pipeline: int | None = None,
    build: str | None = None,
    seconds: float = 3600,
    fill: float | None = None,
    out: Path,
    cache_folder: Path | None = None,
    say: Say = lambda text: None,
) -> SurveyRow:
    """Build the largest array of a pair for a board, and measure the same design on the simulated board.

    Parameters
    ----------
    size: m, k, n of the product that is measured
    search: whether to search for the largest array even if one is known
    lanes, pipeline, build: of the arrays that are searched; all lanes, 2 and ``auto`` unless given
    seconds, fill: limits of that search, as in ``largest``
    out: the folder into which the bitstream is written

    Raises ValueError for a board that bitstreams cannot be built for, and where lanes, stages or a build are given for
    an array that is known; everything that ``build`` and ``largest`` raise,
    and RuntimeError if the simulated board multiplies wrongly.
    """
    check_board(board)
    request = _request(board, weight, activation)
    known = board.arrays.get((weight.name, activation.name))
    if known is None or search:
        stages = request.pipeline if pipeline is None else pipeline
        request = replace(request, pipeline=stages, build=build or request.build)
        request, _ = largest(
            request, lanes=lanes or LANES, seconds=seconds, fill=fill, cache_folder=cache_folder, say=say
        )
    elif lanes or build or pipeline is not None:
        pair = f"{weight} x {activation} on {board.name}"
        raise ValueError(f"lanes, pipeline and build must be left out without a search: the array of {pair} is known")
    else:
        how = replace(request, dsp=known.dsp, pipeline=known.pipeline, build=known.build)
        request = with_shape(how, Shape(*known[:3]))
    made = build_bitstream(request, out, cache_folder=cache_folder, say=say)
    return _row(made, request, size, cache_folder)


def check_board(board: Board) -> None:
    """Raise ValueError for a board that bitstreams cannot be built for."""
    if not board.part.routed:
        raise ValueError(f"board must be one with open place and route, not {board.name}: {board.part.name} has none")


def _request(board: Board, weight: Format, activation: Format) -> Request:
    engine = Engine(weight, activation, Requantization(parse("float32")), max_k=default_max_k(board))
    dsps = board.part.target.device.capacity.dsps if board.part.target.device.capacity else 0
    return Request(board, engine, dsp="auto" if dsps else "none")


def _row(made: Bitstream, request: Request, size: Size, cache_folder: Path | None) -> SurveyRow:
    engine, described = request.engine, made.description
    assert made.fmax_mhz is not None
    measured, busy = _measure(made, request, size)
    bound = max(busy, key=lambda name: busy[name])
    return SurveyRow(
        board=made.board,
        device=request.board.part.name,
        weight=engine.weight.name,
        activation=engine.activation.name,
        output=engine.requantization.output.name,
        **{name: getattr(engine, name) for name in ("rows", "columns", "lanes", "tile_m", "max_k")},
        dsp_policy=request.dsp,
        pipeline=request.pipeline,
        build=request.build,
        used={name: used for name, (used, _) in made.utilization.items()},
        available={name: there for name, (_, there) in made.utilization.items()},
        fmax_mhz=made.fmax_mhz,
        clock_mhz=round(made.clock_mhz, 4),
        baud=described.baud,
        peak=engine.products * described.clock_hz,
        size=size,
        measured=round(measured),
        busy={name: round(share, 4) for name, share in busy.items()},
        bound=LIMITS[bound] if busy[bound] >= SURE else f"{LIMITS[bound]} and what waits for it",
        single_mac_mhz=_single_mac_mhz(request, cache_folder),
        recipe=made.recipe,
        seed=made.seed,
        sha256=made.sha256,
        tools=made.tools,
        fewbit_version=__version__,
    )


def _measure(made: Bitstream, request: Request, size: Size) -> tuple[float, dict[str, float]]:
    """Measure a product of random codes on the simulated board: its products a second, and the shares of its time."""
    described, engine = made.description, request.engine
    m, k, n = size
    chance = np.random.default_rng(1)
    a, w = random_codes(engine.activation, chance, (m, k)), random_codes(engine.weight, chance, (k, n))
    with (
        Simulated(described, request.design) as simulated,
        Device(
            Port(simulated.port, described.baud), description=described, timeout=TIMEOUT, patience=PATIENCE
        ) as device,
    ):
        for _ in range(TRIES):
            before, sent, asked = simulated.figures(), device.statistics.sent, device.statistics.asked
            right, _ = compute(device, Challenge(a, w, {}))
            if not right:
                raise RuntimeError(
                    f"the simulated {made.board} multiplies {engine.weight} by {engine.activation} wrong"
                )
            passed = {name: after - before[name] for name, after in simulated.figures().items()}
            if device.statistics.asked - asked <= ASKED * (device.statistics.sent - sent):
                break
        else:
            raise RuntimeError(
                f"the simulated {made.board} is so slow on this machine that the host asks it again and again: "
                "its figures would not be those of a board"
            )
    seconds = passed["cycles"] / described.clock_hz
    byte = BITS_A_BYTE / described.baud
    return m * k * n / seconds, {
        "array": m * k * n * engine.arithmetic.interval / engine.products / passed["cycles"],
        "sent": passed["to_board"] * byte / seconds,
        "received": passed["from_board"] * byte / seconds,
    }


def _single_mac_mhz(request: Request, cache_folder: Path | None) -> float | None:
    """Fmax of a naive accelerator: one MAC of the same formats, for sums as long, on the same device without DSPs."""
    engine = request.engine
    design = priced_unit(engine.arithmetic, engine.max_k)
    (row,) = sweep([design], [request.board.part.target], cache_folder=cache_folder, jobs=1)
    return row.fmax_mhz
