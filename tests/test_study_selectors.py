"""Formats of which each block of weights takes one, as BitMoD has them: the choice, its storage, and its limits."""

import numpy as np
import pytest
from fewbit.formats import parse
from fewbit.study.network import grid
from fewbit.study.quantization.scales import error_of_results
from fewbit.study.quantization.scheme import Scheme
from fewbit.study.quantization.weight_blocks import weight_blocks

SCALE = parse("bfloat16")


@pytest.mark.parametrize("name", ["bitmod3", "bitmod4"])
def test_each_block_has_the_member_of_least_error(name):
    chance, size, k, n = np.random.default_rng(4), 16, 48, 30
    whole = parse(name)
    weight = chance.standard_t(3, (k, n)).astype(np.float32)
    rows = chance.normal(0.3, 1, (200, k))
    gram = rows.T @ rows / 200
    codes, scales = weight_blocks(weight, gram, whole, SCALE, size)
    below = whole.choices[0].width
    selectors = (codes >> below).reshape(k // size, size, n)
    assert np.all(selectors == selectors[:, :1]) and len(np.unique(selectors)) == 4
    error = error_of_results(np.stack([gram[s : s + size, s : s + size] for s in range(0, k, size)]))
    alone = [weight_blocks(weight, gram, choice, SCALE, size) for choice in whole.choices]
    errors = []
    for choice, (found, steps) in zip(whole.choices, alone, strict=True):
        values = grid.values(found, choice) * np.repeat(grid.values(steps, SCALE), size, axis=0)
        blocks = (weight - values).reshape(k // size, size, n).transpose(0, 2, 1).reshape(-1, size)
        errors.append(error(blocks).reshape(k // size, n))
    assert np.array_equal(selectors[:, 0], np.argmin(errors, axis=0))
    for selector, (found, steps) in enumerate(alone):
        chosen = selectors[:, 0] == selector
        assert np.array_equal(scales[chosen], steps[chosen])
        every = np.repeat(chosen, size, axis=0)
        assert np.array_equal(codes[every], found[every] | selector << below)


def test_a_selector_is_stored_once_for_a_block():
    assert [parse(name).selector_bits for name in ("bitmod3", "bitmod4", "bitmod4p5", "int4")] == [2, 2, 0, 0]


def test_a_selector_is_for_weights_with_scales_by_blocks():
    bitmod, int8 = parse("bitmod4"), parse("int8")
    blocks = {"scale_per": "block", "block_size": 32}
    assert Scheme(weight=bitmod, activation=int8, **blocks).weight == bitmod
    message = "^weight must be a format without a selector unless scale_per is block, not bitmod4 with channel "
    for how in ({"weight": bitmod}, {"weight": int8, "layers": (("fc", bitmod, int8),)}):
        with pytest.raises(ValueError, match=message):
            Scheme(activation=int8, **how)
    for how in ({"activation": bitmod}, {"activation": int8, "edges": bitmod}):
        with pytest.raises(ValueError, match=r"^activation and edges must be formats without a selector, not bitmod4$"):
            Scheme(weight=int8, **how, **blocks)
