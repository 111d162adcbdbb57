"""A test over many cases runs each of them, and fails where one of them does."""

import pytest
from each_of import each_of


def test_every_case_is_run_with_what_pytest_gives(tmp_path):
    seen = []

    @each_of("a, b", [(1, 2), (3, 4)])
    @each_of("c", [(5, 6), 7])
    def checked(a, tmp_path, b, c):
        seen.append((a, b, c, tmp_path))

    checked(tmp_path=tmp_path)
    assert seen == [(a, b, c, tmp_path) for a, b in ((1, 2), (3, 4)) for c in ((5, 6), 7)]


@each_of("value", [1, 2])
def test_what_is_left_is_a_fixture(value, tmp_path):
    assert value in (1, 2) and tmp_path.is_dir()


def test_a_wrong_case_is_told_and_those_behind_it_are_run():
    seen = []

    @each_of("value", [1, 2, 3, 4])
    def checked(value):
        seen.append(value)
        assert value % 2, f"{value} must be odd"

    with pytest.raises(AssertionError, match="2 must be odd") as caught:
        checked()
    assert seen == [1, 2, 3, 4]
    assert caught.value.__notes__ == ["with value=2; 2 of 4 cases are wrong"]


def test_cases_must_be_there():
    with pytest.raises(ValueError, match="cases must be one or more, of a, b"):
        each_of("a, b", [])


def test_a_case_that_is_skipped_is_an_error():
    """For pytest would skip all of them."""

    @each_of("value", [1, 2])
    def checked(value):
        if value == 2:
            pytest.skip("not this one")

    with pytest.raises(TypeError, match=r"cases must be such as are not skipped, not \{'value': 2\}"):
        checked()
