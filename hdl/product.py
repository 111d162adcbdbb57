"""Exact products of two significands, built in different ways behind one interface.

Each builder takes two integers, both unsigned or both signed, and gives their exact product. They differ in cost only:

- ``table``: every output bit a truth table of all input bits;
- ``rows``: one addition a bit of the second operand;
- ``digits``: one addition a pair of bits of the second operand, each row a truth table;
- ``booth``: one addition a pair of bits, radix-4 Booth recoded (MacSorley, Proc. IRE 49, 1961);
- ``operator``: a plain ``*``, for the synthesizer to put into a DSP block.
"""

from collections.abc import Callable

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed, unsigned

from .pipeline import Pipeline

__all__ = ["PRODUCTS", "significand_product", "truth_table"]


def truth_table(inputs: Value, function: Callable[[int], int], width: int) -> Value:
    """``function`` of the unsigned value of ``inputs``, of which the low ``width`` bits are kept."""
    values = [function(code) for code in range(1 << len(inputs))]
    columns = [sum((value >> bit & 1) << code for code, value in enumerate(values)) for bit in range(width)]
    return Cat(Const(column, len(values)).bit_select(inputs, 1) for column in columns)


def significand_product(m: Module, pipeline: Pipeline, method: str, a: Value, b: Value) -> Value:
    """The exact product of ``a`` and ``b``, both unsigned or both signed. ``method`` is a key of ``PRODUCTS``."""
    if a.shape().signed != b.shape().signed:
        raise TypeError(f"operands must be both signed or both unsigned, not {a.shape()} and {b.shape()}")
    return PRODUCTS[method](m, pipeline, a, b)


def _operator(m: Module, pipeline: Pipeline, a: Value, b: Value) -> Value:
    product = Signal((a * b).shape(), name="product")
    m.d.comb += product.eq(a * b)
    return product


def _table(m: Module, pipeline: Pipeline, a: Value, b: Value) -> Value:
    def multiply(code: int) -> int:
        return _read(code, a) * _read(code >> len(a), b)

    product = Signal((a * b).shape(), name="product")
    m.d.comb += product.eq(truth_table(Cat(a, b), multiply, len(product)))
    return product


def _read(code: int, like: Value) -> int:
    """The low bits of ``code`` as an integer of the shape of ``like``."""
    width = len(like)
    code &= (1 << width) - 1
    return code - (1 << width) if like.shape().signed and code >> width - 1 else code


def _rows(m: Module, pipeline: Pipeline, a: Value, b: Value) -> Value:
    return _add_rows(m, a, b, 1)


def _digits(m: Module, pipeline: Pipeline, a: Value, b: Value) -> Value:
    return _add_rows(m, a, b, 2)


def _add_rows(m: Module, a: Value, b: Value, digit: int) -> Value:
    """Sum of ``a`` times each group of ``digit`` bits of ``b``, from the lowest up; the bits that are final leave at the bottom."""
    is_signed = a.shape().signed
    low: list[Value] = []
    total: Value | None = None
    for start in range(0, len(b), digit):
        top = start + digit >= len(b)
        part = b[start : start + digit]
        part = part.as_signed() if is_signed and top else part
        subtract = len(part) == 1 and part.shape().signed
        row = _row(m, a, part.as_unsigned() if subtract else part, f"row{start}")
        if total is None:
            rest: Value = Const(0, 1)
        else:
            low.append(total[:digit])
            rest = total[digit:].as_signed() if is_signed else total[digit:]
        width = len(a) + len(part)
        following = Signal(signed(width) if is_signed else unsigned(width), name=f"sum{start}")
        m.d.comb += following.eq(rest - row if subtract else rest + row)
        total = following
    assert total is not None
    product = Signal((a * b).shape(), name="product")
    m.d.comb += product.eq(Cat(*low, total).as_signed() if is_signed else Cat(*low, total))
    return product


def _row(m: Module, a: Value, part: Value, name: str) -> Value:
    if len(part) == 1:
        return Mux(part, a, 0)
    row = Signal((a * part).shape(), name=name)
    m.d.comb += row.eq(
        truth_table(Cat(part, a), lambda code: _read(code, part) * _read(code >> len(part), a), len(row))
    )
    return row


def _booth(m: Module, pipeline: Pipeline, a: Value, b: Value) -> Value:
    """Radix-4 Booth. The recoded rows cross the cut ``partial``: there a register's reset makes the zero digits for free."""
    is_signed = a.shape().signed
    top = b[-1] if is_signed else Const(0, 1)
    digits = (len(b) + (1 if is_signed else 2)) // 2
    padded = Cat(Const(0, 1), b, top, top)
    width = len(a) + (1 if is_signed else 2)
    extended = a if is_signed else Cat(a, Const(0, 1)).as_signed()

    low: list[Value] = []
    total: Value = Const(0, 1).as_signed()
    least, greatest = 0, 0  # of `total`, so that it is no wider than it must be
    reach = 1 << len(a) - is_signed
    for k in range(digits):
        triple = padded[2 * k : 2 * k + 3]
        negative = triple[2]
        doubled = triple[0] == triple[1]
        zero = triple.all() | ~triple.any()
        multiple = Mux(doubled, extended << 1, extended)[:width]
        row = pipeline.cross("partial", f"row{k}", multiple ^ negative.replicate(width), clear=zero)
        carry = pipeline.cross("partial", f"carry{k}", negative & ~triple.all())
        if k:
            low.append(total[:2])
            total, least, greatest = total[2:].as_signed(), least >> 2, greatest >> 2
        least, greatest = least - 2 * reach, greatest + 2 * reach
        following = Signal(range(least, greatest + 1), name=f"sum{k}")
        m.d.comb += following.eq(total + row.as_signed() + carry)
        total = following
    product = Signal((a * b).shape(), name="product")
    m.d.comb += product.eq(Cat(*low, total).as_signed())
    return product


PRODUCTS: dict[str, Callable[[Module, Pipeline, Value, Value], Value]] = {
    "table": _table,
    "rows": _rows,
    "digits": _digits,
    "booth": _booth,
    "operator": _operator,
}
