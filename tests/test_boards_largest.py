"""The search for the largest array, with figures in the place of the tools'."""

import pytest
from fewbit.boards.build.bitstream_request import Request
from fewbit.boards.build.largest import largest
from fewbit.boards.build.route import BoardRouter, Packed, Routed
from fewbit.boards.targets import find_board
from fewbit.formats import Engine, Requantization, parse
from fewbit.synth.fit_search import NothingFits
from fewbit.synth.tools import ToolError

INT4 = parse("int4")
ENGINE = Engine(INT4, INT4, Requantization(parse("float32")), rows=1, columns=1, tile_m=1, max_k=32)


@pytest.fixture
def device(monkeypatch, tmp_path):
    """A device whose logic an array takes by a formula, and that is routed up to a share of it."""
    routed = []

    def put(most, share):
        def logic(shape):
            rows, columns, lanes, dsp = shape
            return share(rows, columns, lanes) - 0.01 * min(8 // lanes, rows * columns) * (dsp == "auto")

        def route(router, shape, mhz, seed):
            routed.append(shape[:3])
            if logic(shape) > most:
                raise ToolError("no place")
            return Routed(30.0, {}, b"")

        def packed(router, shape):
            return Packed(logic(shape), 0.5, min(8, 8 * (shape[3] == "auto")))

        def stand_for(request, settings):
            engine = request.engine
            return (engine.rows, engine.columns, engine.lanes, request.dsp)

        monkeypatch.setattr(BoardRouter, "route", route)
        monkeypatch.setattr(BoardRouter, "packed", packed)
        monkeypatch.setattr(Request, "rtlil", stand_for)
        return routed

    return put


def search(tmp_path, dsp="none", lanes=(1,), **options):
    request = Request(find_board("icebreaker"), ENGINE, dsp=dsp, recipe="abc9", seeds=(1,))
    found, attempts = largest(request, lanes=lanes, cache_folder=tmp_path, **options)
    engine = found.engine
    return (engine.rows, engine.columns, engine.lanes), attempts, found


def test_prediction_is_right_at_once_where_the_model_is(device, tmp_path):
    routed = device(0.99, lambda rows, columns, lanes: 0.3 + 0.02 * (rows + columns) + 0.03 * rows * columns)
    shape, attempts, found = search(tmp_path, fill=0.86)
    # 3 x 4: 0.80; 4 x 4: 0.94; 3 x 5: 0.91; 4 x 5 would be 1.08
    assert routed[0] == (3, 4, 1)
    assert shape == (4, 4, 1)
    assert attempts[0].share == pytest.approx(0.80)
    assert found.engine.tile_m % 4 == 0 and found.engine.max_k == 32


def test_predictions_are_told_in_words(device, tmp_path):
    device(0.6, lambda rows, columns, lanes: 0.3 + 0.02 * (rows + columns) + 0.03 * rows * columns)
    told = []
    search(tmp_path, seconds=0, say=told.append)
    assert told[0] == (
        "lanes 1, in shares of the logic cells: an element is predicted to take 3.00%, a row or column 2.00%, "
        "all else 30.00%; 15 products at most"
    )


def test_goes_down_until_one_is_placed(device, tmp_path):
    device(0.6, lambda rows, columns, lanes: 0.3 + 0.02 * (rows + columns) + 0.03 * rows * columns)
    shape, attempts, _ = search(tmp_path)
    assert shape in ((2, 3, 1), (3, 2, 1)) and not attempts[0].fits


def test_lanes_and_multipliers_are_counted(device, tmp_path):
    def share(rows, columns, lanes):
        return 0.3 + 0.02 * (rows + columns) + 0.03 * rows * columns * (1 + 0.6 * (lanes - 1))

    device(0.99, share)
    assert search(tmp_path, lanes=(1, 2))[0] == (3, 3, 2)
    assert search(tmp_path / "other", dsp="auto")[0] == (3, 6, 1)


def test_without_time_the_first_that_fits_is_taken(device, tmp_path):
    device(0.99, lambda rows, columns, lanes: 0.3 + 0.02 * (rows + columns) + 0.03 * rows * columns)
    shape, attempts, _ = search(tmp_path, seconds=0, fill=0.86)
    assert shape == (3, 4, 1) and attempts[-1].outcome == "out of time"


def test_the_search_begins_where_it_is_told(device, tmp_path):
    device(0.99, lambda rows, columns, lanes: 0.3 + 0.02 * (rows + columns) + 0.03 * rows * columns)
    # by default at 93% of an iCE40
    assert search(tmp_path, seconds=0)[0] == (3, 5, 1)
    assert search(tmp_path, seconds=0, fill=0.5)[0] == (2, 2, 1)
    for fill in (0, 1.1):
        with pytest.raises(ValueError, match="fill must be a share of the device, above 0 and up to 1"):
            search(tmp_path, fill=fill)


def test_a_search_that_cannot_be_is_refused(device, tmp_path):
    routed = device(0.99, lambda rows, columns, lanes: 0.5)
    with pytest.raises(ValueError, match="seconds must be 0 or more, not -1"):
        search(tmp_path, seconds=-1)
    with pytest.raises(ValueError, match="array must be named for arty_a7, not searched: it has no open place and r"):
        largest(Request(find_board("arty_a7"), ENGINE, recipe="abc9"), cache_folder=tmp_path)
    assert not routed


def test_one_seed_alone_is_tried(device, tmp_path):
    routed = device(0.6, lambda rows, columns, lanes: 0.3 + 0.02 * (rows + columns) + 0.03 * rows * columns)
    request = Request(find_board("icebreaker"), ENGINE, recipe="abc9", seeds=(1, 2, 3))
    largest(request, lanes=(1,), cache_folder=tmp_path)
    assert len(routed) == len(set(routed))


def test_what_was_placed_is_built_by_the_same_recipe(device, tmp_path, monkeypatch):
    device(0.99, lambda rows, columns, lanes: 0.3 + 0.02 * (rows + columns) + 0.03 * rows * columns)
    monkeypatch.setattr(BoardRouter, "choose_recipe", lambda router, rtlil: setattr(router, "recipe", "abc9-flow3"))
    found, _ = largest(Request(find_board("icebreaker"), ENGINE), lanes=(1,), cache_folder=tmp_path)
    assert found.recipe == "abc9-flow3"


def test_nothing_fits_is_an_error(device, tmp_path):
    device(0.1, lambda rows, columns, lanes: 0.3 + 0.02 * (rows + columns) + 0.03 * rows * columns)
    with pytest.raises(NothingFits, match="no array fits"):
        search(tmp_path)
