"""What exact and float32 sums over blocks have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Generic, TypeVar

from amaranth.hdl import Module, Value

from ..scaling.stall_pipeline import Stages
from .scaled_sum import ScaledBlock, ScaledSum

__all__ = ["BlockSum", "Keep"]

Aligned = TypeVar("Aligned")

Keep = Callable[[Mapping[str, Value], Value], None]
"""Writes a new sum back; the first argument is what the block carries along, its ``index`` among it."""


class BlockSum(ABC, Generic[Aligned]):
    """How a block's scaled sum is added to those before it.

    ``product`` multiplies the block's sum by its scales, ``align`` prepares what came of it, and ``add`` adds it.

    Attributes
    ----------
    product: what is added
    used: stages before the sum so far is used
    written: stages before the new sum is written back
    latency: stages of it all
    width: bits of a sum that is kept
    """

    product: ScaledSum

    @property
    @abstractmethod
    def used(self) -> int: ...

    @property
    @abstractmethod
    def written(self) -> int: ...

    @property
    @abstractmethod
    def latency(self) -> int: ...

    @property
    @abstractmethod
    def width(self) -> int: ...

    @abstractmethod
    def align(self, m: Module, stages: Stages, block: ScaledBlock) -> Aligned:
        """Do what needs no sum, up to stage ``used``."""

    @abstractmethod
    def add(self, m: Module, stages: Stages, block: Aligned, before: Value, keep: Keep) -> object:
        """Add the block to the sum ``before`` it, and ``keep`` what comes of it.

        The result is a record with the values of ``sum_fields``, and of what the block carries along.
        """
