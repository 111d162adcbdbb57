"""Child processes: how many cores they may use, and how Ctrl-C ends them all."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

__all__ = ["ENDING", "cores", "descendants", "ended_by_interrupt", "interrupt"]

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""The signals that tell a program to end."""


def interrupt(number: int, frame: FrameType | None) -> None:
    """Handle Ctrl-C by a KeyboardInterrupt. Further ones are ignored while this one is being dealt with."""
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


@contextmanager
def ended_by_interrupt() -> Iterator[None]:
    """While this context lasts, Ctrl-C kills all child processes before it becomes a KeyboardInterrupt.

    Simulations run in threads, which an exception in the main thread does not reach. When its simulator is gone, a
    thread ends by itself.
    """

    def kill_all(number: int, frame: FrameType | None) -> None:
        for process in descendants(os.getpid()):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(process, signal.SIGKILL)
        interrupt(number, frame)

    before = signal.signal(signal.SIGINT, kill_all)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) == kill_all:
            signal.signal(signal.SIGINT, before)


def descendants(ancestor: int) -> list[int]:
    """The child processes of a process and theirs, nearest first. There are none if the system has no /proc."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError):
            after_name = (folder / "stat").read_text().rpartition(")")[2].split()
            children.setdefault(int(after_name[1]), []).append(int(folder.name))
    found = [ancestor]
    for process in found:
        found += children.get(process, [])
    return found[1:]


def cores() -> int:
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
