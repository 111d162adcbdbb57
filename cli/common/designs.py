"""The formats, targets, sizes and designs that options stand for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from .choices import nearest, refusal
from .engine_options import EngineOptions
from .options import DEFAULT_FORMAT, TERMS, Activation, Build, Dsp, Families, Formats, Lanes, Pipeline, Terms

if TYPE_CHECKING:
    from ...formats import Format
    from ...hdl import Design
    from ...synth import Target

__all__ = [
    *(
        "DesignOptions",
        "Size",
        "choose_designs",
        "choose_formats",
        "choose_pairs",
        "choose_policies",
        "choose_targets",
        "design_name",
    ),
    *("parse_integers", "parse_size", "parse_sizes"),
]


@dataclass(frozen=True)
class DesignOptions:
    """The options of a unit that makes products, besides those of a matmul engine."""

    weight: Formats = None
    activation: Activation = None
    terms: Terms = None
    lanes: Lanes = 1
    pipeline: Pipeline = 2
    family: Families = None
    dsp: Dsp = "none"
    build: Build = "auto"

    def designs(
        self,
        unit: str,
        engine: EngineOptions,
        families: Sequence[str | None] = (None,),
        policies: Sequence[str] | None = None,
    ) -> "list[Design]":
        """Every design of these formats; of the families and policies of ``--dsp`` too. Raises ValueError.

        Parameters
        ----------
        families: that products are built for, None for any
        policies: those of ``--dsp`` where None
        """
        return choose_designs(
            *(unit, self.weight, self.activation),
            **self.how,
            families=families,
            policies=choose_policies(self.dsp) if policies is None else policies,
            engine=engine,
        )

    @property
    def how(self) -> dict[str, Any]:
        """The arguments of ``choose_designs`` besides formats, families and policies."""
        terms = TERMS if self.terms is None else self.terms
        return {"terms": terms, "lanes": self.lanes, "pipeline": self.pipeline, "build": self.build}


class Size(NamedTuple):
    m: int
    k: int
    n: int

    def __str__(self) -> str:
        return "x".join(map(str, self))


def choose_formats(text: str) -> "list[Format]":
    from ...formats import parse_list

    return parse_list(text)


def choose_pairs(weight: str | None, activation: str | None) -> "list[tuple[Format, Format]]":
    """The pairs of formats that the two options stand for: crossed, or each weight with itself."""
    from ...formats import parse_pairs

    return parse_pairs(weight or DEFAULT_FORMAT, activation)


def choose_targets(text: str) -> "list[Target]":
    """The targets that ``--family`` stands for. Raises ValueError that suggests the nearest."""
    from ...synth import parse_targets, targets

    found: dict[Target, None] = {}
    for item in (item.strip() for item in text.split(",")):
        try:
            found |= dict.fromkeys(parse_targets(item))
        except ValueError as error:
            raise ValueError(f"{error}{nearest(item, [target.name for target in targets()])}") from None
    return list(found)


def choose_policies(dsp: str) -> tuple[str, ...]:
    """The policies that ``--dsp`` stands for."""
    return ("none", "auto") if dsp == "both" else (dsp,)


def choose_designs(
    unit: str,
    weight: str | None,
    activation: str | None,
    *,
    terms: int,
    lanes: int,
    pipeline: int,
    build: str,
    families: Sequence[str | None] = (None,),
    policies: Sequence[str] = ("none",),
    engine: "EngineOptions | None" = None,
) -> "list[Design]":
    """Every design that the options stand for, each once. Raises ValueError."""
    from ...hdl import UNITS, Design, make_design

    if unit not in UNITS:
        raise refusal("unit", unit, list(UNITS))
    pairs = choose_pairs(weight, activation if "activation" in UNITS[unit].operands else None)
    if unit == "matmul":
        engine = engine or EngineOptions()
        engines = [engine.engine(w, a, lanes) for w, a in pairs]
        return [
            Design.matmul(each, pipeline=pipeline, dsp=policy == "auto", build=build, family=family)
            for each in engines
            for family in families
            for policy in policies
        ]
    parameters = (engine or EngineOptions()).parameters(unit)
    designs = {
        make_design(unit, w, a, terms, lanes, pipeline, policy == "auto", build, family, **parameters): None
        for w, a in pairs
        for family in families
        for policy in policies
    }
    return list(designs)


def design_name(design: "Design") -> str:
    """The name of a design for files, as ``mac_e2m1_int4``."""
    return "_".join([design.unit, *(format.label for format in design.formats)])


def parse_sizes(text: str) -> list[Size]:
    """Sizes as in ``256x256x256,1x1024x64``. Raises ValueError."""
    from ...formats import MAX_SIZE

    sizes = []
    for item in (item.strip() for item in text.split(",")):
        parts = item.lower().split("x")
        if len(parts) != 3 or not all(part.isdecimal() and 1 <= int(part) <= MAX_SIZE for part in parts):
            raise ValueError(f"size must be MxKxN, each of 1 to {MAX_SIZE}, as 256x256x256, not {item!r}")
        sizes.append(Size(*map(int, parts)))
    return sizes


def parse_size(text: str) -> Size:
    """A single size. Raises ValueError."""
    sizes = parse_sizes(text)
    if len(sizes) != 1:
        raise ValueError(f"size must be a single one, as 256x256x256, not {text!r}")
    return sizes[0]


def parse_integers(name: str, text: str) -> tuple[int, ...]:
    """Integers as in ``1,2,3``. Raises ValueError that names the option."""
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ValueError(f"{name} must be integers with commas between, not {text!r}") from None
