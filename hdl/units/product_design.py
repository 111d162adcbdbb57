"""Parameter sets of units that multiply: an arithmetic, and how its products are built."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from ...formats import EXACT, Arithmetic, FixedPoint, Format
from ..elements.hardware import hardware_of
from ..products.build import CHAINED_PIPELINE, MAX_PIPELINE, Build
from ..products.choose_build import BUILDS, check_table, choose_build
from .design import Design, check_known, check_range

__all__ = ["ProductDesign", "SumDesign"]


@dataclass(frozen=True, kw_only=True)
class ProductDesign(Design):
    """A unit that multiplies.

    Parameters
    ----------
    pipeline: register stages, 0 to 3; 4 where chains of digits are added, which a dot product or a matmul on ECP5 has
    build: how products are built, one of ``BUILDS``
    """

    least_pipeline: ClassVar[int] = 0
    may_chain: ClassVar[bool] = False
    """Whether it has a place for one more register where digits of several lanes are added in chains."""

    pipeline: int = 2
    build: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_known("build", self.build, BUILDS)
        chained = self.may_chain and self.pipeline > MAX_PIPELINE and self._build_of(MAX_PIPELINE).sums == "digits"
        most = CHAINED_PIPELINE if chained else MAX_PIPELINE
        check_range("pipeline", self.pipeline, self.least_pipeline, most)
        if self.dsp and self.build != "auto" and not self.is_mixed:
            raise ValueError(f"build must be 'auto' where a DSP block makes the product, not {self.build!r}")
        check_table(self.weight, self.activation, self.build)
        hardware_of(self.computes)

    @property
    @abstractmethod
    def computes(self) -> Arithmetic:
        """What it computes with."""

    @property
    def by_rule(self) -> str:
        """What contracts say of the rule of multiplication."""
        return "exact" if self.computes.is_exact else f"by the rule {self.computes.rule!r},"

    @property
    def is_mixed(self) -> bool:
        """Whether some products are made by the device's multipliers, and others are not."""
        return False

    @property
    def multiplies(self) -> bool:
        """Whether any product may be left to the device's multipliers."""
        return self.dsp

    @property
    def added(self) -> int:
        """Products that are added before they go into a sum."""
        return 1

    @property
    def sharing(self) -> int:
        """How many products share the decoder of an operand."""
        return 1

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of elements that may share multipliers with their neighbours."""
        return 1, 1

    @property
    def packs(self) -> bool:
        """Whether a multiplier may make several products."""
        return True

    @property
    def weight(self) -> Format:
        return self.computes.weight

    @property
    def activation(self) -> Format:
        return self.computes.activation

    @property
    def initiation_interval(self) -> int:
        return self.computes.interval

    @property
    def chosen_build(self) -> Build:
        """What ``build`` comes down to for these formats and this family."""
        return self._build_of(self.pipeline)

    def _build_of(self, pipeline: int) -> Build:
        exact = self.computes.element == EXACT
        return choose_build(
            self.weight,
            self.activation,
            self.build,
            pipeline=pipeline,
            family=self.family,
            dsp=self.multiplies,
            recode=exact,
            lanes=self.added if exact else 1,  # what makes a product of its own knows one way to add them
            packed=exact and self.packs,
            mixed=self.is_mixed,
            sharing=self.sharing,
            grid=self.grid,
        )

    @property
    def stages(self) -> int | None:
        return self.latency and self.pipeline

    @property
    def product_build(self) -> str | None:
        return self.chosen_build.product

    @property
    def parameters(self) -> dict[str, Any]:
        element = self.computes.element
        found = super().parameters
        if element != EXACT:
            found = found | {"element": element.text, "interval": element.interval}
        return found | {"recovery": self.computes.recovery} if self.computes.recovery else found

    def describe(self) -> dict[str, Any]:
        element, recovery = self.computes.element, self.computes.recovery
        told: dict[str, Any] = {"element": element.text, "rule": element.rule}
        return {"arithmetic": told | {"recovery": recovery} if recovery else told}


@dataclass(frozen=True)
class SumDesign(ProductDesign):
    """A unit whose result is an integer: a product, or a sum of products."""

    arithmetic: Arithmetic

    @property
    def computes(self) -> Arithmetic:
        return self.arithmetic

    @property
    @abstractmethod
    def sum(self) -> FixedPoint:
        """The form of the result."""

    @property
    def accumulator_bits(self) -> int | None:
        return self.sum.width

    def describe(self) -> dict[str, Any]:
        form = self.sum
        result = {"width": form.width, "signed": form.signed, "lsb_exponent": form.lsb_exponent}
        return {**super().describe(), str(self.result): result}

    def meaning(self, port: str) -> str:
        flagged = port == self.result and self.sum.specials
        return self.meanings[port] + ("; 0 while a flag is up" if flagged else "")
