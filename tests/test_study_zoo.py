"""The study's networks: those that are committed are what their README says, absent ones are named."""

import re
from collections import Counter

import numpy as np
import onnx
import onnxruntime
import pytest
from fewbit.study.zoo import glosses, stamps
from fewbit.study.zoo import networks as zoo
from fewbit.study.zoo.few_bits import TRAINED
from fewbit.study.zoo.files import read_npz

SMALL = ("resnet8", "vit")
MULTIPLICATIONS = {
    "resnet8": {"Conv": 7 + 2, "Gemm": 1},
    # Four blocks of query, key, value, projection, two layers of the perceptron, and two products of activations.
    "vit": {"Conv": 1, "MatMul": 4 * (6 + 2), "Gemm": 1},
}


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FEWBIT_CACHE", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("name", [*SMALL, "resnet8_ternary", "vit_bipolar"])
def test_small_networks_are_as_good_as_the_readme_says(name):
    network = zoo.network(name)
    test = network.test()
    session = onnxruntime.InferenceSession(network.content())
    parts = np.split(test.inputs["image"], 10)
    logits = np.concatenate([session.run(["logits"], {"image": part})[0] for part in parts])
    right = int((logits.argmax(1) == test.expected).sum())
    row = re.search(rf"^\| {name} \|.*", (zoo.NETS / "README.md").read_text(), re.MULTILINE)
    assert f"| {right:,} of 2,000 |" in row[0]


@pytest.mark.parametrize("name", SMALL)
def test_small_networks_multiply_where_they_should(name):
    model = onnx.load_from_string(zoo.network(name).content())
    counts = Counter(node.op_type for node in model.graph.node)
    assert {kind: counts[kind] for kind in ("Conv", "Gemm", "MatMul", "Einsum") if counts[kind]} == MULTIPLICATIONS[
        name
    ]
    assert {node.domain for node in model.graph.node} == {""}
    (image,), (logits,) = model.graph.input, model.graph.output
    shapes = [
        [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim] for value in (image, logits)
    ]
    assert (image.name, logits.name, shapes) == ("image", "logits", [["batch", 1, 28, 28], ["batch", 10]])


def test_small_samples():
    test, calibration = zoo.network("vit").test(), zoo.network("vit").calibration()
    assert len(test) == len(test.expected) == 2000 and test.inputs["image"].dtype == np.float32
    assert (test.inputs["image"].min(), test.inputs["image"].max()) == (0, 1)
    assert sorted(np.bincount(calibration.expected)) == [25] * 4 + [26] * 6
    seen = {image.tobytes() for image in test.inputs["image"]}
    assert not any(image.tobytes() in seen for image in calibration.inputs["image"])


def test_unknown_and_absent_networks_are_told(empty_cache):
    with pytest.raises(
        ValueError,
        match=r"network must be resnet8, mobilenet, vit, .*, minilm, tiny_resnet8, .* or an ONNX file, .* not 'lenet'",
    ):
        zoo.network("lenet")
    for name in ("efficientnet_lite0", "vit_s", "minilm"):
        with pytest.raises(
            zoo.NotPrepared, match=f"{name} is not prepared: run `python -m fewbit.study.zoo {name}`"
        ) as told:
            zoo.network(name)
        assert "\n" not in str(told.value)
    small = ["resnet8", "mobilenet", "vit", *TRAINED]
    assert zoo.available() == small
    assert list(zoo.missing()) == ["efficientnet_lite0", "vit_s", "minilm"]
    assert list(zoo.networks()) == [*small, "efficientnet_lite0", "vit_s", "minilm"]


def test_missing_packages_are_named(empty_cache, monkeypatch, capsys):
    entry = zoo.LARGE["vit_s"]._replace(
        folders={empty_cache / "none": "some-stamps"}, modules={"not_there": "some-pip"}
    )
    monkeypatch.setitem(zoo.LARGE, "vit_s", entry)
    assert zoo.main(["vit_s"]) == 2
    error = capsys.readouterr().err
    assert "vit_s needs from Debian some-stamps and from PyPI some-pip" in error and zoo.INSTALL in error


