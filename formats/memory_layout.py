"""The matrices of an engine with a DMA, as they are in memory and as they are moved: tiles of rows."""

from dataclasses import dataclass

from .dma import Dma, stored_bits
from .engine import Engine

__all__ = ["MemoryOperand", "check_memory", "memory_buffers", "memory_operands", "memory_output"]


@dataclass(frozen=True)
class MemoryOperand:
    """A matrix in memory, and the tiles that it is read in: some of its rows, and a burst of each.

    Parameters
    ----------
    name: of the stream that it becomes
    code_bits, stored_bits: of a code, and of its place in memory
    rows_over, columns_over: the sizes, of m, n and k, that its rows and columns go through; no rows for a vector
    row_step, column_step: how far in that size a row or a column goes: more than 1 for scales of blocks
    banks: rows that have codes in a word of the stream
    codes: columns that have, of each of those rows
    tile_rows, tile_codes: rows and columns of a tile, at most
    fill: a tile's rows are filled up to a multiple of it, with anything
    repeats: whether it is read again for every panel of A
    """

    name: str
    code_bits: int
    stored_bits: int
    rows_over: str | None
    columns_over: str
    row_step: int
    column_step: int
    banks: int
    codes: int
    tile_rows: int
    tile_codes: int
    fill: int
    repeats: bool

    @property
    def segment_bits(self) -> int:
        """Of a row, what a word takes."""
        return self.codes * self.stored_bits

    @property
    def word_bits(self) -> int:
        """Of a word of the stream."""
        return self.banks * self.codes * self.code_bits

    def beats(self, dma: Dma) -> int:
        """Of a row of a tile, at most."""
        return self.tile_codes * self.stored_bits // dma.memory_bits


def memory_operands(engine: Engine) -> dict[str, MemoryOperand]:
    """The matrices that an engine with a DMA reads, by their streams, in the order in which their tiles are read.

    Those of A come once a panel, all others once a tile of columns. What comes with a column is a vector of records of
    a power of two of bytes.
    """
    dma = engine.dma
    assert dma is not None
    still = engine.output_stationary
    a_bits = stored_bits(engine.activation.width, dma.packing)
    w_bits = stored_bits(engine.weight.width, dma.packing)
    columns = dma.burst_bits // w_bits
    groups = -(-engine.max_k // engine.k_step) * engine.k_step
    found = {
        "a": MemoryOperand(
            *("a", engine.activation.width, a_bits, "m", "k", 1, 1),
            banks=engine.rows if still else 1,
            codes=engine.k_step,
            tile_rows=engine.rows if still else engine.tile_m,
            tile_codes=dma.burst_bits // a_bits,
            fill=1,
            repeats=False,
        )
    }
    if engine.blocks is not None:
        blocks, size = -(-engine.max_k // engine.blocks.size), engine.blocks.size
        a_scale, w_scale = engine.blocks.activation_scale.width, engine.blocks.weight_bits(engine.weight)
        a_scale_bits, w_scale_bits = stored_bits(a_scale, dma.packing), stored_bits(w_scale, dma.packing)
        found["a_scales"] = MemoryOperand(
            *("a_scales", a_scale, a_scale_bits, "m", "k", 1, size),
            banks=engine.rows,
            codes=1,
            tile_rows=engine.rows,
            tile_codes=dma.burst_bits // a_scale_bits,
            fill=1,
            repeats=False,
        )
    if engine.channel_fields:
        width = sum(engine.channel_fields.values())
        found["p"] = MemoryOperand(
            *("p", width, stored_bits(width, "bytes"), None, "n", 1, 1),
            banks=1,
            codes=1,
            tile_rows=1,
            tile_codes=columns,
            fill=1,
            repeats=True,
        )
    found["w"] = MemoryOperand(
        *("w", engine.weight.width, w_bits, "k", "n", 1, 1),
        banks=engine.lanes,
        codes=engine.columns,
        tile_rows=groups,
        tile_codes=columns,
        fill=1 if still else engine.k_step,
        repeats=True,
    )
    if engine.blocks is not None:
        found["w_scales"] = MemoryOperand(
            *("w_scales", w_scale, w_scale_bits, "k", "n", size, 1),
            banks=1,
            codes=engine.columns,
            tile_rows=blocks,
            tile_codes=columns,
            fill=1,
            repeats=True,
        )
    return found


def memory_output(engine: Engine) -> MemoryOperand:
    """C in memory: a tile has the rows of a panel of A."""
    dma = engine.dma
    assert dma is not None
    width = engine.requantization.output.width
    stored = stored_bits(width, dma.packing)
    return MemoryOperand(
        *("c", width, stored, "m", "n", 1, 1),
        banks=1,
        codes=engine.columns,
        tile_rows=engine.tile_m,
        tile_codes=dma.burst_bits // stored,
        fill=1,
        repeats=False,
    )


def memory_buffers(engine: Engine) -> dict[str, tuple[int, int, int]]:
    """Bits of a word, words, and ports that read, of the DMA's buffers of two tiles; none without a DMA."""
    dma = engine.dma
    if dma is None:
        return {}
    found = {}
    for name, operand in {**memory_operands(engine), "c": memory_output(engine)}.items():
        unit = max(dma.memory_bits, operand.segment_bits)
        units = operand.tile_codes * operand.stored_bits // unit
        rows = -(-operand.tile_rows // operand.banks)
        words = 2 << (rows - 1).bit_length() + (units - 1).bit_length()
        found[f"dma_{name}"] = unit * operand.banks, words, 1
    return found


def check_memory(engine: Engine) -> None:
    """Raise ValueError where an engine cannot have its DMA."""
    dma = engine.dma
    if dma is None:
        return
    for name in ("columns", "lanes", *(() if engine.output_stationary else ("rows",))):
        value = getattr(engine, name)
        if value & (value - 1):
            raise ValueError(f"{name} must be a power of two with a dma, not {value}")
    output = memory_output(engine)
    if output.segment_bits < 8:
        raise ValueError(f"columns must have a byte of outputs with a dma, not {output.segment_bits} bits")
    for operand in (*memory_operands(engine).values(), output):
        tile_bits = operand.tile_codes * operand.stored_bits
        least = max(operand.segment_bits, dma.memory_bits)
        if operand.tile_codes < operand.codes or tile_bits < least:
            burst = dma.burst
            while operand.tile_codes * burst // dma.burst * operand.stored_bits < least:
                burst *= 2
            raise ValueError(f"burst must be at least {burst} beats for words of {operand.name}, not {dma.burst}")
