"""The dequantizing unit: block-scaled codes in, codes of a wider format out, by AXI4-Streams."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from amaranth.hdl import Module
from amaranth.lib.wiring import In

from ...formats import Format, Requantization, check_format
from ..describe import describe_requantization
from ..scaling.dequant import Dequantize, check_dequantize
from .axi_unit import AxiUnit, EdgeStream, StreamDesign, byte_layout
from .design import check_lanes
from .requantize import scaled

__all__ = ["AxiDequantize", "DequantizeDesign"]


class AxiDequantize(AxiUnit):
    """``Dequantize`` between AXI4-Streams.

    Parameters
    ----------
    format: of the codes that come in
    how: output format, scale formats and policies
    lanes: codes of one beat
    block_size: codes that share a scale
    dsp: whether multiplications are left to the device's multipliers

    Members
    -------
    s_axis: codes, lane 0 in the lowest bits
    s_axis_scale: a scale for every block
    tensor_scale: In(width), where ``how`` has one
    m_axis: codes of the output's format
    """

    def __init__(self, format: Format, how: Requantization, *, lanes: int = 1, block_size: int = 32, dsp: bool = False):
        self.inner = Dequantize(format, how, lanes=lanes, block_size=block_size, dsp=dsp)
        self.latency = self.inner.latency
        assert how.scale is not None
        super().__init__(
            EdgeStream(
                *("s_axis", f"codes, lane i in bits i*{format.width} and up", "the block ends here, complete or not"),
                byte_layout({"codes": lanes * format.width}),
            ),
            EdgeStream(
                "s_axis_scale", "the scale of a block", "not looked at", byte_layout({"scale": how.scale.width})
            ),
            EdgeStream(
                *("m_axis", f"codes, lane i in bits i*{how.output.width} and up", "that of s_axis"),
                byte_layout({"codes": lanes * how.output.width}),
            ),
            members={} if how.tensor_scale is None else {"tensor_scale": In(how.tensor_scale.width)},
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.dequantize = inner = self.inner
        m.d.comb += [
            inner.i.payload.codes.eq(self._beat("s_axis").codes),
            inner.i.payload.last.eq(self.s_axis_tlast),
            inner.i.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(inner.i.ready),
            inner.scale.payload.eq(self._beat("s_axis_scale").scale),
            inner.scale.valid.eq(self.s_axis_scale_tvalid),
            self.s_axis_scale_tready.eq(inner.scale.ready),
            self._beat("m_axis").codes.eq(inner.o.payload.codes),
            self.m_axis_tlast.eq(inner.o.payload.last),
            self.m_axis_tvalid.eq(inner.o.valid),
            inner.o.ready.eq(self.m_axis_tready),
        ]
        if inner.how.tensor_scale is not None:
            m.d.comb += inner.tensor_scale.eq(self.tensor_scale)
        return m


@dataclass(frozen=True)
class DequantizeDesign(StreamDesign):
    """A dequantizer of block-scaled codes.

    Parameters
    ----------
    format: of the codes that come in
    requantization: format of the output, formats of the scales, and the policies
    block_size: codes that share a scale
    lanes: codes of one beat
    """

    unit = "dequantize"
    summary = "block-scaled codes to those of a wider format, streaming"
    operands = ("weight",)
    needs = ("requantization", "block_size")
    has_lanes = True
    meanings: ClassVar[Mapping[str, str]] = {
        "tensor_scale": "code of the second scale of all codes; a beat takes the one that is there when it is taken"
    }

    format: Format
    requantization: Requantization
    block_size: int
    lanes: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_format("weight", self.format)
        check_lanes(self.lanes)
        check_dequantize(self.format, self.requantization, self.lanes, self.block_size)

    @property
    def weight(self) -> Format:
        return self.format

    @property
    def formats(self) -> tuple[Format, ...]:
        return (*super().formats, self.requantization.output)

    @property
    def contract(self) -> str:
        codes = scaled(self.requantization, "code")
        return f"codes = {codes}, of every lane; a scale for every {self.block_size} codes"

    def component(self) -> AxiDequantize:
        return AxiDequantize(
            *(self.format, self.requantization), lanes=self.lanes, block_size=self.block_size, dsp=self.dsp
        )

    def describe_edge(self) -> dict[str, Any]:
        return {
            "lanes": self.lanes,
            "block_size": self.block_size,
            "requantization": describe_requantization(self.requantization),
        }
