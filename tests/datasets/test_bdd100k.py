from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.datasets.bdd100k import plan_bdd100k, read_frames
from guidegan_plugin.datasets.preparation import prepare
from guidegan_plugin.errors import ConfigError, DataError

LANE = {
    "category": "lane",
    "attributes": {},
    "poly2d": [{"vertices": [[0, 0], [9, 9]], "types": "LL", "closed": False}],
}
CAR = {"category": "car", "box2d": {"x1": 0.0, "y1": 0.0, "x2": 150.0, "y2": 90.0}}
FILES = {"2018": "labels/bdd100k_labels_images_{}.json", "det_20": "labels/det_20/det_{}.json"}
BOTH = pytest.mark.parametrize("release", list(FILES))


def sign(x: float, y: float, width: float, height: float) -> dict[str, object]:
    box = {"x1": x, "y1": y, "x2": x + width, "y2": y + height}
    return {"category": "traffic sign", "attributes": {"occluded": False, "truncated": False}, "id": "1", "box2d": box}


def frame(name: str, time: str, *labels: object) -> dict[str, object]:
    attributes = {"weather": "clear", "scene": "highway", "timeofday": time}
    return {"name": name, "attributes": attributes, "timestamp": 10000, "labels": list(labels)}


def write(root: Path, release: str, split: str, frames: list[dict[str, object]]) -> None:
    file = root / FILES[release].format(split)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(frames))
    folder = root / "images" / "100k" / split
    folder.mkdir(parents=True, exist_ok=True)
    for number, entry in enumerate(frames):
        noise = np.random.default_rng(number).integers(0, 256, (90, 160, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / str(entry["name"]))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "bdd100k"


def fill(root: Path, release: str) -> None:
    """Ten photos with signs at each time of day, most in train, and photos that give no crop."""
    for split, numbers in (("train", range(8)), ("val", range(8, 10))):
        frames = [
            frame(
                f"{time[:3]}{number}.jpg",
                time,
                LANE,
                CAR,
                sign(10, 10, 20, 30),
                sign(50.5, 5.5, 40, 40),
                sign(1, 1, 9, 50),
            )
            for time in ("daytime", "night")
            for number in numbers
        ]
        frames.append(frame(f"{split}-dusk.jpg", "dawn/dusk", sign(10, 10, 40, 40)))
        frames.append(frame(f"{split}-car.jpg", "night", CAR))
        frames.append({"name": f"{split}-none.jpg", "attributes": {"timeofday": "night"}, "labels": None})
        write(root, release, split, frames)


@BOTH
def test_signs_by_day_are_a_and_by_night_b_split_80_to_20(root: Path, tmp_path: Path, release: str) -> None:
    fill(root, release)
    plan = plan_bdd100k(root, min_size=20)
    assert plan.options["release"] == release
    result = prepare(plan, tmp_path / "out", workers=1)
    assert result.images == {"testA": 4, "testB": 4, "trainA": 16, "trainB": 16}
    # Both signs of a photo are on one side.
    for domain in "AB":
        photos = [
            {path.name.split("_")[0] for path in (tmp_path / "out").glob(f"{phase}{domain}/*")}
            for phase in ("train", "test")
        ]
        assert not photos[0] & photos[1] and len(photos[0] | photos[1]) == 10


def test_a_crop_is_the_box_rounded_outwards_and_cut_at_the_border(root: Path, tmp_path: Path) -> None:
    boxes = sign(50.5, 5.5, 40, 40), sign(140, -3.2, 25, 30)
    write(root, "2018", "train", [frame("d.png", "daytime", *boxes), frame("n.png", "night", sign(3, 4, 30, 30))])
    prepare(plan_bdd100k(root, min_size=20), tmp_path / "out", workers=1)
    with Image.open(root / "images" / "100k" / "train" / "d.png") as image:
        photo = np.asarray(image)
    for name, expected in (("d_0", photo[5:46, 50:91]), ("d_1", photo[0:27, 140:160])):
        with Image.open(tmp_path / "out" / "trainA" / f"{name}.png") as crop:
            assert (np.asarray(crop) == expected).all()


def test_the_least_size_counts_for_height_and_width(root: Path) -> None:
    fill(root, "2018")
    counts = [sum(len(job.targets) for job in plan_bdd100k(root, min_size=size).jobs) for size in (9, 10, 20, 21, 40)]
    assert counts == [60, 40, 40, 20, 20]
    with pytest.raises(DataError, match="no traffic sign of at least 41 x 41 at daytime; change --min-size"):
        plan_bdd100k(root, min_size=41)


def test_the_older_release_is_read_where_both_are_there(root: Path) -> None:
    fill(root, "2018")
    fill(root, "det_20")
    assert plan_bdd100k(root, min_size=20).options["release"] == "2018"
    assert plan_bdd100k(root, min_size=20, release="det_20").options["release"] == "det_20"


def test_only_signs_are_read_from_a_label_file(root: Path) -> None:
    write(root, "2018", "train", [frame("d.jpg", "daytime", LANE, sign(1, 2, 3, 4), CAR), {"name": "e.jpg"}])
    first, second = read_frames(root / FILES["2018"].format("train"))
    assert (first.name, first.timeofday, first.signs) == ("d.jpg", "daytime", ((1.0, 2.0, 4.0, 6.0),))
    assert (second.timeofday, second.signs) == ("undefined", ())


def test_a_photo_that_is_missing_is_listed(root: Path, tmp_path: Path) -> None:
    fill(root, "2018")
    (root / "images" / "100k" / "train" / "day3.jpg").unlink()
    result = prepare(plan_bdd100k(root, min_size=20), tmp_path / "out", workers=1)
    assert len(result.failures) == 1 and "day3.jpg is no readable image (No such file" in result.failures[0]
    assert sum(result.images.values()) == 38


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"labels": []}]', '[{"name": "x", "labels": 3}]', "[", '{"a": 1}'])
def test_a_file_that_is_not_bdd100ks_is_refused_by_name(root: Path, content: str) -> None:
    fill(root, "2018")
    file = root / FILES["2018"].format("val")
    file.write_text(content)
    if content == "{}":
        assert read_frames(file) == []
        return
    with pytest.raises(DataError, match=r"bdd100k_labels_images_val.json is not a label file of BDD100K"):
        plan_bdd100k(root)


