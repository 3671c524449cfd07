"""KID of folders: which images count, what the mean is, and what the result says beside the numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from guidegan_plugin.errors import ConfigError, DataError, GuideError
from guidegan_plugin.evaluation.distances import draw_subsets, subset_kids
from guidegan_plugin.evaluation.features import NamedFeatures, extract
from guidegan_plugin.evaluation.image_folders import find_images
from guidegan_plugin.evaluation.kid import evaluate_kid, folder_features


def colours(images: Tensor) -> Tensor:
    return torch.cat([images.mean((2, 3)), images.amax((2, 3))], 1)


FEATURES = NamedFeatures("mine:colours", colours)
FOLDERS = {"fake": (12, 0), "target": (10, 40), "source": (8, 90)}


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    rng = np.random.default_rng(0)
    for name, (count, low) in FOLDERS.items():
        (tmp_path / name).mkdir()
        for index in range(count):
            pixels = rng.integers(rng.integers(low + 1), 256, (6, 6, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")
    return {name: tmp_path / name for name in FOLDERS}


def test_target_source_and_mean_are_averages_over_the_same_subsets_of_the_fakes(folders: dict[str, Path]) -> None:
    result = evaluate_kid(**folders, features=FEATURES, subsets=9, subset_size=5, seed=2)
    rows = {name: extract(find_images(path, name), FEATURES, name)[0].numpy() for name, path in folders.items()}
    picks = draw_subsets({name: count for name, (count, _) in FOLDERS.items()}, 9, 5, 2)
    target, source = (100 * subset_kids(rows["fake"], rows[name], picks[name]) for name in ("target", "source"))
    for found, kids in ((result.target, target), (result.source, source), (result.mean, (target + source) / 2)):
        assert found is not None
        assert (found.kid_x100, found.std_x100) == pytest.approx((kids.mean(), kids.std()))
        assert found.std_x100 > 0


def test_features_of_real_folders_that_are_computed_once_give_the_same_figures(folders: dict[str, Path]) -> None:
    real = {name: folder_features(folders[name], features=FEATURES) for name in ("target", "source")}
    fresh = evaluate_kid(**folders, features=FEATURES, subset_size=6)
    assert evaluate_kid(folders["fake"], **real, features=FEATURES, subset_size=6) == fresh  # type: ignore[arg-type]


def test_features_of_a_folder_are_refused_where_others_score(folders: dict[str, Path]) -> None:
    real = folder_features(folders["target"], features=FEATURES)
    with pytest.raises(ConfigError, match="target: its features are mine:colours's, not these"):
        evaluate_kid(folders["fake"], real, features=NamedFeatures("mine:others", colours))


def test_a_link_in_a_circle_is_no_readable_image(folders: dict[str, Path]) -> None:
    (folders["fake"] / "circle.png").symlink_to("circle.png")
    with pytest.raises(DataError, match=r"circle.png is no readable image .*change --fake"):
        evaluate_kid(**folders, features=FEATURES)


def test_golden_values(folders: dict[str, Path]) -> None:
    result = evaluate_kid(**folders, features=FEATURES, subset_size=6)
    scores = [
        (each.kid_x100, each.std_x100) for each in (result.target, result.source, result.mean) if each is not None
    ]
    expected = [(1.4930926, 0.8635781), (6.1582335, 1.6662145), (3.8256631, 1.0728705)]
    assert np.array(scores) == pytest.approx(np.array(expected), abs=1e-4)
    assert result.fid == pytest.approx(0.0136198, abs=1e-6)


def test_the_score_does_not_depend_on_the_batch_size(folders: dict[str, Path]) -> None:
    alone = evaluate_kid(**folders, features=FEATURES, subset_size=6, batch_size=1)
    for size in (5, 64):
        other = evaluate_kid(**folders, features=FEATURES, subset_size=6, batch_size=size)
        assert other.target.kid_x100 == pytest.approx(alone.target.kid_x100, abs=1e-4)
        assert other.fid == pytest.approx(alone.fid, abs=1e-6)


def test_a_folder_against_itself_scores_at_most_zero_and_another_domain_more(folders: dict[str, Path]) -> None:
    same = evaluate_kid(folders["fake"], folders["fake"], features=FEATURES, subset_size=6)
    other = evaluate_kid(folders["fake"], folders["source"], features=FEATURES, subset_size=6)
    assert same.target.kid_x100 <= 0
    assert other.target.kid_x100 > 2 * other.target.std_x100


def test_without_a_source_there_is_no_mean_and_the_target_is_the_same(folders: dict[str, Path]) -> None:
    result = evaluate_kid(folders["fake"], folders["target"], features=FEATURES, subset_size=5)
    assert result.source is None
    assert result.mean is None
    assert result.target == evaluate_kid(**folders, features=FEATURES, subset_size=5).target


def test_the_result_is_a_file_with_everything_needed_to_compare_it(folders: dict[str, Path]) -> None:
    result = evaluate_kid(**folders, features=FEATURES, subset_size=5, seed=3, labels={"method": "bare"})
    written = json.loads(json.dumps(result.as_dict()))
    assert written["metric"] == "kid"
    assert (written["features"], written["title"]) == ("mine:colours", "KID (features: mine:colours)")
    assert set(written["target"]) == set(written["mean"]) == {"kid_x100", "std_x100"}
    assert written["images"] == {"fake": 12, "target": 10, "source": 8}
    assert (written["subsets"], written["subset_size"], written["seed"]) == (100, 5, 3)
    assert (written["resize"], written["weights_sha256"], written["labels"]) == ("none", None, {"method": "bare"})
    assert {"guidegan_plugin", "torch", "torch-fidelity", "numpy", "pillow"} == set(written["versions"])


def test_only_inception_with_the_official_weights_is_plain_kid(folders: dict[str, Path]) -> None:
    def title(name: str) -> str:
        return evaluate_kid(folders["fake"], folders["target"], features=NamedFeatures(name, colours)).title

    assert title("inception") == "KID"
    assert title("inception (weights 01234567)") == "KID (features: inception (weights 01234567))"


def test_the_subset_size_is_that_of_the_smallest_folder_and_warns_that_its_spread_is_too_small(
    folders: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    assert evaluate_kid(**folders, features=FEATURES).subset_size == 8
    (said,) = [message for message in caplog.messages if "subset" in message]
    assert "all 8 images of --source, so the standard deviation is too small; --subset-size 4" in said


def test_no_subset_is_larger_than_a_thousand(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guidegan_plugin.evaluation.kid.SUBSET_SIZE", 6)
    assert evaluate_kid(**folders, features=FEATURES).subset_size == 6


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"subset_size": 9}, "subset_size: expected 2 to 8, the images in --source, found 9; change --subset-size"),
        ({"subset_size": 1}, "found 1; change --subset-size"),
        ({"subsets": 0}, "found 0; change --subsets"),
        ({"batch_size": 0}, "found 0; change --batch-size"),
        ({"seed": -1}, "found -1; change --seed"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    folders: dict[str, Path], numbers: dict[str, int], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        evaluate_kid(**folders, features=FEATURES, **numbers)  # type: ignore[arg-type]


def test_a_fakes_suffix_leaves_the_other_folders_alone(folders: dict[str, Path]) -> None:
    for path in sorted(folders["fake"].iterdir())[:4]:
        path.rename(path.with_name(f"{path.stem}_fake_B.png"))
    result = evaluate_kid(**folders, features=FEATURES, suffix="_fake_B", subset_size=3)
    assert result.images == {"fake": 4, "target": 10, "source": 8}


def test_one_image_is_too_few(folders: dict[str, Path]) -> None:
    for path in sorted(folders["target"].iterdir())[1:]:
        path.unlink()
    with pytest.raises(DataError, match="target holds 1 images, at least 2"):
        evaluate_kid(**folders, features=FEATURES)


def test_a_corrupt_image_is_named(folders: dict[str, Path]) -> None:
    (folders["source"] / "3.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"source/3\.png is no readable image"):
        evaluate_kid(**folders, features=FEATURES)


def test_images_of_other_sizes_are_scored_with_a_warning(
    folders: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    Image.new("RGB", (9, 7)).save(folders["target"] / "0.png")
    assert evaluate_kid(**folders, features=FEATURES, subset_size=4).images["target"] == 10
    assert "image sizes differ (fake 6x6, target 6x6 and 1 more, source 6x6)" in caplog.text


def test_fakes_compressed_with_loss_are_scored_with_a_warning(
    folders: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    Image.new("RGB", (6, 6)).save(folders["fake"] / "late.jpg")
    evaluate_kid(**folders, features=FEATURES, subset_size=4)
    assert "fakes are compressed with loss" in caplog.text


def test_features_of_another_width_in_another_folder_are_refused(folders: dict[str, Path]) -> None:
    for path in folders["target"].iterdir():
        Image.new("RGB", (3, 3)).save(path)
    with pytest.raises(GuideError, match=r"differ in width between folders .*change --features"):
        evaluate_kid(**folders, features=NamedFeatures("mine:flat", lambda images: images.flatten(1)))


def test_progress_counts_images_and_subsets(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, int] = {}

    def count(items: Iterable[object], about: str, *_: object, **__: object) -> Iterator[object]:
        for item in items:
            seen[about] = seen.get(about, 0) + 1
            yield item

    monkeypatch.setattr("guidegan_plugin.utils.progress.tqdm", count)
    evaluate_kid(folders["fake"], folders["target"], features=FEATURES, subsets=7)
    assert seen == {"features --fake": 12, "features --target": 10, "KID": 7}
