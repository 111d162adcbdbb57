"""A network is used by frames: images go in, and answers come out."""

from typing import Protocol

from amaranth.hdl import Const, Module, Value
from amaranth.lib import wiring

from ...formats.network import Program
from ..link.description import Description
from ..link.network import BoardNetwork
from ..link.protocol import Event
from .frame_link import Computing, FrameLink, Parts
from .weight_load import WeightLoad

__all__ = ["NetworkHardware", "NetworkLink"]


class NetworkHardware(Protocol):
    """A network accelerator that was made for one program.

    Members
    -------
    program: the program
    loads: whether its weights have to be loaded
    generic: the same, cycle by cycle, in cells that any simulator knows
    core: makes the component, see ``hdl.network.network.NetworkCore`` for its members
    """

    @property
    def program(self) -> Program: ...

    @property
    def loads(self) -> bool: ...

    @property
    def generic(self) -> "NetworkHardware": ...

    def core(self) -> wiring.Component: ...


class NetworkLink(FrameLink):
    """Lets a network be used by frames, see ``FrameLink``. It is busy while an image is computed.

    An image may come while the one before is computed. What the network does not take yet waits in the receiver's
    buffer. If weights are loaded, no byte of an image reaches the network before all of them came and were checked;
    until then such bytes are dropped, and the event is UNLOADED.

    Parameters
    ----------
    description: what the board says of itself
    hardware: of the program that ``description.network`` says
    """

    STANDING = Event.UNLOADED
    COUNTS = False

    def __init__(self, description: Description, hardware: NetworkHardware):
        if BoardNetwork.of(hardware.program, hardware.loads) != description.network:
            raise ValueError(
                f"hardware must be of the description's program {description.network.digest[:12]}, "
                f"not {hardware.program.digest[:12]}"
            )
        self.hardware = hardware
        super().__init__(description)

    def _computing(self, m: Module, parts: Parts) -> Computing:
        dispatcher, shape = parts.dispatcher, self.hardware.program.shape
        network = self.hardware.core()
        m.submodules.network = parts.fresh(network)
        waits: Value = Const(0)
        loaded: Value = Const(1)
        refused: Value = Const(0)
        if self.hardware.loads:
            load = WeightLoad(self.hardware.program.packed_words())
            m.submodules.load = parts.fresh(load)
            wiring.connect(m, dispatcher.weights, load.i)
            wiring.connect(m, load.o, network.weights)
            waits, loaded, refused = load.judging, load.loaded, load.refused
        statements = [
            network.image.payload.eq(dispatcher.image.payload),
            network.image.valid.eq(dispatcher.image.valid & loaded),
            dispatcher.image.ready.eq((network.image.ready | ~loaded) & ~waits),
            parts.results.counted.eq(network.cycles),
        ]
        unloaded = ~loaded & ((dispatcher.image.valid & ~waits) | parts.reset) | refused
        return Computing(network.answer, shape.sum.width, {Event.UNLOADED: unloaded}, network.busy, statements)
