"""The data set of a study, and its test images as evaluators want them: one folder a domain."""

from __future__ import annotations

import hashlib
import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image
from settings import Data, System

from guidegan_plugin.datasets.folders import by_stem
from guidegan_plugin.datasets.synthetic.shapes import write_unpaired
from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.utils.files import whole_folder
from guidegan_plugin.utils.images import list_images, open_image

_DRAWN = "drawn.json"  # beside shapes: of which settings they are


@dataclass(frozen=True)
class Dataset:
    """What is on the disk.

    Attributes:
        root: The host's --dataroot.
        apart: Likewise, of systems that train without pairs on data that comes in pairs; None where there are none.
        test: Test images of the model's domain A and B, as many as are tested.
        train: Training images of both.
        regions: Where the objects of test images are, by domain; empty where nobody knows.
        tested: How many test images of each domain are translated.
    """

    root: Path
    apart: Path | None
    test: dict[str, Path]
    train: dict[str, Path]
    regions: dict[str, Path]
    tested: int

    def root_of(self, system: System) -> Path:
        """A system's --dataroot."""
        return self.root if self.apart is None or system.pairs else self.apart

    def names(self, source: str) -> dict[str, str]:
        """What test images of a domain are called, by what a host's page calls them: it names both domains as A's."""
        return {
            shown.stem: own.stem
            for shown, own in zip(list_images(self.test["A"]), list_images(self.test[source]), strict=True)
        }


def prepare(data: Data, out: Path, pairs: bool = False, apart: bool = False) -> Dataset:
    """Make or find the data set; what is there already, of the same files and settings, is left alone.

    Args:
        data: What it is.
        out: The study's folder.
        pairs: Whether shapes are drawn as pairs, too.
        apart: Whether the two domains of pairs are wanted as folders of their own, too.

    Raises:
        GuideError: If the data set is missing, was drawn with other settings, or cannot be made.
    """
    root = _found(data, out)
    if data.kind == "shapes":
        _draw(data, root, pairs)
    splits = ("train", "test") if data.paired else ("trainA", "trainB", "testA", "testB")
    drawn = ("train", "test") if pairs and data.kind == "shapes" else ()
    missing = [name for name in (*splits, *drawn) if not (root / name).is_dir()]
    if missing:
        raise DataError(f"no folder {missing[0]} in {root}; change data.path or --data")
    domains = {}
    # Beyond the smaller domain a host repeats its images, under the other's names.
    tested = min([data.test, *(len(list_images(root / name)) for name in splits if name.startswith("test"))])
    # Copies of other files, or of another size, lie in other folders: an evaluator reads none that are left of them.
    copies = out / "evaluation" / _digest(fingerprint(root), data.kind, data.size, data.direction, tested)
    for split in ("train", "test"):
        limit = tested if split == "test" else None
        domains[split] = {domain: copies / f"{split}{domain}" for domain in "AB"}
        for domain, folder in domains[split].items():
            if not folder.exists():
                with whole_folder(folder) as fresh:
                    _write_domain(data, root, split, domain, fresh, limit)
    halves = copies / "unpaired" if apart and data.paired else None
    if halves is not None and not halves.exists():
        with whole_folder(halves) as fresh:
            for split, domain in itertools.product(("train", "test"), "AB"):
                (fresh / f"{split}{domain}").mkdir()
                _write_domain(data, root, split, domain, fresh / f"{split}{domain}", None, resized=False)
    regions = {domain: root / "regions" / f"test{domain}" for domain in "AB"} if data.kind == "shapes" else {}
    return Dataset(root, halves, domains["test"], domains["train"], regions, tested)


def fingerprint(root: Path) -> str:
    """Of a data set: its images' names and sizes count, not where it lies."""
    images = list_images(root, deep=True)
    return _digest(*(f"{path.relative_to(root).as_posix()} {path.stat().st_size}" for path in images))


def _digest(*facts: object) -> str:
    return hashlib.sha256("\n".join(map(str, facts)).encode(errors="surrogateescape")).hexdigest()[:12]


def _draw(data: Data, root: Path, pairs: bool) -> None:
    """Draw shapes, or see that those which are there are of these settings."""
    wanted = {name: value for name, value in asdict(data).items() if name in ("size", "train", "test", "seed")}
    wanted |= {"pairs": pairs}
    if not root.exists():
        with whole_folder(root) as folder:
            write_unpaired(folder, data.size, data.train, data.test, data.seed, pairs=pairs)
            (folder / _DRAWN).write_text(json.dumps(wanted), encoding="utf-8")
    kept = root / _DRAWN
    found = json.loads(kept.read_text(encoding="utf-8")) if kept.exists() else wanted  # older studies did not keep it
    if other := [
        f"{name} {found.get(name)}, not {value}" for name, value in wanted.items() if found.get(name) != value
    ]:
        raise ConfigError(f"{root} was drawn with {', '.join(other)}; change --out, or remove that folder")


def _found(data: Data, out: Path) -> Path:
    if data.path is None and data.kind != "shapes" and not (out / "data").exists():
        raise ConfigError(f"data.path: is missing, and {out / 'data'} is not there either; name a folder with --data")
    return data.path or (out / "data").resolve()


def _write_domain(
    data: Data, root: Path, split: str, domain: str, folder: Path, limit: int | None, resized: bool = True
) -> None:
    """Copy one domain, at the size the host tests at, so that no score compares two ways to resize, or at its own."""
    swapped = data.paired and data.direction == "BtoA"
    left = (domain == "A") != swapped
    place = root / (split if data.paired else f"{split}{domain}")
    images = by_stem(place)  # two of one name would become one here, and remain two for the host
    if not images:
        raise DataError(f"no image in {place}; change data.path or --data")
    for stem, path in itertools.islice(images.items(), limit):
        image = open_image(path, "data.path or --data").convert("RGB")
        if data.paired:
            half = image.width // 2
            image = image.crop((0 if left else half, 0, half if left else 2 * half, image.height))
        if resized:
            # Labels are colours that must not mix; photos are resized as the host does.
            labels = data.kind == "camvid" and domain == "A"
            resample = Image.Resampling.NEAREST if labels else Image.Resampling.BICUBIC
            image = image.resize((data.size, data.size), resample)
        image.save(folder / f"{stem}.png")
