"""How an accelerator is made for a program: its memories, its array, and how long things take in it."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ...formats import Engine, Requantization
from ...formats.network import NetworkTiming, Product, Program
from ..engine.output_stationary import latency as array_latency
from ..products.build import Build
from .bounds import Bounds
from .drain import drain_stages
from .parameters import ParameterTable
from .plan import NetworkPlan
from .scale import Scale
from .tensor_memory import PORTS

__all__ = ["WEIGHT_STORES", "MemorySize", "NetworkBuild", "usual_memories"]

WEIGHT_STORES = ("initialized", "loaded")
"""Where weights lie: in a memory as wide as their words that holds them from the beginning; or in one of ``piece`` bits
that is written over a stream once, from which the words of a tile are brought to a panel before they are used."""

BYTE = 8


def usual_memories(program: Program, large: bool) -> tuple[str, str]:
    """Where weights lie and what ports memories have, unless said otherwise: ``weight_store`` and ``ports``.

    ``large``: whether the device has large memories. They hold tensors and weights then, and weights are loaded.
    """
    return "loaded" if large and program.weights else "initialized", "spram" if large else "dual"


class MemorySize(NamedTuple):
    """Of a memory of an accelerator.

    Members
    -------
    bits: of a word
    words: that there are
    copies: of the whole memory, since so many words are read in a cycle
    large: whether it is made of the device's large memories, not of its block RAM
    """

    bits: int
    words: int
    copies: int = 1
    large: bool = False


@dataclass(frozen=True)
class NetworkBuild:
    """All that ``NetworkCore`` is made by.

    Parameters
    ----------
    program: what is run; the hardware has its records, parameters and tables, and its weights if they are initialized
    build: how products are built; changes the cost, never a bit. It has 1 to 3 register stages
    weight_store: one of ``WEIGHT_STORES``
    ports: of the memories of tensors and of loaded weights, one of ``PORTS``
    piece: bits of a word of the memory of loaded weights, a multiple of 8
    dsp_elements: how many of the array's elements leave their products to the device's multipliers
    """

    program: Program
    build: Build
    weight_store: str = "initialized"
    ports: str = "dual"
    piece: int = 32
    dsp_elements: int = 0

    def __post_init__(self) -> None:
        for name, known in (("weight_store", WEIGHT_STORES), ("ports", PORTS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")
        shape = self.program.shape
        if self.single_port and (shape.rows > 1 or shape.columns % shape.lanes):
            name, wanted, why = "rows", "1", "every row reads a word of its own in a cycle"
            if shape.rows == 1:
                name, wanted, why = "columns", f"a multiple of the {shape.lanes} lanes", "whole words are written"
            raise ValueError(
                f"{name} must be {wanted} where memories of tensors have a single port, as large memories have: {why}; "
                f"not {getattr(shape, name)}"
            )
        if self.piece % BYTE or self.piece < BYTE:
            raise ValueError(f"piece must be a multiple of 8, not {self.piece!r}")

    @property
    def loaded(self) -> bool:
        """Whether weights come over a stream."""
        return self.weight_store == "loaded"

    @property
    def single_port(self) -> bool:
        """Whether a memory of tensors reads or writes in a cycle."""
        return self.ports != "dual"

    @cached_property
    def plan(self) -> NetworkPlan:
        return NetworkPlan(self.program, panel=self.loaded)

    @cached_property
    def bounds(self) -> Bounds:
        return Bounds(self.program)

    @cached_property
    def engine(self) -> Engine:
        """The shape of the array, whose sums are no longer than those of the program."""
        shape = self.program.shape
        return Engine(
            shape.weight,
            shape.activation,
            Requantization(shape.activation),
            rows=shape.rows,
            columns=shape.columns,
            lanes=shape.lanes,
            tile_m=shape.rows,
            max_k=self.bounds.terms,
            outputs=shape.outputs,
            element=shape.element,
        )

    @cached_property
    def timing(self) -> NetworkTiming:
        """What its cycles depend on besides the program."""
        array = array_latency(self.engine, self.build)
        stages = drain_stages(Scale(self.bounds, ParameterTable(self.plan).scales), array, self.single_port)
        pieces = -(-self.program.shape.weight_word // self.piece) if self.loaded else 0
        return NetworkTiming(array, stages.codes + 1, stages.last, pieces, self.single_port)

    @cached_property
    def memories(self) -> dict[str, MemorySize]:
        """All that becomes memories, but for addresses' distances, a few words each."""
        program, shape = self.program, self.program.shape
        large = self.ports == "spram"
        table = ParameterTable(self.plan)
        found = {
            "activations": MemorySize(shape.activation_word, program.activation_words, shape.rows, large),
            "between": MemorySize(shape.between_word, program.between_words, 1, large),
            "parameters": MemorySize(table.layout.size, table.tiles << table.beat_bits),
        }
        if self.loaded:
            terms = [record.terms for record in program.records if isinstance(record, Product)]
            found["weights"] = MemorySize(self.piece, program.weight_words * self.timing.pieces, 1, large)
            found["panel"] = MemorySize(shape.weight_word, max(terms, default=1))
        else:
            found["weights"] = MemorySize(shape.weight_word, program.weight_words)
        if program.tables:
            width = max(shape.activation.width, shape.between.width)
            found["tables"] = MemorySize(width, len(program.tables) << shape.between.width, shape.outputs)
        for name in ("activation", "between"):
            codes = getattr(program.image, f"{name}_codes")
            if codes:
                found[f"{name}_codes"] = MemorySize(getattr(shape, name).width, len(codes))
        return found
