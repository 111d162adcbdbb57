"""Many points of the study are measured in parallel, and each is kept as soon as it is there."""

import hashlib
import json
import sys
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import util
from pathlib import Path
from typing import Any, TypeVar

from ..formats import Format
from ..synth import Cache, SweepError
from ..synth.pool import work_through
from .measurement.evaluate import Study
from .measurement.fingerprint import network_hash, point_key
from .measurement.point import Point
from .measurement.sensitivity import Pair, sensitivity
from .network.batching import batching
from .network.float_layer import plain_engine
from .network.graph import Graph
from .network.metrics import check_expected, check_metrics
from .network.network import Judge, Network, read_model
from .network.qonnx_read import is_qonnx
from .network.samples_file import read_samples
from .quantization.as_it_came import as_it_came
from .quantization.scheme import Scheme
from .zoo.networks import network as from_zoo

__all__ = ["Job", "Source", "sensitivities", "study"]

Progress = Callable[[int, int], None]
Asked = TypeVar("Asked", bound=Hashable)


@dataclass(frozen=True)
class Source:
    """Says where a network comes from, the zoo or files, in words that another process can read.

    Parameters
    ----------
    name: the name of a network of the zoo, or the name to give to a user's ONNX file
    model, calibration, test: the ONNX file, and .npz files of its inputs by name, with ``expected`` and ``clusters``
    metrics: the names of metrics, of which the first is the one to compare by; None stands for the zoo's own.
        ``file.py:function`` is a function of the user's
    output: the output of the model that is judged; empty for the first
    temporary: the folder of files that the user does not know of, which no message names; None for none
    """

    name: str
    model: Path | None = None
    calibration: Path | None = None
    test: Path | None = None
    metrics: tuple[str, ...] | None = None
    output: str = ""
    temporary: Path | None = None

    @property
    def quantized(self) -> bool:
        """Whether the model came quantized, as QONNX."""
        return self.model is not None and is_qonnx(read_model(self.model))

    def network(self) -> Network:
        """Read the network. Raises ValueError for a wrong name, file or metric, and OSError for files."""
        found = self._named() if self.model is None else self._own(self.model)
        check_metrics(found)
        return found

    def _named(self) -> Network:
        found = from_zoo(self.name)
        metrics = found.metrics if self.metrics is None else self.metrics
        return replace(found, metrics=metrics, output=self.output)

    def _own(self, model: Path) -> Network:
        content = read_model(model)
        if self.calibration is None or self.test is None:
            raise ValueError("calibration and test must be given with a model: .npz files of its inputs by name")
        graph = Graph(content, output=self.output)
        calibration = read_samples("calibration", self.calibration, graph, self.temporary)
        test = read_samples("test", self.test, graph, self.temporary)
        batching(graph, test, plain_engine())  # whether it runs at all
        if graph.quantized:
            as_it_came(graph)
        metrics = self.metrics or ("top1",)
        judges = {name: _judge(name) for name in metrics if ":" in name}
        judged_by = b"".join(Path(name.rpartition(":")[0]).read_bytes() for name in judges)
        return Network(
            self.name, model.name, model, lambda: calibration, lambda: test, metrics, judges, judged_by, self.output
        )


@dataclass(frozen=True)
class Job:
    """A point to measure. It says of which network, by which scheme, how, and on how many samples (None for all).

    A network that came quantized has no scheme. ``between`` is the format of what lies between layers, with the
    evaluation ``network`` and no other.
    """

    source: Source
    scheme: Scheme | None
    evaluation: str = "float"
    samples: int | None = None
    seed: int = 0
    between: Format | None = None


def study(
    asked: Iterable[Job],
    *,
    executor: Executor | None = None,
    jobs: int | None = None,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
) -> Iterator[Point]:
    """Yield a point for every job, as they finish. Points from the cache come first.

    Every point is kept as soon as it is there, so that a sweep that was stopped goes on where it was. A caller that may
    stop early has to close the iterator.

    Parameters
    ----------
    executor: the executor that does the work, such as a Dask cluster's; processes on this machine unless given. Workers
        need fewbit, and the networks' files under the same paths. An executor that is given is not shut down
    jobs: how many processes to use on this machine; one for each core unless given
    cache_folder: the folder of the cache of results, see ``synth.Cache``
    progress: is called with the numbers of finished and of all points

    Raises ValueError and OSError for a network that cannot be studied, before anything runs; SweepError at the end.
    """
    asked = [*dict.fromkeys(asked)]
    networks = {source: source.network() for source in dict.fromkeys(job.source for job in asked)}
    for source, network in networks.items():
        if source.model is not None:  # networks of the zoo have it, and take long to read
            check_expected(network.metrics, network.test())
    contents = {
        (source, samples): network_hash(networks[source], samples)
        for source, samples in dict.fromkeys((job.source, job.samples) for job in asked)
    }
    todo = {
        (job, contents[job.source, job.samples]): point_key(
            contents[job.source, job.samples], job.scheme, job.evaluation, job.seed, job.between
        )
        for job in sorted(asked, key=lambda job: (job.source.name, job.samples or 0, job.seed))
    }

    def told(work: tuple[Job, str], result: Any) -> dict[str, Any]:
        if result.fingerprint != todo[work]:
            raise RuntimeError("the worker has another fewbit, other tools or another network than this process")
        return dict(json.loads(json.dumps(result.to_dict())))

    failures = _Failures()
    for (job, _), result in _kept(_work, todo, Point.from_dict, told, executor, jobs, cache_folder, progress):
        if isinstance(result, Point):
            yield result
        else:
            failures.add(job.source, job.scheme, result)
    failures.check()


