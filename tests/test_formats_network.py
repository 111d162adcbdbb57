"""Programs of network accelerators: what they may be, and how they are written and read."""

import json
import re
from dataclasses import replace

import pytest
from each_of import each_of
from fewbit.formats import parse
from fewbit.formats.network import (
    Answer,
    Image,
    NetworkShape,
    Output,
    Parameter,
    Pool,
    Product,
    Program,
    Residual,
    View,
    Window,
    clip_order,
)
from network_programs import random_program

SHAPE = NetworkShape(parse("int4"), parse("e2m1"), parse("int8s"), 2, 4, 2, 2, terms=36, multiplier_bits=8, pooled=4)


def small() -> Program:
    """A convolution of 4 x 4 pixels of 2 channels to 6, its maxima, a sum with a residual, and a product."""
    image = View(0, 4, 4, 1, 1)
    first = Product(
        *("first", image, Window(3, 3, pad_y=1, pad_x=1), 6, 4, 4, 0),
        activation=Output(View(16, 4, 4, 3, 3), 12, 0, 7),
        between=Output(View(0, 4, 4, 3, 3), 10, 129, 127),
    )
    greatest = Pool(
        *("greatest", View(0, 4, 4, 3, 3), Window(2, 2, 2, 2), 6, 2, 2, 6),
        parameter_step=0,
        between=Output(View(48, 2, 2, 3, 3), 3, 0, 127, table=0),
        kind="max",
    )
    added = Pool(
        *("added", View(0, 4, 4, 3, 3), Window(2, 2, 2, 2), 6, 2, 2, 7),
        activation=Output(View(16, 2, 2, 3, 3), 9, 15, 7, multiplier=200),
        between=Output(View(48, 2, 2, 3, 3), 9, 129, 127, multiplier=100),
        residual=Residual(View(48, 2, 2, 3, 3)),
    )
    last = Product("last", View(16, 2, 2, 3, 3), Window(2, 2), 3, 1, 1, 0, weights=18, words=3)
    return Program(
        "small",
        SHAPE,
        (first, greatest, added, last),
        bytes(code % 16 for code in range(30 * 8)),
        tuple(Parameter(3 * n - 9, 128 + n, 255 - n) for n in range(13)),
        Image(4, 4, 2, image, None, bytes(code % 16 for code in range(512)), resident=True),
        Answer(1, 1, 3, (0.5, 0.25, 0.125)),
        64,
        60,
        (bytes(code % 128 for code in range(256)),),
        ("between",),
    )


def change(program: Program, number: int, **fields: object) -> Program:
    """The program with another record; a name ``memory__field`` is that of an output's field."""
    record = program.records[number]
    for name, value in fields.items():
        outer, _, inner = name.partition("__")
        record = replace(record, **{outer: replace(getattr(record, outer), **{inner: value}) if inner else value})
    records = (*program.records[:number], record, *program.records[number + 1 :])
    return replace(program, records=records)


