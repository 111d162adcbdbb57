"""The requantizing unit: exact sums in, codes of a format out, by AXI4-Streams."""

from dataclasses import asdict, dataclass
from typing import Any

from amaranth.hdl import Module

from ...formats import MAX_OUTPUT_CYCLES, Arithmetic, FixedPoint, Format, Overflow, Requantization
from ..describe import describe_requantization
from ..scaling.requant import Requantize
from ..scaling.scale_and_round import ScaleAndRound
from .axi_unit import AxiUnit, EdgeStream, StreamDesign, byte_layout
from .design import check_range, check_terms

__all__ = ["AxiRequantize", "RequantizeDesign", "scaled"]


class AxiRequantize(AxiUnit):
    """``Requantize`` between AXI4-Streams; ``tlast`` stays with its value.

    Parameters
    ----------
    source: ``FixedPoint`` of the sums
    how: scales, bias, output, and the policies
    dsp: whether multiplications are left to the device's multipliers
    cycles: most cycles that a value may take

    Members
    -------
    s_axis: a sum and what it is scaled by, as the fields of ``Requantize.i``
    m_axis: its code
    """

    def __init__(self, source: FixedPoint, how: Requantization, *, dsp: bool = False, cycles: int = 1):
        self.inner = Requantize(source, how, tag_bits=1, dsp=dsp, cycles=cycles)
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


@dataclass(frozen=True)
class RequantizeDesign(StreamDesign):
    """A requantizer of sums of products.

    Parameters
    ----------
    arithmetic: what the sums are made by
    requantization: from the sum to the output's format
    terms: most products in one sum
    cycles_an_output: most cycles that an output may take; None for one
    """

    unit = "requantize"
    summary = "exact sums to the codes of a format, streaming"
    needs = ("requantization",)

    arithmetic: Arithmetic
    requantization: Requantization
    terms: int = 4096
    cycles_an_output: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_terms(self.terms)
        if self.cycles_an_output is not None:
            check_range("cycles_an_output", self.cycles_an_output, 1, MAX_OUTPUT_CYCLES)
        _ = self._scaling

    @property
    def weight(self) -> Format:
        return self.arithmetic.weight

    @property
    def activation(self) -> Format:
        return self.arithmetic.activation

    @property
    def formats(self) -> tuple[Format, ...]:
        return (*super().formats, self.requantization.output)

    @property
    def sum(self) -> FixedPoint:
        """The form of the sums."""
        return self.arithmetic.accumulator(self.terms)

    @property
    def contract(self) -> str:
        return f"code = {scaled(self.requantization, 'accumulator')}"

    @property
    def _scaling(self) -> ScaleAndRound:
        return ScaleAndRound(self.sum, self.requantization, self.dsp, self.cycles_an_output or 1)

    @property
    def initiation_interval(self) -> int:
        return self._scaling.interval

    def component(self) -> AxiRequantize:
        return AxiRequantize(self.sum, self.requantization, dsp=self.dsp, cycles=self.cycles_an_output or 1)

    def describe_edge(self) -> dict[str, Any]:
        return {
            "terms": self.terms,
            "accumulator": asdict(self.sum),
            "requantization": describe_requantization(self.requantization),
        }


def scaled(how: Requantization, value: str, bias: str = "bias", scale: str = "scale") -> str:
    """The contract of a requantization of that value, with these names for the bias and the scale."""
    factors = [f"({value} + {bias})" if how.bias_bits else value]
    factors += [scale] if how.scale is not None else []
    factors += ["tensor_scale"] if how.tensor_scale is not None else []
    relu = ", made 0 where negative" if how.relu else ""
    rounded = f"then rounded once to {how.output}"
    if how.zero_point:
        end = "wrapped" if how.overflow is Overflow.WRAP else "saturated"
        rounded = f"then rounded once to an integer, then zero_point added, then {end} to {how.output}"
    return f"{' * '.join(factors)}, exact{relu}, {rounded}"
