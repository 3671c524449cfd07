"""The second and third way into a host: files added by the installer, or by the patch."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from guidegan_plugin import cli
from guidegan_plugin.errors import DataError, HostError
from guidegan_plugin.guidance.memory.store_file import load_stores
from guidegan_plugin.hosts import launcher
from guidegan_plugin.hosts.excepthook import OneLineErrors
from guidegan_plugin.hosts.installer import install, uninstall
from guidegan_plugin.hosts.junyanz.installed import guided_class
from guidegan_plugin.hosts.patches import patch_of
from guidegan_plugin.plugins.host import as_text

ROOT = Path(__file__).resolve().parent.parent.parent
PATCH = ROOT / "patches" / "guidegan.patch"
FILES = {
    *(f"data/guide_{mode}_dataset.py" for mode in ("unaligned", "aligned", "single")),
    *(f"models/guide_{model}_model.py" for model in ("aggan", "cycle_gan", "pix2pix", "test")),
}
SPAWN = """
import multiprocessing, runpy, sys
from pathlib import Path
if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    del sys.argv[0]
    sys.path[0] = str(Path(sys.argv[0]).parent)
    runpy.run_path(sys.argv[0], run_name="__main__")
"""
Small = Callable[[str, Path], list[str]]


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A copy of the reference host."""
    return Path(
        shutil.copytree(
            ROOT / "examples" / "reference_host", tmp_path / "host", ignore=shutil.ignore_patterns("__pycache__")
        )
    )


def checksums(host: Path) -> dict[str, str]:
    files = [path for path in host.rglob("*") if path.is_file()]
    return {
        path.relative_to(host).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if "__pycache__" not in path.parts and ".git" not in path.parts
    }


def python(*arguments: object, cwd: Path, start: str = sys.executable) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [start, *map(str, arguments)],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def visits(folder: Path) -> list[int]:
    states, _ = load_stores(folder / "checkpoints" / "run" / "latest_guide.safetensors")
    counts: list[int] = states["A"]["visits"].tolist()
    return counts


def git(host: Path, *arguments: object) -> None:
    subprocess.run(["git", *map(str, arguments)], cwd=host, check=True, capture_output=True)


