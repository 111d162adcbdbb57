"""The report: the same bytes again, fronts as the Python has them, and a page that works in a browser by itself."""

import base64
import csv
import io
import json
import math
import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import pytest
from fewbit.study.choice.findings import Findings, read_findings
from fewbit.study.choice.pareto import AXES, KINDS, join, knee, of_kind, pareto, with_cost
from fewbit.study.measurement.points_file import write_points
from fewbit.study.prices.price_table import write_prices
from fewbit.study.report.charts import figure
from fewbit.study.report.data import rows, views
from fewbit.study.report.labels import framed, named
from fewbit.study.report.write import report_files

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
OF_MACS = [axis for axis in AXES if axis != "network_luts"]
COMMAND = "fewbit study report --results results/study --out out"
ALONE = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-pipe", "--hide-scrollbars"),
)


class Browser:
    """Chromium by its own protocol, over two pipes: no driver, no package."""

    def __init__(self, profile: Path):
        to_browser, self._commands = os.pipe()
        self._answers, from_browser = os.pipe()
        # the protocol is spoken on descriptors 3 and 4
        script = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        command = ["bash", "-c", script, CHROMIUM, *ALONE, f"--user-data-dir={profile}", "about:blank"]
        self._process = subprocess.Popen(
            command, pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_browser)
        os.close(from_browser)
        self._numbers, self._buffer, self._session = count(1), b"", None
        self.events: list[dict] = []
        page = next(t for t in self.send("Target.getTargets")["targetInfos"] if t["type"] == "page")
        attached = self.send("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        message |= {"sessionId": self._session} if self._session else {}
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _receive(self) -> dict:
        while b"\0" not in self._buffer:
            piece = os.read(self._answers, 1 << 20)
            assert piece, "the browser has gone"
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)

    def open(self, address: str, width: int, height: int) -> None:
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.send("Page.navigate", url="about:blank")
        self.send("Page.navigate", url=address)
        self.drawn(1)

    def drawn(self, times: int) -> None:
        """Wait until the page has drawn so often."""
        until = time.monotonic() + 60
        while True:
            seen, error = self.run("(d => [Number(d?.drawn || 0), d?.error])(document.documentElement?.dataset)")
            assert not error, error
            if seen >= times:
                return
            assert time.monotonic() < until, f"the page has drawn {seen} times, not {times}"
            time.sleep(0.05)

    def run(self, script: str):
        answer = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def picture(self, path: Path, whole: bool = False) -> None:
        answer = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(20)
        os.close(self._commands)
        os.close(self._answers)


@pytest.fixture(scope="module")
def files(made_up):
    """Findings and the report on them but for the pictures, which take a second each and come last."""
    return made_up, dict(islice(report_files(made_up, COMMAND), 3))


