"""Promises of the attention statistics, against brute force and hand-made cases."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from guidegan_plugin.errors import DataError, GuideError
from guidegan_plugin.evaluation.attention_statistics import (
    AttentionQuality,
    attention_quality,
    energy_in_region,
    pointing_game,
    region_auc,
    resize,
)
from guidegan_plugin.evaluation.region_iou import best_iou, iou_by_threshold

RNG = np.random.default_rng(0)
REGIONS = RNG.random((5, 9, 11)) < 0.3
LEFT_HALF = np.array([[[True, True, False, False]]])


def save(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(path)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    maps, regions = tmp_path / "images", tmp_path / "regions"
    maps.mkdir()
    regions.mkdir()
    return maps, regions


def test_pointing_game_counts_the_maxima_inside() -> None:
    inside = np.array([[[0.1, 0.9, 0.2, 0.0]]])
    outside = np.array([[[0.1, 0.2, 0.2, 0.3]]])
    assert pointing_game(inside, LEFT_HALF) == 1
    assert pointing_game(outside, LEFT_HALF) == 0
    assert pointing_game(np.concatenate([inside, outside]), LEFT_HALF.repeat(2, axis=0)) == 0.5


def test_pointing_game_takes_the_mean_over_tied_maxima() -> None:
    assert pointing_game(np.array([[[0.1, 1.0, 1.0, 1.0]]]), LEFT_HALF) == pytest.approx(1 / 3)


def test_pointing_game_finds_a_coarse_map_s_maximum_after_resizing() -> None:
    region = np.zeros((1, 12, 12), dtype=bool)
    region[0, 8:, :4] = True
    coarse = np.zeros((1, 3, 3))
    coarse[0, 2, 0] = 1
    assert pointing_game(coarse, region) == 1
    assert pointing_game(coarse[:, ::-1], region) == 0


def test_energy_is_the_share_of_the_sum_inside() -> None:
    assert energy_in_region(np.array([[[0.1, 0.2, 0.3, 0.4]]]), LEFT_HALF) == pytest.approx(0.3)


@pytest.mark.parametrize("levels", [3, 256, 10**9])
def test_auc_equals_a_count_over_all_pairs_of_pixels(levels: int) -> None:
    maps = RNG.integers(levels, size=REGIONS.shape) / levels
    expected = []
    for values, region in zip(maps, REGIONS, strict=True):
        difference = values[region][:, None] - values[~region][None]
        expected.append(((difference > 0) + 0.5 * (difference == 0)).mean())
    assert region_auc(maps, REGIONS) == pytest.approx(np.mean(expected), abs=1e-12)


def test_auc_is_one_for_a_map_of_the_region_and_zero_for_its_opposite() -> None:
    assert region_auc(REGIONS.astype(float), REGIONS) == 1
    assert region_auc(1.0 - REGIONS, REGIONS) == 0


@pytest.mark.parametrize("shape", [(9, 11), (3, 3), (1, 1), (40, 40)])
@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
def test_a_constant_map_counts_as_a_guess(shape: tuple[int, int], value: float) -> None:
    maps = np.full((len(REGIONS), *shape), value)
    assert pointing_game(maps, REGIONS) == pytest.approx(REGIONS.mean(), abs=1e-12)
    assert energy_in_region(maps, REGIONS) == pytest.approx(REGIONS.mean(), abs=1e-12)
    assert region_auc(maps, REGIONS) == 0.5


@pytest.mark.parametrize("measure", [pointing_game, energy_in_region, region_auc])
def test_a_measure_is_the_mean_over_images_and_leaves_its_input_alone(measure) -> None:  # type: ignore[no-untyped-def]
    maps = RNG.random((5, 4, 4), dtype=np.float32)
    before = maps.copy()
    single = [measure(maps[i : i + 1], REGIONS[i : i + 1]) for i in range(5)]
    assert measure(maps, REGIONS) == pytest.approx(np.mean(single))
    assert (maps == before).all()


@pytest.mark.parametrize("shape", [(20, 30), (7, 5), (3, 13), (10, 10)])
def test_resizing_equals_torch_s_bilinear_interpolation(shape: tuple[int, int]) -> None:
    values = RNG.random((10, 10))
    expected = torch.nn.functional.interpolate(torch.from_numpy(values)[None, None], shape, mode="bilinear")[0, 0]
    np.testing.assert_allclose(resize(values, shape), expected.numpy(), atol=1e-12)


@pytest.mark.parametrize("measure", [pointing_game, energy_in_region, region_auc])
@pytest.mark.parametrize(
    ("maps", "regions", "message"),
    [
        (np.ones((2, 3, 3)), np.ones((1, 3, 3), dtype=bool), r"with one N of at least 1, got \(2, 3, 3\)"),
        (np.ones((0, 3, 3)), np.ones((0, 3, 3), dtype=bool), "with one N of at least 1"),
        (np.ones((1, 1, 3, 3)), np.zeros((1, 3, 3), dtype=bool), r"\(N, h, w\)"),
        (np.ones((1, 3, 3), dtype=np.uint8), np.zeros((1, 3, 3), dtype=bool), "floating and bool, got uint8"),
        (np.ones((1, 3, 3)), np.zeros((1, 3, 3)), "floating and bool, got float64 and float64"),
        (np.full((1, 3, 3), np.nan), np.eye(3, dtype=bool)[None], r"`maps\[0\]` holds values that are not finite"),
        (np.ones((1, 3, 3)), np.zeros((1, 3, 3), dtype=bool), r"`regions\[0\]` is empty"),
    ],
)
def test_input_that_cannot_be_scored_is_refused(measure, maps, regions, message) -> None:  # type: ignore[no-untyped-def]
    if measure is region_auc and regions.all():
        message = rf"{message}|whole image"
    with pytest.raises(GuideError, match=message):
        measure(maps, regions)


def test_auc_refuses_a_region_without_an_outside_and_energy_a_negative_map() -> None:
    with pytest.raises(GuideError, match=r"`regions\[0\]` is the whole image"):
        region_auc(np.ones((1, 3, 3)), np.ones((1, 3, 3), dtype=bool))
    with pytest.raises(GuideError, match="at least 0"):
        energy_in_region(np.full((1, 3, 3), -0.5), np.eye(3, dtype=bool)[None])


def test_quality_of_a_folder_equals_the_measures_on_arrays(folders: tuple[Path, Path]) -> None:
    maps = RNG.integers(256, size=REGIONS.shape, dtype=np.uint8)
    for i, (values, region) in enumerate(zip(maps, REGIONS, strict=True)):
        pixels = values if i % 2 else values[..., None].repeat(3, axis=2)
        save(folders[0] / f"{i}_attention_A.png", pixels)
        save(folders[0] / f"{i}_real_A.png", pixels)
        save(folders[1] / f"{i}.png", region.astype(np.uint8) * np.uint8(255))
    save(folders[1] / "never_tested.png", np.zeros((9, 11), dtype=np.uint8))
    found = attention_quality(*folders)
    scaled = maps / 255
    expected = AttentionQuality(
        5,
        pytest.approx(pointing_game(scaled, REGIONS)),
        pytest.approx(energy_in_region(scaled, REGIONS)),
        pytest.approx(region_auc(scaled, REGIONS)),
        pytest.approx(REGIONS.mean(axis=(1, 2)).mean()),
        *best_iou(np.stack([iou_by_threshold(*one) for one in zip(scaled, REGIONS, strict=True)])),
    )
    assert found == expected


def test_another_suffix_finds_other_maps_and_images_may_differ_in_size(folders: tuple[Path, Path]) -> None:
    for name, size in (("a", 8), ("b", 12)):
        region = np.zeros((size, size), dtype=np.uint8)
        region[: size // 2, : size // 2] = 255
        save(folders[1] / f"{name}.png", region)
        save(folders[0] / f"{name}_attention_B.png", region[::2, ::2])
    found = attention_quality(*folders, suffix="_attention_B")
    assert (found.images, found.pointing_game, found.region_share) == (2, 1.0, 0.25)


def test_an_image_without_anything_to_find_is_left_out_with_a_warning(
    folders: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    for name, region in (("none", np.zeros((4, 4))), ("all", np.ones((4, 4))), ("some", np.eye(4))):
        save(folders[0] / f"{name}_attention_A.png", np.eye(4, dtype=np.uint8))
        save(folders[1] / f"{name}.png", region.astype(np.uint8))
    with caplog.at_level(logging.WARNING):
        assert attention_quality(*folders).images == 1
    assert sorted(Path(record.args[0]).stem for record in caplog.records) == ["all", "none"]  # type: ignore[arg-type,index]
    (folders[0] / "some_attention_A.png").unlink()
    with pytest.raises(DataError, match=r"every region in .* is empty"):
        attention_quality(*folders)


def test_missing_folders_maps_and_regions_are_named(folders: tuple[Path, Path]) -> None:
    with pytest.raises(DataError, match=r"nowhere is not a folder; change `maps_dir` \(--maps\)"):
        attention_quality(folders[0] / "nowhere", folders[1])
    with pytest.raises(DataError, match=r"nowhere is not a folder; change `regions_dir` \(--regions\)"):
        attention_quality(folders[0], folders[1] / "nowhere")
    with pytest.raises(DataError, match=r"holds no file \*_attention_A.png; .*`suffix` \(--suffix\)"):
        attention_quality(*folders)
    save(folders[0] / "x_attention_A.png", np.eye(4, dtype=np.uint8))
    with pytest.raises(DataError, match=r"1 of 1 maps in .* have no region, the first .*x\.png"):
        attention_quality(*folders)


def test_a_file_that_is_no_gray_image_is_named(folders: tuple[Path, Path]) -> None:
    save(folders[1] / "x.png", np.eye(4, dtype=np.uint8))
    path = folders[0] / "x_attention_A.png"
    path.write_bytes(b"torn")
    with pytest.raises(DataError, match=r"x_attention_A.png is no readable image .*\(--maps\)"):
        attention_quality(*folders)
    for pixels, message in (
        (RNG.integers(256, size=(4, 4, 3), dtype=np.uint8), "is in colour, a map is gray"),
        (np.zeros((4, 4), dtype=np.uint16), "has mode I;16"),
    ):
        save(path, pixels)
        with pytest.raises(DataError, match=message):
            attention_quality(*folders)


def test_a_region_in_a_faint_colour_is_inside(folders: tuple[Path, Path]) -> None:
    maps, regions = folders
    save(maps / "1_attention_A.png", np.array([[255, 0]], dtype=np.uint8))
    save(regions / "1.png", np.array([[[0, 0, 1], [0, 0, 0]]], dtype=np.uint8))
    assert attention_quality(maps, regions).region_share == 0.5


def test_a_torn_header_is_named(folders: tuple[Path, Path]) -> None:
    maps, regions = folders
    (maps / "1_attention_A.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\4IHDR\0\0\0\1\0\0\0\0")
    save(regions / "1.png", np.eye(2, dtype=np.uint8))
    with pytest.raises(DataError, match=r"1_attention_A.png is no readable image.*--maps"):
        attention_quality(maps, regions)
