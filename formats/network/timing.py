"""What the time of a program depends on besides the program: how the hardware was built."""

from dataclasses import dataclass

from ..base import check_flag, check_integer

__all__ = ["NetworkTiming"]

MAX_CYCLES = 1 << 16


@dataclass(frozen=True)
class NetworkTiming:
    """The latencies and memories of an accelerator, as its hardware tells them and its cycle model needs them.

    A *beat* is a cycle in which up to ``outputs`` finished sums begin their way out.

    Parameters
    ----------
    array: cycles from a beat to its sums, and to the read of its residual
    activation, between: cycles from a beat to the write of a word that it completes, in either memory
    pieces: reads that bring a word of weights from their memory to the array; 0 where they lie there in words
    single_port: whether a memory either reads or writes in a cycle
    """

    array: int
    activation: int
    between: int
    pieces: int = 0
    single_port: bool = False

    def __post_init__(self) -> None:
        for name in ("array", "activation", "between", "pieces"):
            check_integer(name, getattr(self, name), 0, MAX_CYCLES)
        check_flag("single_port", self.single_port)
