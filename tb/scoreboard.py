"""A scoreboard of products: it watches an engine inside any design, and compares C with the golden model."""

from collections import deque
from collections.abc import Mapping
from typing import Any, NamedTuple

import cocotb
import numpy as np
from cocotb.triggers import Event, FallingEdge, First
from numpy.typing import ArrayLike

from ..sim import engine_matmul, unpack
from ..sim.streams import beats
from .axi_stream import StreamRules, from_beats
from .engine import read_engine
from .golden import Array

__all__ = ["ProductScoreboard"]


class _Expected(NamedTuple):
    codes: Array
    beats: int


class ProductScoreboard:
    """Watches ``m_axis_c`` of an engine and drives nothing: whatever feeds the engine, a DMA or a testbench, is free.

    In every cycle it checks that what is offered stays until it is taken and that ``tlast`` is where it belongs, and at
    the end of a product that C is the golden model's. An
    AssertionError ends ``done``, or the test where nothing waits for it.

    Parameters
    ----------
    engine: the handle of the engine in the simulated design, as ``dut.soc.matmul``
    description: what the JSON beside the engine's Verilog says

    Attributes
    ----------
    products: how many products were right so far
    watching: the task that watches, which ends by nothing but the AssertionError
    """

    def __init__(self, engine: Any, description: Mapping[str, Any]):
        self.products = 0
        self._handle, self._engine = engine, read_engine(description)
        self._rules = StreamRules(engine, "m_axis_c", framed=True)
        self._expected: deque[_Expected] = deque()
        self._beats = bytearray()
        self._given = 0
        self._idle = Event()
        self._idle.set()
        self.watching = cocotb.start_soon(self._watch())

    def expect(self, activation: ArrayLike, weight: ArrayLike, **operands: Any) -> None:
        """Expect one more product, after all that were announced before, and before its first beat comes.

        Parameters
        ----------
        activation, weight: codes of shapes (m, k) and (k, n)
        operands: scales, bias and zero point, as of ``sim.engine_matmul``
        """
        codes = engine_matmul(self._engine, activation, weight, earlier=self._given, **operands)
        words = beats(self._engine, *codes.shape)
        self._given += words
        count = words * self._engine.beats("c")
        self._expected.append(_Expected(codes, count))
        self._rules.expect(count)
        self._idle.clear()

    async def done(self) -> int:
        """Wait for all products that are expected. Returns how many were right since the start."""
        await First(self._idle.wait(), self.watching)
        return self.products

    async def _watch(self) -> None:
        edge, data = FallingEdge(self._handle.clk), self._handle.m_axis_c_tdata
        width = len(data) // 8
        while True:
            await edge
            if str(self._handle.rst.value) != "0":
                self._forget()
            elif self._rules.cycle():
                self._beats += int(data.value).to_bytes(width, "little")
                if len(self._beats) == self._expected[0].beats * width:
                    self._compare(np.frombuffer(bytes(self._beats), np.uint8).reshape(-1, width))

    def _compare(self, taken: Array) -> None:
        codes = self._expected[0].codes
        words = from_beats(taken, self._engine.stream_bits["c"], self._engine.bus("c"))
        found = unpack(self._engine, words, *codes.shape)
        wrong = np.argwhere(found != codes)
        if len(wrong):
            row, column = wrong[0]
            raise AssertionError(
                f"C of product {self.products} must be {codes[row, column]:#x} in row {row}, column {column}, not "
                f"{found[row, column]:#x}; {len(wrong)} of {codes.size} differ"
            )
        self._expected.popleft()
        self._beats.clear()
        self.products += 1
        if not self._expected:
            self._idle.set()

    def _forget(self) -> None:
        """A reset ends what is under way: products have to be announced anew."""
        self._rules.forget()
        self._expected.clear()
        self._beats.clear()
        self._given = 0
        self._idle.set()
