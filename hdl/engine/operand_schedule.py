"""Words are issued to an array as soon as they are loaded and their sums have a place to go."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream

from ...formats import Engine
from .column_of_sums import ColumnOfSums
from .handover import Handover
from .held_steps import HeldSteps
from .loops import Loop, LoopNest, no_more
from .output_stationary import OutputStationary
from .panel_loader import PanelLoader
from .weight_stationary import WeightStationary

__all__ = ["schedule_output_stationary", "schedule_weight_stationary"]


def schedule_output_stationary(
    m: Module,
    array: OutputStationary,
    config: dict[str, Signal],
    begin: Signal,
    loaders: dict[str, PanelLoader],
    handover: Handover,
) -> None:
    """Issue the words of all groups of an output-stationary array."""
    engine = array.engine
    k_loops = [Loop("k", config["k"], engine.lanes)]
    if engine.blocks is not None:
        k_loops = [Loop("block", config["k"], engine.blocks.size), Loop("k", None, engine.lanes, within="block")]
    whole_k = k_loops[0].name
    loops = LoopNest(
        m,
        "compute",
        [
            Loop("panel", config["m"], engine.tile_m),
            Loop("column", config["n"], engine.columns),
            Loop("row", None, engine.rows, within="panel"),
            *k_loops,
        ],
        array.build.short_paths,
    )
    fast = array.build.short_paths
    moves = Signal(name="compute_moves")
    # No word is present earlier than two cycles after the start, so steps that are held cost no cycle.
    nest = HeldSteps(m, "compute", loops, moves) if fast else loops
    if engine.element.droppable:
        config = {**config, "dropped_digits": _dropped_digits(m, config["dropped_digits"], engine.element.droppable)}
    first = Signal()
    issue = Signal()
    last = Signal()
    # Which word of its half each memory reads next: on, back to the beginning, or over to the other half.
    steps = {"a": Const(1, 1), "w": Const(1, 1), "a_scales": last, "w_scales": last}
    restarts = {"a": nest.wraps["row"], "w": nest.wraps[whole_k]}
    switches = {"a": nest.wraps["column"], "w": nest.wraps["row"]}
    operands = {name: loaders[name] for name in steps if name in loaders}
    m.d.comb += last.eq(nest.last["k"])
    # Loaders hold the words of this product and no others, so nothing is present before it or after it.
    if isinstance(nest, HeldSteps) and engine.arithmetic.interval == 1 and not engine.arithmetic.recovery:
        # A register says what is issued, since that goes to all loops and memories.
        pending = (issue & last) | (handover.pending & ~handover.ends)
        issues = Cat(loader.coming for loader in operands.values()).all() & ~(nest.following("k") & pending)
        m.d.sync += issue.eq(issues)
    else:
        wanted = Cat(loader.present for loader in operands.values()).all() & ~(last & handover.pending)
        m.d.comb += issue.eq(_spaced(m, issue, last, wanted, engine, config))
    if fast:
        begun = Signal(name="compute_begun")
        m.d.sync += begun.eq(begin)
        m.d.comb += moves.eq(issue | begun)

    follow = {name: Signal(name=f"{name}_read") for name in ("valid", "first", "last")}
    m.d.sync += [follow["valid"].eq(issue), follow["first"].eq(first), follow["last"].eq(last)]
    keep = Signal(engine.lanes)
    m.d.sync += keep.eq(Cat(~no_more(nest.left["k"], lane) for lane in range(engine.lanes)))
    if fast:
        # Words are a cycle later than their control, which is what an array wants whose elements hold that.
        late = Signal.like(keep, name="keep_late", reset_less=True)
        m.d.sync += late.eq(keep)
        keep = late
    m.d.comb += [getattr(array, name).eq(signal) for name, signal in follow.items()]
    m.d.comb += [array.activation.eq(loaders["a"].word), array.weight.eq(loaders["w"].word), array.keep.eq(keep)]
    if engine.element.droppable:
        m.d.comb += array.dropped_digits.eq(config["dropped_digits"])

    for name in operands:
        offset = handover.read(m, loaders[name], name, issue)
        with m.If(issue & steps[name]):
            m.d.sync += offset.eq(Mux(restarts[name[0]], 0, offset + 1))
        with m.If(issue & switches[name[0]]):
            m.d.sync += handover.half[name].eq(~handover.half[name])
            handover.leave_half(m, loaders[name], name)
    with m.If(issue):
        m.d.sync += first.eq(last)
        if not fast:
            loops.advance()
    with m.If(issue & last):
        m.d.sync += [
            handover.pending.eq(1),
            handover.rows.eq(_at_most(nest.left["row"], engine.rows)),
            handover.columns.eq(_at_most(nest.left["column"], engine.columns)),
            handover.ends_columns.eq(nest.wraps["row"]),
            handover.ends_product.eq(nest.done),
        ]
        if engine.blocks is not None:
            m.d.sync += [
                handover.first_block.eq(nest.left["block"] == config["k"]),
                handover.last_block.eq(nest.last["block"]),
            ]
    if engine.blocks is not None:
        # The scales of the block whose last word was read; they stay until that of the next is.
        with m.If(follow["valid"] & follow["last"]):
            m.d.sync += [
                handover.row_scales.eq(loaders["a_scales"].word),
                handover.column_scales.eq(loaders["w_scales"].word),
            ]
    with m.If(begin):
        loops.start()
        m.d.sync += first.eq(1)

    m.d.comb += handover.go.eq(array.done)
    if engine.sums_rows:
        with m.If(handover.take):
            m.d.sync += handover.row_sum.eq(
                Cat(*array.row_sums).word_select(handover.row, len(handover.row_sum)).as_signed()
            )
    if fast:
        _choose_rows(m, array, handover)
    else:
        _take_rows(m, array, handover)
    if array.shifts:
        m.d.comb += array.shift.eq(handover.take & handover.row_ends)


def _take_rows(m: Module, array: OutputStationary, handover: Handover) -> None:
    """Take the row of sums that is asked for."""
    rows = [Cat(*sums) for sums in array.sums]
    with m.If(handover.take):
        if array.shifts:
            # Chunks of the row shift, too, so that the first of the word is always the one at hand.
            chunk_bits = len(handover.word) * array.engine.outputs // array.engine.columns
            m.d.sync += handover.word.eq(Mux(handover.row_begins, rows[0], handover.word[chunk_bits:]))
        else:
            m.d.sync += handover.word.eq(Cat(*rows).word_select(handover.row, len(handover.word)))


def _choose_rows(m: Module, array: OutputStationary, handover: Handover) -> None:
    """Take the row of sums that is at hand whenever the drain may move, by columns."""
    engine, bits = array.engine, handover.layout.size
    for c in range(engine.columns):
        m.submodules[f"sums{c}"] = column = ColumnOfSums(engine.rows, bits)
        m.d.comb += [
            *(column.sums[r].eq(array.sums[r][c].as_value()) for r in range(engine.rows)),
            column.begin.eq(handover.go),
            column.step.eq(handover.take & handover.row_ends),
            column.stays.eq(handover.stays),
            handover.word.word_select(c, bits).eq(column.sum),
        ]


def _dropped_digits(m: Module, written: Signal, most: int) -> Signal:
    """How many digits do not count: what is written, or one digit less than all where that is no number of them."""
    if most == (1 << len(written)) - 1:
        return written
    dropped = Signal.like(written, name="dropped_digits")
    m.d.comb += dropped.eq(Mux(written > most, most, written))
    return dropped


def _spaced(m: Module, issue: Signal, last: Signal, wanted: Value, engine: Engine, config: dict[str, Signal]) -> Value:
    """``wanted``, where the element is done with the issue before, and with the sum that was over with it."""
    interval, recovery = engine.arithmetic.interval, engine.arithmetic.recovery
    if interval == 1 and not recovery:
        return wanted
    rest = Signal(range(interval + recovery), name="issue_rest", init=recovery)
    whole = Mux(last, interval - 1 + recovery, interval - 1) if recovery else interval - 1
    with m.If(issue):
        m.d.sync += rest.eq(whole - config.get("dropped_digits", Const(0, 1)))
    with m.Elif(rest != 0):
        m.d.sync += rest.eq(rest - 1)
    return wanted & (rest == 0)


def schedule_weight_stationary(
    m: Module,
    array: WeightStationary,
    config: dict[str, Signal],
    begin: Signal,
    loaders: dict[str, PanelLoader],
    weights: stream.Interface,
    handover: Handover,
) -> None:
    """Issue the words of all tiles of a weight-stationary array, and shift in the weights before they are needed."""
    engine = array.engine
    weights_complete, weights_taken = _load_weights(m, config, begin, weights, array)
    nest = LoopNest(
        m,
        "compute",
        [
            Loop("panel", config["m"], engine.tile_m),
            Loop("column", config["n"], engine.columns),
            Loop("k", config["k"], engine.k_step),
            Loop("row", None, 1, within="panel"),
        ],
        array.build.short_paths,
    )
    active = Signal()
    first = Signal()
    tile_begins = Signal()
    pause = Signal()
    half = Signal()
    row = Signal(range(engine.tile_m))
    issue = Signal()
    last = Signal()
    present = loaders["a"].present
    m.d.comb += [
        last.eq(nest.wraps["k"]),
        issue.eq(active & present & (weights_complete | ~tile_begins) & ~pause & ~(last & handover.pending)),
    ]
    follow = {name: Signal(name=f"{name}_read") for name in ("valid", "first", "last", "swap")}
    followed = {"valid": issue, "first": first, "last": last, "swap": tile_begins}
    at_row = Signal.like(array.row)
    keep = Signal(engine.k_step)
    m.d.sync += [signal.eq(followed[name]) for name, signal in follow.items()]
    # The words that wait to be written when the weights change are behind the array's edge, as the weights are.
    m.d.comb += weights_taken.eq(follow["valid"] & follow["swap"])
    m.d.sync += keep.eq(Cat(~no_more(nest.left["k"], place) for place in range(engine.k_step)))
    m.d.sync += [at_row.eq(row), at_row[-1].eq(half)]
    m.d.comb += [getattr(array, name).eq(signal) for name, signal in follow.items()]
    m.d.comb += [array.activation.eq(loaders["a"].word), array.row.eq(at_row), array.keep.eq(keep)]

    offset = handover.read(m, loaders["a"], "a", issue)
    m.d.sync += pause.eq(0)
    with m.If(issue):
        m.d.sync += [offset.eq(Mux(last, 0, offset + 1)), row.eq(Mux(nest.last["row"], 0, row + 1))]
        m.d.sync += [tile_begins.eq(nest.last["row"]), pause.eq(tile_begins & nest.last["row"])]
        with m.If(nest.last["row"]):
            m.d.sync += first.eq(last)
        with m.If(nest.wraps["column"]):
            m.d.sync += handover.half["a"].eq(~handover.half["a"])
            handover.leave_half(m, loaders["a"], "a")
        nest.advance()
        with m.If(nest.done):
            m.d.sync += active.eq(0)
    with m.If(issue & last):
        m.d.sync += [
            half.eq(~half),
            handover.pending.eq(1),
            handover.sums_half.eq(half),
            handover.rows.eq(_at_most(nest.left["panel"], engine.tile_m)),
            handover.columns.eq(_at_most(nest.left["column"], engine.columns)),
            handover.ends_columns.eq(1),
            handover.ends_product.eq(nest.done),
        ]
    with m.If(begin):
        nest.start()
        m.d.sync += [active.eq(1), first.eq(1), tile_begins.eq(1), row.eq(0)]
    m.d.comb += [
        handover.go.eq(array.done),
        array.read.eq(handover.take),
        array.read_row.eq(Cat(handover.row, Const(0, len(array.row)))[: len(array.row)]),
        array.read_row[-1].eq(handover.sums_half),
        handover.word.eq(array.sums),
    ]
    if engine.weight_zero_point:
        m.d.comb += handover.row_sum.eq(array.row_sum)


def _load_weights(
    m: Module, config: dict[str, Signal], begin: Signal, weights: stream.Interface, array: WeightStationary
) -> tuple[Signal, Signal]:
    """Shift the weights of every tile into the array as soon as those before them are in use.

    Returns two signals. The first tells the caller that all weights of the next tile are there; with the second the
    caller tells that they are put to use, so that the ones after them may come.
    """
    engine = array.engine
    loops = [
        Loop("panel", config["m"], engine.tile_m),
        Loop("column", config["n"], engine.columns),
        Loop("k", config["k"], engine.k_step),
        Loop("row", Const(engine.rows), 1),
    ]
    nest = LoopNest(m, "load_w", loops)
    active, complete, taken, transfer = (
        Signal(name=f"weights_{name}") for name in ("active", "complete", "taken", "transfer")
    )
    place = Signal(range(engine.k_step + 1), name="weights_place")
    ready = active & (~complete | taken)
    rest = None
    interval = engine.arithmetic.load_interval
    if interval > 1:
        rest, ends = Signal(range(interval), name="weights_rest"), Signal(name="weights_end")
        ready = ready & (rest == 0)
    m.d.comb += [
        weights.ready.eq(ready),
        transfer.eq(weights.valid & weights.ready),
        array.load.eq(transfer),
        array.weight.eq(weights.payload),
        array.load_keep.eq(Cat(place + lane < nest.left["k"] for lane in range(engine.lanes))),
    ]
    with m.If(taken):
        m.d.sync += complete.eq(0)
    if rest is not None:
        with m.If(transfer):
            m.d.sync += [rest.eq(interval - 1), ends.eq(nest.last["row"])]
        with m.Elif(rest != 0):
            m.d.sync += rest.eq(rest - 1)
        with m.If((rest == 1) & ends):
            m.d.sync += complete.eq(1)
    with m.If(transfer):
        m.d.sync += place.eq(Mux(nest.last["row"], 0, place + engine.lanes))
        if rest is None:
            with m.If(nest.last["row"]):
                m.d.sync += complete.eq(1)
        nest.advance()
        with m.If(nest.done):
            m.d.sync += active.eq(0)
    with m.If(begin):
        nest.start()
        m.d.sync += [active.eq(1), complete.eq(0), place.eq(0)]
    return complete, taken


def _at_most(value: Value, most: int) -> Value:
    return Mux(no_more(value, most), value, most)[: most.bit_length()]
