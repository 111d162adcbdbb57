"""A board's link in Amaranth's simulator, with a host beside it."""

from collections import deque

from amaranth.sim import Simulator
from fewbit.boards.gateware.frame_link import FrameLink
from fewbit.boards.gateware.top import BoardTop
from fewbit.boards.link.protocol import STORED_BYTES, Event, Frame, Kind, Parser, Status


class Host:
    """The other side of a link: sends frames with their sequence, heeds the room, and keeps what comes back.

    The board's sequence is checked to have no gap since the last STATUS that answers a RESET.
    """

    def __init__(self, buffer_bytes: int):
        self.buffer_bytes = buffer_bytes
        self.sequence = 0
        self.outgoing: deque[int] = deque()
        self.parser = Parser()
        self.frames: list[Frame] = []
        self.result = b""
        self.events = Event(0)
        self.status: Status | None = None
        self.unconsumed: deque[tuple[int, int]] = deque()

    def reset(self, sequence: int) -> None:
        self.outgoing += bytes(Frame(Kind.RESET, sequence))
        self.sequence = (sequence + 1) % 65536
        self.unconsumed.clear()

    def send(self, kind: int, payload: bytes = b"") -> None:
        self.outgoing += bytes(Frame(kind, self.sequence, payload))
        self.unconsumed.append((self.sequence, len(payload) + STORED_BYTES))
        self.sequence = (self.sequence + 1) % 65536

    def has_room(self, payload: bytes) -> bool:
        return sum(size for _, size in self.unconsumed) + len(payload) + STORED_BYTES <= self.buffer_bytes

    def receive(self, byte: int) -> None:
        for frame in self.parser.feed(bytes([byte])):
            self.frames.append(frame)
            if frame.kind == Kind.RESULT:
                assert len(frame.payload) >= 1
                self.result += frame.payload
            if frame.kind == Kind.STATUS:
                status = self.status = Status.parse(frame.payload)
                if status.events & Event.RESET:
                    assert frame.sequence == 0
                    self.events, self.result, self.frames = Event(0), b"", [frame]
                self.events |= status.events
                while self.unconsumed and (status.consumed - self.unconsumed[0][0] - 1) % 65536 < 32768:
                    self.unconsumed.popleft()
            if self.frames[0].sequence == 0:
                assert frame.sequence == len(self.frames) - 1


class LinkBench:
    """A link in the simulator with a host beside it; the test is a coroutine that waits for the host.

    By its pins, as bits of ``ratio`` cycles, or by the bytes of a ``FrameLink``, one every ``gap`` cycles.
    """

    def __init__(self, dut: BoardTop | FrameLink, ratio: int = 4, gap: int = 10):
        self.dut = dut
        self.description = dut.description
        self.host = Host(dut.description.buffer_bytes)
        self.pins = isinstance(dut, BoardTop)
        self.ratio = ratio
        self.gap = self.read_gap = gap
        self.is_over = False

    def run(self, test) -> None:
        async def run(ctx):
            try:
                await test(self, ctx)
            finally:
                self.is_over = True

        simulator = Simulator(self.dut)
        simulator.add_clock(1e-6)
        for testbench in (
            run,
            *((self.drive_pin, self.watch_pin) if self.pins else (self.drive_bytes, self.watch_bytes)),
        ):
            simulator.add_testbench(testbench)
        simulator.run()

    async def drive_pin(self, ctx) -> None:
        while not self.is_over:
            if not self.host.outgoing:
                await ctx.tick()
                continue
            byte = self.host.outgoing.popleft()
            for bit in (0, *(byte >> place & 1 for place in range(8)), 1):
                ctx.set(self.dut.rx, bit)
                await ctx.tick().repeat(self.ratio)

    async def watch_pin(self, ctx) -> None:
        while not self.is_over:
            await ctx.tick()
            if ctx.get(self.dut.tx):
                continue
            await ctx.tick().repeat(self.ratio + self.ratio // 2 - 1)
            byte = 0
            for place in range(8):
                byte |= ctx.get(self.dut.tx) << place
                await ctx.tick().repeat(self.ratio)
            assert ctx.get(self.dut.tx), "stop bit"
            self.host.receive(byte)

    async def drive_bytes(self, ctx) -> None:
        while not self.is_over:
            if not self.host.outgoing:
                await ctx.tick()
                continue
            ctx.set(self.dut.i.payload, self.host.outgoing.popleft())
            ctx.set(self.dut.i.valid, 1)
            await ctx.tick()
            ctx.set(self.dut.i.valid, 0)
            await ctx.tick().repeat(self.gap - 1)

    async def watch_bytes(self, ctx) -> None:
        ctx.set(self.dut.o.ready, 1)
        while not self.is_over:
            _, _, valid, payload = await ctx.tick().sample(self.dut.o.valid, self.dut.o.payload)
            if not valid:
                continue
            ctx.set(self.dut.o.ready, 0)
            self.host.receive(payload)
            await ctx.tick().repeat(self.read_gap - 1)
            ctx.set(self.dut.o.ready, 1)

    async def until(self, ctx, condition, most: int = 30_000) -> None:
        waited = 0
        while not condition():
            await ctx.tick().repeat(20)
            waited += 20
            assert waited < most, f"nothing more comes: {self.host.status}"

    def is_receiving(self, kind: Kind, bytes: int) -> bool:
        """Whether so many bytes of a frame of that kind came, and no last one."""
        held = self.host.parser._held
        return len(held) >= bytes and held[1] == kind

    async def quiet(self, ctx, bytes: int = 40) -> None:
        """Wait until nothing is sent, either way, for so many bytes' time."""
        each = 10 * self.ratio if self.pins else self.gap
        seen = -1
        while seen != len(self.host.frames):
            await self.until(ctx, lambda: not self.host.outgoing)
            seen = len(self.host.frames)
            await ctx.tick().repeat(bytes * each)

    async def reset(self, ctx, sequence: int, *either: Event) -> None:
        """Reset the board, and check that it reports one of these events, or RESET alone without any."""
        self.host.reset(sequence)
        self.host.status = None
        expected = self.host.sequence

        def answered() -> bool:
            status = self.host.status
            return status is not None and bool(status.events & Event.RESET) and status.expected == expected

        await self.until(ctx, answered)
        events, cycles = self.host.status.events, self.host.status.cycles
        assert self.host.status == Status(events, expected, expected, cycles)
        assert events in (either or [Event.RESET])
