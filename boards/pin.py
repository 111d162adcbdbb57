"""A pin of a board's FPGA."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Pin"]


@dataclass(frozen=True)
class Pin:
    """A pin of the FPGA, with the attributes that amaranth-boards gives it. If it is ``inverted``, low means 1."""

    name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    inverted: bool = False
