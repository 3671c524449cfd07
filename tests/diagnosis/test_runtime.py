"""What is found of torch, torchvision and visdom; the probe runs in a process of its own, on packages made here."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torchvision

from guidegan_plugin.diagnosis import runtime as packages
from guidegan_plugin.diagnosis.runtime import check_torch, check_visdom, is_installed

TORCH = """
__version__ = "9.9"
class version:
    cuda, hip = "13.0", None
class cuda:
    is_available = staticmethod(lambda: {available})
    device_count = staticmethod(lambda: 2)
    @staticmethod
    def get_device_properties(number):
        from types import SimpleNamespace
        return SimpleNamespace(name=f"GPU {{number}}", total_memory=8 * 2**30)
zeros = lambda *shape: shape
"""
UNFIT = 'raise RuntimeError("operator torchvision::nms does not exist")'
FIT = 'from types import SimpleNamespace\nops = SimpleNamespace(nms=lambda *_: None)\n__version__ = "9.8"'

Put = Callable[[str, str], None]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Put a module in front of the installed one, for the processes started from here."""
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(packages.__file__).parents[2]}")

    def write(name: str, source: str) -> None:
        (tmp_path / f"{name}.py").write_text(source)

    return write


@pytest.mark.slow
def test_the_installed_pair_fits_and_the_gpus_are_told() -> None:
    checks = {check.name: check for check in check_torch(int)}
    assert [check.status for check in checks.values()] == ["ok", "ok", "ok"]
    assert torch.__version__ in checks["torch"].found and torchvision.__version__ in checks["torchvision"].found
    assert ("GiB" if torch.cuda.is_available() else "no GPU") in checks["CUDA"].found


@pytest.mark.slow
def test_a_torchvision_that_does_not_fit_is_a_failure_with_cause_and_cure(put: Put) -> None:
    put("torchvision", UNFIT)
    fits, unfit, _ = check_torch(int)
    assert fits.status == "ok" and unfit.status == "failure"
    assert "RuntimeError: operator torchvision::nms does not exist" in unfit.found
    assert "pip install --force-reinstall torch torchvision" in unfit.cure


def test_what_needs_torch_is_looked_at_while_the_rest_is(put: Put, tmp_path: Path) -> None:
    put("torch", TORCH.format(available=False))
    wait = f"while not pathlib.Path({str(tmp_path / 'done')!r}).exists():\n    time.sleep(0.01)"
    put("torchvision", f"import pathlib, time\n{wait}\n{FIT}")
    checks = check_torch(lambda: (tmp_path / "done").touch())
    assert [check.status for check in checks[:2]] == ["ok", "ok"]


def test_an_error_in_the_meantime_leaves_no_process_behind(put: Put) -> None:
    put("torch", TORCH.format(available=False))
    put("torchvision", "import time\ntime.sleep(600)")
    with pytest.raises(ZeroDivisionError):
        check_torch(lambda: 1 / 0)


def test_a_torch_that_cannot_be_imported_is_one_failure(put: Put) -> None:
    put("torch", "raise OSError('libcudart.so: cannot open shared object file')")
    asked: list[int] = []
    (check,) = check_torch(lambda: asked.append(1))
    assert not asked, "nothing that needs torch is looked at"
    assert (check.name, check.status) == ("torch", "failure") and "libcudart.so" in check.found and check.cure


def test_a_pair_that_ends_the_interpreter_is_a_failure_too(put: Put) -> None:
    put("torch", TORCH.format(available=False))
    put("torchvision", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)")
    unfit = check_torch(int)[1]
    assert unfit.status == "failure" and "signal 11" in unfit.found


def test_gpus_are_named_with_their_memory(put: Put) -> None:
    put("torch", TORCH.format(available=True))
    put("torchvision", FIT)
    assert check_torch(int)[2].found == "GPU 0 (8 GiB), GPU 1 (8 GiB)"


def test_a_driver_too_old_for_torch_is_a_warning(put: Put) -> None:
    put("torch", TORCH.format(available="__import__('warnings').warn('driver too old')"))
    put("torchvision", FIT)
    cuda = check_torch(int)[2]
    assert cuda.status == "warning" and "CUDA 13.0" in cuda.found and "driver too old" in cuda.found and cuda.cure


def test_an_answer_that_does_not_come_is_a_failure(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    put("torch", "import time\ntime.sleep(60)")
    monkeypatch.setattr(packages, "_SECONDS", 0.3)
    (check,) = check_torch(int)
    assert check.status == "failure" and "no answer in 0.3 seconds" in check.found


def test_a_machine_on_which_no_process_can_be_started_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(packages.tempfile, "TemporaryFile", full)
    (check,) = check_torch(int)
    assert check.status == "failure" and "can be started (No usable temporary directory" in check.found
    assert "TMPDIR=DIR" in check.cure


def test_visdom_is_a_warning_with_the_way_around_its_build_where_it_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(packages, "is_installed", lambda name: False)
    check = check_visdom()
    assert check.status == "warning" and "setuptools<82" in check.cure and "pip install visdom" in check.cure
    monkeypatch.setattr(packages, "is_installed", lambda name: True)
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.2")
    assert check_visdom().found == "visdom 0.2"
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "6.10.1")
    check = check_visdom()
    assert check.status == "warning" and check.cure == 'pip install "tornado<6.6"'


@pytest.mark.parametrize(("version", "status"), [("6.6b1", "warning"), ("6", "ok"), ("nightly", "ok"), (None, "ok")])
def test_a_tornado_of_any_version_or_none_that_is_told_ends_no_check(
    monkeypatch: pytest.MonkeyPatch, version: str | None, status: str
) -> None:
    def told(name: str) -> str:
        if version is None:  # a folder on PYTHONPATH
            raise importlib.metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(packages, "is_installed", lambda name: True)
    monkeypatch.setattr(importlib.metadata, "version", told)
    assert check_visdom().status == status


def test_a_folder_of_logs_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "logs_only").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert not is_installed("logs_only") and not is_installed("nowhere_at_all") and is_installed("torch")
