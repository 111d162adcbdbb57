"""Block RAMs are given their places before all else is placed, for a placer that cannot place them."""

import re
from typing import Any

__all__ = ["place_rams"]


def place_rams(netlist: dict[str, Any], top: str, ram: str, sites: tuple[tuple[str, ...], ...]) -> bool:
    """Give each block RAM of a module a place. Returns whether there are enough of them.

    They go into as few rows as hold them, in equal shares, and into the middle of each row, so that none is far from
    the array. RAMs of one memory, and of the two halves of a panel, are beside each other.

    Parameters
    ----------
    netlist: in yosys's JSON form; its cells get nextpnr's attribute BEL
    ram: the type of block RAMs
    sites: as ``FpgaDevice.ram_sites``
    """
    cells = netlist["modules"][top]["cells"]
    rams = sorted((name for name in cells if cells[name]["type"] == ram), key=_order)
    most = len(sites[0])
    rows = -(-len(rams) // most)
    if rows > len(sites):
        return False
    for row in range(rows):
        share = rams[len(rams) * row // rows : len(rams) * (row + 1) // rows]
        first = (most - len(share)) // 2
        for name, site in zip(share, sites[row][first:], strict=False):
            cells[name].setdefault("attributes", {})["BEL"] = site
    return True


def _order(name: str) -> tuple[str, list[int]]:
    """Names that differ in numbers only are sorted by the last number first: in the names that yosys makes, it says
    which bits of a word a RAM has."""
    return re.sub(r"\d+", "", name), [int(number) for number in reversed(re.findall(r"\d+", name))]
