"""``fewbit list`` and ``fewbit show``: what formats there are, and every code of one."""

from fractions import Fraction
from typing import Annotated, Any

import typer

from ..formats import Format, Special, catalog, parse, parse_list
from .common.choices import completed
from .common.console import print_json, print_table
from .common.options import Json, formats

__all__ = ["list_formats", "show"]


def list_formats(
    pattern: Annotated[
        str | None,
        typer.Argument(
            help="Names, patterns and widths with commas between, as 'e4*' or 4bit.", autocompletion=completed(formats)
        ),
    ] = None,
    json: Json = False,
) -> None:
    """The formats, with range and precision. Further e{E}m{M}b{bias} up to 16 bits are formats all the same."""
    formats = list(catalog()) if pattern is None else parse_list(pattern)
    if json:
        print_json({"formats": [_describe(format) for format in formats]})
        return
    from rich.table import Table

    table = Table()
    table.add_column("format")
    for column in ("bits", "least", "greatest", "smallest positive", "precision", "codes"):
        table.add_column(column, justify="right")
    table.add_column("special values")
    for format in formats:
        extremes = (format.min_finite, format.max_finite, format.min_subnormal)
        table.add_row(
            *(format.label, str(format.width), *map(_short, extremes), str(format.precision), str(format.code_count)),
            ", ".join(_specials(format)),
        )
    print_table(table)


def _describe(format: Format) -> dict[str, Any]:
    return {
        "name": format.name,
        "label": format.label,
        "width": format.width,
        "min_finite": float(format.min_finite),
        "max_finite": float(format.max_finite),
        "min_subnormal": float(format.min_subnormal),
        "lsb_exponent": format.lsb_exponent,
        "precision": format.precision,
        "code_count": format.code_count,
        "specials": _specials(format),
    }


def _specials(format: Format) -> list[str]:
    return [name for name, has in (("NaN", format.has_nan), ("infinity", format.has_infinity)) if has]


def _short(value: Fraction) -> str:
    """Five digits or fewer of a value, all of them where it is an integer that has no more than seven."""
    return str(value) if value.denominator == 1 and abs(value) < 10**7 else f"{float(value):.5g}"


def show(
    format_name: Annotated[
        str, typer.Argument(metavar="FORMAT", help="A format's name, as e4m3.", autocompletion=completed(formats))
    ],
    json: Json = False,
) -> None:
    """Every code of a format, its fields and its exact value; and where its values lie between least and greatest."""
    format = parse(format_name)
    integers = format.integers
    if json:
        import json as json_module

        rows = ",\n".join(json_module.dumps(_code(format, code)) for code in format.codes)
        print(f'{{"name": {json_module.dumps(format.name)}, "codes": [\n{rows}\n]}}')
        return
    head = ("code", "bits", "sign", "exponent", "fraction", "integer", "value")
    digits = (format.width + 3) // 4
    lines = [head]
    for code in format.codes:
        sign, exponent, fraction = ("-" if field is None else str(field) for field in format.fields(code))
        integer = integers[code]
        name = (f"0x{code:0{digits}x}", f"{code:0{format.width}b}")
        value = str(_value(format, code))
        lines.append((*name, sign, exponent, fraction, "-" if integer is None else str(integer), value))
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    print(f"{format.label}: value = integer * 2**{format.lsb_exponent}, exactly")
    if format.label != format.name:
        print(f"its name for commands: {format.name}")
    print("\n".join("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)) for line in lines))
    print("", *_picture(format), sep="\n")


PICTURE_WIDTH = 97
"""Characters of a picture: 96 steps from the least to the greatest value, and an end."""


def _picture(format: Format) -> tuple[str, str]:
    """A line with a mark wherever a value lies, or how many do; and below it the least value, zero and the greatest."""
    values = [integer for integer, _ in format.ordered]
    least, span = values[0], max(values[-1] - values[0], 1)
    counts = [0] * PICTURE_WIDTH
    for value in values:
        counts[_place(value - least, span)] += 1
    line = "".join("-|23456789"[count] if count < 10 else "+" for count in counts)
    ends = [_short(values[0] * format.lsb), _short(values[-1] * format.lsb)]
    below = ends[0] + ends[1].rjust(PICTURE_WIDTH - len(ends[0]))
    zero = _place(-least, span) if least < 0 < values[-1] else 0
    if len(ends[0]) < zero < PICTURE_WIDTH - 1 - len(ends[1]):
        below = f"{below[:zero]}0{below[zero + 1 :]}"
    return line, below


def _place(distance: int, span: int) -> int:
    """The character of a value at that distance from the least one, of so many to the greatest."""
    return (2 * distance * (PICTURE_WIDTH - 1) + span) // (2 * span)


def _code(format: Format, code: int) -> dict[str, Any]:
    sign, exponent, fraction = format.fields(code)
    return {"code": code, "sign": sign, "exponent": exponent, "fraction": fraction, "value": _value(format, code)}


def _value(format: Format, code: int) -> float | str:
    special = format.special(code)
    if special is not None:
        assert special in (Special.NAN, Special.POSITIVE_INFINITY, Special.NEGATIVE_INFINITY)
        return special
    value = float(format.value(code))  # exact: no format has more bits or a wider range than a double
    return -0.0 if value == 0 and format.negative(code) else value
