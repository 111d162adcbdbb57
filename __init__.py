"""fewbit: arithmetic of few-bit number formats for FPGAs: Verilog, the proof that it is right, and its price."""

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # A folder named torch in the checkout would be taken for torch itself by a Python that starts there.
    if name == "torch":
        from .boards import torch

        return torch
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
