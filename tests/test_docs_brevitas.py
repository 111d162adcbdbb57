"""What docs/brevitas.md shows is so: outputs of the golden model and of a board are those of Brevitas, to the bit."""

import shutil
from pathlib import Path

import pytest
from docs_code import DOCS, python_blocks, run_blocks

DATA = Path(__file__).parent / "data"


@pytest.fixture
def files(example_folder):
    for file in ("brevitas_e2m1.onnx", "brevitas_e2m1.npz"):
        shutil.copy(DATA / file, example_folder)


def test_what_is_shown_of_the_training_is_what_trained():
    assert python_blocks("brevitas.md")[0] in (DOCS / "brevitas_e2m1.py").read_text()


def test_the_golden_model_gives_what_brevitas_gave(files, capsys):
    names = {}
    run_blocks("brevitas.md", 1, 3, names)
    assert (names["answers"].shape, names["answers"].dtype) == ((512, 10), "float32")
    assert f"```\n{capsys.readouterr().out}```" in (DOCS / "brevitas.md").read_text()


@pytest.mark.slow
def test_a_board_gives_what_brevitas_gave(files, capsys):
    run_blocks("brevitas.md", 1, 4, {})
    assert capsys.readouterr().out.endswith("cycles an image\n")
