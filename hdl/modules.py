"""Modules of a hierarchy: those that are alike are kept once, and named so that Verilog needs no escapes."""

import re

__all__ = ["share_modules"]

_MODULE = re.compile(
    r"^attribute \\generator \"Amaranth\"\n(attribute \\top 1\n)?module \\(\S+)\n(.*?)^end\n", re.M | re.S
)
_CELL = re.compile(r"^(  cell )\\(\S+)( \\\S+)$", re.M)


def share_modules(rtlil: str) -> str:
    """The same design with every module once, whatever number of places it is used in.

    An array's elements are generated one by one and are alike to the letter. Names are made of the top's and of the
    last part of the place in the hierarchy that a module was first met at, without its number: ``matmul_element``.
    """
    found = [(top, name, body) for top, name, body in _MODULE.findall(rtlil)]
    if len(found) == 1:
        return rtlil
    (root,) = [name for top, name, _ in found if top]
    names: dict[str, str] = {}
    kept: dict[str, tuple[str, str]] = {}
    taken: set[str] = set()
    # Amaranth writes a module before those inside it: from the last on, every cell is of a module already named.
    for top, name, body in reversed(found):
        body = _CELL.sub(lambda cell: f"{cell[1]}\\{names.get(cell[2], cell[2])}{cell[3]}", body)
        if body in kept:
            names[name] = kept[body][1]
            continue
        new = root
        if not top:
            new = f"{root}_{re.sub(r'[0-9_]+$', '', name.rpartition('.')[2])}"
            if new in taken:
                new = f"{new}_{sum(other.startswith(new) for other in taken)}"
        taken.add(new)
        names[name] = new
        kept[body] = (top, new)
    parts = [
        f'attribute \\generator "Amaranth"\n{top}module \\{name}\n{body}end\n'
        for body, (top, name) in reversed(kept.items())
    ]
    return "\n".join(parts)
