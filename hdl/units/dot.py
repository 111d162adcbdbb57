"""The dot-product unit: several products a cycle, an adder tree, one exact sum."""

from ...formats import Format
from ..products.product_term import Build
from .mac import Mac

__all__ = ["Dot"]


class Dot(Mac):
    """Exact dot product of two formats, ``lanes`` products a cycle: a ``Mac`` whose operands are vectors.

    Latency ``pipeline + 1`` cycles, initiation interval 1; the products of a cycle are added by a balanced tree,
    exactly.

    Parameters
    ----------
    lanes: products a cycle, 1 or more
    terms: most products in one sum, all lanes together
    """

    def __init__(
        self,
        weight_format: Format,
        activation_format: Format,
        build: Build,
        *,
        lanes: int,
        terms: int = 4096,
        pipeline: int = 2,
    ):
        super().__init__(weight_format, activation_format, build, terms=terms, pipeline=pipeline, lanes=lanes)
