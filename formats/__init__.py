"""What a number is: formats, their exact values, their names."""

from .accumulator import Accumulator, product_range
from .base import Fields, Format, Special, check_format
from .catalog import catalog, parse, parse_list, study_formats
from .integer import Integer, SignMagnitude
from .minifloat import Minifloat, Specials
from .policy import Overflow, Rounding

__all__ = [
    "Accumulator",
    "Fields",
    "Format",
    "Integer",
    "Minifloat",
    "Overflow",
    "Rounding",
    "SignMagnitude",
    "Special",
    "Specials",
    "catalog",
    "check_format",
    "parse",
    "parse_list",
    "product_range",
    "study_formats",
]
