"""A training whose last state was not saved does not end well, and says what was full or forbidden."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from guidegan_plugin.errors import StoreError
from guidegan_plugin.hosts.failed_saves import FailedSaves
from guidegan_plugin.hosts.installer import install
from guidegan_plugin.hosts.script_end import whole_script

RUN = Path("checkpoints") / "run"
ROOT = Path(__file__).resolve().parents[2]
RunHost = Callable[..., None]
Small = Callable[[str, Path], list[str]]


def full(path: str = "latest") -> StoreError:
    return StoreError(f"{path} could not be written (No space left on device); free space")


@pytest.mark.parametrize(
    ("saves", "failed"),
    [
        ("latest", ""),
        ("latest!", "latest"),
        ("latest! latest", ""),
        ("latest! 2", "latest"),
        ("1! 2", ""),
        ("1 latest 2!", "2"),
        ("iter_10! latest", "iter_10"),
        ("iter_10! iter_20", ""),
        ("latest! 2!", "latest, 2"),
    ],
)
def test_a_later_save_of_its_kind_makes_a_failed_one_good(saves: str, failed: str) -> None:
    def script() -> None:
        kept = FailedSaves()
        for name in saves.split():
            if name.endswith("!"):
                kept.add(name[:-1], full(name[:-1]))
            else:
                kept.made_good(name)

    if not failed:
        with whole_script():
            script()
        return
    said = rf"was not saved \({failed}\): .*No space left on device\); free space"
    with pytest.raises(StoreError, match=said), whole_script():
        script()


def test_a_script_that_exits_as_if_all_were_well_fails_and_one_that_fails_keeps_its_own_error() -> None:
    for code in (None, 0):
        with pytest.raises(StoreError), whole_script():
            FailedSaves().add("latest", full())
            sys.exit(code)
    with pytest.raises(SystemExit, match="3"), whole_script():
        FailedSaves().add("latest", full())
        sys.exit(3)
    with pytest.raises(ValueError, match="own"), whole_script():
        FailedSaves().add("latest", full())
        raise ValueError("own")


@pytest.mark.parametrize(("end", "code"), [("", 120), ("sys.exit(0)", 120), ("1 / 0", 1)])
def test_without_the_launcher_the_process_itself_fails_and_whoever_cleans_up_still_does(end: str, code: int) -> None:
    script = f"""
import atexit, sys
from guidegan_plugin.errors import StoreError
from guidegan_plugin.hosts.failed_saves import FailedSaves
atexit.register(lambda: print("cleaned up"))
FailedSaves().add("latest", StoreError("disk full"))
{end}
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (code, "cleaned up\n")
    line = "guidegan: error: the training is over, and its last state was not saved (latest): disk full"
    assert (ended.stderr.splitlines()[-1] == line) == (code == 120)


def never_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the third file on the disk is full, as torch's own writer says it."""
    original, saves = torch.save, 0

    def save(content: object, path: Path) -> None:
        nonlocal saves
        saves += 1
        if saves > 2:
            raise RuntimeError("[enforce fail at inline_container.cc:664] . unexpected pos 64 vs 0")
        original(content, path)

    monkeypatch.setattr(torch, "save", save)


def test_a_disk_that_is_full_until_the_end_fails_the_launched_training_in_one_line(
    guidegan: Callable[..., int | str],
    in_host: Callable[[], None],
    small: Small,
    one_epoch: list[str],
    unpaired: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    never_saved(monkeypatch)
    script = ROOT / "examples" / "reference_host" / "train.py"
    ended = guidegan("run", script, *small("guide_cycle_gan", unpaired), *one_epoch)
    assert str(ended).startswith("guidegan: error: the training is over, and its last state was not saved (latest")
    assert str(ended).endswith("free space or change --checkpoints_dir") and not list(RUN.glob("*_net_*"))


@pytest.mark.slow
def test_a_folder_that_may_not_be_written_to_fails_the_plain_script_where_the_plugin_is_installed(
    fork: Callable[..., Path], small: Small, one_epoch: list[str], unpaired: Path, tmp_path: Path
) -> None:
    host = fork({})
    install(host)
    forbidden = "import pathlib, sys, runpy; make = pathlib.Path.mkdir\n"
    forbidden += "def mkdir(path, *args, **kwargs):\n    if path.name == '.guide_writing':\n"
    forbidden += "        raise PermissionError(13, 'Permission denied')\n    return make(path, *args, **kwargs)\n"
    forbidden += "pathlib.Path.mkdir = mkdir; sys.path.insert(0, sys.argv[1]); del sys.argv[0]\n"
    forbidden += "sys.argv[0] += '/train.py'; runpy.run_path(sys.argv[0], run_name='__main__')"
    ended = subprocess.run(
        [sys.executable, "-c", forbidden, str(host), *small("guide_cycle_gan", unpaired), *one_epoch],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )
    assert ended.returncode == 120, ended.stderr[-2000:]
    line = ended.stderr.splitlines()[-1]
    assert line.startswith("guidegan: error: the training is over") and "(Permission denied)" in line
    assert line.endswith("change its permissions or change --checkpoints_dir")


def test_a_class_whose_last_memory_was_not_saved_fails_the_launched_training(
    guidegan: Callable[..., int | str], toy: Path
) -> None:
    (Path("run") / "2_guide.safetensors").mkdir(parents=True)
    ended = guidegan("run", toy / "train.py", "--out", "run")
    assert ended == (
        "guidegan: error: the training is over, and its last state was not saved (2_guide.safetensors): "
        "run/2_guide.safetensors could not be written: Is a directory; remove what is there or change --out"
    )
    assert Path("run/1_guide.safetensors").is_file()
