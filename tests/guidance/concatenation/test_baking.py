from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from guidegan_plugin.guidance.concatenation.alpha import AlphaChannel
from guidegan_plugin.guidance.concatenation.residual_hadamard import ResidualHadamard

ONES = torch.ones(2, 1, 16, 16)


@pytest.mark.parametrize("padding", ["constant", "reflect", "replicate"])
@pytest.mark.parametrize("stride", [1, 2])
def test_rhp_is_baked_bit_for_bit_under_any_padding(padding: str, stride: int) -> None:
    images, weight, bias = torch.randn(2, 3, 16, 16), torch.randn(8, 3, 7, 7), torch.randn(8)
    guided = F.pad(ResidualHadamard().blend(images, ONES), (3, 3, 3, 3), mode=padding)
    bare = F.pad(images, (3, 3, 3, 3), mode=padding)
    assert torch.equal(
        F.conv2d(bare, ResidualHadamard().bake(weight, 3)[0], bias, stride), F.conv2d(guided, weight, bias, stride)
    )


@pytest.mark.parametrize("padding", ["reflect", "replicate"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_alpha_is_baked_to_a_rounding_where_the_border_repeats_the_image(padding: str, channels: int) -> None:
    images = torch.randn(2, channels, 16, 16)
    blended = AlphaChannel().blend(images, ONES)
    weight, bias = torch.randn(8, blended.shape[1], 7, 7), torch.randn(8)
    expected = F.conv2d(F.pad(blended, (3, 3, 3, 3), mode=padding).double(), weight.double(), bias.double())
    baked, constant = AlphaChannel().bake(weight, channels)
    assert baked.shape == (8, channels, 7, 7) and baked.dtype is torch.float32
    assert constant.shape == (8,) and constant.dtype is torch.float64
    found = F.conv2d(F.pad(images, (3, 3, 3, 3), mode=padding), baked, bias + constant.float())
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()


def test_alpha_would_be_wrong_at_the_border_under_zero_padding() -> None:
    images, weight = torch.randn(2, 3, 16, 16), torch.randn(8, 4, 3, 3)
    baked, constant = AlphaChannel().bake(weight, 3)
    wrong = F.conv2d(images, baked, constant.float(), padding=1)
    difference = (wrong - F.conv2d(AlphaChannel().blend(images, ONES), weight, padding=1)).abs()
    assert difference[..., 1:-1, 1:-1].max() < 1e-4 and difference[..., 0, :].max() > 0.5


def test_weights_are_not_written_to_and_keep_their_precision() -> None:
    weight = torch.randn(8, 4, 3, 3).half()
    before = weight.clone()
    baked, _ = AlphaChannel().bake(weight, 3)
    baked.zero_()
    assert (
        ResidualHadamard().bake(weight, 3)[0].dtype
        is baked.dtype
        is AlphaChannel().bake(weight, 1)[0].dtype
        is torch.float16
    )
    assert torch.equal(weight, before)
