"""A ring of flip-flops is put around a netlist, so that routing measures the time of the unit and not of the pins."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from ..families import HarnessCell, HarnessCells

__all__ = ["Harness", "wrap"]

Bit = int | str


@dataclass(frozen=True)
class Harness:
    """A netlist in yosys's JSON form with its harness, and how many packed logic cells belong to the harness."""

    netlist: dict[str, Any]
    logic_cells: int


SHARED_INPUTS = 16
"""How many flip-flops drive all inputs of a unit in a thin harness."""


def wrap(netlist: dict[str, Any], top: str, clock: str, library: HarnessCells, *, thin: bool = False) -> Harness:
    """Put a flip-flop at every pin of ``top`` but its clock; a combinational unit gets a clock that way.

    The cells are of the family's own library and nothing is optimized afterwards, so what the harness costs is known
    exactly. Where the router cannot leave pins open, the inputs' flip-flops form one shift register, and the outputs
    are held and then folded into a signature: three pins in all, whatever the unit's. ``netlist`` is changed in place.

    There, ``thin`` takes the least logic, for a unit that fills the device: inputs share a few flip-flops, and outputs
    are folded by threes on their way to the first one.
    """
    module = netlist["modules"][top]
    ports, cells = module["ports"], module["cells"]
    _leave_open(module, library)
    constants: dict[str, Bit] = {}
    fresh = count(max(_bits(module), default=1) + 1)
    clock_bit = ports[clock]["bits"][0] if clock in ports else next(fresh)
    inputs = [b for name, p in ports.items() if p["direction"] == "input" and name != clock for b in p["bits"]]
    outputs = [b for p in ports.values() if p["direction"] == "output" for b in p["bits"] if isinstance(b, int)]

    def add(cell: HarnessCell, *, site: str = "", **pins: Bit) -> None:
        names = dict(cell.pins)
        ties = {name: [constant(value)] for name, value in cell.ties}
        cells[f"harness_{len(cells)}"] = {
            "type": cell.type,
            "parameters": dict(cell.parameters),
            "attributes": {"LOC": site} if site else {},
            "port_directions": {
                **{names[pin]: "output" if pin in ("q", "y") else "input" for pin in pins},
                **dict.fromkeys(dict(cell.ties), "input"),
            },
            "connections": {names[pin]: [bit] for pin, bit in pins.items()} | ties,
        }

    def constant(value: str) -> Bit:
        cell = library.high if value == "1" else library.low
        if cell is None:
            return value
        if value not in constants:
            constants[value] = next(fresh)
            add(cell, y=constants[value])
        return constants[value]

    def register(d: Bit, q: Bit) -> None:
        add(library.flip_flop, clock=clock_bit, d=d, q=q)

    def buffer(cell: HarnessCell, net: Bit, site: str = "", out: bool = False) -> Bit:
        pin = next(fresh)
        add(cell, site=site, a=net if out else pin, y=pin if out else net)
        return pin

    def fold(signature: Bit, bits: Sequence[Bit]) -> Bit:
        assert library.exclusive_or is not None
        folded, following = next(fresh), next(fresh)
        a, b, c = (*bits, constant("0"), constant("0"))[:3]
        add(library.exclusive_or, a=a, b=b, c=c, d=signature, y=folded)
        register(folded, following)
        return following

    logic_cells = 0
    if library.exclusive_or is None:
        pins_in: list[Bit] = [next(fresh) for _ in inputs]
        pins_out: list[Bit] = [next(fresh) for _ in outputs]
        for pin, bit in zip(pins_in, inputs, strict=True):
            register(pin, bit)
        for bit, pin in zip(outputs, pins_out, strict=True):
            register(bit, pin)
    else:
        serial: Bit = next(fresh)
        pins_in = [serial]
        signature = constant("0")
        if thin:
            for place in range(0, len(outputs), 3):
                signature = fold(signature, outputs[place : place + 3])
            driven = inputs[:SHARED_INPUTS]
            _join(module, {bit: driven[place % SHARED_INPUTS] for place, bit in enumerate(inputs)})
            flip_flops, luts = len(driven) + -(-len(outputs) // 3), -(-len(outputs) // 3)
        else:
            driven = inputs
            flip_flops = len(inputs) + 2 * len(outputs) - _packed_with_a_lut(module, outputs, library.packs)
            luts = len(outputs)
            for bit in outputs:
                held = next(fresh)
                register(bit, held)
                signature = fold(signature, [held])
        for bit in driven:
            register(serial, bit)
            serial = bit
        pins_out = [signature]
        logic_cells = (flip_flops if library.packs else luts) + library.more_cells
    # the flip-flops have their nets already: a buffer stands between such a net and a new one, which is the pin's
    clock_pin, sites = clock_bit, library.sites or ("", "", "")
    if library.clock_buffer is not None:
        clock_pin = buffer(library.clock_buffer, clock_pin)
    if library.input_buffer is not None:
        clock_pin = buffer(library.input_buffer, clock_pin, sites[0])
        pins_in = [buffer(library.input_buffer, bit, sites[1]) for bit in pins_in]
    if library.output_buffer is not None:
        pins_out = [buffer(library.output_buffer, bit, sites[2], out=True) for bit in pins_out]
    module["ports"] = {
        clock: {"direction": "input", "bits": [clock_pin]},
        "harness_in": {"direction": "input", "bits": pins_in},
        "harness_out": {"direction": "output", "bits": pins_out},
    }
    return Harness(netlist, logic_cells)


def _leave_open(module: dict[str, Any], library: HarnessCells) -> None:
    """Remove the constants at the library's ``open_pins``."""
    made: set[Bit] = {"0", "1", "x"}
    for cell in module["cells"].values():
        if cell["type"] in [constant.type for constant in (library.low, library.high) if constant]:
            made.update(bit for bits in cell["connections"].values() for bit in bits)
    for cell in module["cells"].values():
        for kind, pin in library.open_pins:
            if cell["type"] == kind and made.issuperset(cell["connections"].get(pin, ["no pin"])):
                cell["connections"][pin] = []


def _join(module: dict[str, Any], into: dict[int, int]) -> None:
    """Replace some nets by others."""
    for cell in module["cells"].values():
        for pin, bits in cell["connections"].items():
            cell["connections"][pin] = [into.get(bit, bit) for bit in bits]
    for name in module["netnames"].values():
        name["bits"] = [into.get(bit, bit) for bit in name["bits"]]


def _bits(module: dict[str, Any]) -> list[int]:
    wires = [*module["ports"].values(), *module["netnames"].values()]
    connections = [bits for cell in module["cells"].values() for bits in cell["connections"].values()]
    return [b for bits in [*(w["bits"] for w in wires), *connections] for b in bits if isinstance(b, int)]


def _packed_with_a_lut(module: dict[str, Any], outputs: list[int], luts: Sequence[str]) -> int:
    """How many outputs are driven by a LUT that drives nothing else. nextpnr packs it with the flip-flop behind it."""
    loads: Counter[Bit] = Counter(outputs)
    driven_by_lut = set()
    for cell in module["cells"].values():
        for pin, bits in cell["connections"].items():
            if cell["port_directions"][pin] == "input":
                loads.update(bits)
            elif cell["type"] in luts:
                driven_by_lut.update(bits)
    return sum(bit in driven_by_lut and loads[bit] == 1 for bit in outputs)
