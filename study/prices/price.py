"""The price of multiplying in two formats: that of the MAC for a network's longest sum, and of its requantizer."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from ...formats import EXACT, Arithmetic, Element, Format, Requantization, parse, parse_element
from ...hdl import Design, DotDesign, RequantizeDesign, priced_unit
from ...synth import FAMILIES, Row, SweepError, Target, sweep
from ...synth.sweep import Progress

__all__ = [
    "REQUANTIZER",
    "SCALE",
    "Price",
    "TermsOf",
    "in_order",
    "price_of",
    "prices",
    "requantization",
    "terms_within",
]

TermsOf = int | Callable[[Format, Format], int]
"""Most products in a sum: one number for all pairs, or a function of the pair."""

SCALE = "dyadic16s6"
"""Format of the requantizer's scale: a multiplier of 16 bits, and a shift of up to 63 places. Its values include the
product of two bfloat16 scales, from 2**-48 to 2**16."""

REQUANTIZER = f"to float32, scale {SCALE}, bias as wide as the sum"


@dataclass(frozen=True, kw_only=True)
class Price:
    """The hardware of one pair of formats on one family under one DSP policy.

    Members
    -------
    weight, activation: the names of the formats
    terms: most products in a sum, from which ``accumulator_bits`` follows
    family, device, dsp_policy, lut_kind: see ``synth.Row``
    luts, carry, ff, dsp: the cells of the MAC
    fmax_mhz: Fmax of the MAC, as the median over the seeds; None if it was not routed
    requantizer_luts: LUTs of one requantizer as the study computes. It adds a bias as wide as the accumulator (at most
        64 bits), multiplies by a scale of 16 bits and a shift, and rounds once to float32. None if it was not measured
    luts_with_requantizer: LUTs of the MAC and the requantizer together
    rtl_sha256, tools: where the figures come from: a hash of the MAC's RTL, and the versions of fewbit and the tools
    fmax_min_mhz, fmax_max_mhz: the range of Fmax over the seeds
    logic_cells: logic cells of the MAC, see ``synth.Row``
    requantizer: what was measured as the requantizer, ``REQUANTIZER``; None if nothing was
    element: what multiplies and adds, as ``Element.text`` has it
    interval: cycles a product
    lanes: products a word of the dot product that was measured in the place of the MAC, to which all counts then
        belong; 1 for the MAC
    luts_a_lane: LUTs by the number of lanes
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
    lanes: int = 1

    @property
    def is_mac(self) -> bool:
        """Whether the exact MAC was measured."""
        return self.element == EXACT.text and self.lanes == 1

    @property
    def luts_a_lane(self) -> float:
        return self.luts / self.lanes

    @property
    def luts_with_requantizer(self) -> int | None:
        return None if self.requantizer_luts is None else self.luts + self.requantizer_luts

    @property
    def arithmetic(self) -> Arithmetic:
        """The arithmetic that was priced. Raises ValueError for an element that this process does not know."""
        return Arithmetic(parse(self.weight), parse(self.activation), parse_element(self.element))

    @property
    def lut_cycles(self) -> int:
        return self.luts * self.interval

    @property
    def lut_cycles_with_requantizer(self) -> int | None:
        return None if self.requantizer_luts is None else self.lut_cycles + self.requantizer_luts

    @property
    def question(self) -> tuple[str | int, ...]:
        """What was asked for: weight, activation, terms, family, device, DSP policy, element, and lanes."""
        where = self.family, self.device, self.dsp_policy
        return self.weight, self.activation, self.terms, *where, self.element, self.lanes

    def to_dict(self, whole: bool = True) -> dict[str, Any]:
        """Plain JSON values. Unless ``whole``, element, interval and lanes are left out if they are those of the exact
        MAC."""
        values = asdict(self)
        if not whole and self.is_mac:
            del values["element"], values["interval"], values["lanes"]
        return values

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """The price with these values. Raises ValueError if a field is missing or unknown.

        Files without ``requantizer`` are older. Their figures of a requantizer are those of another unit, and are left
        out. Without ``element``, the element is the exact one.
        """
        names = {field.name for field in fields(cls)}
        if not names - {"requantizer", "element", "interval", "lanes"} <= {*values} <= names:
            raise ValueError(f"a price must have exactly the fields {sorted(names)}, not {sorted(values)}")
        known = values["family"] in FAMILIES
        counts = [values[name] for name in ("terms", "accumulator_bits", "luts")]
        least = int(values["dsp_policy"] == "none")  # a MAC with DSPs may need no LUTs
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
    lanes: int = 1,
    requantizer: bool = True,
    route: bool = True,
    executor: Executor | None = None,
    jobs: int | None = None,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[Price]:
    """Yield the price of every pair on every target under every DSP policy, as they finish.

    Prices from the cache come first. The MAC is ``hdl.priced_unit``, which ``fewbit synth mac`` measures, with two
    register stages. The requantizer is a unit of its own with an AXI4-Stream at both ends. It gives float32, as in the
    study's points, where everything between layers (activation functions, normalization, residual sums) is float32.
    Neither that nor the encoder in front of the next layer is priced. A caller that may stop early has to close the
    iterator.

    Parameters
    ----------
    pairs: the pairs (weight, activation)
    terms: most products in a sum, 1 to 2**32, or a function of weight and activation
    element: what multiplies and adds
    lanes: products a word; with more than one, dot products are measured in the place of MACs
    targets, dsp_policies, route, executor, jobs, cache_folder: see ``synth.sweep``
    requantizer: whether to measure the requantizer too, which takes several times as long as the MAC
    progress: called with the numbers of finished and of all designs

    Raises ToolMissing and ValueError before anything is measured. Raises SweepError at the end if designs could not be
    measured. If a requantizer is among those, the price of its MAC is still yielded, with None for the requantizer.
    """
    of_pair = (lambda weight, activation: terms) if isinstance(terms, int) else terms
    designs: list[Design] = []
    for pair in pairs:
        arithmetic, most = Arithmetic(*pair, element), of_pair(*pair)
        designs.append(priced_unit(arithmetic, most) if lanes == 1 else DotDesign(arithmetic, most, lanes=lanes))
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


def in_order(
    found: Iterable[Price],
    pairs: Iterable[tuple[Format, Format]],
    targets: Sequence[Target],
    dsp_policies: Sequence[str],
) -> list[Price]:
    """The prices in the order of targets, then of policies, then of pairs."""
    pairs = [*pairs]
    asked = ((target, policy, pair) for target in targets for policy in dsp_policies for pair in pairs)
    order = {
        (w.name, a.name, target.family.name, target.device.name, policy): place
        for place, (target, policy, (w, a)) in enumerate(asked)
    }
    return sorted(found, key=lambda row: order[row.weight, row.activation, row.family, row.device, row.dsp_policy])


def terms_within(weight: Format, activation: Format, bits: int, element: Element = EXACT) -> int:
    """How many products a sum may have to need at most so many bits; 1 if even a single product needs more."""
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
    """How a sum of so many bits is requantized."""
    return Requantization(parse("float32"), scale=parse(SCALE), bias_bits=min(bits, 64))


def price_of(mac: Row, requantize: Row | None) -> Price:
    """The price by the row of a MAC, and by that of its requantizer if that was measured."""
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
        lanes=mac.parameters["lanes"],
    )
