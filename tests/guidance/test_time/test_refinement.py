"""Translating again while D's score rises, and keeping the best."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.guidance.attention.signals import score
from guidegan_plugin.guidance.test_time.refinement import Refinement


def run(scores: list[float], passes: int) -> tuple[Refinement, list[float | None]]:
    """A fake D that says these scores one after the other; map number n is full of n."""
    refinement, given = Refinement(passes), []
    for number, value in enumerate(scores):
        if refinement.done:
            break
        given.append(None if refinement.maps is None else float(refinement.maps.mean()))
        refinement.judge(value, torch.full((1, 1, 2, 2), number + 1.0))
    return refinement, given


@pytest.mark.parametrize(
    ("scores", "passes", "translations", "best"),
    [
        ([0.1, 0.2, 0.3, 0.4], 2, 3, 2.0),  # used up, still rising
        ([0.1, 0.3, 0.2, 0.9], 5, 3, 1.0),  # fell: the one before is kept, the later rise is not looked for
        ([0.5, 0.4, 0.9], 5, 2, None),  # the placeholder was best
        ([0.5, 0.5, 0.9], 5, 2, None),  # as good is not better
        ([0.5, float("nan"), 0.9], 5, 2, None),
        ([0.5], 0, 1, None),
    ],
)
def test_it_stops_when_the_score_no_longer_rises_and_keeps_the_best(
    scores: list[float], passes: int, translations: int, best: float | None
) -> None:
    refinement, given = run(scores, passes)
    assert refinement.done and len(refinement.scores) == translations
    assert given == [None, 1.0, 2.0][:translations], "each translation is given where D looked at the one before"
    assert (None if refinement.maps is None else float(refinement.maps.mean())) == best
    assert refinement.kept == (0 if best is None else int(best))


def test_the_score_is_the_mean_over_images_patches_and_scales_and_leaves_features_out() -> None:
    one, other = torch.tensor([[[[0.0, 1.0]]], [[[1.0, 2.0]]]]), torch.full((2, 1, 1, 1), 3.0)
    assert float(score(one) == 1 and score([one, other])) == 2
    assert float(score({"patches": other, "features": torch.zeros(2, 8, 4, 4)})) == 3


def test_a_refined_visit_blends_its_maps_at_test_time_and_nowhere_else(
    make_generator: Callable[..., nn.Module], make_discriminator: Callable[..., nn.Module]
) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    guide, images, seen = attach(generator, discriminator, GuideConfig()), torch.rand(1, 3, 64, 64), []
    generator[0].register_forward_pre_hook(lambda module, args: seen.append(args[0].detach()))
    maps = torch.rand(1, 1, 7, 7)

    def given(source: Tensor) -> Tensor:
        generator(source)
        return seen[-1]

    guide.bind(images, ["a"])
    guide.binding.current("A").refined = maps  # type: ignore[union-attr]
    assert torch.equal(given(images), 2 * images), "training"
    generator.eval()
    full = nn.functional.interpolate(maps, (64, 64), mode="bilinear", align_corners=False)
    assert torch.allclose(given(images), (1 + full) * images, atol=1e-6)
    other = images.clone()
    assert torch.equal(given(other), 2 * other)
    guide.bind(images, ["a"])
    assert torch.equal(given(images), 2 * images), "the next visit begins anew"
