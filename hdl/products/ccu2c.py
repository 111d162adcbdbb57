"""The carry cell of an ECP5 as yosys does not infer it: with logic in the LUTs before the carry."""

from typing import NamedTuple

from amaranth.hdl import Const, Instance, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["CELL", "LOGIC", "Ccu2c"]

CELL = "CCU2C"

LOGIC = {"and": 0x6AAA, "nand": 0x95AA, "xor": 0x96AA, "start": 0xD222, "ands": 0x7888, "digit": 0x956A}
"""The LUT's content for each kind of addends: ``a`` and ``b & gate``; ``a`` and ``~(b & gate)``; ``a`` and
``b ^ gate``; ``a & ~gate`` and ``b``; ``a & other_gate`` and ``b & gate``; ``a`` and ``(b & other) ^ gate``.

A position adds with the carry what the LUT makes of its four inputs, and gives on ``A``, ``A & B`` or ``A & ~B``, where
that is 0.
"""


class _LutInputs(NamedTuple):
    """What is at the inputs of a LUT."""

    a: Value
    b: Value
    c: Value
    d: Value


class Ccu2c(wiring.Component):
    """An adder of numbers of ``width`` bits, modulo ``2**width``, whose second addend is made in its LUTs. Latency 0.

    In Amaranth's simulator, which has no platform, sums stand in the place of the cells.

    Parameters
    ----------
    width: bits, 1 or more
    logic: what is added, a key of ``LOGIC``
    carry: whether there is a carry to add

    Members
    -------
    a, b: In(width)
    gate: In(1), for all bits of ``b``; with ``start``, of ``a``
    other: In(width); with ``digit`` alone
    other_gate: In(1), for all bits of ``a``; with ``ands`` alone
    carry: In(1), where there is one
    sum: Out(width)
    """

    def __init__(self, width: int, logic: str, *, carry: bool = False):
        self.width = width
        self.logic = logic
        self.has_carry = carry
        super().__init__(
            {
                "a": In(width),
                "b": In(width),
                "gate": In(1),
                **({"other_gate": In(1)} if logic == "ands" else {}),
                **({"other": In(width)} if logic == "digit" else {}),
                **({"carry": In(1)} if carry else {}),
                "sum": Out(width),
            }
        )

    @classmethod
    def add(
        cls,
        m: Module,
        name: str,
        logic: str,
        a: Value,
        b: Value,
        gate: Value,
        *,
        other_gate: Value | None = None,
        other: Value | None = None,
        carry: Value | None = None,
    ) -> Value:
        """The sum of two numbers of the same width by such an adder, which becomes the submodule ``name``."""
        adder = cls(len(a), logic, carry=carry is not None)
        m.submodules[_unused(m, name)] = adder
        m.d.comb += [adder.a.eq(a), adder.b.eq(b), adder.gate.eq(gate)]
        if other_gate is not None:
            m.d.comb += adder.other_gate.eq(other_gate)
        if other is not None:
            m.d.comb += adder.other.eq(other)
        if carry is not None:
            m.d.comb += adder.carry.eq(carry)
        return adder.sum

    def elaborate(self, platform) -> Module:
        m = Module()
        if platform is None:
            self._simulated(m)
        else:
            self._of_cells(m)
        return m

    def _simulated(self, m: Module) -> None:
        """What the cells compute."""
        gates = self.gate.replicate(self.width)
        a: Value = self.a
        if self.logic == "ands":
            a = a & self.other_gate.replicate(self.width)
        if self.logic == "start":
            a = a & ~gates
        gated = self.b & gates
        b: dict[str, Value] = {"and": gated, "nand": ~gated, "xor": self.b ^ gates, "start": self.b, "ands": gated}
        if self.logic == "digit":
            b["digit"] = (self.b & self.other) ^ gates
        m.d.comb += self.sum.eq(a + b[self.logic] + (self.carry if self.has_carry else 0))

    def _of_cells(self, m: Module) -> None:
        one = Const(1, 1)
        if self.logic == "ands":
            positions = [_LutInputs(self.a[k], self.other_gate, self.b[k], self.gate) for k in range(self.width)]
        elif self.logic == "digit":
            positions = [_LutInputs(self.a[k], self.b[k], self.other[k], self.gate) for k in range(self.width)]
        elif self.logic == "start":
            positions = [_LutInputs(self.a[k], self.gate, self.b[k], one) for k in range(self.width)]
        else:
            positions = [_LutInputs(self.a[k], self.b[k], self.gate, one) for k in range(self.width)]
        sums: list[Signal | None] = [Signal(name=f"sum{k}") for k in range(self.width)]
        m.d.comb += [self.sum[k].eq(bit) for k, bit in enumerate(sums)]
        carry: Value = Const(0, 1)
        if self.has_carry:
            carry = self.carry
            if self.width % 2:
                # A position is left over. The carry goes through its LUT, and no cell is put in before the first.
                zero = Const(0, 1)
                others = {"and": (self.carry, one, one), "nand": (zero, one, one), "xor": (self.carry, zero, one)}
                others |= {"start": (zero, self.carry, one), "digit": (zero, zero, self.carry)}
                positions.insert(0, _LutInputs(self.carry, *others[self.logic]))
                sums.insert(0, None)
                carry = Const(0, 1)
        init = Const(LOGIC[self.logic], 16)
        for k in range(0, len(positions), 2):
            pins: dict[str, Value] = {}
            for half in range(2):
                last = k + half >= len(positions)
                position = _LutInputs(*(Const(0, 1),) * 4) if last else positions[k + half]
                pins |= {f"i_{pin.upper()}{half}": value for pin, value in position._asdict().items()}
                bit = None if last else sums[k + half]
                if bit is not None:
                    pins[f"o_S{half}"] = bit
            # nextpnr-ecp5 needs the last one's output too.
            following = Signal(name=f"carry{k + 2}")
            pins["o_COUT"] = following
            m.submodules[f"cell{k // 2}"] = Instance(
                CELL,
                p_INIT0=init,
                p_INIT1=init,
                p_INJECT1_0="NO",
                p_INJECT1_1="NO",
                i_CIN=carry,
                **pins,
            )
            carry = following


def _unused(m: Module, name: str) -> str:
    """The name, with a number behind it where a submodule has it already."""
    found, number = name, 0
    while hasattr(m.submodules, found):
        number += 1
        found = f"{name}_{number}"
    return found
