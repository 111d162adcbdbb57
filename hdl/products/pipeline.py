"""Where registers go: a design names its cuts, and a pipeline decides which of them hold a register."""

from collections.abc import Collection

from amaranth.hdl import Const, Module, Signal, Value

__all__ = ["CUTS", "KEPT", "Pipeline"]

CUTS = ("input", "partial", "sums", "product", "align", "middle", "chain", "total")
"""The cuts of a data path, in the order in which values cross them."""


KEPT = {"keep": 1}
"""The attribute by which tools leave a register where it is."""


class Pipeline:
    """The register stages of one data path. Every value that crosses a cut has to pass through it.

    Parameters
    ----------
    m: module that gets the registers
    cuts: names of the cuts that are registers
    """

    def __init__(self, m: Module, cuts: Collection[str]):
        self.m = m
        self.cuts = frozenset(cuts)

    def without(self, cut: str) -> "Pipeline":
        """The same data path without that cut, for what has crossed it before."""
        return Pipeline(self.m, self.cuts - {cut})

    def registered(self, cut: str) -> bool:
        return cut in self.cuts

    def cross(
        self,
        cut: str,
        name: str,
        value: Value | None,
        *,
        clear: Value | None = None,
        cleared: int = 0,
        reset: bool = False,
        apart: bool = False,
    ):
        """``value`` behind the cut; ``cleared`` where ``clear`` is high, which a register does with its own reset and
        no logic.

        ``reset`` says that the design's reset clears the register too; only what decides validity needs it. ``apart``
        keeps the register out of DSP blocks.
        """
        if value is None:
            return None
        value = Value.cast(value)
        if clear is None and not self.registered(cut):
            return value
        # Registers of some families begin with what they are cleared to.
        init = Const(cleared, value.shape()).value
        how = {"init": init, "reset_less": not reset, "attrs": KEPT if apart else None}
        behind = Signal(value.shape(), name=f"{name}_{cut}", **how)
        domain = self.m.d.sync if self.registered(cut) else self.m.d.comb
        domain += behind.eq(value)
        if clear is not None:
            with self.m.If(clear):
                domain += behind.eq(init)
        return behind
