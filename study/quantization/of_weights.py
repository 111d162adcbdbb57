"""What a scheme can say of weights alone: how they are stored, where that is more than a format."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from ...formats import Format

__all__ = ["OfWeights"]


@dataclass(frozen=True)
class OfWeights(ABC):
    """Stands in a scheme for weights that are stored in a way of their own.

    Members
    -------
    name: the name in options and points
    width: bits of a weight
    """

    name: str
    width: int

    @property
    def label(self) -> str:
        """The name, which is short."""
        return self.name

    @property
    @abstractmethod
    def format(self) -> Format:
        """The format of what a layer computes with."""

    def __str__(self) -> str:
        return self.name
