"""Parameter sets of units: what all of them have in common, and how the one of a unit is made by the unit's name."""

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

from amaranth.hdl import Fragment, Shape
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from ...formats import EXACT, Arithmetic, Blocks, Element, Engine, Format, Requantization, check_operand
from ..describe import describe_format
from ..emit import port_order, to_rtlil, to_verilog
from ..keywords import check_module
from ..products.build import CHAINED_PIPELINE, MAX_PIPELINE
from ..products.choose_build import BUILDS, FAMILIES

__all__ = [
    "UNITS",
    "Design",
    "check_known",
    "check_lanes",
    "check_range",
    "check_terms",
    "make_design",
    "register_unit",
    "verilog_of",
]

MAX_LANES = 1024
MAX_TERMS = 1 << 32

UNITS: dict[str, type["Design"]] = {}
"""The parameter set of every unit, by the unit's name. ``hdl/catalog.py`` fills it."""

_CLOCK = {"clk": "clock, rising edge", "rst": "synchronous reset, active high"}
_SPECIAL_PARAMETERS = {"engine": Engine, "requantization": Requantization, "blocks": Blocks, "block_size": int}
"""What some units need and others have no use for, and what it must be."""


class _Named(ABCMeta):
    """Calling ``Design`` makes the design of the unit that is named; calling the class of a unit makes that."""

    def __call__(cls, *args: Any, **given: Any) -> Any:
        return make_design(*args, **given) if cls is Design else super().__call__(*args, **given)


@dataclass(frozen=True, kw_only=True)
class Design(metaclass=_Named):
    """A unit with all its parameters: hashable, picklable, checked when it is made (ValueError).

    Every unit has a class of its own that inherits this one, in the file of the unit. ``Design("mac", weight,
    activation, ...)`` makes that of the unit so called; its other arguments, all of them optional, are::

        terms: most products in one sum, 1 to 2**32; 4096 unless given
        lanes: products (or codes) a word, 1 to 1024; more than one only for the units that have several
        pipeline: register stages, 0 to 3, of some 4, see ``ProductDesign``; 2 unless given
        dsp: whether products are left to the device's multipliers
        build: how products are built, one of BUILDS; "auto" unless given
        family: FPGA family that "auto" chooses for, a key of FAMILIES; None gives the portable choice
        engine, requantization, blocks, block_size: of the units that need them, and of no others
        dsp_elements: of a matmul, see MatmulDesign
        cycles_an_output: of a requantizer, see RequantizeDesign
        module: name of the top module
        element: what multiplies and adds, of the units that have products

    Without ``activation``, activations have the format of the weights. What a unit has no use for is checked and left
    out.

    Parameters
    ----------
    dsp: whether multiplications are left to the device's multipliers
    family: FPGA family that the hardware is made for, a key of ``FAMILIES``; None for any
    module: name of the top module, a plain Verilog identifier; the unit's unless given

    Members
    -------
    unit: the unit's name
    summary: the unit in one line, for people
    operands: the formats that it has, of ``weight`` and ``activation``
    needs: the fields without which there is none, of engine, requantization, blocks and block_size
    has_lanes: whether it may have several products, or codes, a word
    result: name of the port that carries an integer as a result, if there is one
    contract: what it computes, in one sentence
    latency: cycles from operands to result
    """

    unit: ClassVar[str]
    summary: ClassVar[str]
    operands: ClassVar[tuple[str, ...]] = ("weight", "activation")
    needs: ClassVar[tuple[str, ...]] = ()
    has_lanes: ClassVar[bool] = False
    result: ClassVar[str | None] = None
    meanings: ClassVar[Mapping[str, str]] = {}

    dsp: bool = False
    family: str | None = None
    module: str = ""

    def __post_init__(self) -> None:
        if not self.module:
            object.__setattr__(self, "module", self.unit)
        check_module(self.module)
        if self.family is not None:
            check_known("family", self.family, FAMILIES)

    @classmethod
    def of(cls, given: dict[str, Any]) -> Self:
        """The design with these arguments of ``Design``, of which it takes those that it has fields for."""
        names = {field.name for field in fields(cls)}
        given = given | {"format": given["weight"]}
        if "arithmetic" in names:
            given = given | {"arithmetic": Arithmetic(given["weight"], given["activation"], given["element"])}
        return cls(**{name: value for name, value in given.items() if name in names})

    @staticmethod
    def matmul(engine: Engine, **options: Any) -> Any:
        """The design of a matmul engine; ``options`` are pipeline, dsp, build, family, dsp_elements, dsp_grid, as
        MatmulDesign has them."""
        return UNITS["matmul"](engine=engine, **options)  # type: ignore[call-arg]  # a MatmulDesign

    @property
    @abstractmethod
    def weight(self) -> Format:
        """Format of the weight, or of the codes where there is one format."""

    @property
    def activation(self) -> Format:
        """Format of the activation; the weight's where there is one format."""
        return self.weight

    @property
    @abstractmethod
    def contract(self) -> str: ...

    @property
    @abstractmethod
    def latency(self) -> int: ...

    @property
    def initiation_interval(self) -> int:
        """Cycles from operands to the next operands."""
        return 1

    @property
    def stages(self) -> int | None:
        """Register stages as the description tells them; None where the unit decides itself."""
        return None

    @property
    def product_build(self) -> str | None:
        """How products are built; None where there are none."""
        return None

    @property
    def accumulator_bits(self) -> int | None:
        """Bits of the result, where it is an integer."""
        return None

    @property
    def formats(self) -> tuple[Format, ...]:
        """The formats that tell it from others of its unit."""
        return tuple(getattr(self, name) for name in self.operands)

    @property
    def parameters(self) -> dict[str, Any]:
        """What rows of cost tell of the design beside its formats."""
        return {name: getattr(self, name) for name in ("terms", "lanes", "pipeline", "build") if hasattr(self, name)}

    @abstractmethod
    def component(self) -> wiring.Component:
        """The hardware."""

    def rtlil(self) -> str:
        return to_rtlil(self.component(), self.module)

    def verilog(self) -> str:
        return verilog_of([self])[0]

    def describe(self) -> dict[str, Any]:
        """What the description has beside that of any unit."""
        return {}

    def description(self, command: str = "", version: str = "") -> dict[str, Any]:
        """The unit's contract for any tool that verifies or integrates it, ready for JSON: docs/units.md
        goes through it key by key."""
        return {
            "unit": self.unit,
            "module": self.module,
            "command": command,
            "version": version,
            "contract": self.contract,
            **{name: describe_format(getattr(self, name)) for name in self.operands},
            **self.describe(),
            "latency": self.latency,
            "initiation_interval": self.initiation_interval,
            "pipeline": self.stages,
            "dsp": self.dsp,
            "build": self.product_build,
            "ports": self._ports(),
        }

    def header(self) -> str | None:
        """The unit's registers for C, where it has any."""
        return None

    def members(self) -> Mapping[str, wiring.Member]:
        """The ports, clock and reset aside."""
        component = self.component()
        Fragment.get(component, None)  # or Amaranth warns that a component came to nothing
        return component.signature.members

    def meaning(self, port: str) -> str:
        """What a port is, for people."""
        return self.meanings[port]

    def _ports(self) -> list[dict[str, Any]]:
        ports = [(name, "input", 1, False, _CLOCK[name]) for name in _CLOCK if self.latency]
        for name, member in self.members().items():
            shape = Shape.cast(member.shape)
            direction = "input" if member.flow is In else "output"
            ports.append((name, direction, shape.width, shape.signed, self.meaning(name)))
        return [
            {"name": name, "direction": direction, "width": width, "signed": is_signed, "meaning": meaning}
            for name, direction, width, is_signed, meaning in ports
        ]