BAD = {
    "weights must be whole words of 8 codes, not 1 codes": lambda p: replace(p, weights=bytes(1)),
    "weights must be of codes of int4, not 16": lambda p: replace(p, weights=bytes([16, *p.weights[1:]])),
    "weights must have the 18 words of 'first', not 9": lambda p: replace(p, weights=p.weights[:72]),
    "weights of 'last' must be 0 to 18, not 19": lambda p: change(p, 3, weights=19),
    "bias must be -4096 to 4095, not 4096": lambda p: replace(p, parameters=(Parameter(4096, 1, 1), *p.parameters[1:])),
    "multiplier for between must be 0 to 255, not 256": lambda p: replace(
        p, parameters=(Parameter(0, 1, 256), *p.parameters[1:])
    ),
    "parameters of 'added' must be 0 to 7, not 8": lambda p: change(p, 2, parameters=8),
    "table_formats must be activation or between for each of the 1 tables, not ()": lambda p: replace(
        p, table_formats=()
    ),
    "a table must have 256 codes, not 255": lambda p: replace(p, tables=(bytes(255),)),
    "a table must be of codes of int8s, not 128": lambda p: replace(p, tables=(bytes([128] * 256),)),
    "table of 'added' must be one for activation, not 0": lambda p: change(p, 2, activation__table=0),
    "table of 'greatest' must be 0 to 0, not 1": lambda p: change(p, 1, between__table=1),
    "records must write a tensor each, but for the last one": lambda p: replace(p, records=p.records[:-1]),
    "image must be written to activation or between, not to neither": lambda p: replace(
        p, image=replace(p.image, activation=None, activation_codes=b"")
    ),
    "activation_codes must be 256 for each of the 2 channels, not 256": lambda p: replace(
        p, image=replace(p.image, activation_codes=bytes(256))
    ),
    "between_codes of the image must be empty where its between is None": lambda p: replace(
        p, image=replace(p.image, between_codes=bytes(512))
    ),
    "activation_codes must be of codes of e2m1, not 16": lambda p: replace(
        p, image=replace(p.image, activation_codes=bytes([16] * 512))
    ),
    "activation of the image must have 4 x 5 pixels of 1 words": lambda p: replace(p, image=replace(p.image, width=5)),
    "free_after must be 0 to 3, not 4": lambda p: replace(p, image=replace(p.image, free_after=4)),
    "free_after must be 1 or more, since 'again' reads the image": lambda p: replace(
        p, records=(p.records[0], replace(p.records[0], name="again"), *p.records[1:])
    ),
    "resident must be False, since 'added' writes where the image lies": lambda p: change(
        p, 2, activation__view=View(0, 2, 2, 3, 3)
    ),
    "source of 'first' must have the 2 words that its tiles read, not 1": lambda p: change(p, 0, tile_step=1),
    "words of 'first' must be 1 to 1, not 2": lambda p: change(p, 0, words=2),
    "tiles_a_step of 'first' must be 1 to": lambda p: change(p, 0, tiles_a_step=0),
    "terms must be at least the 18 of 'first', not 17": lambda p: replace(p, shape=replace(SHAPE, terms=17)),
    "pooled must be at least the 4 pixels of 'added', not 3": lambda p: replace(p, shape=replace(SHAPE, pooled=3)),
    "pad of 'first' must be 0 to 15, not 16": lambda p: change(p, 0, pad=16),
    "every window of 'greatest' must have a pixel, not padding alone as at x = 0": lambda p: change(
        p, 1, window=Window(2, 1, 2, 2, pad_x=1)
    ),
    "source of 'greatest' must have 4 x 4 pixels of at least 3 words": lambda p: change(
        p, 1, source=View(0, 4, 4, 2, 3)
    ),
    "source of 'last' must end within the 64 words of its memory, not at 65": lambda p: change(
        p, 3, source=View(53, 2, 2, 3, 3)
    ),
    "source of 'last' must be written before it is read": lambda p: change(
        replace(p, activation_words=76), 3, source=View(64, 2, 2, 3, 3)
    ),
    "residual of 'added' must be written before it is read": lambda p: change(
        replace(p, between_words=63), 1, between__view=View(48, 2, 2, 3, 4)
    ),
    "between of 'greatest' must lie apart from its source": lambda p: change(p, 1, between__view=View(40, 2, 2, 3, 3)),
    "between of 'added' must lie apart from its residual": lambda p: change(
        replace(p, between_words=63), 2, between__view=View(51, 2, 2, 3, 3)
    ),
    "residual of 'last' must be None, since it writes nothing": lambda p: change(
        p, 3, residual=Residual(View(48, 2, 2, 3, 3))
    ),
    "activation of 'first' must have 4 x 4 pixels of 3 words": lambda p: change(
        p, 0, activation__view=View(16, 4, 4, 4, 4)
    ),
    "zero of 'added' must be 0 to 0, not 1": lambda p: change(p, 2, zero=1),
    "zero of the residual of 'added' must be 0 to 0, not 1": lambda p: change(p, 2, residual__zero=1),
    "zero_point of 'added' must be 0 to 0, not 1": lambda p: change(p, 2, between__zero_point=1),
    "multiplier of the residual of 'added' must be 0 to 255, not 256": lambda p: change(p, 2, between__multiplier=256),
    "multiplier of the residual of 'first' must be 0 without one, not 1": lambda p: change(p, 0, between__multiplier=1),
    "residual_shift of 'added' must be one of (0,), not 2": lambda p: change(p, 2, between__residual_shift=2),
    "low of 'added' must be of codes of int8s, not 128": lambda p: change(p, 2, between__low=128),
    "high of 'added' must be 0 to 15, not 16": lambda p: change(p, 2, activation__high=16),
    "low of 'added' must not be above high, as 0 is above 8": lambda p: change(
        p, 2, activation__low=0, activation__high=8
    ),
    "answer must be of the last record's size, (1, 1, 4), not (1, 1, 3)": lambda p: change(p, 3, channels=4),
    "scales must be 1 or 3, not 2": lambda p: replace(p, answer=replace(p.answer, scales=(1.0, 1.0))),
}


@each_of("message", BAD)
def test_a_program_that_contradicts_itself_is_refused(message):
    with pytest.raises(ValueError, match=re.escape(message)):
        BAD[message](small())


