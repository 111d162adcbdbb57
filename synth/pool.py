"""Many pieces of work are done in parallel, on this machine or wherever an executor does them."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from .tools import stop_all

__all__ = ["work_through"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def work_through(
    work: Callable[..., Result],
    items: Sequence[Item],
    *arguments: Any,
    executor: Executor | None = None,
    jobs: int | None = None,
) -> Iterator[tuple[Item, Result | Exception]]:
    """Yield every item with ``work(item, *arguments)``, or with what it raised, as they finish.

    A caller that may stop early has to close the iterator. That ends all processes that were started here, as Ctrl-C
    does.

    Parameters
    ----------
    executor: the executor that does the work; processes on this machine unless given. An executor that is given is not
        shut down
    jobs: how many processes to use on this machine; one for each core unless given
    """
    if not items:
        return
    others = set(multiprocessing.active_children())
    pool = executor or _processes(min(jobs or _cores(), len(items)))
    futures: dict[Future[Result], Item] = {pool.submit(work, item, *arguments): item for item in items}
    try:
        for future in as_completed(futures):
            error = future.exception()
            if error is None:
                yield futures[future], future.result()
            elif isinstance(error, Exception):
                yield futures[future], error
            else:
                raise error
    except BaseException:
        for future in futures:
            future.cancel()
        if executor is None:
            _stop(pool, set(multiprocessing.active_children()) - others)
        raise
    if executor is None:
        pool.shutdown()


def _processes(workers: int) -> ProcessPoolExecutor:
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_worker() -> None:
    """Leave Ctrl-C to the parent. The worker ends, with all its tools, when it is told to or when the parent is
    gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _end_worker)
    threading.Thread(target=_end_after_parent, daemon=True).start()


def _end_after_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        _end_worker()


def _end_worker(*_: object) -> None:
    stop_all()
    os._exit(1)


def _stop(pool: Executor, workers: set[BaseProcess]) -> None:
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join()
