"""Formats are chosen layer by layer, with the least loss of accuracy within a budget of hardware or of bits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["COSTS", "Choice", "choose"]

COSTS = ("luts", "bits")

_SLACK = 1e-6
"""HiGHS may exceed a constraint by so much. It is nothing in bits, which are whole, and does not matter in LUTs."""

_PRECISE = 1e3
"""The range that the objective is scaled to. HiGHS finds its minimum to 1e-6."""

_EXACT = {"mip_rel_gap": 0}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One pair of formats that a layer may have, what it loses and what it costs.

    Members
    -------
    weight, activation: names of formats
    loss: by how much the network's error rises when this layer alone computes in them and all others in float32. It is
        below 0 if the error falls
    luts: LUTs of a MAC of this pair, times the layer's share of the network's MACs (0 to 1)
    bits: bits of all weights of the layer together
    """

    weight: str
    activation: str
    loss: float
    luts: float
    bits: float


def choose(layers: Mapping[str, Sequence[Choice]], budget: float, *, cost: str) -> dict[str, Choice]:
    """Choose a pair of formats for each layer, so that the sum of losses is least and costs are within ``budget``.

    Losses are assumed to add up, which holds for small ones; so the network with these formats should be tested. The
    sum of ``luts`` is what a MAC costs on average if every layer has hardware of its own, in proportion to its MACs, as
    in a dataflow accelerator that keeps all layers equally busy. It means nothing for one engine that all layers share.
    The sum of ``bits`` is the size of the model.

    It is an integer program with a binary variable for each choice. HiGHS solves it to the optimum, to a billionth of
    the range of losses. If several solutions are equally good, the result may be any of them.

    Parameters
    ----------
    layers: the choices for each layer, at least one
    budget: most LUTs a MAC, or most bits
    cost: ``luts`` or ``bits``

    Raises ValueError if a layer has no choice, if a figure is not finite, or if no solution is within the budget. The
    message then says how small the budget can be.
    """
    # this import takes a second, which those who only import this file need not wait
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    _check(layers, budget, cost)
    if not layers:
        return {}
    flat = [(layer, choice) for layer, choices in layers.items() for choice in choices]
    # figures are taken above the least of the layer: that changes no decision, and the solver sees only differences
    losses = _above_least(layers, "loss")
    costs = _above_least(layers, cost)
    left = budget - _least(layers, cost)
    place = {layer: row for row, layer in enumerate(layers)}
    ones = np.ones(len(flat))
    one_each = csr_array((ones, ([place[layer] for layer, _ in flat], np.arange(len(flat)))))
    objective = losses * (_PRECISE / (losses.max() or 1))
    constraints = [
        LinearConstraint(one_each, np.ones(len(layers)), np.ones(len(layers))),
        LinearConstraint(costs[None], -np.inf, left),
    ]
    while True:
        found = milp(objective, constraints=constraints, integrality=ones, bounds=Bounds(0, 1), options=_EXACT)
        if found.x is None:
            raise RuntimeError(f"HiGHS found no choice of formats: {found.message}")
        taken = found.x > 0.5
        if costs[taken].sum() <= left + _SLACK:
            return {layer: choice for (layer, choice), is_taken in zip(flat, taken, strict=True) if is_taken}
        # variables may be off from 0 or 1 by a millionth, which is a lot of a large cost, so they must not be
        constraints.append(LinearConstraint(taken[None].astype(float), -np.inf, len(layers) - 1))


def _check(layers: Mapping[str, Sequence[Choice]], budget: float, cost: str) -> None:
    if cost not in COSTS:
        raise ValueError(f"cost must be {' or '.join(COSTS)}, not {cost!r}")
    for layer, choices in layers.items():
        if not choices:
            raise ValueError(f"layers must have a choice of formats each, not none for {layer!r}")
        for choice in choices:
            if not np.isfinite([choice.loss, choice.luts, choice.bits]).all() or min(choice.luts, choice.bits) < 0:
                raise ValueError(f"a choice must have finite figures, and costs of 0 or more, not {choice!r}")
    least = _least(layers, cost)
    if not least <= budget + _SLACK:
        raise ValueError(
            f"budget must be at least the {least:.12g} {cost} that the cheapest formats take, not {budget:.12g}"
        )


def _least(layers: Mapping[str, Sequence[Choice]], cost: str) -> float:
    return sum(min(getattr(choice, cost) for choice in choices) for choices in layers.values())


def _above_least(layers: Mapping[str, Sequence[Choice]], figure: str) -> NDArray[np.float64]:
    """A figure of all choices, minus the least of the same layer."""
    values = [[getattr(choice, figure) for choice in choices] for choices in layers.values()]
    return np.array([value - min(own) for own in values for value in own], dtype=float)
