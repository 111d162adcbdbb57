"""Biased sums are scaled, a residual is added, and codes are rounded, clipped, or looked up in a table."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import memory

from ...formats import Format
from ...formats.network import Output
from .beats import Beats
from .bounds import Bounds
from .by_record import Chooser
from .clip import clip_code
from .rounder import Rounder, rounding_latency, rounding_shift

__all__ = ["Scale"]

KINDS = ("activation", "between")


@dataclass(frozen=True)
class Scale:
    """The way from biased sums to codes of both memories.

    Parameters
    ----------
    bounds: of the program
    scales: whether any multiplier is another than 1
    """

    bounds: Bounds
    scales: bool

    @cached_property
    def outputs(self) -> dict[tuple[int, int], Output]:
        """All that is written, by the record's number and whether it is for the memory between layers."""
        return {
            (place, second): output
            for place, record in enumerate(self.bounds.program.records)
            for second, output in enumerate((record.activation, record.between))
            if output is not None
        }

    @cached_property
    def _shifts(self) -> dict[str, list[int]]:
        """By the name of the format that is rounded to: a table is looked up by a code of the format between layers."""
        shifts: dict[str, list[int]] = {}
        for (_, second), output in self.outputs.items():
            shifts.setdefault(self._rounds_to(second, output), []).append(output.shift)
        return shifts

    def _rounder(self, name: str) -> Rounder:
        shape = self.bounds.program.shape
        return Rounder(self.bounds.scaled, getattr(shape, name), self._shifts[name], shape.zero_points)

    @cached_property
    def _rounding(self) -> int:
        """Cycles from a scaled sum to its code, be it for the one memory or the other."""
        shape, form = self.bounds.program.shape, self.bounds.scaled
        shifts = [rounding_shift(form, getattr(shape, name), found) for name, found in self._shifts.items()]
        return max(map(rounding_latency, shifts), default=0)

    @cached_property
    def latency(self) -> int:
        """Cycles from a biased sum to its code."""
        return 3 + self._rounding

    def _rounds_to(self, second: int, output: Output) -> str:
        return KINDS[1] if output.table is not None else KINDS[second]

    def build(
        self,
        m: Module,
        choose: Chooser,
        beats: Beats,
        stage: int,
        sums: list[Value],
        multipliers: list[Value],
        residuals: list[Value],
    ) -> dict[str, list[Value]]:
        """Put it into ``m``; the results are the codes for each memory, at stage ``stage + latency``.

        Parameters
        ----------
        stage: that of the beats at which the other operands stand
        """
        codes: dict[str, list[Value]] = {name: [] for name in KINDS}
        for place, operands in enumerate(zip(sums, multipliers, residuals, strict=True)):
            scaled = self._scaled(m, choose, beats, stage, place, *operands)
            for name, code in self._codes(m, choose, beats, stage, place, scaled).items():
                codes[name].append(code)
        return codes

    def _scaled(
        self, m: Module, choose: Chooser, beats: Beats, stage: int, place: int, total: Value, by: Value, residual: Value
    ) -> Signal:
        program = self.bounds.program
        form = self.bounds.scaled
        product = Signal(signed(form.width), name=f"product{place}", reset_less=True)
        scaled = Signal(signed(form.width), name=f"scaled{place}", reset_less=True)
        m.d.sync += product.eq(total * by if self.scales else total)
        if all(record.residual is None for record in program.records):
            m.d.sync += scaled.eq(product)
            return scaled
        factors = dict.fromkeys(self.outputs, 0)
        shifts = {}
        for where, output in self.outputs.items():
            if program.records[where[0]].residual is not None:
                factors[where] = output.multiplier
                shifts[where] = output.residual_shift
        second = beats.at(stage).second
        factor = choose.choose_by(f"factor{place}", factors, second)
        product_residual = Signal(signed(len(residual) + len(factor) + 1), name=f"added{place}", reset_less=True)
        m.d.sync += product_residual.eq(residual * factor)
        known = sorted(set(shifts.values()))
        which = choose.choose_by(
            f"residual_shift{place}",
            {where: known.index(shift) for where, shift in shifts.items()},
            beats.at(stage + 1).second,
        )
        added: Value = product_residual << known[0]
        for number, shift in enumerate(known[1:], 1):
            added = Mux(which == number, product_residual << shift, added)
        m.d.sync += scaled.eq(product + added)
        return scaled

    def _codes(
        self, m: Module, choose: Chooser, beats: Beats, stage: int, place: int, scaled: Signal
    ) -> dict[str, Value]:
        """The codes of a place of a beat for each memory."""
        shape = self.bounds.program.shape
        rounded: dict[str, Value] = {}
        for name in self._shifts:
            m.submodules[f"round_{name}{place}"] = rounder = self._rounder(name)
            mine = {
                where: output for where, output in self.outputs.items() if self._rounds_to(where[1], output) == name
            }
            second = beats.at(stage + 2).second
            allowed = {where: rounder.shift.allowed_at(-output.shift) for where, output in mine.items()}
            m.d.comb += [
                rounder.body.eq(scaled),
                rounder.allowed.eq(choose.choose_by(f"allowed_{name}{place}", allowed, second)),
            ]
            if shape.zero_points:
                points = {
                    where: output.zero_point & (1 << len(rounder.zero_point)) - 1 for where, output in mine.items()
                }
                m.d.comb += rounder.zero_point.eq(choose.choose_by(f"zero_point_{name}{place}", points, second))
            code: Value = rounder.code
            for late in range(self._rounding - rounder.latency):
                held = Signal(len(code), name=f"{name}{place}_late{late}", reset_less=True)
                m.d.sync += held.eq(code)
                code = held
            rounded[name] = code
        # At the next stage: clipped, or looked up.
        stage += 2 + self._rounding
        found = self._looked_up(m, choose, beats, stage, place, rounded.get("between"))
        codes = {}
        for second, name in enumerate(KINDS):
            mine = {where: output for where, output in self.outputs.items() if where[1] == second}
            plain = {where: output for where, output in mine.items() if output.table is None}
            if not mine:
                continue
            if plain:
                clipped = self._clipped(m, choose, place, name, getattr(shape, name), rounded[name], plain)
            if len(plain) < len(mine):
                table = {where: int(output.table is not None) for where, output in mine.items()}
                assert found is not None
                looked_up = found[: getattr(shape, name).width]
                by_table = choose.choose_by(f"{name}{place}_by_table", table, beats.at(stage + 1).second)
                codes[name] = Mux(by_table, looked_up, clipped) if plain else looked_up
            else:
                codes[name] = clipped
        return codes

    def _clipped(
        self,
        m: Module,
        choose: Chooser,
        place: int,
        name: str,
        format: Format,
        code: Value,
        outputs: Mapping[tuple[int, int], Output],
    ) -> Signal:
        """The code behind a register."""

        def chosen(what: str, values: list[int]) -> Value:
            # Each memory's codes are clipped by their own limits, so that the record says which.
            return choose.choose_by(
                f"{name}{place}_{what}",
                {(where[0], 0): value for where, value in zip(outputs, values, strict=True)},
                Cat(),
            )

        limits = [(output.low, output.high) for output in outputs.values()]
        clipped = Signal(format.width, name=f"{name}{place}_code", reset_less=True)
        m.d.sync += clipped.eq(clip_code(format, code, limits, chosen))
        return clipped

    def _looked_up(
        self, m: Module, choose: Chooser, beats: Beats, stage: int, place: int, code: Value | None
    ) -> Value | None:
        """The table's entry for a code of the format between layers, in the cycle after; None without tables."""
        program = self.bounds.program
        numbers = {where: output.table for where, output in self.outputs.items() if output.table is not None}
        if not numbers or code is None:
            return None
        shape = program.shape
        number = choose.choose_by(f"table{place}", numbers, beats.at(stage).second)
        width = max(shape.activation.width, shape.between.width)
        size = 1 << shape.between.width
        content = [entry for table in program.tables for entry in (*table, *[0] * (size - len(table)))]
        address = Cat(code, number)
        m.submodules[f"tables{place}"] = store = memory.Memory(shape=width, depth=1 << len(address), init=content)
        read = store.read_port()
        m.d.comb += [read.addr.eq(address), read.en.eq(1)]
        return read.data
