"""The board's half of an FPGA family, each in a file of its own: ``BOARD_FAMILY`` in ``families/NAME.py``."""

from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

from ..gateware.pll import MHZ, Direct, Settings
from .board_family import BoardFamily

__all__ = ["PLLS", "BoardFamily", "board_families", "fastest"]

_NO_FAMILIES = ("__init__", "board_family")


@cache
def board_families() -> dict[str, BoardFamily]:
    """All of them, by the name of the family."""
    names = sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem not in _NO_FAMILIES)
    return {name: import_module(f".{name}", __package__).BOARD_FAMILY for name in names}


PLLS: dict[str, Callable[[int], Iterator[Settings]]] = {
    "none": Direct.all,
    **{kind: every for family in board_families().values() for kind, every in family.plls.items()},
}
"""Every setting of each kind of PLL, for an oscillator's frequency in Hz."""


def fastest(kind: str, input_hz: int, wanted_hz: float) -> Settings:
    """The highest clock up to ``wanted_hz`` that this kind of PLL makes of the oscillator, or the oscillator itself.

    Of several ways to the same clock the one that compares most often, and so drifts least. Raises ValueError where
    there is none so slow.
    """
    if kind not in PLLS:
        raise ValueError(f"kind must be one of {', '.join(PLLS)}, not {kind!r}")
    every = _every(kind, input_hz)
    found = [one for one in every if one.hz <= wanted_hz]
    if not found:
        least = float(min(one.hz for one in every)) / MHZ
        raise ValueError(
            f"clock must be at least {least:g} MHz, the lowest there is, not {float(wanted_hz) / MHZ:.2f} MHz"
        )
    return max(found, key=lambda one: (one.hz, isinstance(one, Direct), getattr(one, "reference_hz", 0)))


@cache
def _every(kind: str, input_hz: int) -> tuple[Settings, ...]:
    """The oscillator itself among them."""
    return (*PLLS["none"](input_hz), *PLLS[kind](input_hz))
