"""Verilog whose memories give wrong words where one is read in the cycle in which it is written, as FPGAs' may."""

import re

__all__ = ["unreliable"]

WRITE = re.compile(r"if \((\w+(?:\[\d+\])?)\) (\w+)\[([^;]+?)\](?:\[\d+(?::\d+)?\])? <= ")
READ = re.compile(r"(\w+) <= (\w+)\[([^;]+?)\];")


def unreliable(verilog: str) -> tuple[str, int]:
    """The text with every such word inverted, and how many ports it reads that of."""
    modules, count = [], 0
    for module in re.split(r"(?=^module )", verilog, flags=re.MULTILINE):
        written: dict[str, list[tuple[str, str]]] = {}
        for enable, memory, address in WRITE.findall(module):
            written.setdefault(memory, []).append((enable, address))

        def met(port: re.Match[str], written: dict[str, list[tuple[str, str]]] = written) -> str:
            nonlocal count
            name, memory, address = port.groups()
            if memory not in written:
                return port[0]
            count += 1
            hit = " || ".join(f"({enable} && {place} == {address})" for enable, place in written[memory])
            return f"{name} <= ({hit}) ? ~{memory}[{address}] : {memory}[{address}];"

        modules.append(READ.sub(met, module))
    return "".join(modules), count
