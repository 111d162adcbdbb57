"""The DSP block of iCE40 UltraPlus as yosys does not infer it: two independent products."""

from collections.abc import Sequence

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Signal, Value, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from .pipeline import Pipeline

__all__ = ["TwoProducts", "halved_products"]

HALF = 8
"""Bits of a factor."""

_IDLE = (
    *("AHOLD", "BHOLD", "CHOLD", "DHOLD", "IRSTTOP", "IRSTBOT", "ORSTTOP", "ORSTBOT", "OLOADTOP", "OLOADBOT"),
    *("ADDSUBTOP", "ADDSUBBOT", "OHOLDTOP", "OHOLDBOT", "CI", "ACCUMCI", "SIGNEXTIN"),
)
"""Inputs that do nothing while they are low."""


class TwoProducts(wiring.Component):
    """Two products of 8 by 8 bits in an SB_MAC16; exact. Latency 1 cycle with ``registered``, else 0.

    Parameters
    ----------
    signed: whether factors are in two's complement
    registered: whether the block's own registers are behind the products

    Members
    -------
    weights, activations: In(16), two factors each, the first in the lower half
    products: Out(32), the product of the lower halves in the lower half, that of the upper ones in the upper half
    """

    def __init__(self, *, signed: bool, registered: bool):
        self.signed = signed
        self.registered = registered
        super().__init__({"weights": In(2 * HALF), "activations": In(2 * HALF), "products": Out(4 * HALF)})

    def elaborate(self, platform) -> Module:
        m = Module()
        mode = {
            **dict.fromkeys(("A_SIGNED", "B_SIGNED"), Const(self.signed, 1)),
            **dict.fromkeys(("TOP_8x8_MULT_REG", "BOT_8x8_MULT_REG"), Const(self.registered, 1)),
            **dict.fromkeys(("TOPOUTPUT_SELECT", "BOTOUTPUT_SELECT"), Const(0b10, 2)),
            "MODE_8x8": Const(1, 1),
        }
        m.submodules.block = Instance(
            "SB_MAC16",
            **{f"p_{name}": value for name, value in mode.items()},
            **{f"i_{name}": Const(0, 1) for name in _IDLE},
            i_C=Const(0, 16),
            i_D=Const(0, 16),
            i_CLK=ClockSignal() if self.registered else Const(0, 1),
            i_CE=Const(1, 1),
            i_A=self.weights,
            i_B=self.activations,
            o_O=self.products,
        )
        return m


def halved_products(
    m: Module, pipeline: Pipeline, name: str, pairs: Sequence[tuple[Value, Value]], registered: bool
) -> list[Value]:
    """The products of two pairs of significands of up to 8 bits, all unsigned or all signed, which cross the cuts
    before the product; ``registered`` has them a cycle later. The block is the submodule ``name``."""
    is_signed = pairs[0][0].shape().signed
    shape = signed(HALF) if is_signed else unsigned(HALF)
    block = TwoProducts(signed=is_signed, registered=registered)
    m.submodules[name] = block
    for port, values in zip(("weights", "activations"), zip(*pairs, strict=True), strict=True):
        halves = [Signal(shape, name=f"{port}{k}") for k in range(len(values))]
        m.d.comb += [half.eq(value) for half, value in zip(halves, values, strict=True)]
        factor: Value = Cat(*halves)
        for cut in ("partial", "sums"):
            factor = pipeline.cross(cut, port, factor)
        m.d.comb += getattr(block, port).eq(factor)
    bodies = []
    for k, (w, a) in enumerate(pairs):
        body = block.products.word_select(k, 2 * HALF)[: len(w) + len(a)]
        bodies.append(body.as_signed() if is_signed else body)
    return bodies
