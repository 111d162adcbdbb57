"""A worker has a board compute tasks one after the other, and each again until it is right."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from ..link.protocol import Event, Kind, Status
from .channel import Channel, Piece, Trouble
from .transport import LinkError

__all__ = ["TRIES", "Lost", "Report", "Task", "Worker"]

TRIES = 5
"""How often the host tries again in a row while no task is completed."""

Report = Callable[[int, int], None]


class Lost(Exception):
    """The board was lost before all tasks were done. The message says why."""


@dataclass(frozen=True)
class Task:
    """What a board computes in one piece: a product, or an image.

    Parameters
    ----------
    frames: yields the frames that ask for it
    size: the number of bytes of its result
    whole: what it is, and what its result is, in the words of messages
    """

    frames: Callable[[], Iterator[Piece]]
    size: int
    whole: tuple[str, str]


class Worker:
    """Sends tasks over a channel, and collects their results.

    Attributes
    ----------
    channel: see ``Channel``
    given: bytes of results that the board has given since its last reset
    """

    def __init__(self, channel: Channel):
        self.channel = channel
        self.given = 0
        self._ready = False

    def reset(self) -> None:
        """Reset the board, whatever it does. Raises Trouble."""
        self._ready = False
        self.channel.reset()
        self._ready = True
        self.given = 0

    def heed(self, trouble: Trouble) -> None:
        """Count a trouble; the board will be reset before the next task."""
        self._ready = False
        self.channel.statistics.retries[trouble.cause] += 1

    def run(
        self,
        tasks: Sequence[Task],
        done: Callable[[int, bytes], None],
        progress: Report | None = None,
        first: Callable[[], Iterator[Piece]] = lambda: iter(()),
    ) -> None:
        """Have all tasks computed, in order.

        Parameters
        ----------
        done: is called with the number of a task and its result, once for each
        progress: is called with the number of bytes of results that have come, and the number that will come in all
        first: yields the frames that go before those of tasks, after every reset and at the beginning

        Raises Lost if ``TRIES`` tries in a row bring nothing, or if the line is gone.
        """
        ended = fruitless = 0

        def end(result: bytes) -> None:
            nonlocal ended
            done(ended, result)
            self.given += len(result)
            ended += 1

        while ended < len(tasks):
            before = ended
            try:
                if not self._ready:
                    self.reset()
                self._try(tasks, ended, end, progress, first())
            except Trouble as trouble:
                self.heed(trouble)
                fruitless = fruitless + 1 if ended == before else 0
                if fruitless == TRIES:
                    raise Lost(f"{TRIES} tries in a row brought nothing, lastly: {trouble}") from None
            except LinkError as error:
                self._ready = False
                if ended < len(tasks):
                    raise Lost(str(error)) from None
            except BaseException:
                self._ready = False
                raise

    def _try(
        self,
        tasks: Sequence[Task],
        start: int,
        end: Callable[[bytes], None],
        progress: Report | None,
        first: Iterator[Piece],
    ) -> None:
        """Have the tasks from ``start`` on computed. Raises Trouble."""
        came, total = (sum(task.size for task in part) for part in (tasks[:start], tasks))
        pieces = chain(first, chain.from_iterable(task.frames() for task in tasks[start:]))
        arrived = bytearray()
        waiting = iter(tasks[start:])
        task = next(waiting)
        for answer in self.channel.exchange(pieces):
            if isinstance(answer, Status):
                if Event.DONE not in answer.events:
                    continue
                if len(arrived) != task.size:
                    raise Trouble("result", f"{task.whole[0]} ended with {len(arrived)} of {task.size} bytes")
                self.channel.statistics.cycles += answer.cycles
                end(bytes(arrived))
                came += len(arrived)
                arrived.clear()
                following = next(waiting, None)
                if following is None:
                    return
                task = following
            elif answer.kind == Kind.RESULT:
                arrived += answer.payload
                if len(arrived) > task.size:
                    raise Trouble("result", f"{task.whole[0]} has more bytes than {task.whole[1]}")
                if progress is not None:
                    progress(came + len(arrived), total)
