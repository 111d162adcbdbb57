"""The golden model of a whole network, beside a reference of one code at a time."""

import re
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from fewbit.formats import parse
from fewbit.sim import network_answers, network_images
from fewbit.sim.network import model
from fewbit.sim.network.outputs import nearest
from network_programs import random_images, random_program
from network_reference import Reference, rounded

WIDE = {"weight": "e4m3", "activation": "e5m2", "between": "int8", "zero_points": False, "multiplier_bits": 16}
LONG = {"weight": "e6m1", "activation": "e4m3", "between": "e5m2", "zero_points": False, "multiplier_bits": 16}


def expect(seed: int, count: int = 3, **fields: object) -> None:
    program = random_program(seed, **fields)  # type: ignore[arg-type]
    images = random_images(program, seed, count)
    answers = network_answers(program, images)
    random = np.random.default_rng(seed)
    for image, answer in zip(images, answers, strict=True):
        assert answer.tolist() == Reference(program, random).run(image.tolist()), (seed, fields)


@pytest.mark.parametrize("first", [0, 10, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (20, 30))])
def test_random_programs_give_the_bits_of_the_reference(first):
    for seed in range(first, first + 10):
        expect(seed)


def test_zero_points_are_taken_out_and_added():
    for seed in range(20):
        expect(seed, 2, zero_points=True)


@pytest.mark.slow
@pytest.mark.parametrize("formats", [WIDE, LONG], ids=["int64", "any length"])
def test_sums_longer_than_float64_holds_are_exact(formats):
    for seed in range(8):
        expect(seed, **formats)


@pytest.mark.parametrize(
    "name", ["int8", "e4m3", *(pytest.param(name, marks=pytest.mark.slow) for name in ("e2m1", "e5m2"))]
)
def test_sums_of_63_bits_are_rounded_once(name):
    """Boundaries between codes, and what lies one beside them, at every shift where they have 54 to 63 bits."""
    format = parse(name)
    integers = sorted({format.integer(code) for code in format.codes})
    middles = {Fraction(low + high, 2) * format.lsb for low, high in pairwise(integers)}
    for shift in (47, 52, 63):
        scaled = [
            sign * (int(abs(middle) * 2**shift) + beside)
            for middle in middles
            for sign in (-1, 1)
            for beside in (-1, 0, 1)
            if middle and (abs(middle) * 2**shift).denominator == 1 and abs(middle) * 2**shift < 1 << 62
        ]
        codes = nearest(np.array(scaled, dtype=np.int64), format, shift, 0)
        assert codes.tolist() == [rounded(format, Fraction(value, 1 << shift), 0) for value in scaled]


def test_an_exact_zero_is_positive():
    scaled = np.array([-5.0, 0.0, 5.0]) * 0
    assert nearest(scaled, parse("e2m1"), 3, 0).tolist() == [0, 0, 0]


def test_images_are_computed_some_at_a_time(monkeypatch):
    program = random_program(3)
    images = random_images(program, 3, 7)
    whole = network_answers(program, images)
    monkeypatch.setattr(model, "CACHE", 2 * model.NetworkModel(program).scratch)
    assert (network_answers(program, images) == whole).all()
    assert network_answers(program, images[:0]).shape == (0, *whole.shape[1:])


def test_tensors_can_be_watched():
    program = random_program(5)
    images = random_images(program, 5, 2)
    seen = []
    network_answers(program, images, lambda first, record, memory, codes: seen.append((first, record, memory, codes)))
    wanted = [
        (0, number, memory, (2, record.height, record.width, record.channels))
        for number, record in enumerate(program.records)
        for memory in ("activation", "between")
        if getattr(record, memory) is not None
    ]
    assert [(*place, codes.shape) for *place, codes in seen if place[1] >= 0] == [
        (*place, size) for *place, size in wanted
    ]
    assert {memory for _, record, memory, _ in seen if record < 0} == {
        memory for memory in ("activation", "between") if getattr(program.image, memory) is not None
    }


def test_other_images_are_refused():
    programs = map(random_program, range(20))
    program = next(program for program in programs if program.image.height != program.image.width)
    images = random_images(program, 1, 2)
    height, width, channels = images.shape[1:]
    with pytest.raises(ValueError, match="images must be of uint8, not int64"):
        network_answers(program, images.astype(np.int64))
    for other in (images[0], images[:, :-1], images[..., 1:], images.transpose(0, 2, 1, 3)):
        with pytest.raises(ValueError, match=re.escape(f"shape (n, {height}, {width}, {channels}), not {other.shape}")):
            network_answers(program, other)


def test_bytes_that_are_no_codes_are_refused():
    bare = next(
        program
        for program in (random_program(seed, activation="int4", between="int4") for seed in range(40))
        if not program.image.activation_codes and not program.image.between_codes
    )
    images = random_images(bare, 0, 2)
    images[1, 0, 0, 0] = 16
    with pytest.raises(ValueError, match="images must be codes of int4, not 16: the network's input is no bytes"):
        network_answers(bare, images)


def test_inputs_become_bytes_or_codes():
    programs = [random_program(seed, activation="int4", between="int4") for seed in range(40)]
    bare = next(each for each in programs if not each.image.activation_codes and not each.image.between_codes)
    tables = next(each for each in programs if each.image.activation_codes)
    for program, top in ((bare, 7), (tables, 255)):
        program = replace(program, image=replace(program.image, scales=(0.5,), offsets=(-3.0,)))
        image = program.image
        images = np.full((2, image.height, image.width, image.channels), top, np.uint8)
        images[1, 0, 0, 0] = 0
        numbers = images * 0.5 - 3
        np.testing.assert_array_equal(network_images(program, numbers), images)
        with pytest.raises(ValueError, match=re.escape(f"not {numbers[0].shape}")):
            network_images(program, numbers[0])
        with pytest.raises(ValueError, match="images must be of finite numbers, without NaN and infinity"):
            network_images(program, numbers * np.nan)
        beyond = numbers + 100
        if program.image.activation_codes:
            with pytest.raises(ValueError, match=r"those of 256 bytes, which are -3 to 124.5 in channel 0, not 224.5"):
                network_images(program, beyond)
            with pytest.raises(ValueError, match="that the program has codes for"):
                network_images(program, numbers + 0.2)
        else:
            assert (network_images(program, beyond) == top).all()
