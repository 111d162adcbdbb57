"""Sweeps: kept as they come, gone on with where they stopped, on processes and on a Dask cluster."""

from dataclasses import replace

import networks
import numpy as np
import pytest
from fewbit.formats import parse
from fewbit.study.measurement.evaluate import Study
from fewbit.study.measurement.points_file import add_points, merge, read_commands, read_points, write_points
from fewbit.study.quantization.scheme import Scheme
from fewbit.study.sweep import Job, Source, sensitivities, study
from fewbit.synth import SweepError

FORMATS = ("int3", "int4", "e2m1", "int6", "e3m2", "e4m3")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A network of random weights, its samples labelled by what it says itself of most of them."""
    folder = tmp_path_factory.mktemp("network")
    (folder / "net.onnx").write_bytes(networks.convolutions())
    random = np.random.default_rng(11)
    images = random.standard_normal((240, 1, 8, 8)).astype(np.float32)
    labels = random.integers(0, 10, 240)
    np.savez(folder / "calibration.npz", image=images[:40], expected=labels[:40])
    np.savez(folder / "test.npz", image=images[40:], expected=labels[40:])
    files = (folder / "net.onnx", folder / "calibration.npz", folder / "test.npz")
    return Source("net", *files, ("agreement", "top1", "sqnr"))


def jobs_of(source, formats=FORMATS, **options):
    return [Job(source, Scheme(weight=parse(name), activation=parse(name)), **options) for name in formats]


def figures(points):
    """All but the time that each took."""
    return sorted(({**point.to_dict(), "seconds": 0} for point in points), key=lambda values: str(values))


@pytest.fixture(scope="module")
def expected(source):
    """The points by the plain way: one after another, in this process."""
    plain = Study(source.network(), threads=1)
    return figures(plain.point(job.scheme) for job in jobs_of(source))


def test_points_say_what_was_measured(source):
    point = Study(source.network(), threads=1).point(Scheme(weight=parse("int4"), activation=parse("e3m2")), "integer")
    assert (point.network, point.weight, point.activation, point.evaluation) == ("net", "int4", "e3m2", "integer")
    assert point.samples == 200 and point.metric == "agreement" and point.float32["agreement"] == 1
    # 8x9x8x8 + 8x9x4x4 + 16x72x4x4 + 16x8x4x4 + 10x256
    assert point.macs == 4608 + 1152 + 18432 + 2048 + 2560
    assert point.longest_dot == 256
    assert point.weight_bits == 4 * (72 + 72 + 1152 + 128 + 2560)
    assert point.activation_bits == 6 * (64 + 512 + 128 + 256)
    assert point.needed_accumulator_bits <= point.accumulator_bits
    assert 0 < point.standard_error < 0.05


def test_integer_and_float_evaluation_give_one_accuracy_where_sums_are_short(source):
    study_of = Study(source.network(), threads=1)
    scheme = Scheme(weight=parse("e2m1"), activation=parse("int4"))
    both = [study_of.point(scheme, evaluation) for evaluation in ("float", "integer")]
    assert both[0].metrics == both[1].metrics


def test_more_bits_agree_more(expected):
    shares = {values["weight"]: values["metrics"]["agreement"] for values in expected}
    assert shares["int3"] < shares["int4"] < shares["int6"]


@pytest.mark.slow
def test_a_stopped_sweep_goes_on_where_it_was_and_finds_the_same(source, expected, tmp_path):
    jobs = jobs_of(source)
    begun = study(jobs, jobs=2, cache_folder=tmp_path)
    first = [next(begun), next(begun)]
    begun.close()
    seen = []
    points = list(study(jobs, jobs=2, cache_folder=tmp_path, progress=lambda done, total: seen.append((done, total))))
    assert seen[0] == (0, 6) and seen[-1] == (6, 6)
    assert figures(points) == expected
    kept = {point.fingerprint: point for point in points}
    assert all(kept[point.fingerprint] == point for point in first)  # out of the cache: seconds too are the same
    assert list(study(jobs, cache_folder=tmp_path)) and figures(study(jobs, cache_folder=tmp_path)) == expected


@pytest.mark.slow
def test_a_dask_cluster_loses_nothing_with_a_worker_that_is_killed(source, expected, tmp_path):
    import os
    import signal

    from distributed import Client, LocalCluster

    jobs = jobs_of(source)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1") as cluster,
        Client(cluster) as client,
    ):
        victim = next(iter(client.run(os.getpid).values()))
        points = []
        for point in study(jobs, executor=client.get_executor(), cache_folder=tmp_path):
            if not points:
                os.kill(victim, signal.SIGKILL)
            points.append(point)
    assert figures(points) == expected


def test_what_cannot_be_measured_is_told_at_the_end_and_the_rest_is_kept(source, tmp_path):
    wrong = Scheme(weight=parse("int4"), activation=parse("int4"), layers=(("none", parse("int8"), parse("int8")),))
    jobs = [Job(source, wrong), *jobs_of(source, ("int4",))]
    found = []
    with pytest.raises(SweepError, match="net, int4 x int4: layers must be of the network, not none"):
        for point in study(jobs, jobs=1, cache_folder=tmp_path):
            found.append(point)
    assert len(found) == 1


def test_points_come_back_from_their_file_and_newer_ones_replace(source, tmp_path):
    measured = Study(source.network(), samples=50, threads=1)
    points = [measured.point(Scheme(weight=parse(name), activation=parse(name))) for name in ("int4", "e2m1")]
    write_points(points, tmp_path, "command")
    assert read_points(tmp_path / "study_points.json") == points
    again = measured.point(Scheme(weight=parse("int4"), activation=parse("int4")))
    assert merge(points, [again]) == [again, points[1]]
    from pyarrow import parquet

    table = parquet.read_table(tmp_path / "study_points.parquet")
    assert table.column("agreement").to_pylist() == [point.accuracy for point in points]
    (tmp_path / "study_points.json").write_text("{}")
    with pytest.raises(ValueError, match="points must be a file that `fewbit study run` wrote"):
        read_points(tmp_path / "study_points.json")


def test_processes_that_add_to_one_file_lose_nothing(source, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    point = Study(source.network(), samples=20, threads=1).point(Scheme(weight=parse("int4"), activation=parse("int4")))
    with ThreadPoolExecutor(8) as executor:
        list(executor.map(lambda seed: add_points([replace(point, seed=seed)], tmp_path, f"command {seed}"), range(24)))
    assert sorted(read_commands(tmp_path / "study_points.json")) == sorted(f"command {seed}" for seed in range(24))
    assert {each.seed for each in read_points(tmp_path / "study_points.json")} == {*range(24)}


def test_a_file_that_is_another_by_now_is_another_point(tmp_path, monkeypatch):
    """The model, the user's metric and the name: in a process that lives on, and out of the cache."""
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(14).standard_normal((40, 1, 8, 8)).astype(np.float32)
    for name in ("calibration", "test"):
        np.savez(f"{name}.npz", image=images, expected=np.arange(40) % 10)
    files = (tmp_path / "calibration.npz", tmp_path / "test.npz")

    def measured(name, metric):
        asked = jobs_of(Source(name, tmp_path / "net.onnx", *files, (metric,)), ("int4",))
        with ThreadPoolExecutor(1) as executor:
            (point,) = study(asked, executor=executor, cache_folder=tmp_path / "cache")
        assert point.network == name
        return point.metrics[metric]

    found = []
    for seed in (1, 21):
        (tmp_path / "net.onnx").write_bytes(networks.convolutions(seed))
        found += [measured("net", "sqnr"), measured("other", "sqnr")]
    assert found[0] == found[1] != found[2] == found[3]
    for value in ("0.25", "0.75"):
        (tmp_path / "judge.py").write_text(f"def score(outputs, expected):\n    return outputs[:, 0] * 0 + {value}\n")
        assert measured("net", "judge.py:score") == float(value)


