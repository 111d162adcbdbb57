"""From a code to its sign, significand and exponent: the only step in which formats differ."""

from dataclasses import dataclass
from functools import singledispatch

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Dyadic, Format, Integer, Minifloat, SignMagnitude, Special, Specials, check_operand
from .truth_table import truth_table

__all__ = [
    "Decode",
    "Operand",
    "as_signed",
    "decode",
    "decode_as_integer",
    "decoded",
    "integer_layout",
    "is_twos_complement",
    "operand_layout",
]

MAX_TABLE_BITS = 12
"""Bits of a code that is decoded by truth tables, at most."""


@dataclass(frozen=True)
class Operand:
    """A decoded code: ``(-1)**sign * significand * 2**(exponent - exponent_offset)`` in units of the format's lowest
    bit.

    The exponent stays biased by one where the format has subnormals, which saves the subtraction. Any of the
    optional parts is None where the format doesn't have it.
    """

    code: Value
    significand: Value
    """Unsigned beside a sign; signed for two's complement, whose ``sign`` is None."""
    sign: Value | None = None
    exponent: Value | None = None
    exponent_offset: int = 0
    nan: Value | None = None
    infinity: Value | None = None
    digits: Value | None = None
    """Of a recoded weight that comes from an array's edge; it then has no significand that means anything."""

    @property
    def negative(self) -> Value:
        """Whether the value is below zero (or is the negative zero or infinity)."""
        if self.sign is not None:
            return self.sign
        return self.significand[-1] if self.significand.shape().signed else Const(0, 1)


@singledispatch
def operand_layout(format: Format) -> data.StructLayout:
    """The fields that ``decode`` gives for the format, for a wire between the decoder and who uses it.

    Of a format that is known by its table alone, the significand is the integer: a magnitude beside the sign where the
    top bit of a code is its sign, two's complement where any other value is negative, and unsigned elsewhere.
    """
    if format.width > MAX_TABLE_BITS:
        raise ValueError(
            f"a format that hardware decodes by its table must have at most {MAX_TABLE_BITS} bits, not {format.width} "
            f"({format.name})"
        )
    if format.has_sign_bit:
        return _with_flags(format, {"significand": unsigned(format.precision), "sign": unsigned(1)})
    return integer_layout(format)


def integer_layout(format: Format) -> data.StructLayout:
    """The fields that ``decode_as_integer`` gives for the format."""
    least, most = min(_significands(format)), max(_significands(format))
    bits = max(most.bit_length(), (-least - 1).bit_length() if least < 0 else 1)
    return _with_flags(format, {"significand": Shape(bits + (least < 0), signed=least < 0)})


def _with_flags(format: Format, fields: dict[str, Shape]) -> data.StructLayout:
    if format.has_nan:
        fields["nan"] = unsigned(1)
    if format.has_infinity:
        fields["infinity"] = unsigned(1)
    return data.StructLayout(fields)


@operand_layout.register
def _integer_layout(format: Integer) -> data.StructLayout:
    return data.StructLayout({"significand": Shape(format.bits, signed=not format.unsigned)})


@operand_layout.register
def _sign_magnitude_layout(format: SignMagnitude) -> data.StructLayout:
    return data.StructLayout({"significand": unsigned(format.precision), "sign": unsigned(1)})


@operand_layout.register
def _dyadic_layout(format: Dyadic) -> data.StructLayout:
    return data.StructLayout({"significand": unsigned(format.multiplier_bits), "exponent": unsigned(format.shift_bits)})


@operand_layout.register
def _minifloat_layout(format: Minifloat) -> data.StructLayout:
    fields = {"significand": unsigned(format.precision)}
    if format.has_sign:
        fields["sign"] = unsigned(1)
    if not format.subnormals or format.max_shift:
        fields["exponent"] = unsigned(format.exponent_bits)
    if format.has_nan:
        fields["nan"] = unsigned(1)
    if format.has_infinity:
        fields["infinity"] = unsigned(1)
    return data.StructLayout(fields)


def is_twos_complement(format: Format) -> bool:
    """Whether the significand holds the sign."""
    return Shape.cast(operand_layout(format)["significand"].shape).signed


def decoded(format: Format, view: data.View) -> Operand:
    """The operand whose fields are in ``view``, of ``operand_layout(format)`` or ``integer_layout(format)``."""
    fields = {name: getattr(view, name) for name, _ in view.shape()}
    return Operand(Const(0, format.width), exponent_offset=format.exponent_offset, **fields)


def decode(m: Module, format: Format, code: Value, name: str) -> Operand:
    """Split ``code``; the signals made for it in ``m`` start with ``name``. A special code's significand means
    nothing, except that of an infinity in two's complement, which has its sign."""
    return _decode(format, m, code, name)


@singledispatch
def _decode(format: Format, m: Module, code: Value, name: str) -> Operand:
    """Any format, by truth tables; the kinds registered below have fields to take instead."""
    return _decode_by_table(m, format, code, name, operand_layout(format))


def decode_as_integer(m: Module, format: Format, code: Value, name: str) -> Operand:
    """``code`` by truth tables as one integer, in two's complement where any value is negative, whatever fields it
    has."""
    return _decode_by_table(m, format, code, name, integer_layout(format))


