"""TensorBoard's own reader finds what was shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.monitors.tensorboard import TensorBoardMonitor
from guidegan_plugin.utils.options import add_arguments

pytest.importorskip("tensorboard")


def test_pictures_and_curves_are_in_the_event_file_at_their_steps(tmp_path: Path, make_report) -> None:  # type: ignore[no-untyped-def]
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monitor = TensorBoardMonitor(tmp_path / "events", every=2)
    for step in range(1, 5):
        monitor.guidegan_step_end(make_report(step))
    monitor.close()
    found = EventAccumulator(str(tmp_path / "events")).Reload()
    assert {f"guide_A/{name}" for name in ("input", "attention", "blended", "output")} == set(found.Tags()["images"])
    assert [(event.step, event.value) for event in found.Scalars("guide_curves_losses/G_A")] == [
        (1, 1.5),
        (2, 1.5),
        (4, 1.5),
    ]
    assert {"guide_curves_entropy/A", "guide_curves_age/A", "guide_curves_score/A"} < set(found.Tags()["scalars"])


def test_options_switch_it_on_with_or_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple] = []
    monkeypatch.setattr(TensorBoardMonitor, "__init__", lambda self, *values: made.append(values))
    import argparse

    parser = argparse.ArgumentParser()
    add_arguments(parser, TensorBoardMonitor.Options, "tensorboard_")
    for words in ([], ["--guide_tensorboard"], ["--guide_tensorboard", "there"]):
        options = TensorBoardMonitor.Options(parser.parse_args(words).guide_tensorboard)
        TensorBoardMonitor.from_options(options, {"guide_run": "ckpt/zebra"})
    assert made == [(Path("ckpt/zebra/tensorboard"), 100), (Path("there"), 100)]


def test_nothing_is_written_before_the_first_frame(tmp_path: Path) -> None:
    TensorBoardMonitor(tmp_path / "events").close()
    assert not (tmp_path / "events").exists()


def test_a_missing_package_is_said_with_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"install it \(pip install tensorboard\), or leave out --guide_tensorboard"):
        TensorBoardMonitor(tmp_path)
