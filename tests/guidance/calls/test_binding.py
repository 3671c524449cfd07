from __future__ import annotations

import gc
import weakref

import pytest
import torch

from guidegan_plugin import View
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.binding import SourceBinding


def test_images_are_known_by_identity_not_by_value() -> None:
    binding, images = SourceBinding(), torch.rand(2, 3, 4, 4)
    visit = binding.bind("A", images, ["a", "b"])
    assert binding.visit_of(images, "A") is visit
    assert binding.visit_of(images.clone(), "A") is None


def test_a_new_batch_ends_the_old_visit() -> None:
    binding, old, new = SourceBinding(), torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)
    binding.bind("A", old, ["a"])
    visit = binding.bind("A", new, ["b"])
    assert binding.visit_of(old, "A") is None and binding.current("A") is visit


def test_a_tensor_bound_by_two_pairs_is_each_ones_own() -> None:
    binding, images = SourceBinding(), torch.rand(1, 3, 4, 4)
    first, second = binding.bind("A", images, ["a"]), binding.bind("B", images, ["a"])
    assert binding.visit_of(images, "A") is first and binding.visit_of(images, "B") is second


def test_a_fake_leads_back_to_its_visit() -> None:
    binding, images, fake = SourceBinding(), torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)
    visit = binding.bind("A", images, ["a"])
    visit.fakes.append(weakref.ref(fake))
    assert binding.visit_behind(fake) is visit and binding.visit_behind(images) is visit
    assert binding.visit_behind(fake.clone()) is None


def test_binding_keeps_no_image_alive() -> None:
    binding, images = SourceBinding(), torch.rand(1, 3, 4, 4)
    visit = binding.bind("A", images, ["a"])
    del images
    gc.collect()
    assert visit.images() is None


def test_one_string_is_one_key() -> None:
    assert SourceBinding().bind("A", torch.rand(1, 3, 4, 4), "path.png").keys == ("path.png",)


@pytest.mark.parametrize(("keys", "views"), [(["a"], 2), (["a", "b", "c"], 2), (["a", "b"], 1)])
def test_unequal_counts_are_refused_naming_all_of_them(keys: list[str], views: int) -> None:
    with pytest.raises(ConfigError, match=rf"2 images, {len(keys)} keys, {views} views"):
        SourceBinding().bind("A", torch.rand(2, 3, 4, 4), keys, View.identity(views))


def test_forgetting_a_visit_that_is_not_there_is_fine() -> None:
    SourceBinding().forget("A")


def test_a_tensor_is_no_view() -> None:
    images = torch.rand(1, 3, 4, 4)
    with pytest.raises(ConfigError, match="expected a View, found Tensor; change view="):
        SourceBinding().bind("A", images, ["a"], torch.eye(3)[None, :2])  # type: ignore[arg-type]
