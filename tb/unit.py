"""A unit as its UNIT.json describes it: what a testbench has to know about it, and nothing of how it was made."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..formats import EXACT, Element, Format, parse_element, read_format

__all__ = ["DescribedPort", "DescribedUnit", "read_element"]

_OPERANDS = {
    "decode": ("code",),
    "multiply": ("weight", "activation"),
    "mac": ("weight", "activation"),
    "dot": ("weight", "activation"),
}
_RESULTS = {"decode": "significand", "multiply": "product", "mac": "accumulator", "dot": "accumulator"}


def read_element(description: Mapping[str, Any]) -> Element:
    """What multiplies and adds in a unit that a UNIT.json describes. Raises ValueError, KeyError."""
    return parse_element(description["arithmetic"]["element"]) if "arithmetic" in description else EXACT


@dataclass(frozen=True)
class DescribedPort:
    name: str
    direction: str
    width: int
    signed: bool


@dataclass(frozen=True)
class DescribedUnit:
    """The contract of one generated unit.

    Members
    -------
    kind: decode, multiply, mac or dot
    module: name of the top module
    weight, activation: formats; a decoder has one, and it is both
    lanes: products a cycle
    terms: products that one sum may have
    latency: cycles; 0 for a unit without a clock
    ports: by name
    element: what multiplies and adds
    interval: cycles between operands
    """

    kind: str
    module: str
    weight: Format
    activation: Format
    lanes: int
    terms: int
    latency: int
    ports: Mapping[str, DescribedPort]
    element: Element = EXACT
    interval: int = 1

    @classmethod
    def from_description(cls, description: Mapping[str, Any]) -> "DescribedUnit":
        """Read a UNIT.json. Raises ValueError where it does not describe a unit that there is a testbench for."""
        kind = description.get("unit")
        if kind not in _OPERANDS:
            raise ValueError(f"unit must be one of {', '.join(_OPERANDS)}, not {kind!r}")
        try:
            ports = {
                port["name"]: DescribedPort(port["name"], port["direction"], int(port["width"]), bool(port["signed"]))
                for port in description["ports"]
            }
            formats = [
                read_format(description[key]) for key in ("weight", "activation", "format") if key in description
            ]
            unit = cls(
                kind=kind,
                module=description["module"],
                weight=formats[0],
                activation=formats[-1],
                lanes=int(description.get("lanes") or 1),
                terms=int(description.get("terms") or 1),
                latency=int(description["latency"]),
                ports=ports,
                element=read_element(description),
                interval=int(description.get("initiation_interval") or 1),
            )
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f"description of {kind} must have every key of UNIT.json, {error} is missing") from None
        unit._check()
        return unit

    def _check(self) -> None:
        for name, width in zip(self.operands, (self.weight.width, self.activation.width), strict=False):
            port = self.ports.get(name)
            if port is None or port.direction != "input" or port.width != width * self.lanes:
                raise ValueError(f"{self.kind} must have an input {name} of {width * self.lanes} bits, not {port}")
        clocked = ("rst", "valid", self.boundary, "clk") if self.accumulates else ("clk",) * self.clocked
        needed = [self.result, *clocked]
        missing = [name for name in needed if name not in self.ports]
        if missing:
            raise ValueError(f"ports of {self.kind} must include {', '.join(missing)}")
        if self.accumulates and self.latency < 1:
            raise ValueError(f"latency of {self.kind} must be 1 or more, not {self.latency}")

    @property
    def operands(self) -> tuple[str, ...]:
        return _OPERANDS[self.kind]

    @property
    def result(self) -> str:
        """The output that carries the number."""
        return _RESULTS[self.kind]

    @property
    def accumulates(self) -> bool:
        return self.kind in ("mac", "dot")

    @cached_property
    def recovery(self) -> int:
        """Cycles from the last word of a sum to the next sum's first word, beside the interval."""
        return self.element.recovery(self.weight, self.activation) if self.accumulates else 0

    @property
    def boundary(self) -> str:
        """The input that parts sums."""
        return "last" if self.recovery else "first"

    @property
    def clocked(self) -> bool:
        return self.latency > 0

    @property
    def delay(self) -> int:
        """Rising edges between the one that takes operands and the one after which their result stands."""
        return max(self.latency, 1) - 1

    @cached_property
    def outputs(self) -> tuple[str, ...]:
        return tuple(port.name for port in self.ports.values() if port.direction == "output")

    @property
    def exhaustive(self) -> bool:
        """Whether every operand pair is tried."""
        return self.weight.width + self.activation.width <= 16
