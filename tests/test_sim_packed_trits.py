"""Ternary codes in bytes: by the definition, and as the package gguf has them in TQ1_0 and TQ2_0."""

import numpy as np
import pytest
from fewbit.sim import pack_trits, unpack_trits

CODES = np.array([3, 0, 1])


def values_of(codes):
    return np.where(codes == 3, -1, codes)


def test_every_five_trits_are_what_they_were():
    digits = np.stack(np.unravel_index(np.arange(243), (3,) * 5), axis=-1)
    found = pack_trits(CODES[digits], "trits")
    assert found[:, 0].tolist() == [-(-256 * v // 243) for v in range(243)]
    np.testing.assert_array_equal(unpack_trits(found, "trits"), CODES[digits])


def test_every_four_fields_are_what_they_were():
    digits = np.stack(np.unravel_index(np.arange(81), (3,) * 4), axis=-1)
    found = pack_trits(CODES[digits], "fields")
    assert found[:, 0].tolist() == [sum(int(d) << 2 * k for k, d in enumerate(row)) for row in digits]
    np.testing.assert_array_equal(unpack_trits(found, "fields"), CODES[digits])


def test_blocks_of_gguf_are_such_words():
    gguf = pytest.importorskip("gguf")
    values = np.random.default_rng(1).integers(-1, 2, (6, 256)).astype(np.float32)
    codes = values.astype(np.int64) & 3
    packed = gguf.quantize(values, gguf.GGMLQuantizationType.TQ1_0)
    words = [packed[:, :32], packed[:, 32:48]]
    np.testing.assert_array_equal(np.hstack([unpack_trits(word, "trits") for word in words]), codes[:, :240])
    # The last four bytes have four values each, and a fifth that does not count.
    np.testing.assert_array_equal(unpack_trits(packed[:, 48:52], "trits")[:, :16], codes[:, 240:])
    for first, word in zip((0, 160), words, strict=True):
        row = codes[:, first : first + 5 * word.shape[1]]
        np.testing.assert_array_equal(pack_trits(row, "trits"), word)
    packed = gguf.quantize(values, gguf.GGMLQuantizationType.TQ2_0)
    words = packed[:, :64].reshape(6, 2, 32)
    np.testing.assert_array_equal(unpack_trits(words, "fields").reshape(6, 256), codes)
    np.testing.assert_array_equal(pack_trits(codes.reshape(6, 2, 128), "fields"), words)


@pytest.mark.parametrize(
    ("codes", "packing", "message"),
    [
        ([0, 1, 3, 0], "trits", r"^codes must be a multiple of 5 along the last axis, not of shape \(4,\)$"),
        ([0, 1, 2, 0], "fields", "^codes must be 0, 1 or 3, those of ternary$"),
        ([0, 1, 0.5, 0], "fields", "^codes must be 0, 1 or 3, those of ternary$"),
        ([0, 1, 3, 0], "nibbles", "^packing must be trits or fields, not 'nibbles'$"),
    ],
)
def test_what_does_not_fit_is_refused(codes, packing, message):
    with pytest.raises(ValueError, match=message):
        pack_trits(codes, packing)


@pytest.mark.parametrize("data", [[256], [-1], [0.5], 3], ids=str)
def test_what_is_no_byte_is_refused(data):
    with pytest.raises(ValueError, match=r"^data must be an array of bytes, 0 to 255$"):
        unpack_trits(data, "trits")
