"""Elements: what multiplies and adds inside a MAC, a dot product or an array, whatever the formats are."""

import os
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from .base import Format
from .fixed_point import FixedPoint
from .products import product_range, special_names

__all__ = ["EXACT", "Element", "element_hints", "element_kinds", "parse_element", "register_element"]

MODULES = "FEWBIT_ELEMENTS"
"""The environment variable with names of modules, commas between, that register elements of somebody's own."""

_ELEMENTS: dict[str, type["Element"]] = {}
"""The kinds of element by name."""

Kind = TypeVar("Kind", bound="type[Element]")


@dataclass(frozen=True)
class Element:
    """One kind of element: by which rule it multiplies, and how many cycles a product takes.

    This class itself is the exact element with one product a cycle. Another kind is a frozen dataclass that inherits
    it, gives ``name``, and overrides what differs. Its hardware is registered with ``hdl.register_hardware``. Where
    ``rule`` is another than ``exact``, its golden model is registered with ``sim.register_model``. Fields are integers
    or words; ``text`` and ``parse_element`` write and read them. The files of ``formats/elements/``,
    ``hdl/elements/`` and ``sim/elements/`` are found by themselves; a module of somebody's own that does all that, and
    is named in the environment variable ``FEWBIT_ELEMENTS``, is imported by every process that meets the element's
    name.

    A product with an operand of zero has to be zero under every rule: arrays fill unused lanes with zeros, unless the
    kind overrides ``fills``.

    Members
    -------
    name: of the kind
    rule: name of the rule of multiplication, which alone decides what bits come out
    takes_strays: whether bit patterns that a format leaves out, as int2s does with -2, are multiplied as they read;
        what comes out of them is undefined otherwise
    """

    name: ClassVar[str] = "exact"
    rule: ClassVar[str] = "exact"
    takes_strays: ClassVar[bool] = True

    @classmethod
    def hint(cls, weight: Format, activation: Format) -> str:
        """Why elements of this kind may be cheaper than the exact one, with the same bits; empty where they are not."""
        return ""

    @property
    def interval(self) -> int:
        """Cycles from one word of operands to the next."""
        return 1

    @property
    def droppable(self) -> int:
        """The last cycles of a word that a register of an engine may leave out; 0 where there is no such register."""
        return 0

    def dropping(self, dropped: int) -> "Element":
        """The element that does what this one does without the last ``dropped`` cycles of a word."""
        return self

    def check(self, weight: Format, activation: Format) -> None:
        """Raise ValueError where the element cannot multiply these two formats."""

    def _check_finite(self, most: int, *formats: Format) -> None:
        """Raise ValueError where a format is not finite or has more than ``most`` bits."""
        for format in formats:
            if not format.finite or format.width > most:
                raise ValueError(
                    f"formats must be finite and of at most {most} bits for element {self.name}, not {format}"
                )

    def recovery(self, weight: Format, activation: Format) -> int:
        """Cycles from the last word of a sum to the next sum's first word, beside the interval.

        Where there are any, a sum is over with the word that says so, and only whole sums are shown. The cycles after a
        reset are counted like those after a last word.
        """
        return 0

    def fills(self, weight: Format, activation: Format) -> bool:
        """Whether lanes can be left out of a word: by a zero of either format, unless an element has another way."""
        return weight.has_zero or activation.has_zero

    def load_interval(self, weight: Format, activation: Format) -> int:
        """Cycles from one word of weights that stay in a weight-stationary array to the next."""
        return 1

    def lane_multiple(self, weight: Format, activation: Format) -> int:
        """Lanes come in multiples of this number."""
        return 1

    def product_range(self, weight: Format, activation: Format) -> tuple[int, int]:
        """The least and the greatest integer of any product, in units of ``2**lsb_exponent``."""
        return product_range(weight, activation)

    def lsb_exponent(self, weight: Format, activation: Format) -> int:
        """Exponent of the power of two that every product is an integer multiple of."""
        return weight.lsb_exponent + activation.lsb_exponent

    def specials(self, weight: Format, activation: Format) -> tuple[str, ...]:
        """The flags, of ``SPECIALS``, that a sum of products can raise."""
        return special_names(weight, activation)

    def accumulator(self, weight: Format, activation: Format, terms: int) -> FixedPoint:
        """The form of a sum of up to ``terms`` products: as narrow as no such sum overflows."""
        if terms < 1:
            raise ValueError(f"terms must be 1 or more, not {terms}")
        least, most = self.product_range(weight, activation)
        lsb_exponent, specials = self.lsb_exponent(weight, activation), self.specials(weight, activation)
        return FixedPoint.between(least * terms, most * terms, lsb_exponent, specials)

    @property
    def text(self) -> str:
        """The element in words that ``parse_element`` reads: ``name``, or ``name:field=value,field=value``."""
        values = ",".join(f"{field.name}={getattr(self, field.name)}" for field in fields(self))
        return f"{self.name}:{values}" if values else self.name

    def __str__(self) -> str:
        return self.text


def register_element(kind: Kind) -> Kind:
    """Make ``parse_element`` know a kind of element; may stand over a class as a decorator.

    Raises ValueError where another kind has its name.
    """
    known = _ELEMENTS.setdefault(kind.name, kind)
    if (known.__module__, known.__qualname__) != (kind.__module__, kind.__qualname__):
        raise ValueError(f"name must be one that no other kind of element has, not {kind.name!r}")
    _ELEMENTS[kind.name] = kind
    return kind


@cache
def _import_kinds() -> None:
    """Import every file of ``formats/elements/``, each of which registers a kind."""
    for file in sorted((Path(__file__).parent / "elements").glob("[!_]*.py")):
        import_module(f".elements.{file.stem}", __package__)


def element_kinds() -> tuple[str, ...]:
    """The names of the kinds of element that are known."""
    _import_kinds()
    return tuple(_ELEMENTS)


def element_hints(weight: Format, activation: Format) -> dict[str, str]:
    """The kinds of element that may be cheaper than the exact one for these formats, and why."""
    _import_kinds()
    hints = {name: kind.hint(weight, activation) for name, kind in _ELEMENTS.items()}
    return {name: hint for name, hint in hints.items() if hint}


def parse_element(text: str) -> Element:
    """The element that has this ``text``. Raises ValueError."""
    name, _, rest = text.partition(":")
    if name not in _ELEMENTS:
        _import_kinds()
    if name not in _ELEMENTS:
        for module in filter(None, os.environ.get(MODULES, "").split(",")):
            import_module(module)
    if name not in _ELEMENTS:
        raise ValueError(f"element must be one of {', '.join(_ELEMENTS)}, not {name!r}")
    kind = _ELEMENTS[name]
    known = {field.name: field.type for field in fields(kind)}
    values: dict[str, Any] = {}
    for part in filter(None, rest.split(",")):
        key, _, value = part.partition("=")
        if key not in known:
            raise ValueError(f"fields of element {name} must be of {', '.join(known) or 'none'}, not {key!r}")
        values[key] = int(value) if value.removeprefix("-").isdecimal() else value
        if known[key] is int and not isinstance(values[key], int):
            raise ValueError(f"{key} of element {name} must be an integer, not {value!r}")
    try:
        return kind(**values)
    except TypeError:
        wanted = ", ".join(field.name for field in fields(kind) if field.default is MISSING)
        raise ValueError(f"element {name} must be given with {wanted}, not as {text!r}") from None


EXACT = register_element(Element)()
"""The element that multiplies and adds exactly, one word of operands a cycle."""
