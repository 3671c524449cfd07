"""``--guide_fast`` in the reference host: bit-equal where it says so, plain checkpoints, the loader reached."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from guidegan_plugin.hosts.junyanz.fast_training import speed_up_loader

Read = Callable[[Path], dict[str, dict[str, Tensor]]]
Run = Callable[..., None]
Small = Callable[[str, Path], list[str]]


def same(one: dict[str, dict[str, Tensor]], other: dict[str, dict[str, Tensor]]) -> bool:
    return [*one] == [*other] and all(
        [*one[name]] == [*other[name]] and all(torch.equal(one[name][key], other[name][key]) for key in one[name])
        for name in one
    )


@pytest.fixture
def trained(
    run_host: Run, small: Small, one_epoch: list[str], read_weights: Read, request: pytest.FixtureRequest
) -> Callable[..., dict[str, dict[str, Tensor]]]:
    """Weights after an epoch of three steps: ``trained("cycle_gan", "--guide_fast", "on")``."""

    def call(model: str, *options: object, name: str = "run") -> dict[str, dict[str, Tensor]]:
        dataroot = request.getfixturevalue("paired" if "pix2pix" in model else "unpaired")
        run_host("train.py", *small(model, dataroot), *one_epoch, "--norm", "instance", *options, "--name", name)
        return read_weights(Path("checkpoints") / name)

    return call


@pytest.mark.slow
@pytest.mark.parametrize("model", ["cycle_gan", "pix2pix"])
def test_activations_train_the_bare_host_and_the_guided_one_bit_equal(
    trained: Callable[..., dict[str, dict[str, Tensor]]], caplog: pytest.LogCaptureFixture, model: str
) -> None:
    caplog.set_level(logging.INFO)
    bare = trained(model)
    assert same(trained(f"guide_{model}", "--guide_attention", "none", "--guide_fast", "activations"), bare)
    found = {"cycle_gan": 2 * (11 + 3), "pix2pix": 3}[model]
    assert f"fast: {found} activations out of place" in caplog.text
    guided = trained(f"guide_{model}")
    assert same(trained(f"guide_{model}", "--guide_fast", "activations"), guided) and not same(guided, bare)


@pytest.mark.slow
@pytest.mark.parametrize("fast", ["on", "activations,bf16,fused"])
@pytest.mark.parametrize("attention", ["none", "pha"])
def test_checkpoints_have_the_hosts_keys_and_a_training_goes_on_with_or_without_the_pieces(
    trained: Callable[..., dict[str, dict[str, Tensor]]], fast: str, attention: str
) -> None:
    bare = trained("cycle_gan")
    options = ["--guide_attention", attention, "--guide_full_state"]
    fresh = trained("guide_cycle_gan", *options, "--guide_fast", fast, name="fast")
    assert [[*one] for one in fresh.values()] == [[*one] for one in bare.values()]
    assert all(
        tensor.dtype == torch.float32 and tensor.isfinite().all() for one in fresh.values() for tensor in one.values()
    )
    more = [*options, "--continue_train", "--n_epochs", 3]
    off = trained("guide_cycle_gan", *more, name="fast")
    state = torch.load("checkpoints/fast/latest_guide_state.pth", weights_only=True)
    assert not any(group["fused"] for one in state["optimizers"] for group in one["param_groups"])
    on = trained("guide_cycle_gan", *more, "--n_epochs", 4, "--guide_fast", fast, name="fast")
    state = torch.load("checkpoints/fast/latest_guide_state.pth", weights_only=True)
    assert all(group["fused"] for one in state["optimizers"] for group in one["param_groups"])
    assert not same(fresh, off) and not same(off, on)
    trained("cycle_gan", "--continue_train", name="fast")  # in the bare host


@pytest.mark.slow
def test_a_test_computes_as_without_the_option(
    trained: Callable[..., dict[str, dict[str, Tensor]]], run_host: Run, small: Small, unpaired: Path
) -> None:
    trained("guide_cycle_gan", "--guide_fast", "bf16")
    pages = []
    for fast in ("off", "bf16,activations"):
        run_host("test.py", *small("guide_cycle_gan", unpaired), "--norm", "instance", "--guide_fast", fast)
        images = Path("results") / "run" / "test_latest" / "images"
        pages.append({path.name: path.read_bytes() for path in sorted(images.glob("*fake*"))})
    assert pages[0] == pages[1] and pages[0]


def options(**more: object) -> argparse.Namespace:
    return argparse.Namespace(**{"device": torch.device("cpu"), "guide_full_state": False, **more})


def test_workers_stay_where_that_changes_no_item(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    loader = DataLoader([1, 2, 3], num_workers=2)
    speed_up_loader(loader, options())
    assert loader.persistent_workers and not loader.pin_memory
    assert caplog.messages == ["fast: 2 persistent workers"]
    gpu = DataLoader([1, 2, 3])
    speed_up_loader(gpu, options(device=torch.device("cuda")))
    assert gpu.pin_memory and not gpu.persistent_workers and caplog.messages[1] == "fast: pinned batches"


@pytest.mark.parametrize(
    ("loader", "more", "reason"),
    [
        (DataLoader([1]), {}, "no workers"),
        (DataLoader([1], num_workers=1), {"guide_full_state": True}, "resumes exactly"),
        ([1], {}, "expected a DataLoader, found list"),
    ],
)
def test_a_loader_that_is_left_alone_says_why(
    caplog: pytest.LogCaptureFixture, loader: object, more: dict[str, object], reason: str
) -> None:
    speed_up_loader(loader, options(**more))
    assert len(caplog.messages) == 1 and reason in caplog.text
    assert not getattr(loader, "persistent_workers", False) and not getattr(loader, "pin_memory", False)


def test_workers_of_a_data_set_that_is_told_the_epoch_start_anew() -> None:
    images = SimpleNamespace(current_epoch=0)
    loader = DataLoader(images, sampler=[0], num_workers=1)  # type: ignore[arg-type]
    speed_up_loader(loader, options())
    assert not loader.persistent_workers


@pytest.mark.slow
@pytest.mark.parametrize("fast", ["off", "activations", "loading", "on"])
def test_the_hosts_loader_is_reached_if_the_option_says_so(
    trained: Callable[..., dict[str, dict[str, Tensor]]], monkeypatch: pytest.MonkeyPatch, fast: str
) -> None:
    found = []
    start = DataLoader.__iter__
    monkeypatch.setattr(DataLoader, "__iter__", lambda loader: found.append(loader.persistent_workers) or start(loader))
    trained("guide_cycle_gan", "--num_threads", 1, "--guide_fast", fast)
    assert found == [fast in ("loading", "on")]
