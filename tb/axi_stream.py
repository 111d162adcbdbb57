"""AXI4-Streams in testbenches: their rules are checked in every cycle, and simple functions drive them."""

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from cocotb.triggers import RisingEdge

from .golden import Array

__all__ = ["StreamRules", "beat_bytes", "collect", "feed", "from_beats"]


def beat_bytes(words: Array, bus_bits: int, generator: np.random.Generator) -> Array:
    """Words, uint8 of (words, bytes), as beats of a bus, the lowest bytes first; what fills up the last beat of a word
    is random. Gives uint8 of (beats, bytes of a beat)."""
    width = bus_bits // 8
    filling = generator.integers(0, 256, (len(words), -words.shape[1] % width), np.uint8)
    return np.concatenate([words, filling], axis=1).reshape(-1, width)


def from_beats(beats: Array, word_bits: int, bus_bits: int) -> Array:
    """Make words of beats again. Raises ValueError if bits past the end of a word are not 0, or a word is not whole."""
    each = -(-word_bits // bus_bits)
    if len(beats) % each:
        raise ValueError(f"beats must be a multiple of {each}, not {len(beats)}")
    bits = np.unpackbits(beats.reshape(len(beats) // each, -1), axis=1, bitorder="little")
    if bits[:, word_bits:].any():
        raise ValueError("bits past the end of a word must be 0")
    return np.packbits(bits[:, :word_bits], axis=1, bitorder="little")


class StreamRules:
    """Checks the rules of one stream: what is offered stays until it is taken, and ``tlast`` is where it belongs.

    Parameters
    ----------
    framed: whether exactly the beats come that ``expect`` announces. If not, any may come, and ``tlast`` is not checked

    Members
    -------
    taken: how many beats were taken since the last ``forget``
    """

    def __init__(self, dut: Any, name: str, framed: bool):
        self.name = name
        self.framed = framed
        self.valid, self.ready, self.data, self.last = (
            getattr(dut, f"{name}_{signal}") for signal in ("tvalid", "tready", "tdata", "tlast")
        )
        self.forget()

    def forget(self) -> None:
        """Forget what was offered, because of a reset."""
        self.offered: tuple[str, str] | None = None
        self.frames: deque[int] = deque()
        self.in_frame = 0
        self.taken = 0

    def expect(self, beats: int) -> None:
        """Expect so many more beats, the last of them with ``tlast``."""
        self.frames.append(beats)

    def cycle(self) -> bool:
        """Check the stream once a cycle, before its rising edge. Returns whether a beat is taken."""
        valid, ready = str(self.valid.value), str(self.ready.value)
        assert {valid, ready} <= {"0", "1"}, f"{self.name}: tvalid and tready must be 0 or 1, not {valid} and {ready}"
        if valid == "0":
            assert self.offered is None, f"{self.name}: tvalid must stay until tready, it fell after {self.taken} beats"
            return False
        beat = str(self.data.value), str(self.last.value)
        assert self.offered in (None, beat), f"{self.name}: what is offered must stay, beat {self.taken} changed"
        if self.framed and self.offered is None:
            self._check(*beat)
        self.offered = beat if ready == "0" else None
        if ready == "1":
            self.taken += 1
            self.in_frame += 1
            if self.framed and self.in_frame == self.frames[0]:
                self.frames.popleft()
                self.in_frame = 0
        return ready == "1"

    def _check(self, data: str, last: str) -> None:
        assert set(data) <= {"0", "1"}, f"{self.name}: beat {self.taken} must be known, not {data}"
        assert self.frames, f"{self.name}: a beat is offered that no product has, after {self.taken}"
        expected = str(int(self.in_frame == self.frames[0] - 1))
        assert last == expected, f"{self.name}: tlast of beat {self.in_frame} of {self.frames[0]} must be {expected}"


async def feed(dut: Any, name: str, beats: Sequence[int], pauses: Sequence[int] | None = None) -> None:
    """Offer these beats on an input stream, one after another. ``pauses`` are the idle cycles before each.

    It wakes only for beats, not for cycles in which the stream waits.
    """
    valid, ready, data = (getattr(dut, f"{name}_{signal}") for signal in ("tvalid", "tready", "tdata"))
    edge, rise = RisingEdge(dut.clk), RisingEdge(ready)
    for k, beat in enumerate(beats):
        if pauses is not None and pauses[k]:
            valid.value = 0
            for _ in range(pauses[k]):
                await edge
        data.value = beat
        valid.value = 1
        while True:
            await edge
            if ready.value:
                break
            await rise
    valid.value = 0


async def collect(dut: Any, name: str, pauses: Sequence[int] | None = None) -> Array:
    """The beats of an output stream up to the one with ``tlast``, uint8 of (beats, bytes of a beat).

    ``pauses`` are the cycles without ``tready`` before each beat; they are used over and over again.
    """
    valid, ready, data, last = (getattr(dut, f"{name}_{signal}") for signal in ("tvalid", "tready", "tdata", "tlast"))
    edge, rise = RisingEdge(dut.clk), RisingEdge(valid)
    width = len(data) // 8
    beats = bytearray()
    ended = False
    while not ended:
        if pauses is not None and (pause := pauses[len(beats) // width % len(pauses)]):
            ready.value = 0
            for _ in range(pause):
                await edge
        ready.value = 1
        while True:
            await edge
            if valid.value:
                break
            await rise
        beats += int(data.value).to_bytes(width, "little")
        ended = bool(last.value)
    return np.frombuffer(beats, np.uint8).reshape(-1, width)
