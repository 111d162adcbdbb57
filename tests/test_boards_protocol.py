"""Frames as bytes and back, and the parser among garbage."""

import zlib
from itertools import pairwise
from pathlib import Path

import pytest
from fewbit.boards import Event, Frame, Parser, Status
from fewbit.boards.link.protocol import FLUSH, MAX_PAYLOAD, START
from hypothesis import given, settings
from hypothesis import strategies as st

FRAMES = st.builds(Frame, st.integers(0, 255), st.integers(0, 65535), st.binary(max_size=MAX_PAYLOAD))
# what looks most like a frame: starts, and lengths that reach into the next frame
GARBAGE = st.one_of(
    st.binary(max_size=40),
    st.lists(st.sampled_from([START, 0, 1, 255]), max_size=20).map(bytes),
    st.builds(lambda frame, end: bytes(frame)[:end], FRAMES, st.integers(0, 300)),
    st.builds(lambda frame, at, bit: flipped(bytes(frame), at, bit), FRAMES, st.integers(0, 300), st.integers(0, 7)),
)


def test_the_bytes_that_the_documentation_shows():
    shown = (Path(__file__).parent.parent / "docs" / "link.md").read_text()
    status = bytes(Status(Event.RESET, 0x1235, 0x1235, 0))
    frames = [Frame(0x01, 0x1234), Frame(0x80, 0, status), Frame(0x03, 0x1235, bytes([2, 0, 2, 0, 3, 0]))]
    assert "\n".join(bytes(frame).hex(" ") for frame in frames) in shown


def flipped(content: bytes, at: int, bit: int) -> bytes:
    changed = bytearray(content)
    changed[at % len(changed)] ^= 1 << bit
    return bytes(changed)


def fed(content: bytes, cuts: list[int]) -> tuple[list[Frame], Parser]:
    """All frames of these bytes, which come in pieces."""
    parser, found = Parser(), []
    places = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        found += parser.feed(content[start:end])
    return found, parser


def test_a_frame_is_these_bytes():
    content = bytes.fromhex("a5 03 3412 02 0aff")
    content += zlib.crc32(content[1:]).to_bytes(4, "little")
    assert bytes(Frame(3, 0x1234, b"\x0a\xff")) == content
    assert fed(content, [])[0] == [Frame(3, 0x1234, b"\x0a\xff")]


def test_a_status_is_these_bytes():
    status = Status(Event.DONE | Event.CRC, 0x1234, 0xFFFF, 70000)
    assert bytes(status) == bytes.fromhex("82 3412 ffff 70110100")
    assert Status.parse(bytes(status)) == status


@pytest.mark.parametrize("wrong", [{"kind": 256}, {"sequence": -1}, {"sequence": 65536}, {"payload": bytes(256)}])
def test_a_frame_that_cannot_be_sent_is_refused(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} must be"):
        Frame(**{"kind": 1, "sequence": 0} | wrong)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.lists(FRAMES, max_size=6), st.lists(st.integers(0, 4000), max_size=12))
def test_frames_are_found_however_they_are_cut(frames, cuts):
    found, parser = fed(b"".join(map(bytes, frames)), cuts)
    assert found == frames
    assert parser.dropped == 0


@settings(deadline=None, derandomize=True, max_examples=300)
@given(st.lists(st.tuples(GARBAGE, FRAMES), max_size=6), GARBAGE, st.lists(st.integers(0, 4000), max_size=12))
def test_every_frame_behind_garbage_is_found(parts, tail, cuts):
    """Garbage may be part of a good frame only by its CRC, one in four thousand million; a flush ends any other."""
    content = b"".join(garbage + FLUSH + bytes(frame) for garbage, frame in parts) + tail
    found, parser = fed(content, cuts)
    assert subsequence([frame for _, frame in parts], found)
    found_bytes = sum(len(bytes(frame)) for frame in found)
    parser.clear()
    assert parser.dropped == len(content) - found_bytes


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.lists(st.one_of(FRAMES.map(bytes), GARBAGE), max_size=10), st.lists(st.integers(0, 4000), max_size=12))
def test_what_is_found_does_not_depend_on_how_it_is_cut(parts, cuts):
    content = b"".join(parts)
    assert fed(content, cuts)[0] == fed(content, [])[0]
    for frame in fed(content, cuts)[0]:
        assert bytes(frame) in content


@settings(deadline=None, derandomize=True, max_examples=100)
@given(FRAMES, FRAMES, st.integers(1, 300))
def test_a_frame_behind_a_truncated_one_is_found_once_that_is_over(first, second, cut):
    content = bytes(first)[: -min(cut, len(bytes(first)) - 1)] + bytes(second)
    found, _ = fed(content + FLUSH, [])
    assert second in found or first in found  # whose last byte may be the START of the second


def subsequence(wanted: list[Frame], found: list[Frame]) -> bool:
    rest = iter(found)
    return all(frame in rest for frame in wanted)
