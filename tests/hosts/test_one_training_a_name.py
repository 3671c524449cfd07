"""A second training under one name is refused by name, whatever host trains."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import HostError
from guidegan_plugin.guidance.memory.store_file import load_stores
from guidegan_plugin.hosts.script_end import whole_script
from guidegan_plugin.hosts.scripts.saved_weights import Checkpoints

RUN = Path("checkpoints") / "run"
RunHost = Callable[..., None]
Small = Callable[[str, Path], list[str]]

HOLD = """
import sys
from pathlib import Path
from guidegan_plugin.utils.locks import FolderLock
lock = FolderLock(Path(sys.argv[1]), "", sys.argv[2])
print(flush=True)
sys.stdin.read()
lock.release()
"""


@contextmanager
def another(folder: Path, name: str = ".guide_lock") -> Iterator[None]:
    """While it lasts, another process trains into a folder."""
    command = [sys.executable, "-c", HOLD, str(folder), name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdin is not None
        process.stdout.readline()
        yield
        process.stdin.close()


def test_a_second_training_is_refused_before_it_writes_and_a_test_is_not(
    run_host: RunHost, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    arguments = small("guide_cycle_gan", unpaired)
    run_host("train.py", *arguments, *one_epoch)
    before = {path: path.read_bytes() for path in RUN.glob("latest_*")}
    assert not list(RUN.glob(".guide*")), "the lock ends with the script"
    with another(RUN):
        for options in ([], ["--guide_attention", "none", "--guide_full_state"], ["--continue_train"]):
            with pytest.raises(HostError, match=r"another training writes into .*run \(process .*\); change --name"):
                run_host("train.py", *arguments, *one_epoch, *options)
        assert {path: path.read_bytes() for path in RUN.glob("latest_*")} == before
        run_host("test.py", *arguments, "--num_test", 1, "--guide_no_gallery")
        run_host("train.py", *arguments, *one_epoch, dry_run=True)
        run_host("train.py", *arguments, *one_epoch, "--guide_attention", "none")  # the bare host, as it is
    run_host("train.py", *arguments, *one_epoch)


def test_a_training_that_failed_holds_its_name_no_longer(
    run_host: RunHost, small: Small, one_epoch: list[str], unpaired: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from guidegan_plugin.hosts.junyanz.guides import HostGuides

    def fail(self: HostGuides, batch: object) -> None:
        raise RuntimeError("broken")

    arguments = [*small("guide_cycle_gan", unpaired), *one_epoch]
    with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="broken"):
        patch.setattr(HostGuides, "bind", fail)
        run_host("train.py", *arguments)
    with another(RUN):
        pass


def test_a_class_that_trains_is_kept_from_the_folder_of_another(guidegan: Callable[..., int | str], toy: Path) -> None:
    assert guidegan("run", toy / "train.py", "--out", "run") == 0
    with another(Path("run")):
        ended = str(guidegan("run", toy / "train.py", "--out", "run"))
        assert ended.startswith("guidegan: error: another training writes into run (process ")
        assert ended.endswith("; change --out, or wait until it is over")
        assert load_stores(Path("run") / "1_guide.safetensors")[0]["A"]["visits"].tolist() == [1] * 6
        assert guidegan("run", toy / "train.py", "--out", "other") == 0
        assert guidegan("run", toy / "train.py", "--out", "run", "--guide_attention", "none") == 0
    assert guidegan("run", toy / "train.py", "--out", "run") == 0


def test_a_script_is_kept_from_the_memories_of_another_and_not_from_its_folder(tmp_path: Path) -> None:
    def checkpoints() -> Checkpoints:
        return Checkpoints({}, GuideConfig())

    with whole_script(), another(tmp_path, ".G_AB_.guide_lock"):
        with pytest.raises(HostError, match=r"another training writes into .*; change where the script saves, or wait"):
            checkpoints()._keep_alone(tmp_path / "G_AB_3.pth")
        for name in ("G_BA_3.pth", "G_BA_4.pth", "other.pth"):
            checkpoints()._keep_alone(tmp_path / name)
    assert not list(tmp_path.glob(".*_lock")), "they end with the scripts"
