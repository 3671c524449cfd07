"""day2night: traffic signs by day and by night, cropped from BDD100K by its label files."""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from guidegan_plugin.datasets.encoding import Encoding, as_rgb
from guidegan_plugin.datasets.preparation import Job, Plan
from guidegan_plugin.datasets.splits import draw_test
from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.utils.images import open_image

Box = tuple[float, float, float, float]

CATEGORY = "traffic sign"
DOMAINS = {"daytime": "A", "night": "B"}
# Section 4.2 of the paper, training and test images together.
DAY, NIGHT = 7870, 8592

# The label files of BDD100K's two releases, by the folder of the images they are for.
RELEASES = {
    "2018": {split: f"labels/bdd100k_labels_images_{split}.json" for split in ("train", "val")},
    "det_20": {split: f"labels/det_20/det_{split}.json" for split in ("train", "val")},
}


@dataclass(frozen=True)
class Frame:
    """One photo of BDD100K.

    Attributes:
        name: Its file's name.
        timeofday: `daytime`, `night`, `dawn/dusk` or `undefined`.
        signs: Boxes of its traffic signs, left, top, right, bottom, in pixels.
    """

    name: str
    timeofday: str
    signs: tuple[Box, ...]


def plan_bdd100k(
    root: Path,
    *,
    release: str = "auto",
    min_size: int = 64,
    test: float = 0.2,
    seed: int = 0,
    encoding: Encoding | None = None,
) -> Plan:
    """Plan crops of traffic signs: `trainA` and `testA` by day, `trainB` and `testB` by night.

    The paper does not say by which filter it came from some 270,000 signs to 7,870 and 8,592 crops; `min_size` is ours.
    All signs of a photo are on the same side of the split, so that no photo is trained on and tested with.

    Args:
        root: BDD100K's folder, with `images/100k` and `labels`.
        release: Which label files are read, `2018` or `det_20`; `auto` takes those that are there, 2018 first, because
            the paper is older than det_20.
        min_size: The least height and width of a sign, in pixels.
        test: The share of the crops to test with.
        seed: Of the draw; each domain has a draw of its own.
        encoding: How crops are written; None takes PNG.

    Raises:
        ConfigError: An option is out of range.
        DataError: Label files or images are missing, a label file is not BDD100K's, or a domain has no sign.
    """
    if min_size < 1:
        raise ConfigError(f"min_size: expected at least 1, found {min_size}; change --min-size")
    encoding = encoding or Encoding()
    release, files = _label_files(root, release)
    frames = [(root / "images" / "100k" / split, frame) for split, file in files.items() for frame in read_frames(file)]
    make = functools.partial(cropped, encoding=encoding)
    jobs = []
    for stream, (time, domain) in enumerate(DOMAINS.items()):
        signs = [(folder / frame.name, _large(frame, min_size)) for folder, frame in frames if frame.timeofday == time]
        signs = [(photo, boxes) for photo, boxes in signs if boxes]
        if not signs:
            raise DataError(f"no traffic sign of at least {min_size} x {min_size} at {time}; change --min-size")
        tests = draw_test([len(boxes) for _, boxes in signs], test, seed, stream)
        for (photo, boxes), tested in zip(signs, tests, strict=True):
            folder = f"{'test' if tested else 'train'}{domain}"
            names = tuple(f"{folder}/{photo.stem}_{number}.{encoding.format}" for number in range(len(boxes)))
            jobs.append(Job((photo,), names, functools.partial(make, boxes=boxes)))
    options = {"release": release, "min_size": min_size, "test": test, "seed": seed, **encoding.options()}
    return Plan("bdd100k", options, tuple(jobs))


def read_frames(file: Path) -> list[Frame]:
    """Read the photos of a label file, with their traffic signs only.

    Args:
        file: A label file of either release.

    Raises:
        DataError: It cannot be read, or is not one.
    """
    try:
        with file.open(encoding="utf-8") as stream:
            entries = json.load(stream, object_hook=_without_other_labels)
        frames = [_frame(entry) for entry in entries]
        if len({frame.name for frame in frames}) < len(frames):  # one might be trained on, the other tested with
            raise ValueError(f"photo {Counter(frame.name for frame in frames).most_common(1)[0][0]} is there twice")
        return frames
    except OSError as error:
        raise DataError(f"{file} cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(f"{file} is not a label file of BDD100K ({type(error).__name__}: {error})") from error


def cropped(sources: Sequence[Path], boxes: Sequence[Box], encoding: Encoding) -> list[bytes]:
    """Crop boxes out of a photo, rounded outwards to whole pixels.

    Args:
        sources: The photo.
        boxes: Left, top, right, bottom, in pixels.
        encoding: How crops are written.

    Raises:
        DataError: The photo cannot be read, or a box lies outside of it.
    """
    photo = as_rgb(open_image(sources[0]))
    contents = []
    for left, top, right, bottom in boxes:
        box = max(0, math.floor(left)), max(0, math.floor(top)), math.ceil(right), math.ceil(bottom)
        box = *box[:2], min(photo.width, box[2]), min(photo.height, box[3])
        if box[0] >= box[2] or box[1] >= box[3]:
            raise DataError(f"a box at {left:.0f}, {top:.0f} lies outside the photo, {photo.width} x {photo.height}")
        contents.append(encoding.encode(photo.crop(box)))
    return contents


def _label_files(root: Path, release: str) -> tuple[str, dict[str, Path]]:
    if release not in ("auto", *RELEASES):
        raise ConfigError(f"release: expected auto, {' or '.join(RELEASES)}, found {release!r}; change --release")
    tried = list(RELEASES) if release == "auto" else [release]
    for name in tried:
        files = {split: root / path for split, path in RELEASES[name].items() if (root / path).is_file()}
        if files:
            for split in files:
                if not (folder := root / "images" / "100k" / split).is_dir():
                    raise DataError(f"{files[split]} is there, its photos are not: no folder {folder}")
            return name, files
    expected = " nor ".join(str(root / RELEASES[name]["train"]) for name in tried)
    raise DataError(f"no label file, neither {expected}; change the folder that is read, or --release")


def _without_other_labels(entry: dict[str, object]) -> dict[str, object] | None:
    # Lanes and areas are most of a file of more than a gigabyte: dropped as they are read, they never pile up.
    return None if entry.get("category", CATEGORY) != CATEGORY else entry


def _frame(entry: dict[str, object]) -> Frame:
    attributes, labels = entry.get("attributes") or {}, entry.get("labels") or []
    if not isinstance(attributes, dict) or not isinstance(labels, list):
        raise TypeError("attributes or labels of a photo")
    signs = [label["box2d"] for label in labels if label and label.get("category") == CATEGORY]
    boxes = tuple((float(box["x1"]), float(box["y1"]), float(box["x2"]), float(box["y2"])) for box in signs)
    if not all(map(math.isfinite, itertools.chain.from_iterable(boxes))):
        raise ValueError(f"a box of {entry['name']} is not finite")
    return Frame(Path(str(entry["name"])).name, str(attributes.get("timeofday", "undefined")), boxes)


def _large(frame: Frame, min_size: int) -> tuple[Box, ...]:
    return tuple(box for box in frame.signs if min(box[2] - box[0], box[3] - box[1]) >= min_size)
