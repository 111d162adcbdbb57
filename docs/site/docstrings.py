"""Docstrings of fewbit as Markdown: sections of names and texts become lists, and examples become blocks of code."""

import re
from collections.abc import Iterator
from typing import Any

from griffe import Extension, Object

__all__ = ["Docstrings", "as_markdown"]

_ENTRY = re.compile(r"(\*{0,2}[A-Za-z_][\w.*]*(?:, \*{0,2}[A-Za-z_][\w.*]*)*): (.*)")


class Docstrings(Extension):
    """Turns every docstring into Markdown before it is shown."""

    def on_instance(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """A docstring, as griffe has it without indentation, in Markdown."""
    return "\n".join(_lines(text.splitlines()))


def _lines(lines: list[str]) -> Iterator[str]:
    in_section = in_example = False
    for place, line in enumerate(lines):
        after = lines[place + 1] if place + 1 < len(lines) else ""
        if line and len(after) >= 3 and set(after) == {"-"}:
            in_section = True
            yield f"**{line}**"
            yield ""
        elif in_section and set(line) == {"-"}:
            continue
        elif line.startswith(">>> ") and not in_example:
            in_example = True
            yield "```pycon"
            yield line
        elif in_example and not line:
            in_example = False
            yield "```"
            yield line
        elif in_section and (entry := _ENTRY.fullmatch(line)):
            yield f"- `{entry[1]}`: {entry[2]}"
        else:
            in_section = in_section and (not line or line.startswith(" "))
            yield line
    if in_example:
        yield "```"
