"""A pair of formats is recommended: the cheapest that is accurate enough, or the most accurate within a price."""

import math
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ...formats import EXACT
from ...hdl import priced_unit
from ..prices.network_price import NetworkPrice
from ..prices.price import Price
from .findings import Findings, alike, share_of_float32, shown, unit
from .pareto import AXES, STANDARD_ERRORS, Axis, Candidate, behind, join, of_kind, pareto, targets_of, with_cost
from .unpriced import told

__all__ = ["NothingSuits", "Recommendation", "recommend"]


class NothingSuits(ValueError):
    """No pair of formats is as good or as cheap as was asked."""


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The answer, the reasons for it, and the command that generates the hardware.

    Members
    -------
    model, target: what was asked for
    candidate: the pair, with its point and its price
    why: a paragraph with the numbers
    scheme: how the network has to be quantized to be as accurate, in words
    command: the command that generates the MAC that was priced, or both if there are two kinds
    cheaper, dearer: its neighbours on the Pareto front; None at an end
    """

    model: str
    target: str
    candidate: Candidate
    why: str
    scheme: str
    command: str
    cheaper: Candidate | None
    dearer: Candidate | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "model": self.model,
            "family": self.target,
            **_figures(self.candidate),
            "scheme": self.scheme,
            "why": self.why,
            "command": self.command,
            "cheaper": _figures(self.cheaper) if self.cheaper else None,
            "dearer": _figures(self.dearer) if self.dearer else None,
        }


def _figures(candidate: Candidate) -> dict[str, Any]:
    point, price = candidate.point, candidate.price
    reference = point.float32.get(point.metric, math.nan)
    return {
        "weight": point.weight,
        "activation": point.activation,
        "metric": point.metric,
        "accuracy": point.accuracy,
        "standard_error": point.standard_error,
        "float32": reference if math.isfinite(reference) else None,
        "evaluation": point.evaluation,
        "samples": point.samples,
        "luts": candidate.luts,
        "luts_with_requantizer": candidate.luts_with_requantizer,
        "lut_kind": price.lut_kind if price else None,
        "terms": price.terms if price else None,
        "fmax_mhz": price.fmax_mhz if price else None,
        "bits": candidate.bits,
        **({"accelerator": asdict(candidate.accelerator)} if candidate.accelerator else {}),
    }


def recommend(
    findings: Findings,
    *,
    model: str,
    target: str,
    min_accuracy: float | None = None,
    max_luts: int | None = None,
    absolute: bool = False,
    requantizer: bool = False,
    edges: str | None = None,
) -> Recommendation:
    """Recommend the cheapest pair that is at least so accurate, or the most accurate pair of at most so many LUTs.

    Parameters
    ----------
    model: a network of the findings
    target: an FPGA, as ``pareto.target_of`` names it
    min_accuracy, max_luts: what is asked for; exactly one of them is given
    absolute: whether ``min_accuracy`` is a value of the metric, and not a share of the float32 network's
    requantizer: whether the requantizer's LUTs count too; False with findings on whole networks, where all counts
    edges: the name of the format of the first and the last layer; None if it is that of all others

    Raises ValueError if the findings have no such network or target. Raises NothingSuits, which is one, if nothing is
    good or cheap enough. The message then says what the best possible is.
    """
    if (min_accuracy is None) == (max_luts is None):
        raise ValueError("exactly one of min_accuracy and max_luts must be given")
    if findings.accelerators and requantizer:
        raise ValueError("requantizer must be False for whole networks, whose hardware is priced with all that it has")
    axis = AXES["network_luts" if findings.accelerators else "luts_with_requantizer" if requantizer else "luts"]
    candidates, others = _candidates(findings, model, target, axis, edges)
    front = pareto(candidates, axis.cost, _accuracy)
    asked = (
        _within(max_luts, axis) if max_luts is not None else _at_least(min_accuracy or 0.0, absolute, front[0], axis)
    )
    chosen = asked.choose(front)
    if chosen is None:
        raise NothingSuits(f"{asked.impossible(front)} for {model} on {target}")
    place = front.index(chosen)
    cheaper = front[place - 1] if place else None
    dearer = front[place + 1] if place + 1 < len(front) else None
    return Recommendation(
        model=model,
        target=target,
        candidate=chosen,
        why=" ".join([*_why(chosen, candidates, cheaper, dearer, asked, target), *others]),
        scheme=scheme_of(chosen),
        command=_command(chosen),
        cheaper=cheaper,
        dearer=dearer,
    )


@dataclass(frozen=True)
class _Asked:
    """What was asked: it says which candidates suit, which of them is best, and in which words."""

    axis: Axis
    words: str
    best: str
    suits: Callable[[Candidate], bool]
    margin: Callable[[Candidate], float]
    impossible: Callable[[Sequence[Candidate]], str]

    def choose(self, front: Sequence[Candidate]) -> Candidate | None:
        suitable = [candidate for candidate in front if self.suits(candidate)]
        if not suitable:
            return None
        return suitable[0] if self.best == "cheapest" else suitable[-1]


def _at_least(min_accuracy: float, absolute: bool, example: Candidate, axis: Axis) -> _Asked:
    metric, share = example.point.metric, share_of_float32(example.point)
    if not absolute and share is None:
        raise ValueError(f"min_accuracy must be absolute for {metric}, which has no share of float32's")
    if not absolute and not 0 < min_accuracy <= 2:
        raise ValueError(f"min_accuracy must be a share of the float32 accuracy, as 0.99, not {min_accuracy!r}")

    def score(candidate: Candidate) -> float:
        return candidate.accuracy if absolute else share_of_float32(candidate.point) or 0.0

    def impossible(front: Sequence[Candidate]) -> str:
        best = front[-1]
        return (
            f"min_accuracy must be at most {math.floor(score(best) * 10000) / 10000:g}, not {min_accuracy!r}: "
            f"{best.pair} is the most accurate, {_score(best)} at {axis.cost(best):.0f} LUTs,"
        )

    return _Asked(
        axis,
        f"reaches {shown(min_accuracy, unit(example.point) if absolute else '%')}{'' if absolute else ' of float32'}",
        "cheapest",
        lambda candidate: score(candidate) >= min_accuracy,
        lambda candidate: candidate.accuracy - min_accuracy * (1 if absolute else candidate.point.float32[metric]),
        impossible,
    )


def _within(max_luts: int, axis: Axis) -> _Asked:
    def impossible(front: Sequence[Candidate]) -> str:
        cheapest = front[0]
        return (
            f"max_luts must be at least {axis.cost(cheapest):.0f}, not {max_luts!r}: {cheapest.pair} is the cheapest, "
            f"{_score(cheapest)},"
        )

    return _Asked(
        axis,
        f"costs at most {max_luts} LUTs",
        "most accurate",
        lambda candidate: axis.cost(candidate) <= max_luts,
        lambda candidate: math.inf,
        impossible,
    )


def scheme_of(candidate: Candidate) -> str:
    """How a network is quantized, apart from its formats, in a few words."""
    point = candidate.point
    scales = {
        "tensor": "a scale for every weight tensor",
        "channel": "a scale for every output channel",
        "block": f"a scale for every {point.block_size} products",
    }[point.scale_per]
    parts = [f"{scales} in {point.scale_format}"]
    if point.techniques:
        parts.append(f"techniques: {', '.join(point.techniques)}")
    if point.edges:
        parts.append(f"first and last layer in {point.edges}")
    if point.layers:
        parts.append(f"{len(point.layers)} layers in formats of their own")
    return "; ".join(parts)


def _accuracy(candidate: Candidate) -> float:
    return candidate.accuracy


def _candidates(
    findings: Findings, model: str, target: str, axis: Axis, edges: str | None
) -> tuple[list[Candidate], list[str]]:
    """The candidates that can be compared, and sentences on what is left out.

    If there are several groups that can be compared, it is the one with the most samples, and then with the most pairs.
    """
    if model not in findings.networks:
        raise ValueError(f"model must be {_or(findings.networks)}, not {model!r}")
    if not targets_of(findings.every_price):
        raise ValueError(
            "prices must be there to recommend by, without DSPs: `fewbit price --name study_prices` has none"
        )
    if target not in targets_of(findings.every_price):
        raise ValueError(f"family must be one that has prices, {_or(targets_of(findings.every_price))}, not {target!r}")
    joined = {
        ground: join(points, findings.every_price, target)
        for ground, points in alike(findings.points).items()
        if (ground.network, ground.edges) == (model, edges)
    }
    grounds = {ground: with_cost(found, axis) for ground, found in joined.items()}
    if not grounds:
        there = sorted({point.edges for point in findings.points if point.network == model and point.edges})
        given = f"edges {edges}" if edges else "no edges of their own"
        raise ValueError(f"{model} must have been studied with {given}; there is {_or(there) if there else 'none'}")
    best = max(grounds, key=lambda ground: (bool(grounds[ground]), ground.samples, len(grounds[ground])))
    if not grounds[best]:
        which = f" whose first and last layer is in {edges}" if edges else ""
        found = [each for group in joined.values() for each in group]
        why = told(found, findings.every_price, target, axis, helped=True)
        raise ValueError(
            f"{model} on {target} must have a pair of formats{which} with both accuracy and price; none has, but {why}"
        )
    others = sum(len(found) for ground, found in grounds.items() if ground != best)
    unknown = sum(p.network == model and p.edges == edges and math.isnan(p.accuracy) for p in findings.points)
    unpriced = told(joined[best], findings.every_price, target, axis, helped=False)
    said = {
        f"Left out: {unpriced}.": bool(unpriced),
        f"Left out: {others} that are not to be compared with these, by another metric, on other samples or of another "
        "model of that name.": others,
        f"Left out: {unknown} without a score (NaN).": unknown,
    }
    return grounds[best], [sentence for sentence, count in said.items() if count]


def _or(names: Sequence[str]) -> str:
    return ", ".join(names[:-1]) + (" or " if len(names) > 1 else "") + names[-1] if names else "one of none"


def _score(candidate: Candidate) -> str:
    """The score in words, as ``90.5% ± 0.4% (99.2% of float32's)``."""
    point = candidate.point
    share = share_of_float32(point)
    relative = "" if share is None else f" ({100 * share:.1f}% of float32's)"
    return f"{point.metric} {shown(point.accuracy, unit(point))} ± {shown(point.standard_error, unit(point))}{relative}"


def _why(
    chosen: Candidate,
    candidates: Sequence[Candidate],
    cheaper: Candidate | None,
    dearer: Candidate | None,
    asked: _Asked,
    target: str,
) -> list[str]:
    """The sentences that say why this candidate was chosen."""
    said = [
        f"Of {len(candidates)} measured, {chosen.pair} is the {asked.best} that {asked.words}: {_score(chosen)}, "
        f"{_samples(chosen)}{_float32(chosen)}.",
        _hardware(chosen, target),
    ]
    if cheaper:
        said.append(
            f"The next cheaper on the front, {_told(cheaper, asked.axis)}, is less accurate: {_score(cheaper)}."
        )
    if dearer:
        said.append(f"The next dearer, {_told(dearer, asked.axis)}, is more accurate: {_score(dearer)}.")
    said += _other_kinds(chosen, candidates, asked)
    if asked.best != "cheapest" and (as_good := _as_good(chosen, candidates, asked.axis)):
        said.append(
            f"The cheapest that is at most two standard errors of the difference below it, as of independent samples, "
            f"is {_told(as_good, asked.axis)}: {_score(as_good)}."
        )
    if asked.margin(chosen) < STANDARD_ERRORS * chosen.point.standard_error:
        said.append("The margin is less than two standard errors: another test set may decide otherwise.")
    return said


def _samples(candidate: Candidate) -> str:
    how = {
        "float": "float32 arithmetic",
        "integer": "the golden model of MACs and requantizers, exactly, with float32 between the layers",
        "network": f"the golden model of the whole network, exactly, with {candidate.point.between} between the layers",
    }[candidate.point.evaluation]
    return f"on {candidate.point.samples:,} samples by {how}"


def _float32(candidate: Candidate) -> str:
    reference = candidate.point.float32.get(candidate.point.metric, math.nan)
    return f"; float32 has {shown(reference, unit(candidate.point))}" if math.isfinite(reference) else ""


def _hardware(candidate: Candidate, target: str) -> str:
    if candidate.accelerator is not None:
        return _accelerator(candidate.accelerator, target)
    price = candidate.price
    assert price is not None
    both = candidate.luts_with_requantizer
    requantizer = "" if both is None else f", {both:g} with a requantizer"
    speed = "" if price.fmax_mhz is None else f"; placed and routed it runs at {price.fmax_mhz:.0f} MHz"
    where = f"for sums of up to {price.terms} products"
    if candidate.products is None:
        return f"One MAC {where} costs {price.luts} LUTs ({price.lut_kind}) on {target}{requantizer}{speed}."
    other = candidate.products
    return (
        f"A MAC {where} costs {candidate.luts:g} LUTs ({price.lut_kind}) on {target} on average{requantizer}: "
        f"{price.luts} for weights{speed}, and {other.luts} for the {100 * candidate.point.products:.1f}% of "
        f"multiplications that are of two activations, both {other.activation}."
    )


def _accelerator(price: NetworkPrice, target: str) -> str:
    rams = "" if not price.large_rams else f", {price.large_rams} large RAMs"
    return (
        f"The whole accelerator, with an array of {price.array}, costs {price.luts:,} LUTs ({price.lut_kind}) on "
        f"{target}, {price.carry:,} carry cells, {price.ff:,} flip-flops, {price.dsp} DSPs, "
        f"{price.bram} block RAMs{rams}; its memories have {price.ram_bits:,} bits, and an image takes "
        f"{price.cycles:,} cycles."
    )


def _as_good(chosen: Candidate, candidates: Sequence[Candidate], axis: Axis) -> Candidate | None:
    """The cheapest candidate that costs less than the chosen one and is not ``behind`` it; None if there is none."""
    cheaper = [each for each in candidates if axis.cost(each) < axis.cost(chosen) and not behind(each, chosen)]
    return min(cheaper, key=lambda each: (axis.cost(each), -each.accuracy), default=None)


def _told(candidate: Candidate, axis: Axis) -> str:
    return f"{candidate.pair} at {axis.cost(candidate):.0f} LUTs"


def _other_kinds(chosen: Candidate, candidates: Sequence[Candidate], asked: _Asked) -> list[str]:
    """The best candidates of other kinds: integers if minifloats are chosen, minifloats if integers are, or both."""
    said = []
    for kind in ("integer", "minifloat"):
        if kind != chosen.kind:
            best = asked.choose(pareto(of_kind(candidates, kind), asked.axis.cost, _accuracy))
            said.append(
                f"The {asked.best} {kind} pair that does so is {_told(best, asked.axis)}: {_score(best)}."
                if best
                else f"No {kind} pair does so."
            )
    return said


def _command(candidate: Candidate) -> str:
    """The command that writes the Verilog that was priced."""
    if candidate.accelerator is not None:
        return _network_command(candidate.accelerator)
    assert candidate.price is not None
    if candidate.products is None:
        return _verilog(candidate.price)
    return f"{_verilog(candidate.price)} && {_verilog(candidate.products)} --module mac_products"


def _verilog(price: Price) -> str:
    formats = ["--weight", price.weight, "--activation", price.activation]
    unit = priced_unit(price.arithmetic, price.terms).unit
    if price.element != EXACT.text:  # no option of that command names them
        formats_in_python = f"parse({price.weight!r}), parse({price.activation!r})"
        options = f"terms={price.terms}, family={price.family!r}, element=parse_element({price.element!r})"
        return f"Design({unit!r}, {formats_in_python}, {options}).verilog()"
    return shlex.join(["fewbit", "verilog", unit, *formats, "--terms", str(price.terms), "--family", price.family])


def _network_command(price: NetworkPrice) -> str:
    names = ("weight", "activation", "between", "rows", "columns", "lanes", "outputs", "multiplier_bits")
    options = [text for name in names for text in (f"--{name.replace('_', '-')}", str(getattr(price, name)))]
    return shlex.join(["fewbit", "verilog", "network", "--model", price.network, *options, "--family", price.family])
