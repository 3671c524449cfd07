"""What --guide_full_state keeps of a host's image pools, in a resume with another --pool_size."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from guidegan_plugin.hosts.junyanz.training_state import capture, restore


class Pool:
    """As the classic generation's: without a size it has no list."""

    def __init__(self, size: int, images: int = 0) -> None:
        self.pool_size = size
        if size > 0:
            self.num_imgs, self.images = images, [torch.full((1,), float(number)) for number in range(images)]

    def query(self, images: torch.Tensor) -> torch.Tensor:
        return images


def model(pool: Pool) -> Any:
    return SimpleNamespace(optimizers=[], schedulers=[], fake_pool=pool, device=torch.device("cpu"))


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
