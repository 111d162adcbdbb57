"""What multiplying in two formats costs: the MAC of a network's longest sum, and its requantizer."""

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Price"]


@dataclass(frozen=True, kw_only=True)
class Price:
    """The hardware of one pair of formats on one family under one DSP policy.

    Members
    -------
    weight, activation: names of formats
    terms: most products in a sum; ``accumulator_bits`` follow
    family, device, dsp_policy, lut_kind: see ``synth.Row``
    luts, carry, ff, dsp: of the MAC
    fmax_mhz: of the MAC, None where the family is not routed
    requantizer_luts: of one requantizer from that accumulator to the activations' format, with a scale of 16 bits and a
        shift; None where it was not measured
    luts_with_requantizer: of both together
    rtl_sha256, tools: where the figures come from
    """

    weight: str
    activation: str
    terms: int
    accumulator_bits: int
    family: str
    device: str
    dsp_policy: str
    lut_kind: str
    luts: int
    carry: int
    ff: int
    dsp: int
    fmax_mhz: float | None
    requantizer_luts: int | None
    rtl_sha256: str
    tools: dict[str, str]

    @property
    def luts_with_requantizer(self) -> int | None:
        return None if self.requantizer_luts is None else self.luts + self.requantizer_luts

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)
