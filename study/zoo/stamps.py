"""Pictures to recognize and to find: Tux Paint's stamps, drawn and photographed things, pasted on backgrounds.

The stamps are Debian's package ``tuxpaint-stamps-default`` (GPL-2, so they and what is made of them are never part of
fewbit); 155 of them show what ImageNet has classes for, by ``nets/stamps_imagenet.csv``, which was written by hand
before any network was asked. Their alpha channel says exactly where the thing is.
"""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["FOLDER", "Report", "area_under_curve", "intersection_over_union", "labelled", "masked", "top", "unlabelled"]

Array = NDArray[Any]
Report = Callable[[int, int], None]
"""Takes the numbers of finished and of all pieces of work."""

FOLDER = Path("/usr/share/tuxpaint/stamps")
LABELS = Path(__file__).parent / "nets" / "stamps_imagenet.csv"
SIZE = 224
STAMP_SIZE = 190
SMALLEST = 100
NOTHING = -1
"""In the place of a label where a stamp has fewer than others."""


def labelled(report: Report) -> dict[str, Array]:
    """Every labelled stamp on every background: ``image``, ``expected`` and ``clusters``, 1,085 of each.

    ``image``: uint8 (samples, 3, 224, 224). ``expected``: the ImageNet classes that are right, int64 (samples, 5),
    filled up with -1. ``clusters``: the stamp's number. Every stamp comes once before one comes again, and any first
    few samples have all backgrounds, nearly equally often.
    """
    names = labels()
    chosen = list(names)
    order = np.random.default_rng(0).permutation(len(chosen))
    grounds = backgrounds()
    images, expected, clusters = [], [], []
    for turn in range(len(grounds)):
        for place, number in enumerate(order):
            image, _ = composite(chosen[number], grounds[(place + turn) % len(grounds)])
            images.append(image)
            expected.append(names[chosen[number]])
            clusters.append(number)
            report(len(images), len(order) * len(grounds))
    most = max(map(len, expected))
    filled = [(*right, *[NOTHING] * (most - len(right))) for right in expected]
    return {"image": np.stack(images), "expected": np.array(filled), "clusters": np.array(clusters)}


def unlabelled(count: int) -> dict[str, Array]:
    """So many stamps without a label, each on one background: ``image`` as of ``labelled``."""
    return {"image": np.stack([image for image, _ in _on_any_background(_others()[:count])])}


def masked(count: int, skip: int = 0) -> dict[str, Array]:
    """So many stamps of all, each on one background, the first ``skip`` left out: ``image``, and the ``expected`` mask.

    ``expected``: bool (samples, 1, 224, 224), true where the stamp is.
    """
    names = [*labels(), *_others()]
    order = np.random.default_rng(1).permutation(len(names))[skip : skip + count]
    pairs = list(_on_any_background([names[number] for number in order]))
    return {"image": np.stack([image for image, _ in pairs]), "expected": np.stack([mask[None] for _, mask in pairs])}


def labels() -> dict[str, tuple[int, ...]]:
    """The ImageNet classes, of 0 to 999, that are right for a stamp, by its path in the folder without ``.png``."""
    with LABELS.open(encoding="utf-8", newline="") as file:
        return {row["stamp"]: tuple(map(int, row["imagenet_ids"].split())) for row in csv.DictReader(file)}


def _others() -> list[str]:
    """Stamps without a label, in random order: with an alpha channel, not small, no mirror images, no letters."""
    from PIL import Image

    names, known = [], labels()
    for path in sorted(FOLDER.rglob("*.png")):
        name = str(path.relative_to(FOLDER).with_suffix(""))
        with Image.open(path) as image:
            fit = image.has_transparency_data and max(image.size) >= SMALLEST
        if fit and name not in known and not name.endswith("_mirror") and not name.startswith("symbols/"):
            names.append(name)
    return [names[number] for number in np.random.default_rng(2).permutation(len(names))]


def _on_any_background(names: list[str]) -> Iterator[tuple[Array, Array]]:
    grounds = backgrounds()
    return (composite(name, grounds[place % len(grounds)]) for place, name in enumerate(names))


def backgrounds() -> list[Array]:
    """Seven, uint8 (224, 224, 3): white, grey, scikit-image's grass, gravel and brick, scikit-learn's two photos."""
    from skimage import data
    from sklearn.datasets import load_sample_images

    pictures = [data.grass(), data.gravel(), data.brick(), *load_sample_images().images]
    return [np.full((SIZE, SIZE, 3), level, np.uint8) for level in (255, 128)] + [_square(each) for each in pictures]


def _square(picture: Array) -> Array:
    from PIL import Image

    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = Image.fromarray(picture[top : top + side, left : left + side]).convert("RGB")
    return np.asarray(cut.resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def composite(name: str, background: Array) -> tuple[Array, Array]:
    """The stamp in the middle of the background, its longer side 190 pixels: uint8 (3, 224, 224); and where it is."""
    from PIL import Image

    with Image.open(FOLDER / f"{name}.png") as file:
        stamp = _scaled(file.convert("RGBA"))
    canvas = Image.new("RGBA", (SIZE, SIZE))
    canvas.paste(stamp, ((SIZE - stamp.width) // 2, (SIZE - stamp.height) // 2))
    whole = Image.alpha_composite(Image.fromarray(background).convert("RGBA"), canvas)
    pixels = np.asarray(whole.convert("RGB")).transpose(2, 0, 1)
    return np.ascontiguousarray(pixels), np.asarray(canvas)[:, :, 3] >= 128


def _scaled(stamp: "Image") -> "Image":
    from PIL import Image

    factor = STAMP_SIZE / max(stamp.size)
    return stamp.resize(
        (max(1, round(stamp.width * factor)), max(1, round(stamp.height * factor))), Image.Resampling.BICUBIC
    )


def top(count: int) -> Callable[[Array, Array], Array]:
    """Judge: whether one of the expected classes is among the so many highest of the outputs (samples, classes)."""

    def judge(outputs: Array, expected: Array) -> Array:
        best = np.argpartition(-outputs, count - 1, axis=1)[:, :count]
        return (best[:, :, None] == expected[:, None, :]).any((1, 2)).astype(np.float64)

    return judge


def area_under_curve(outputs: Array, expected: Array) -> Array:
    """Judge: how probably a pixel of the mask has a higher output than one beside it; a tie counts half."""
    from scipy.stats import rankdata

    scores = []
    for output, mask in zip(outputs.reshape(len(outputs), -1), expected.reshape(len(expected), -1), strict=True):
        inside = int(mask.sum())
        above = rankdata(output)[mask].sum() - inside * (inside + 1) / 2
        scores.append(above / (inside * (len(mask) - inside)))
    return np.array(scores)


def intersection_over_union(outputs: Array, expected: Array) -> Array:
    """Judge: of the pixels that are in the mask or have an output above one half, the share where both are so."""
    found = outputs.reshape(len(outputs), -1) > 0.5
    masks = expected.reshape(len(expected), -1)
    shares: Array = (found & masks).sum(1) / (found | masks).sum(1)
    return shares
