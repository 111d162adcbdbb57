"""Units by name: a design is a unit and its parameters, and knows its Verilog and its contract."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Fragment, Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from ..formats import Accumulator, Engine, Format, check_format
from .choose import BUILDS, FAMILIES, check_table, choose_build
from .decode import Decode
from .describe import describe_engine, describe_format, meaning_at_edge
from .dot import Dot
from .emit import to_rtlil, to_verilog
from .mac import Mac
from .matmul import matmul_latencies, matmul_latency
from .matmul_engine import MatmulEngine, engine_members
from .multiply import Multiply
from .term import MAX_PIPELINE, Build, special_names

__all__ = ["UNITS", "Design", "Unit", "verilog_of"]

MAX_LANES = 1024
MAX_TERMS = 1 << 32


@dataclass(frozen=True)
class Unit:
    """A kind of hardware that fewbit generates.

    Parameters
    ----------
    summary: one line for people
    make: the component of a design
    contract: what the unit computes, in one sentence
    latency: cycles from operands to result
    result: name of the port that carries the exact integer, if there is one
    """

    summary: str
    make: Callable[["Design"], wiring.Component]
    contract: Callable[["Design"], str]
    latency: Callable[["Design"], int]
    result: str | None


def _matmul(design: "Design") -> MatmulEngine:
    assert design.engine is not None
    return MatmulEngine(design.engine, design.chosen_build, design.pipeline)


def _matmul_contract(design: "Design") -> str:
    assert design.engine is not None
    output = design.engine.requantization.output
    return (
        f"C[m, n] = the sum over k of A[m, k] * W[k, n], exact for k up to {design.terms}, then scaled and rounded once "
        f"to {output}"
    )


def _matmul_latency(design: "Design") -> int:
    assert design.engine is not None
    return matmul_latency(design.engine, design.chosen_build, design.pipeline)


def _mac_contract(design: "Design") -> str:
    products = "weight * activation" if design.unit == "mac" else f"{design.lanes} products weight * activation a cycle"
    return f"accumulator = sum of {products} since first, exact for up to {design.terms} terms"


UNITS: dict[str, Unit] = {
    "decode": Unit(
        "sign, significand and shift of a code; combinational",
        lambda design: Decode(design.weight),
        lambda design: "value = (-1)**sign * significand * 2**shift * 2**lsb_exponent, exact",
        lambda design: 0,
        None,
    ),
    "multiply": Unit(
        "exact product of two codes",
        lambda design: Multiply(design.weight, design.activation, design.chosen_build, pipeline=design.pipeline),
        lambda design: "product = weight * activation, exact",
        lambda design: design.pipeline,
        "product",
    ),
    "mac": Unit(
        "exact multiply-accumulate, one product a cycle",
        lambda design: Mac(
            design.weight, design.activation, design.chosen_build, terms=design.terms, pipeline=design.pipeline
        ),
        _mac_contract,
        lambda design: design.pipeline + 1,
        "accumulator",
    ),
    "dot": Unit(
        "exact dot product, several products a cycle",
        lambda design: Dot(
            design.weight,
            design.activation,
            design.chosen_build,
            lanes=design.lanes,
            terms=design.terms,
            pipeline=design.pipeline,
        ),
        _mac_contract,
        lambda design: design.pipeline + 1,
        "accumulator",
    ),
    "matmul": Unit(
        "tiled matrix product, streaming, with requantized outputs",
        _matmul,
        _matmul_contract,
        _matmul_latency,
        None,
    ),
}

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
}


@dataclass(frozen=True)
class Design:
    """A unit with all its parameters: hashable, picklable, checked when it is made (ValueError).

    Parameters
    ----------
    unit: a key of ``UNITS``
    weight: format of the weight (of the code, where the unit is ``decode``)
    activation: format of the activation; None is the weight's
    terms: most products in one sum, 1 to 2**32
    lanes: products a cycle, 1 to 1024; more than one only for ``dot``
    pipeline: register stages, 0 to 3
    dsp: whether the significand product is left to the device's multiplier
    build: how the product is built, one of ``BUILDS``
    family: FPGA family that ``auto`` chooses for, a key of ``FAMILIES``; None gives the portable choice
    engine: of a ``matmul``, and of nothing else; ``Design.matmul`` makes the rest of it
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

    @classmethod
    def matmul(
        cls, engine: Engine, *, pipeline: int = 2, dsp: bool = False, build: str = "auto", family: str | None = None
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
        )

    def __post_init__(self) -> None:
        _check("unit", self.unit, UNITS)
        _check("build", self.build, BUILDS)
        if self.family is not None:
            _check("family", self.family, FAMILIES)
        if self.activation is None:
            object.__setattr__(self, "activation", self.weight)
        for name in ("weight", "activation"):
            check_format(name, getattr(self, name))
        for name, value, least, most in (
            ("terms", self.terms, 1, MAX_TERMS),
            ("lanes", self.lanes, 1, MAX_LANES),
            ("pipeline", self.pipeline, 0, MAX_PIPELINE),
        ):
            if not (isinstance(value, int) and least <= value <= most):
                raise ValueError(f"{name} must be {least} to {most}, not {value!r}")
        if (self.engine is not None) != (self.unit == "matmul"):
            raise ValueError(f"engine must be {'given' if self.engine is None else 'left out'} for {self.unit}")
        if self.engine is not None:
            self._check_engine(self.engine)
        elif self.lanes > 1 and self.unit != "dot":
            raise ValueError(
                f"lanes must be 1 for {self.unit}, not {self.lanes}; the units with more are dot and matmul"
            )
        if self.dsp and self.build != "auto":
            raise ValueError(f"build must be 'auto' where a DSP block makes the product, not {self.build!r}")
        if self.unit != "decode":
            check_table(self.weight, self.activation, self.build)
        if self.lanes > self.terms and self.unit == "dot":
            raise ValueError(f"terms must be at least the {self.lanes} lanes, not {self.terms}")

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

    @property
    def module(self) -> str:
        """Name of the top module."""
        return self.unit

    @property
    def chosen_build(self) -> Build:
        """What ``build`` comes down to for these formats and this family."""
        return choose_build(
            self.weight, self.activation, self.build, pipeline=self.pipeline, family=self.family, dsp=self.dsp
        )

    @property
    def latency(self) -> int:
        """Cycles from operands to result."""
        return UNITS[self.unit].latency(self)

    def component(self) -> wiring.Component:
        return UNITS[self.unit].make(self)

    def rtlil(self) -> str:
        return to_rtlil(self.component(), self.module)

    def verilog(self) -> str:
        return verilog_of([self])[0]

    def description(self, command: str = "", version: str = "") -> dict[str, Any]:
        """The unit's contract for any tool that verifies or integrates it, ready for JSON: docs/units.md
        goes through it key by key."""
        unit = UNITS[self.unit]
        described: dict[str, Any] = {
            "unit": self.unit,
            "module": self.module,
            "command": command,
            "version": version,
            "contract": unit.contract(self),
            "weight": describe_format(self.weight),
        }
        if self.unit != "decode":
            described["activation"] = describe_format(self.activation)
        if unit.result is not None:
            terms = self.terms if unit.result == "accumulator" else 1
            accumulator = Accumulator(self.weight, self.activation, terms)
            described[unit.result] = {
                "width": accumulator.width,
                "signed": accumulator.signed,
                "lsb_exponent": accumulator.lsb_exponent,
            }
            described |= {"terms": terms, "lanes": self.lanes}
        if self.engine is not None:
            described |= describe_engine(self.engine)
            described["latencies"] = matmul_latencies(self.engine, self.chosen_build, self.pipeline)
        return described | {
            "latency": self.latency,
            "initiation_interval": 1,
            "pipeline": self.latency and self.pipeline,
            "dsp": self.dsp,
            "build": self.chosen_build.product if self.unit != "decode" else None,
            "ports": self._ports(),
        }

    def _ports(self) -> list[dict[str, Any]]:
        ports = []
        if self.latency:
            ports = [("clk", "input", 1, False), ("rst", "input", 1, False)]
        if self.engine is not None:
            members = engine_members(self.engine)
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
        if self.lanes > 1 and name in ("weight", "activation"):
            return f"codes of the {name}s, lane i in bits i*{getattr(self, name).width} and up"
        flagged = name == UNITS[self.unit].result and special_names(self.weight, self.activation)
        return _MEANINGS[name] + ("; 0 while a flag is up" if flagged else "")


def verilog_of(designs: list[Design]) -> list[str]:
    """The Verilog of each design, all of them in one run of yosys."""
    return to_verilog([(design.module, design.rtlil()) for design in designs])


def _check(what: str, value: str, known: Any) -> None:
    if value not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}, not {value!r}")
