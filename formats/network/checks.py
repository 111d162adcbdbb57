"""What has to hold of a program, so that an accelerator computes what its records tell."""

from typing import Any

from ..base import Format, check_flag, check_integer
from .order import clip_order
from .records import Output, Pool, Product, Record
from .shape import NetworkShape
from .view import View

__all__ = ["check_program"]

MEMORIES = ("activation", "between")
MAX_WORDS = 1 << 24


def check_program(program: Any) -> None:
    """Raise ValueError where anything in a ``Program`` is out of range, or contradicts something else in it."""
    if not isinstance(program.shape, NetworkShape):
        raise ValueError(f"shape must be a NetworkShape, not {program.shape!r}")
    for name in ("activation_words", "between_words"):
        check_integer(name, getattr(program, name), 0, MAX_WORDS)
    _check_constants(program)
    records = program.records
    if not records or records[-1].outputs or not all(record.outputs for record in records[:-1]):
        raise ValueError("records must write a tensor each, but for the last one, which gives its sums to the host")
    _check_image(program)
    for record in records:
        _check_record(program, record)
    _check_answer(program)
    _check_memories(program)


def _check_constants(program: Any) -> None:
    """Weights, parameters and tables."""
    shape = program.shape
    word = shape.columns * shape.lanes
    if len(program.weights) % word:
        raise ValueError(f"weights must be whole words of {word} codes, not {len(program.weights)} codes")
    _check_codes("weights", program.weights, shape.weight)
    most = (1 << shape.multiplier_bits) - 1
    for parameter in program.parameters:
        check_integer("bias", parameter.bias, shape.bias.min_integer, shape.bias.max_integer)
        for name in MEMORIES:
            check_integer(f"multiplier for {name}", getattr(parameter, name), 0, most)
    if len(program.table_formats) != len(program.tables) or not {*program.table_formats} <= {*MEMORIES}:
        raise ValueError(
            f"table_formats must be activation or between for each of the {len(program.tables)} tables, not "
            f"{program.table_formats!r}"
        )
    for table, name in zip(program.tables, program.table_formats, strict=True):
        if len(table) != 1 << shape.between.width:
            raise ValueError(f"a table must have {1 << shape.between.width} codes, not {len(table)}")
        _check_codes("a table", table, getattr(shape, name))


def _check_codes(name: str, codes: bytes, format: Format) -> None:
    strange = {*codes} - {*format.codes}
    if strange:
        raise ValueError(f"{name} must be of codes of {format.name}, not {min(strange)}")


def _check_image(program: Any) -> None:
    image, shape = program.image, program.shape
    for name in ("height", "width", "channels"):
        check_integer(f"{name} of the image", getattr(image, name), 1, (1 << 16) - 1)
    check_flag("resident", image.resident)
    check_integer("free_after", image.free_after, 0, len(program.records) - 1)
    if image.activation is None and image.between is None:
        raise ValueError("image must be written to activation or between, not to neither")
    for name, view in (("activation", image.activation), ("between", image.between)):
        codes = getattr(image, f"{name}_codes")
        if view is None:
            if codes:
                raise ValueError(f"{name}_codes of the image must be empty where its {name} is None")
            continue
        _check_view(program, f"{name} of the image", name, view, (image.height, image.width, image.channels))
        if codes and len(codes) != 256 * image.channels:
            raise ValueError(f"{name}_codes must be 256 for each of the {image.channels} channels, not {len(codes)}")
        _check_codes(f"{name}_codes", codes, getattr(shape, name))