def test_records_refuse_what_no_shape_has():
    for fields, message in (
        ({"kernel_y": 0}, "kernel_y must be 1 to 255, not 0"),
        ({"pad_x": -1}, "pad_x must be 0 to 255, not -1"),
    ):
        with pytest.raises(ValueError, match=message):
            Window(**fields)
    with pytest.raises(ValueError, match="pitch must be 2 to"):
        View(0, 1, 1, 2, 1)
    with pytest.raises(ValueError, match="shift must be 0 to 63, not 64"):
        Output(View(0, 1, 1, 1, 1), 64, 0, 0)
    with pytest.raises(ValueError, match="kind must be sum or max, not 'mean'"):
        Pool("pool", View(0, 1, 1, 1, 1), Window(), 1, 1, 1, 0, kind="mean")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"weight": parse("float8_e4m3fn")}, "weight must be a format without NaN and infinity, not float8_e4m3fn"),
        ({"activation": parse("bipolar")}, "activation must be a format with a zero, not bipolar"),
        ({"between": parse("int9")}, "between must be a format of at most 8 bits, not int9"),
        ({"between": "int8"}, "between must be a format, as formats.parse gives, not 'int8'"),
        ({"lanes": 3, "outputs": 1}, "lanes must be a power of two, not 3"),
        ({"outputs": 4}, "outputs must divide the 4 columns and the 2 lanes, not be 4"),
        ({"rows": 65}, "rows must be 1 to 64, not 65"),
        ({"residual_shifts": (1, 0)}, r"residual_shifts must be ascending numbers from 0 to 31, not \(1, 0\)"),
        ({"residual_shifts": (0.5,)}, r"residual_shifts must be ascending numbers from 0 to 31, not \(0.5,\)"),
        ({"residual_shifts": ()}, r"residual_shifts must be ascending numbers from 0 to 31, not \(\)"),
        ({"multiplier_bits": 17}, "multiplier_bits must be 1 to 16, not 17"),
        ({"zero_points": True}, "zero_points must be False unless activation and between are integers, not e2m1 and"),
    ],
)
def test_a_shape_that_no_hardware_has_is_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        replace(SHAPE, **fields)


def test_forms_hold_the_extremes_of_random_programs():
    """Every integer that a record can come to, its weights and parameters being extreme, has the form of its step."""
    for seed in range(20):
        shape = random_program(seed, zero_points=seed % 2 == 0).shape
        low, high = shape.arithmetic.product_range
        between = [shape.between.min_integer, shape.between.max_integer]
        zeros = between if shape.zero_points else [0]
        residuals = [code - zero for code in between for zero in zeros]
        pools = [value * shape.pooled for value in residuals]
        sums = [part + bias for part in (low * shape.terms, high * shape.terms, *pools) for bias in ends(shape.bias)]
        factor = (1 << shape.multiplier_bits) - 1
        scaled = [
            total * factor + (residual * factor << shape.residual_shifts[-1])
            for total in sums
            for residual in residuals
        ]
        for form, values in (
            (shape.residual, residuals),
            (shape.pool, pools),
            (shape.sum, sums),
            (shape.scaled, scaled),
        ):
            assert form.min_integer <= min(values) and max(values) <= form.max_integer


def ends(form):
    return form.min_integer, form.max_integer


def test_clips_go_by_value_and_a_negative_zero_comes_first():
    for name in ("e2m1", "int4", "sm4", "codebook2e0x012e"):
        format = parse(name)
        order = sorted(format.codes, key=lambda code: clip_order(format, code))
        assert [format.integer(code) for code in order] == sorted(format.integer(code) for code in format.codes)
        zeros = [code for code in order if format.integer(code) == 0]
        assert [format.negative(code) for code in zeros] == sorted(
            (format.negative(code) for code in zeros), reverse=True
        )


def test_words_have_column_0_and_lane_0_in_their_lowest_bits():
    program = small()
    word = program.words()[1]
    assert [word >> 4 * place & 15 for place in range(8)] == list(program.weights[8:16])
    assert len(program.words()) == program.weight_words == 30


def test_what_is_written_is_read_back(tmp_path):
    for program in (small(), *map(random_program, range(10))):
        path = tmp_path / "network.json"
        program.write(path)
        again = Program.read(path)
        assert again == program and again.digest == program.digest


def test_a_changed_file_is_refused(tmp_path):
    path = tmp_path / "network.json"
    program = small()
    program.write(path)
    content = json.loads(path.read_text())
    weights = content["weights"]
    for found, changed in (
        ({**content, "weights": f"0{1 - int(weights[1])}{weights[2:]}"}, "program must have the checksum that it was"),
        ({**content, "weights": f"ff{weights[2:]}"}, "weights must be of codes of int4, not 255"),
        ({**content, "fewbit_network": 2}, "it is of version 2, not 1"),
        ({name: value for name, value in content.items() if name != "answer"}, "it lacks 'answer'"),
        ({**content, "records": 5}, "program must be one that fewbit wrote"),
        ([content], "program must be one that fewbit wrote"),
    ):
        path.write_text(json.dumps(found))
        with pytest.raises(ValueError, match=re.escape(changed)) as raised:
            Program.read(path)
        assert "\n" not in str(raised.value)
    path.write_text("{")
    with pytest.raises(ValueError, match="program must be one that fewbit wrote"):
        Program.read(path)
    with pytest.raises(OSError):
        Program.read(tmp_path / "none.json")
