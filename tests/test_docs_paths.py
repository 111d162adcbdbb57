"""What the documentation names is there: files, headings, and commands of the command line."""

import re
import shlex
from pathlib import Path

import fewbit
from each_of import each_of
from fewbit.cli.program import program

ROOT = Path(fewbit.__file__).parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
MADE_UP = re.compile(r"NAME|GROUP|^file\b|<|\*|\.\.\.")
"""What stands in a path for any name."""
RECORDED = ("study_results.md",)
"""Pages whose commands are printed as the results recorded them, some by names of old, which are taken still."""


def links(text: str) -> list[str]:
    """Targets of links and pictures that are no addresses."""
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def python_paths(text: str) -> list[str]:
    """Paths in code quotes that end in .py, without examples of names."""
    quoted = re.findall(r"`+([^`\n]+)`+", text)
    words = [word for quote in quoted for word in re.split(r"[\s:]", quote)]
    return [word for word in words if re.fullmatch(r"[\w./-]+\.py", word) and not MADE_UP.search(word)]


def anchors(page: Path) -> set[str]:
    """The names by which headings are linked to, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def commands(text: str) -> list[list[str]]:
    """The words of every ``fewbit`` command in code, in blocks and in quotes, from ``fewbit`` on."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    lines += [" ".join(quote.split()) for quote in re.findall(r"`([^`]+)`", rest)]
    found = [re.match(r"(?:\$ )?(?:\S*/)?fewbit(?= |$)(.*)", line) for line in lines]
    return [shlex.split(each[1], comments=True) for each in found if each]


def wrong(words: list[str]) -> str | None:
    """What is wrong with a command by the tree of commands, whose options are looked up and not run."""
    command = program()
    for place, word in enumerate(words):
        members = getattr(command, "commands", None)
        if members is None or word.startswith("-") or word in ("UNIT", "COMMAND"):
            break
        if word not in members:
            return f"no command {word!r} in {' '.join(['fewbit', *words[:place]])}"
        command = members[word]
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    known = {"--help", "--version"}
    for each in [command, *getattr(command, "commands", {}).values()]:
        known |= {name for parameter in each.params for name in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [option for option in options if option not in known]
    return f"{command.name} has no {', '.join(unknown)}" if unknown else None


@each_of("page", PAGES)
def test_what_is_named_is_there(page):
    text = page.read_text()
    for link in links(text):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.is_file(), f"{page.name}: {link}"  # the site has no folders
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"
    places = [ROOT, page.parent, *(folder for folder in ROOT.rglob("*/") if not folder.name.startswith("."))]
    for path in python_paths(text):
        near = places if "/" not in path else places[:2]
        assert any((place / path).is_file() for place in near), f"{page.name}: {path}"


@each_of("page", [page for page in PAGES if page.name not in RECORDED])
def test_commands_are_those_of_the_command_line(page):
    found = {" ".join(words): wrong(words) for words in commands(page.read_text())}
    assert {command: what for command, what in found.items() if what} == {}


def test_old_and_made_up_commands_are_found_out():
    assert wrong(["bitstream", "--board", "icebreaker"]) == "no command 'bitstream' in fewbit"
    assert wrong(["board", "boards"]) == "no command 'boards' in fewbit board"
    assert wrong(["mac"]) == "no command 'mac' in fewbit"
    assert wrong(["board", "build", "--bord", "icebreaker"]) == "build has no --bord"
    assert wrong(["synth", "mac", "--weight", "int4", "--terms", "8"]) is None
    assert commands("`fewbit list`, `a fewbit b`\n```\n$ fewbit show \\\n  e2m1\n```\n") == [["show", "e2m1"], ["list"]]
    assert python_paths("`hdl/emit.py` `tb/*_tb.py` `cli/GROUP/NAME.py` `pytest tests/test_a.py`") == [
        "hdl/emit.py",
        "tests/test_a.py",
    ]
