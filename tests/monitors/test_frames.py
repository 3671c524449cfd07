"""A frame shows what a visit was, in small pictures and numbers of its own."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

from guidegan_plugin.guidance.concatenation.alpha import AlphaChannel
from guidegan_plugin.monitors.frames import SIDE, take


def test_pictures_show_the_first_image_its_map_and_its_output(make_report) -> None:  # type: ignore[no-untyped-def]
    frame = take(make_report())()
    assert {name: picture.shape for name, picture in frame.pictures.items()} == dict.fromkeys(
        ("input", "attention", "blended", "output"), (8, 12, 3)
    )
    assert all(picture.dtype == np.uint8 for picture in frame.pictures.values())
    assert set(frame.pictures["input"].flat) == {128} and set(frame.pictures["output"].flat) == {0}
    attention = frame.pictures["attention"]
    assert (attention[:, :5] == 255).all() and (attention[:, 7:] == 0).all()
    assert frame.caption == "trainA/<one>.png"


def test_blended_is_half_of_what_the_residual_hadamard_product_gives_the_generator(make_report) -> None:  # type: ignore[no-untyped-def]
    images = torch.linspace(-1, 1, 96).reshape(1, 1, 8, 12).expand(2, 3, 8, 12)
    frame = take(make_report(images=images, blended=torch.full((2, 1, 1, 1), 0.5)))()
    x = np.linspace(-1, 1, 96).reshape(8, 12, 1)
    expected = np.rint((x * (0.5 + 1) / 2 + 1) / 2 * 255)
    np.testing.assert_allclose(frame.pictures["blended"].astype(float), np.broadcast_to(expected, (8, 12, 3)), atol=1)
    ones = take(make_report(images=images))()
    np.testing.assert_array_equal(ones.pictures["blended"], ones.pictures["input"])


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (0.0, 1.0)])
def test_blended_is_the_input_with_its_map_as_opacity_over_gray_for_alpha(make_report, low, high) -> None:  # type: ignore[no-untyped-def]
    images = torch.linspace(low, high, 96).reshape(1, 1, 8, 12).expand(2, 3, 8, 12)
    report = make_report(images=images, blended=torch.full((2, 1, 1, 1), 0.25), preview=AlphaChannel().preview)
    opaque = np.linspace(0, 255, 96).reshape(8, 12, 1)
    expected = np.broadcast_to(0.25 * opaque + 0.75 * 127.5, (8, 12, 3))
    blended = take(report, value_range=(low, high))().pictures["blended"]
    np.testing.assert_allclose(blended.astype(float), expected, atol=1)


def test_of_a_concatenation_nobody_here_knows_nothing_blended_is_shown(make_report) -> None:  # type: ignore[no-untyped-def]
    assert set(take(make_report(preview=None))().pictures) == {"input", "attention", "output"}


def test_large_pictures_are_shrunk_and_keep_their_shape(make_report) -> None:  # type: ignore[no-untyped-def]
    frame = take(make_report(images=torch.zeros(1, 3, 2 * SIDE, 4 * SIDE)))()
    assert frame.pictures["input"].shape == (SIDE // 2, SIDE, 3) == frame.pictures["attention"].shape


@pytest.mark.parametrize("channels", [1, 2, 35])
def test_of_images_that_are_not_in_colour_the_first_channel_is_shown(make_report, channels: int) -> None:  # type: ignore[no-untyped-def]
    images = torch.ones(1, channels, 8, 8)
    images[:, 0] = -1
    assert not take(make_report(images=images))().pictures["input"].any()


def test_numbers_that_are_not_finite_and_values_outside_the_range_make_a_picture(make_report) -> None:  # type: ignore[no-untyped-def]
    output = torch.tensor([float("nan"), float("inf"), -5.0, 5.0]).reshape(1, 1, 2, 2)
    picture = take(make_report(output=output))().pictures["output"]
    assert picture[..., 0].tolist() == [[0, 255], [0, 255]]


def test_the_range_of_values_is_the_callers(make_report) -> None:  # type: ignore[no-untyped-def]
    frame = take(make_report(), value_range=(0.0, 1.0))()
    assert not frame.pictures["input"].any()


def test_curves_have_entropy_age_score_and_losses(make_report) -> None:  # type: ignore[no-untyped-def]
    curves = take(make_report())().curves
    half_of_the_cells = np.log(12) / np.log(24)
    assert curves["entropy"]["A"] == pytest.approx(half_of_the_cells)
    assert curves["age"] == {"A": 4} and curves["score"] == {"A": 0.25}
    assert curves["losses"] == {"G_A": 1.5, "cycle_A": 2.5}


def test_what_nobody_said_has_no_curve(make_report) -> None:  # type: ignore[no-untyped-def]
    report = make_report(ages=(None, None), score=None, losses={})
    assert set(take(report)().curves) == {"entropy"}
    assert "losses" not in take(make_report(), with_losses=False)().curves


def test_a_loss_of_several_values_is_their_mean_and_what_is_no_number_is_left_out(make_report) -> None:  # type: ignore[no-untyped-def]
    losses = {"many": torch.tensor([1, 2, 6]), "one": torch.tensor([2.5]), "none": None, "list": [1.0], "text": "high"}
    losses |= {"empty": torch.tensor([]), "array": np.float32(4)}
    assert take(make_report(losses=losses))().curves["losses"] == {"many": 3, "one": 2.5, "array": 4}


def test_what_the_host_does_to_its_tensors_afterwards_is_not_shown(make_report) -> None:  # type: ignore[no-untyped-def]
    report = make_report()
    arrived = take(report)
    for tensor in (report.images, report.maps, report.output, report.score, report.losses["G_A"]):
        tensor.fill_(0.9)
    frame = arrived()
    assert set(frame.pictures["input"].flat) == {128} and set(frame.pictures["output"].flat) == {0}
    assert frame.curves["score"] == {"A": 0.25} and frame.curves["losses"]["G_A"] == 1.5


def test_a_frame_needs_no_gradient_and_draws_no_random_number(make_report) -> None:  # type: ignore[no-untyped-def]
    before = torch.get_rng_state()
    arrived = take(make_report(images=torch.zeros(1, 3, 8, 8, requires_grad=True)))
    assert set(arrived().pictures) == {"input", "attention", "blended", "output"}, "NumPy refuses what has a gradient"
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.cuda
def test_taking_a_frame_does_not_wait_for_the_device(make_report) -> None:  # type: ignore[no-untyped-def]
    names = ("images", "maps", "blended", "output", "score")
    report = make_report(**{name: getattr(make_report(), name).cuda() for name in names})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mode says of itself that it is a prototype
        try:
            torch.cuda.set_sync_debug_mode("error")
            arrived = take(report)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert arrived().curves["score"] == {"A": 0.25}
