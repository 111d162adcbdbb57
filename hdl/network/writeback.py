"""Codes are gathered to words, and written where their tensor lies."""

from amaranth.hdl import Cat, Const, Module, Signal, Value

from ...formats.network import Record, View
from .beats import Beats
from .plan import NetworkPlan
from .walk import Walk

__all__ = ["ENDS", "START_KIND", "WriteBack", "make_walk", "walk_kind"]

ENDS = ("word", "pixel", "tile")
"""What ends with a word that is written or read: kinds of steps of its address."""

START_KIND = 3


def make_walk(
    plan: NetworkPlan, bits: int, beats_a_word: int, phases: int, views: list[tuple[Record, View] | None]
) -> Walk:
    """The addresses of a tensor of each record, in the order in which beats go through it.

    The kind of a step consists of what ends with the word, two bits; whether the tile is the last one; which of the
    ``phases`` it begins with; and the record's number.
    """
    distances = []
    for found in views:
        for phase in range(phases):
            for last_tile in (False, True):
                for ends in ENDS:
                    distances.append(
                        0 if found is None else plan.written_step(*found, beats_a_word, phase, last_tile, ends)
                    )
                distances.append(0 if found is None else found[1].base)
    return Walk(distances, bits)


def walk_kind(begin: Value, beat, phase: Value, record: Value) -> Value:
    """The kind of a step behind a beat; with ``begin`` the one to the first word."""
    ends = Cat((beat.ends_pixel & ~beat.ends_tile) | begin, beat.ends_tile | begin)
    return Cat(ends, beat.last_tile, phase, record)


class WriteBack:
    """The way of codes into the memory of activations, or into that between layers.

    Parameters
    ----------
    plan: the program in numbers
    second: whether it is the memory between layers
    address_bits: of the memory
    """

    def __init__(self, plan: NetworkPlan, second: bool, address_bits: int):
        shape = plan.program.shape
        self.plan = plan
        self.second = second
        self.format = shape.between if second else shape.activation
        self.beats_a_word = 1 if second else shape.lanes // shape.outputs
        self.address_bits = address_bits
        # The beats of a word that belong to the tile before: none unless tiles end within words.
        self.ragged = plan.tile_beats % self.beats_a_word != 0
        self.phases = self.beats_a_word if self.ragged else 1

    @property
    def latency(self) -> int:
        """Cycles from a code to the cycle in which its word is written, where it completes one."""
        return 1

    def build(
        self, m: Module, clear: Value, record: Value, beats: Beats, stage: int, codes: list[Value], name: str
    ) -> dict[str, Value]:
        """Put it into ``m``; the results are what a ``TensorMemory`` is written with.

        Parameters
        ----------
        clear: a record begins
        stage: that of the beats to which the codes belong
        """
        records = self.plan.program.records
        beat = beats.at(stage)
        mine = Signal(name=f"{name}_code")
        m.d.comb += mine.eq(beats.valid(stage) & beat.writes & (beat.second if self.second else ~beat.second))
        count = self.beats_a_word
        bits = self.format.width * len(codes)
        word = Signal(bits * count, name=f"{name}_word", reset_less=True)
        enables = Signal(count, name=f"{name}_enables")
        write = Signal(name=f"{name}_write")
        phase: Value = Const(0, 0)
        complete: Value = Const(1, 1)
        if count > 1:
            position = Signal(range(count), name=f"{name}_position")
            start = Signal(range(count), name=f"{name}_start")
            complete = (position == count - 1) | beat.ends_pixel
            with m.If(mine):
                m.d.sync += position.eq(position + 1)
                with m.If(beat.ends_pixel):
                    m.d.sync += position.eq(start)
                if self.ragged:
                    with m.If(beat.ends_tile):
                        m.d.sync += [start.eq(position + 1), position.eq(position + 1)]
            with m.If(clear):
                m.d.sync += [position.eq(0), start.eq(0)]
            if self.ragged:
                phase = start
            for place in range(count):
                with m.If(mine & (position == place)):
                    m.d.sync += word[bits * place : bits * (place + 1)].eq(Cat(*codes))
            if self.ragged:
                with m.If(write):
                    m.d.sync += enables.eq(0)
                with m.If(mine):
                    m.d.sync += enables.bit_select(position, 1).eq(1)
        else:
            m.d.sync += word.eq(Cat(*codes))
        m.d.sync += write.eq(mine & complete)
        found: list[tuple[Record, View] | None] = []
        for each in records:
            output = each.between if self.second else each.activation
            found.append(None if output is None else (each, output.view))
        m.submodules[f"{name}_walk"] = walk = make_walk(self.plan, self.address_bits, count, self.phases, found)
        m.d.comb += [
            walk.clear.eq(clear),
            walk.step.eq(clear | (mine & complete)),
            walk.kind.eq(walk_kind(clear, beat, phase, record)),
        ]
        return {"write": write, "enables": enables, "write_address": walk.address, "write_data": word}
