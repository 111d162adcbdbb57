"""The benchmark runs, prints what it measured, and says what is missing. The ratios themselves are its own to judge."""

import json
import sys

import pytest
from fewbit.sim import benchmark


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    encode, matmul = benchmark.measure_encode, benchmark.measure_matmul
    monkeypatch.setattr(benchmark, "measure_encode", lambda: encode(size=5000, runs=1))
    monkeypatch.setattr(benchmark, "measure_matmul", lambda: matmul(size=8, runs=1))
    monkeypatch.setattr(benchmark, "ENCODE_LIMIT", 1e9)
    monkeypatch.setattr(benchmark, "MATMUL_LIMIT", 1e9)


def test_table(quick: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main([]) == 0
    shown = capsys.readouterr().out
    for word in ("encode float8_e4m3fn", "matmul int8 x int8", "ml_dtypes astype", "ratio"):
        assert word in shown


def test_json(quick: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark.main(["--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"encode bfloat16", "encode int4", "matmul e4m3 x e4m3"} <= {row["what"] for row in rows}
    assert all(row["ratio"] > 0 and row["ours"] > 0 and row["theirs"] > 0 for row in rows)


def test_a_ratio_above_its_limit_fails(quick: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "ENCODE_LIMIT", 0.0)
    assert benchmark.main(["--json"]) == 1


def test_ml_dtypes_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    assert benchmark.main([]) == 1
    assert "the benchmark needs ml_dtypes to compare with" in capsys.readouterr().err
