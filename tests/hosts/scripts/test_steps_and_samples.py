"""What is a step of a training, and what is none: samples in between, updates of D alone, errors that are caught."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.memory.state_dict import unpack_keys
from guidegan_plugin.guidance.memory.store_file import load_stores

STAND_INS = Path(__file__).parent / "stand_ins"
PAIRS = "trainer.G:trainer.D:image"

Guidegan = Callable[..., int | str]


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, noise_image: Callable[..., None]) -> Path:
    """A script and its data: eight images, which are four batches, and two to show."""
    for number in range(10):
        noise_image(tmp_path / "data" / ("val" if number > 7 else "train") / f"{number}.png", (16, 16), number)
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copy(STAND_INS / "critic.py", tmp_path / "train.py"))


@pytest.fixture
def epochs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, float]]:
    """Statistics of each epoch that ends, up to its last visit but one."""
    ended: list[dict[str, float]] = []
    own = Guide.end_epoch

    def end_epoch(guide: Guide) -> None:
        ended.append(guide.statistics())
        own(guide)

    monkeypatch.setattr(Guide, "end_epoch", end_epoch)
    return ended


def test_samples_in_training_mode_are_neither_remembered_nor_counted(
    guidegan: Guidegan, script: Path, epochs: list[dict[str, float]], caplog: pytest.LogCaptureFixture
) -> None:
    assert guidegan("run", "--guide_pairs", PAIRS, script, "--guide_strict") == 0
    states, facts = load_stores(Path("G_guide.safetensors"))
    assert all(key.startswith("data/train/") for key in unpack_keys(states["trainer_G"]))
    assert states["trainer_G"]["visits"].tolist() == [2] * 8
    assert facts["trainer_G.visits"] == "8"
    assert [(one["bound"], one["read"], one["judged"]) for one in epochs] == [(3, 3, 3), (7, 7, 7)]
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_an_epoch_ends_also_where_its_last_batches_updated_the_discriminator_alone(
    guidegan: Guidegan, script: Path, epochs: list[dict[str, float]], caplog: pytest.LogCaptureFixture
) -> None:
    assert guidegan("run", "--guide_pairs", PAIRS, script, "--every", "4", "--steps", "12", "--guide_strict") == 0
    assert [one["judged"] for one in epochs] == [1, 2, 3]
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def test_an_error_ends_a_script_that_catches_whatever_happens(guidegan: Guidegan, script: Path) -> None:
    refused = str(guidegan("run", "--guide_pairs", "trainer.G:trainer.D:A", script))
    assert "no loaded batch has images 'A'" in refused and "\n" not in refused


def test_a_dry_run_ends_a_script_that_catches_whatever_happens(
    guidegan: Guidegan, script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guidegan("run", "--dry-run", "--guide_pairs", PAIRS, script) == 0
    assert "bound 2, read 2, judged 2 in one step" in " ".join(capsys.readouterr().out.split())
    assert not Path("sample.pt").exists()


def test_a_state_that_an_optimizer_refuses_for_reasons_of_its_own_is_the_scripts_affair(
    guidegan: Guidegan, script: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loading = """
    try:
        trainer.g_optimizer.load_state_dict({"state": {}, "param_groups": []})
    except ValueError:
        print("starts anew")
    samples ="""
    script.write_text(script.read_text().replace("\n    samples =", loading))
    assert guidegan("run", "--guide_pairs", PAIRS, script, "--guide_strict") == 0
    assert "starts anew" in capsys.readouterr().out
