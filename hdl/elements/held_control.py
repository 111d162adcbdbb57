"""An element whose control stands in registers of its own, for a fast clock."""

from collections.abc import Collection

from amaranth.hdl import Module
from amaranth.lib import wiring

__all__ = ["HeldControl"]


class HeldControl(wiring.Component):
    """An element around which inputs of control come a cycle earlier.

    So one wire goes to each element of an array, in the place of one to every flip-flop of a sum. All other members are
    those of the element.

    Parameters
    ----------
    element: any element
    control: names of its inputs that come earlier
    """

    def __init__(self, element: wiring.Component, control: Collection[str]):
        self.element = element
        self.control = control
        super().__init__(element.signature)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.element = element = self.element
        inner = element.signature.flatten(element)
        for (path, member, outside), (_, _, inside) in zip(self.signature.flatten(self), inner, strict=True):
            if member.flow is wiring.Out:
                m.d.comb += outside.eq(inside)
            elif path[0] in self.control:
                m.d.sync += inside.eq(outside)
            else:
                m.d.comb += inside.eq(outside)
        return m
