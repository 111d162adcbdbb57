"""The dot product of block-scaled operands at its edge: AXI4-Streams."""

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Module

from ...formats import Arithmetic, Blocks, FixedPoint, Format
from ..blocks.scaled_sum import sum_fields
from ..describe import describe_blocks
from ..products.build import Build
from .axi_unit import AxiUnit, EdgeStream, StreamDesign, byte_layout
from .block_dot import BlockDot, check_element
from .design import check_lanes, check_terms
from .product_design import ProductDesign

__all__ = ["AxiBlockDot", "BlockDotDesign"]


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
        arithmetic: Arithmetic,
        build: Build,
        blocks: Blocks,
        *,
        lanes: int = 1,
        terms: int = 4096,
        dsp: bool = False,
    ):
        self.inner = BlockDot(arithmetic, build, blocks, lanes=lanes, terms=terms, dsp=dsp)
        self.latency = self.inner.latency
        operands = dict(self.inner.i.payload.shape().members)
        del operands["last"]
        super().__init__(
            EdgeStream(
                "s_axis",
                f"codes, lane i in bits i*{arithmetic.weight.width} and up of weight and "
                f"i*{arithmetic.activation.width} and up of activation, 0 where a sum has no more; scales count with "
                "the last beat of their block",
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


@dataclass(frozen=True)
class BlockDotDesign(StreamDesign, ProductDesign):
    """A dot product of block-scaled operands.

    Parameters
    ----------
    arithmetic: what multiplies
    blocks: size of a block, formats of the scales, and what the sums are kept in
    terms: most products in one sum, all blocks together
    lanes: products a cycle
    """

    unit = "block_dot"
    summary = "dot product of block-scaled operands, streaming"
    needs = ("blocks",)
    has_lanes = True
    least_pipeline = 1

    arithmetic: Arithmetic
    blocks: Blocks
    terms: int = 4096
    lanes: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        self.blocks.check(self.weight, self.activation)
        check_terms(self.terms)
        check_lanes(self.lanes)
        if self.blocks.size % self.lanes:
            raise ValueError(f"lanes must divide the blocks' {self.blocks.size} elements, not be {self.lanes}")
        check_lanes(self.lanes, self.terms)
        check_element(self.arithmetic, self.chosen_build, self.lanes)

    @property
    def added(self) -> int:
        return self.lanes

    @property
    def packs(self) -> bool:
        return False  # registers within a vendor's block would not stall with the unit

    @property
    def computes(self) -> Arithmetic:
        return self.arithmetic

    @property
    def sum(self) -> FixedPoint | Format:
        """The form of the sum."""
        return self.blocks.sum_format(self.weight, self.activation, self.terms)

    @property
    def contract(self) -> str:
        is_exact = isinstance(self.sum, FixedPoint)
        kept = f"exact for up to {self.terms} terms" if is_exact else "kept in float32, rounded once for every block"
        weight = "(weight - weight_zero_point)" if self.blocks.zero_points else "weight"
        return (
            f"{'accumulator' if is_exact else 'code'} = sum over blocks of {self.blocks.size} terms of "
            f"(sum of {weight} * activation) * weight_scale * activation_scale, {kept}"
        )

    def component(self) -> AxiBlockDot:
        return AxiBlockDot(
            self.arithmetic, self.chosen_build, self.blocks, lanes=self.lanes, terms=self.terms, dsp=self.dsp
        )

    def describe_edge(self) -> dict[str, Any]:
        return {
            "terms": self.terms,
            "lanes": self.lanes,
            "blocks": describe_blocks(self.blocks, self.sum),
            "block_interval": self.edge.inner.block_interval,
        }
