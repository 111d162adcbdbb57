"""An element whose control stands in registers of its own, for a fast clock."""

from collections.abc import Collection

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["HeldControl"]


class HeldControl(wiring.Component):
    """An element around which inputs of control come a cycle earlier.

    So one wire goes to each element of an array, in the place of one to every flip-flop of a sum. All other members are
    those of the element.

    Parameters
    ----------
    element: any element
    control: names of its inputs that come earlier
    apart: whether the registers are a module of their own. Of registers that always hold the same, yosys keeps one,
        unless modules that a design has many of are mapped by themselves (``synth.fit_runner.repeated_modules``).
        Elements with carry cells of their own differ in names, and are no such modules
    """

    def __init__(self, element: wiring.Component, control: Collection[str], *, apart: bool = False):
        self.element = element
        self.control = control
        self.apart = apart
        super().__init__(element.signature)

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.element = element = self.element
        if self.apart:
            m.submodules.held = held = _HeldBits(self.control)
        inner = element.signature.flatten(element)
        for (path, member, outside), (_, _, inside) in zip(self.signature.flatten(self), inner, strict=True):
            if member.flow is wiring.Out:
                m.d.comb += outside.eq(inside)
            elif path[0] not in self.control:
                m.d.comb += inside.eq(outside)
            elif self.apart:
                m.d.comb += [getattr(held, path[0]).eq(outside), inside.eq(getattr(held, f"{path[0]}_held"))]
            else:
                m.d.sync += inside.eq(outside)
        return m


class _HeldBits(wiring.Component):
    """Bits a cycle late."""

    def __init__(self, names: Collection[str]):
        self.names = names
        super().__init__({**{name: In(1) for name in names}, **{f"{name}_held": Out(1) for name in names}})

    def elaborate(self, platform) -> Module:
        m = Module()
        for name in self.names:
            late = Signal(name=f"{name}_late")
            m.d.sync += late.eq(getattr(self, name))
            m.d.comb += getattr(self, f"{name}_held").eq(late)
        return m
