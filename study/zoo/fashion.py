"""Fashion-MNIST, as Debian's package ``dataset-fashion-mnist`` installs it: 70,000 labelled pictures of clothes."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CLASSES", "FOLDER", "calibration", "pixels", "read"]

Array = NDArray[Any]

FOLDER = Path("/usr/share/datasets/fashion-mnist")
CLASSES = 10


def read(part: str, folder: Path = FOLDER) -> tuple[Array, Array]:
    """Images (n, 28, 28) and labels (n,), both uint8, of ``train`` (n = 60,000) or ``t10k`` (the test's 10,000).

    Raises FileNotFoundError where the files are not there.
    """
    if part not in ("train", "t10k"):
        raise ValueError(f"part must be train or t10k, not {part!r}")
    files = [folder / f"{part}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
    for file in files:
        if not file.is_file():
            raise FileNotFoundError(
                f"Fashion-MNIST must be in {folder}, and {file.name} is not: apt-get install dataset-fashion-mnist"
            )
    # IDX: a header of four bytes and four more for each dimension, then the bytes.
    images, labels = (np.frombuffer(gzip.decompress(file.read_bytes()), np.uint8) for file in files)
    return images[16:].reshape(-1, 28, 28), labels[8:]


def pixels(images: Array) -> Array:
    """The networks' input, float32 (n, 1, 28, 28) from 0 to 1, of uint8 images (n, 28, 28)."""
    return images[:, None].astype(np.float32) / np.float32(255)


def calibration(images: Array, labels: Array, count: int, seed: int = 0) -> tuple[Array, Array]:
    """So many of them, chosen at random with as many of each class, give or take one, and in random order."""
    random = np.random.default_rng(seed)
    order = random.permutation(len(labels))
    ranks = np.empty(len(labels), np.int64)  # the first of each class in this order come first
    for label in range(CLASSES):
        own = order[labels[order] == label]
        ranks[own] = np.arange(len(own)) * CLASSES + label
    chosen = random.permutation(np.argsort(ranks)[:count])
    return images[chosen], labels[chosen]
