"""The names of formats: parsing them, and the lists that names and patterns stand for."""

import difflib
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import cache

from .base import Format
from .dyadic import Dyadic
from .integer import Integer, SignMagnitude
from .kinds import kinds
from .minifloat import Minifloat, Specials, default_bias

__all__ = ["FormatNames", "catalog", "label_of", "parse", "parse_list", "parse_pairs", "study_formats"]

FormatNames = str | Format | Iterable[str | Format]
"""Formats as a caller names them: a list as ``parse_list`` reads it, a format, or several of both."""

MAX_NAMED_WIDTH = 16

_ML_DTYPES = {
    format.name: format
    for format in (
        Minifloat(3, 4, specials=Specials.IEEE, alias="float8_e3m4"),
        Minifloat(4, 3, specials=Specials.IEEE, alias="float8_e4m3"),
        Minifloat(4, 3, 11, specials=Specials.FNUZ, alias="float8_e4m3b11fnuz"),
        Minifloat(4, 3, specials=Specials.FN, alias="float8_e4m3fn"),
        Minifloat(4, 3, 8, specials=Specials.FNUZ, alias="float8_e4m3fnuz"),
        Minifloat(5, 2, specials=Specials.IEEE, alias="float8_e5m2"),
        Minifloat(5, 2, 16, specials=Specials.FNUZ, alias="float8_e5m2fnuz"),
        Minifloat(8, 0, specials=Specials.FN, has_sign=False, subnormals=False, alias="float8_e8m0fnu"),
        Minifloat(2, 3, alias="float6_e2m3fn"),
        Minifloat(3, 2, alias="float6_e3m2fn"),
        Minifloat(2, 1, alias="float4_e2m1fn"),
        Minifloat(8, 7, specials=Specials.IEEE, alias="bfloat16"),
        Minifloat(5, 10, specials=Specials.IEEE, alias="float16"),
        Minifloat(8, 23, specials=Specials.IEEE, alias="float32"),
    )
}

_PATTERNS = {
    re.compile(r"(u?)e(\d+)m(\d+)(?:b(-?\d+))?"): "minifloat",
    re.compile(r"int(\d+)(s?)"): "int",
    re.compile(r"uint(\d+)"): "uint",
    re.compile(r"sm(\d+)"): "sm",
    re.compile(r"dyadic(\d+)s(\d+)"): "dyadic",
}


_ELSEWHERE = {
    "fp8": "'float8_e4m3fn' or 'float8_e5m2'",
    "fp6": "'e2m3' or 'e3m2'",
    "fp4": "'e2m1'",
    "mxfp8": "'float8_e4m3fn' in blocks of 32 with scales in 'float8_e8m0fnu'",
    "mxfp6": "'e2m3' or 'e3m2' in blocks of 32 with scales in 'float8_e8m0fnu'",
    "mxfp4": "'e2m1' in blocks of 32 with scales in 'float8_e8m0fnu'",
    "mxint8": "'int8' in blocks of 32 with scales in 'float8_e8m0fnu'",
    "nvfp4": "'e2m1' in blocks of 16 with scales in 'float8_e4m3fn'",
    "half": "'float16'",
    "fp16": "'float16'",
    "fp32": "'float32'",
}
"""What other tools' names stand for here."""

_OF_TENSORS = re.compile(r"(ant|kmeans|bcq)\d+|binarydm|fdb|uint[2-8]z")
"""Names that the study alone knows, and no hardware has."""


def parse(name: str) -> Format:
    """The format of that name. Raises ValueError that says what a good name looks like.

    ``dyadic{M}s{S}`` too is a name, of scales; the sentence speaks of operands only.
    """
    if not isinstance(name, str):
        raise ValueError(f"format must be a name, not {name!r}")
    if name in _ML_DTYPES:
        return _ML_DTYPES[name]
    for pattern, kind in _PATTERNS.items():
        match = pattern.fullmatch(name)
        if match:
            try:
                return _build(kind, match.groups())
            except ValueError as error:
                raise ValueError(f"format {name!r}: {error}") from None
    for names in kinds():
        match = names.pattern.fullmatch(name)
        if match:
            return names.make(match)
    examples = ", ".join(names.example for names in kinds())
    raise ValueError(
        f"format must be e{{E}}m{{M}} (as e4m3, e4m3b11), int{{N}}, int{{N}}s, uint{{N}}, sm{{N}}, {examples} "
        f"or a name of ml_dtypes (as float8_e4m3fn), not {name!r}{_suggestion(name.lower())}"
    )