def test_preparation_is_whole_or_not_at_all(empty_cache, monkeypatch):
    def fails(report):
        raise OSError("no room")

    images = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1).repeat(3, 1)
    entry = zoo.LARGE["vit_s"]._replace(folders={}, modules={}, model=lambda: b"model", data=fails)
    monkeypatch.setitem(zoo.LARGE, "vit_s", entry)
    with pytest.raises(OSError, match="no room"):
        zoo.prepare("vit_s", print)
    assert list((empty_cache / "zoo").iterdir()) == []
    made = ({"input_image": images}, {"input_image": images, "expected": np.array([3, 4])})
    monkeypatch.setitem(zoo.LARGE, "vit_s", entry._replace(data=lambda report: made))
    for _ in range(2):
        zoo.prepare("vit_s", print)
    assert [path.name for path in (empty_cache / "zoo").iterdir()] == ["vit_s"]
    network = zoo.network("vit_s")
    test = network.test()
    assert network.content() == b"model" and list(test.expected) == [3, 4]
    expected = [(value - mean) / deviation for value in (0, 1) for mean, deviation in ((0.485, 0.229), (0.456, 0.224))]
    assert np.allclose(test.inputs["input_image"][:, :2].ravel(), expected)
    assert network.calibration().expected is None


def test_stamps_labels():
    labels = stamps.labels()
    assert len(labels) == 155 and all(0 <= each < 1000 for ids in labels.values() for each in ids)
    assert labels["animals/amphibians/frog"] == (30, 31, 32)


def test_top_takes_any_of_the_right_classes():
    outputs = np.array([[0.0, 3, 2, 1], [0, 3, 2, 1], [9, 3, 2, 1]])
    expected = np.array([[2, 1], [3, -1], [0, 3]])
    assert list(stamps.top(1)(outputs, expected)) == [1, 0, 1]
    assert list(stamps.top(3)(outputs, expected)) == [1, 1, 1]


def test_area_under_curve_counts_pairs():
    random = np.random.default_rng(0)
    outputs = random.integers(0, 4, (5, 1, 6, 7)).astype(np.float32)
    masks = random.random((5, 1, 6, 7)) < 0.3
    for output, mask, area in zip(outputs, masks, stamps.area_under_curve(outputs, masks), strict=True):
        inside, outside = output[mask][:, None], output[~mask][None]
        assert area == pytest.approx(((inside > outside) + 0.5 * (inside == outside)).mean())


def test_intersection_over_union():
    outputs = np.array([[[[0.9, 0.6], [0.2, 0.5]]]])
    assert list(stamps.intersection_over_union(outputs, np.array([[[[True, False], [True, False]]]]))) == [1 / 3]


def test_recall_asks_for_the_own_noun():
    nouns = np.eye(3)
    found = np.array([nouns[0], (nouns[1] + 2 * nouns[2]) / np.sqrt(5), nouns[2]])
    outputs = np.stack([found, nouns], 1)
    assert list(glosses.recall(1)(outputs, np.arange(3))) == [1, 0, 1]
    assert list(glosses.recall(2)(outputs, np.arange(3))) == [1, 1, 1]
    assert list(glosses.recall(1)(outputs[:2], np.arange(2))) == [1, 1]  # where the third noun is not asked for


def test_recall_is_not_won_by_giving_up():
    for outputs in (np.ones((4, 2, 3)), np.full((4, 2, 3), np.nan)):
        assert glosses.recall(1)(outputs, np.arange(4)).sum() == 0


def test_npz_files_hold_bytes():
    """Of what is committed, so that a new one is not ten times as large."""
    assert {
        kind.dtype for part in ("test", "calibration") for kind in read_npz(zoo.NETS / f"fashion_{part}.npz").values()
    } == {np.dtype(np.uint8)}
