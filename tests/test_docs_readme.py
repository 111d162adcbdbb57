"""What README.md shows is what its commands give."""

import re
import subprocess
import sys
from pathlib import Path

import fewbit
from fewbit.cli.app import run

README = (Path(fewbit.__file__).parent / "README.md").read_text()


def block(language: str) -> str:
    """The one block of code in that language."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return found


def test_the_verilog_is_what_the_command_writes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (command,) = re.findall(r"^\$ fewbit (.*)$", README, re.MULTILINE)
    assert run(command.split()) == 0
    assert block("verilog") in (tmp_path / "out" / "mac.v").read_text()


def test_the_amaranth_example_runs():
    done = subprocess.run([sys.executable, "-c", block("python")], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "-60\n", "")
