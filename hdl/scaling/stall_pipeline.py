"""A pipeline that stalls as a whole: what a stream's consumer holds up stands still in all of its registers."""

from types import SimpleNamespace

from amaranth.hdl import Const, Module, Signal, Value

__all__ = ["Stages"]


class Stages:
    """The registers of a data path that all move in the cycles in which ``advance`` is up.

    Parameters
    ----------
    m: module that gets the registers
    advance: whether this clock edge moves everything on by a stage
    valid: whether what comes in counts

    Attributes
    ----------
    valid: whether what is in the last stage so far counts
    latency: stages so far
    """

    def __init__(self, m: Module, advance: Value, valid: Value):
        self.m = m
        self.advance = advance
        self.valid = valid
        self.latency = 0

    def register(self, live: SimpleNamespace) -> SimpleNamespace:
        """Every Value of ``live`` behind one more stage; all else, and a constant, stays as it is."""
        self.latency += 1
        behind = SimpleNamespace(**vars(live))
        valid = Signal(name=f"valid_{self.latency}")
        with self.m.If(self.advance):
            self.m.d.sync += valid.eq(self.valid)
            for name, value in vars(live).items():
                if isinstance(value, Value) and not isinstance(value, Const):
                    register = Signal(value.shape(), name=f"{name}_{self.latency}", reset_less=True)
                    self.m.d.sync += register.eq(value)
                    setattr(behind, name, register)
        self.valid = valid
        return behind
