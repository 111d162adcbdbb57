"""The blocks of Python in pages of the documentation, and how a test runs them."""

import re
from pathlib import Path
from typing import Any

import fewbit

DOCS = Path(fewbit.__file__).parent / "docs"


def python_blocks(page: str) -> list[str]:
    """The blocks of Python in a page, in order."""
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def run_blocks(page: str, first: int, last: int, names: dict[str, Any]) -> None:
    """Run the blocks from the first to before the last, as one program; ``names`` has what blocks before them left."""
    for number, block in list(enumerate(python_blocks(page)))[first:last]:
        exec(compile(block, f"{page}, block {number}", "exec"), names)
