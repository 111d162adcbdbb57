"""How a matmul engine moves its matrices: the shape of its DMA, and how rows in memory hold codes."""

from dataclasses import dataclass

from .base import check_integer

__all__ = ["PACKINGS", "Dma", "stored_bits"]

PACKINGS = ("packed", "bytes")
"""How rows hold codes: each in the next power of two of bits, from the lowest bit of a byte up, or each in bytes."""

PAGE = 4096
"""Bytes, aligned to as many, that no burst of AXI leaves."""

MAX_MEMORY_BITS = 1024
MAX_OUTSTANDING = 256


@dataclass(frozen=True)
class Dma:
    """An AXI4 master in the place of an engine's streams.

    Parameters
    ----------
    memory_bits: of a beat, a power of two from 32 to 1024
    address_bits: of an address in bytes, 13 to 64
    burst: beats that are read of a row of A or W, and written of a row of C, at a time: a power of two, of 4096 bytes
        at most. W and C are held in buffers so many beats wide
    outstanding: bursts that may be asked for and not have come yet, a power of two from 2 to 256
    packing: one of ``PACKINGS``
    """

    memory_bits: int = 64
    address_bits: int = 32
    burst: int = 8
    outstanding: int = 16
    packing: str = "packed"

    def __post_init__(self) -> None:
        for name, least, most in (
            ("memory_bits", 32, MAX_MEMORY_BITS),
            ("burst", 1, 256),
            ("outstanding", 2, MAX_OUTSTANDING),
        ):
            value = getattr(self, name)
            if not (isinstance(value, int) and least <= value <= most and value & (value - 1) == 0):
                option = " (--dma)" if name == "memory_bits" else ""
                raise ValueError(f"{name}{option} must be a power of two from {least} to {most}, not {value!r}")
        check_integer("address_bits", self.address_bits, PAGE.bit_length(), 64)
        if self.packing not in PACKINGS:
            raise ValueError(f"packing must be {' or '.join(PACKINGS)}, not {self.packing!r}")
        if self.burst * self.beat_bytes > PAGE:
            raise ValueError(f"burst must be at most {PAGE // self.beat_bytes} beats of a page, not {self.burst}")

    @property
    def beat_bytes(self) -> int:
        return self.memory_bits // 8

    @property
    def burst_bits(self) -> int:
        return self.burst * self.memory_bits


def stored_bits(width: int, packing: str) -> int:
    """Bits that a code of that width takes in memory."""
    stored = 1 << (width - 1).bit_length()
    return max(8, stored) if packing == "bytes" else stored
