"""What a unit must show after every clock edge: the golden model of ``fewbit.sim``, delayed by the unit's latency."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..formats import SPECIALS
from ..sim import Exact, mac, multiply
from .unit import DescribedPort, DescribedUnit

__all__ = ["Array", "expect_products", "expect_sums", "to_bits"]

Array = NDArray[Any]


def expect_sums(unit: DescribedUnit, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Outputs of a ``mac`` or ``dot`` right after every rising edge, from reset on.

    A reset clears at its own edge and drops whatever is in the pipeline.

    Parameters
    ----------
    inputs: ``rst``, ``valid``, ``first``, bool, of shape (cycles,); codes ``weight``, ``activation`` of (cycles, lanes)

    Returns the accumulator's integers and the flags that the unit has, each of shape (cycles,).
    """
    reset = inputs["rst"]
    taken = np.arange(len(reset)) - unit.delay  # these are the cycles whose operands an edge adds
    resets = np.concatenate([[0], np.cumsum(reset)])
    live = (taken >= 0) & inputs["valid"][taken] & (resets[1:] == resets[np.maximum(taken, 0)])
    return _outputs(
        unit,
        mac(
            inputs["weight"][taken],
            inputs["activation"][taken],
            unit.weight,
            unit.activation,
            valid=live,
            first=inputs["first"][taken],
            rst=reset,
            element=unit.element,
        ),
    )


def expect_products(unit: DescribedUnit, weight: Array, activation: Array) -> dict[str, Array]:
    """Outputs of a ``multiply`` for every pair of codes, without its latency."""
    return _outputs(unit, multiply(weight, activation, unit.weight, unit.activation, unit.element))


def _outputs(unit: DescribedUnit, exact: Exact) -> dict[str, Array]:
    expected = {unit.result: exact.integers}
    for name in SPECIALS:
        mask = getattr(exact, name)
        if name in unit.ports:
            expected[name] = np.zeros(exact.shape, np.int64) if mask is None else mask.astype(np.int64)
        elif mask is not None and mask.any():
            raise ValueError(f"{unit.kind} of {unit.weight} and {unit.activation} must have an output {name}")
    return expected


def to_bits(integers: Array, port: DescribedPort) -> list[str]:
    """Every integer in binary digits as cocotb prints the port, two's complement where it is signed.

    Raises ValueError if one does not fit, since the port is then too narrow for what the unit is said to do.
    """
    values = integers.tolist()
    least, most = (-(1 << port.width - 1), (1 << port.width - 1) - 1) if port.signed else (0, (1 << port.width) - 1)
    if values and not least <= min(values) <= max(values) <= most:
        raise ValueError(f"{port.name} must hold {min(values)} to {max(values)}, its {port.width} bits cannot")
    mask = (1 << port.width) - 1
    return [format(value & mask, f"0{port.width}b") for value in values]
