"""From a network and a scheme to the program of an accelerator."""

from .lower import Lowered, Lowering
from .request import Request

__all__ = ["Lowered", "Lowering", "Request"]