@pytest.fixture(scope="module")
def opened(files, tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no chromium on PATH; on Debian: apt-get install chromium")
    page = tmp_path_factory.mktemp("page") / "report.html"
    page.write_bytes(files[1]["report.html"])
    with tempfile.TemporaryDirectory(prefix="fewbit-chromium-", ignore_cleanup_errors=True) as profile:
        browser = Browser(Path(profile))
        yield browser, page.as_uri()
        browser.close()


def expected(findings: Findings, network: str, axis: str, target: str = "xc7", keep=lambda candidate: True) -> dict:
    """What a chart is to show, by ``front``: how many of which, and the pair at the knee."""
    view = next(view for view in views(findings) if view.name == network)
    priced = [c for c in with_cost(join(view.points, findings.prices, target), AXES[axis]) if keep(c)]

    def front(kind):
        return pareto(of_kind(priced, kind), AXES[axis].cost, lambda candidate: candidate.accuracy)

    turn = knee(front(None), AXES[axis].cost, lambda candidate: candidate.accuracy)
    kinds = {kind: len(front(kind)) for kind in KINDS if front(kind)}
    return {
        "points": len(priced),
        "front": len(front(None)),
        "kinds": kinds,
        "knee": f"knee: {turn.pair}" if turn else None,
    }


def scene_marks(node: dict, found: dict[str, list]) -> dict[str, list]:
    """The marks of a scene graph by name; a line with several groups has several."""
    for item in node.get("items", []):
        if isinstance(item, dict):
            if item.get("marktype") and item.get("name"):
                found.setdefault(item["name"], []).append(item.get("items", []))
            scene_marks(item, found)
    return found


def test_charts_find_the_fronts_and_knees_that_python_finds(made_up):
    import vl_convert

    for view in (view for view in views(made_up) if view.name == "vit"):
        picture = figure(rows(join(view.points, made_up.prices, "xc7")), "title", "subtitle").to_dict()
        next(each for each in picture["params"] if each["name"] == "least")["value"] = 0
        marks = scene_marks({"items": [vl_convert.vegalite_to_scenegraph(picture)["scenegraph"]]}, {})
        for number, axis in enumerate(OF_MACS):
            wanted = expected(made_up, view.name, axis)
            layer = {n: marks[f"concat_{number}_layer_0_layer_{n}_marks"] for n in (0, 1, 4)}
            assert len(layer[0][0]) == wanted["front"]
            assert sorted(len(line) for line in layer[1]) == sorted(wanted["kinds"].values())
            assert len(layer[4][0]) == wanted["points"]
            names = [item["text"] for item in marks[f"concat_{number}_layer_4_marks"][0]]
            assert (wanted["knee"] in names) == (wanted["knee"] is not None) and "float32" in names


@pytest.mark.parametrize("axis", OF_MACS)
@pytest.mark.parametrize("network", ["resnet8", "vit"])
def test_pictures_name_the_points_of_fronts_and_no_name_is_over_another(made_up, network, axis):
    view = next(view for view in views(made_up) if view.name == network)
    drawn = rows(join(view.points, made_up.prices, "xc7"))
    seen = [row for row in drawn if row[axis] is not None]
    frame = framed(seen, axis, 430, 400)
    names = named(drawn, seen, axis, frame)
    wanted = expected(made_up, network, axis)
    assert [name["text"] for name in names if name["kind"] is None] == [wanted["knee"], "float32"]
    assert len({(name["text"], name.get("to_cost")) for name in names}) == len(names) > wanted["front"]
    boxes = []
    for name in names:
        left, middle = frame.place(name["at"], name["value"])
        boxes.append((left, middle - 6, left + 5.9 * len(name["text"]), middle + 6))
    for place, (left, top, right, bottom) in enumerate(boxes):
        assert left >= 0 and top >= 0 and right <= 430.001 and bottom <= 400.001
        for other in boxes[:place]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] + 1e-6 or other[3] <= top + 1e-6
        for row in seen:
            x, y = frame.place(row[axis], row["accuracy"])
            assert not (left < x < right and top < y < bottom)


@pytest.mark.slow
def test_the_report_is_the_same_bytes_again(files):
    assert list(files[1]) == ["report.html", "study.csv", "study.parquet"]
    assert dict(islice(report_files(files[0], COMMAND), 3)) == files[1]


@pytest.mark.slow
def test_pictures_are_the_same_bytes_again(made_up):
    findings = Findings(
        [point for point in made_up.points if point.network == "vit"],
        [price for price in made_up.prices if price.dsp_policy == "none"],
    )
    told = []
    made = list(report_files(findings, COMMAND, lambda done, total: told.append((done, total))))
    assert [name for name, _ in made[3:]] == [
        f"front_vit_{target}{suffix}" for target in ("xc7", "ice40") for suffix in (".svg", ".png")
    ]
    assert list(report_files(findings, COMMAND)) == made
    assert told == [(done, 7) for done in range(8)]
    pictures = dict(made)
    assert pictures["front_vit_xc7.png"].startswith(b"\x89PNG") and b"knee: " in pictures["front_vit_xc7.svg"]


def test_the_data_hold_every_point_on_every_target(files):
    from pyarrow import parquet

    findings, made = files
    lines = list(csv.DictReader(io.StringIO(made["study.csv"].decode())))
    table = parquet.read_table(io.BytesIO(made["study.parquet"])).to_pylist()
    best = sum(len(view.points) for view in views(findings))
    assert len(lines) == len(table) == 2 * best
    for line, values in zip(lines, table, strict=True):
        assert {name: "" if value is None else str(value) for name, value in values.items()} == line
    asked = ("resnet8", "e2m1", "e2m1", "ice40")
    some = next(v for v in table if (v["network"], v["weight"], v["activation"], v["target"]) == asked)
    price = next(
        price
        for price in findings.prices
        if (price.weight, price.activation, price.family, price.terms) == ("e2m1", "e2m1", "ice40", 1024)
    )
    assert (some["luts"], some["luts_with_requantizer"]) == (price.luts, price.luts_with_requantizer)
    assert some["fmax_mhz"] == price.fmax_mhz == 120
    assert {values["fmax_mhz"] for values in table if values["target"] == "xc7"} == {None}


def test_the_page_loads_nothing_and_says_what_it_rests_on(files):
    page = files[1]["report.html"].decode()
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//|@import|url\(\s*["']?http""", page)
    assert "default-src 'none'" in page
    for text in (COMMAND, "fewbit study --all", "yosys 0.70", "seeds 1", "Written by hand: a &lt; b &amp; c."):
        assert text in page
    assert page.count("<article") == 5


