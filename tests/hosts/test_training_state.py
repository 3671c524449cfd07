"""What --guide_full_state keeps of a host's image pools, in a resume with another --pool_size."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from guidegan_plugin.errors import StoreError
from guidegan_plugin.hosts.junyanz.training_state import capture, load, restore


class Pool:
    """As the classic generation's: without a size it has no list."""

    def __init__(self, size: int, images: int = 0) -> None:
        self.pool_size = size
        if size > 0:
            self.num_imgs, self.images = images, [torch.full((1,), float(number)) for number in range(images)]

    def query(self, images: torch.Tensor) -> torch.Tensor:
        return images


def model(pool: Pool) -> Any:
    more = {"model_names": [], "device": torch.device("cpu")}
    return SimpleNamespace(optimizers=[], schedulers=[], fake_pool=pool, **more)


@pytest.mark.parametrize(("before", "now", "kept"), [(4, 4, 3), (4, 2, 2), (4, 9, 3), (0, 2, 0)])
def test_the_option_says_how_large_a_pool_is_and_what_fits_is_kept(
    before: int, now: int, kept: int, caplog: pytest.LogCaptureFixture
) -> None:
    state, resumed = capture(model(Pool(before, 3)), 1), model(Pool(now))
    restore(resumed, state)
    assert resumed.fake_pool.pool_size == now and resumed.fake_pool.num_imgs == len(resumed.fake_pool.images) == kept
    assert ("--pool_size" in caplog.text) == (before != now)
    if before != now:
        assert f"held up to {before} images" in caplog.text and f"is {now} now: the option wins" in caplog.text


def test_without_a_pool_now_what_it_held_is_left() -> None:
    resumed = model(Pool(0))
    restore(resumed, capture(model(Pool(4, 3)), 1))
    assert not hasattr(resumed.fake_pool, "images")


def trained() -> Any:
    """A model with an optimizer that stepped, a schedule and a pool."""
    network = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(network.parameters(), 1e-3)
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    found = model(Pool(4, 2))
    found.optimizers, found.schedulers = [optimizer], [torch.optim.lr_scheduler.StepLR(optimizer, 5)]
    return found


def changed(state: dict[str, Any], where: list[Any], value: object) -> dict[str, Any]:
    inside: Any = state
    for step in where[:-1]:
        inside = inside[step]
    inside[where[-1]] = value
    return state


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (["epochs"], -1),
        (["epochs"], "one"),
        (["pools"], None),
        (["weights"], ["G"]),
        (["torch"], torch.zeros(3, dtype=torch.uint8)),
        (["numpy", 1], 700),
        (["python", 1], [1]),
        (["optimizers"], []),
        (["optimizers", 0, "state", 0, "exp_avg"], torch.zeros(7)),
        (["optimizers", 0, "state", 5], {}),
        (["optimizers", 0, "param_groups", 0, "lr"], "fast"),
        (["optimizers", 0, "param_groups", 0, "betas"], (0.5,)),
        (["optimizers", 0, "param_groups", 0, "params"], [0]),
        (["schedulers", 0, "last_epoch"], "first"),
        (["pools", "fake_pool", "images"], [1, 2]),
        (["pools", "fake_pool", "query"], 1),
    ],
)
def test_a_training_state_with_wrong_content_is_refused_and_nothing_of_it_is_taken(
    tmp_path: Path, where: list[Any], value: object
) -> None:
    source, resumed = trained(), trained()
    torch.save(changed(capture(source, 1), where, value), tmp_path / "latest_guide_state.pth")
    before = repr(capture(resumed, 0))
    with pytest.raises(StoreError, match=r"training state.*; .*leave out --guide_full_state"):
        restore(resumed, load(tmp_path / "latest_guide_state.pth"))
    assert repr(capture(resumed, 0)) == before


def test_what_a_file_adds_to_a_schedule_is_not_taken() -> None:
    source, resumed = trained(), trained()
    state = changed(capture(source, 1), ["schedulers", 0, "step"], 5)
    restore(resumed, state)
    assert callable(resumed.schedulers[0].step)


def test_the_state_of_a_save_before_the_weights_that_were_loaded_is_refused(tmp_path: Path) -> None:
    source, path = trained(), tmp_path / "latest_guide_state.pth"
    source.model_names, source.netG = ["G"], torch.nn.Linear(2, 2)
    torch.save(capture(source, 1), path)
    before = repr(capture(source, 0))
    restore(source, load(path))
    with torch.no_grad():
        source.netG.weight.add_(1)  # trained on, and saved without --guide_full_state
    with pytest.raises(StoreError, match=r"other weights of G than those loaded.*; leave out --guide_full_state, or"):
        restore(source, load(path))
    older = {name: value for name, value in load(path).items() if name != "weights"}  # of an earlier version
    restore(source, older)
    assert before != repr(capture(source, 0))
