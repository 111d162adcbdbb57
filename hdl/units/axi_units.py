"""Units with streams, at their edges: AXI4-Streams whose every field begins at a byte."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module, Shape
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In

from ...formats import Blocks, FixedPoint, Format, Requantization
from ..blocks.scaled_sum import sum_fields
from ..bus.axi_stream import axi_stream_in, axi_stream_out
from ..products.product_term import Build
from ..scaling.dequant import Dequantize
from ..scaling.requant import Requantize
from .block_dot import BlockDot

__all__ = ["AxiBlockDot", "AxiDequantize", "AxiRequantize", "AxiUnit", "EdgeStream", "byte_layout"]


def byte_layout(fields: Mapping[str, Any]) -> data.FlexibleLayout:
    """Shapes as a layout in which every field begins at a byte, in this order; whole bytes in all."""
    places = {}
    offset = 0
    for name, shape in fields.items():
        places[name] = data.Field(shape, offset)
        offset += -(-Shape.cast(shape).width // 8) * 8
    return data.FlexibleLayout(offset, places)


@dataclass(frozen=True)
class EdgeStream:
    """A stream among the ports of a unit.

    Parameters
    ----------
    name: what its ports' names begin with; ``s_`` where data comes in, ``m_`` where it goes out
    meaning: of a beat
    last: meaning of ``tlast``
    layout: of ``tdata``; bits between fields are 0 where it goes out, and mean nothing where it comes in
    """

    name: str
    meaning: str
    last: str
    layout: data.FlexibleLayout

    @property
    def members(self) -> dict[str, wiring.Member]:
        return (axi_stream_in if self.name.startswith("s_") else axi_stream_out)(self.name, self.layout.size)


class AxiUnit(wiring.Component):
    """A unit whose ports are streams, in ``streams``, and perhaps others."""

    def __init__(self, *streams: EdgeStream, members: Mapping[str, wiring.Member] = {}):  # not changed
        self.streams = streams
        super().__init__({name: member for each in streams for name, member in each.members.items()} | dict(members))

    def _beat(self, name: str) -> data.View:
        """The fields of a stream's beat."""
        (layout,) = (each.layout for each in self.streams if each.name == name)
        return data.View(layout, getattr(self, f"{name}_tdata"))


class AxiRequantize(AxiUnit):
    """``Requantize`` between AXI4-Streams; ``tlast`` stays with its value.

    Parameters
    ----------
    source: ``FixedPoint`` of the sums
    how: scales, bias, output, and the policies
    dsp: whether multiplications are left to the device's multipliers

    Members
    -------
    s_axis: a sum and what it is scaled by, as the fields of ``Requantize.i``
    m_axis: its code
    """

    def __init__(self, source: FixedPoint, how: Requantization, *, dsp: bool = False):
        self.inner = Requantize(source, how, tag_bits=1, dsp=dsp)
        self.latency = self.inner.latency
        super().__init__(
            EdgeStream(
                *("s_axis", "a sum, and what it is scaled by", "goes with the beat to m_axis"),
                byte_layout(self.inner.scaling.fields),
            ),
            EdgeStream("m_axis", "the sum's code", "that of the sum", byte_layout({"code": how.output.width})),
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.requantize = inner = self.inner
        taken = self._beat("s_axis")
        m.d.comb += [
            *(getattr(inner.i.payload, name).eq(getattr(taken, name)) for name in inner.scaling.fields),
            inner.i.payload.tag.eq(self.s_axis_tlast),
            inner.i.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(inner.i.ready),
            self._beat("m_axis").code.eq(inner.o.payload.code),
            self.m_axis_tlast.eq(inner.o.payload.tag),
            self.m_axis_tvalid.eq(inner.o.valid),
            inner.o.ready.eq(self.m_axis_tready),
        ]
        return m


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


class AxiBlockDot(AxiUnit):
    """``BlockDot`` between AXI4-Streams; ``tlast`` of ``s_axis`` ends a sum, and every beat of ``m_axis`` is one.

    Parameters
    ----------
    those of ``BlockDot``

    Members
    -------
    s_axis: operands and the scales of their block
    m_axis: the sum
    """

    def __init__(
        self,
        weight_format: Format,
        activation_format: Format,
        build: Build,
        blocks: Blocks,
        *,
        lanes: int = 1,
        terms: int = 4096,
        pipeline: int = 2,
        dsp: bool = False,
    ):
        self.inner = BlockDot(
            *(weight_format, activation_format, build, blocks), lanes=lanes, terms=terms, pipeline=pipeline, dsp=dsp
        )
        self.latency = self.inner.latency
        operands = dict(self.inner.i.payload.shape().members)
        del operands["last"]
        super().__init__(
            EdgeStream(
                "s_axis",
                f"codes, lane i in bits i*{weight_format.width} and up of weight and i*{activation_format.width} and "
                "up of activation, 0 where a sum has no more; scales count with the last beat of their block",
                "the sum ends here, and its block, complete or not",
                byte_layout(operands),
            ),
            EdgeStream("m_axis", "the sum", "always 1", byte_layout(sum_fields(self.inner.form))),
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        m.submodules.block_dot = inner = self.inner
        taken, given = self._beat("s_axis"), self._beat("m_axis")
        m.d.comb += [
            *(getattr(inner.i.payload, name).eq(getattr(taken, name)) for name, _ in taken.shape()),
            inner.i.payload.last.eq(self.s_axis_tlast),
            inner.i.valid.eq(self.s_axis_tvalid),
            self.s_axis_tready.eq(inner.i.ready),
            *(getattr(given, name).eq(getattr(inner.o.payload, name)) for name, _ in given.shape()),
            self.m_axis_tlast.eq(1),
            self.m_axis_tvalid.eq(inner.o.valid),
            inner.o.ready.eq(self.m_axis_tready),
        ]
        return m
