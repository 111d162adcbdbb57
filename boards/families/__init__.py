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
    """The board's half of every family that has one, by the name of the family."""
    names = sorted(file.stem for file in Path(__file__).parent.glob("*.py") if file.stem not in _NO_FAMILIES)
    return {name: import_module(f".{name}", __package__).BOARD_FAMILY for name in names}


PLLS: dict[str, Callable[[int], Iterator[Settings]]] = {
    "none": Direct.all,
    **{kind: every for family in board_families().values() for kind, every in family.plls.items()},
}
"""Functions that give every setting of a kind of PLL for an oscillator's frequency in Hz, by the kind."""


def fastest(kind: str, input_hz: int, wanted_hz: float) -> Settings:
    """The settings for the highest clock up to ``wanted_hz`` that this kind of PLL can make, or the oscillator itself.

    If several settings make the same clock, the one is chosen whose phase detector compares most often, since it drifts
    least. Raises ValueError if every clock is faster.
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
    """Every setting of that kind of PLL, and the oscillator itself."""
    return (*PLLS["none"](input_hz), *PLLS[kind](input_hz))
