"""Texts with places that are filled in."""

import re
from pathlib import Path

__all__ = ["fill"]

_FOLDER = Path(__file__).with_name("templates")


def fill(template: str, **values: str) -> str:
    """The file of that name in ``templates/`` with ``@NAME@`` replaced by the value of ``name``.

    Raises KeyError where a place has no value.
    """
    text = (_FOLDER / template).read_text()
    return re.sub(r"@([A-Z_]+)@", lambda place: values[place[1].lower()], text)
