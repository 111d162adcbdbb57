"""Sentences that say why candidates have no cost, and which command would price them."""

import shlex
from collections.abc import Iterable, Sequence

from ..prices.network_price import NetworkPrice
from ..prices.price import Price
from .pareto import Axis, Candidate, macs_of, target_of

__all__ = ["told"]

NAMED = 4
"""Most pairs that a sentence names."""


def told(
    candidates: Iterable[Candidate], prices: Sequence[Price | NetworkPrice], target: str, axis: Axis, *, helped: bool
) -> str:
    """Why candidates have no such cost, with a clause for every cause. The text is empty if all have it.

    ``helped`` says whether to add a command that prices them. ``candidates`` are what ``pareto.join`` gives for
    ``prices``.
    """
    candidates = [*candidates]
    here = [price for price in prices if isinstance(price, Price) and target_of(price) == target]
    longest: dict[tuple[str, str, str], int] = {}
    for price in here:
        what = price.weight, price.activation, price.element
        longest[what] = max(price.terms, longest.get(what, 0))
    causes: dict[str, list[str]] = {}
    wanted: dict[str, set[tuple[str, str]]] = {}
    for candidate in candidates:
        if getattr(candidate, axis.name) is not None:
            continue
        cause, missing = _cause(candidate, longest)
        causes.setdefault(cause, []).append(candidate.pair)
        wanted.setdefault(cause, set()).update(missing)
    terms = max((candidate.point.longest_dot for candidate in candidates), default=0)
    return "; ".join(
        f"{len(pairs)} {cause} ({_some(pairs)}){_help(wanted[cause], target, terms, axis) if helped else ''}"
        for cause, pairs in causes.items()
    )


def _cause(candidate: Candidate, longest: dict[tuple[str, str, str], int]) -> tuple[str, list[tuple[str, str]]]:
    """The cause in words, and the pairs whose MAC has to be priced."""
    point, needed = candidate.point, macs_of(candidate.point)
    if not needed:
        return "with scales by blocks or layers in formats of their own, whose hardware has no one price", []
    if point.between:
        return "whose accelerator is not priced there", [(point.weight, point.activation)]
    terms = [longest.get((*pair, point.element), 0) for pair in needed]
    if not all(terms):
        return "whose MAC is not priced there", needed
    if min(terms) < point.longest_dot:
        return f"whose MAC is priced for sums shorter than the {point.longest_dot} products here", needed
    return "whose requantizer is not priced there", needed


def _help(pairs: set[tuple[str, str]], target: str, terms: int, axis: Axis) -> str:
    """The command that prices all pairs of a format with itself, or those of the first weight if there are none."""
    if not pairs:
        return ""
    if axis.name == "network_luts":
        weight, activation = min(pairs)
        options = f"--weight {weight} --activation {activation} --family {target}"
        whom = "it" if len(pairs) == 1 else "one of them"
        return f": fewbit study price --model NETWORK {options} --append --out FOLDER prices {whom}"
    alike = sorted(weight for weight, activation in pairs if weight == activation)
    first = min(weight for weight, _ in pairs)
    command = ["fewbit", "price", "--weight"]
    if alike:
        command += [",".join(alike), "--alike"]
    else:
        command += [first, "--activation", ",".join(sorted(a for w, a in pairs if w == first))]
    command += ["--family", target, "--terms", str(terms), "--no-route"]
    command += ["--requantizer"] if axis.name == "luts_with_requantizer" else []
    count = len(alike) or sum(weight == first for weight, _ in pairs)
    whom = "them" if count == len(pairs) else "some of them"
    return f": {shlex.join([*command, '--append', '--name', 'study_prices'])} --out FOLDER prices {whom}"


def _some(pairs: list[str]) -> str:
    names = list(dict.fromkeys(pairs))
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
