"""Registers as SystemRDL 2.0, which PeakRDL and other tools turn into headers, documents and models."""

from collections.abc import Iterable
from typing import Any

__all__ = ["system_rdl"]

_ACCESS = {
    "rw": "sw = rw; hw = r;",
    "ro": "sw = r; hw = w;",
    "wo": "sw = w; hw = r;",
    "pulse": "sw = w; hw = r; singlepulse;",
    "w1c": "sw = rw; onwrite = woclr; hw = r; hwset;",
}
"""Properties of a field, by its access."""


def system_rdl(name: str, meaning: str, registers: Iterable[dict[str, Any]]) -> str:
    """An address map of that name.

    Parameters
    ----------
    meaning: one line for people
    registers: as ``hdl.register_map`` gives them
    """
    lines = [
        f"addrmap {name} {{",
        f"    desc = {_quoted(meaning)};",
        "    default regwidth = 32;",
        "    default accesswidth = 32;",
    ]
    for register in registers:
        lines += ["", "    reg {", f"        desc = {_quoted(register['meaning'])};"]
        for field in register["fields"]:
            reset = "" if field["access"] == "ro" else f" = {field['reset']:#x}"
            high = field["lsb"] + field["width"] - 1
            properties = f"desc = {_quoted(field['meaning'])}; {_ACCESS[field['access']]}"
            lines.append(f"        field {{ {properties} }} {field['name']}[{high}:{field['lsb']}]{reset};")
        lines.append(f"    }} {register['name']} @ {register['offset']:#04x};")
    return "\n".join([*lines, "};", ""])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
