from __future__ import annotations

import importlib.metadata
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

REFERENCE_HOST = Path(__file__).resolve().parent.parent / "examples" / "reference_host"


def test_plugins_lists_version_distribution_and_hooks(
    guidegan: Callable[..., int | str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert guidegan("plugins") == 0
    printed = capsys.readouterr().out
    for part in (
        "guidegan_plugin",
        importlib.metadata.version("guidegan_plugin"),
        "register_attention",
        "register_host",
    ):
        assert part in printed


@pytest.mark.parametrize("arguments", [["--version"], ["plugins"]])
def test_a_folder_that_is_not_installed_has_no_version(
    guidegan: Callable[..., int | str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    def version(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert guidegan(*arguments) == 0
    assert "unknown" in capsys.readouterr().out


def test_presets_show_the_papers_values_beside_the_familys_and_where_they_stand(
    guidegan: Callable[..., int | str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert guidegan("presets") == 0
    rows = [re.split(r"\s*│\s*", line)[1:-1] for line in capsys.readouterr().out.splitlines() if "│" in line]
    assert ["--netG", "unet_256", "unet_128", "appendix A, networks"] in rows
    assert ["--lambda_A", "10.0", "1.0", "appendix A, objective: 10 to 10"] in rows
    epochs = next(number for number, row in enumerate(rows) if row[0] == "--n_epochs")
    assert [row[2] for row in rows[epochs : epochs + 2]] == [
        "100: apple2orange, summer2winter (ours), cityscapes_unpaired",
        "50: horse2zebra, day2night",
    ]


@pytest.mark.parametrize(
    ("kind", "folders"), [("unpaired", {"trainA", "testB", "regions"}), ("paired", {"train", "labels"})]
)
def test_data_shapes_makes_a_data_set(
    guidegan: Callable[..., int | str], tmp_path: Path, kind: str, folders: set[str]
) -> None:
    assert guidegan("data", "shapes", tmp_path / "new", "--kind", kind, "--size", 32, "--count", 2) == 0
    assert folders <= {path.name for path in (tmp_path / "new").iterdir()}
    message = str(guidegan("data", "shapes", tmp_path / "new", "--kind", kind))
    assert message.startswith("guidegan: error: ") and "\n" not in message


def test_an_unknown_kind_is_refused(guidegan: Callable[..., int | str], tmp_path: Path) -> None:
    assert guidegan("data", "shapes", tmp_path / "new", "--kind", "odd") == (
        "guidegan: error: kind: expected unpaired or paired, found 'odd'; change --kind"
    )


def test_a_script_outside_any_known_codebase_says_what_was_looked_for(
    guidegan: Callable[..., int | str], tmp_path: Path
) -> None:
    (tmp_path / "train.py").write_text("raise RuntimeError")
    message = str(guidegan("run", tmp_path / "train.py"))
    assert "is no codebase we know: " in message and "junyanz looks for models/__init__.py" in message
    assert "does not exist; change SCRIPT" in str(guidegan("run", tmp_path / "nothing.py"))


def test_a_folder_without_define_g_is_not_of_the_family(guidegan: Callable[..., int | str], tmp_path: Path) -> None:
    for name in ("models/__init__.py", "models/base_model.py", "models/networks.py", "data/__init__.py", "train.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "options").mkdir()
    assert "no codebase we know" in str(guidegan("run", tmp_path / "train.py"))


def test_a_workers_error_is_one_line_too(guidegan: Callable[..., int | str], monkeypatch: pytest.MonkeyPatch) -> None:
    from guidegan_plugin.errors import DataError

    def fail(*_: object) -> None:
        raise DataError(
            "Caught DataError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
            '  File "x.py", line 1, in y\nguidegan_plugin.errors.DataError: corrupt images: a.png; repair them\n'
        )

    monkeypatch.setattr("guidegan_plugin.hosts.launcher.run", fail)
    assert guidegan("run", "x.py") == "guidegan: error: corrupt images: a.png; repair them"


@pytest.mark.slow
def test_as_a_module_it_passes_a_scripts_options_on_and_fails_with_code_1(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "guidegan_plugin", "run", str(REFERENCE_HOST / "train.py")]
    ended = subprocess.run(
        [*command, "--model", "guide_cycle_gan", "--dataroot", "nowhere", "--gan_mode", "lsgan"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == (
        "guidegan: error: no images at nowhere/trainA: there is no such folder; change --dataroot (or --phase)"
    )


def test_gallery_makes_a_page_and_says_where(
    guidegan: Callable[..., int | str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images").mkdir()
    for visual in ("real_A", "fake_B"):
        Image.new("RGB", (4, 4)).save(tmp_path / "images" / f"one_{visual}.png")
    assert guidegan("gallery", tmp_path, "--out", tmp_path / "page", "--thumbnails", 32) == 0
    assert capsys.readouterr().out.replace("\n", "") == str(tmp_path / "page" / "index.html")
    assert guidegan("gallery", tmp_path, "--quiet", "--json", tmp_path / "out.json") == 0
    assert capsys.readouterr().out == ""
    assert json.loads((tmp_path / "out.json").read_text()) == {"page": str(tmp_path / "gallery" / "index.html")}
    assert "change RUN" in str(guidegan("gallery", tmp_path / "page" / "thumbnails"))
