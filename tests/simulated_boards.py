"""What the tests of boards' host side share: engines that are built quickly, and a line that is full of faults."""

import random
from collections import Counter

from fewbit.boards.link.protocol import FRAME_BYTES, START
from fewbit.formats import Blocks, Engine, Requantization, Rounding, parse

INT4 = parse("int4")
SMALL = Engine(INT4, INT4, Requantization(parse("int16")), rows=2, columns=2, tile_m=4, max_k=32)
"""Gives exact sums, so that the host may cut k."""

RICH = {
    "int8": Engine(
        parse("int8"),
        parse("uint8"),
        Requantization(parse("int8"), scale=parse("dyadic16s5"), bias_bits=20, zero_point=True, relu=True),
        **{"rows": 2, "columns": 3, "lanes": 2, "tile_m": 4, "max_k": 40, "outputs": 3},
        scale_per="channel",
        weight_zero_point=True,
    ),
    "weight_stationary": Engine(
        parse("e2m1"),
        parse("int6"),
        Requantization(
            parse("bfloat16"),
            scale=parse("float8_e4m3fn"),
            tensor_scale=parse("ue5m3"),
            rounding=Rounding.STOCHASTIC,
        ),
        **{"rows": 2, "columns": 4, "lanes": 2, "tile_m": 5, "max_k": 30, "outputs": 2},
        dataflow="weight_stationary",
    ),
    "blocks": Engine(
        parse("uint4"),
        parse("e2m1"),
        Requantization(parse("float32")),
        **{"rows": 2, "columns": 2, "lanes": 4, "tile_m": 6, "max_k": 50},
        blocks=Blocks(16, parse("float8_e4m3fn"), parse("float8_e4m3fn"), zero_points=True),
    ),
}
"""Every kind of stream and parameter, both dataflows, words of odd bits and of several bytes, random rounding."""


class FaultyLine:
    """A transport that spoils frames in both directions: some are corrupted, dropped, doubled, cut short, or have
    garbage around them.

    Parameters
    ----------
    line: a transport
    seed: the same faults for the same frames
    rate: share of frames that are spoilt
    """

    KINDS = ("corrupted", "dropped", "doubled", "cut", "flooded")

    def __init__(self, line, seed: int, rate: float = 0.0):
        self.name = line.name
        self.rate = rate
        self.faults: Counter[str] = Counter()
        self._line = line
        self._random = random.Random(seed)
        self._begun = {"to": bytearray(), "from": bytearray()}
        self._waiting = bytearray()

    def exchange(self, data, seconds):
        self._waiting += self._spoilt("to", data)
        written, received = self._line.exchange(self._waiting, seconds)
        del self._waiting[:written]
        return len(data), self._spoilt("from", received)

    def close(self):
        self._line.close()

    def _spoilt(self, way: str, data: bytes) -> bytes:
        begun, result = self._begun[way], bytearray()
        begun += data
        while begun:
            if begun[0] != START:
                end = begun.find(START) if START in begun else len(begun)
                result += begun[:end]
            else:
                end = FRAME_BYTES + begun[4] if len(begun) > 4 else len(begun) + 1
                if end > len(begun):
                    break
                result += self._frame(way, bytes(begun[:end]))
            del begun[:end]
        return bytes(result)

    def _frame(self, way: str, frame: bytes) -> bytes:
        chance = self._random
        if chance.random() >= self.rate:
            return frame
        kind = chance.choice(self.KINDS)
        self.faults[f"{way} board {kind}"] += 1
        if kind == "dropped":
            return b""
        if kind == "doubled":
            return 2 * frame
        if kind == "cut":
            return frame[: chance.randrange(1, len(frame))]
        if kind == "corrupted":
            spoilt = bytearray(frame)
            for _ in range(chance.randint(1, 4)):
                spoilt[chance.randrange(len(spoilt))] ^= 1 << chance.randrange(8)
            return bytes(spoilt)
        garbage = bytes(chance.choice((START, 0, 255, chance.randrange(256))) for _ in range(chance.randint(1, 120)))
        return garbage + frame if chance.random() < 0.5 else frame + garbage