def _check_view(
    program: Any, name: str, memory: str, view: View, size: tuple[int, int, int], exact: bool = True
) -> None:
    """A view lies within its memory and holds so many rows, pixels and channels, and where exact in no more words."""
    height, width, channels = size
    words = -(-channels // (program.shape.lanes if memory == "activation" else program.shape.outputs))
    fits = view.words == words if exact else view.words >= words
    if (view.height, view.width) != (height, width) or not fits:
        few = "" if exact else " at least"
        raise ValueError(f"{name} must have {height} x {width} pixels of{few} {words} words, not {view}")
    _check_end(program, name, memory, view)


def _check_end(program: Any, name: str, memory: str, view: View) -> None:
    words = getattr(program, f"{memory}_words")
    if view.end > words:
        raise ValueError(f"{name} must end within the {words} words of its memory, not at {view.end}")


def _check_record(program: Any, record: Record) -> None:
    shape, of = program.shape, f"of {record.name!r}"
    channels = record.channels if record.parameter_step else 1
    check_integer(f"parameters {of}", record.parameters, 0, len(program.parameters) - channels)
    size = (record.height, record.width, record.channels)
    if isinstance(record, Product):
        _check_product(program, record)
        _check_end(program, f"source {of}", "activation", record.source)
    elif isinstance(record, Pool):
        _check_pool(program, record)
        source = record.source
        pooled = (source.height, source.width, record.channels)
        _check_view(program, f"source {of}", "between", source, pooled, exact=False)
    else:
        raise ValueError(f"records must be Products and Pools, not {type(record).__name__}")
    if record.residual is not None:
        if not record.outputs:
            raise ValueError(f"residual {of} must be None, since it writes nothing")
        _check_view(program, f"residual {of}", "between", record.residual.view, size, exact=False)
        _check_zero(shape, f"zero of the residual {of}", record.residual.zero, shape.between)
    for memory in MEMORIES:
        output = getattr(record, memory)
        if output is not None:
            _check_view(program, f"{memory} {of}", memory, output.view, size)
            _check_output(program, record, memory, output)


def _check_product(program: Any, record: Product) -> None:
    shape, of = program.shape, f"of {record.name!r}"
    tiles = record.tiles(shape.columns)
    check_integer(f"words {of}", record.words, 1, record.source.words)
    check_integer(f"tile_step {of}", record.tile_step, 0, record.source.words)
    check_integer(f"tiles_a_step {of}", record.tiles_a_step, 1, MAX_WORDS)
    reach = (tiles - 1) // record.tiles_a_step * record.tile_step + record.words
    if reach > record.source.words:
        raise ValueError(f"source {of} must have the {reach} words that its tiles read, not {record.source.words}")
    words = program.weight_words - tiles * record.terms
    if words < 0:
        raise ValueError(f"weights must have the {tiles * record.terms} words {of}, not {program.weight_words}")
    check_integer(f"weights {of}", record.weights, 0, words)
    if record.terms * shape.lanes > shape.terms:
        raise ValueError(f"terms must be at least the {record.terms * shape.lanes} {of}, not {shape.terms}")
    check_integer(f"pad {of}", record.pad, 0, (1 << shape.activation.width) - 1)
    _check_codes(f"pad {of}", bytes([record.pad]), shape.activation)


def _check_pool(program: Any, record: Pool) -> None:
    of, window = f"of {record.name!r}", record.window
    _check_zero(program.shape, f"zero {of}", record.zero, program.shape.between)
    if record.kind == "sum":
        if window.taps > program.shape.pooled:
            raise ValueError(f"pooled must be at least the {window.taps} pixels {of}, not {program.shape.pooled}")
        return
    for axis, size, count in (("y", record.source.height, record.height), ("x", record.source.width, record.width)):
        kernel, stride, dilation, pad = (
            getattr(window, f"{name}_{axis}") for name in ("kernel", "stride", "dilation", "pad")
        )
        for place in range(count):
            if not any(0 <= place * stride + k * dilation - pad < size for k in range(kernel)):
                raise ValueError(f"every window {of} must have a pixel, not padding alone as at {axis} = {place}")


def _check_output(program: Any, record: Record, memory: str, output: Output) -> None:
    shape, of = program.shape, f"of {record.name!r}"
    check_integer(f"multiplier of the residual {of}", output.multiplier, 0, (1 << shape.multiplier_bits) - 1)
    if output.multiplier and record.residual is None:
        raise ValueError(f"multiplier of the residual {of} must be 0 without one, not {output.multiplier}")
    if output.residual_shift not in shape.residual_shifts:
        raise ValueError(f"residual_shift {of} must be one of {shape.residual_shifts}, not {output.residual_shift}")
    format: Format = getattr(shape, memory)
    rounded = format
    if output.table is not None:
        check_integer(f"table {of}", output.table, 0, len(program.tables) - 1)
        if program.table_formats[output.table] != memory:
            raise ValueError(f"table {of} must be one for {memory}, not {output.table}")
        rounded = shape.between
    _check_zero(shape, f"zero_point {of}", output.zero_point, rounded)
    for name in ("low", "high"):
        code = getattr(output, name)
        check_integer(f"{name} {of}", code, 0, (1 << format.width) - 1)
        _check_codes(f"{name} {of}", bytes([code]), format)
    if clip_order(format, output.low) > clip_order(format, output.high):
        raise ValueError(f"low {of} must not be above high, as {output.low} is above {output.high}")


def _check_zero(shape: NetworkShape, name: str, zero: Any, format: Format) -> None:
    limits = (format.min_integer, format.max_integer) if shape.zero_points else (0, 0)
    check_integer(name, zero, *limits)


def _check_answer(program: Any) -> None:
    answer, last = program.answer, program.records[-1]
    given, wanted = ((of.height, of.width, of.channels) for of in (answer, last))
    if given != wanted:
        raise ValueError(f"answer must be of the last record's size, {wanted}, not {given}")
    check_flag("flat", answer.flat)
    if len(answer.scales) not in (1, answer.channels):
        raise ValueError(f"scales must be 1 or {answer.channels}, not {len(answer.scales)}")


def _check_memories(program: Any) -> None:
    """What is read was written before and lies apart from what is written meanwhile; a resident image stays."""
    image = program.image
    views = {"activation": image.activation, "between": image.between}
    images = {memory: 0 if view is None else _places(view) for memory, view in views.items()}
    written = dict(images)
    left = dict(images)
    for number, record in enumerate(program.records):
        of = f"of {record.name!r}"
        reads = [("source", "activation" if isinstance(record, Product) else "between", record.source)]
        if record.residual is not None:
            reads.append(("residual", "between", record.residual.view))
        for name, memory, view in reads:
            places = _places(view)
            if places & ~written[memory]:
                raise ValueError(f"{name} {of} must be written before it is read, not lie at {view}")
            if places & left[memory] and number > image.free_after:
                raise ValueError(f"free_after must be {number} or more, since {record.name!r} reads the image")
        for memory, output in (("activation", record.activation), ("between", record.between)):
            if output is None:
                continue
            places = _places(output.view)
            for name, where, view in reads:
                same = name == "residual" and view == output.view
                if where == memory and not same and places & _places(view):
                    raise ValueError(f"{memory} {of} must lie apart from its {name}, not at {output.view}")
            if image.resident and places & images[memory]:
                raise ValueError(f"resident must be False, since {record.name!r} writes where the image lies")
            written[memory] |= places
            left[memory] &= ~places


def _places(view: View) -> int:
    """The words of a view as the bits of an integer."""
    pixels = ((1 << view.pitch * view.pixels) - 1) // ((1 << view.pitch) - 1)
    return pixels * ((1 << view.words) - 1) << view.base
