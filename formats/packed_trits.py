"""Ternary codes in bytes: five trits to a byte, or four fields of two bits."""

from dataclasses import dataclass

__all__ = ["PACKINGS", "TritPacking"]


@dataclass(frozen=True)
class TritPacking:
    """How ternary values are stored in bytes.

    A word of some bytes has the first value of every byte, then the second of every byte, and so on: value k of byte b
    in a word of n bytes is value ``k * n + b``. So llama.cpp's blocks have them, in words of 32 bytes (and TQ1_0's last
    bytes in words of 16 and of 4).

    Members
    -------
    name: ``trits``, as TQ1_0: byte = ceil(256 v / 243), where v has the values + 1 as digits to the base of 3, the
        first the highest; or ``fields``, as TQ2_0: two bits for each value + 1, the first the lowest
    values: to a byte; of the last byte of TQ1_0 only four count
    """

    name: str
    values: int


PACKINGS = {packing.name: packing for packing in (TritPacking("trits", 5), TritPacking("fields", 4))}
"""The ways to store ternary values, by name."""
