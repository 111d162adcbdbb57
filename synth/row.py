"""A row of a cost table says what was measured, and how."""

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

__all__ = ["Cost", "Row"]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """The cost of some RTL on one device under one DSP policy, with its provenance.

    ``luts`` counts LUT cells of ``lut_kind``, and ``luts_by_size`` counts them by their number of inputs. ``inverters``
    are those that yosys leaves outside of LUTs. ``carry``, ``ff``, ``dsp`` and ``bram`` count the family's own cells.
    ``logic_cells`` are the cells that nextpnr packs all into, without the harness, or yosys's estimate if the family is
    not routed; None if there is neither. ``fmax_mhz`` is the median over ``seeds``. ``meets_target`` is None without a
    target. ``recipe`` is the recipe that made it.
    """

    family: str
    device: str
    dsp_policy: str
    lut_kind: str
    luts: int
    luts_by_size: dict[str, int]
    inverters: int
    carry: int
    ff: int
    dsp: int
    bram: int
    logic_cells: int | None
    fmax_mhz: float | None
    fmax_min_mhz: float | None
    fmax_max_mhz: float | None
    seeds: tuple[int, ...]
    target_mhz: float | None
    meets_target: bool | None
    recipe: str
    tools: dict[str, str]
    fewbit_version: str
    rtl_sha256: str

    def __post_init__(self) -> None:
        for name in ("recipe", "tools", "fewbit_version", "rtl_sha256"):
            if not getattr(self, name):
                raise ValueError(f"{name} must be given: a cost without its provenance means nothing")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "seeds": list(self.seeds)}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The cost with these values. Raises ValueError if a field is missing or unknown."""
        names = {field.name for field in fields(cls)}
        if set(values) != names:
            raise ValueError(
                f"a {cls.__name__.lower()} must have exactly the fields {sorted(names)}, not {sorted(values)}"
            )
        return cls(**{**values, "seeds": tuple(values["seeds"])})


@dataclass(frozen=True, kw_only=True)
class Row(Cost):
    """The cost of one design. It has the unit, its formats, its parameters (terms, lanes, ...), and all of ``Cost``."""

    unit: str
    weight: str
    activation: str
    accumulator_bits: int | None
    latency: int
    parameters: dict[str, Any]
