"""An accelerator made for one program: images go in, the last record's sums come out."""

from functools import cached_property

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats import Engine, Requantization
from ...formats.network import NetworkTiming, Pool, Product, Program
from ..engine.output_stationary import OutputStationary
from ..engine.output_stationary import latency as array_latency
from ..products.product_term import Build
from .between_reader import BetweenReader
from .bounds import Bounds
from .by_record import Chooser
from .drain import Drain, drain_stages
from .drain_schedule import DrainSchedule, is_serial
from .image_loader import ImageLoader
from .parameters import ParameterTable
from .plan import Plan
from .scale import Scale
from .tap_issue import TapIssue
from .tensor_memory import PORTS, TensorMemory
from .weight_store import InitializedWeights, LoadedWeights

__all__ = ["WEIGHT_STORES", "Network"]

WEIGHT_STORES = ("initialized", "loaded")
"""Where weights lie: in a memory as wide as their words that holds them from the beginning; or in one of ``piece`` bits
that is written over a stream once, from which the words of a tile are brought to a panel before they are used."""

BYTE = 8
CYCLE_BITS = 32


class Network(wiring.Component):
    """Images in, answers out, exactly as ``Program`` tells, one record after the other.

    An image is begun with as soon as it is complete and the one before is answered. The next one is taken from when no
    record needs the one at hand any more, if it is ``resident``, else from when that is answered.

    Parameters
    ----------
    program: what is run; the hardware has its records, parameters and tables, and its weights if they are initialized
    build: how products are built; changes the cost, never a bit. It has 1 to 3 register stages
    weight_store: one of ``WEIGHT_STORES``
    ports: of the memories of tensors and of loaded weights, one of ``PORTS``
    piece: bits of a word of the memory of loaded weights, a multiple of 8
    dsp_elements: how many of the array's elements leave their products to the device's multipliers

    Members
    -------
    image: In(stream of bytes), in the order of rows, pixels, channels
    answer: Out(stream): ``data``, a sum; ``last``, whether it is the image's last one. They come in the order of tiles,
        rows of pixels, groups of pixels, pixels, channels
    weights: In(stream of bytes), only if they are loaded: the words of ``Program.words``, each padded to whole bytes
    loaded: Out(1), only then: all of them are there; nothing is begun with before. A reset does not take it back
    busy: Out(1), an image is computed
    cycles: Out(32), of the last image that was answered: from the first one with ``busy`` to that in which the last sum
        was taken
    layer: Out, the number of the record at hand
    """

    def __init__(
        self,
        program: Program,
        build: Build,
        *,
        weight_store: str = "initialized",
        ports: str = "dual",
        piece: int = 32,
        dsp_elements: int = 0,
    ):
        if weight_store not in WEIGHT_STORES:
            raise ValueError(f"weight_store must be one of {', '.join(WEIGHT_STORES)}, not {weight_store!r}")
        if ports not in PORTS:
            raise ValueError(f"ports must be one of {', '.join(PORTS)}, not {ports!r}")
        shape = program.shape
        if ports != "dual" and (shape.rows > 1 or shape.columns % shape.lanes):
            raise ValueError(
                f"ports must be dual unless an array has one row and columns that are whole words of {shape.lanes} "
                f"channels, not {shape.rows} rows and {shape.columns} columns"
            )
        if piece % BYTE or piece < BYTE:
            raise ValueError(f"piece must be a multiple of 8, not {piece!r}")
        self.program = program
        self.build = build
        self.weight_store = weight_store
        self.ports = ports
        self.piece = piece
        self.dsp_elements = dsp_elements
        self.plan = Plan(program, panel=weight_store == "loaded")
        self.bounds = Bounds(program)
        self.engine = Engine(
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
        members: dict = {
            "image": In(stream.Signature(BYTE)),
            "answer": Out(stream.Signature(data.StructLayout({"data": signed(shape.sum.width), "last": 1}))),
        }
        if weight_store == "loaded":
            members |= {"weights": In(stream.Signature(BYTE)), "loaded": Out(1)}
        super().__init__(
            members | {"busy": Out(1), "cycles": Out(CYCLE_BITS), "layer": Out(range(max(2, len(program.records))))}
        )

    @property
    def single_port(self) -> bool:
        return self.ports != "dual"

    @cached_property
    def timing(self) -> NetworkTiming:
        """What its cycles depend on besides the program."""
        array = array_latency(self.engine, self.build)
        stages = drain_stages(Scale(self.bounds, ParameterTable(self.plan).scales), array, self.single_port)
        pieces = -(-self.program.shape.weight_word // self.piece) if self.weight_store == "loaded" else 0
        return NetworkTiming(array, stages.codes + 1, stages.last, pieces, self.single_port)

    def elaborate(self, platform) -> Module:
        m = Module()
        program, plan, shape = self.program, self.plan, self.program.shape
        record = Signal.like(self.layer)
        m.d.comb += self.layer.eq(record)
        choose = Chooser(m, record, len(program.records))

        parts = shape.lanes // shape.outputs if plan.tile_beats % (shape.lanes // shape.outputs) else 1
        m.submodules.activations = activations = TensorMemory(
            shape.activation_word, program.activation_words, self.ports, shape.rows, parts
        )
        m.submodules.between = between = TensorMemory(shape.between_word, program.between_words, self.ports)
        weights: InitializedWeights | LoadedWeights
        if self.weight_store == "loaded":
            weights = LoadedWeights(plan, self.ports, self.piece)
            wiring.connect(m, wiring.flipped(self.weights), weights.weights)
            m.d.comb += self.loaded.eq(weights.loaded)
        else:
            weights = InitializedWeights(plan)
        m.submodules.weights = weights

        source_bits = max(activations.address_bits, between.address_bits)
        m.submodules.taps = taps = TapIssue(plan, source_bits, weights.address_bits)
        m.submodules.array = array = OutputStationary(self.engine, self.build, self.dsp_elements)
        form = self.engine.accumulator
        m.submodules.schedule = schedule = DrainSchedule(plan, self.single_port)
        m.submodules.drain = drain = Drain(
            plan,
            array.latency,
            Shape(form.width, form.signed),
            (activations.address_bits, between.address_bits),
            self.single_port,
        )
        m.submodules.reader = reader = BetweenReader(plan, self.bounds.residuals, self.bounds.pools, 1 + array.latency)
        m.submodules.loader = loader = ImageLoader(program, (activations.address_bits, between.address_bits))
        wiring.connect(m, wiring.flipped(self.image), loader.image)
        wiring.connect(m, drain.answer, wiring.flipped(self.answer))

        is_pool = Signal()
        m.d.comb += is_pool.eq(choose.choose("is_pool", [isinstance(each, Pool) for each in program.records]))
        clear, load, restart = self._sequence(m, record, taps, schedule, drain, loader, weights)
        for part in (taps, schedule, drain, reader):
            m.d.comb += part.record.eq(record)
        m.d.comb += [
            taps.clear.eq(clear),
            taps.load.eq(load),
            schedule.clear.eq(clear),
            drain.clear.eq(clear),
            drain.restart.eq(restart),
        ]

        # Taps: they wait for the memory that they read, and the last one of sums for those before to be drained.
        serial = choose.choose("serial", [is_serial(each, self.single_port) for each in program.records])
        held_up = Signal()
        m.d.comb += held_up.eq(taps.last & ~Mux(serial, drain.empty, schedule.free))
        stolen = Signal()
        m.d.comb += stolen.eq(is_pool & drain.read)
        if self.single_port:
            m.d.comb += stolen.eq(Mux(is_pool, drain.read | drain.between_write, drain.activation_write))
        m.d.comb += taps.blocked.eq(held_up | stolen)

        product, pool = Signal(), Signal()
        m.d.comb += [product.eq(taps.issue & ~is_pool), pool.eq(taps.issue & is_pool)]
        m.d.comb += [
            activations.read.eq(product),
            weights.read.eq(product),
            weights.address.eq(taps.weights),
            between.read.eq(pool | drain.read),
            between.address[0].eq(Mux(drain.read, drain.read_address, taps.address[0])),
            *(activations.address[row].eq(taps.address[row]) for row in range(shape.rows)),
        ]
        self._feed(m, choose, taps, array, activations, weights, product)
        follow = {name: Signal(name=f"between_{name}") for name in ("is_residual", "is_tap", "first", "inside")}
        m.d.sync += [
            follow["is_residual"].eq(drain.read),
            follow["is_tap"].eq(pool),
            follow["first"].eq(taps.first),
            follow["inside"].eq(taps.inside[0]),
        ]
        m.d.comb += [
            reader.word.eq(between.data[0]),
            *(getattr(reader, name).eq(flag) for name, flag in follow.items()),
        ]

        m.d.comb += [
            schedule.advance.eq(drain.advance),
            schedule.start.eq(taps.issue & taps.last),
            schedule.ends_group.eq(taps.ends_group),
            schedule.ends_tile.eq(taps.ends_tile),
            schedule.last_tile.eq(taps.last_tile),
            drain.valid.eq(schedule.valid),
            drain.beat.eq(schedule.o),
            *(drain.sums[place].eq(each.accumulator) for place, each in enumerate(_all(array.sums))),
            *(drain.pools[place].eq(reader.pool[place]) for place in range(shape.outputs)),
            *(drain.residuals[place].eq(reader.residual[place]) for place in range(shape.outputs)),
        ]
        reads = {"activation": product, "between": pool | drain.read}
        for name, memory in (("activation", activations), ("between", between)):
            self._write(m, name, memory, drain, loader, reads[name])
        return m

    def _feed(self, m: Module, choose: Chooser, taps, array, activations, weights, product: Signal) -> None:
        """Bring the words that were read to the array; padding reads a code of its own."""
        shape, records = self.program.shape, self.program.records
        follow = {name: Signal(name=f"{name}_read") for name in ("valid", "first", "last")}
        inside = Signal(shape.rows)
        m.d.sync += [
            follow["valid"].eq(product),
            follow["first"].eq(taps.first),
            follow["last"].eq(taps.last),
            inside.eq(taps.inside),
        ]
        m.d.comb += [getattr(array, name).eq(signal) for name, signal in follow.items()]
        pad = choose.choose("pad", [each.pad if isinstance(each, Product) else 0 for each in records])
        padding = Cat(*[Cat(pad, Const(0, shape.activation.width))[: shape.activation.width]] * shape.lanes)
        words = [Mux(inside[row], activations.data[row], padding) for row in range(shape.rows)]
        m.d.comb += [
            array.activation.eq(Cat(*words)),
            array.weight.eq(weights.word),
            array.keep.eq((1 << shape.lanes) - 1),
        ]

    def _write(self, m: Module, name: str, memory: TensorMemory, drain: Drain, loader: ImageLoader, read) -> None:
        """Write results; and words of an image whenever the memory has nothing else to do."""
        result = getattr(drain, f"{name}_write")
        wanted, granted = getattr(loader, f"{name}_wanted"), getattr(loader, f"{name}_granted")
        m.d.comb += [
            granted.eq(wanted & ~result & ~(read if self.single_port else Const(0, 1))),
            memory.write.eq(result | granted),
            memory.write_address.eq(
                Mux(result, getattr(drain, f"{name}_write_address"), getattr(loader, f"{name}_address"))
            ),
            memory.write_data.eq(Mux(result, getattr(drain, f"{name}_write_data"), getattr(loader, f"{name}_data"))),
        ]
        if memory.parts > 1:
            m.d.comb += memory.enables.eq(getattr(drain, f"{name}_enables") | (~result).replicate(memory.parts))

    def _sequence(self, m: Module, record: Signal, taps, schedule, drain, loader, weights):
        """Run the records. The results are up in the first and the second cycle of one, and in the first of all."""
        image, count = self.program.image, len(self.program.records)
        clear, load, restart = Signal(name="clear"), Signal(name="load"), Signal(name="restart")
        begin = Signal()
        answered = Signal()
        passed = Signal()
        elapsed = Signal(CYCLE_BITS)
        loaded = weights.loaded if isinstance(weights, LoadedWeights) else Const(1, 1)
        m.d.comb += [
            answered.eq(self.answer.valid & self.answer.ready & self.answer.payload.last),
            loader.taken.eq(restart),
            restart.eq(clear & (record == 0)),
        ]
        if isinstance(weights, LoadedWeights):
            m.d.comb += [weights.record.eq(record), weights.clear.eq(clear), weights.restart.eq(restart)]
        m.d.comb += loader.open.eq(~self.busy | (passed if image.resident else 0))
        with m.If(self.busy):
            m.d.sync += elapsed.eq(elapsed + 1)
        with m.If(answered):
            m.d.sync += self.cycles.eq(elapsed)
        with m.FSM():
            with m.State("idle"):
                m.d.sync += [record.eq(0), passed.eq(0), elapsed.eq(1)]
                with m.If(loader.complete & loaded):
                    m.d.sync += self.busy.eq(1)
                    m.next = "clear"
            with m.State("clear"):
                m.d.comb += clear.eq(1)
                m.next = "load"
            with m.State("load"):
                m.d.comb += load.eq(1)
                m.next = "tile"
            with m.State("tile"):
                if isinstance(weights, LoadedWeights):
                    is_pool = Chooser(m, record, count).choose(
                        "tile_is_pool", [isinstance(each, Pool) for each in self.program.records]
                    )
                    with m.If(is_pool):
                        m.d.comb += begin.eq(1)
                        m.next = "run"
                    with m.Else():
                        m.d.comb += weights.fill.eq(1)
                        m.next = "fill"
                else:
                    m.d.comb += begin.eq(1)
                    m.next = "run"
            if isinstance(weights, LoadedWeights):
                with m.State("fill"), m.If(~weights.filling & ~weights.fill):
                    m.d.comb += begin.eq(1)
                    m.next = "run"
            with m.State("run"), m.If(taps.idle):
                m.next = "finish"
                if self.plan.panel:
                    with m.If(taps.more):
                        m.next = "tile"
            with m.State("finish"), m.If(drain.empty):
                with m.If(record == image.free_after):
                    m.d.sync += passed.eq(1)
                with m.If(record == count - 1):
                    m.d.sync += self.busy.eq(0)
                    m.next = "idle"
                with m.Else():
                    m.d.sync += record.eq(record + 1)
                    m.next = "clear"
        m.d.comb += taps.go.eq(begin)
        return clear, load, restart


def _all(sums):
    return [each for row in sums for each in row]
