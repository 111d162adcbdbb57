"""-1, 0 and +1 in two bits."""

from dataclasses import dataclass

from ..integer import Integer
from . import named

__all__ = ["NAMES", "Ternary"]


@dataclass(frozen=True)
class Ternary(Integer):
    """``int2s`` by the name that networks of such weights give it."""

    bits: int = 2
    symmetric: bool = True

    @property
    def name(self) -> str:
        return "ternary"


NAMES = named("ternary", Ternary())
