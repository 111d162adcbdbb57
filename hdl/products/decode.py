"""From a code to its sign, significand and exponent: the only step in which formats differ."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Format, Integer, Minifloat, SignMagnitude, Specials

__all__ = ["Decode", "Operand", "as_signed", "decode", "decoded", "max_shift", "operand_layout"]


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

    @property
    def negative(self) -> Value:
        """Whether the value is below zero (or is the negative zero or infinity)."""
        if self.sign is not None:
            return self.sign
        return self.significand[-1] if self.significand.shape().signed else Const(0, 1)


def max_shift(format: Format) -> int:
    """The largest left shift of a significand of the format: ``exponent - exponent_offset`` of its greatest finite
    value."""
    return max(0, format.max_integer.bit_length() - format.precision) if isinstance(format, Minifloat) else 0


def operand_layout(format: Format) -> data.StructLayout:
    """The fields that ``decode`` gives for the format, for a wire between the decoder and who uses it."""
    if isinstance(format, Integer):
        return data.StructLayout({"significand": Shape(format.bits, signed=not format.unsigned)})
    fields: dict[str, Shape] = {"significand": unsigned(format.precision)}
    if isinstance(format, SignMagnitude):
        return data.StructLayout(fields | {"sign": unsigned(1)})
    assert isinstance(format, Minifloat)
    if format.has_sign:
        fields["sign"] = unsigned(1)
    if not format.subnormals or max_shift(format):
        fields["exponent"] = unsigned(format.exponent_bits)
    if format.has_nan:
        fields["nan"] = unsigned(1)
    if format.has_infinity:
        fields["infinity"] = unsigned(1)
    return data.StructLayout(fields)


def decoded(format: Format, view: data.View) -> Operand:
    """The operand whose fields are in ``view``, of ``operand_layout(format)``."""
    fields = {name: getattr(view, name) for name, _ in view.shape()}
    has_subnormals = isinstance(format, Minifloat) and format.subnormals and "exponent" in fields
    return Operand(Const(0, format.width), exponent_offset=int(has_subnormals), **fields)


def decode(m: Module, format: Format, code: Value, name: str) -> Operand:
    """Split ``code``; the signals made for it in ``m`` start with ``name``. A special code's significand means
    nothing."""
    if isinstance(format, Integer):
        return Operand(code, code if format.unsigned else code.as_signed())
    if isinstance(format, SignMagnitude):
        return Operand(code, code[:-1], code[-1])
    if not isinstance(format, Minifloat):
        raise TypeError(f"format must be one that hdl can decode, not {format!r}")
    return _decode_minifloat(m, format, code, name)


def _decode_minifloat(m: Module, format: Minifloat, code: Value, name: str) -> Operand:
    fraction = code[: format.fraction_bits]
    exponent = code[format.fraction_bits : format.fraction_bits + format.exponent_bits]
    sign = code[-1] if format.has_sign else None
    nan, infinity = _specials(format, code, fraction, exponent)

    if not format.subnormals:
        return Operand(code, Cat(fraction, Const(1, 1)), sign, exponent, 0, nan, infinity)
    normal = Signal(name=f"{name}_normal")
    m.d.comb += normal.eq(exponent.any())
    significand = Cat(fraction, normal)
    if max_shift(format) == 0:
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
        # The magnitude of two's complement's most negative code takes all the bits.
        bits = format.bits if isinstance(format, Integer) else format.precision
        members = {
            "code": In(format.width),
            "sign": Out(1),
            "significand": Out(bits),
            "shift": Out(max(1, max_shift(format).bit_length())),
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
        if operand.significand.shape().signed:
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
