from __future__ import annotations

import gc
import threading
from collections.abc import Callable

import pytest
import torch

from guidegan_plugin import View
from guidegan_plugin.errors import ConfigError, GuideError
from guidegan_plugin.guidance.calls.binding import Judgement, SourceBinding
from guidegan_plugin.guidance.calls.lineage import Shown
from guidegan_plugin.guidance.calls.row_maps import maps_behind
from guidegan_plugin.guidance.calls.rows import Made, Row


def rows_of(binding: SourceBinding, images: torch.Tensor, pair: str = "A") -> list[tuple[object, int] | None]:
    """The visit and the bound row of each row of a tensor."""
    shown = binding.shown(images, pair)
    return [] if shown is None else [None if row is None else (row.visit, row.index) for row in shown.rows]


def test_images_are_known_by_where_they_come_from_not_by_value() -> None:
    binding, images = SourceBinding(), torch.rand(2, 3, 4, 4)
    equal = images.clone()
    visit = binding.bind("A", images, ["a", "b"])
    assert rows_of(binding, images) == [(visit, 0), (visit, 1)] == rows_of(binding, images.clone())
    assert rows_of(binding, images[1:]) == [(visit, 1)]
    assert rows_of(binding, equal) == []


def test_a_new_batch_ends_the_old_visit() -> None:
    binding, old, new = SourceBinding(), torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)
    binding.bind("A", old, ["a"])
    visit = binding.bind("A", new, ["b"])
    assert rows_of(binding, old) == [] and binding.current("A") is visit


def test_a_tensor_bound_by_two_pairs_is_each_ones_own() -> None:
    binding, images = SourceBinding(), torch.rand(1, 3, 4, 4)
    first, second = binding.bind("A", images, ["a"]), binding.bind("B", images, ["a"])
    assert rows_of(binding, images, "A") == [(first, 0)] and rows_of(binding, images, "B") == [(second, 0)]
    assert rows_of(binding, images.clone(), "A") == [(first, 0)]


def test_a_fake_leads_back_to_its_visit() -> None:
    binding, images, fake = SourceBinding(), torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)
    visit = binding.bind("A", images, ["a"])
    visit.note(fake, Made(visit.rows, "", (1, ())))
    visit.maps = torch.rand(1, 1, 2, 2)
    assert maps_behind(fake, binding) is visit.maps and maps_behind(images, binding) is visit.maps
    assert maps_behind(fake.clone(), binding) is None


def test_a_call_is_lost_with_its_visit_though_a_loader_knows_the_batch_still() -> None:
    binding, old, new, arrival = SourceBinding(), torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4), object()
    binding.lineage.begin(old, Shown((Row(arrival, 0),), (0, 3), arrival))
    for images in (old, new):
        binding.bind("A", images, ["a"])
        binding.refuse_lost(images, "A")
    with pytest.raises(GuideError, match="computed again"):
        binding.refuse_lost(old, "A")


def test_of_several_outputs_the_one_that_was_judged_is_the_translation() -> None:
    binding, images = SourceBinding(), torch.rand(1, 3, 4, 4)
    visit = binding.bind("A", images, ["a"])
    outputs = {path: torch.rand(1, 3, 4, 4) for path in ("[0]", "[1]")}
    for path, output in outputs.items():
        visit.note(output, Made(visit.rows, path, (1, ())))
    assert binding.translation("A") is outputs["[0]"], "the first, until one was judged"
    binding.newest["A"] = Judgement(Made(visit.rows, "[1]", (1, ())), torch.ones(1, 1, 2, 2), None)
    assert binding.translation("A") is outputs["[1]"]


def test_copies_are_no_longer_seen_once_a_network_is_called() -> None:
    binding, images = SourceBinding(), torch.rand(1, 3, 4, 4)
    binding.bind("A", images, ["a"])
    binding.lineage.pause()
    assert rows_of(binding, images.clone()) == []
    assert torch.overrides._get_current_function_mode() is None


def test_a_mode_of_somebody_elses_is_left_on() -> None:
    binding, images = SourceBinding(), torch.rand(1, 3, 4, 4)
    binding.bind("A", images, ["a"])
    with torch.device("cpu"):
        other = torch.overrides._get_current_function_mode()
        binding.lineage.pause()
        assert torch.overrides._get_current_function_mode() is other
    binding.lineage.pause()
    assert torch.overrides._get_current_function_mode() is None


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ([None, "a"], "found None"),
        (["a", "\ud800"], "cannot be written"),
        (torch.rand(2, 3), r"found a tensor of \(2, 3\)"),
        (torch.tensor(3), r"expected one key an image \(a path, a word or a number\), found a tensor of \(\)"),
        (3, "found int; change keys="),
    ],
)
def test_what_can_be_no_key_is_refused(keys: object, found: str) -> None:
    with pytest.raises(ConfigError, match=found):
        SourceBinding().bind("A", torch.rand(2, 3, 4, 4), keys)  # type: ignore[arg-type]


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


