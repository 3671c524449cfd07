from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from guidegan_plugin.guidance.calls.binding import SourceBinding, Visit
from guidegan_plugin.guidance.calls.fake_tracking import mark, origin

REAL = torch.rand(2, 3, 8, 8)


@pytest.fixture
def visit() -> Visit:
    return SourceBinding().bind("A", REAL, ["a", "b"])


@pytest.fixture
def fake(visit: Visit) -> Tensor:
    made = torch.tanh(torch.rand(2, 3, 8, 8, requires_grad=True) * 2)
    mark(made, visit)
    return made


@pytest.mark.parametrize(
    "derive",
    [
        lambda fake: fake,
        lambda fake: torch.cat([REAL, fake], 1),
        lambda fake: torch.cat([fake, REAL], 1)[:1],
        lambda fake: fake.half(),
        lambda fake: fake.clone().flip(3),
        lambda fake: fake.to(memory_format=torch.channels_last),
        lambda fake: fake.view(2, 3, 64).view(2, 3, 8, 8),
        lambda fake: torch.stack(fake.unbind(0)),
        lambda fake: torch.cat(fake.chunk(2)),
        lambda fake: fake[..., 1:-1, 1:-1],
    ],
)
def test_the_fresh_fake_moved_about_is_recognised(
    derive: Callable[[Tensor], Tensor], fake: Tensor, visit: Visit
) -> None:
    assert origin(derive(fake)) is visit


@pytest.mark.parametrize(
    "derive",
    [
        lambda fake: fake.detach(),
        lambda fake: fake.data.clone(),
        lambda fake: REAL,
        lambda fake: torch.cat([REAL, fake.detach()], 1),
        lambda fake: (0.3 * REAL + 0.7 * fake.detach()).requires_grad_(),
        lambda fake: 0.3 * REAL + 0.7 * fake,
        lambda fake: torch.nn.functional.conv2d(fake, torch.rand(3, 3, 1, 1)),
        lambda fake: torch.cat([REAL.clone().requires_grad_(), REAL], 1),
    ],
)
def test_everything_else_is_not(derive: Callable[[Tensor], Tensor], fake: Tensor) -> None:
    assert origin(derive(fake)) is None


def test_another_fake_is_nobodys(fake: Tensor) -> None:
    assert origin(torch.rand(2, 3, 8, 8, requires_grad=True) * 1) is None


def test_a_fake_nobody_holds_any_more_is_recognised(visit: Visit) -> None:
    def make() -> Tensor:
        made = torch.tanh(torch.rand(2, 3, 8, 8, requires_grad=True) * 2)
        mark(made, visit)
        return torch.cat([REAL, made], 1)

    assert origin(make()) is visit


def test_a_fake_made_without_gradient_has_no_origin(visit: Visit) -> None:
    mark(REAL, visit)
    assert origin(REAL) is None
