"""What a record has of its own is chosen by its number: a constant where all agree, else logic of few inputs."""

from collections.abc import Mapping, Sequence

from amaranth.hdl import Cat, Const, Module, Shape, Signal, Value, signed, unsigned

from ..products.truth_table import truth_table

__all__ = ["Chooser", "shape_for"]


def shape_for(values: Sequence[int], *, is_signed: bool = False) -> Shape:
    """The narrowest shape that holds all of these integers."""
    least, most = min(0, *values), max(0, *values)
    if least < 0 or is_signed:
        return signed(max(most.bit_length(), (-least - 1).bit_length() if least < 0 else 0) + 1)
    return unsigned(max(1, most.bit_length()))


class Chooser:
    """It makes signals that follow from the number of the record at hand, and from at most one further flag or number.

    Parameters
    ----------
    m: module that gets the signals
    record: the number of the record
    count: of records
    """

    def __init__(self, m: Module, record: Value, count: int):
        self.m = m
        self.record = record
        self.count = count

    def choose(self, name: str, values: Sequence[int], shape: Shape | None = None) -> Value:
        """The value of the record at hand."""
        return self.choose_by(name, {(place, 0): value for place, value in enumerate(values)}, Const(0, 0), shape)

    def choose_by(
        self, name: str, values: Mapping[tuple[int, int], int], more: Value, shape: Shape | None = None
    ) -> Value:
        """The value of the record at hand and of ``more``. Where ``values`` has none, any of them may come."""
        shape = shape or shape_for(list(values.values()) or [0])
        if len(set(values.values())) <= 1:
            return Const(next(iter(values.values()), 0), shape)
        by_record: dict[int, set[int]] = {}
        for (place, _), value in values.items():
            by_record.setdefault(place, set()).add(value)
        anything = next(iter(values.values()))
        mask = (1 << shape.width) - 1
        if all(len(found) == 1 for found in by_record.values()):
            table = {place: next(iter(found)) for place, found in by_record.items()}
            code, function = self.record, lambda code: table.get(code, anything) & mask
        else:
            bits = len(more)
            code = Cat(more, self.record)

            def function(code: int) -> int:
                return values.get((code >> bits, code & (1 << bits) - 1), anything) & mask

        chosen = Signal(shape, name=name)
        self.m.d.comb += chosen.eq(truth_table(code, function, shape.width))
        return chosen