def test_the_devices_of_the_training_stay_what_they_are_wherever_a_batch_is_bound_or_its_network_called() -> None:
    binding, images = SourceBinding(), torch.rand(1, 3, 4, 4)
    with torch.device("meta"):
        binding.bind("A", images, ["a"])
        assert torch.rand(1).device.type == "meta"
    assert torch.rand(1).device.type == "cpu"
    with torch.device("meta"):
        binding.lineage.pause()
        assert torch.rand(1).device.type == "meta"
    assert torch.rand(1).device.type == "cpu"


def test_the_default_device_may_change_while_copies_are_noted() -> None:
    binding, images = SourceBinding(), torch.rand(1, 3, 4, 4)
    try:
        torch.set_default_device("meta")
        binding.bind("A", images, ["a"])
        for device in ("cpu", "meta", None):
            torch.set_default_device(device)
            assert torch.rand(1).device.type == (device or "cpu")
            assert len(rows_of(binding, images.clone())) == 1
    finally:
        torch.set_default_device(None)
        binding.lineage.pause()
    assert torch.overrides._get_current_function_mode() is None


def test_two_trainings_note_their_copies_beside_each_other() -> None:
    trainings = [(SourceBinding(), torch.rand(1, 3, 4, 4)) for _ in range(2)]
    for binding, images in trainings:
        binding.bind("A", images, ["a"])
    copies = [images.clone() for _, images in trainings]
    for (binding, _), copied in zip(trainings, copies, strict=True):
        binding.lineage.pause()
        assert len(rows_of(binding, copied)) == 1
    assert torch.overrides._get_current_function_mode() is None


@pytest.mark.parametrize(
    ("bound", "called_with", "rows"),
    [
        (slice(0, 1), slice(None), "0 - - -"),
        (slice(2, 3), slice(None), "- - 0 -"),
        (slice(2, 3), slice(2, None), "0 -"),
        (slice(None, None, 2), slice(None), "0 - 1 -"),
        (slice(1, 3), slice(None), "- 0 1 -"),
        (slice(None), slice(-2, None), "2 3"),
        (slice(0, 1), slice(1, 2), ""),
        (slice(0, 0), slice(None), ""),
    ],
)
def test_rows_beside_those_that_were_bound_are_nobodys(bound: slice, called_with: slice, rows: str) -> None:
    binding, images = SourceBinding(), torch.rand(4, 3, 8, 8)
    binding.bind("A", part := images[bound], ["key"] * len(part))
    binding.lineage.pause()
    found = rows_of(binding, images[called_with])
    assert " ".join("-" if row is None else str(row[1]) for row in found) == rows


@pytest.mark.parametrize(
    ("derive", "rows"),
    [
        (lambda images: torch.flip(input=images, dims=(0,)), [1, 0]),
        (lambda images: torch.clone(input=images), [0, 1]),
        (lambda images: torch.empty_like(images).copy_(other=images), [0, 1]),
        (lambda images: torch.cat(tensors=[torch.empty(0), images], dim=1), [0, 1]),
        (lambda images: images.copy_(images.flip(0)), [1, 0]),
        (lambda images: images.copy_(images * 2), [0, 1]),
        (lambda images: images.resize_(1, 3, 4, 4), [0]),
        (lambda images: images.set_(torch.rand(2, 3, 4, 4)), []),
    ],
)
def test_copies_are_noted_however_they_are_asked_for(
    derive: Callable[[torch.Tensor], torch.Tensor], rows: list[int]
) -> None:
    binding, images = SourceBinding(), torch.rand(2, 3, 4, 4)
    visit = binding.bind("A", images, ["a", "b"])
    made = derive(images)
    binding.lineage.pause()
    assert rows_of(binding, made) == [(visit, row) for row in rows]


@pytest.mark.parametrize("again", [torch.autograd.Variable, lambda images: images.data])
def test_an_alias_is_known_though_nobody_holds_the_bound_tensor_itself(again: Callable[..., torch.Tensor]) -> None:
    binding, images = SourceBinding(), torch.rand(2, 3, 4, 4)
    visit = binding.bind("A", images, ["a", "b"])
    binding.lineage.pause()
    images = again(images)
    gc.collect()
    assert rows_of(binding, images) == [(visit, 0), (visit, 1)]


@pytest.mark.parametrize("axis", [0, 1])
def test_what_was_joined_of_two_pairs_is_each_ones_own(axis: int) -> None:
    binding, first, second = SourceBinding(), torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 4)
    visits = {name: binding.bind(name, images, ["a"]) for name, images in (("A", first), ("B", second))}
    both = torch.cat([first, second], axis)
    binding.lineage.pause()
    for number, (name, visit) in enumerate(visits.items()):
        shown = binding.shown(both, name)
        assert shown is not None and shown.visit is visit
        row = shown.rows[number if axis == 0 else 0]
        assert row is not None and row.visit is visit
        assert shown.channels == ((0, 3) if axis == 0 else (3 * number, 3 * number + 3))


def test_a_network_that_is_called_in_another_thread_does_not_end_the_noting_of_copies() -> None:
    binding, images = SourceBinding(), torch.rand(1, 3, 4, 4)
    binding.bind("A", images, ["a"])
    sampler = threading.Thread(target=binding.lineage.pause)
    sampler.start()
    sampler.join()
    assert len(rows_of(binding, images.clone())) == 1
    binding.lineage.pause()
    assert torch.overrides._get_current_function_mode() is None
