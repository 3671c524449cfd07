"""The examples run as they are, and the third-party plugin is found once it is installed."""

from __future__ import annotations

import configparser
import importlib
import importlib.util
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from guidegan_plugin import GuideConfig
from guidegan_plugin.attaching.factory import GuideFactory
from guidegan_plugin.plugins.manager import create_manager

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
THIRD_PARTY = EXAMPLES / "third_party_plugin"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "lines"),
    [
        (["custom_gan.py", "--steps", "5"], ["step 5: G ", "pair A: 16 maps stored, read at 8 (Conv2d)"]),
        (["bare_script.py", "--steps", "6"], ["step 6: GAN ", "pair A: 12 maps stored", "pair B: 12 maps stored"]),
        (["bare_script.py", "--steps", "1", "--memory", "batch", "--concat", "alpha"], ["pair B: 0 maps stored"]),
    ],
)
def test_an_example_prints_losses_and_how_many_maps_are_stored(
    command: list[str], lines: list[str], warm_python: str
) -> None:
    script = [warm_python, str(EXAMPLES / command[0]), *command[1:]]
    done = subprocess.run(script, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert all(line in done.stdout for line in lines), done.stdout
    assert "guided" not in done.stderr and "Warning" not in done.stderr


def test_examples_are_short() -> None:
    for name in ("custom_gan.py", "bare_script.py"):
        assert len((EXAMPLES / name).read_text().splitlines()) <= 120


def test_the_third_party_plugin_is_found_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    setup = configparser.ConfigParser()
    setup.read(THIRD_PARTY / "setup.cfg")
    about = setup["metadata"]
    info = tmp_path / f"guidegan_patch_score-{about['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
    (info / "entry_points.txt").write_text(f"[guidegan]\n{setup['options.entry_points']['guidegan'].strip()}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    factory = GuideFactory.open(GuideConfig(attention="patch_score", concat="unit_rhp"))
    assert factory.attention is not None and factory.attention.name == "patch_score"
    assert create_manager().has_plugin("patch_score")


def test_the_third_party_readme_is_ten_lines() -> None:
    assert len((THIRD_PARTY / "README.md").read_text().strip().splitlines()) <= 10


@pytest.fixture
def demo(load_script: Callable[[Path], ModuleType]) -> ModuleType:
    return load_script(EXAMPLES / "demo.py")


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_the_demo_shows_the_guided_model_and_trains_no_longer_than_a_few_minutes(demo: ModuleType) -> None:
    draw, train, test, *_ = demo.commands(Path("demo")).values()
    epochs = int(option(train, "--n_epochs")) + int(option(train, "--n_epochs_decay"))
    # A step takes about 0.12 s of one core.
    assert int(option(draw, "--count")) * epochs <= 1500
    assert option(train, "--model") == option(test, "--model") == "guide_cycle_gan"
    assert "--guide_show" in test and option(train, "--save_epoch_freq") == "1"
    networks = ("--netG", "--ngf", "--ndf", "--crop_size")
    assert [option(train, name) for name in networks] == [option(test, name) for name in networks]


@pytest.mark.slow
def test_every_command_of_the_demo_runs_and_leaves_pages_and_scores(
    demo: ModuleType,
    in_host: Callable[[], None],
    guidegan: Callable[..., int | str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "demo"
    for title, words in demo.commands(out, count=2, tested=2, epochs=2).items():
        in_host()
        monkeypatch.chdir(demo.ROOT)
        if words[0] == "run":
            monkeypatch.syspath_prepend(str(demo.ROOT / demo.HOST))
        assert guidegan(*words) == 0, title
    assert "epoch 1 of 2 took" in capfd.readouterr().out
    assert all((out / page / "index.html").is_file() for page in demo.PAGES)
    assert json.loads(demo.score_file(out, "A").read_text())["images"] == 2
    side_by_side = (out / demo.PAGES[1] / "index.html").read_text()
    places = [side_by_side.index(f"<span>{name}</span>") for name in ("ones", "mean", "predicted", "fresh")]
    assert places == sorted(places)


def test_the_demo_shows_how_far_it_is_and_keeps_the_rest_in_a_file(
    demo: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    package = tmp_path / "guidegan_plugin"
    package.mkdir()
    (package / "__init__.py").touch()
    lines = ["--ngf: 16", "epoch 1 of 2 took 3.0 s, about 3 s left"]
    (package / "__main__.py").write_text(f"print(*{lines}, sep='\\n')\nraise SystemExit(3)\n")
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    with pytest.raises(SystemExit, match="guidegan run ended with exit code 3"):
        demo.run(["run"], tmp_path / "log.txt")
    assert capfd.readouterr().out.strip() == lines[1]
    assert (tmp_path / "log.txt").read_text().splitlines() == lines