def _decode_by_table(m: Module, format: Format, code: Value, name: str, layout: data.StructLayout) -> Operand:
    """What ``layout`` has of ``code``, by truth tables."""
    significands = _significands(format)
    shape = Shape.cast(layout["significand"].shape)
    has_sign = "sign" in layout.members
    index = code[:-1] if has_sign else code
    significand = Signal(shape, name=f"{name}_significand")
    m.d.comb += significand.eq(truth_table(index, significands.__getitem__, shape.width))
    flags = {}
    for flag, specials in _FLAGS.items():
        if flag in layout.members:
            up = [int(format.special(entry) in specials) for entry in range(1 << format.width)]
            flags[flag] = truth_table(code, up.__getitem__, 1)
    return Operand(code, significand, code[-1] if has_sign else None, **flags)


_FLAGS = {"nan": (Special.NAN,), "infinity": (Special.POSITIVE_INFINITY, Special.NEGATIVE_INFINITY)}


def _significands(format: Format) -> list[int]:
    """The significand of every bit pattern."""
    instead = {Special.POSITIVE_INFINITY: 1, Special.NEGATIVE_INFINITY: -1}
    return [
        instead.get(format.special(code) or "", 0) if integer is None else integer
        for code, integer in enumerate(format.integers)
    ]


@_decode.register
def _decode_integer(format: Integer, m: Module, code: Value, name: str) -> Operand:
    return Operand(code, code if format.unsigned else code.as_signed())


@_decode.register
def _decode_sign_magnitude(format: SignMagnitude, m: Module, code: Value, name: str) -> Operand:
    return Operand(code, code[:-1], code[-1])


@_decode.register
def _decode_dyadic(format: Dyadic, m: Module, code: Value, name: str) -> Operand:
    # The shift is one to the right; counted from the largest one it is its complement.
    return Operand(code, code[: format.multiplier_bits], exponent=~code[format.multiplier_bits :])


@_decode.register
def _decode_minifloat(format: Minifloat, m: Module, code: Value, name: str) -> Operand:
    fraction = code[: format.fraction_bits]
    exponent = code[format.fraction_bits : format.fraction_bits + format.exponent_bits]
    sign = code[-1] if format.has_sign else None
    nan, infinity = _specials(format, code, fraction, exponent)

    if not format.subnormals:
        return Operand(code, Cat(fraction, Const(1, 1)), sign, exponent, 0, nan, infinity)
    normal = Signal(name=f"{name}_normal")
    m.d.comb += normal.eq(exponent.any())
    significand = Cat(fraction, normal)
    if format.max_shift == 0:
        return Operand(code, significand, sign, nan=nan, infinity=infinity)
    return Operand(code, significand, sign, Cat(exponent[0] | ~normal, exponent[1:]), 1, nan, infinity)


def _specials(format: Minifloat, code: Value, fraction: Value, exponent: Value) -> tuple[Value | None, Value | None]:
    match format.specials:
        case Specials.NONE:
            return None, None
        case Specials.FN:
            return Cat(fraction, exponent).all(), None
        case Specials.FNUZ:
            return code == 1 << format.width - 1, None
        case Specials.IEEE:
            nan = exponent.all() & fraction.any() if format.has_nan else None
            return nan, exponent.all() & ~fraction.any()


class Decode(wiring.Component):
    """Combinational decoder of one format; exact.

    ``value = (-1)**sign * significand * 2**shift * 2**lsb_exponent`` wherever neither ``nan`` nor ``infinity`` is up.

    Parameters
    ----------
    format: what to decode

    Members
    -------
    code: In(format.width)
    sign: Out(1)
    significand: Out(unsigned), magnitude; of two's complement too
    shift: Out(unsigned), 0 where the format has no exponent
    nan, infinity: Out(1), absent where the format has none
    """

    def __init__(self, format: Format):
        self.format = format
        check_operand("format", format)
        # The magnitude of two's complement's most negative value takes all the bits.
        bits = operand_layout(format)["significand"].width
        members = {
            "code": In(format.width),
            "sign": Out(1),
            "significand": Out(bits),
            "shift": Out(max(1, format.max_shift.bit_length())),
        }
        if format.has_nan:
            members["nan"] = Out(1)
        if format.has_infinity:
            members["infinity"] = Out(1)
        super().__init__(members)

    def elaborate(self, platform) -> Module:
        m = Module()
        operand = decode(m, self.format, self.code, "code")
        m.d.comb += self.sign.eq(operand.negative)
        if operand.significand.shape().signed and self.format.kind == "table":
            magnitudes = [abs(significand) for significand in _significands(self.format)]
            m.d.comb += self.significand.eq(truth_table(self.code, magnitudes.__getitem__, len(self.significand)))
        elif operand.significand.shape().signed:
            m.d.comb += self.significand.eq(Mux(self.sign, -operand.significand, operand.significand))
        else:
            m.d.comb += self.significand.eq(operand.significand)
        if operand.exponent is not None:
            m.d.comb += self.shift.eq(operand.exponent - operand.exponent_offset)
        if operand.nan is not None:
            m.d.comb += self.nan.eq(operand.nan)
        if operand.infinity is not None:
            m.d.comb += self.infinity.eq(operand.infinity)
        return m


def as_signed(m: Module, operand: Operand, name: str) -> Value:
    """The significand with its sign folded in, as two's complement."""
    significand = operand.significand
    if significand.shape().signed:
        return significand
    if operand.sign is None:
        return Cat(significand, Const(0, 1)).as_signed()
    folded = Signal(signed(len(significand) + 1), name=f"{name}_signed")
    m.d.comb += folded.eq(Mux(operand.sign, -significand, significand))
    return folded
