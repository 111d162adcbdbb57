"""Units by name: a design is a unit and its parameters, and knows its Verilog and its contract."""

import re
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Fragment, Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from ..formats import Accumulator, Blocks, Engine, Format, Requantization, check_operand, special_names
from .catalog import UNITS, Unit, edge_of
from .describe import describe_format, meaning_at_edge, meaning_in_stream
from .emit import to_rtlil, to_verilog
from .engine.matmul_engine import engine_members
from .products.choose_build import BUILDS, FAMILIES, check_table, choose_build
from .products.product_term import MAX_PIPELINE, Build

__all__ = ["Design", "verilog_of"]

MAX_LANES = 1024
MAX_TERMS = 1 << 32


_MEANINGS = {
    "clk": "clock, rising edge",
    "rst": "synchronous reset, active high",
    "valid": "the operands of this cycle count",
    "first": "the sum starts anew with this product; means nothing without valid",
    "weight": "code of the weight",
    "activation": "code of the activation",
    "code": "code to decode",
    "accumulator": "the exact sum in units of 2**lsb_exponent; holds while no product arrives",
    "product": "the exact product in units of 2**lsb_exponent",
    "sign": "1 where the value is negative",
    "significand": "magnitude before the shift",
    "shift": "places to the left that the significand goes",
    "infinity": "the code is an infinity",
    "nan": "the value is NaN",
    "positive_infinity": "the result is +infinity",
    "negative_infinity": "the result is -infinity",
    "tensor_scale": "code of the second scale of all codes; a beat takes the one that is there when it is taken",
}
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PARAMETERS = {"engine": Engine, "requantization": Requantization, "blocks": Blocks, "block_size": int}
"""The fields that some units need and others have no use for, and what they must be."""


