"""A host's own pages show each image beside its own map."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.hosts.junyanz.visuals import AttentionVisuals

Make = Callable[..., nn.Module]


def test_images_that_nobody_judged_are_not_shown_with_the_maps_of_the_batch_before(
    make_generator: Make, make_discriminator: Make, toy_training: Any
) -> None:
    training = toy_training(make_generator(), make_discriminator())
    one, other = torch.rand(2, 3, 32, 32), torch.rand(2, 3, 32, 32)
    with attach(training.generator, training.discriminator, GuideConfig(store_dtype="float32")) as guide:
        pair = SimpleNamespace(name=guide.name, source="real_A")
        options = SimpleNamespace(guide_no_visuals=False)
        model = SimpleNamespace(opt=options, isTrain=True, visual_names=["real_A"], real_A=one)
        guides: Any = SimpleNamespace(active=True, model=model, pairs=[pair], guides={guide.name: guide})
        visuals = AttentionVisuals(guides)

        def shown(images: Tensor, keys: list[str], judged: bool) -> Tensor:
            model.real_A = images
            guide.bind(images, keys)
            if judged:
                training.step(images, images)
            else:
                training.generator(images)
            visuals.draw()
            found: Tensor = getattr(model, model.visual_names[1])
            return found

        first = shown(one, ["a", "b"], True)
        assert first.std() > 0
        assert torch.equal(shown(other, ["c", "d"], False), torch.ones_like(first)), "they have no map yet"
        assert torch.allclose(shown(one, ["b", "a"], False), first.flip(0)), "what the memory has of these very images"
