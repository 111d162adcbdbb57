"""An accelerator made for one program: images go in, the last record's sums come out."""

from dataclasses import dataclass, fields

from amaranth.hdl import Cat, Module, Mux, Shape, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from ...formats.network import Pool, Product
from ..engine.output_stationary import OutputStationary
from .between_reader import BetweenReader
from .by_record import Chooser
from .drain import Drain
from .drain_schedule import DrainSchedule, is_serial
from .image_loader import ImageLoader
from .network_build import NetworkBuild
from .sequencer import CYCLE_BITS, Sequencer
from .tap_issue import TapIssue
from .tensor_memory import TensorMemory
from .weight_store import InitializedWeights, LoadedWeights

__all__ = ["NetworkCore"]

BYTE = 8


@dataclass(frozen=True)
class _CoreParts:
    """What an accelerator is made of."""

    sequencer: Sequencer
    activations: TensorMemory
    between: TensorMemory
    weights: InitializedWeights | LoadedWeights
    taps: TapIssue
    array: OutputStationary
    schedule: DrainSchedule
    drain: Drain
    reader: BetweenReader
    loader: ImageLoader


class NetworkCore(wiring.Component):
    """Images in, answers out, exactly as ``Program`` tells, one record after the other.

    An image is begun with as soon as it is complete and the one before is answered. The next one is taken from when no
    record needs the one at hand any more, if it is ``resident``, else from when that is answered.

    Parameters
    ----------
    hardware: how it is made, and for which program

    Members
    -------
    image: In(stream of bytes), in the order of rows, pixels, channels
    answer: Out(stream): ``data``, a sum; ``last``, whether it is the image's last one. They come in the order of tiles,
        rows of pixels, groups of pixels, pixels, channels
    weights: In(stream of bytes), only if they are loaded: those of ``Program.packed_words``
    loaded: Out(1), only then: all of them are there; nothing is begun with before. A reset does not take it back
    busy: Out(1), an image is computed
    cycles: Out(32), of the last image that was answered: from the first one with ``busy`` to that in which the last sum
        was taken
    layer: Out, the number of the record at hand
    """

    def __init__(self, hardware: NetworkBuild):
        self.hardware = hardware
        self.program = program = hardware.program
        shape = program.shape
        members: dict = {
            "image": In(stream.Signature(BYTE)),
            "answer": Out(stream.Signature(data.StructLayout({"data": signed(shape.sum.width), "last": 1}))),
        }
        if self.hardware.loaded:
            members |= {"weights": In(stream.Signature(BYTE)), "loaded": Out(1)}
        super().__init__(
            members | {"busy": Out(1), "cycles": Out(CYCLE_BITS), "layer": Out(range(max(2, len(program.records))))}
        )

    def elaborate(self, platform) -> Module:
        m = Module()
        parts = self._parts(m)
        records = self.program.records
        choose = Chooser(m, parts.sequencer.record, len(records))
        is_pool, product, pool = Signal(), Signal(), Signal()
        m.d.comb += [
            is_pool.eq(choose.choose("is_pool", [isinstance(record, Pool) for record in records])),
            product.eq(parts.taps.issue & ~is_pool),
            pool.eq(parts.taps.issue & is_pool),
        ]
        self._sequence(m, parts)
        self._issue(m, choose, parts, is_pool)
        self._multiply(m, choose, parts, product)
        self._read_between(m, parts, pool)
        self._drain(m, parts)
        self._write(m, "activation", parts.activations, parts, product)
        self._write(m, "between", parts.between, parts, pool | parts.drain.read)
        return m

    def _parts(self, m: Module) -> _CoreParts:
        """What it is made of, the streams connected."""
        hardware, program, shape = self.hardware, self.program, self.program.shape
        plan, bounds, ports = hardware.plan, hardware.bounds, hardware.ports
        beats_a_word = shape.lanes // shape.outputs
        written = beats_a_word if plan.tile_beats % beats_a_word else 1
        activations = TensorMemory(shape.activation_word, program.activation_words, ports, shape.rows, written)
        between = TensorMemory(shape.between_word, program.between_words, ports)
        weights = LoadedWeights(plan, ports, hardware.piece) if hardware.loaded else InitializedWeights(plan)
        address_bits = activations.address_bits, between.address_bits
        array = OutputStationary(hardware.engine, hardware.build, hardware.dsp_elements)
        sums = Shape(hardware.engine.accumulator.width, hardware.engine.accumulator.signed)
        parts = _CoreParts(
            Sequencer(plan),
            activations,
            between,
            weights,
            TapIssue(plan, max(address_bits), weights.address_bits),
            array,
            DrainSchedule(plan, hardware.single_port),
            Drain(plan, array.latency, sums, address_bits, hardware.single_port),
            BetweenReader(plan, bounds.residuals, bounds.pools, 1 + array.latency),
            ImageLoader(program, address_bits),
        )
        for field in fields(parts):
            m.submodules[field.name] = getattr(parts, field.name)
        wiring.connect(m, wiring.flipped(self.image), parts.loader.image)
        wiring.connect(m, parts.drain.answer, wiring.flipped(self.answer))
        if isinstance(weights, LoadedWeights):
            wiring.connect(m, wiring.flipped(self.weights), weights.weights)
        return parts

    def _sequence(self, m: Module, parts: _CoreParts) -> None:
        """Have the records run."""
        sequencer, weights = parts.sequencer, parts.weights
        m.d.comb += [
            self.busy.eq(sequencer.busy),
            self.cycles.eq(sequencer.cycles),
            self.layer.eq(sequencer.record),
            sequencer.complete.eq(parts.loader.complete),
            sequencer.idle.eq(parts.taps.idle),
            sequencer.more.eq(parts.taps.more),
            sequencer.empty.eq(parts.drain.empty),
            sequencer.answered.eq(self.answer.valid & self.answer.ready & self.answer.payload.last),
            parts.loader.open.eq(sequencer.open),
            parts.loader.taken.eq(sequencer.restart),
            parts.taps.go.eq(sequencer.go),
            parts.taps.load.eq(sequencer.load),
            parts.drain.restart.eq(sequencer.restart),
            sequencer.loaded.eq(1),
        ]
        for part in (parts.taps, parts.schedule, parts.drain, parts.reader):
            m.d.comb += part.record.eq(sequencer.record)
        for part in (parts.taps, parts.schedule, parts.drain):
            m.d.comb += part.clear.eq(sequencer.clear)
        if isinstance(weights, LoadedWeights):
            m.d.comb += [
                self.loaded.eq(weights.loaded),
                sequencer.loaded.eq(weights.loaded),
                sequencer.filling.eq(weights.filling),
                weights.record.eq(sequencer.record),
                weights.restart.eq(sequencer.restart),
                weights.clear.eq(sequencer.clear),
                weights.fill.eq(sequencer.fill),
            ]

    def _issue(self, m: Module, choose: Chooser, parts: _CoreParts, is_pool: Signal) -> None:
        """Taps wait for the memory that they read, and the last one of sums for those before to be drained."""
        single_port = self.hardware.single_port
        serial = choose.choose("serial", [is_serial(record, single_port) for record in self.program.records])
        taps, drain = parts.taps, parts.drain
        held_up, stolen = Signal(), Signal()
        m.d.comb += [
            held_up.eq(taps.last & ~Mux(serial, drain.empty, parts.schedule.free)),
            stolen.eq(is_pool & drain.read),
            taps.blocked.eq(held_up | stolen),
        ]
        if single_port:
            m.d.comb += stolen.eq(Mux(is_pool, drain.read | drain.between_write, drain.activation_write))

    def _multiply(self, m: Module, choose: Chooser, parts: _CoreParts, product: Signal) -> None:
        """Read words, and bring them to the array; padding has a code of its own."""
        shape, records = self.program.shape, self.program.records
        taps, array = parts.taps, parts.array
        m.d.comb += [
            parts.activations.read.eq(product),
            *(parts.activations.address[row].eq(taps.address[row]) for row in range(shape.rows)),
            parts.weights.read.eq(product),
            parts.weights.address.eq(taps.weights),
        ]
        follow = {name: Signal(name=f"{name}_read") for name in ("valid", "first", "last")}
        inside = Signal(shape.rows)
        m.d.sync += [
            follow["valid"].eq(product),
            follow["first"].eq(taps.first),
            follow["last"].eq(taps.last),
            inside.eq(taps.inside),
        ]
        pads = [record.pad if isinstance(record, Product) else 0 for record in records]
        pad = choose.choose("pad", pads, unsigned(shape.activation.width))
        words = [Mux(inside[row], parts.activations.data[row], pad.replicate(shape.lanes)) for row in range(shape.rows)]
        m.d.comb += [
            *(getattr(array, name).eq(signal) for name, signal in follow.items()),
            array.activation.eq(Cat(*words)),
            array.weight.eq(parts.weights.word),
            array.keep.eq((1 << shape.lanes) - 1),
        ]

    def _read_between(self, m: Module, parts: _CoreParts, pool: Signal) -> None:
        """Read residuals and what is pooled."""
        taps, drain, reader, between = parts.taps, parts.drain, parts.reader, parts.between
        m.d.comb += [
            between.read.eq(pool | drain.read),
            between.address[0].eq(Mux(drain.read, drain.read_address, taps.address[0])),
            reader.word.eq(between.data[0]),
        ]
        followed = {"is_residual": drain.read, "is_tap": pool, "first": taps.first, "inside": taps.inside[0]}
        for name, flag in followed.items():
            late = Signal(name=f"between_{name}")
            m.d.sync += late.eq(flag)
            m.d.comb += getattr(reader, name).eq(late)

    def _drain(self, m: Module, parts: _CoreParts) -> None:
        """Drain the sums whose last tap was issued."""
        taps, schedule, drain, reader = parts.taps, parts.schedule, parts.drain, parts.reader
        sums = [each.accumulator for row in parts.array.sums for each in row]
        m.d.comb += [
            schedule.start.eq(taps.issue & taps.last),
            *(getattr(schedule, name).eq(getattr(taps, name)) for name in ("ends_group", "ends_tile", "last_tile")),
            schedule.advance.eq(drain.advance),
            drain.valid.eq(schedule.valid),
            drain.beat.eq(schedule.o),
            *(drain.sums[place].eq(each) for place, each in enumerate(sums)),
        ]
        for place in range(self.program.shape.outputs):
            m.d.comb += drain.pools[place].eq(reader.pool[place])
            m.d.comb += drain.residuals[place].eq(reader.residual[place])

    def _write(self, m: Module, name: str, memory: TensorMemory, parts: _CoreParts, reads: Value) -> None:
        """Write results; and words of an image whenever the memory has nothing else to do."""
        drain, loader = parts.drain, parts.loader
        result, granted = getattr(drain, f"{name}_write"), getattr(loader, f"{name}_granted")
        idle = ~(result | reads) if self.hardware.single_port else ~result
        m.d.comb += [
            granted.eq(getattr(loader, f"{name}_wanted") & idle),
            memory.write.eq(result | granted),
            memory.write_address.eq(
                Mux(result, getattr(drain, f"{name}_write_address"), getattr(loader, f"{name}_address"))
            ),
            memory.write_data.eq(Mux(result, getattr(drain, f"{name}_write_data"), getattr(loader, f"{name}_data"))),
        ]
        if memory.parts > 1:
            m.d.comb += memory.enables.eq(getattr(drain, f"{name}_enables") | (~result).replicate(memory.parts))
