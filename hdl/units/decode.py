"""The decoding unit: a code taken apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from ...formats import Format, check_format
from ..products.decode import Decode
from .design import Design

__all__ = ["DecodeDesign"]


@dataclass(frozen=True)
class DecodeDesign(Design):
    """A decoder.

    Parameters
    ----------
    format: of the codes
    """

    unit = "decode"
    summary = "sign, significand and shift of a code; combinational"
    operands = ("weight",)
    meanings: ClassVar[Mapping[str, str]] = {
        "code": "code to decode",
        "sign": "1 where the value is negative",
        "significand": "magnitude before the shift",
        "shift": "places to the left that the significand goes",
        "infinity": "the code is an infinity",
        "nan": "the value is NaN",
    }

    format: Format

    def __post_init__(self) -> None:
        super().__post_init__()
        check_format("weight", self.format)

    @property
    def weight(self) -> Format:
        return self.format

    @property
    def contract(self) -> str:
        return "value = (-1)**sign * significand * 2**shift * 2**lsb_exponent, exact"

    @property
    def latency(self) -> int:
        return 0

    @property
    def stages(self) -> int:
        return 0

    def component(self) -> Decode:
        return Decode(self.format)
