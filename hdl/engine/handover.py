"""What stands between the schedule of operands and the drain of finished sums."""

from amaranth.hdl import Module, Shape, Signal, Value

from ...formats import Engine
from .output_stationary import sum_layout
from .panel_loader import PanelLoader

__all__ = ["Handover"]


class Handover:
    """The sums that are to be drained next: the schedule notes what they are when it issues their last word.

    Members
    -------
    pending: sums are noted and not yet drained; the schedule issues no further last word until they are
    go: the array has finished them
    rows, columns: how many of the sums lie within C
    ends_columns: they are the last of their columns in this panel
    ends_product: they are the last of the product
    sums_half: the half of the array's memory that they are in, where weights are stationary
    take, row: the drain takes this row of sums
    stays: for a fast clock, whether it would take none even if there were any
    ends: for a fast clock, whether it takes the last of the sums
    shifts: whether rows of sums shift, and chunks of the row that was taken
    row_begins, row_ends: where they shift, whether the chunk to be taken is the row's first one, or its last one; the
        latter for a fast clock, too
    layout: of a sum
    word, row_sum: the row's sums, and the sum of its activations, the cycle after
    first_block, last_block: the sums are those of the first and the last block of k
    row_scales, column_scales: the scales of the block, of all rows and columns
    half: by the name of a loader, the half of its memory that is being read
    """

    def __init__(self, engine: Engine, shifts: bool = False):
        self.shifts = shifts
        self.layout = sum_layout(engine.accumulator, shifts)
        rows = engine.rows if engine.output_stationary else engine.tile_m
        self.pending = Signal(name="job_pending")
        self.go = Signal(name="job_go")
        self.take = Signal(name="job_take")
        self.stays = Signal(name="job_stays")
        self.ends = Signal(name="job_ends")
        self.row_begins = Signal(name="job_row_begins")
        self.row_ends = Signal(name="job_row_ends")
        self.rows = Signal(range(rows + 1), name="job_rows")
        self.row = Signal(range(rows + 1), name="job_row")
        self.columns = Signal(range(engine.columns + 1), name="job_columns")
        self.ends_columns = Signal(name="job_ends_columns")
        self.ends_product = Signal(name="job_ends_product")
        self.sums_half = Signal(name="job_sums_half")
        self.word = Signal(self.layout.size * engine.columns, name="sums_word", reset_less=True)
        if engine.sums_rows:
            self.row_sum = Signal(Shape(engine.row_sum.width, engine.row_sum.signed), name="row_sum", reset_less=True)
        self.half = {name: Signal(name=f"{name}_half") for name in ("a", "w", "a_scales", "w_scales", "p")}
        if engine.blocks is not None:
            self.first_block = Signal(name="job_first_block")
            self.last_block = Signal(name="job_last_block")
            bits = engine.stream_bits
            self.row_scales = Signal(bits["a_scales"], name="row_scales", reset_less=True)
            self.column_scales = Signal(bits["w_scales"], name="column_scales", reset_less=True)

    def read(self, m: Module, loader: PanelLoader, name: str, issue: Value) -> Signal:
        """Read a word of a loader whenever ``issue`` is up. The result is its offset, which the caller drives."""
        offset = Signal.like(loader.offset, name=f"{name}_offset")
        m.d.comb += [loader.enable.eq(issue), loader.which_half.eq(self.half[name]), loader.offset.eq(offset)]
        return offset

    def leave_half(self, m: Module, loader: PanelLoader, name: str) -> None:
        """Release the half of a loader that is read, by a statement in the context of the call."""
        m.d.comb += loader.release.eq(1 if loader.ahead else 1 << self.half[name])
