"""When the tensors of a network are no longer needed."""

from collections.abc import Sequence
from typing import Protocol

from .layer import Layer

__all__ = ["last_uses"]


class Between(Protocol):
    """What a network does between layers: a segment, or a quantizer that it came with."""

    @property
    def inputs(self) -> list[str]: ...

    @property
    def outputs(self) -> list[str]: ...


def last_uses(steps: Sequence[Layer | Between], kept: Sequence[str]) -> list[list[str]]:
    """For every step, the tensors that nothing behind it needs, but for those that are kept."""
    last: dict[str, int] = {}
    for place, step in enumerate(steps):
        made = [step.output] if isinstance(step, Layer) else step.outputs
        for name in (*step.inputs, *made):
            last[name] = place
    found: list[list[str]] = [[] for _ in steps]
    for name, place in last.items():
        if name not in kept:
            found[place].append(name)
    return found
