"""From a network and a scheme to the program of an accelerator."""

from .lower import Lowered, Lowering
from .request import INT8, ShapeRequest

__all__ = ["INT8", "Lowered", "Lowering", "ShapeRequest"]
