"""Names that every Verilog tool takes as they are."""

import re

from ..keywords import KEYWORDS

__all__ = ["plain"]


def plain(name: str) -> str:
    """The name as an identifier that needs no escape."""
    name = re.sub(r"\W", "_", name)
    name = f"_{name}" if name[0].isdigit() else name
    return f"{name}_" if name in KEYWORDS else name
