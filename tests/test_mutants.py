"""The faults that ``mutate.py`` puts into a file are in the places that they name, and where they can matter."""

import pytest
from mutants import mutants_of


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a + b", {"(a - b)", "a", "b"}),
        ("c if a < b else d", {"c", "d", "(d if a < b else c)", "c if (a <= b) else d"}),
        ("a and b", {"(a or b)", "a", "b"}),
        ("f(x, name=y)", {"f(None, name=y)"}),
        ("'é' * 3", {"('é' + 3)", "'é' * 4", "'é' * 2"}),
    ],
)
def test_an_expression_has_its_mutants(tmp_path, line, expected):
    source = f"def f():\n    é = 'é'\n    return {line}\n"
    (tmp_path / "file.py").write_text(source)
    found = {
        mutant.applied_to(source).splitlines()[2].removeprefix("    return ")
        for mutant in mutants_of(tmp_path, "file.py")
    }
    assert found == expected


def test_statements_conditions_and_terms_of_a_list(tmp_path):
    source = "def f(m):\n    if m.a:\n        m.d += [x, y]\n    m.go()\n"
    (tmp_path / "file.py").write_text(source)
    mutants = mutants_of(tmp_path, "file.py")
    assert [(mutant.line, mutant.kind, mutant.after) for mutant in mutants] == [
        (2, "condition", "(not m.a)"),
        (3, "statement", "m.d += [x]"),
        (3, "statement", "m.d += [y]"),
        (3, "statement", "pass"),
        (4, "statement", "pass"),
    ]
    assert [mutant.lines for mutant in mutants] == [(2, 2), (3, 3), (3, 3), (3, 3), (4, 4)]


def test_words_of_errors_and_types_are_left_alone(tmp_path):
    source = '"""1 + 2."""\n\n\ndef f(x: 3 = None):\n    assert x == 1\n    raise ValueError(f"{x + 1}")\n'
    (tmp_path / "file.py").write_text(source)
    assert mutants_of(tmp_path, "file.py") == []
