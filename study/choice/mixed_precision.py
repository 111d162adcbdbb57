"""Formats layer by layer: the least loss of accuracy that a budget of hardware or of bits buys."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["COSTS", "Choice", "choose"]

COSTS = ("luts", "bits")

_SLACK = 1e-6
"""By so much HiGHS may exceed a constraint: nothing in bits, which are whole, and nothing that matters in LUTs."""

_PRECISE = 1e3
"""Range of the objective, of which HiGHS finds the least to 1e-6."""

_EXACT = {"mip_rel_gap": 0}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One pair of formats that a layer may have, what it loses and what it costs.

    Members
    -------
    weight, activation: names of formats
    loss: by how much the network's error rises when this layer alone computes in them and all others in float32; below
        0 where it falls
    luts: of a MAC of this pair, times the layer's share of the network's MACs (0 to 1)
    bits: of the layer's weights, all together
    """

    weight: str
    activation: str
    loss: float
    luts: float
    bits: float


def choose(layers: Mapping[str, Sequence[Choice]], budget: float, *, cost: str) -> dict[str, Choice]:
    """The choice for each layer by which the sum of losses is least, with costs that sum up to ``budget`` at most.

    Losses are taken to add up, which holds for small ones: check the network that comes out of it. The sum of ``luts``
    is what a MAC costs on average where every layer has hardware of its own, in proportion to its MACs, as in a
    dataflow accelerator that keeps all layers equally busy; it means nothing for one engine that all layers share. The
    sum of ``bits`` is the size of the model.

    An integer program with a binary variable for each choice, solved by HiGHS to the optimum (to a billionth of the
    range of losses). Of choices that are equally good, any.

    Parameters
    ----------
    layers: the choices by layer, one at least for each
    budget: most LUTs a MAC, or bits
    cost: ``luts`` or ``bits``

    Raises ValueError where a layer has no choice, a figure is not finite, or no choice is within the budget: it tells
    the least one.
    """
    # a second that whoever only imports this has no use for
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse import csr_array

    _check(layers, budget, cost)
    if not layers:
        return {}
    flat = [(layer, choice) for layer, choices in layers.items() for choice in choices]
    # above the least of the layer, which changes no decision and leaves nothing but differences to the solver
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
        # variables may be off from 0 or 1 by a millionth, which is much of a large cost: anything but this
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
    """A figure of all choices, less the least of the layer."""
    values = [[getattr(choice, figure) for choice in choices] for choices in layers.values()]
    return np.array([value - min(own) for own in values for value in own], dtype=float)
