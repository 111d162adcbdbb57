"""The units that unpack ternary codes: bytes in, codes out, by AXI4-Streams."""

from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Cat, Module, Signal, Value

from ...formats import Format, parse
from ...formats.packed_trits import PACKINGS, TritPacking
from ..products.truth_table import truth_table
from .axi_unit import AxiUnit, EdgeStream, StreamDesign, byte_layout
from .design import check_lanes

__all__ = ["AxiUnpack", "UnpackFieldsDesign", "UnpackTritsDesign"]

TERNARY = parse("ternary")


class AxiUnpack(AxiUnit):
    """Words of bytes to words of ternary codes, behind a register; a word every cycle.

    Parameters
    ----------
    packing: how bytes store values, and in which order
    lanes: bytes of a beat

    Members
    -------
    s_axis: bytes, the first in the lowest bits
    m_axis: codes, the first in the lowest bits
    """

    latency = 1

    def __init__(self, packing: TritPacking, lanes: int):
        self.packing = packing
        self.lanes = lanes
        count = lanes * packing.values
        super().__init__(
            EdgeStream("s_axis", "bytes", "goes through", byte_layout({"bytes": 8 * lanes})),
            EdgeStream(
                "m_axis", "codes, code i in bits i*2 and up", "that of s_axis", byte_layout({"codes": 2 * count})
            ),
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        data = self._beat("s_axis").bytes
        values = [self._values(m, data.word_select(k, 8), f"byte{k}") for k in range(self.lanes)]
        codes = Signal(2 * self.lanes * self.packing.values, name="codes", reset_less=True)
        last, valid = Signal(name="last", reset_less=True), Signal(name="valid")
        m.d.comb += self.s_axis_tready.eq(~valid | self.m_axis_tready)
        with m.If(self.s_axis_tready):
            m.d.sync += [
                *(valid.eq(self.s_axis_tvalid), last.eq(self.s_axis_tlast)),
                codes.eq(Cat(value[k] for k in range(self.packing.values) for value in values)),
            ]
        m.d.comb += [
            *(self._beat("m_axis").codes.eq(codes), self.m_axis_tlast.eq(last), self.m_axis_tvalid.eq(valid)),
        ]
        return m

    def _values(self, m: Module, byte: Value, name: str) -> list[Value]:
        """The codes in a byte, the first one first."""
        if self.packing.name == "fields":
            digits: list[Value] = [byte.word_select(k, 2) for k in range(self.packing.values)]
        else:
            digits, rest = [], byte
            for k in range(self.packing.values):
                # The byte is a fraction: what goes past it, as it is multiplied by three, is the next digit.
                tripled = Signal(10, name=f"{name}_tripled{k}")
                m.d.comb += tripled.eq(rest + (rest << 1))
                digits.append(tripled[8:])
                rest = tripled[:8]
        return [truth_table(digit, lambda value: value - 1 & 3, 2) for digit in digits]


@dataclass(frozen=True)
class _UnpackDesign(StreamDesign):
    """An unpacker of ternary codes.

    Parameters
    ----------
    format: ternary, of the codes that come out
    lanes: bytes of a beat
    """

    operands = ("weight",)
    has_lanes = True
    packing: ClassVar[TritPacking]

    format: Format = TERNARY
    lanes: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.format != TERNARY:
            raise ValueError(f"weight must be ternary for {self.unit}, not {self.format}")
        check_lanes(self.lanes)

    @property
    def weight(self) -> Format:
        return self.format

    @property
    def contract(self) -> str:
        digit = "byte b * 3**k % 256 * 3 >> 8" if self.packing.name == "trits" else "byte b >> 2 * k & 3"
        return f"code[k * {self.lanes} + b] = ({digit}) - 1, for k from 0 to {self.packing.values - 1}"

    def component(self) -> AxiUnpack:
        return AxiUnpack(self.packing, self.lanes)

    def describe_edge(self) -> dict[str, Any]:
        return {"lanes": self.lanes, "packing": self.packing.name}


@dataclass(frozen=True)
class UnpackTritsDesign(_UnpackDesign):
    """Five trits a byte, as TQ1_0 has them."""

    unit = "unpack_trits"
    summary = "bytes of five trits, as in TQ1_0, to ternary codes, streaming"
    packing = PACKINGS["trits"]


@dataclass(frozen=True)
class UnpackFieldsDesign(_UnpackDesign):
    """Four fields of two bits a byte, as TQ2_0 has them."""

    unit = "unpack_fields"
    summary = "bytes of four ternary fields, as in TQ2_0, to ternary codes, streaming"
    packing = PACKINGS["fields"]
