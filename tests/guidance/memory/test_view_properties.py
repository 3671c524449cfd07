"""A map that was written under one crop and flip is read under any other where the two overlap."""

from __future__ import annotations

from typing import Any

import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import Tensor

from guidegan_plugin import ConfigError, View
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.view import resample

SIDES = st.integers(1, 400)
MAP_SIDES = st.integers(2, 40)


@st.composite
def crops(draw: Any, image: tuple[int, int]) -> View:
    """Any crop of an image, mirrored or not."""
    w, h = (draw(st.integers(1, side)) for side in image)
    position = draw(st.integers(0, image[0] - w)), draw(st.integers(0, image[1] - h))
    return View.crop(position, (w, h), image, draw(st.booleans()))


@st.composite
def two_visits(draw: Any) -> tuple[View, View]:
    image = draw(SIDES), draw(SIDES)
    return draw(crops(image)), draw(crops(image))


def centres(view: View, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Where the cells of a map lie in the image, ``(h, w)`` each, in normalised coordinates."""
    height, width = shape
    y, x = torch.meshgrid(
        (2 * torch.arange(height) + 1) / height - 1, (2 * torch.arange(width) + 1) / width - 1, indexing="ij"
    )
    theta = view.theta[0].double()
    x, y = x.double(), y.double()
    return theta[0, 0] * x + theta[0, 1] * y + theta[0, 2], theta[1, 0] * x + theta[1, 1] * y + theta[1, 2]


@given(visits=two_visits(), shape=st.tuples(MAP_SIDES, MAP_SIDES), slopes=st.tuples(*[st.floats(-0.2, 0.2)] * 2))
def test_what_was_written_is_read_wherever_it_was_covered(
    visits: tuple[View, View], shape: tuple[int, int], slopes: tuple[float, float]
) -> None:
    # Attention that rises evenly over the image: cells between cells are then known exactly.
    old, new = visits
    there = [0.5 + slopes[0] * x + slopes[1] * y for x, y in (centres(old, shape), centres(new, shape))]
    store = AttentionStore(dtype="float32")
    store.write(["a"], there[0].float()[None, None], old)
    recalled = store.recall(["a"])
    assert recalled.views is not None
    moved = resample(recalled.maps, recalled.views.seen_from(new))[0, 0]
    covered = torch.ones(shape, dtype=torch.bool)
    for seen, wanted in zip(centres(old, shape), centres(new, shape), strict=True):
        covered &= (wanted >= seen.min() - 1e-9) & (wanted <= seen.max() + 1e-9)
    # A cell of a crop of one pixel in four hundred is a hair's breadth: rounding moves it by a part of itself.
    assert torch.allclose(moved[covered], there[1].float()[covered], atol=2e-4)
    assert moved.min() >= there[0].min() - 1e-4 and moved.max() <= there[0].max() + 1e-4


@given(visits=two_visits(), shape=st.tuples(MAP_SIDES, MAP_SIDES), seed=st.integers(0, 99))
def test_under_the_same_crop_a_map_is_read_as_it_was_written(
    visits: tuple[View, View], shape: tuple[int, int], seed: int
) -> None:
    maps = torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(seed))
    assert torch.allclose(resample(maps, visits[0].seen_from(visits[0])), maps, atol=1e-3)


@given(visits=two_visits(), shape=st.tuples(MAP_SIDES, MAP_SIDES), seed=st.integers(0, 99))
def test_a_mirrored_crop_reads_the_mirrored_map(visits: tuple[View, View], shape: tuple[int, int], seed: int) -> None:
    maps = torch.rand(1, 1, *shape, generator=torch.Generator().manual_seed(seed))
    view = visits[0]
    mirrored = View(view.theta * torch.tensor([[-1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]))
    assert torch.allclose(resample(maps, view.seen_from(mirrored)), maps.flip(3), atol=1e-3)


@given(numbers=st.lists(st.floats(width=32), min_size=6, max_size=6))
def test_any_six_numbers_are_a_view_or_refused_in_one_line(numbers: list[float]) -> None:
    theta = torch.tensor(numbers).view(1, 2, 3)
    try:
        view = View(theta)
    except ConfigError as error:
        assert "\n" not in str(error)
        return
    assume(theta[0, :, :2].double().det().abs() > 1e-6 and theta.abs().max() < 1e6)
    assert view.seen_from(view).isfinite().all()
