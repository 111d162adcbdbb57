"""A network accelerator for one program, made of the memories and multipliers of one FPGA."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from amaranth.lib import wiring

from ...formats.network import Program
from ...hdl.network.network import Network
from ...hdl.products.choose_build import choose_build

__all__ = ["Accelerator"]


@dataclass(frozen=True)
class Accelerator:
    """The design of a network's hardware, see ``hdl.network.Network``.

    Parameters
    ----------
    program: what it is made for
    weight_store, ports, dsp_elements: see ``Network``
    pipeline: register stages of products, 1 to 3
    build: how products are built, see ``MatmulDesign``
    family: the FPGA family that ``auto`` chooses for
    """

    program: Program
    weight_store: str = "initialized"
    ports: str = "dual"
    pipeline: int = 2
    build: str = "auto"
    family: str | None = None
    dsp_elements: int = 0

    def __post_init__(self) -> None:
        if self.pipeline not in (1, 2, 3):
            raise ValueError(f"pipeline must be 1 to 3, not {self.pipeline!r}")

    @property
    def loads(self) -> bool:
        """Whether weights have to be loaded."""
        return self.weight_store == "loaded"

    @property
    def generic(self) -> "Accelerator":
        """The same, cycle by cycle, without cells of a family."""
        return replace(self, ports="single") if self.ports == "spram" else self

    def core(self) -> wiring.Component:
        """The component. Raises ValueError for memories that do not suit the shape of the array."""
        shape = self.program.shape
        build = choose_build(
            shape.weight,
            shape.activation,
            self.build,
            pipeline=self.pipeline,
            family=self.family,
            dsp=False,
            recode=not self.dsp_elements,
        )
        return Network(
            self.program, build, weight_store=self.weight_store, ports=self.ports, dsp_elements=self.dsp_elements
        )

    def describe(self) -> dict[str, Any]:
        """All but the program, in plain values."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "program"}

    @classmethod
    def of(cls, program: Program, content: Mapping[str, Any]) -> "Accelerator":
        """The design that ``describe`` described. Raises TypeError, ValueError."""
        return cls(program, **content)
