"""The largest array that fits a board's FPGA beside the link is predicted from small ones, then placed and routed."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from ...formats import DATAFLOWS, Engine
from ...synth.cache import Cache
from ...synth.fit_runner import HEADROOM
from ...synth.fit_search import (
    LANES,
    PROBES,
    Attempt,
    Model,
    NothingFits,
    Prediction,
    Shape,
    cheapest_shapes,
    climb,
    has_probes,
    middle,
    most_products,
    possible_shapes,
    search,
)
from ...synth.tools import ToolError
from ..gateware.pll import Settings
from ..targets.board import Board
from .bitstream_request import Request
from .route import BoardRouter

__all__ = ["default_max_k", "default_tile_m", "largest", "ram_bits"]

STEP = 1.05
"""Factor by which one candidate has more products than the one before, at least."""

PANEL_SHARE = 0.4
"""The share of the block RAM that the two halves of A's panel may take, unless the caller says otherwise."""


def default_max_k(board: Board) -> int:
    """The largest k of an engine on that board, unless the user says otherwise."""
    return 256 if ram_bits(board) < 500_000 else 1024


def default_tile_m(board: Board, activation_bits: int, rows: int, max_k: int) -> int:
    """Rows of A in a panel: the multiple of ``rows`` up to 64 that ``PANEL_SHARE`` of the block RAM just holds.

    With each row more, every value of W that the link brings is used once more.
    """
    held = int(PANEL_SHARE * ram_bits(board)) // (2 * max_k * activation_bits)
    return rows * max(1, min(held, 64) // rows)


def ram_bits(board: Board) -> int:
    """Bits of all block RAMs together."""
    capacity, ram = board.part.target.device.capacity, board.part.target.family.ram
    assert capacity is not None and ram is not None
    return capacity.brams * ram.bits


def with_shape(request: Request, shape: Shape) -> Request:
    """The request with another array, and with a panel that suits it. Raises ValueError if there is no such engine."""
    return replace(request, engine=_engine(request, shape))


def _engine(request: Request, shape: Shape) -> Engine:
    engine = request.engine
    tile_m = default_tile_m(request.board, engine.activation.width, shape.rows, engine.max_k)
    return replace(engine, rows=shape.rows, columns=shape.columns, lanes=shape.lanes, tile_m=tile_m)


def largest(
    request: Request,
    *,
    lanes: tuple[int, ...] = LANES,
    fill: float | None = None,
    seconds: float = 3600,
    cache_folder: Path | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> tuple[Request, list[Attempt]]:
    """Find the largest array that can be placed and routed. Returns the request for it, and what was tried.

    For a number of lanes, the arrays of ``PROBES`` (2 x 2, 2 x 4, 4 x 4) are synthesized with the link and packed.
    Their logic cells are fitted by a model, ``fixed + side * (rows + columns) + element * rows * columns``. A climb
    from the middle one of ``lanes`` ends where the model has no more products. The largest array that takes at most
    ``fill`` by the model is placed and routed at the part's first clock. Only the request's first seed is used, since
    an array that needs another seed is too tight for everyday use. If that array fails, smaller ones are tried until
    one succeeds; then larger ones are tried until two in a row fail.

    Parameters
    ----------
    request: what is wanted; its rows, columns, lanes and tile_m do not matter
    fill: the share of the device that the first attempt is predicted to take; None stands for the family's
    seconds: once something fits, nothing larger is tried after this time

    Raises NothingFits and ToolMissing. Raises ToolError if not even the small arrays can be synthesized. Raises
    ValueError for a ``fill`` that is no share, for ``seconds`` below 0, and for a board without open place and route.
    """
    if not seconds >= 0:
        raise ValueError(f"seconds must be 0 or more, not {seconds:g}")
    if fill is not None and not 0 < fill <= 1:
        raise ValueError(f"fill must be a share of the device, above 0 and up to 1, not {fill:g}")
    if not request.board.part.routed:
        raise ValueError(f"array must be named for {request.board.name}, not searched: it has no open place and route")
    ends = time.monotonic() + seconds
    with closing(Cache(cache_folder)) as store, tempfile.TemporaryDirectory(prefix="fewbit-") as folder:
        router = BoardRouter(request.board, request.flow, store, Path(folder), say, request.recipe)
        settings = request.settings(request.board.part.first_mhz * 1e6)
        router.choose_recipe(with_shape(request, Shape(*PROBES[0], min(lanes))).rtlil(settings))
        share = request.board.part.family.fill if fill is None else fill
        predictions: dict[int, Prediction] = {}
        fitting = False

        def worth(each: int) -> int:
            shapes = [*_shapes(request, each)]
            if not has_probes(shapes):
                return 0
            predictions[each] = prediction = _prediction(request, router, settings, each)
            most = most_products(shapes, prediction, share)
            told = prediction.told(lambda part: f"{part:.2%}")
            say(f"lanes {each}, in shares of the logic cells: {told}; {most} products at most")
            return most

        climb(lanes, middle(lanes), worth)

        def attempt(shape: Shape) -> Attempt:
            nonlocal fitting
            if fitting and time.monotonic() > ends:
                return Attempt(shape, "out of time", HEADROOM)
            found = _attempt(with_shape(request, shape), router, settings)
            fitting = fitting or found.fits
            say(str(found))
            return found

        candidates, start = _candidates(request, predictions, share)
        best, attempts = search(candidates, start, attempt)
        return replace(with_shape(request, best.shape), recipe=router.recipe), attempts


def _shapes(request: Request, lanes: int) -> Iterator[Shape]:
    """All shapes that the engine can have, that are not too oblong, and whose memories the board has."""
    return possible_shapes(lanes, DATAFLOWS[0], partial(_engine, request), request.board.part.target)


def _prediction(request: Request, router: BoardRouter, settings: Settings, lanes: int) -> Prediction:
    plain = replace(request, dsp="none")
    in_logic = replace(router, flow=plain.flow)
    packed = [in_logic.packed(with_shape(plain, Shape(*sides, lanes)).rtlil(settings)) for sides in PROBES]
    model = Model.of([each.logic for each in packed])
    if request.dsp == "none":
        return Prediction(model)
    probe = with_shape(request, Shape(*PROBES[0], lanes))
    elements = probe.design.dsp_elements
    if not elements:
        return Prediction(model)
    mixed = router.packed(probe.rtlil(settings))
    saved = (packed[0].logic - mixed.logic) / elements
    return Prediction(model, max(0.0, saved), probe.most_dsp_elements if mixed.dsps else 0)


def _attempt(request: Request, router: BoardRouter, settings: Settings) -> Attempt:
    engine = request.engine
    shape, rtlil = Shape(engine.rows, engine.columns, engine.lanes), request.rtlil(settings)
    try:
        share = router.packed(rtlil).share
    except ToolError as error:
        return Attempt(shape, f"not built: {error}", HEADROOM)
    if share > 1:
        return Attempt(shape, "too large", share)
    try:
        routed = router.route(rtlil, float(settings.hz) / 1e6, request.seeds[0])
    except ToolError as error:
        return Attempt(shape, str(error), share)
    return Attempt(shape, "routed", share, routed.fmax_mhz)


def _candidates(request: Request, predictions: dict[int, Prediction], fill: float) -> tuple[list[Shape], int]:
    """The cheapest shape for each number of products, in ascending order, and the one to begin with."""
    cheapest = cheapest_shapes(
        ((prediction, _shapes(request, lanes)) for lanes, prediction in predictions.items()), HEADROOM
    )
    if not cheapest:
        raise NothingFits(f"array must be smaller than any on {request.board.name}: none is predicted to fit")
    chosen = cheapest[:1]
    for found in cheapest:
        if found[1].products >= STEP * chosen[-1][1].products:
            chosen.append(found)
    start = max((i for i, (predicted, _) in enumerate(chosen) if predicted <= fill), default=0)
    return [shape for _, shape in chosen], start
