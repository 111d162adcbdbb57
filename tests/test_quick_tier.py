"""The quick tier leaves out what it says, and nothing that is not there."""

from pathlib import Path
from types import SimpleNamespace

import pytest
from each_of import each_of
from quick_tier import EVERY, LARGE, leave_to_the_whole_suite

FOLDER = Path(__file__).parent


@each_of("file, name", [(file, name) for file, names in LARGE.items() for name in names])
def test_every_large_test_is_there(file, name):
    assert f"def {name}(" in (FOLDER / file).read_text()


def test_every_fourth_case_of_a_large_test_is_quick():
    marked = []
    file, (name, *_) = next(iter(LARGE.items()))

    def case(place, originalname):
        return SimpleNamespace(
            path=FOLDER / file,
            name=f"{originalname}[{place}]",
            originalname=originalname,
            add_marker=lambda mark: marked.append((place, mark)),
        )

    leave_to_the_whole_suite([case(place, originalname) for place in range(9) for originalname in (name, "other")])
    assert marked == [(place, pytest.mark.slow) for place in range(9) if place % EVERY]
