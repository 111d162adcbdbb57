"""Train small networks whose weights have one or two bits, and write what is committed in ``study/zoo/nets``.

    pip install torch==2.13.0 onnxscript
    apt-get install dataset-fashion-mnist
    python -m fewbit.study.zoo.train_few_bits all --out study/zoo/nets

Training starts from the float network in that folder and goes on with rounded weights, see ``rounded_nets``. The first
and the last layer stay float but in ``resnet8_ternary_all``, and so do activations: both are quantized afterwards, by
the study. On one core a
network takes one minute or two. One thread and fixed seeds: a second run on the same machine gives the same
networks. The test's images are looked at once, when everything is decided, to say how good the networks are.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from . import fashion
from .few_bits import TRAINED, WHOLE
from .train import Recipe, fit, write_all, write_network

if TYPE_CHECKING:
    import torch

__all__ = ["RECIPES", "main", "train"]

RECIPES = {"resnet8": Recipe(1, "AdamW", 2e-3, 1e-4), "vit": Recipe(1, "AdamW", 1e-3, 1e-4)}
FIRST_IMAGES = 1024
"""So many images say which mean and deviation batch normalizations start with."""


def train(name: str, path: Path, seed: int = 0) -> "torch.nn.Module":
    """The network of ``TRAINED`` of that name, trained from the float one in an ONNX file. Raises OSError."""
    import torch

    from .rounded_nets import bake, read_network, round_weights, unfold

    base, format = TRAINED[name]
    torch.manual_seed(seed)
    images, labels = fashion.read("train")
    network = read_network(base, path)
    unfold(network, torch.from_numpy(fashion.pixels(fashion.calibration(images, labels, FIRST_IMAGES, seed)[0])))
    round_weights(network, format, edges=name in WHOLE)
    fit(name, network, RECIPES[base], images, labels, seed)
    bake(network)
    return network


def main(arguments: list[str] | None = None) -> int:
    """Train, export and write; the exit code is 2 where torch or the data are missing."""
    parser = argparse.ArgumentParser(
        prog="python -m fewbit.study.zoo.train_few_bits", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("network", nargs="?", default="all", choices=[*TRAINED, "all"])
    parser.add_argument("--out", type=Path, required=True, help="folder of the float networks, and for the new ones")
    options = parser.parse_args(arguments)
    names = [*TRAINED] if options.network == "all" else [options.network]

    def write() -> None:
        for name in names:
            network = train(name, options.out / f"{TRAINED[name][0]}.onnx")
            write_network(name, network, options.out / f"{name}.onnx")

    return write_all(write)


if __name__ == "__main__":
    raise SystemExit(main())
