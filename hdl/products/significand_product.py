"""Exact products of two significands, built in different ways behind one interface.

Each builder takes two integers, both unsigned or both signed, and gives their exact product. They differ in cost only:

- ``table``: every output bit a truth table of all input bits;
- ``rows``: one row to add for each bit of the second operand;
- ``digits``: one row for each pair of bits, each a truth table;
- ``booth``: one row for each pair of bits, radix-4 Booth recoded (MacSorley, Proc. IRE 49, 1961);
- ``operator``: a plain ``*``, for the synthesizer to put into a DSP block.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed, unsigned

from .pipeline import Pipeline
from .truth_table import truth_table

__all__ = [
    *("PRODUCTS", "ProductRow", "add_rows", "booth_rows", "booth_triples", "digit_row", "digit_multiple"),
    *("held_multiple", "significand_product", "sum_rows"),
]


def significand_product(
    m: Module, pipeline: Pipeline, method: str, a: Value, b: Value, *, tree: bool, late_carry: bool
) -> tuple[Value, Value | None]:
    """The exact product of ``a`` and ``b``, both unsigned or both signed, as ``(value, carry)``: their sum is the
    product.

    Parameters
    ----------
    method: a key of ``PRODUCTS``
    tree: whether rows are summed as a balanced tree, faster, rather than one after the other
    late_carry: whether the caller can add a carry (which spares an adder here); the one given back is None where not
    """
    if a.shape().signed != b.shape().signed:
        raise TypeError(f"operands must be both signed or both unsigned, not {a.shape()} and {b.shape()}")
    rows = iter(PRODUCTS[method](m, pipeline, a, b))
    return sum_rows(m, pipeline, rows, (a * b).shape(), tree=tree, late_carry=late_carry)


def sum_rows(
    m: Module, pipeline: Pipeline, rows: "Iterator[ProductRow]", shape: Shape, *, tree: bool, late_carry: bool
) -> tuple[Value, Value | None]:
    """The sum of all rows, which lies within ``shape``, as ``significand_product`` gives a product.

    Rows are made one by one, each after the sum that it is added to: yosys orders an adder's operands by the age of
    their names, and where a carry chain takes one operand past the LUT, that has to be the sum and not the row.
    """
    total = next(rows)
    if total.carry is not None and not late_carry:
        total = add_rows(m, ProductRow(Const(0, 1), 0, 0, 0), total)
    if tree or pipeline.registered("sums"):
        total = _sum_tree(m, pipeline, [total, *rows])
    for row in rows:
        total = add_rows(m, total, row)
    product = Signal(shape, name="significand_product")
    m.d.comb += product.eq(total.value)
    return product, total.carry


@dataclass(frozen=True)
class ProductRow:
    """``value + carry``, in units of ``2**position``; ``value`` lies in ``least`` to ``greatest`` and is signed if
    that is."""

    value: Value
    position: int
    least: int
    greatest: int
    carry: Value | None = None


def _row(value: Value, position: int, carry: Value | None = None) -> ProductRow:
    """A row that may take any value of its shape."""
    width = len(value)
    if value.shape().signed:
        return ProductRow(value, position, -(1 << width - 1), (1 << width - 1) - 1, carry)
    return ProductRow(value, position, 0, (1 << width) - 1, carry)


def add_rows(m: Module, low: ProductRow, high: ProductRow) -> ProductRow:
    """The sum of two rows, the carry of ``low`` left open. Bits of ``low`` below ``high`` pass by the adder."""
    below = high.position - low.position
    least = (low.least >> below) + high.least
    greatest = (low.greatest >> below) + high.greatest + (high.carry is not None)
    bits = max(greatest.bit_length(), (-least - 1).bit_length())
    total = Signal(signed(bits + 1) if least < 0 else unsigned(bits), name=f"partial{high.position}")
    above = low.value[below:]
    above = above.as_signed() if low.least < 0 else above
    m.d.comb += total.eq(above + high.value if high.carry is None else above + high.value + high.carry)
    value = Cat(low.value[:below], total)
    value = value.as_signed() if least < 0 else value
    floor = (1 << below) - 1
    return ProductRow(value, low.position, least << below, (greatest << below) + floor, low.carry)


def _sum_tree(m: Module, pipeline: Pipeline, rows: list[ProductRow]) -> ProductRow:
    """The sum of the rows by pairs, of which the first level crosses the cut ``sums``."""
    rows = [_behind_sums(pipeline, row) for row in _pairs(m, rows)]
    while len(rows) > 1:
        rows = _pairs(m, rows)
    return rows[0]


def _pairs(m: Module, rows: list[ProductRow]) -> list[ProductRow]:
    return [add_rows(m, rows[k], rows[k + 1]) for k in range(0, len(rows) - 1, 2)] + rows[len(rows) & ~1 :]


def _behind_sums(pipeline: Pipeline, row: ProductRow) -> ProductRow:
    value = pipeline.cross("sums", f"value{row.position}", row.value)
    return replace(row, value=value, carry=pipeline.cross("sums", f"carry{row.position}", row.carry))


def _operator(m: Module, pipeline: Pipeline, a: Value, b: Value) -> Iterator[ProductRow]:
    yield _row(a * b, 0)


def _table(m: Module, pipeline: Pipeline, a: Value, b: Value) -> Iterator[ProductRow]:
    yield _row(_tabulate(m, a, b, "product_table"), 0)


def _tabulate(m: Module, a: Value, b: Value, name: str) -> Value:
    """``a * b`` as a truth table."""

    def multiply(code: int) -> int:
        return _read(code, a) * _read(code >> len(a), b)

    product = Signal((a * b).shape(), name=name)
    m.d.comb += product.eq(truth_table(Cat(a, b), multiply, len(product)))
    return product


def _read(code: int, like: Value) -> int:
    """The low bits of ``code`` as an integer of the shape of ``like``."""
    width = len(like)
    code &= (1 << width) - 1
    return code - (1 << width) if like.shape().signed and code >> width - 1 else code


def _rows(m: Module, pipeline: Pipeline, a: Value, b: Value) -> Iterator[ProductRow]:
    is_signed = b.shape().signed
    for k in range(len(b) - is_signed):
        yield _row(Mux(b[k], a, 0), k)
    if is_signed:
        yield _row(~Mux(b[-1], a, 0), len(b) - 1, Const(1, 1))


def _digits(m: Module, pipeline: Pipeline, a: Value, b: Value) -> Iterator[ProductRow]:
    for position in range(0, len(b), 2):
        digit = b[position : position + 2]
        digit = digit.as_signed() if b.shape().signed and position + 2 >= len(b) else digit
        yield _row(_tabulate(m, a, digit, f"row{position}"), position)


def booth_rows(a: Value, b: Value) -> Iterator[ProductRow]:
    """The rows of radix-4 Booth recoding for adders that take in their logic: each bit is made of five bits, and a
    carry of nothing but a bit of ``b``."""
    for k, (triple, multiple) in enumerate(_booth_multiples(a, b)):
        yield _booth_row(a, k, _open_row(triple, multiple), triple[2])


def digit_row(a: Value, triple: Value) -> ProductRow:
    """The row of ``a``, which is signed, by the one Booth digit of three bits; as those of ``booth_rows``."""
    return _booth_row(a, 0, _open_row(triple, digit_multiple(a, triple)), triple[2])


def digit_multiple(a: Value, triple: Value) -> Value:
    """``a``, which is signed, or its double: the multiple by the Booth digit of three bits but for its sign, if the
    digit is not 0."""
    return Mux(triple[0] == triple[1], a << 1, a)[: len(a) + 1]


def held_multiple(
    pipeline: Pipeline, triple: Value, multiple: Value, name: str, carry_name: str
) -> tuple[Value, Value]:
    """The multiple by a Booth digit as a value and a carry, behind the cut ``partial``: there a register's reset makes
    the zero digits for free."""
    negative, zero = triple[2], triple.all() | ~triple.any()
    value = pipeline.cross("partial", name, multiple ^ negative.replicate(len(multiple)), clear=zero)
    return value, pipeline.cross("partial", carry_name, negative & ~triple.all())


def _open_row(triple: Value, multiple: Value) -> Value:
    return Mux(triple.all() | ~triple.any(), 0, multiple) ^ triple[2].replicate(len(multiple))


def _booth(m: Module, pipeline: Pipeline, a: Value, b: Value) -> Iterator[ProductRow]:
    """Radix-4 Booth."""
    for k, (triple, multiple) in enumerate(_booth_multiples(a, b)):
        yield _booth_row(a, k, *held_multiple(pipeline, triple, multiple, f"row{k}", f"carry{k}"))


def _booth_multiples(a: Value, b: Value) -> Iterator[tuple[Value, Value]]:
    """For every digit of ``b`` its three bits, and ``a`` or its double, which is the multiple if the digit is not 0."""
    extended = a if a.shape().signed else Cat(a, Const(0, 1)).as_signed()
    for triple in booth_triples(b):
        yield triple, digit_multiple(extended, triple)


def booth_triples(b: Value) -> list[Value]:
    """The three bits of each radix-4 Booth digit of ``b``, from the lowest on."""
    is_signed = b.shape().signed
    top = b[-1] if is_signed else Const(0, 1)
    padded = Cat(Const(0, 1), b, top, top)
    return [padded[k : k + 3] for k in range(0, len(b) + (not is_signed), 2)]


def _booth_row(a: Value, number: int, row: Value, carry: Value) -> ProductRow:
    reach = 2 << len(a) - a.shape().signed
    return ProductRow(row.as_signed(), 2 * number, -reach, reach, carry)


PRODUCTS: dict[str, Callable[[Module, Pipeline, Value, Value], Iterator[ProductRow]]] = {
    "table": _table,
    "rows": _rows,
    "digits": _digits,
    "booth": _booth,
    "operator": _operator,
}
