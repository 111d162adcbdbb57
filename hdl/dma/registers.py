"""The registers that say where matrices are in memory."""

from dataclasses import asdict
from typing import Any

from amaranth.hdl import Module

from ...formats import Engine, memory_operands, memory_output
from ..bus.registers import WORD_BITS, Field, Register, RegisterBlock
from .matmul_dma import descriptor_fields
from .memory_matmul import MemoryMatmul

__all__ = ["DMA_ADDRESS_BITS", "DMA_ERRORS", "connect_descriptors", "describe_dma", "descriptor_registers"]

DMA_ADDRESS_BITS = 8

FIRST = 0x40
"""Offset of the first descriptor."""

APART = 0x10
"""From a descriptor to the next."""

_MATRICES = {
    "a": "A",
    "w": "W",
    "c": "C",
    "p": "the records of the columns",
    "a_scales": "the scales of A",
    "w_scales": "the scales of W",
}
"""In the order of their descriptors, each at its place whichever of them an engine has."""

DMA_ERRORS = {
    "alignment": "start was not obeyed: an address or a stride was no multiple of a beat",
    "read": "memory answered a read with an error",
    "write": "memory answered a write with an error",
}
"""Bits of status that only an engine with a DMA has, by the rest of their names after ``error_``."""


def descriptor_registers(engine: Engine) -> tuple[Register, ...]:
    """The registers of the DMA: what it is, and for each matrix an address and a stride."""
    dma = engine.dma
    assert dma is not None
    registers = [
        Register(
            "memory",
            0x3C,
            meaning="how the DMA was made",
            fields=(
                Field("memory_beat", 0, 8, "ro", meaning="bytes of a beat"),
                Field("memory_burst", 8, 9, "ro", meaning="beats of a row at a time"),
                Field("memory_address", 24, 7, "ro", meaning="bits of an address"),
            ),
        )
    ]
    fields = descriptor_fields(engine)
    for place, (name, meaning) in enumerate(_MATRICES.items()):
        offset = FIRST + APART * place
        if f"{name}_address" in fields:
            bits = fields[f"{name}_address"]
            about = f"byte address of {meaning}, a multiple of {dma.beat_bytes}"
            registers.append(Register(f"{name}_address", offset, width=min(bits, WORD_BITS), meaning=about))
            if bits > WORD_BITS:
                rest = f"the bits of {name}_address above {WORD_BITS}"
                registers.append(Register(f"{name}_address_high", offset + 4, width=bits - WORD_BITS, meaning=rest))
        if f"{name}_stride" in fields:
            about = f"bytes from a row of {meaning} to the next, a multiple of {dma.beat_bytes}, in two's complement"
            registers.append(Register(f"{name}_stride", offset + 8, meaning=about))
    return tuple(registers)


def connect_descriptors(m: Module, matmul: MemoryMatmul, block: RegisterBlock) -> None:
    """Give the values of the registers to a ``MemoryMatmul``, and its events to the status."""
    dma = matmul.dma
    for name, bits in matmul.descriptors.items():
        value = getattr(matmul, name)
        m.d.comb += value[:WORD_BITS].eq(getattr(block, name))
        if bits > WORD_BITS:
            m.d.comb += value[WORD_BITS:].eq(getattr(block, f"{name}_high"))
    m.d.comb += [
        block.error_alignment.eq(matmul.refused_alignment),
        block.error_read.eq(matmul.read_failed),
        block.error_write.eq(matmul.write_failed),
        block.memory_beat.eq(dma.beat_bytes),
        block.memory_burst.eq(dma.burst),
        block.memory_address.eq(dma.address_bits),
    ]


def describe_dma(engine: Engine) -> dict[str, Any]:
    """The DMA, and how each matrix is in memory: bits of a code and of its place, and the tiles that it is moved in."""
    dma = engine.dma
    assert dma is not None
    operands = {**memory_operands(engine), "c": memory_output(engine)}
    return {
        **asdict(dma),
        "matrices": [
            {
                "name": name,
                "meaning": meaning,
                "code_bits": operands[name].code_bits,
                "stored_bits": operands[name].stored_bits,
                "tile_rows": operands[name].tile_rows,
                "tile_columns": operands[name].tile_codes,
                "has_stride": operands[name].rows_over is not None,
            }
            for name, meaning in _MATRICES.items()
            if name in operands
        ],
    }
