"""The golden model of a whole network, beside a reference of one code at a time."""

import numpy as np
import pytest
from fewbit.sim import network_answers
from network_programs import random_images, random_program
from network_reference import Reference


def expect(seed: int, count: int = 3, **fields: object) -> None:
    program = random_program(seed, **fields)  # type: ignore[arg-type]
    images = random_images(program, seed, count)
    answers = network_answers(program, images)
    random = np.random.default_rng(seed)
    for image, answer in zip(images, answers, strict=True):
        assert answer.tolist() == Reference(program, random).run(image.tolist()), (seed, fields)


@pytest.mark.parametrize("first", range(0, 60, 10))
def test_random_programs_give_the_bits_of_the_reference(first):
    for seed in range(first, first + 10):
        expect(seed)
