"""Which points are asked for, and in which order they are told."""

from collections.abc import Iterable, Sequence

from ..formats import Format
from .lowering import INT8
from .measurement.point import Point
from .quantization.scheme import Scheme
from .sweep import Job, Source

__all__ = ["in_order", "jobs_of"]


def jobs_of(
    sources: Sequence[Source],
    schemes: Sequence[Scheme],
    evaluations: Sequence[str],
    *,
    chosen: bool,
    between: Format | None = None,
    samples: int | None = None,
    seed: int = 0,
) -> list[Job]:
    """A job for every network in every scheme and evaluation.

    Parameters
    ----------
    chosen: whether the schemes say what a caller asked for, and are not those that are taken where nothing is said
    between: see ``Job``; int8 for None. It is given with the evaluation ``network`` and no other
    samples, seed: see ``Job``

    A network that came quantized is asked for once, as it came. Raises ValueError where formats were chosen for it.
    """
    if between is not None and "network" not in evaluations:
        raise ValueError(f"between must be given with the evaluation network, not with {','.join(evaluations)!r}")
    wanted: Sequence[Scheme | None] = schemes
    if any(source.quantized for source in sources):
        if chosen:
            raise ValueError("formats and techniques must not be given for a model that came quantized: it has its own")
        wanted = [None]
    return [
        Job(source, scheme, each, samples, seed, (between or INT8) if each == "network" else None)
        for source in sources
        for scheme in wanted
        for each in evaluations
    ]


def in_order(points: Iterable[Point], jobs: Iterable[Job]) -> list[Point]:
    """The points in the order of the jobs that asked for them."""
    order = {_place(job.source.name, job.scheme, job.evaluation): place for place, job in enumerate(jobs) if job.scheme}
    return sorted(
        points, key=lambda point: (order.get(_place(point.network, point, point.evaluation), 0), point.evaluation)
    )


def _place(network: str, scheme: Scheme | Point, evaluation: str) -> tuple[str, ...]:
    return network, str(scheme.weight), str(scheme.activation), "+".join(scheme.techniques), evaluation
