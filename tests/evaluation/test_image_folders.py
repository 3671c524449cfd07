"""Folders of images: what is read, in which order, and what is refused by name."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from guidegan_plugin.errors import DataError
from guidegan_plugin.evaluation.image_folders import batches, find_images, read_image

GRAY = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10


def save(path: Path, image: Image.Image | None = None) -> Path:
    (image or Image.fromarray(GRAY)).save(path)
    return path


def with_alpha(alpha: int) -> Image.Image:
    image = Image.fromarray(GRAY).convert("RGBA")
    image.putalpha(alpha)
    return image


def test_images_are_found_in_order_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", ".hidden.png"):
        save(tmp_path / name)
    (tmp_path / "notes.txt").touch()
    (tmp_path / "below.d").mkdir()
    save(tmp_path / "below.d" / "c.png")
    assert [path.name for path in find_images(tmp_path, "--fake")] == ["a.JPG", "b.png"]


def test_a_suffix_picks_one_visual_of_a_hosts_results(tmp_path: Path) -> None:
    for name in ("1_fake_B.png", "1_real_A.png", "2_fake_B.png"):
        save(tmp_path / name)
    assert [path.name for path in find_images(tmp_path, "--fake", "_fake_B")] == ["1_fake_B.png", "2_fake_B.png"]


def test_several_visuals_of_each_image_are_refused(tmp_path: Path) -> None:
    for name in ("1_fake_B.png", "1_real_A.png"):
        save(tmp_path / name)
    with pytest.raises(DataError, match=r"mixes a host's visuals \(_fake_B, _real_A\); say --suffix, or change --fake"):
        find_images(tmp_path, "--fake", "")
    with pytest.raises(DataError, match=r"\(_fake_B, _real_A\); change --target"):
        find_images(tmp_path, "--target")


@pytest.mark.parametrize("visual", ["_attention_A", "_attention_A_placeholder", "_attention_photo"])
def test_maps_among_fakes_are_a_visual_too(tmp_path: Path, visual: str) -> None:
    for name in ("1_fake_B.png", f"1{visual}.png"):
        save(tmp_path / name)
    with pytest.raises(DataError, match=rf"mixes a host's visuals \({visual}, _fake_B\); say --suffix"):
        find_images(tmp_path, "--fake", "")


def test_too_few_images_are_counted_and_the_flag_named(tmp_path: Path) -> None:
    save(tmp_path / "a.png")
    with pytest.raises(DataError, match=rf"{re.escape(str(tmp_path))} holds 1 images, at least 2 .*change --target$"):
        find_images(tmp_path, "--target", least=2)
    with pytest.raises(DataError, match=r"holds 0 images \*_fake_B\.\*, .*change --fake or --suffix$"):
        find_images(tmp_path, "--fake", "_fake_B")
    with pytest.raises(DataError, match=r"nowhere is not a folder; change --fake"):
        find_images(tmp_path / "nowhere", "--fake")


@pytest.mark.parametrize("mode", ["L", "P", "RGB"])
def test_gray_and_palette_images_become_rgb(tmp_path: Path, mode: str) -> None:
    pixels = read_image(save(tmp_path / "a.png", Image.fromarray(GRAY).convert(mode)), "--fake")
    assert pixels.dtype == torch.uint8
    assert np.array_equal(pixels.numpy(), np.stack([GRAY] * 3))


def test_an_opaque_alpha_channel_is_dropped(tmp_path: Path) -> None:
    assert np.array_equal(read_image(save(tmp_path / "a.png", with_alpha(255)), "--fake").numpy(), np.stack([GRAY] * 3))


def test_transparency_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.png is transparent.*change --fake"):
        read_image(save(tmp_path / "a.png", with_alpha(254)), "--fake")


def test_more_than_eight_bits_and_other_colours_are_refused(tmp_path: Path) -> None:
    deep = Image.fromarray(GRAY.astype(np.uint16) * 256)
    with pytest.raises(DataError, match=r"deep\.png has mode I;16, .*change --fake"):
        read_image(save(tmp_path / "deep.png", deep), "--fake")
    with pytest.raises(DataError, match=r"print\.jpg has mode CMYK"):
        read_image(save(tmp_path / "print.jpg", Image.fromarray(GRAY).convert("CMYK")), "--fake")


def test_a_torn_image_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.effect_noise((64, 64), 50))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=r"a\.png is no readable image .*change --target"):
        read_image(path, "--target")
    (tmp_path / "empty.png").touch()
    with pytest.raises(DataError, match=r"empty\.png is no readable image"):
        read_image(tmp_path / "empty.png", "--target")


def test_batches_keep_the_order_and_never_mix_sizes() -> None:
    images = [torch.full((3, size, 4), value, dtype=torch.uint8) for value, size in enumerate((4, 4, 4, 6, 4))]
    found = list(batches(images, 2))
    assert [tuple(batch.shape) for batch in found] == [(2, 3, 4, 4), (1, 3, 4, 4), (1, 3, 6, 4), (1, 3, 4, 4)]
    assert [round(float(image[0, 0, 0]) * 255) for batch in found for image in batch] == [0, 1, 2, 3, 4]


def test_a_batch_is_in_zero_to_one() -> None:
    (batch,) = batches([torch.tensor([0, 128, 255], dtype=torch.uint8).reshape(3, 1, 1)], 1)
    assert torch.equal(batch.flatten(), torch.tensor([0, 128 / 255, 1]))


def test_a_suffix_that_picks_several_visuals_is_refused(tmp_path: Path) -> None:
    for name in ("1_fake_B.png", "1_real_B.png", "1_attention_B.png"):
        save(tmp_path / name)
    with pytest.raises(DataError, match=r"\(_attention_B, _fake_B, _real_B\); change --suffix, or change --fake"):
        find_images(tmp_path, "--fake", "B")
