"""The matmul engine is used by frames."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring

from ...hdl import MatmulDesign
from ...hdl.bus.gearbox import Upsizer
from ..link.description import Description
from ..link.protocol import Event
from .frame_link import Computing, FrameLink, Parts

__all__ = ["EngineLink"]


class EngineLink(FrameLink):
    """Lets the matmul engine be used by frames, see ``FrameLink``. It is busy from the start of a PRODUCT to its last
    byte of C.

    Parameters
    ----------
    description: what the board says of itself
    design: a matmul of ``description.engine``
    """

    def __init__(self, description: Description, design: MatmulDesign):
        if design.engine != description.engine:
            raise ValueError(f"design must be a matmul of the description's engine, not of {design.engine!r}")
        self.design = design
        super().__init__(description)

    def _computing(self, m: Module, parts: Parts) -> Computing:
        engine, dispatcher, results = self.design.engine, parts.dispatcher, parts.results
        matmul = self.design.core()
        m.submodules.matmul = parts.fresh(matmul)
        for name, bits in matmul.inputs.items():
            words = Upsizer(bits, 8, shift=True)
            m.submodules[f"words_{name}"] = parts.fresh(words)
            wiring.connect(m, getattr(dispatcher, name), words.i)
            wiring.connect(m, words.o, getattr(matmul, name))
        start = dispatcher.start
        if self.design.chosen_build.short_paths:
            # Sizes appear with the dispatcher's start, and have to stand in the cycle before the engine's.
            start = Signal(name="late_start")
            m.d.sync += start.eq(dispatcher.start & ~parts.reset)
        statements = [
            matmul.start.eq(start),
            *(getattr(matmul, name).eq(getattr(dispatcher, name)) for name in ("m", "n", "k", *engine.tensor_fields)),
            results.start.eq(start & ~(matmul.refused_zero | matmul.refused_large)),
        ]
        events = {Event.ZERO_SIZE: matmul.refused_zero, Event.TOO_LARGE: matmul.refused_large}
        return Computing(matmul.c, engine.stream_bits["c"], events, results.at_hand, statements)
