"""What a figure depends on, as a hash: equal ones mean equal figures."""

import hashlib
import json
from importlib.metadata import version

import numpy as np

from ... import __version__
from ...formats import Format
from ...places import sources_hash
from ..network.network import Network, Samples
from ..quantization.scheme import Scheme

__all__ = ["hash_on", "network_hash", "point_key", "versions"]


def versions() -> dict[str, str]:
    """The versions of everything that a figure depends on."""
    return {"fewbit": __version__, **{name: version(name) for name in ("numpy", "onnx", "onnxruntime", "scipy")}}


def network_hash(network: Network, samples: int | None) -> str:
    """A hash of name, model, data (the first ``samples`` of the test), metrics with a user's own code, and the output
    that is judged where that was chosen."""
    return hash_on(network, network.test().first(samples))


def hash_on(network: Network, test: Samples) -> str:
    """The same where the test's samples are at hand."""
    names = [network.name, network.metrics, *([network.output] if network.output else [])]
    parts = [
        network.content(),
        json.dumps(names).encode(),
        network.judged_by,
        _content(network.calibration()),
        _content(test),
    ]
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def point_key(network: str, scheme: Scheme | None, evaluation: str, seed: int, between: Format | None = None) -> str:
    """A key of all that a point's figures follow from, with the code. Equal keys give equal figures on one machine."""
    asked = [network, scheme and scheme.to_dict(), evaluation, seed, versions(), *([between.name] if between else [])]
    words = json.dumps(asked, sort_keys=True)
    return hashlib.sha256(f"{sources_hash('formats', 'sim', 'study')} {words}".encode()).hexdigest()


def _content(samples: Samples) -> bytes:
    arrays = {**samples.inputs, "expected": samples.expected, "clusters": samples.clusters}
    sums = [(name, np.ascontiguousarray(values)) for name, values in arrays.items() if values is not None]
    return b"".join(
        f"{name} {values.dtype.str} {values.shape}".encode()
        + hashlib.sha256(values.reshape(-1).view(np.uint8).data).digest()
        for name, values in sums
    )
