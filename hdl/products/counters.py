"""Ones among many bits are counted by small counters, which take no carry chains, down to two rows.

A counter of six bits is three LUT6 and spares three bits; one of three bits is two LUTs and spares one. An adder of two
bits spares as much for a LUT a bit, but each takes a carry chain of its own, which takes a slice.
"""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Signal, Value

from .truth_table import truth_table

__all__ = ["count_pairs"]


def count_pairs(
    m: Module, pairs: Sequence[tuple[Value, Value]], table: tuple[int, int, int, int], lut_inputs: int
) -> tuple[Value, Value]:
    """Two unsigned numbers whose sum is the number of pairs that ``table`` has a one for.

    Parameters
    ----------
    pairs: of bits, 1 or more
    table: the bit for ``(0, 0)``, ``(1, 0)``, ``(0, 1)`` and ``(1, 1)``
    lut_inputs: inputs of a LUT: as many pairs as fit in are counted at once
    """
    columns: list[list[Value]] = [[]]
    each = lut_inputs // 2
    for start in range(0, len(pairs), each):
        group = pairs[start : start + each]

        def ones(code: int, size: int = len(group)) -> int:
            return sum(table[code >> 2 * k & 3] for k in range(size))

        _count(m, columns, 0, Cat(*(bit for pair in group for bit in pair)), ones, len(group), f"pairs{start}")
    depth = 0
    while max(map(len, columns)) > 2:
        columns = _compress(m, columns, lut_inputs, depth)
        depth += 1
    rows = ([column[row] if row < len(column) else Const(0, 1) for column in columns] for row in range(2))
    first, second = (Cat(*row) for row in rows)
    return first, second


def _compress(m: Module, columns: list[list[Value]], lut_inputs: int, depth: int) -> list[list[Value]]:
    """The same number in fewer bits."""
    found: list[list[Value]] = [[] for _ in columns]
    large = max(map(len, columns)) >= lut_inputs >= 6
    for place, column in enumerate(columns):
        start = 0
        for size in (6, 3):
            if size == 6 and lut_inputs < 6:
                continue
            # Bits that are left over wait for those that the columns below make.
            while len(column) - start >= size and not (size == 3 and large):
                bits = Cat(*column[start : start + size])
                _count(m, found, place, bits, int.bit_count, size, f"count{depth}_{place}_{start}")
                start += size
        found[place] += column[start:]
    return found


def _count(m: Module, columns: list[list[Value]], place: int, bits: Value, ones, most: int, name: str) -> None:
    """Add to ``columns`` the number of ones, ``most`` at most, that a function tells of bits of weight ``2**place``."""
    count = Signal(most.bit_length(), name=name)
    m.d.comb += count.eq(truth_table(bits, ones, len(count)))
    for k, bit in enumerate(count):
        while len(columns) <= place + k:
            columns.append([])
        columns[place + k].append(bit)
