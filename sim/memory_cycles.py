"""How long a matmul engine with a DMA takes from memory to memory, to the cycle."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from ..formats import Engine, MemoryOperand, memory_operands, memory_output
from .cycles import Cycles, check_cycle_sizes
from .memory import place_matrices
from .timed_parts import START, Loader, Outputs
from .timeline import Timeline

__all__ = ["memory_beats", "memory_cycles"]

PAGE, MAX_BEATS = 4096, 256


def memory_cycles(
    engine: Engine,
    m: int,
    k: int,
    n: int,
    latencies: Mapping[str, int],
    *,
    descriptors: Mapping[str, int] | None = None,
    read_latency: int = 2,
    write_latency: int = 1,
) -> Cycles:
    """The cycles of ``C[m, n] = A[m, k] @ W[k, n]`` from memory to memory, where the memory never stalls.

    That is: every address and every beat is taken at once, bursts are answered in order, and a beat comes in every
    cycle as long as any is asked for. The register ``cycles`` counts up to the last answer of a write. To the cycle it
    is the recurrence of ``engine_cycles``, in which words come when their tile has been read: bursts are read one after
    another in the order of tiles, a tile when the place of the one before the last is free.

    Parameters
    ----------
    m, k, n, latencies: as of ``engine_cycles``
    descriptors: where the matrices are, as ``sim.lay_out`` says; one after another from address 0 unless given
    read_latency: cycles from an address to its first beat, 2 or more
    write_latency: cycles from the last beat of a burst to its answer, 1 or more

    Raises ValueError for sizes that the engine refuses, latencies that are too short, or an engine without a DMA.
    """
    if engine.dma is None:
        raise ValueError("engine must have a dma")
    for name, value, least in (("read_latency", read_latency, 2), ("write_latency", write_latency, 1)):
        if value < least:
            raise ValueError(f"{name} must be {least} or more, not {value!r}")
    m, k, n = check_cycle_sizes(engine, m, k, n, latencies)
    if descriptors is None:
        descriptors, _ = place_matrices(engine, m, k, n)
    timeline = _MemoryTimeline(engine, (m, k, n), latencies, descriptors, read_latency, write_latency)
    timeline.product(m, n)
    first, last, end = timeline.array.first, timeline.array.issued, timeline.memory_outputs.answered + 1
    return Cycles(first - 1, last + 1 - first, end - last, m * k * n, engine.products, engine.arithmetic.interval)


def memory_beats(engine: Engine, m: int, k: int, n: int) -> dict[str, int]:
    """The beats that a product moves, ``read`` and ``write``: no product takes fewer cycles than either."""
    dma = engine.dma
    assert dma is not None
    sizes = {"m": m, "k": k, "n": n}
    panels = -(-m // engine.tile_m)
    found = {"read": 0, "write": 0}
    for operand in (*memory_operands(engine).values(), memory_output(engine)):
        rows, columns = _rows(operand, sizes), -(-sizes[operand.columns_over] // operand.column_step)
        beats = sum(_row_beats(operand, dma.memory_bits, width) for width in _steps(columns, operand.tile_codes))
        found["write" if operand.name == "c" else "read"] += rows * beats * (panels if operand.repeats else 1)
    return found


def _rows(operand: MemoryOperand, sizes: Mapping[str, int]) -> int:
    return 1 if operand.rows_over is None else -(-sizes[operand.rows_over] // operand.row_step)


def _row_beats(operand: MemoryOperand, memory_bits: int, codes: int) -> int:
    return -(-codes * operand.stored_bits // memory_bits)


def _steps(size: int, step: int) -> Iterator[int]:
    """A size in steps, the last of which takes what is left."""
    for start in range(0, size, step):
        yield min(step, size - start)


@dataclass(frozen=True)
class _Tile:
    """Words of a stream, and where their rows are in memory.

    Parameters
    ----------
    words: of the stream
    address, stride: of the first row, and from one to the next
    rows, beats: how many rows, and of each the beats
    """

    words: int
    address: int
    stride: int
    rows: int
    beats: int


class _Bursts:
    """Bursts of one direction: asked for one after another, of which so many may be under way, and their beats.

    Parameters
    ----------
    engine: whose DMA it is
    beats_of: takes the cycle in which a burst is asked for, that from which its beats can go, and how many those are,
        and gives back the cycle of the last one
    """

    def __init__(self, engine: Engine, beats_of: Callable[[int, int, int], int]):
        dma = engine.dma
        assert dma is not None
        self.dma = dma
        self.beats_of = beats_of
        self.moved = self.asked = self.last = 0
        # When the bursts under way left the queue behind their addresses.
        self.noted: list[int] = []

    def tile(self, tile: _Tile, time: int) -> int:
        """Ask for all rows of a tile from ``time`` on: one by one, until every row takes as long as the one before.

        The result is for how many cycles the others were taken at once.
        """
        alike, before = 0, (0, 0, 0)
        size = tile.beats * self.dma.beat_bytes
        is_whole = size & (size - 1) == 0 and not (tile.address % size or tile.stride % size)
        for row in range(tile.rows):
            steps = self.moved, self.asked, self.last
            self._row(tile.address + row * tile.stride, tile.beats, time)
            now = self.moved - steps[0], self.asked - steps[1], self.last - steps[2]
            alike = alike + 1 if now == before and len({*now}) == 1 else 0
            before = now
            if is_whole and alike > self.dma.outstanding:
                return self._skip((tile.rows - 1 - row) * now[0])
        return 0

    def _skip(self, cycles: int) -> int:
        self.moved += cycles
        self.asked += cycles
        self.last += cycles
        self.noted = [time + cycles for time in self.noted]
        return cycles

    def _row(self, address: int, beats: int, time: int) -> None:
        """Ask for a row from ``time`` on."""
        most = min(PAGE // self.dma.beat_bytes, MAX_BEATS)
        while beats:
            place = address // self.dma.beat_bytes % most
            here = min(beats, most - place)
            self.moved = max(self.moved + 1, self.asked, time)
            room = self.noted[-(self.dma.outstanding - 1)] + 1 if len(self.noted) >= self.dma.outstanding - 1 else 0
            self.asked = max(self.moved + 1, room)
            noted = max(self.asked + 1, self.last)
            self.noted = [*self.noted[-self.dma.outstanding :], noted]
            self.last = self.beats_of(self.asked, noted + 1, here)
            address += here * self.dma.beat_bytes
            beats -= here


class _MemoryLoader(Loader):
    """A stream whose words come from the tiles of a matrix.

    Parameters
    ----------
    tiles: in the order in which they are read
    channel: what reads them
    """

    def __init__(self, tiles: Iterator[_Tile], channel: _Bursts):
        super().__init__(1)
        self.tiles = tiles
        self.channel = channel
        self.left = 0
        self.full = self.accepted = 0
        # From when the halves are free, the next one to be filled first.
        self.halves = [START, START]

    def load(self, words: int) -> int:
        while words:
            if not self.left:
                tile = next(self.tiles)
                self.left = tile.words
                self.channel.tile(tile, self.halves[0])
                self.full = self.channel.last + 1
            count = min(words, self.left)
            read = max(self.accepted, self.full)
            first = max(self.free, read + 1)
            self.accepted = first + count - 1
            self.free = self.accepted + 1
            words -= count
            self.left -= count
            if not self.left:
                # The last word leaves its place when the one before it is taken.
                self.halves = [self.halves[1], (self.accepted - 1 if count > 1 else read) + 1]
        return self.free


class _MemoryOutputs(Outputs):
    """Words of C go into tiles, which are written when they are complete.

    Parameters
    ----------
    tiles: in the order in which they are written
    """

    def __init__(
        self,
        engine: Engine,
        latencies: Mapping[str, int],
        tiles: Iterator[_Tile],
        write_latency: int,
    ):
        super().__init__(engine, latencies)
        self.tiles = tiles
        self.write_latency = write_latency
        self.tile = next(tiles)
        self.missing = self.tile.words
        self.halves = [START, START]
        self.channel = _Bursts(engine, self._write)
        # From when the tile at hand can be read; when its last beat left its place; the last answer.
        self.full = self.left_at = self.answered = 0

    def take(self, time: int, words: int, ends: bool) -> None:
        self._take(max(time, self.rest), ends)
        first = self.taken
        for _ in range(words - 1):
            self._take(self.read, ends)
        if self.blocks is not None:
            self.rest = 0 if ends else self.blocks.after(first + 1, self.block_distance + 1)

    def _send(self, arrived: int) -> int:
        sent = max(super()._send(arrived), self.halves[0])
        self.missing -= 1
        if not self.missing:
            self.full = sent + 2
            skipped = self.channel.tile(self.tile, self.full)
            self.halves = [self.halves[1], self.left_at + skipped + 1]
            self.answered = self.channel.last + self.write_latency
            self.tile = next(self.tiles, self.tile)
            self.missing = self.tile.words
        return sent

    def _write(self, asked: int, ready: int, beats: int) -> int:
        """Write the beats of a burst. The last of a tile leaves its place after its row was asked for."""
        read = max(self.channel.last, self.full)
        last = max(read + 1, ready) + beats - 1
        self.left_at = last - 1 if beats > 1 else max(read, self.channel.moved + 1)
        return last


class _MemoryTimeline(Timeline):
    """The recurrence, with loaders and outputs that are connected to memory.

    Members
    -------
    memory_outputs: the outputs
    """

    def __init__(
        self,
        engine: Engine,
        sizes: tuple[int, int, int],
        latencies: Mapping[str, int],
        descriptors: Mapping[str, int],
        read_latency: int,
        write_latency: int,
    ):
        m, k, n = sizes
        super().__init__(engine, k, latencies, engine.arithmetic.interval)
        self.sizes = {"m": m, "k": k, "n": n}
        self.descriptors = descriptors
        reading = _Bursts(engine, self._read)
        self.read_latency, self.reading = read_latency, reading
        self.loaders = {
            name: _MemoryLoader(self._tiles(operand), reading) for name, operand in memory_operands(engine).items()
        }
        self.outputs = self.memory_outputs = _MemoryOutputs(
            engine, latencies, self._tiles(memory_output(engine)), write_latency
        )

    def _read(self, asked: int, ready: int, beats: int) -> int:
        return max(asked + self.read_latency, ready, self.reading.last + 1) + beats - 1

    def _repeat(self, times: int, step: Callable[[], object], *loaders: str) -> None:
        """Every step is taken: tiles and pages make them different."""
        for _ in range(times):
            step()

    def _tiles(self, operand: MemoryOperand) -> Iterator[_Tile]:
        """The tiles of a matrix, in the order in which they are moved."""
        dma = self.engine.dma
        assert dma is not None
        base = self.descriptors[f"{operand.name}_address"]
        stride = self.descriptors.get(f"{operand.name}_stride", 0)
        columns = -(-self.sizes[operand.columns_over] // operand.column_step)
        panels = -(-self.sizes["m"] // self.engine.tile_m) if operand.repeats else 1
        for _ in range(panels):
            top = 0
            for rows in _steps(_rows(operand, self.sizes), operand.tile_rows):
                left = base + top * stride
                for width in _steps(columns, operand.tile_codes):
                    beats = _row_beats(operand, dma.memory_bits, width)
                    yield _Tile(self._words(operand, rows, width), left, stride, rows, beats)
                    left += operand.tile_codes * operand.stored_bits // 8
                top += rows

    def _words(self, operand: MemoryOperand, rows: int, width: int) -> int:
        """The words of the stream that a tile is."""
        if operand.name == "c":
            outputs = self.engine.outputs
            return rows * sum(-(-group // outputs) for group in _steps(width, operand.codes))
        step = operand.fill // operand.row_step if operand.fill > 1 else operand.banks
        return -(-width // operand.codes) * -(-rows // step) * (step // operand.banks)
