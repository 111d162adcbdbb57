"""A program in numbers of its hardware: how often each loop runs, and how far addresses go with each of their steps."""

from dataclasses import dataclass
from functools import cached_property

from ...formats.network import Pool, Product, Program, Record, View

__all__ = ["LEVELS", "NEXT_STEP", "PIXEL", "START", "TILE", "NetworkPlan", "Step"]

LEVELS = 6
"""Loops of a record, the innermost first: words, kx, ky, groups of pixels, rows of pixels, tiles. A pool has kx, ky and
beats innermost."""

TILE = 5
NEXT_STEP = 6
START = 7
"""Where addresses begin; beside the levels, whose number a step of addresses goes by. ``NEXT_STEP`` is a step of tiles
after which other words are read."""

PIXEL = 3


@dataclass(frozen=True)
class Step:
    """How far the source's address, the tap's place and the weights' address go."""

    address: int = 0
    y: int = 0
    x: int = 0
    weights: int = 0

    def __add__(self, other: "Step") -> "Step":
        return Step(self.address + other.address, self.y + other.y, self.x + other.x, self.weights + other.weights)

    def times(self, count: int) -> "Step":
        return Step(self.address * count, self.y * count, self.x * count, self.weights * count)


@dataclass(frozen=True)
class NetworkPlan:
    """A program's records, as counters and addresses need them.

    Parameters
    ----------
    program: what is planned
    panel: whether a tile's weights are brought to a memory of their own, so that their addresses begin anew
    """

    program: Program
    panel: bool

    @cached_property
    def tile_beats(self) -> int:
        """Beats of a tile of columns."""
        return self.program.shape.columns // self.program.shape.outputs

    def tiles(self, record: Record) -> int:
        return -(-record.channels // self.program.shape.columns)

    def beats(self, record: Record, last_tile: bool) -> int:
        """Beats of a pixel in a tile."""
        shape = self.program.shape
        if not last_tile:
            return self.tile_beats
        return -(-(record.channels - shape.columns * (self.tiles(record) - 1)) // shape.outputs)

    def rows(self, record: Record) -> int:
        """Pixels of a group."""
        return self.program.shape.rows if isinstance(record, Product) else 1

    def groups(self, record: Record) -> int:
        """Groups of a row of pixels."""
        return -(-record.width // self.rows(record))

    def last_rows(self, record: Record) -> int:
        """Pixels of the last group of a row."""
        return record.width - self.rows(record) * (self.groups(record) - 1)

    def counts(self, record: Record, last_tile: bool) -> tuple[int, ...]:
        """How often each loop runs."""
        window = record.window
        outer = (self.groups(record), record.height, self.tiles(record))
        if isinstance(record, Product):
            return (record.words, window.kernel_x, window.kernel_y, *outer)
        return (window.kernel_x, window.kernel_y, self.beats(record, last_tile), *outer)

    def start(self, record: Record) -> Step:
        """Where the first tap of all lies."""
        window, source = record.window, record.source
        address = source.base - (window.pad_y * source.width + window.pad_x) * source.pitch
        weights = record.weights if isinstance(record, Product) and not self.panel else 0
        return Step(address, -window.pad_y, -window.pad_x, weights)

    def step(self, record: Record, last_tile: bool, level: int) -> Step:
        """From the last tap of all loops inside of a level to the first tap after a step of it."""
        steps = self._steps(record)
        found = steps[min(level, TILE)]
        if level == NEXT_STEP and isinstance(record, Product):
            found += Step(record.tile_step)
        counts = self.counts(record, last_tile)
        for inner in range(min(level, TILE)):
            found += steps[inner].times(1 - counts[inner])
        return found

    def _steps(self, record: Record) -> tuple[Step, ...]:
        """How far a step of each loop goes, those inside standing still."""
        window, pitch = record.window, record.source.pitch
        line = record.source.width * pitch
        kx = Step(window.dilation_x * pitch, 0, window.dilation_x)
        ky = Step(window.dilation_y * line, window.dilation_y, 0)
        stride = self.rows(record) * window.stride_x
        outer = (Step(stride * pitch, 0, stride), Step(window.stride_y * line, window.stride_y, 0))
        if isinstance(record, Pool):
            return (kx, ky, Step(1), *outer, Step(self.tile_beats))
        assert isinstance(record, Product)
        words = record.words
        kx += Step(weights=words)
        ky += Step(weights=words * window.kernel_x)
        return (Step(1, weights=1), kx, ky, *outer, Step(weights=0 if self.panel else record.terms))

    def written_step(
        self, record: Record, view: View, beats_a_word: int, phase: int, last_tile: bool, ends: str
    ) -> int:
        """How far the address of a written word goes to the next one.

        Parameters
        ----------
        beats_a_word: of the memory
        phase: beats of the first word that belong to the tile before
        ends: ``word``, ``pixel``, or ``tile``: what ends with the word at hand
        """
        if ends == "word":
            return 1
        beats = self.beats(record, last_tile)
        inside = (phase + beats - 1) // beats_a_word
        if ends == "pixel":
            return view.pitch - inside
        return (phase + beats) // beats_a_word - inside - (record.pixels - 1) * view.pitch
