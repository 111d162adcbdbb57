"""A ring of flip-flops around a synthesized netlist, so that routing it times the unit and not the pins."""

from collections import Counter
from dataclasses import dataclass
from itertools import count
from typing import Any

from .family import Cell, Router

__all__ = ["Harness", "wrap"]

Bit = int | str


@dataclass(frozen=True)
class Harness:
    """A netlist in yosys's JSON form with its harness, and how many of the packed logic cells are the harness's."""

    netlist: dict[str, Any]
    logic_cells: int


def wrap(netlist: dict[str, Any], top: str, clock: str, router: Router) -> Harness:
    """Put a flip-flop at every pin of ``top`` but its clock; a combinational unit gets a clock that way.

    The cells are of the family's own library and nothing is optimized afterwards, so what the harness costs is known
    exactly. Where the router cannot leave pins open, the inputs' flip-flops form one shift register, and the outputs
    are held and then folded into a signature: three pins in all, whatever the unit's. ``netlist`` is changed in place.
    """
    module = netlist["modules"][top]
    ports, cells = module["ports"], module["cells"]
    fresh = count(max(_bits(module), default=1) + 1)
    clock_bit = ports[clock]["bits"][0] if clock in ports else next(fresh)
    inputs = [b for name, p in ports.items() if p["direction"] == "input" and name != clock for b in p["bits"]]
    outputs = [b for p in ports.values() if p["direction"] == "output" for b in p["bits"] if isinstance(b, int)]

    def add(cell: Cell, **pins: Bit) -> None:
        names = dict(cell.pins)
        cells[f"harness_{len(cells)}"] = {
            "type": cell.type,
            "parameters": dict(cell.parameters),
            "attributes": {},
            "port_directions": {names[pin]: "output" if pin in ("q", "y") else "input" for pin in pins},
            "connections": {names[pin]: [bit] for pin, bit in pins.items()},
        }

    def register(d: Bit, q: Bit) -> None:
        add(router.flip_flop, clock=clock_bit, d=d, q=q)

    shared = 0
    if router.exclusive_or is None:
        pins_in: list[Bit] = [next(fresh) for _ in inputs]
        pins_out: list[Bit] = [next(fresh) for _ in outputs]
        for pin, bit in zip(pins_in, inputs, strict=True):
            register(pin, bit)
        for bit, pin in zip(outputs, pins_out, strict=True):
            register(bit, pin)
    else:
        shared = _packed_with_a_lut(module, outputs, router.exclusive_or)
        serial: Bit = next(fresh)
        pins_in = [serial]
        for bit in inputs:
            register(serial, bit)
            serial = bit
        signature: Bit = "0"
        for bit in outputs:
            held, folded, following = next(fresh), next(fresh), next(fresh)
            register(bit, held)
            add(router.exclusive_or, a=held, b=signature, y=folded)
            register(folded, following)
            signature = following
        pins_out = [signature]
    module["ports"] = {
        clock: {"direction": "input", "bits": [clock_bit]},
        "harness_in": {"direction": "input", "bits": pins_in},
        "harness_out": {"direction": "output", "bits": pins_out},
    }
    packed = 0 if router.exclusive_or is None else len(inputs) + 2 * len(outputs) - shared
    return Harness(netlist, packed)


def _bits(module: dict[str, Any]) -> list[int]:
    wires = [*module["ports"].values(), *module["netnames"].values()]
    connections = [bits for cell in module["cells"].values() for bits in cell["connections"].values()]
    return [b for bits in [*(w["bits"] for w in wires), *connections] for b in bits if isinstance(b, int)]


def _packed_with_a_lut(module: dict[str, Any], outputs: list[int], lut: Cell) -> int:
    """How many outputs are a LUT's alone: nextpnr packs it and the flip-flop that holds it into one logic cell."""
    loads: Counter[Bit] = Counter(outputs)
    driven_by_lut = set()
    for cell in module["cells"].values():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] == "input":
                loads.update(bits)
            elif cell["type"] == lut.type:
                driven_by_lut.update(bits)
    return sum(bit in driven_by_lut and loads[bit] == 1 for bit in outputs)
