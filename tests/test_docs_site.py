"""The site has every page of the documentation, shows docstrings as lists, and has no link that leads nowhere."""

import re
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path

import fewbit
import pytest

ROOT = Path(fewbit.__file__).parent


def test_every_page_is_in_the_navigation():
    named = re.findall(r"^ +- [^:]+: (\S+\.(?:md|html))$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    pages = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")}
    own = {path.relative_to(ROOT / "docs" / "site").as_posix() for path in (ROOT / "docs" / "site").rglob("*.md")}
    assert pages | own <= set(named) and len(named) == len(set(named))
    assert [name for name in named if name not in own and not (ROOT / name).is_file()] == []


def test_sections_of_docstrings_become_lists():
    pytest.importorskip("griffe")
    spec = spec_from_file_location("docstrings", ROOT / "docs" / "site" / "docstrings.py")
    docstrings = module_from_spec(spec)
    spec.loader.exec_module(docstrings)
    text = "What.\n\nParameters\n----------\na, b: one\n    and more\n**c: two\n\nRaises it.\n\n>>> 1\n1"
    assert docstrings.as_markdown(text) == (
        "What.\n\n**Parameters**\n\n- `a, b`: one\n    and more\n- `**c`: two\n\nRaises it.\n\n```pycon\n>>> 1\n1\n```"
    )


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    if find_spec("mkdocs") is None:
        pytest.skip("the extra docs is not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "docs" / "brevitas" / "index.html").is_file()
    assert "fewbit.study.study" in (tmp_path / "reference" / "study" / "index.html").read_text()
