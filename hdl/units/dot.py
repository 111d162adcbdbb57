"""The dot-product unit: several products a word, an adder tree, one sum."""

from dataclasses import dataclass

from ...formats import Arithmetic
from ..products.build import Build
from .design import check_lanes
from .mac import Mac, MacDesign

__all__ = ["Dot", "DotDesign"]


class Dot(Mac):
    """Dot product of two formats, ``lanes`` products a word: a ``Mac`` whose operands are vectors.

    Latency and initiation interval are those of ``Mac``; the products of a word are added by a balanced tree, exactly.

    Parameters
    ----------
    lanes: products a word, 1 or more
    terms: most products in one sum, all lanes together
    """

    def __init__(self, arithmetic: Arithmetic, build: Build, *, lanes: int, terms: int = 4096):
        super().__init__(arithmetic, build, terms=terms, lanes=lanes)


@dataclass(frozen=True)
class DotDesign(MacDesign):
    """A dot-product unit.

    Parameters
    ----------
    lanes: products of a word, 1 to 1024, and no more than ``terms``
    """

    unit = "dot"
    summary = "exact dot product, several products a cycle"
    has_lanes = True
    may_chain = True

    lanes: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_lanes(self.lanes, self.terms)

    @property
    def added(self) -> int:
        return self.lanes

    @property
    def _products(self) -> str:
        each = "a cycle" if self.arithmetic.interval == 1 else "a word"
        return f"{self.lanes} products weight * activation {each}"

    def component(self) -> Dot:
        return Dot(self.arithmetic, self.chosen_build, lanes=self.lanes, terms=self.terms)

    def meaning(self, port: str) -> str:
        if self.lanes > 1 and port in self.operands:
            return f"codes of the {port}s, lane i in bits i*{getattr(self, port).width} and up"
        return super().meaning(port)
