"""The records of a program are run, one after the other, as soon as there is an image."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from ...formats.network import Pool
from .by_record import Chooser
from .plan import NetworkPlan

__all__ = ["CYCLE_BITS", "Sequencer"]

CYCLE_BITS = 32


class Sequencer(wiring.Component):
    """It begins with an image, and with each record when everything of the one before is written.

    A record begins with a cycle of ``clear`` and one of ``load``. Then its tiles are issued: at once, or each when its
    weights were brought to the panel.

    Parameters
    ----------
    plan: the program in numbers

    Members
    -------
    complete, loaded: In(1), there is an image, there are all weights
    filling: In(1), weights are brought to the panel
    idle, more: In(1), of ``TapIssue``
    empty: In(1), nothing is on its way out
    answered: In(1), the last sum is taken in this cycle
    record: Out, the number of the record at hand
    restart: Out(1), up in the first cycle of an image
    clear, load: Out(1), up in the first and the second cycle of a record
    fill: Out(1), the next tile's weights are to be brought to the panel
    go: Out(1), the next tile may be issued
    open: Out(1), the next image may be written
    busy: Out(1), an image is computed
    cycles: Out, of the last image that was answered
    """

    def __init__(self, plan: NetworkPlan):
        self.plan = plan
        inputs = ("complete", "loaded", "filling", "idle", "more", "empty", "answered")
        super().__init__(
            {
                **{name: In(1) for name in inputs},
                "record": Out(range(max(2, len(plan.program.records)))),
                **{name: Out(1) for name in ("restart", "clear", "load", "fill", "go", "open", "busy")},
                "cycles": Out(CYCLE_BITS),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        image, records = self.plan.program.image, self.plan.program.records
        choose = Chooser(m, self.record, len(records))
        is_pool = choose.choose("is_pool", [isinstance(record, Pool) for record in records])
        passed = Signal()
        elapsed = Signal(CYCLE_BITS)
        m.d.comb += [
            self.restart.eq(self.clear & (self.record == 0)),
            self.open.eq(~self.busy | (passed if image.resident else 0)),
        ]
        with m.If(self.busy):
            m.d.sync += elapsed.eq(elapsed + 1)
        with m.If(self.answered):
            m.d.sync += self.cycles.eq(elapsed)
        with m.FSM():
            with m.State("wait"):
                m.d.sync += [self.record.eq(0), passed.eq(0), elapsed.eq(1)]
                with m.If(self.complete & self.loaded):
                    m.d.sync += self.busy.eq(1)
                    m.next = "clear"
            with m.State("clear"):
                m.d.comb += self.clear.eq(1)
                m.next = "load"
            with m.State("load"):
                m.d.comb += self.load.eq(1)
                m.next = "tile"
            with m.State("tile"):
                m.d.comb += self.go.eq(1)
                m.next = "run"
                if self.plan.panel:
                    with m.If(~is_pool):
                        m.d.comb += [self.go.eq(0), self.fill.eq(1)]
                        m.next = "fill"
            if self.plan.panel:
                with m.State("fill"), m.If(~self.filling):
                    m.d.comb += self.go.eq(1)
                    m.next = "run"
            with m.State("run"), m.If(self.idle):
                m.next = "finish"
                if self.plan.panel:
                    with m.If(self.more):
                        m.next = "tile"
            with m.State("finish"), m.If(self.empty):
                with m.If(self.record == image.free_after):
                    m.d.sync += passed.eq(1)
                m.d.sync += self.record.eq(self.record + 1)
                m.next = "clear"
                with m.If(self.record == len(records) - 1):
                    m.d.sync += self.busy.eq(0)
                    m.next = "wait"
        return m
