"""The hardware of an arithmetic: what each kind of element has to be able to do, and which kinds are known."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import ClassVar, Protocol

from amaranth.hdl import Const, Module, Signal, Value
from amaranth.lib import wiring

from ...formats import Arithmetic, Element, FixedPoint
from ..products.build import Build
from ..products.operand_bus import OperandBus

__all__ = ["ElementHardware", "ProductPorts", "SumPorts", "hardware_of", "register_hardware"]


class SumPorts(Protocol):
    """The ports and parameters of a MAC or dot product, as ``Mac`` has them."""

    arithmetic: Arithmetic
    build: Build
    lanes: int
    accumulator_format: FixedPoint
    valid: Signal
    first: Signal
    last: Signal
    weight: Signal
    activation: Signal
    accumulator: Signal


class ProductPorts(Protocol):
    """The ports and parameters of a multiplier, as ``Multiply`` has them."""

    arithmetic: Arithmetic
    build: Build
    product_format: FixedPoint
    weight: Signal
    activation: Signal
    product: Signal


class ElementHardware(ABC):
    """How one kind of element is made.

    An element takes the operands of a word, ``lanes`` weights and as many activations, and its control, and adds their
    products to one sum. Operands come over two buses on which an array's edge has prepared them, once for all elements
    that share them. All elements of an array go in step, so their control is made once, too.

    A word enters an array in a cycle with ``valid``; its operands stand at the elements from the next cycle on. Words
    are at least ``arithmetic.interval`` cycles apart, and where that is more than 1 the operands stand that long.

    A kind implements ``buses``, ``latency``, ``control`` and ``element``; that makes MACs, dot products and
    output-stationary arrays. It implements ``column`` and ``column_latency`` for weight-stationary arrays, too.

    Members
    -------
    dataflows: of the arrays that it can be in
    least_pipeline: fewest register stages of a MAC or dot product
    has_multiplier: whether it makes single products too, by ``multiply_codes``
    can_shift: whether it makes elements whose sums shift, by ``shifting_element``
    keeps_weights: whether its columns hold their weights themselves, see ``keeping_column``
    """

    dataflows: ClassVar[tuple[str, ...]] = ("output_stationary",)
    least_pipeline: ClassVar[int] = 1
    has_multiplier: ClassVar[bool] = False
    can_shift: ClassVar[bool] = False
    keeps_weights: ClassVar[bool] = False

    @abstractmethod
    def buses(self, arithmetic: Arithmetic, build: Build) -> tuple[OperandBus, OperandBus]:
        """The buses of the weights and of the activations."""

    @abstractmethod
    def latency(self, arithmetic: Arithmetic, build: Build, lanes: int) -> int:
        """Cycles from the one in which a sum's last word enters the array to the sum."""

    @abstractmethod
    def control(
        self, m: Module, arithmetic: Arithmetic, build: Build, valid: Value, first: Value, last: Value | None
    ) -> Mapping[str, Value]:
        """The control of elements by the names of their inputs.

        ``done`` is among them: it is up in the cycle before the sum stands. A sum starts anew with the word that comes
        with ``first`` and is shown from the one with ``last`` on; for None, every word's sum is shown.
        """

    def dropping_control(
        self,
        m: Module,
        arithmetic: Arithmetic,
        build: Build,
        valid: Value,
        first: Value,
        last: Value | None,
        dropped: Value,
    ) -> Mapping[str, Value]:
        """The control of elements that leave out the last ``dropped`` cycles of every word; for kinds that can.

        Raises ValueError for kinds that cannot.
        """
        raise ValueError(f"elements must be of a kind that leaves out digits at run time, not {arithmetic.element}")

    @abstractmethod
    def element(
        self,
        arithmetic: Arithmetic,
        build: Build,
        accumulator: FixedPoint,
        lanes: int,
        edge: Build | None = None,
    ) -> wiring.Component:
        """An element.

        Its inputs are ``weight`` and ``activation`` (``lanes`` operands from the buses, lane 0 in the lowest bits) and
        those of ``control``; its outputs are ``sum`` and the accumulator's flags, which hold until the next ``done``.

        Parameters
        ----------
        edge: the build that the buses are of, where the element's own is another
        """

    def shifting_element(
        self,
        arithmetic: Arithmetic,
        build: Build,
        accumulator: FixedPoint,
        lanes: int,
        edge: Build | None = None,
    ) -> wiring.Component:
        """An element whose finished sum is a part of a shift register, as ``ShiftingElement`` tells.

        It is for families that share cells. Raises ValueError for kinds without.
        """
        raise ValueError(f"elements must be of a kind whose sums shift, not {arithmetic.element}")

    def tile(
        self,
        arithmetic: Arithmetic,
        build: Build,
        accumulator: FixedPoint,
        lanes: int,
        edge: Build | None = None,
    ) -> wiring.Component:
        """Neighbouring elements that share multipliers, as ``ElementTile`` tells. Raises ValueError for other kinds."""
        raise ValueError(f"elements must be of a kind that shares multipliers, not {arithmetic.element}")

    def column(self, arithmetic: Arithmetic, build: Build, count: int) -> wiring.Component:
        """A column of a weight-stationary array: its output ``partial`` is the sum of ``count`` products.

        Its other outputs are the flags of the products. Kinds whose ``dataflows`` have no ``weight_stationary`` have no
        such column. Raises ValueError for them.
        """
        raise ValueError(f"elements must be of a kind that has columns, not {arithmetic.element}")

    def keeping_column(self, arithmetic: Arithmetic, build: Build, rows: int, lanes: int) -> wiring.Component:
        """A ``column`` of ``rows * lanes`` products that takes its weights in words of ``lanes``, one of them for each
        row, and holds those that follow beside those in use.

        Its inputs are ``activation``, ``weight`` with ``load``, and those of ``load_control``. Raises ValueError for
        kinds whose ``keeps_weights`` is not set.
        """
        raise ValueError(f"elements must be of a kind whose columns hold weights, not {arithmetic.element}")

    def load_control(
        self, m: Module, arithmetic: Arithmetic, rows: int, load: Value, swap: Value
    ) -> Mapping[str, Value]:
        """The control of columns that hold weights, by the names of their inputs.

        A word of weights comes with ``load``, ``arithmetic.load_interval`` cycles after the one before or later; those
        that came last are put to use by the word of activations that enters the array with ``swap``. Raises ValueError
        as ``keeping_column`` does.
        """
        raise ValueError(f"elements must be of a kind whose columns hold weights, not {arithmetic.element}")

    def column_latency(self, arithmetic: Arithmetic, build: Build, count: int) -> int:
        """Cycles from the operands of a column to ``partial``. Raises ValueError for kinds without columns."""
        raise ValueError(f"elements must be of a kind that has columns, not {arithmetic.element}")

    def check_dataflow(self, arithmetic: Arithmetic, dataflow: str) -> None:
        """Raise ValueError where there is no such array of these elements."""
        if dataflow not in self.dataflows:
            known = " or ".join(self.dataflows)
            raise ValueError(f"dataflow must be {known} for elements {arithmetic.element}, not {dataflow!r}")

    def check_pipeline(self, arithmetic: Arithmetic, pipeline: int) -> None:
        """Raise ValueError where a MAC or dot product of these elements cannot have so few register stages."""
        if pipeline < self.least_pipeline:
            raise ValueError(
                f"pipeline must be {self.least_pipeline} or more for elements {arithmetic.element}, not {pipeline}"
            )

    def check_multiplier(self, arithmetic: Arithmetic) -> None:
        """Raise ValueError where there is no multiplier alone."""
        if not self.has_multiplier:
            raise ValueError(f"element must be one that has a multiplier alone, not {str(arithmetic.element)!r}")

    def multiply_codes(self, m: Module, unit: ProductPorts) -> None:
        """Make a multiplier in ``m``. Raises ValueError for kinds that have none alone."""
        raise ValueError(f"element must be one that has a multiplier alone, not {str(unit.arithmetic.element)!r}")

    def sum_codes(self, m: Module, unit: SumPorts) -> None:
        """Make a MAC or dot product in ``m``: codes in, their operands over the buses to one element, its sum out."""
        arithmetic, lanes = unit.arithmetic, unit.lanes
        element = self.element(arithmetic, unit.build, unit.accumulator_format, lanes)
        m.submodules.element = element
        formats = arithmetic.weight, arithmetic.activation
        for name, format, bus in zip(
            ("weight", "activation"), formats, self.buses(arithmetic, unit.build), strict=True
        ):
            codes = getattr(unit, name)
            word = bus.enter_word(
                m,
                [codes.word_select(k, format.width) for k in range(lanes)],
                [f"{name}{k}" for k in range(lanes)],
                [None] * lanes,
            )
            m.d.comb += getattr(element, name).eq(bus.hold(m, arithmetic.interval, unit.valid, word, name))
        last = unit.last if arithmetic.recovery else None
        first = Const(0, 1) if arithmetic.recovery else unit.first
        control = self.control(m, arithmetic, unit.build, unit.valid, first, last)
        m.d.comb += [getattr(element, name).eq(signal) for name, signal in control.items()]
        m.d.comb += unit.accumulator.eq(element.sum)
        m.d.comb += [getattr(unit, name).eq(getattr(element, name)) for name in unit.accumulator_format.specials]


_HARDWARE: dict[str, ElementHardware] = {}


def register_hardware(kind: type[Element], hardware: ElementHardware) -> None:
    """Say how elements of that kind are made."""
    _HARDWARE[kind.name] = hardware


def hardware_of(arithmetic: Arithmetic) -> ElementHardware:
    """How the elements of an arithmetic are made. Raises ValueError for a kind that has no hardware."""
    name = arithmetic.element.name
    if name not in _HARDWARE:
        _import_kinds()
    if name not in _HARDWARE:
        raise ValueError(f"element must be one that has hardware ({', '.join(_HARDWARE)}), not {name!r}")
    return _HARDWARE[name]


@cache
def _import_kinds() -> None:
    """Import every file of this folder: each kind registers itself."""
    for file in sorted(Path(__file__).parent.glob("[!_]*.py")):
        import_module(f".{file.stem}", __package__)
