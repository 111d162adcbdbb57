"""The training of the small networks, as far as it needs no torch."""

import gzip
import os
import subprocess
import sys

import numpy as np
import pytest
from fewbit.study.zoo import fashion, train


def test_without_torch_it_says_so(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')\n")  # wherever torch is installed as well
    command = [sys.executable, "-m", "fewbit.study.zoo.train", "vit", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and not (tmp_path / "out").exists()
    assert done.stderr.startswith("training needs torch and onnxscript (") and len(done.stderr.splitlines()) == 1


def test_without_the_data_it_says_so(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"train-images-idx3-ubyte\.gz is not: apt-get install dataset-fashion-mnist"
    ):
        fashion.read("train", tmp_path)


def test_reads_what_the_files_hold(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 28), np.uint8)
    labels = np.array([7, 0, 9], np.uint8)
    for kind, header, values in (("images-idx3", 16, images), ("labels-idx1", 8, labels)):
        (tmp_path / f"t10k-{kind}-ubyte.gz").write_bytes(gzip.compress(bytes(header) + values.tobytes()))
    found = fashion.read("t10k", tmp_path)
    assert np.array_equal(found[0], images) and np.array_equal(found[1], labels)


def test_calibration_has_every_class_alike():
    labels = np.repeat(np.arange(10, dtype=np.uint8), 50)
    images = np.arange(500)
    chosen, its_labels = fashion.calibration(images, labels, 104)
    assert len({*chosen}) == 104 and np.array_equal(labels[chosen], its_labels)
    assert sorted(np.bincount(its_labels)) == [10] * 6 + [11] * 4


def test_augmentation_moves_and_mirrors():
    images = np.random.default_rng(0).integers(1, 256, (40, 28, 28), np.uint8)
    moved = train._augmented(images, np.random.default_rng(1))
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    seen = set()
    for image, source in zip(moved, padded, strict=True):
        places = [
            (top, left, mirrored)
            for top in range(3)
            for left in range(3)
            for mirrored in (False, True)
            if np.array_equal(image[:, ::-1] if mirrored else image, source[top : top + 28, left : left + 28])
        ]
        assert len(places) == 1
        seen |= {*places}
    assert len(seen) > 9
