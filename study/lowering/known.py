"""What reading a network has found so far: the values of its tensors."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ...formats.network import Window
from ..network.graph import Graph
from .axes import axes_by_rank
from .functions import Function
from .steps import HostStep, TensorStep, Value
from .watch import Made

__all__ = ["Known", "refusal", "spatial", "tried"]


@dataclass(eq=False)
class Known:
    """A network that is being read.

    Members
    -------
    tensors: what its nodes make of a sample, by name
    values: what is known of them as values of steps, by name
    steps: how many there are
    """

    graph: Graph
    tensors: dict[str, Made]
    values: dict[str, Value] = field(default_factory=dict)
    steps: int = 0

    def __post_init__(self) -> None:
        self.same = Function(self.graph)
        self.places = {name: place for place, node in enumerate(self.graph.model.graph.node) for name in node.output}

    def next(self) -> int:
        """The place of the next step."""
        self.steps += 1
        return self.steps - 1

    def add(self, step: TensorStep, axes: tuple[str, ...] | None) -> None:
        """A step's result, whose dimensions are these axes."""
        assert axes is not None
        self.values[step.tensor] = Value(step, self.same, step.tensor, axes)

    def source(self, tensor: str, kind: str, name: str) -> Value:
        """What an operator reads. Raises ValueError by its kind and name where that is made by no record."""
        found = self.values.get(tensor)
        if found is None or isinstance(found.step, HostStep):
            raise refusal(kind, name, f"it reads {tensor!r}, which no record makes")
        return found


def spatial(source: Value, kind: str, name: str, axes: int) -> tuple[int, ...]:
    """The source's height and width, or its width alone. Raises ValueError where its channels are not first."""
    step = source.step
    sizes = (step.channels, step.height, step.width) if axes == 2 else (step.channels, step.width)
    if axes not in (1, 2):
        raise refusal(kind, name, f"it must have one axis or two, not {axes}")
    if source.axes != axes_by_rank(sizes) or (axes == 1 and step.height > 1):
        raise refusal(kind, name, "it must read channels, rows and pixels in this order")
    return sizes[1:]


def tried(kind: str, name: str, make: Callable[[], Window]) -> Window:
    """A window, or the operator's refusal where it is none that a record has."""
    try:
        return make()
    except ValueError as error:
        raise refusal(kind, name, str(error)) from None


def refusal(kind: str, name: str, why: str) -> ValueError:
    """The error for an operator that no record computes as it is there."""
    return ValueError(
        f"model must be one that a network accelerator has records for, not with the {kind} {name!r}: {why}"
    )