@dataclass(frozen=True)
class Design:
    """A unit with all its parameters: hashable, picklable, checked when it is made (ValueError).

    Parameters
    ----------
    unit: a key of ``UNITS``
    weight: format of the weight (of the codes, where the unit is ``decode`` or ``dequantize``)
    activation: format of the activation; None is the weight's
    terms: most products in one sum, 1 to 2**32
    lanes: products (or codes) a cycle, 1 to 1024; more than one only for the units that have several
    pipeline: register stages, 0 to 3
    dsp: whether the significand product is left to the device's multiplier
    build: how the product is built, one of ``BUILDS``
    family: FPGA family that ``auto`` chooses for, a key of ``FAMILIES``; None gives the portable choice
    engine: of a ``matmul``, and of nothing else; ``Design.matmul`` makes the rest of it
    requantization: of a ``requantize`` or a ``dequantize``, and of nothing else
    blocks: of a ``block_dot``, and of nothing else
    block_size: codes that share a scale, of a ``dequantize``, and of nothing else
    dsp_elements: how many elements of an output-stationary ``matmul`` leave their products to the device's multipliers
        where ``dsp`` is set, all others are built as without; None for all
    module: name of the top module, a plain Verilog identifier; the unit's unless given
    """

    unit: str
    weight: Format
    activation: Format = None  # type: ignore[assignment]  # never None after __post_init__
    terms: int = 4096
    lanes: int = 1
    pipeline: int = 2
    dsp: bool = False
    build: str = "auto"
    family: str | None = None
    engine: Engine | None = None
    requantization: Requantization | None = None
    blocks: Blocks | None = None
    block_size: int | None = None
    dsp_elements: int | None = None
    module: str = ""

    @classmethod
    def matmul(
        cls,
        engine: Engine,
        *,
        pipeline: int = 2,
        dsp: bool = False,
        build: str = "auto",
        family: str | None = None,
        dsp_elements: int | None = None,
    ) -> "Design":
        """The design of a matmul engine."""
        return cls(
            "matmul",
            engine.weight,
            engine.activation,
            terms=engine.max_k,
            lanes=engine.lanes,
            pipeline=pipeline,
            dsp=dsp,
            build=build,
            family=family,
            engine=engine,
            dsp_elements=dsp_elements,
        )

    def __post_init__(self) -> None:
        _check("unit", self.unit, UNITS)
        if not self.module:
            object.__setattr__(self, "module", self.unit)
        if not _IDENTIFIER.fullmatch(self.module):
            raise ValueError(
                f"module must be letters, digits and underscores, and begin with no digit, not {self.module!r}"
            )
        _check("build", self.build, BUILDS)
        if self.family is not None:
            _check("family", self.family, FAMILIES)
        if self.activation is None:
            object.__setattr__(self, "activation", self.weight)
        for name in ("weight", "activation"):
            check_operand(name, getattr(self, name))
        for name, value, least, most in (
            ("terms", self.terms, 1, MAX_TERMS),
            ("lanes", self.lanes, 1, MAX_LANES),
            ("pipeline", self.pipeline, 0, MAX_PIPELINE),
        ):
            if not (isinstance(value, int) and least <= value <= most):
                raise ValueError(f"{name} must be {least} to {most}, not {value!r}")
        self._check_parameters()
        if self.dsp_elements is not None:
            self._check_dsp_elements(self.dsp_elements)
        elif self.dsp and self.build != "auto":
            raise ValueError(f"build must be 'auto' where a DSP block makes the product, not {self.build!r}")
        if self._unit.has_products:
            check_table(self.weight, self.activation, self.build)
        if self.lanes > self.terms and self.unit in ("dot", "block_dot"):
            raise ValueError(f"terms must be at least the {self.lanes} lanes, not {self.terms}")

    def _check_parameters(self) -> None:
        """The fields that the unit has, and no others."""
        for name, kind in _PARAMETERS.items():
            value = getattr(self, name)
            if (value is not None) != (name in self._unit.parameters):
                raise ValueError(f"{name} must be {'given' if value is None else 'left out'} for {self.unit}")
            if value is not None and not isinstance(value, kind):
                raise ValueError(f"{name} must be of {kind.__name__}, not {value!r}")
        if self.lanes > 1 and not self._unit.has_lanes:
            units = [name for name, unit in UNITS.items() if unit.has_lanes]
            raise ValueError(
                f"lanes must be 1 for {self.unit}, not {self.lanes}; the units with more are {', '.join(units)}"
            )
        if self.engine is not None:
            self._check_engine(self.engine)
        self._unit.check(self)

    def _check_engine(self, engine: Engine) -> None:
        if self.pipeline < 1:
            raise ValueError(f"pipeline must be 1 to {MAX_PIPELINE} for matmul, not {self.pipeline}")
        for name, value in (
            ("weight", engine.weight),
            ("activation", engine.activation),
            ("lanes", engine.lanes),
            ("terms", engine.max_k),
        ):
            if getattr(self, name) != value:
                raise ValueError(f"{name} must be the engine's {value}, not {getattr(self, name)}")

    def _check_dsp_elements(self, elements: int) -> None:
        if not self.dsp or self.engine is None or not self.engine.output_stationary:
            raise ValueError(
                f"dsp_elements must be left out but for an output-stationary matmul with dsp, not {elements!r}"
            )
        most = self.engine.rows * self.engine.columns
        if not (isinstance(elements, int) and 0 <= elements <= most):
            raise ValueError(f"dsp_elements must be 0 to the {most} elements, not {elements!r}")

    @property
    def chosen_build(self) -> Build:
        """What ``build`` comes down to for these formats and this family."""
        return choose_build(
            self.weight,
            self.activation,
            self.build,
            pipeline=self.pipeline,
            family=self.family,
            dsp=self.dsp and self.dsp_elements is None,
        )

    @property
    def latency(self) -> int:
        """Cycles from operands to result."""
        return self._unit.latency(self)

    @property
    def _unit(self) -> Unit:
        return UNITS[self.unit]

    def component(self) -> wiring.Component:
        return self._unit.make(self)

    def rtlil(self) -> str:
        return to_rtlil(self.component(), self.module)

    def verilog(self) -> str:
        return verilog_of([self])[0]

    def description(self, command: str = "", version: str = "") -> dict[str, Any]:
        """The unit's contract for any tool that verifies or integrates it, ready for JSON: docs/units.md
        goes through it key by key."""
        unit = self._unit
        described: dict[str, Any] = {
            "unit": self.unit,
            "module": self.module,
            "command": command,
            "version": version,
            "contract": unit.contract(self),
            **{name: describe_format(getattr(self, name)) for name in unit.operands},
        }
        if unit.result is not None:
            terms = self.terms if unit.result == "accumulator" else 1
            accumulator = Accumulator(self.weight, self.activation, terms)
            described[unit.result] = {
                "width": accumulator.width,
                "signed": accumulator.signed,
                "lsb_exponent": accumulator.lsb_exponent,
            }
            described |= {"terms": terms, "lanes": self.lanes}
        described |= unit.describe(self)
        return described | {
            "latency": self.latency,
            "initiation_interval": 1,
            "pipeline": self.latency and self.pipeline if unit.has_products or not self.latency else None,
            "dsp": self.dsp,
            "build": self.chosen_build.product if unit.has_products else None,
            "ports": self._ports(),
        }

    def _ports(self) -> list[dict[str, Any]]:
        ports = []
        if self.latency:
            ports = [("clk", "input", 1, False), ("rst", "input", 1, False)]
        if self.engine is not None:
            members = engine_members(self.engine)
        elif self._unit.is_edge:
            members = edge_of(self).signature.members
        else:
            component = self.component()
            Fragment.get(component, None)  # or Amaranth warns that a component came to nothing
            members = component.signature.members
        for name, member in members.items():
            shape = Shape.cast(member.shape)
            ports.append((name, "input" if member.flow is In else "output", shape.width, shape.signed))
        return [
            {"name": name, "direction": direction, "width": width, "signed": is_signed, "meaning": self._meaning(name)}
            for name, direction, width, is_signed in ports
        ]

    def _meaning(self, name: str) -> str:
        if self.engine is not None and name not in ("clk", "rst"):
            return meaning_at_edge(name)
        if self._unit.is_edge:
            for stream in edge_of(self).streams:
                if name in stream.members:
                    return meaning_in_stream(stream, name)
        if self.lanes > 1 and name in ("weight", "activation"):
            return f"codes of the {name}s, lane i in bits i*{getattr(self, name).width} and up"
        flagged = name == self._unit.result and special_names(self.weight, self.activation)
        return _MEANINGS[name] + ("; 0 while a flag is up" if flagged else "")


def verilog_of(designs: list[Design]) -> list[str]:
    """The Verilog of each design, all of them in one run of yosys."""
    return to_verilog([(design.module, design.rtlil()) for design in designs])


def _check(what: str, value: str, known: Any) -> None:
    if value not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}, not {value!r}")
