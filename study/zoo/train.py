"""Train the small networks on Fashion-MNIST and write what is committed in ``study/zoo/nets``.

    pip install torch==2.13.0 onnxscript
    apt-get install dataset-fashion-mnist
    python -m fewbit.study.zoo.train all --out study/zoo/nets

On one core ``resnet8`` takes 6 minutes, ``mobilenet`` 3 and ``vit`` 12. One thread and fixed seeds: a second run on
the same machine gives the same networks. The test's images are looked at once, when everything is decided, to say how
good they are.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...synth import write_bytes
from . import fashion
from .files import write_npz

if TYPE_CHECKING:
    import torch

__all__ = ["RECIPES", "Recipe", "fit", "main", "train", "write_all", "write_data", "write_network"]

Array = NDArray[Any]

BATCH = 128
SHIFT = 1
TEST_IMAGES = 2000
CALIBRATION_IMAGES = 256


class Recipe(NamedTuple):
    """How a network is trained: over all images so many times, the learning rate rising to its peak and falling."""

    epochs: int
    optimizer: str
    peak: float
    weight_decay: float


RECIPES = {
    "resnet8": Recipe(6, "SGD", 0.2, 5e-4),
    "mobilenet": Recipe(10, "SGD", 0.2, 1e-4),
    "vit": Recipe(9, "AdamW", 2e-3, 0.05),
}


def train(name: str, images: Array, labels: Array, seed: int = 0) -> "torch.nn.Module":
    """The network of that name, trained on uint8 images (n, 28, 28) and labels (n,). Says on stderr how far it is."""
    import torch

    from .small_nets import NETWORKS

    torch.manual_seed(seed)
    return fit(name, NETWORKS[name](), RECIPES[name], images, labels, seed)


def fit(
    name: str, network: "torch.nn.Module", recipe: Recipe, images: Array, labels: Array, seed: int = 0
) -> "torch.nn.Module":
    """Train a network by a recipe, on one thread, and return it in evaluation mode. Says on stderr how far it is."""
    import torch

    torch.set_flush_denormal(True)  # or it slows down several times
    torch.set_num_threads(1)
    network = network.to(memory_format=torch.channels_last).train()
    kinds: dict[str, Any] = {"SGD": {"momentum": 0.9, "nesterov": True}, "AdamW": {}}
    optimizer = getattr(torch.optim, recipe.optimizer)(
        network.parameters(), lr=recipe.peak, weight_decay=recipe.weight_decay, **kinds[recipe.optimizer]
    )
    steps = len(images) // BATCH
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.peak, total_steps=recipe.epochs * steps)
    random = np.random.default_rng(seed)
    started = time.monotonic()
    for epoch in range(recipe.epochs):
        total = 0.0
        for chosen in random.permutation(len(images))[: steps * BATCH].reshape(steps, BATCH):
            batch = torch.from_numpy(fashion.pixels(_augmented(images[chosen], random)))
            target = torch.from_numpy(labels[chosen].astype(np.int64))
            loss = torch.nn.functional.cross_entropy(network(batch), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        left = (time.monotonic() - started) * (recipe.epochs / (epoch + 1) - 1)
        _say(f"{name}: {epoch + 1} of {recipe.epochs} epochs, loss {total / steps:.3f}, {left / 60:.0f} min left")
    return network.eval()


def _augmented(images: Array, random: np.random.Generator) -> Array:
    """Each image moved by up to a pixel and, every other one, mirrored."""
    padded = np.pad(images, ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    count, size = len(images), images.shape[1]
    rows, columns = (random.integers(0, 2 * SHIFT + 1, (count, 1)) + np.arange(size) for _ in range(2))
    columns = np.where(random.random((count, 1)) < 0.5, columns, columns[:, ::-1])
    moved: Array = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return moved


def write_network(name: str, network: "torch.nn.Module", path: Path) -> None:
    """Fold batch normalization, export, compare with torch and say how many images of the test are right."""
    import torch

    from .export import to_onnx

    images, labels = fashion.read("t10k")
    with torch.no_grad():
        before = torch.cat([network(torch.from_numpy(fashion.pixels(part))) for part in np.split(images, 20)]).numpy()
    network.fold()  # type: ignore[operator]
    content = to_onnx(network, {"image": torch.zeros(2, 1, 28, 28)}, "logits").SerializeToString()
    after = _logits(content, images)
    if not np.allclose(before, after, atol=1e-3):
        raise ArithmeticError(f"{name} in onnxruntime differs from torch by {np.abs(before - after).max()}")
    write_bytes(path, content)
    for what, logits in (("torch", before), ("onnxruntime", after)):
        right = logits.argmax(1) == labels
        _say(f"{name} in {what}: {right.sum()} of {len(right)} right, {right[:TEST_IMAGES].sum()} of {TEST_IMAGES}")


def _logits(content: bytes, images: Array) -> Array:
    import onnxruntime

    session = onnxruntime.InferenceSession(content)
    parts = np.split(fashion.pixels(images), 20)
    return np.concatenate([session.run(["logits"], {"image": part})[0] for part in parts])


def write_data(folder: Path) -> None:
    """``fashion_test.npz``, the first 2,000 images of the test, and ``fashion_calibration.npz``, 256 others."""
    images, labels = fashion.read("t10k")
    write_npz(folder / "fashion_test.npz", {"image": images[:TEST_IMAGES], "expected": labels[:TEST_IMAGES]})
    images, labels = fashion.calibration(*fashion.read("train"), CALIBRATION_IMAGES)
    write_npz(folder / "fashion_calibration.npz", {"image": images, "expected": labels})


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Train, export and write; the exit code is 2 where torch or the data are missing."""
    parser = argparse.ArgumentParser(
        prog="python -m fewbit.study.zoo.train", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("network", nargs="?", default="all", choices=[*RECIPES, "all"])
    parser.add_argument("--out", type=Path, required=True, help="folder for the networks and the data")
    options = parser.parse_args(arguments)

    def write() -> None:
        images, labels = fashion.read("train")
        write_data(options.out)
        for name in RECIPES if options.network == "all" else [options.network]:
            write_network(name, train(name, images, labels), options.out / f"{name}.onnx")

    return write_all(write)


def write_all(write: Callable[[], None]) -> int:
    """Call what trains and writes; the exit code is 2, and a line says why, where torch or the data are missing."""
    try:
        import onnxscript  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        _say(f"training needs torch and onnxscript ({error}): pip install torch==2.13.0 onnxscript")
        return 2
    try:
        write()
    except OSError as error:
        _say(str(error))
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