def test_a_network_of_ones_own_is_not_held_against_the_paper(made_up, files):
    own = [replace(point, network="mine") for point in made_up.points if point.network == "vit"]
    _, content = next(report_files(replace(made_up, points=own), COMMAND))
    page = files[1]["report.html"]
    assert b"What the paper claims" in page and b'href="#claims"' in page
    assert b"What the paper claims" not in content and b'href="#claims"' not in content


def test_evaluations_on_few_samples_are_compared_and_in_no_front(made_up, tmp_path):
    exact = replace(made_up.points[0], network="few", evaluation="integer", metrics={"top1": 0.75}, samples=4)
    fast = replace(exact, evaluation="float", metrics={"top1": 0.5})
    _, content = next(report_files(replace(made_up, evaluations=[exact, fast]), COMMAND))
    assert b"<td>few</td><td>1</td>" in content and b'"few' not in content
    for folder, points in ((tmp_path, made_up.points), (tmp_path / "evaluations", [exact, fast])):
        folder.mkdir(exist_ok=True)
        write_points(points, folder)
    write_prices(made_up.prices, tmp_path / "study_prices", [])
    assert read_findings(tmp_path).evaluations == [exact, fast]


def test_views_of_one_network_are_told_apart(made_up):
    point = next(point for point in made_up.points if point.network == "vit")
    more = [replace(point, samples=100), replace(point, network_hash="0123456789"), replace(point, network="net")]
    unknown = replace(point, weight="int4", metrics={"top1": math.nan})
    findings = replace(made_up, points=[point, *more, unknown])
    assert [(view.name, view.title) for view in views(findings)] == [
        ("vit_2000_untold", "vit, 2,000 samples, model and data not told"),
        ("vit_100_untold", "vit, 100 samples, model and data not told"),
        ("vit_2000_01234567", "vit, 2,000 samples, model and data 01234567"),
        ("net", "net"),
    ]
    page = next(report_files(findings, COMMAND))[1].decode()
    assert "1 points without a score (NaN); 126 prices of hardware that may use DSPs" in page


def test_a_network_trained_in_few_bits_is_compared_with_the_one_it_was_made_from(made_up):
    base = next(point for point in made_up.points if point.network == "resnet8")
    trained = replace(base, network="resnet8_ternary", weight="ternary", activation="int8", float32={"top1": 0.5})
    (view,) = views(replace(made_up, points=[trained, base]))
    assert view.name == "resnet8" and [point.network for point in view.points] == ["resnet8", "resnet8_ternary"]
    drawn = rows(join(view.points, made_up.prices, "xc7"))
    assert [row["float32"] for row in drawn] == [100 * base.float32["top1"]] * 2
    assert (drawn[1]["kind"], drawn[1]["pair"]) == ("trained", "ternary × int8, trained")
    for other in (replace(base, edges="int8"), replace(base, samples=9), replace(base, network="vit")):
        assert {each.name for each in views(replace(made_up, points=[trained, other]))} >= {"resnet8_ternary"}


def test_findings_without_points_have_no_report(made_up):
    with pytest.raises(ValueError, match="findings must have points and prices, not 0 of the one"):
        next(report_files(Findings([], made_up.prices), COMMAND))


def shown_marks(browser: Browser, axis: str) -> dict:
    """How many of which the page's chart shows, and the text at its knee."""
    return browser.run(
        f"""(() => {{
            const chart = document.querySelector("#chart_{axis} svg");
            const all = (layer) => [...chart.querySelectorAll(`.layer_${{layer}}_marks :is(path, text)`)];
            const seen = (path) => path.getBoundingClientRect().width > 0 && path.getAttribute("d").length > 10;
            return {{
                points: all(4).filter(seen).length,
                lines: all(1).filter(seen).length,
                knee: all(6).map((text) => text.textContent)[0] ?? null,
                float32: all(8).map((text) => text.textContent)[0] ?? null,
                table: document.querySelectorAll("#table tbody tr").length,
            }};
        }})()"""
    )


def wanted_marks(findings: Findings, *arguments, **keywords) -> dict:
    wanted = expected(findings, *arguments, **keywords)
    lines = sum(count > 1 for count in wanted["kinds"].values())
    return {
        **{"points": wanted["points"], "lines": lines, "knee": wanted["knee"], "float32": "float32"},
        "table": wanted["points"],
    }


