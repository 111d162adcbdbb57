"""The element whose accumulator is a floating-point number.

The sum stays in place, where a number of few significant bits is a wide integer whose lowest bits are zero: it is
rounded there, by a mask below the first bit that counts, and nothing is shifted.
"""

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value

from ...formats import Arithmetic, FixedPoint
from ...formats.elements.floating import FloatingSum
from ..products.build import Build
from .hardware import register_hardware
from .settling_element import SettlingElement, SettlingHardware

__all__ = ["FloatingHardware"]


class FloatingHardware(SettlingHardware):
    """Exact products, a tree, an accumulator that is rounded."""

    def element(
        self, arithmetic: Arithmetic, build: Build, accumulator: FixedPoint, lanes: int, edge: Build | None = None
    ) -> "FloatingElement":
        return FloatingElement(self, arithmetic, build, accumulator, lanes=lanes, edge=edge)


class FloatingElement(SettlingElement):
    """``lanes`` products a cycle into one sum that is rounded to a floating-point number."""

    def settle(self, m: Module, exact: Value, shape: Shape) -> Value:
        element = self.arithmetic.element
        assert isinstance(element, FloatingSum)
        # One bit more than the greatest sum has, or than there is, for what rounding makes of it; and a sign.
        width = 2 + max(len(exact), element.magnitude_bits + 1)
        wide = Signal(Shape(width, True), name="total_exact")
        m.d.comb += wide.eq(exact)
        ones = (wide.as_unsigned() ^ wide[-1].replicate(width))[:-1]
        # From the top down: whether a bit is below the last one that counts.
        reach, below = element.fraction_bits + 1, []
        above: Value = Const(0, 1)
        for place in reversed(range(width - 1)):
            if place + reach < width - 1:
                found = Signal(name=f"above{place}")
                m.d.comb += found.eq(above | ones[place + reach])
                above = found
            below.append(above if place >= element.drop else Const(1, 1))
        mask = Signal(width - 1, name="total_below")
        m.d.comb += mask.eq(Cat(*reversed(below)))
        # Half of the last place, less one unit, and that unit where the last place is odd.
        last = mask[:-1] & ~mask[1:]
        odd = (last & wide[1 : width - 1]).any()
        rounded = Signal(Shape(width, True), name="total_rounded")
        m.d.comb += rounded.eq((wide + mask[1:] + odd)[:width] & ~Cat(mask, Const(0, 1)))
        largest = element.largest
        beyond = rounded[element.magnitude_bits :]
        fits = Mux(rounded[-1], beyond.all(), ~beyond.any())
        # No number but the one below the least has all of these bits, and none of those below.
        least = rounded[-1] & ~rounded[element.drop : element.magnitude_bits].any()
        end = Mux(rounded[-1], -largest, largest)
        return Mux(fits & ~least, rounded, end)[: shape.width]


register_hardware(FloatingSum, FloatingHardware())
