"""What multiplying in two formats costs: the unit of a network's longest sum, and its requantizer."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from ...formats import EXACT, Arithmetic, Element, Format, Requantization, parse, parse_element
from ...hdl import Design, RequantizeDesign, priced_unit
from ...synth import FAMILIES, Row, SweepError, Target, sweep
from ...synth.sweep import Progress

__all__ = ["REQUANTIZER", "SCALE", "Price", "TermsOf", "price_of", "prices", "requantization", "terms_within"]

TermsOf = int | Callable[[Format, Format], int]
"""Most products in a sum: of all pairs, or of each."""

SCALE = "dyadic16s6"
"""Format of the requantizer's scale: a multiplier of 16 bits, and a shift of up to 63 places. The product of two scales
in bfloat16, from 2**-48 to 2**16, is one of its values."""

REQUANTIZER = f"to float32, scale {SCALE}, bias as wide as the sum"


@dataclass(frozen=True, kw_only=True)
class Price:
    """The hardware of one pair of formats on one family under one DSP policy.

    Members
    -------
    weight, activation: names of formats
    terms: most products in a sum; ``accumulator_bits`` follow
    family, device, dsp_policy, lut_kind: see ``synth.Row``
    luts, carry, ff, dsp: of the MAC
    fmax_mhz: of the MAC, median over the seeds; None where it was not routed
    requantizer_luts: of one requantizer, as the study computes: the accumulator and a bias of its width (at most 64
        bits), times a scale of 16 bits and a shift, rounded once to float32; None where it was not measured
    luts_with_requantizer: of both together
    rtl_sha256, tools: where the figures come from: the MAC's RTL, fewbit and the tools with their versions
    fmax_min_mhz, fmax_max_mhz: range over the seeds
    logic_cells: of the MAC, see ``synth.Row``
    requantizer: what was measured by that name, ``REQUANTIZER``; None where nothing was
    element: what multiplies and adds, as ``Element.text`` has it
    interval: cycles a product
    lut_cycles: LUTs of the MAC times its cycles a product, by which elements of different kinds are compared
    lut_cycles_with_requantizer: the same and the LUTs of the requantizer, which is needed once for many products
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
    fmax_min_mhz: float | None = None
    fmax_max_mhz: float | None = None
    logic_cells: int | None = None
    requantizer: str | None = None
    element: str = EXACT.text
    interval: int = 1

    @property
    def luts_with_requantizer(self) -> int | None:
        return None if self.requantizer_luts is None else self.luts + self.requantizer_luts

    @property
    def arithmetic(self) -> Arithmetic:
        """What was priced. Raises ValueError for an element that this process does not know."""
        return Arithmetic(parse(self.weight), parse(self.activation), parse_element(self.element))

    @property
    def lut_cycles(self) -> int:
        return self.luts * self.interval

    @property
    def lut_cycles_with_requantizer(self) -> int | None:
        return None if self.requantizer_luts is None else self.lut_cycles + self.requantizer_luts

    @property
    def question(self) -> tuple[str, str, int, str, str, str, str]:
        """What was asked: weight, activation, terms, family, device, DSP policy, element."""
        return self.weight, self.activation, self.terms, self.family, self.device, self.dsp_policy, self.element

    def to_dict(self, whole: bool = True) -> dict[str, Any]:
        """Plain JSON values; unless ``whole`` without element and interval, where these are the exact element's."""
        values = asdict(self)
        if not whole and self.element == EXACT.text:
            del values["element"], values["interval"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises ValueError where a field is missing or unknown.

        Files without ``requantizer`` are older: what they have by that name is another unit, and is left out. Without
        ``element`` it is the exact one.
        """
        names = {field.name for field in fields(cls)}
        if not names - {"requantizer", "element", "interval"} <= {*values} <= names:
            raise ValueError(f"a price must have exactly the fields {sorted(names)}, not {sorted(values)}")
        known = values["family"] in FAMILIES
        counts = [values[name] for name in ("terms", "accumulator_bits", "luts")]
        least = int(values["dsp_policy"] == "none")  # with DSPs a MAC may do without LUTs
        if not known or not all(isinstance(count, int) and count >= least for count in counts):
            raise ValueError("a price must be of a known family, with counts for terms, accumulator_bits and luts")
        return cls(**values) if "requantizer" in values else cls(**{**values, "requantizer_luts": None})


def prices(
    pairs: Iterable[tuple[Format, Format]],
    terms: TermsOf,
    targets: Iterable[Target],
    dsp_policies: Iterable[str] = ("none",),
    *,
    element: Element = EXACT,
    requantizer: bool = True,
    route: bool = True,
    executor: Executor | None = None,
    jobs: int | None = None,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[Price]:
    """Yield the price of every pair on every target under every DSP policy, as they finish; first those from the cache.

    The MAC is ``hdl.priced_unit``: what ``fewbit synth mac`` measures, with two register stages. The requantizer is a
    unit of its own with AXI4-Stream at both ends, and does what the study's points are made by: to float32, since what
    lies between layers (activation functions, normalization, residual sums) is float32 there. Neither that nor the
    encoder in front of the next layer is priced. Close the iterator where it may be left early.

    Parameters
    ----------
    pairs: (weight, activation)
    terms: most products in a sum, 1 to 2**32; or a function of weight and activation
    element: what multiplies and adds
    targets, dsp_policies, route, executor, jobs, cache_folder: see ``synth.sweep``
    requantizer: whether to measure it too, which takes several times as long as the MAC
    progress: called with the numbers of finished and of all designs

    Raises ToolMissing and ValueError before anything is measured. SweepError at the end, where designs could not be
    measured: a MAC whose requantizer is among them is yielded all the same, with None for it.
    """
    of_pair = (lambda weight, activation: terms) if isinstance(terms, int) else terms
    designs: list[Design] = []
    for pair in pairs:
        arithmetic, most = Arithmetic(*pair, element), of_pair(*pair)
        designs.append(priced_unit(arithmetic, most))
        if requantizer:
            how = requantization(arithmetic.accumulator(most).width)
            designs.append(RequantizeDesign(arithmetic, how, most))
    found: dict[tuple[str, ...], dict[bool, Row]] = {}
    options: dict[str, Any] = {"executor": executor, "jobs": jobs, "cache_folder": cache_folder, "progress": progress}
    with closing(sweep(designs, targets, dsp_policies, route=route, **options)) as rows:  # type: ignore[type-var]
        try:
            for row in rows:
                key = (row.weight, row.activation, row.family, row.device, row.dsp_policy)
                parts = found.setdefault(key, {})
                parts[row.unit == RequantizeDesign.unit] = row
                if len(parts) == 1 + requantizer:
                    yield price_of(parts[False], found.pop(key).get(True))
        except SweepError:
            for parts in found.values():
                if False in parts:
                    yield price_of(parts[False], parts.get(True))
            raise


def terms_within(weight: Format, activation: Format, bits: int, element: Element = EXACT) -> int:
    """Most products whose sums, whatever they are, need no more bits than that; 1 where even a single one does."""
    arithmetic = Arithmetic(weight, activation, element)
    least, most = 1, 1 << 32
    while least < most:
        middle = (least + most + 1) // 2
        if arithmetic.accumulator(middle).width <= bits:
            least = middle
        else:
            most = middle - 1
    return least


def requantization(bits: int) -> Requantization:
    """What becomes of a sum of so many bits."""
    return Requantization(parse("float32"), scale=parse(SCALE), bias_bits=min(bits, 64))


def price_of(mac: Row, requantize: Row | None) -> Price:
    """The price that rows of a MAC and of its requantizer, if that was measured, make."""
    assert mac.accumulator_bits is not None
    return Price(
        weight=mac.weight,
        activation=mac.activation,
        terms=mac.parameters["terms"],
        accumulator_bits=mac.accumulator_bits,
        family=mac.family,
        device=mac.device,
        dsp_policy=mac.dsp_policy,
        lut_kind=mac.lut_kind,
        luts=mac.luts,
        carry=mac.carry,
        ff=mac.ff,
        dsp=mac.dsp,
        fmax_mhz=mac.fmax_mhz,
        requantizer_luts=None if requantize is None else requantize.luts,
        rtl_sha256=mac.rtl_sha256,
        tools={"fewbit": mac.fewbit_version, **mac.tools},
        fmax_min_mhz=mac.fmax_min_mhz,
        fmax_max_mhz=mac.fmax_max_mhz,
        logic_cells=mac.logic_cells,
        requantizer=None if requantize is None else REQUANTIZER,
        element=mac.parameters.get("element", EXACT.text),
        interval=mac.parameters.get("interval", 1),
    )