def test_missing_label_files_and_photos_say_where_they_are_expected(root: Path) -> None:
    with pytest.raises(DataError, match=r"neither .*bdd100k_labels_images_train.json nor .*det_train.json"):
        plan_bdd100k(root)
    (root / "labels").mkdir(parents=True)
    (root / FILES["2018"].format("train")).write_text("[]")
    with pytest.raises(DataError, match=r"no folder .*100k.train"):
        plan_bdd100k(root)
    with pytest.raises(ConfigError, match="--release"):
        plan_bdd100k(root, release="odd")
    with pytest.raises(ConfigError, match="--min-size"):
        plan_bdd100k(root, min_size=0)


def test_other_boxes_are_another_data_set(root: Path) -> None:
    identities = []
    for x in (1, 1, 2):
        write(
            root,
            "2018",
            "train",
            [frame("d.jpg", "daytime", sign(x, 2, 64, 64)), frame("n.jpg", "night", sign(1, 2, 64, 64))],
        )
        identities.append(plan_bdd100k(root).identity())
    assert identities[0] == identities[1] != identities[2]


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_a_box_that_is_not_finite_is_refused(root: Path, number: float) -> None:
    write(root, "2018", "train", [frame("a.jpg", "night", sign(1, 1, number, 70))])
    with pytest.raises(DataError, match=r"is not a label file of BDD100K \(.*a box of a.jpg is not finite"):
        read_frames(root / FILES["2018"].format("train"))


def test_a_photo_listed_twice_is_refused_since_it_might_be_trained_on_and_tested_with(root: Path) -> None:
    write(root, "2018", "train", [frame("a.jpg", "night", sign(1, 1, 70, 70))] * 2)
    with pytest.raises(DataError, match=r"photo a\.jpg is there twice"):
        read_frames(root / FILES["2018"].format("train"))