def sensitivities(
    source: Source,
    pairs: Sequence[Pair],
    scheme: Scheme,
    *,
    samples: int | None = None,
    executor: Executor | None = None,
    jobs: int | None = None,
    cache_folder: Path | None = None,
    progress: Progress | None = None,
) -> dict[str, dict[Pair, float]]:
    """The sensitivities of layers by pair of formats, see ``sensitivity``. They are kept as points are.

    ``samples`` is the number of test samples, as for points, so that a process reads them once for both. The other
    parameters, and what is raised, are as in ``study``.
    """
    content = network_hash(source.network(), samples)
    schemes = {pair: replace(scheme, weight=pair[0], activation=pair[1]) for pair in pairs}
    todo = {
        (source, samples, pair, each, content): point_key(content, each, "sensitivity", 0)
        for pair, each in schemes.items()
    }
    found: dict[Pair, dict[str, float]] = {}
    failures = _Failures()
    for work, result in _kept(
        _sensitivity, todo, _numbers, lambda work, result: result, executor, jobs, cache_folder, progress
    ):
        if isinstance(result, Exception):
            failures.add(source, work[3], result)
        else:
            found[work[2]] = result
    failures.check()
    return {layer: {pair: found[pair][layer] for pair in pairs} for layer in found[pairs[0]]}


def _kept(
    work: Callable[[Asked], Any],
    todo: Mapping[Asked, str],
    read: Callable[[dict[str, Any]], Any],
    told: Callable[[Asked, Any], dict[str, Any]],
    executor: Executor | None,
    jobs: int | None,
    cache_folder: Path | None,
    progress: Progress | None,
) -> Iterator[tuple[Asked, Any]]:
    """Yield everything that was asked for with its result, or with the exception that it raised.

    Results in the cache come first. Then come those that ``work`` makes, which are put into the cache. ``todo`` has the
    key of each in the cache. ``read`` makes a result from the cache's value, or raises ValueError if it is none, and
    ``told`` makes that value from a result.
    """
    report = progress or (lambda done, total: None)
    done, left = 0, []
    report(done, len(todo))
    with closing(Cache(cache_folder)) as store:
        for asked, key in todo.items():
            known = store.get(key)
            try:
                result = read(known) if isinstance(known, dict) else None
            except ValueError:
                result = None
            if result is None:
                left.append(asked)
                continue
            done += 1
            report(done, len(todo))
            yield asked, result
        for asked, result in work_through(work, left, executor=executor, jobs=jobs):
            done += 1
            report(done, len(todo))
            if not isinstance(result, Exception):
                try:
                    store.put(todo[asked], told(asked, result))
                except RuntimeError as error:
                    result = error
            yield asked, result


class _Failures:
    """What could not be measured, and why."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._refused = True

    def add(self, source: Source, scheme: Scheme | None, error: Exception) -> None:
        formats = f"{scheme.weight} x {scheme.activation}" if scheme else "as it came"
        self._lines.append(f"{source.name}, {formats}: {str(error) or type(error).__name__}")
        self._refused &= isinstance(error, ValueError)

    def check(self) -> None:
        """Raise SweepError if there are any."""
        if self._lines:
            raise SweepError(self._lines, refused=self._refused)


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in values.items()}


def _sensitivity(asked: tuple[Source, int | None, Pair, Scheme, str]) -> dict[str, float]:
    source, samples, pair, scheme, content = asked
    return sensitivity(_study(source, samples, 0, content), pair, scheme)


def _work(asked: tuple[Job, str]) -> Point:
    job, content = asked
    return _study(job.source, job.samples, job.seed, content).point(job.scheme, job.evaluation, between=job.between)


@lru_cache(maxsize=1)
def _study(source: Source, samples: int | None, seed: int, content: str) -> Study:
    """What all points of a network share. It is made once in every process, and each process has one thread.

    ``content`` is the hash of the network, so that a process that lives on reads files again if they have changed.
    """
    return Study(source.network(), samples, seed, threads=1)


def _judge(name: str) -> Judge:
    """The function of the user's that ``file.py:function`` names."""
    file, _, function = name.rpartition(":")
    if not Path(file).is_file():
        raise ValueError(f"metric must be a known name or file.py:function, not {name!r}")
    title = f"fewbit_metric_{hashlib.sha256(file.encode()).hexdigest()[:8]}"
    spec = util.spec_from_file_location(title, file)
    if spec is None or spec.loader is None:
        raise ValueError(f"metric must be in a Python file, not {file!r}")
    module = util.module_from_spec(spec)
    sys.modules[title] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"metric must be in a file that Python runs, not {file!r}: {error}") from None
    found = getattr(module, function, None)
    if not callable(found):
        raise ValueError(f"metric must be a function in {file}, not {function!r}")
    judge: Judge = found
    return judge
