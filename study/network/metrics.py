"""How good outputs are: a score for each sample, their mean, and its standard error."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .network import Judge, Network, Samples

__all__ = [
    "JUDGES",
    "METRICS",
    "agreement",
    "check_expected",
    "check_metrics",
    "mean_and_error",
    "signal_to_noise",
    "top1",
    "top5",
]

Array = NDArray[Any]

METRICS = ("top1", "top5", "agreement", "sqnr")
"""Names of what any network can be judged by; ``agreement`` and ``sqnr`` compare with its own float32 outputs."""


def top1(outputs: Array, expected: Array) -> Array:
    """Whether the largest output is the expected one, for each sample: (samples, classes), (samples,) to (samples,).

    NaN is never right.
    """
    outputs = _classes(outputs)
    right = outputs.argmax(axis=1) == _labels(expected, outputs)
    return np.asarray(right & ~np.isnan(outputs).any(axis=1), np.float64)


def top5(outputs: Array, expected: Array) -> Array:
    """Whether the expected one is among the five largest outputs, for each sample."""
    outputs = _classes(outputs)
    best = np.argpartition(-outputs.astype(np.float64), min(5, outputs.shape[1] - 1), axis=1)[:, :5]
    among = (best == _labels(expected, outputs)[:, None]).any(axis=1)
    return np.asarray(among & ~np.isnan(outputs).any(axis=1), np.float64)


def agreement(outputs: Array, reference: Array) -> Array:
    """Whether the largest output is that of the float32 network, for each sample."""
    return top1(outputs, _classes(reference).argmax(axis=1))


def _classes(outputs: Array) -> Array:
    """(samples, classes). Raises ValueError where there is nothing to be the largest of."""
    outputs = outputs.reshape(len(outputs), -1)
    if outputs.shape[1] < 2:
        raise ValueError(
            "metric must be sqnr or file.py:function for a network of one output, not top1, top5, agreement"
        )
    return outputs


def _labels(expected: Array, outputs: Array) -> Array:
    """(samples,). Raises ValueError where they are no numbers of classes."""
    labels = np.asarray(expected)
    wanted = f"expected must be a number from 0 to {outputs.shape[1] - 1} for each sample"
    if labels.shape != (len(outputs),):
        raise ValueError(f"{wanted}, not of shape {labels.shape}")
    if labels.dtype.kind not in "iufb":
        raise ValueError(f"{wanted}, not {labels.dtype}")
    odd = labels[~((labels >= 0) & (labels < outputs.shape[1]) & (labels == np.floor(labels)))]
    if odd.size:
        raise ValueError(f"{wanted}, not {odd[0]}")
    return labels


JUDGES: dict[str, Judge] = {"top1": top1, "top5": top5}


def check_metrics(network: Network) -> None:
    """Raise ValueError where a metric of the network is neither known nor its own."""
    known = [*METRICS, *(network.judges or {})]
    unknown = [name for name in network.metrics if name not in known]
    if unknown or not network.metrics:
        files = "" if network.judges else " or file.py:function"
        raise ValueError(f"metric must be {', '.join(known)}{files}, not {', '.join(map(repr, unknown)) or 'none'}")


def mean_and_error(scores: Array, clusters: Array | None = None) -> tuple[float, float]:
    """The mean of scores and its standard error; samples of one cluster count as drawn together.

    The error is that of a ratio of two sums over clusters; without clusters it is the usual one, of ``n - 1``. Where
    all scores are 0 or all are 1 that would be 0, which nobody can know from so many samples: then it is the one of
    Agresti and Coull (The American Statistician 52(2), 1998), who add two successes and two failures.
    """
    mean = float(scores.mean())
    labels = np.arange(len(scores)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    residuals = np.bincount(labels, scores - mean)
    count = len(residuals)
    if count < 2:
        return mean, float("nan")
    if mean in (0, 1) and np.all(scores == mean):
        return mean, float(np.sqrt(2 * (count + 2) / (count + 4) ** 3))
    return mean, float(np.sqrt(count / (count - 1) * np.sum(residuals**2)) / len(scores))


def signal_to_noise(outputs: Array, reference: Array, clusters: Array | None = None) -> tuple[float, float]:
    """Signal to quantization noise of all outputs together, in dB, and its standard error: the jackknife over clusters,
    or over samples where there are none."""
    reference = reference.reshape(len(reference), -1).astype(np.float64)
    labels = np.arange(len(reference)) if clusters is None else np.unique(clusters, return_inverse=True)[1]
    noise = np.bincount(labels, ((outputs.reshape(len(outputs), -1) - reference) ** 2).sum(axis=1))
    signal = np.bincount(labels, (reference**2).sum(axis=1))
    count = len(signal)
    with np.errstate(divide="ignore", invalid="ignore"):
        whole = float(10 * np.log10(signal.sum() / noise.sum()))
        without = 10 * np.log10((signal.sum() - signal) / (noise.sum() - noise))
    if np.isposinf(whole):
        return whole, 0.0
    if count < 2 or not np.isfinite(without).all():
        return whole, float("nan")
    return whole, float(np.sqrt((count - 1) / count * np.sum((without - without.mean()) ** 2)))


def check_expected(metrics: Iterable[str], test: Samples) -> None:
    """Raise ValueError where a metric compares with what the test samples do not tell."""
    comparing = [name for name in metrics if name not in ("agreement", "sqnr")]
    if comparing and test.expected is None:
        raise ValueError(f"samples must have `expected` for the metric {comparing[0]}; sqnr and agreement need none")
