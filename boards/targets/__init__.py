"""The boards, each in a file of its own: ``BOARD`` in ``targets/NAME.py``."""

import difflib
from functools import cache
from importlib import import_module
from pathlib import Path

from .board import Board

__all__ = ["board_names", "find_board"]

_NO_BOARDS = ("__init__", "board", "parts", "pin")


@cache
def board_names() -> tuple[str, ...]:
    """Names of all boards."""
    return tuple(sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem not in _NO_BOARDS))


def find_board(name: str) -> Board:
    """The board of that name. Raises ValueError that suggests the nearest."""
    if name not in board_names():
        nearest = difflib.get_close_matches(name.lower(), board_names(), n=1)
        meant = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise ValueError(f"board must be one of {', '.join(board_names())}, not {name!r}{meant}")
    board: Board = import_module(f".{name}", __package__).BOARD
    return board
