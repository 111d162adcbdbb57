"""A memory behind an AXI4 master in Amaranth's simulator: it checks the rules of the protocol, and stalls at random."""

import random
from collections import deque

PAGE = 4096


class AxiMemory:
    """It answers reads and writes in order; ``offer`` and ``look`` are those of a side in ``stream_driver.drive``.

    Parameters
    ----------
    dut: has the ports, whose names begin with ``m_axi``
    size: bytes
    latency: cycles from a burst's address to its first beat, or from its last beat to the answer, at least
    stalls: chance that a channel stalls in a cycle
    failing: addresses of beats whose answer is an error

    Members
    -------
    bytes: what is in it
    read_beats, write_beats: how many were moved
    """

    def __init__(self, dut, size, latency=2, stalls=0.0, seed=0, failing=()):
        self.dut = dut
        self.bytes = bytearray(size)
        self.width = len(dut.m_axi_wdata) // 8
        self.latency = latency
        self.stalls = stalls
        self.chance = random.Random(seed)
        self.failing = set(failing)
        self.reads, self.writes, self.answers = deque(), deque(), deque()
        self.early = deque()
        self.read_beats = self.write_beats = 0
        self.offered_read = self.offered_answer = False
        self.waiting = {}
        self.cycle = 0

    def _now(self):
        return self.chance.random() >= self.stalls

    def offer(self, ctx):
        dut = self.dut
        self.ready = {name: self._now() for name in ("ar", "aw", "w")}
        for name, ready in self.ready.items():
            ctx.set(getattr(dut, f"m_axi_{name}ready"), ready)
        due = self.reads and self.reads[0][0] <= self.cycle
        if not self.offered_read and due and self._now():
            self.offered_read = True
            _, address, last = self.reads[0]
            ctx.set(dut.m_axi_rdata, int.from_bytes(self.bytes[address : address + self.width], "little"))
            ctx.set(dut.m_axi_rresp, 2 * (address in self.failing))
            ctx.set(dut.m_axi_rlast, last)
        ctx.set(dut.m_axi_rvalid, self.offered_read)
        if not self.offered_answer and self.answers and self.answers[0][0] <= self.cycle and self._now():
            self.offered_answer = True
            ctx.set(dut.m_axi_bresp, 2 * self.answers[0][1])
        ctx.set(dut.m_axi_bvalid, self.offered_answer)

    def _channel(self, ctx, name, fields):
        """The values of a channel where they are taken now; what waits must stay."""
        dut = self.dut
        if not ctx.get(getattr(dut, f"m_axi_{name}valid")):
            assert name not in self.waiting, f"{name}valid must stay until {name}ready"
            return None
        values = [ctx.get(getattr(dut, f"m_axi_{name}{field}")) for field in fields]
        assert self.waiting.get(name, values) == values, f"{name} must not change before {name}ready"
        if not self.ready[name]:
            self.waiting[name] = values
            return None
        self.waiting.pop(name, None)
        return values

    def _burst(self, values):
        address, extra = values
        assert address % self.width == 0, "addresses must be those of whole beats"
        last = address + (extra + 1) * self.width - 1
        assert address // PAGE == last // PAGE, "no burst must leave its page"
        assert last < len(self.bytes), "no burst must leave the memory"
        return [address + k * self.width for k in range(extra + 1)]

    def look(self, ctx, cycle):
        dut = self.dut
        self.cycle += 1
        if self.offered_read and ctx.get(dut.m_axi_rready):
            self.reads.popleft()
            self.read_beats += 1
            self.offered_read = False
        if self.offered_answer and ctx.get(dut.m_axi_bready):
            self.answers.popleft()
            self.offered_answer = False
        burst = self._channel(ctx, "ar", ("addr", "len"))
        if burst is not None:
            beats = self._burst(burst)
            self.reads += [(self.cycle - 1 + self.latency, each, each == beats[-1]) for each in beats]
        burst = self._channel(ctx, "aw", ("addr", "len"))
        if burst is not None:
            beats = self._burst(burst)
            self.writes += [(each, each == beats[-1]) for each in beats]
        beat = self._channel(ctx, "w", ("data", "strb", "last"))
        if beat is not None:
            self.early.append(beat)
        while self.early and self.writes:
            (address, ends), (data, strobes, last) = self.writes.popleft(), self.early.popleft()
            assert ends == last, "wlast must be up with the last beat of a burst"
            self.write_beats += 1
            for place, byte in enumerate(data.to_bytes(self.width, "little")):
                if strobes >> place & 1:
                    self.bytes[address + place] = byte
            if last:
                self.answers.append((self.cycle - 1 + self.latency, address in self.failing))
