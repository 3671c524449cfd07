"""Promises of the data sets that are made on the spot."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.datasets.synthetic import drawn_set as _writing
from guidegan_plugin.datasets.synthetic.background import draw_background
from guidegan_plugin.datasets.synthetic.shapes import draw_plain, draw_striped, write_unpaired
from guidegan_plugin.datasets.synthetic.street import PALETTE, colour_coded, draw_pair, write_paired
from guidegan_plugin.errors import GuideError

Write = Callable[..., None]
SIZE = 64
BOTH = pytest.mark.parametrize("write", [write_unpaired, write_paired])


def rng(*key: int) -> np.random.Generator:
    return np.random.default_rng(key)


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_unpaired_layout_keeps_regions_out_of_the_image_folders(tmp_path: Path) -> None:
    write_unpaired(tmp_path / "set", SIZE, count=3, test_count=1, workers=1)
    images = [f"{split}/{i:05d}.png" for split, n in (("trainA", 3), ("trainB", 3)) for i in range(n)]
    images += ["testA/00000.png", "testB/00000.png"]
    assert set(digests(tmp_path / "set")) == {*images, *(f"regions/{image}" for image in images)}
    with Image.open(tmp_path / "set" / "trainB" / "00002.png") as image:
        assert (image.mode, image.size) == ("RGB", (SIZE, SIZE))
    with Image.open(tmp_path / "set" / "regions" / "trainB" / "00002.png") as region:
        assert (region.mode, region.size) == ("L", (SIZE, SIZE))
        assert set(np.unique(np.asarray(region)).tolist()) == {0, 255}


def test_pairs_show_the_unpaired_plain_object_and_the_same_with_stripes(tmp_path: Path) -> None:
    write_unpaired(tmp_path / "unpaired", SIZE, count=2, test_count=1, workers=1)
    write_unpaired(tmp_path / "both", SIZE, count=2, test_count=1, workers=1, pairs=True)
    assert digests(tmp_path / "unpaired").items() < digests(tmp_path / "both").items(), "what is unpaired stays"
    for split, number in (("train", 0), ("test", 2)):
        with Image.open(tmp_path / "both" / split / "00000.png") as image:
            assert image.size == (2 * SIZE, SIZE)
            pair = np.asarray(image)
        with Image.open(tmp_path / "both" / f"{split}A" / "00000.png") as image:
            assert (np.asarray(image) == pair[:, :SIZE]).all()
        striped, region = draw_striped(rng(0, number, 0), SIZE)
        assert (pair[:, SIZE:] == striped).all() and (pair[:, :SIZE] == pair[:, SIZE:])[~region].all()


def test_paired_layout_is_side_by_side_with_class_ids_beside(tmp_path: Path) -> None:
    write_paired(tmp_path / "set", SIZE, count=2, test_count=1, workers=1)
    images = ["train/00000.png", "train/00001.png", "test/00000.png"]
    assert set(digests(tmp_path / "set")) == {*images, *(f"labels/{image}" for image in images)}
    with Image.open(tmp_path / "set" / images[0]) as image:
        assert (image.mode, image.size) == ("RGB", (2 * SIZE, SIZE))
        pair = np.asarray(image)
    with Image.open(tmp_path / "set" / "labels" / images[0]) as image:
        assert image.mode == "L"
        assert (colour_coded(np.asarray(image)) == pair[:, :SIZE]).all()


@BOTH
def test_test_split_defaults_to_a_fifth_and_at_least_one(tmp_path: Path, write: Write) -> None:
    for count, expected in ((1, 1), (11, 2)):
        write(tmp_path / str(count), 32, count=count, workers=1)
        found = [path for path in digests(tmp_path / str(count)) if path.startswith("test") and "/0" in path]
        assert len(found) == expected * (2 if write is write_unpaired else 1)


@BOTH
def test_same_seed_gives_same_bytes_and_another_seed_others(tmp_path: Path, write: Write) -> None:
    for name, seed in (("first", 7), ("again", 7), ("other", 8)):
        write(tmp_path / name, 32, count=3, seed=seed, workers=1)
    first, again, other = (digests(tmp_path / name) for name in ("first", "again", "other"))
    assert first == again
    assert first.keys() == other.keys()
    assert all(first[path] != other[path] for path in first)


@BOTH
def test_an_image_does_not_depend_on_the_count(tmp_path: Path, write: Write) -> None:
    write(tmp_path / "few", 32, count=2, test_count=1, workers=1)
    write(tmp_path / "many", 32, count=5, test_count=2, workers=1)
    assert digests(tmp_path / "few").items() <= digests(tmp_path / "many").items()


def test_images_do_not_depend_on_the_number_of_workers(tmp_path: Path) -> None:
    write_unpaired(tmp_path / "one", 32, count=20, workers=1)
    write_unpaired(tmp_path / "two", 32, count=20, workers=2)
    assert digests(tmp_path / "one") == digests(tmp_path / "two")


@pytest.mark.parametrize("draw", [draw_plain, draw_striped])
def test_region_holds_exactly_the_pixels_the_object_touches(draw: Callable[..., tuple[np.ndarray, np.ndarray]]) -> None:
    for i in range(40):
        image, region = draw(rng(1, i), SIZE)
        changed = (image != draw_background(rng(1, i), SIZE)).any(axis=2)
        assert not changed[~region].any()
        # A pixel of the rim may be too thinly covered to change its rounded colour.
        assert changed[region].mean() > 0.97


def test_stripes_are_the_only_difference_between_the_domains() -> None:
    for i in range(40):
        plain, region = draw_plain(rng(2, i), SIZE)
        striped, same_region = draw_striped(rng(2, i), SIZE)
        assert (region == same_region).all()
        changed = np.abs(striped.astype(int) - plain).max(axis=2)
        assert not changed[~region].any()
        assert 0.25 < (changed[region] > 40).mean() < 0.75


def test_stripes_are_in_the_striped_domain_only() -> None:
    def roughness(draw: Callable[..., tuple[np.ndarray, np.ndarray]], i: int) -> float:
        image, region = draw(rng(3, i), SIZE)
        grey, core = image.mean(axis=2), region.copy()
        for axis, shift in ((0, 1), (0, -1), (1, 1), (1, -1)):
            core &= np.roll(region, shift, axis)
        return float(grey[core].std())

    plain = [roughness(draw_plain, i) for i in range(40)]
    striped = [roughness(draw_striped, 100 + i) for i in range(40)]
    assert max(plain) < min(striped)


def test_backgrounds_vary_and_have_the_same_statistics_in_both_domains() -> None:
    def statistics(draw: Callable[..., tuple[np.ndarray, np.ndarray]], split: int) -> np.ndarray:
        scenes = [draw(rng(4, split, i), SIZE) for i in range(150)]
        outside = [image[~region].astype(float) for image, region in scenes]
        return np.array([[*pixels.mean(axis=0), *pixels.std(axis=0)] for pixels in outside])

    plain, striped = statistics(draw_plain, 0), statistics(draw_striped, 1)
    error = np.sqrt(plain.var(axis=0) / len(plain) + striped.var(axis=0) / len(striped))
    assert (np.abs(plain.mean(axis=0) - striped.mean(axis=0)) < 3 * error).all()
    assert (plain[:, :3].std(axis=0) > 25).all()


def test_objects_take_about_an_eighth_of_the_area_and_lie_anywhere_fully_inside() -> None:
    regions = np.array([draw_plain(rng(5, i), 128)[1] for i in range(150)])
    shares = regions.mean(axis=(1, 2))
    assert 0.12 < shares.mean() < 0.15
    assert shares.min() > 0.06
    assert shares.max() < 0.27
    assert not regions[:, [0, -1], :].any()
    assert not regions[:, :, [0, -1]].any()
    assert regions[:, 20:-20, 20:-20].any(axis=0).all()
    for near_edge in (regions[:, :4], regions[:, -4:], regions[:, :, :4], regions[:, :, -4:]):
        assert near_edge.any()


def test_label_maps_show_the_palette_and_every_class_occurs() -> None:
    seen = np.zeros(len(PALETTE), dtype=bool)
    for i in range(10):
        pair, labels = draw_pair(rng(6, i), SIZE)
        assert pair.shape == (SIZE, 2 * SIZE, 3)
        assert (pair[:, :SIZE] == np.array(list(PALETTE.values()))[labels]).all()
        seen[np.unique(labels)] = True
    assert list(PALETTE) == ["sky", "building", "road", "pavement", "tree", "car", "pedestrian", "sign"]
    assert seen.all()


def test_a_scene_shows_its_labels() -> None:
    """The scene changes where the label map does, more than elsewhere."""
    at_edges, elsewhere = [], []
    for i in range(10):
        pair, labels = draw_pair(rng(7, i), SIZE)
        step = np.abs(np.diff(pair[:, SIZE:].astype(float), axis=1)).mean(axis=2)
        edge = np.diff(labels.astype(int), axis=1) != 0
        at_edges.append(step[edge].mean())
        elsewhere.append(step[~edge].mean())
    assert min(np.array(at_edges) / np.array(elsewhere)) > 1.5


@BOTH
def test_an_interrupted_run_leaves_nothing(tmp_path: Path, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    draw_one, drawn = _writing._draw_one, []

    def interrupted(job: _writing._Job) -> None:
        if len(drawn) == 3:
            raise KeyboardInterrupt
        drawn.append(job)
        draw_one(job)

    monkeypatch.setattr(_writing, "_draw_one", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "set", 32, count=5, workers=1)
    assert len(drawn) == 3
    assert not list(tmp_path.iterdir())


@BOTH
def test_a_finished_run_leaves_only_its_folder_open_to_others(tmp_path: Path, write: Write) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "set").mkdir()  # an empty folder is taken over
    write(tmp_path / "set", 32, count=1, workers=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plain", "set"]
    assert (tmp_path / "set").stat().st_mode == (tmp_path / "plain").stat().st_mode


@BOTH
def test_a_folder_with_something_in_it_is_refused_and_kept(tmp_path: Path, write: Write) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(GuideError, match=r"is not empty; choose another folder \(OUT\), or empty it") as refusal:
        write(tmp_path, 32, count=1, workers=1)
    assert str(tmp_path) in str(refusal.value)
    with pytest.raises(GuideError, match=r"mine.txt is a file"):
        write(tmp_path / "mine.txt", 32, count=1, workers=1)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


@BOTH
@pytest.mark.parametrize(
    ("name", "value", "flag"),
    [
        ("size", 31, "--size"),
        ("count", 0, "--count"),
        ("test_count", 0, "--test-count"),
        ("seed", -1, "--seed"),
        ("workers", 0, "--workers"),
    ],
)
def test_a_number_out_of_range_is_refused_by_argument_and_flag(
    tmp_path: Path, write: Write, name: str, value: int, flag: str
) -> None:
    with pytest.raises(GuideError, match=rf"`{name}` expected to be at least .*, got {value};.*\({flag}\)"):
        write(tmp_path / "set", **{name: value})
    assert not list(tmp_path.iterdir())
