"""AMD 7-series on boards gets a netlist (EDIF) and XDC for the maker's tools. Its clock is the oscillator."""

from collections.abc import Mapping

from ..pin import Pin
from .board_family import BoardFamily, constraint_lines

__all__ = ["BOARD_FAMILY"]


def _xdc(pins: Mapping[str, Pin], oscillator_hz: int) -> str:
    def line(name: str, pin: Pin) -> str:
        attributes = {"PACKAGE_PIN": pin.name, **pin.attributes}
        return "\n".join(f"set_property {key} {value} [get_ports {name}]" for key, value in attributes.items())

    period = 1e9 / oscillator_hz
    return constraint_lines(pins, line) + f"create_clock -name clk -period {period:.3f} [get_ports clk]\n"


BOARD_FAMILY = BoardFamily(
    suffix="edif",
    constraints_suffix="xdc",
    constraints=_xdc,
    fill=0.7,  # this is a guess
    input_buffer="IBUF",
    output_buffer="OBUF",
    clock_buffer="BUFG",
)