def check_terms(terms: object) -> None:
    """Raise ValueError where that is no number of products in a sum."""
    check_range("terms", terms, 1, MAX_TERMS)


def check_lanes(lanes: object, terms: int | None = None) -> None:
    """Raise ValueError where that is no number of lanes, or more than a sum has terms."""
    check_range("lanes", lanes, 1, MAX_LANES)
    if terms is not None and isinstance(lanes, int) and lanes > terms:
        raise ValueError(f"terms must be at least the {lanes} lanes, not {terms}")


def check_range(name: str, value: object, least: int, most: int) -> None:
    """Raise ValueError where ``value``, a parameter of that name, is no integer within these limits."""
    if not (isinstance(value, int) and least <= value <= most):
        raise ValueError(f"{name} must be {least} to {most}, not {value!r}")


def check_known(what: str, value: str, known: Any) -> None:
    """Raise ValueError where ``value``, a parameter of that name, is not among those that are known."""
    if value not in known:
        raise ValueError(f"{what} must be one of {', '.join(known)}, not {value!r}")


def register_unit(kind: type[Design]) -> None:
    """Make ``Design`` know a unit by its name."""
    UNITS[kind.unit] = kind


def verilog_of(designs: list[Design]) -> list[str]:
    """The Verilog of each design, all of them in one run of yosys."""
    made = [(design.module, design.component()) for design in designs]
    return to_verilog([(name, to_rtlil(component, name), port_order(component)) for name, component in made])


def make_design(
    unit: str,
    weight: Format,
    activation: Format | None = None,
    terms: int = 4096,
    lanes: int = 1,
    pipeline: int = 2,
    dsp: bool = False,
    build: str = "auto",
    family: str | None = None,
    engine: Engine | None = None,
    requantization: Requantization | None = None,
    blocks: Blocks | None = None,
    block_size: int | None = None,
    dsp_elements: int | None = None,
    cycles_an_output: int | None = None,
    module: str = "",
    element: Element = EXACT,
) -> Design:
    """The design of the unit of that name; ``Design`` tells of the arguments, which may go straight to it as well.

    All of them are checked, those that the unit has no use for as well.
    """
    given = dict(locals())
    check_known("unit", unit, UNITS)
    kind = UNITS[unit]
    check_known("build", build, BUILDS)
    if family is not None:
        check_known("family", family, FAMILIES)
    given["activation"] = weight if activation is None else activation
    for name in ("weight", "activation"):
        check_operand(name, given[name])
    check_terms(terms)
    check_lanes(lanes)
    if pipeline != CHAINED_PIPELINE:  # which the units that can have it judge themselves
        check_range("pipeline", pipeline, 0, MAX_PIPELINE)
    for name, wanted in _SPECIAL_PARAMETERS.items():
        value = given[name]
        if (value is not None) != (name in kind.needs):
            raise ValueError(f"{name} must be {'given' if value is None else 'left out'} for {unit}")
        if value is not None and not isinstance(value, wanted):
            raise ValueError(f"{name} must be of {wanted.__name__}, not {value!r}")
    if lanes > 1 and not kind.has_lanes:
        units = ", ".join(name for name, other in UNITS.items() if other.has_lanes)
        raise ValueError(f"lanes must be 1 for {unit}, not {lanes}; the units with more are {units}")
    if dsp_elements is not None and engine is None:
        raise ValueError(
            f"dsp_elements must be left out but for an output-stationary matmul with dsp, not {dsp_elements!r}"
        )
    if cycles_an_output is not None and unit != "requantize":
        raise ValueError(f"cycles_an_output must be left out for {unit}, not {cycles_an_output!r}")
    return kind.of(given)
