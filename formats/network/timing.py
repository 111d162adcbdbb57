"""What the time of a program depends on besides the program: how the hardware was built."""

from dataclasses import dataclass

from ..base import check_flag, check_integer

__all__ = ["NetworkTiming"]

MAX_STAGES = 1 << 10


@dataclass(frozen=True)
class NetworkTiming:
    """The latencies and memories of an accelerator, as its hardware tells them and its cycle model needs them.

    A *beat* is a cycle in which up to ``outputs`` finished sums begin their way out.

    Parameters
    ----------
    sums: cycles from a beat to the one in which its sums, with their biases, can go to the host
    codes: cycles from a beat to the one in which its codes stand, which are written in the next
    between_delay: cycles that codes for the memory between layers wait in addition
    residual: cycles from a beat to the one in which its residual is read
    single_port: whether a memory either reads or writes in a cycle
    pieces: reads that bring a word of weights from their memory to the array; 0 where they lie in words
    """

    sums: int
    codes: int
    between_delay: int = 0
    residual: int = 0
    single_port: bool = False
    pieces: int = 0

    def __post_init__(self) -> None:
        for name in ("sums", "codes", "between_delay", "residual", "pieces"):
            check_integer(name, getattr(self, name), 0, MAX_STAGES)
        check_flag("single_port", self.single_port)
