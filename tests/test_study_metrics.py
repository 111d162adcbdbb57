"""Scores, means and standard errors."""

import numpy as np
import pytest
from fewbit.study.network.metrics import agreement, mean_and_error, signal_to_noise, top1, top5

RANDOM = np.random.default_rng(9)


def test_top_classes_by_sorting():
    outputs, expected = RANDOM.standard_normal((200, 12)), RANDOM.integers(0, 12, 200)
    order = np.argsort(-outputs, axis=1)
    assert np.array_equal(top1(outputs, expected), order[:, 0] == expected)
    assert np.array_equal(
        top5(outputs, expected), [label in row[:5] for row, label in zip(order, expected, strict=True)]
    )
    assert np.array_equal(agreement(outputs, outputs[::-1]), order[:, 0] == order[::-1, 0])


def test_error_of_independent_samples_is_the_textbook_one():
    scores = RANDOM.integers(0, 2, 500).astype(float)
    mean, error = mean_and_error(scores)
    assert mean == scores.mean()
    assert error == pytest.approx(scores.std(ddof=1) / np.sqrt(500))


def test_samples_of_a_cluster_count_once_where_they_are_alike():
    scores = RANDOM.integers(0, 2, 100).astype(float)
    single = mean_and_error(scores)
    assert mean_and_error(np.repeat(scores, 7), np.repeat(np.arange(100), 7)) == pytest.approx(single)


def test_error_of_clusters_of_unequal_size_is_that_of_drawing_clusters_again():
    sizes = RANDOM.integers(1, 9, 60)
    clusters = np.repeat(np.arange(60), sizes)
    scores = np.clip(RANDOM.standard_normal(60)[clusters] + RANDOM.standard_normal(len(clusters)), -2, 2)
    sums, counts = np.bincount(clusters, scores), sizes
    drawn = RANDOM.integers(0, 60, (20000, 60))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    assert mean_and_error(scores, clusters)[1] == pytest.approx(means.std(), rel=0.1)


@pytest.mark.parametrize("score", [0.0, 1.0])
def test_all_right_or_all_wrong_is_no_certainty(score):
    """Of 16, with two successes and two failures added: a share of 2 / 20, so sqrt(0.1 * 0.9 / 20)."""
    assert mean_and_error(np.full(16, score)) == pytest.approx((score, np.sqrt(0.0045)))
    assert mean_and_error(np.full(48, score), np.repeat(np.arange(16), 3))[1] == pytest.approx(np.sqrt(0.0045))
    assert mean_and_error(np.full(16, 0.5)) == (0.5, 0.0)


def test_one_sample_has_no_error():
    assert np.isnan(mean_and_error(np.ones(1))[1])


def test_signal_to_noise_by_its_definition():
    reference = RANDOM.standard_normal((40, 7))
    outputs = reference + 0.1 * RANDOM.standard_normal((40, 7))
    value, error = signal_to_noise(outputs, reference)

    def ratio(keep):
        return 10 * np.log10((reference[keep] ** 2).sum() / ((outputs[keep] - reference[keep]) ** 2).sum())

    assert value == pytest.approx(ratio(slice(None)))
    left_out = np.array([ratio(np.arange(40) != one) for one in range(40)])
    assert error == pytest.approx(np.sqrt(39 / 40 * ((left_out - left_out.mean()) ** 2).sum()))
    assert signal_to_noise(reference, reference) == (np.inf, 0.0)


def test_nan_is_never_right_and_one_output_is_no_class():
    outputs = np.zeros((2, 7))
    outputs[0, 3] = np.nan
    assert (
        top1(outputs, [0, 0]).tolist()
        == top5(outputs, [0, 0]).tolist()
        == agreement(outputs, outputs).tolist()
        == [0, 1]
    )
    with pytest.raises(ValueError, match="for a network of one output, not top1"):
        top1(np.zeros((3, 1)), np.zeros(3))


def test_noise_of_samples_that_are_alike_counts_once():
    reference = RANDOM.standard_normal((30, 5))
    outputs = reference + 0.1 * RANDOM.standard_normal((30, 5))
    often = signal_to_noise(np.repeat(outputs, 7, axis=0), np.repeat(reference, 7, axis=0), np.repeat(np.arange(30), 7))
    assert often == pytest.approx(signal_to_noise(outputs, reference))


@pytest.mark.parametrize("metric", [top1, top5])
@pytest.mark.parametrize(
    "labels, told",
    [
        ([0, 1, 7], "not 7"),
        ([0, -1, 2], "not -1"),
        ([0, np.nan, 2], "not nan"),
        ([0, 0.5, 2], "not 0.5"),
        (["cat", "dog", "cat"], "not <U3"),
        ([0, 1], r"not of shape \(2,\)"),
        ([[0], [1], [2]], r"not of shape \(3, 1\)"),
    ],
)
def test_labels_that_cannot_match_are_told(metric, labels, told):
    with pytest.raises(ValueError, match="expected must be a number from 0 to 6 for each sample, " + told):
        metric(np.eye(3, 7), np.array(labels))


def test_unsigned_outputs_are_ranked_as_they_are():
    outputs = np.array([[0, 5, 1, 9, 3, 2, 8]] * 2, np.uint8)
    np.testing.assert_array_equal(top5(outputs, np.array([0, 5])), [0, 1])