def test_a_point_of_another_fewbit_is_not_taken(source, tmp_path, monkeypatch):
    from concurrent.futures import ThreadPoolExecutor

    import fewbit.study.sweep as sweep_module

    monkeypatch.setattr(sweep_module, "point_key", lambda *arguments: "another")
    with ThreadPoolExecutor(1) as executor, pytest.raises(SweepError, match="the worker has another fewbit"):
        list(study(jobs_of(source, ("int4",)), executor=executor, cache_folder=tmp_path))


def test_sensitivities_are_of_one_layer_alone_and_are_kept(source, tmp_path):
    """Against the whole network run anew for each layer; and a second time without a process."""
    pairs = [(parse("int4"), parse("int4")), (parse("e2m1"), parse("int8"))]
    scheme = Scheme(weight=parse("int4"), activation=parse("int4"))
    seen = []
    found = sensitivities(source, pairs, scheme, jobs=1, cache_folder=tmp_path, progress=lambda *at: seen.append(at))
    assert seen == [(0, 2), (1, 2), (2, 2)]
    plain = Study(source.network())
    samples = plain.network.calibration()
    plain.test = samples
    reference = plain.outputs({}, "float").astype(float)
    assert plain.batch >= len(samples)  # so that all of them count
    for pair in pairs:
        layers = plain.quantized(replace(scheme, weight=pair[0], activation=pair[1]))
        for name, layer in layers.items():
            noise = np.sum((plain.outputs({name: layer}, "float") - reference) ** 2) / np.sum(reference**2)
            assert found[name][pair] == pytest.approx(noise, rel=1e-5)

    def refused(work, items, **options):
        assert not items
        return iter(())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fewbit.study.sweep.work_through", refused)
        assert sensitivities(source, pairs, scheme, cache_folder=tmp_path) == found
