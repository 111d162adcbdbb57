"""A network that is small enough for many images on a board in little time, and simple hardware for it."""

from dataclasses import dataclass

import numpy as np
from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from fewbit.formats import parse
from fewbit.formats.network import Answer, Image, NetworkShape, Parameter, Product, Program, View, Window

INT8 = parse("int8")


def linear_program(
    height: int = 2, width: int = 3, channels: int = 2, answers: int = 3, seed: int = 1, name: str = "linear"
) -> Program:
    """A linear layer over all of an image, whose bytes are the codes: int8 by int8, a product a cycle."""
    chance = np.random.default_rng(seed)
    terms = height * width * channels
    shape = NetworkShape(INT8, INT8, INT8, columns=1, lanes=1, terms=terms)
    view = View(0, height, width, channels, channels)
    weights = chance.integers(0, 256, answers * terms, dtype=np.uint8)
    biases = chance.integers(-1000, 1000, answers)
    return Program(
        name,
        shape,
        (Product("linear", view, Window(height, width), answers, 1, 1, 0, words=channels),),
        weights.tobytes(),
        tuple(Parameter(int(bias), 0, 0) for bias in biases),
        Image(height, width, channels, view, None),
        Answer(1, 1, answers, tuple(float(np.float32(0.1 + place)) for place in range(answers))),
        view.end,
        1,
    )


def linear_answers(program: Program, images: np.ndarray) -> np.ndarray:
    """The sums of a ``linear_program``, by the product of two matrices."""
    answers = program.answer.channels
    weights = np.frombuffer(program.weights, dtype=np.int8).reshape(answers, -1).astype(np.int64)
    biases = np.array([parameter.bias for parameter in program.parameters])
    codes = images.view(np.int8).reshape(len(images), -1).astype(np.int64)
    return (codes @ weights.T + biases).reshape(len(images), 1, 1, answers)


class LinearNetwork(wiring.Component):
    """Hardware of a ``linear_program``, with the members of ``hdl.network.network.NetworkCore``.

    It takes the next image while it computes, if ``images`` is 2.
    """

    def __init__(self, program: Program, loads: bool, images: int):
        self.program, self.loads, self.images = program, loads, images
        answer = data.StructLayout({"data": signed(program.shape.sum.width), "last": unsigned(1)})
        weights = {"weights": In(stream.Signature(8)), "loaded": Out(1)} if loads else {}
        super().__init__(
            {
                "image": In(stream.Signature(8)),
                "answer": Out(stream.Signature(answer)),
                **weights,
                "busy": Out(1),
                "cycles": Out(32),
                "layer": Out(1),
            }
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        program, size, answers = self.program, self.program.image.size, self.program.answer.channels
        init = [] if self.loads else np.frombuffer(program.weights, dtype=np.int8).tolist()
        m.submodules.weights_memory = store = memory.Memory(shape=signed(8), depth=size * answers, init=init)
        m.submodules.image_memory = kept = memory.Memory(shape=signed(8), depth=size * self.images, init=[])
        loaded = self._load(m, store.write_port()) if self.loads else 1
        biases = [parameter.bias for parameter in program.parameters]
        m.submodules.biases = bias_store = memory.Memory(shape=signed(16), depth=answers, init=biases)
        weight, code, bias = store.read_port(), kept.read_port(), bias_store.read_port()
        write = kept.write_port()
        written, came, begun = Signal(range(size * self.images)), Signal(range(size)), Signal(range(self.images + 1))
        begin, end = Signal(), Signal()
        place, term, answer = Signal(range(size * self.images)), Signal(range(size + 1)), Signal(range(answers))
        sums, counted = Signal(signed(program.shape.sum.width)), Signal(32)
        m.d.comb += [
            self.image.ready.eq(begun != self.images),
            write.addr.eq(written),
            write.data.eq(self.image.payload),
            write.en.eq(self.image.valid & self.image.ready),
            weight.addr.eq(answer * size + term),
            code.addr.eq(place + term),
            bias.addr.eq(answer),
            begin.eq(write.en & (came == size - 1)),
            self.answer.payload.data.eq(sums),
            self.answer.payload.last.eq(answer == answers - 1),
        ]
        with m.If(write.en):
            m.d.sync += [written.eq(written + 1), came.eq(came + 1)]
            with m.If(written == size * self.images - 1):
                m.d.sync += written.eq(0)
            with m.If(begin):
                m.d.sync += came.eq(0)
        m.d.sync += begun.eq(begun + begin - end)
        with m.If(self.busy):
            m.d.sync += counted.eq(counted + 1)
        with m.FSM():
            with m.State("IDLE"), m.If((begun != 0) & loaded):
                m.d.sync += [self.busy.eq(1), counted.eq(1), term.eq(0)]
                m.next = "READ"
            with m.State("READ"):
                m.next = "ADD"
            with m.State("ADD"):
                m.d.sync += [sums.eq(Mux(term == 0, bias.data, sums) + weight.data * code.data), term.eq(term + 1)]
                m.next = "READ"
                with m.If(term == size - 1):
                    m.next = "GIVE"
            with m.State("GIVE"):
                m.d.comb += self.answer.valid.eq(1)
                with m.If(self.answer.ready):
                    m.d.sync += [term.eq(0), answer.eq(answer + 1)]
                    m.next = "READ"
                    with m.If(self.answer.payload.last):
                        m.d.comb += end.eq(1)
                        m.d.sync += [self.busy.eq(0), self.cycles.eq(counted), answer.eq(0)]
                        m.d.sync += place.eq(0 if self.images == 1 else size - place)
                        m.next = "IDLE"
        return m

    def _load(self, m: Module, write) -> Signal:
        loaded = Signal(reset_less=True)
        place = Signal.like(write.addr)
        m.d.comb += [
            self.weights.ready.eq(1),
            self.loaded.eq(loaded),
            write.addr.eq(place),
            write.data.eq(self.weights.payload),
            write.en.eq(self.weights.valid),
        ]
        with m.If(self.weights.valid):
            m.d.sync += place.eq(place + 1)
            with m.If(place == len(self.program.weights) - 1):
                m.d.sync += [place.eq(0), loaded.eq(1)]
        return loaded


@dataclass(frozen=True)
class LinearHardware:
    """See ``NetworkHardware``."""

    program: Program
    loads: bool = False
    images: int = 2

    @property
    def generic(self) -> "LinearHardware":
        return self

    def core(self) -> LinearNetwork:
        return LinearNetwork(self.program, self.loads, self.images)
