"""What a number is: formats, their exact values, their names."""

from .accumulator import Accumulator
from .arithmetic import Arithmetic
from .base import Fields, Format, Special, check_format, check_operand
from .blocks import Blocks
from .catalog import FormatNames, catalog, label_of, parse, parse_list, parse_pairs, study_formats
from .described import read_format
from .dma import PACKINGS, Dma, stored_bits
from .dyadic import Dyadic
from .element import EXACT, Element, element_hints, element_kinds, parse_element, register_element
from .engine import CONTROLS, DATAFLOWS, MAX_OUTPUT_CYCLES, MAX_SIZE, Engine
from .fixed_point import FixedPoint
from .integer import Integer, SignMagnitude
from .memory_layout import MemoryOperand, check_memory, memory_buffers, memory_operands, memory_output
from .minifloat import Minifloat, Specials
from .policy import Overflow, Rounding, check_policies
from .products import SPECIALS, product_range, special_names
from .requantization import RANDOM_BITS, Requantization
from .table import Table

__all__ = [
    "CONTROLS",
    "DATAFLOWS",
    "EXACT",
    "MAX_OUTPUT_CYCLES",
    "MAX_SIZE",
    "PACKINGS",
    "RANDOM_BITS",
    "SPECIALS",
    "Accumulator",
    "Arithmetic",
    "Blocks",
    "Dma",
    "Dyadic",
    "Element",
    "Engine",
    "Fields",
    "FixedPoint",
    "Format",
    "FormatNames",
    "Integer",
    "MemoryOperand",
    "Minifloat",
    "Overflow",
    "Requantization",
    "Rounding",
    "SignMagnitude",
    "Special",
    "Specials",
    "Table",
    "catalog",
    "check_format",
    "check_memory",
    "check_operand",
    "check_policies",
    "element_hints",
    "element_kinds",
    "label_of",
    "memory_buffers",
    "memory_operands",
    "memory_output",
    "parse",
    "parse_element",
    "parse_list",
    "parse_pairs",
    "product_range",
    "read_format",
    "register_element",
    "special_names",
    "stored_bits",
    "study_formats",
]