@pytest.mark.slow
def test_installed_the_plain_script_trains_and_uninstalled_the_host_is_as_before(
    host: Path, unpaired: Path, tmp_path: Path, small: Small, one_epoch: list[str]
) -> None:
    before = checksums(host)
    assert set(install(host)) == {("added", path) for path in FILES}
    assert {path: digest for path, digest in checksums(host).items() if path not in FILES} == before
    ended = python(host / "train.py", *small("guide_cycle_gan", unpaired), *one_epoch, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert visits(tmp_path) == [1, 1, 1]
    assert set(uninstall(host)) == {("removed", path) for path in FILES}
    assert checksums(host) == before


@pytest.mark.slow
def test_spawned_workers_load_our_data_set(
    host: Path, unpaired: Path, tmp_path: Path, small: Small, one_epoch: list[str]
) -> None:
    install(host)
    (tmp_path / "spawn.py").write_text(SPAWN)
    arguments = [*small("guide_cycle_gan", unpaired), *one_epoch, "--num_threads", "1"]
    ended = python(tmp_path / "spawn.py", host / "train.py", *arguments, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr[-2000:]
    states, _ = load_stores(tmp_path / "checkpoints" / "run" / "latest_guide.safetensors")
    assert states["A"]["visits"].tolist() == [1, 1, 1] and states["A"]["views"].isfinite().all()


@pytest.mark.slow
def test_the_patch_adds_the_installers_files_and_the_plain_script_trains(
    host: Path, unpaired: Path, tmp_path: Path, small: Small, one_epoch: list[str], warm_python: str
) -> None:
    git(host, "init")
    (host / "models" / "aggan_model.py").unlink()  # the patch is for the models of the original codebase
    before = checksums(host)
    git(host, "apply", PATCH)
    idle = ("removed", "models/guide_colorization_model.py")
    assert {outcome for outcome, _ in install(host)} == {"already there"}
    ended = python(host / "train.py", *small("guide_cycle_gan", unpaired), *one_epoch, cwd=tmp_path, start=warm_python)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert visits(tmp_path) == [1, 1, 1]
    git(host, "apply", "-R", PATCH)
    assert checksums(host) == before
    git(host, "apply", PATCH)
    assert set(uninstall(host)) == {("removed", path) for path in FILES - {"models/guide_aggan_model.py"}} | {idle}
    assert checksums(host) == before


def test_the_patch_is_the_one_the_generator_makes_and_only_adds_files() -> None:
    text = PATCH.read_text()
    assert text == patch_of("junyanz"), "run make patches"
    lines = [line for line in text.splitlines() if not line.startswith(("+", "diff --git", "@@ -0,0 "))]
    assert set(lines) == {"new file mode 100644", "--- /dev/null"}


def test_installing_twice_changes_nothing(host: Path) -> None:
    install(host)
    once = checksums(host)
    assert set(install(host)) == {("already there", path) for path in FILES}
    assert checksums(host) == once


def test_a_file_that_is_not_ours_is_left_alone(host: Path) -> None:
    foreign, link, folder = (host / "models" / f"guide_{name}_model.py" for name in ("cycle_gan", "test", "pix2pix"))
    foreign.write_text("theirs = 1\n")
    link.symlink_to(host / "nowhere.py")
    folder.mkdir()
    kept = {("left alone", str(path.relative_to(host))) for path in (foreign, link, folder)}
    before = checksums(host)
    assert kept < set(install(host))
    changed = host / "data" / "guide_single_dataset.py"
    changed.write_text(changed.read_text() + "# mine\n")
    assert {*kept, ("left alone", "data/guide_single_dataset.py")} == {
        outcome for outcome in uninstall(host) if outcome[0] == "left alone"
    }
    changed.unlink()
    assert checksums(host) == before and foreign.read_text() == "theirs = 1\n" and link.is_symlink()


def test_a_data_set_the_host_lacks_gets_no_file(host: Path) -> None:
    (host / "data" / "aligned_dataset.py").unlink()
    assert {path for _, path in install(host)} == FILES - {"data/guide_aligned_dataset.py"}


def test_a_model_gone_since_is_uninstalled_too(host: Path) -> None:
    before = checksums(host)
    (host / "models" / "mine_model.py").write_text("")
    assert ("added", "models/guide_mine_model.py") in install(host)
    (host / "models" / "mine_model.py").unlink()
    uninstall(host)
    assert checksums(host) == before


@pytest.mark.parametrize("change", [install, uninstall])
def test_a_folder_that_is_no_host_is_refused(change: Callable[[Path], object], tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"junyanz looks for models/__init__\.py.*; change HOST_DIR"):
        change(tmp_path)


def test_a_file_is_written_whole_or_not_at_all(host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = checksums(host)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse)
        with pytest.raises(HostError, match=r"guide_unaligned_dataset\.py could not be written: Permission denied"):
            install(host)
    assert checksums(host) == before
    install(host)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        with pytest.raises(HostError, match=r"guide_aligned_dataset\.py could not be removed: Permission denied; let"):
            uninstall(host)


def test_the_launcher_goes_on_working_and_takes_the_installed_files(
    host: Path,
    unpaired: Path,
    small: Small,
    in_host: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    install(host)
    assert "netG_A" in as_text(launcher.dry_run(host / "train.py", small("guide_cycle_gan", unpaired)))
    for name in ("models.guide_cycle_gan_model", "data.guide_unaligned_dataset"):
        assert Path(str(importlib.import_module(name).__file__)).is_relative_to(host)


@pytest.mark.slow
def test_an_error_of_ours_ends_the_plain_script_in_one_line(host: Path, tmp_path: Path) -> None:
    install(host)
    ended = python(host / "train.py", "--model", "guide_cycle_gan", "--dataroot", "nowhere", cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr == (
        "guidegan: error: no images at nowhere/trainA: there is no such folder; change --dataroot (or --phase)\n"
    )


def test_any_other_error_is_the_former_hooks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda kind, error, traceback: seen.append(error))
    OneLineErrors.install()
    hook = sys.excepthook
    OneLineErrors.install()
    assert sys.excepthook is hook
    hook(KeyError, error := KeyError("x"), None)
    hook(DataError, DataError("corrupt"), None)
    assert seen == [error] and capsys.readouterr().err == "guidegan: error: corrupt\n"


def test_a_renamed_file_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    with pytest.raises(HostError, match=r"models\.mine_model is not the name a file of ours was added under"):
        guided_class("models.mine_model")


def test_the_command_lists_what_became_of_each_file(
    host: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def guidegan(command: str) -> list[str]:
        monkeypatch.setattr(sys, "argv", ["guidegan", command, str(host)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        return capsys.readouterr().out.splitlines()

    (host / "models" / "guide_test_model.py").write_text("theirs = 1\n")
    assert "added          models/guide_cycle_gan_model.py" in guidegan("install")
    again = guidegan("install")
    assert "already there  models/guide_cycle_gan_model.py" in again
    assert "left alone     models/guide_test_model.py (not ours)" in again
    assert "removed        models/guide_cycle_gan_model.py" in guidegan("uninstall")
    (host / "models" / "guide_test_model.py").unlink()
    assert guidegan("uninstall") == [f"nothing of ours in {host}"]