@pytest.mark.slow
@pytest.mark.parametrize("width, height", [(360, 800), (1280, 900)])
def test_the_page_draws_in_a_browser_and_fits(files, opened, width, height):
    browser, address = opened
    browser.open(address, width, height)
    for axis in OF_MACS:
        assert shown_marks(browser, axis) == wanted_marks(files[0], "vit", axis)
    assert browser.run("document.documentElement.scrollWidth") == width
    chart = browser.run("(b => [b.left, b.right])(document.querySelector('#chart_luts svg').getBoundingClientRect())")
    assert 0 <= chart[0] < chart[1] <= width


@pytest.mark.slow
def test_an_address_opens_a_filtered_view(files, opened):
    browser, address = opened
    browser.open(f"{address}#network=resnet8&family=ice40&kind=integer,minifloat&width=4,5", 1280, 900)

    def keep(candidate):
        return candidate.kind != "mixed" and re.search(r"^(?:int[45]|e(?:1m[23]|2m[12]|3m[01]|4m0))$", candidate.pair)

    for axis in OF_MACS:
        assert shown_marks(browser, axis) == wanted_marks(files[0], "resnet8", axis, "ice40", keep)
    assert browser.run("document.getElementById('count').textContent") == "resnet8 on ice40: 9 of 42 points"


@pytest.mark.slow
def test_controls_filter_hovering_tells_and_headings_sort(files, opened):
    browser, address = opened
    browser.open(address, 1280, 900)
    browser.run("document.querySelector('#kinds input[value=mixed]').click()")
    browser.drawn(2)
    assert shown_marks(browser, "luts") == wanted_marks(
        files[0], "vit", "luts", keep=lambda candidate: candidate.kind != "mixed"
    )
    assert browser.run("location.hash").endswith("kind=integer,minifloat")
    browser.run("document.getElementById('all').click()")
    browser.drawn(3)
    assert shown_marks(browser, "bits") == wanted_marks(files[0], "vit", "bits")

    browser.run("document.querySelector('#table th[data-column=luts] button').click()")
    browser.run("document.querySelector('#table th[data-column=luts] button').click()")
    luts = browser.run(
        "[...document.querySelectorAll('#table tbody tr')].map((line) => Number(line.cells[5].textContent))"
    )
    assert luts == sorted(luts) and len(luts) == 42

    place = browser.run(
        """(() => {
            document.getElementById("chart_luts").scrollIntoView({ block: "center" });
            const box = document.querySelector("#chart_luts .layer_3_marks path").getBoundingClientRect();
            return [box.left + box.width / 2, box.top + box.height / 2];
        })()"""
    )
    browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=place[0], y=place[1])
    told = browser.run("document.getElementById('vg-tooltip-element')?.textContent ?? ''")
    assert expected(files[0], "vit", "luts")["knee"].removeprefix("knee: ") in told
    for text in ("formats", "accuracy", "±", "LUTs of the MAC", "with requantizer", "bits moved", "beside the front"):
        assert text in told


@pytest.mark.slow
def test_a_finger_near_a_point_is_told_of_it(files, opened):
    browser, address = opened
    browser.open(f"{address}#network=vit", 360, 800)
    browser.send("Emulation.setTouchEmulationEnabled", enabled=True)
    x, y = browser.run(
        """(() => {
            document.getElementById("chart_luts").scrollIntoView({ block: "center" });
            const box = document.querySelector("#chart_luts .layer_3_marks path").getBoundingClientRect();
            return [Math.round(box.left + box.width / 2), Math.round(box.top + box.height / 2)];
        })()"""
    )
    browser.send("Input.synthesizeTapGesture", x=x - 9, y=y + 9)
    browser.send("Emulation.setTouchEmulationEnabled", enabled=False)
    told, left, right = browser.run(
        """(() => {
            const tooltip = document.getElementById("vg-tooltip-element");
            const box = tooltip.getBoundingClientRect();
            return [tooltip.textContent, box.left, box.right];
        })()"""
    )
    assert expected(files[0], "vit", "luts")["knee"].removeprefix("knee: ") in told
    assert 0 <= left < right <= 360


@pytest.mark.slow
def test_no_request_leaves_the_page_and_the_console_is_empty(opened):
    browser, address = opened
    browser.events.clear()
    browser.open(f"{address}#family=ice40&least=0.9", 360, 800)
    browser.open(f"{address}#network=nothing&kind=none&width=99", 1280, 900)
    asked = [e["params"]["request"]["url"] for e in browser.events if e["method"] == "Network.requestWillBeSent"]
    assert {url.partition("#")[0] for url in asked} <= {address, "about:blank"} and address in asked
    noise = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
    assert [event["params"] for event in browser.events if event["method"] in noise] == []
    assert shown_marks(browser, "luts")["points"] == 0