def label_of(name: str) -> str:
    """The short name, for tables and file names, of the format of that name; any other text, as ``mixed``, as it is."""
    try:
        return parse(name).label
    except ValueError:
        return name


def _suggestion(name: str) -> str:
    """What an unknown name may stand for, as the end of a message; nothing where no name is like it."""
    if name in _ELSEWHERE:
        return f"; did you mean {_ELSEWHERE[name]}?"
    if _OF_TENSORS.fullmatch(name):
        return "; that name is the study's, in which every tensor has a format of its own (docs/study.md)"
    names = [format.name for format in catalog()]
    whole = [known for known in names if known == name or known.endswith(f"_{name}")]
    near = whole or difflib.get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _build(kind: str, groups: tuple[str | None, ...]) -> Format:
    if kind == "minifloat":
        unsigned, exponent_bits, fraction_bits, bias = groups
        format = Minifloat(
            int(exponent_bits or 0),
            int(fraction_bits or 0),
            default_bias(int(exponent_bits or 0)) if bias is None else int(bias),
            has_sign=not unsigned,
        )
        if format.width > MAX_NAMED_WIDTH:
            raise ValueError(f"width must be at most {MAX_NAMED_WIDTH} bits, not {format.width}")
        return format
    bits = int(groups[0] or 0)
    if kind == "dyadic":
        return Dyadic(bits, int(groups[1] or 0))
    if kind == "sm":
        return SignMagnitude(bits)
    return Integer(bits, unsigned=kind == "uint", symmetric=kind == "int" and groups[1] == "s")


def study_formats(*widths: int) -> list[Format]:
    """What the study compares, of the given widths (3 to 8 unless given): int{N}, and every e{E}m{M} with E >= 1."""
    formats: list[Format] = []
    for width in widths or range(3, 9):
        formats.append(Integer(width))
        formats += [Minifloat(bits, width - 1 - bits) for bits in range(1, width) if bits <= 8]
    return formats


@cache
def catalog() -> tuple[Format, ...]:
    """The formats that patterns choose from: all integers, all minifloats up to 8 bits, ml_dtypes' names, and what
    other kinds list.

    Any other e{E}m{M} up to 16 bits, and any codebook, is a format all the same; only its name has to be given in full.
    """
    integers: list[Format] = []
    for bits in range(1, MAX_NAMED_WIDTH + 1):
        integers += [Integer(bits), Integer(bits, unsigned=True)]
        if bits > 1:
            integers += [Integer(bits, symmetric=True), SignMagnitude(bits)]
    minifloats = [format for format in study_formats(2, *range(3, 9)) if isinstance(format, Minifloat)]
    return (*integers, *minifloats, *_ML_DTYPES.values(), *(format for names in kinds() for format in names.listed))


def parse_list(text: str) -> list[Format]:
    """The formats that a comma-separated list names, each once and in order.

    An item is a name, a pattern of the shell's kind over the catalog (``float8_*``), or ``4bit``: what the study
    compares at that width. Raises ValueError where an item is none of these, or is a format of scales alone.
    """
    found: dict[Format, None] = {}
    for item in (item.strip() for item in text.split(",")):
        bits = re.fullmatch(r"(\d+)bit", item)
        if bits:
            matches = study_formats(int(bits[1])) if 3 <= int(bits[1]) <= 8 else []
            if not matches:
                raise ValueError(f"a width as format must be 3bit to 8bit, not {item!r}")
        elif ":" not in item and re.search(r"[*?\[]", item):
            matches = [format for format in catalog() if fnmatchcase(format.name, item)]
            if not matches:
                raise ValueError(f"pattern must match a format that `fewbit list` shows, not {item!r}")
        else:
            matches = [parse(item)]
            if matches[0].scales_only:
                raise ValueError(f"format must be one of operands, not {item!r}, which is one of scales")
        found.update(dict.fromkeys(matches))
    return list(found)


def parse_pairs(weight: FormatNames, activation: FormatNames | None = None) -> list[tuple[Format, Format]]:
    """The pairs of formats: every weight with every activation, or each weight with itself. Raises ValueError."""
    weights = _formats(weight)
    if activation is None:
        return [(format, format) for format in weights]
    activations = _formats(activation)
    return [(weight, activation) for weight in weights for activation in activations]


def _formats(names: FormatNames) -> list[Format]:
    """The formats, each once and in order."""
    parts = [names] if isinstance(names, str | Format) else [*names]
    found = [format for part in parts for format in (parse_list(part) if isinstance(part, str) else [part])]
    return [*dict.fromkeys(found)]
