"""The linter finds what is wrong, says in which design, and finds nothing in what is emitted."""

import pytest
from fewbit.formats import parse, study_formats
from fewbit.hdl import Design
from fewbit.tb import lint, lint_many

CLEAN = "module clean(input a, output b);\n  assign b = a;\nendmodule\n"
TRUNCATING = "module wide(input [1:0] a, output b);\n  assign b = a;\nendmodule\n"


def test_warnings_are_laid_to_their_design() -> None:
    assert lint(CLEAN) == []
    found = lint_many([("one", CLEAN), ("two", TRUNCATING), ("three", CLEAN)])
    assert found["one"] == found["three"] == []
    assert any("WIDTHTRUNC" in warning for warning in found["two"])
    assert lint_many([]) == {}


def test_a_syntax_error_is_found() -> None:
    assert "syntax error" in lint("module broken(\n")[0]


@pytest.mark.slow
def test_a_row_of_the_space_is_clean() -> None:
    weight = parse("e4m3")
    designs = ((format.name, Design("mac", weight, format, terms=8192).verilog()) for format in study_formats())
    assert {name: warnings for name, warnings in lint_many(designs).items() if warnings} == {}
