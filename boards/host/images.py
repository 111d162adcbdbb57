"""Images go to a board that computes a network, and its answers become sums and values."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ... import sim
from ...formats.network import Program
from ..link.network import BoardNetwork
from ..link.protocol import MAX_PAYLOAD, Kind
from .channel import Piece
from .session import Session
from .transport import LinkError
from .worker import Lost, Report, Task

__all__ = ["check_images", "compute_images", "differences", "sums_of", "values_of_sums"]

Array = NDArray[Any]


def check_images(program: Program, images: ArrayLike) -> NDArray[np.uint8]:
    """The images as an array (n, height, width, channels). Raises ValueError if they are none of this program."""
    found = sim.check_images(program, images)
    if not len(found):
        raise ValueError("images must be 1 or more, not none")
    return found


def compute_images(
    session: Session, program: Program, images: NDArray[np.uint8], progress: Report | None = None
) -> NDArray[np.int64]:
    """Have a board compute the sums (n, height, width, channels) for images that ``check_images`` let pass.

    Weights go first if the board has none. Raises LinkError.

    Parameters
    ----------
    session: with a board that has the program
    progress: is called with the number of images that are done, and the number of all
    """
    network = session.description.network
    found = np.empty((len(images), *network.answer), dtype=np.int64)
    count = 0

    def done(number: int, result: bytes) -> None:
        nonlocal count
        found[number] = sums_of(network, result)
        count = number + 1
        session.statistics.images += 1
        if progress is not None:
            progress(count, len(images))

    def weights() -> Iterator[Piece]:
        if session.lacks_weights:
            yield from _frames(Kind.WEIGHTS, program.packed_words())

    words = ("an image", "its answer")
    tasks = [Task(partial(_frames, Kind.IMAGE, image.tobytes()), network.answer_bytes, words) for image in images]
    try:
        session.worker.run(tasks, done, first=weights)
    except Lost as lost:
        why = session.lost(lost, "image", count, len(images))
        raise LinkError(why, images_done=count, images=len(images)) from None
    return found


def differences(program: Program, images: NDArray[np.uint8], sums: NDArray[np.int64]) -> str:
    """What differs from the golden model's answers, in words; the text is empty if nothing does."""
    wrong = np.flatnonzero((sums != sim.network_answers(program, images)).any(axis=(1, 2, 3)))
    if not len(wrong):
        return ""
    return f"{len(wrong)} of {len(sums)} answers are not the golden model's, the first of them that to image {wrong[0]}"


def _frames(kind: Kind, content: bytes) -> Iterator[Piece]:
    for start in range(0, len(content), MAX_PAYLOAD):
        yield kind, content[start : start + MAX_PAYLOAD]


def sums_of(network: BoardNetwork, answer: bytes) -> NDArray[np.int64]:
    """The sums (height, width, channels) of an answer, as int64. A board gives them as ``sim.answer_order`` tells."""
    parts = np.zeros((network.sums, 8), dtype=np.uint8)
    parts[:, : network.sum_bytes] = np.frombuffer(answer, dtype=np.uint8).reshape(network.sums, network.sum_bytes)
    unused = 64 - network.sum_bits
    sums = np.empty(network.sums, dtype=np.int64)
    sums[sim.answer_order(network.answer, network.columns)] = parts.view("<i8").ravel() << unused >> unused
    return sums.reshape(network.answer)


def values_of_sums(program: Program, sums: NDArray[np.int64]) -> NDArray[np.float32]:
    """The network's outputs for sums (n, height, width, channels), as ``sim.answer_values`` tells.

    They have the shape (n, outputs) if the network's output is a vector, and (n, height, width, channels) if not.
    """
    values = sim.answer_values(program.answer, sums)
    return values.transpose(0, 3, 1, 2).reshape(len(values), -1) if program.answer.flat else values
