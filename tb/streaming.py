"""A unit with streams, cycle by cycle: what is offered, what is taken, and that what comes out is right and in time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, RisingEdge

from .axi_stream import StreamRules
from .job import record

__all__ = ["NEVER", "RATES", "Beat", "StreamBench", "Times"]

Beat = tuple[int, int]
"""Data and ``tlast``."""

NEVER = (0.0,)
RATES = (0.0, 0.2, 0.5, 0.9)
"""Shares of stalled cycles, which take turns."""

_TURN = 48
_OUTPUT = "m_axis"


@dataclass
class Times:
    """The cycles in which the beats of each stream were taken, and the cycles that it all took."""

    taken: dict[str, list[int]] = field(default_factory=dict)
    cycles: int = 0


class StreamBench:
    """A design with the streams that ``inputs`` names and ``m_axis``.

    Inputs change at the rising edge, and all is looked at at the falling one, where it stands as the next rising edge
    takes it.
    """

    def __init__(self, dut: Any, inputs: Sequence[str], generator: np.random.Generator):
        self.dut = dut
        self.inputs = [*inputs]
        self.generator = generator
        self.rules = StreamRules(dut, _OUTPUT, framed=False)

    async def start(self) -> None:
        Clock(self.dut.clk, 10, unit="ns").start()
        for name in self.inputs:
            self._offer(name, None)
        self.dut.m_axis_tready.value = 0
        await self.reset(2)

    async def reset(self, cycles: int) -> None:
        """Up for so many cycles, whatever is on the streams; nothing is offered from then on."""
        self.dut.rst.value = 1
        for cycle in range(cycles):
            await RisingEdge(self.dut.clk)
            if cycle == cycles - 1:
                self.dut.rst.value = 0
                for name in self.inputs:
                    self._offer(name, None)
            await FallingEdge(self.dut.clk)
            found = str(self.dut.m_axis_tvalid.value)
            assert found == "0", f"m_axis_tvalid must be 0 after a reset, not {found}"
        self.rules.forget()

    def _offer(self, name: str, beat: Beat | None) -> None:
        """Put a beat on an input, or none, and anything on its data then."""
        valid, data, last = (getattr(self.dut, f"{name}_{signal}") for signal in ("tvalid", "tdata", "tlast"))
        valid.value = int(beat is not None)
        if beat is None:
            noise = int.from_bytes(self.generator.bytes(len(data) // 8), "little")
            data.value, last.value = noise, noise & 1
        else:
            data.value, last.value = beat

    async def run(
        self,
        offered: Mapping[str, Sequence[Beat]],
        expected: Sequence[Beat],
        *,
        rates: Sequence[float] = RATES,
        cycles: int | None = None,
    ) -> Times:
        """Offer these beats, and compare every beat of the output, until all have come, or for so many cycles.

        Parameters
        ----------
        rates: shares of cycles in which a stream stalls, chosen anew for each now and then
        """
        names = [*self.inputs, _OUTPUT]
        times = Times({name: [] for name in names})
        rows = {name: [*offered[name]] for name in self.inputs}
        place = dict.fromkeys(self.inputs, 0)
        standing = dict.fromkeys(self.inputs, False)
        ready = {name: getattr(self.dut, f"{name}_tready") for name in self.inputs}
        data, last = self.dut.m_axis_tdata, self.dut.m_axis_tlast
        accept = self.dut.m_axis_tready
        quiet = rates == NEVER
        got = silent = turn = 0
        while got < len(expected) if cycles is None else times.cycles < cycles:
            if times.cycles % _TURN == 0:
                turn = 0
                go = {name: self.generator.random(_TURN) >= self.generator.choice(rates) for name in names}
            await RisingEdge(self.dut.clk)
            for name in self.inputs:
                if standing[name]:
                    continue
                if place[name] < len(rows[name]) and go[name][turn]:
                    standing[name] = True
                    self._offer(name, rows[name][place[name]])
                elif not quiet or times.cycles < 2 or place[name] == len(rows[name]):
                    self._offer(name, None)
            accept.value = int(go[_OUTPUT][turn])
            await FallingEdge(self.dut.clk)
            for name in self.inputs:
                if standing[name] and str(ready[name].value) == "1":
                    standing[name] = False
                    place[name] += 1
                    times.taken[name].append(times.cycles)
            silent += 1
            if self.rules.cycle():
                found = str(data.value), str(last.value)
                assert got < len(expected), f"m_axis must give {len(expected)} beats, and no more"
                wanted = f"{expected[got][0]:0{len(data)}b}", str(expected[got][1])
                assert found == wanted, self._difference(got, found, wanted)
                got += 1
                silent = 0
                times.taken[_OUTPUT].append(times.cycles)
            assert silent < 2000, f"m_axis must go on after {got} beats of {len(expected)}"
            turn += 1
            times.cycles += 1
        record(cycles=times.cycles)
        return times

    @staticmethod
    def _difference(place: int, found: tuple[str, str], wanted: tuple[str, str]) -> str:
        numbers = [f"{int(data, 2):#x}" if set(data) <= {"0", "1"} else data for data, _ in (wanted, found)]
        must, has = (f"{number} with tlast {last}" for number, (_, last) in zip(numbers, (wanted, found), strict=True))
        return f"beat {place} of m_axis must be {must}, not {has}"

    async def rest(self, cycles: int) -> None:
        """Nothing more may come."""
        self.dut.m_axis_tready.value = 1
        for _ in range(cycles):
            await FallingEdge(self.dut.clk)
            assert str(self.dut.m_axis_tvalid.value) == "0", "m_axis_tvalid must stay 0 where nothing is under way"
