"""What a host may do that guidance cannot use: refused in one line, or passed over as the bare host does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.errors import ConfigError

ONE = GuideConfig(layer=1)


class Tokens(nn.Module):
    """A discriminator whose layers speak of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.block, self.head = nn.Conv2d(3, 16, 8, 8), nn.Linear(16, 16), nn.Linear(16, 1)

    def forward(self, images: Tensor) -> Tensor:
        answer: Tensor = self.head(self.block(self.patch(images).flatten(2).transpose(1, 2)))
        return answer


class Several(nn.Module):
    """A discriminator whose layer returns a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.block = nn.MaxPool2d(2, return_indices=True)

    def forward(self, images: Tensor) -> Tensor:
        answer: Tensor = self.block(images)[0]
        return answer


def networks() -> tuple[nn.Module, nn.Module]:
    judge = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.Conv2d(8, 1, 4, 1, 1))
    return nn.Conv2d(3, 3, 3, padding=1), judge


@pytest.mark.parametrize(
    ("kind", "found"),
    [(Tokens, r"\(Linear\) returns a tensor \(1, 16, 16\)"), (Several, r"\(MaxPool2d\) returns a tuple")],
)
def test_a_layer_whose_output_is_no_image_is_refused_by_name_and_shape(kind: type[nn.Module], found: str) -> None:
    generator, discriminator = nn.Conv2d(3, 3, 3, padding=1), kind()
    guide = attach(generator, discriminator, GuideConfig(layer="block"))
    source = torch.rand(1, 3, 32, 32)
    guide.bind(source, ["a"])
    with pytest.raises(ConfigError, match=rf"layer 'block' {found}, expected activations .*\(--guide_layer\)"):
        discriminator(generator(source))


@pytest.mark.parametrize("wrong", [{"config": GuideConfig(layer=9)}, {"discriminator": nn.Identity()}])
def test_a_refused_attach_claims_nothing(wrong: dict[str, Any]) -> None:
    (first, judge), (generator, discriminator) = networks(), networks()
    guide = attach(first, judge, ONE)
    arguments = {"discriminator": discriminator, "config": ONE, **wrong}
    with pytest.raises(ConfigError):
        attach(generator, **arguments, name="B", beside=guide)
    assert type(generator) is nn.Conv2d and type(discriminator) is nn.Sequential
    assert attach(generator, discriminator, ONE, name="B", beside=guide).pair["generator"] == "Conv2d"


@pytest.mark.parametrize("concat", ["rhp", "alpha"])
def test_an_empty_batch_is_trained_on_as_without_guidance(concat: str) -> None:
    generator, discriminator = networks()
    guide = attach(generator, discriminator, GuideConfig(layer=1, concat=concat))
    for count in (0, 2, 0):
        source = torch.rand(count, 3, 16, 16)
        guide.bind(source, ["a", "b"][:count])
        discriminator(generator(source)).sum().backward()
    assert guide.statistics()["visits"] == 2


@pytest.mark.parametrize(
    "transform",
    [
        lambda network, images: torch.func.vmap(lambda image: network(image[None]))(images),
        lambda network, images: torch.func.grad(lambda image: network(image).sum())(images),
    ],
)
def test_a_transform_of_torch_func_sees_test_time_and_leaves_nothing_behind(
    transform: Callable[[nn.Module, Tensor], object],
) -> None:
    generator, discriminator = networks()
    guide = attach(generator, discriminator, ONE)
    source = torch.rand(2, 3, 16, 16)
    guide.bind(source, ["a", "b"])
    transform(generator, source)
    discriminator(generator(source)).sum().backward()
    transform(generator, source)
    assert all(guide.store.recall(["a", "b"], source.device).visited)
