"""Steps become lines: what one record computes before its function, with all that goes into its scales and its sum."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .steps import AffineStep, ConcatStep, InputStep, PoolStep, ProductStep, SumStep, TensorStep, Value

__all__ = ["Line", "lines_of"]

Array = NDArray[Any]


@dataclass(eq=False)
class Line:
    """``gain * base + offset + residual_gain * residual``.

    Members
    -------
    step: whose result that is
    base: what the record computes; the input's line has no record. An affine step is a product of each channel with a
        weight of its own
    gain, offset: (channels,), float64; every gain is above 0 except for the input's
    residual: a tensor that is added
    residual_gain: what it is multiplied by
    """

    step: TensorStep
    base: InputStep | ProductStep | PoolStep | AffineStep
    gain: Array = field(init=False)
    offset: Array = field(init=False)
    residual: Value | None = None
    residual_gain: float = 1.0

    def __post_init__(self) -> None:
        self.gain = np.ones(self.step.channels)
        self.offset = np.zeros(self.step.channels)

    @property
    def source(self) -> Value | None:
        """What the record reads, besides the residual."""
        return None if isinstance(self.base, InputStep) else self.base.source

    def then(self, step: TensorStep, value: Value) -> None:
        """Go on to a step that reads a multiple of this line's result."""
        ramp = value.function.ramp
        assert ramp is not None and self.residual is None
        gain, offset = np.asarray(ramp.slope), np.asarray(ramp.offset)
        if isinstance(step, AffineStep):
            gain, offset = gain * step.gain, offset * step.gain + step.offset
        self.gain, self.offset, self.step = self.gain * gain, self.offset * gain + offset, step


def lines_of(steps: Sequence[TensorStep], last: TensorStep) -> list[Line]:
    """The lines of all steps in the order in which they run; a concatenation has none.

    A sum of two tensors becomes part of the line of one of them where nothing else reads that, of the later one if
    there is a choice. What comes per channel behind a product or a pool becomes part of its line in the same way.
    """
    uses: dict[int, int] = {id(last): 1}
    for step in steps:
        for value in step.sources:
            uses[id(value.step)] = uses.get(id(value.step), 0) + 1
    found: dict[int, Line] = {}

    def free(value: Value) -> Line | None:
        """The line that makes a value, if it can go on to a step that reads it."""
        line = found.get(id(value.step))
        alone = line is not None and value.bare and uses[id(value.step)] == 1 and line.residual is None
        return line if alone else None

    def extend(line: Line, step: TensorStep, value: Value) -> None:
        del found[id(line.step)]
        line.then(step, value)
        found[id(step)] = line

    for step in steps:
        if isinstance(step, InputStep | ProductStep | PoolStep):
            found[id(step)] = Line(step, step)
        elif isinstance(step, AffineStep):
            before = free(step.source)
            if before is not None and (np.all(step.gain > 0) or isinstance(before.base, InputStep)):
                extend(before, step, step.source)
            elif np.all(step.gain > 0):
                line = Line(step, _as_it_is(step, step.source))
                line.gain, line.offset = step.gain, step.offset
                found[id(step)] = line
            else:
                found[id(step)] = Line(step, step)
        elif isinstance(step, SumStep):
            pairs = sorted(((step.left, step.right), (step.right, step.left)), key=lambda pair: -pair[0].step.place)
            for value, other in pairs:
                before = free(value)
                if before is not None and isinstance(before.base, ProductStep | PoolStep):
                    extend(before, step, value)
                    before.residual = other
                    break
            else:
                found[id(step)] = Line(step, _as_it_is(step, step.left), residual=step.right)
        else:
            assert isinstance(step, ConcatStep), step
    return sorted(found.values(), key=lambda line: line.step.place)


def _as_it_is(step: TensorStep, source: Value) -> PoolStep:
    """A pool of one pixel."""
    return PoolStep(step.name, step.tensor, step.channels, step.height, step.width, step.place, source=source)
