from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from guidegan_plugin import View
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.memory.view import Resampler, resample


def test_a_view_places_pixels_where_crop_and_flip_took_them_from() -> None:
    view = View.crop((3, 5), (8, 4), (20, 10), flip=True)
    corner = torch.tensor([-1 + 1 / 8, -1 + 1 / 4, 1.0])  # centre of the frame's first pixel
    x, y = (view.theta[0] @ corner).tolist()
    # Mirrored, it is the crop's last column: pixel 3 + 7, whose centre is 10.5 of 20.
    assert (x + 1) / 2 * 20 == pytest.approx(10.5)
    assert (y + 1) / 2 * 10 == pytest.approx(5.5)


def test_from_a_view_to_itself_nothing_moves() -> None:
    view = View.stack([View.crop((3, 5), (8, 4), (20, 10), flip=True), View.identity()])
    expected = View.identity(2).theta
    assert torch.allclose(view.seen_from(view), expected, atol=1e-6)


def test_resampling_moves_a_map_by_whole_cells_exactly() -> None:
    maps = torch.rand(1, 1, 4, 4)
    old, new = View.crop((0, 0), (4, 4), (8, 8)), View.crop((1, 0), (4, 4), (8, 8))
    moved = resample(maps, old.seen_from(new))
    assert torch.allclose(moved[..., :3], maps[..., 1:], atol=1e-5)
    assert torch.allclose(moved[..., 3], maps[..., 3], atol=1e-5), "what was not seen continues the border"


def test_resampling_undoes_a_flip() -> None:
    maps = torch.rand(2, 1, 5, 6)
    plain, flipped = View.crop((2, 1), (6, 5), (9, 9)), View.crop((2, 1), (6, 5), (9, 9), flip=True)
    theta = torch.cat([plain.seen_from(flipped), plain.seen_from(plain)])
    moved = resample(maps, theta)
    assert torch.allclose(moved[0], maps[0].flip(-1), atol=1e-5)
    assert torch.allclose(moved[1], maps[1], atol=1e-5)


def test_a_grid_that_was_made_once_samples_as_a_new_one_bit_for_bit_whatever_comes_next() -> None:
    move = Resampler()
    for shape in ((3, 1, 31, 31), (1, 1, 31, 31), (2, 1, 7, 30), (3, 1, 31, 31)):
        maps, theta = torch.rand(shape), torch.eye(3)[:2] + 0.3 * torch.randn(shape[0], 2, 3)
        grid = F.affine_grid(theta, list(shape), align_corners=False)
        expected = F.grid_sample(maps, grid, padding_mode="border", align_corners=False)
        assert torch.equal(move(maps, theta), expected)


def test_a_view_is_known_where_no_visit_is_unknown() -> None:
    theta = View.identity(2).theta.clone()
    known = View.known(theta)
    assert known is not None and torch.equal(known.theta, theta)
    theta[1] = torch.nan
    assert View.known(theta) is None
    with pytest.raises(ConfigError, match="crop with an area"):
        View.known(torch.full((1, 2, 3), torch.inf))


def test_theta_of_another_shape_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"\(N, 2, 3\), found \(2, 3\)"):
        View(torch.eye(3)[:2])
    with pytest.raises(ConfigError, match=r"\(N, 2, 3\), found a list"):
        View([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])  # type: ignore[arg-type]


def test_views_live_on_the_cpu_in_float32() -> None:
    view = View(torch.eye(3, dtype=torch.float64)[None, :2])
    assert view.theta.dtype is torch.float32 and view.theta.device.type == "cpu" and len(view) == 1


def test_views_that_show_nothing_are_refused() -> None:
    for theta in (torch.zeros(1, 2, 3), torch.full((1, 2, 3), torch.nan), torch.eye(3)[None, :2] * torch.inf):
        with pytest.raises(ConfigError, match="crop with an area"):
            View(theta)
    with pytest.raises(ConfigError, match="crop of 0 x 4 in an image of 8 x 8; change size="):
        View.crop((0, 0), (0, 4), (8, 8))


def test_rows_of_views_are_joined_and_unknown_ones_are_the_whole_image() -> None:
    view = View.crop((3, 5), (8, 4), (20, 10), flip=True)
    unknown = torch.full((1, 2, 3), torch.nan)
    joined = View.join(torch.cat([unknown, view.theta]).numpy())
    assert joined is not None and torch.equal(joined.theta, torch.cat([View.identity().theta, view.theta]))
    assert View.join(unknown.numpy()) is None and View.join(unknown[:0].numpy()) is None


def test_maps_are_moved_as_exactly_under_autocast() -> None:
    maps, old, new = torch.rand(1, 1, 31, 31), View.identity(), View.crop((7, 3), (50, 40), (64, 64), flip=True)
    moved = resample(maps, old.seen_from(new))
    with torch.autocast("cpu", torch.bfloat16):
        under_autocast = resample(maps, old.seen_from(new))
    assert torch.equal(under_autocast, moved)
