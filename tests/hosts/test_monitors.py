"""Monitors of a host's training, by its command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("visdom")
pytest.importorskip("tensorboard")


def test_a_hosts_training_is_shown_by_the_monitors_its_options_name(  # type: ignore[no-untyped-def]
    run_host, small, one_epoch, unpaired: Path, tmp_path: Path, read_weights
) -> None:
    command = [*small("guide_cycle_gan", unpaired), *one_epoch]
    run_host("train.py", *command)
    expected = read_weights(Path("checkpoints") / "run")
    log = tmp_path / "log"
    monitors = ["--guide_visdom_offline", log, "--guide_tensorboard", "--guide_monitor_freq", 1]
    run_host("train.py", *command, *monitors)
    import gc

    from guidegan_plugin.monitors.visdom.replay import read_log

    gc.collect()  # the model is forgotten, and its monitors end
    messages = [message for _, message in read_log(log)]
    shown = {str(message["win"]) for message in messages}
    curves = {f"guide_curves_{name}" for name in ("losses", "entropy", "score")}
    pictures = {f"guide_{pair}_{name}" for pair in "AB" for name in ("input", "attention", "blended", "output")}
    assert shown == curves | pictures and {message["eid"] for message in messages} == {"run"}
    losses = json.dumps([message for message in messages if message["win"] == "guide_curves_losses"])
    assert all(f'"{name}"' in losses for name in ("G_A", "D_A", "cycle_A", "idt_B"))
    assert list((Path("checkpoints") / "run" / "tensorboard").glob("events.*"))
    weights = read_weights(Path("checkpoints") / "run")
    for name, state in expected.items():
        assert all(value.equal(weights[name][key]) for key, value in state.items()), "watching changed the training"


def test_a_resumed_training_continues_its_curves(run_host, small, one_epoch, unpaired: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    import gc

    from guidegan_plugin.monitors.visdom.log import curves_in

    command = [*small("guide_cycle_gan", unpaired), *one_epoch]
    log, lengths = tmp_path / "log", []
    for resumed in ([], ["--continue_train"]):
        run_host("train.py", *command, *resumed, "--guide_visdom_offline", log, "--guide_monitor_freq", 1)
        gc.collect()  # the model is forgotten, and its monitors end
        steps = curves_in(log, "run")["guide_curves_score"]["A"][0]
        assert steps == sorted(set(steps)) and steps[0] == 1
        lengths.append(steps[-1])
    assert lengths[1] > lengths[0]


def test_a_test_and_a_dry_run_know_no_monitor(run_host, small, unpaired: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(SystemExit):
        run_host("test.py", *small("guide_cycle_gan", unpaired), "--guide_visdom")
    run_host("train.py", *small("guide_cycle_gan", unpaired), "--guide_tensorboard", "events", dry_run=True)
    assert not Path("events").exists()
