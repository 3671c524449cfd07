from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from guidegan_plugin import hookimpl
from guidegan_plugin.errors import HostError
from guidegan_plugin.guidance.memory.store_file import load_stores
from guidegan_plugin.hosts.junyanz.adapter import JunyanzHost
from guidegan_plugin.hosts.junyanz.codebase import Codebase
from guidegan_plugin.hosts.junyanz.import_hook import VirtualModules
from guidegan_plugin.hosts.launcher import dry_run, run
from guidegan_plugin.plugins.find_host import recognise
from guidegan_plugin.plugins.host import Host
from guidegan_plugin.plugins.manager import create_manager

REFERENCE_HOST = Path(__file__).resolve().parent.parent.parent / "examples" / "reference_host"


def test_the_reference_host_is_recognised_with_its_generation() -> None:
    host = recognise(REFERENCE_HOST)
    assert isinstance(host, JunyanzHost) and host.codebase.generation == "ddp"
    assert host.codebase.model_names() == ["aggan", "cycle_gan", "pix2pix", "test"]


def test_a_define_g_that_takes_gpu_ids_is_the_classic_generation(tmp_path: Path) -> None:
    for name in ("models/__init__.py", "models/base_model.py", "data/__init__.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "options").mkdir()
    (tmp_path / "models" / "networks.py").write_text("def define_G(input_nc, output_nc, gpu_ids=[]):\n    pass\n")
    host = recognise(tmp_path)
    assert isinstance(host, JunyanzHost) and host.codebase.generation == "classic" and "classic" in host.description


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x = 1\ndef define_G(:\n", "invalid syntax in line 2"),
        (b"name = '\xe9'\n", "utf-8"),
        (b"\x00", "null byte"),
    ],
)
def test_a_host_whose_networks_are_no_python_is_refused_in_one_line(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    host = tmp_path / "host"
    shutil.copytree(REFERENCE_HOST, host)
    (host / "models" / "networks.py").write_bytes(content)
    with pytest.raises(HostError, match=r"models/networks.py cannot be read as Python") as caught:
        recognise(host)
    assert reason in str(caught.value) and "\n" not in str(caught.value)


def test_a_plugins_host_is_asked_too(tmp_path: Path) -> None:
    class Script(Host):
        name, looks_for = "script", "a file lonely.py"

        @classmethod
        def recognise(cls, root: Path) -> Script | None:
            return cls() if (root / "lonely.py").exists() else None

        description = "a script"

        def guided(self) -> contextlib.AbstractContextManager[None]:
            return contextlib.nullcontext()

        def dry_run_arguments(self, arguments: Sequence[str], scratch: Path) -> list[str]:
            return list(arguments)

    class Plugin:
        @hookimpl
        def guidegan_register_host(self) -> list[type[Host]]:
            return [Script]

    manager = create_manager([Plugin()])
    with pytest.raises(HostError, match=r"junyanz looks for .*; script looks for a file lonely.py"):
        recognise(tmp_path, manager)
    (tmp_path / "lonely.py").write_text("")
    assert isinstance(recognise(tmp_path, manager), Script)


def test_outside_a_host_there_is_none_running(in_host: Callable[[], None]) -> None:
    with pytest.raises(HostError, match="lacks one of models/__init__"):
        Codebase.running()


def test_the_interpreters_state_is_as_before_also_after_an_error(in_host: Callable[[], None], tmp_path: Path) -> None:
    before = list(sys.argv), list(sys.path), list(sys.meta_path)
    with pytest.raises(SystemExit):
        run(REFERENCE_HOST / "train.py", ["--nonsense"])
    assert before == (sys.argv, sys.path, sys.meta_path)


def test_only_our_module_names_are_served() -> None:
    finder = VirtualModules()
    assert finder.find_spec("models.guide_cycle_gan_model", None) is not None
    assert finder.find_spec("data.guide_aligned_dataset", None) is not None
    for name in ("models.cycle_gan_model", "data.guide_other_dataset", "guide_x_model", "models.guide_x"):
        assert finder.find_spec(name, None) is None


def test_no_word_of_guidance_is_in_the_reference_host() -> None:
    for path in REFERENCE_HOST.rglob("*.py"):
        text = path.read_text().lower()
        if path.name.startswith("aggan"):  # it has attention networks of its own, and its paper's title
            text = text.replace("attention-guided", "").replace("attention", "")
        assert "guid" not in text and "attention" not in text, path


@pytest.mark.slow
def test_two_cpu_processes_train_through_torchrun(unpaired: Path, tmp_path: Path) -> None:
    options = "--model guide_cycle_gan --netG resnet_6blocks --ngf 4 --ndf 4 --load_size 36 --crop_size 32 --name two"
    options += " --num_threads 0 --n_epochs 1 --n_epochs_decay 0 --guide_concat alpha"
    launch = "-m torch.distributed.run --standalone --nproc_per_node 2 -m guidegan_plugin run"
    ended = subprocess.run(
        [
            sys.executable,
            *launch.split(),
            str(REFERENCE_HOST / "train.py"),
            "--dataroot",
            str(unpaired),
            *options.split(),
        ],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    states, _ = load_stores(tmp_path / "checkpoints" / "two" / "latest_guide.safetensors")
    assert states["A"]["visits"].tolist() == [1, 1, 1], (
        "as one process: no image is missing, padding counts for nothing"
    )


def test_a_dry_run_that_lacks_a_package_or_meets_a_fault_of_ours_asks_for_no_other_arguments(
    unpaired: Path, in_host: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = Path(shutil.copytree(REFERENCE_HOST, tmp_path / "host"))
    script = host / "train.py"
    text = script.read_text()
    script.write_text(text.replace("import time\n", "import time\nimport no_such_package_here\n"))
    with pytest.raises(HostError, match=r"imports what is not there .*no_such_package_here.*; guidegan doctor .*host"):
        dry_run(script, ["--dataroot", str(unpaired), "--model", "guide_cycle_gan"])
    script.write_text(text)
    in_host()
    monkeypatch.setattr("guidegan_plugin.hosts.junyanz.model.config_from", lambda *_: None)
    with pytest.raises(HostError, match=r"guidegan_plugin fails in train.py \(AttributeError: .*please report"):
        dry_run(script, ["--dataroot", str(unpaired), "--model", "guide_cycle_gan", "--num_threads", "0"])


def test_a_dry_run_says_in_one_line_why_the_host_itself_fails(unpaired: Path, in_host: Callable[[], None]) -> None:
    arguments = ["--dataroot", str(unpaired), "--model", "guide_cycle_gan", "--netG", "nope", "--num_threads", "0"]
    with pytest.raises(HostError, match=r"train.py itself fails with these arguments \(ValueError: .*\); change ARGS"):
        dry_run(REFERENCE_HOST / "train.py", arguments)
