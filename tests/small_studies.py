"""Studies of small networks with random samples."""

from pathlib import Path

import networks
import numpy as np
from fewbit.study.measurement.evaluate import Study
from fewbit.study.network.network import Network, Samples

__all__ = ["study_of_convolutions"]


def study_of_convolutions(folder: Path) -> Study:
    """A study of ``networks.convolutions`` by the ratio of signal to noise, on four samples, with its file in a
    folder."""
    file = folder / "net.onnx"
    file.write_bytes(networks.convolutions())
    samples = Samples({"image": np.random.default_rng(2).standard_normal((4, 1, 8, 8)).astype(np.float32)})
    return Study(Network("net", "", file, lambda: samples, lambda: samples, ("sqnr",)), threads=1)
