"""Reads a training run: the pages' images in ``web/images``, and the memory in ``<epoch>_guide.safetensors``."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from guidegan_plugin.guidance.memory.state_dict import Entry, unpack
from guidegan_plugin.guidance.memory.statistics import entropy
from guidegan_plugin.guidance.memory.store_file import load_stores, load_visits
from guidegan_plugin.guidance.memory.view import View, resample
from guidegan_plugin.hosts.junyanz.result_folder import between, read_images
from guidegan_plugin.plugins.sample import ATTENTION, INPUT, Picture, Sample, evenly, natural

_STORE = "_guide.safetensors"
_IMAGES = 100
_OPTION = re.compile(r"^\s*(\w+): (.*?)\s*(?:\[default: .*\])?$", re.MULTILINE)


def read_pages(run: Path) -> list[Sample]:
    """What the host showed on its own pages while it trained, an epoch a sample."""
    samples = read_images(run / "web" / "images")
    return [replace(sample, group=f"pages, {sample.group}" if sample.group else "pages") for sample in samples]


@dataclass(frozen=True, eq=False)
class Memories:
    """The stores of one training.

    Attributes:
        samples: At most 100 images a pair, evenly chosen, each with its map over at most 20 epochs; ages are by all.
        concat: How they were blended in, None where no store says it.
    """

    samples: Sequence[Sample]
    concat: str | None


def read_memories(run: Path) -> Memories:
    """Attention over epochs for fixed images.

    Args:
        run: A folder of checkpoints. Source images are shown where ``train_opt.txt`` leads to them.

    Raises:
        StoreError: If a store is torn or foreign.
    """
    files = sorted(run.glob(f"*{_STORE}"), key=lambda path: (not _epoch(path).isdecimal(), natural(path.name)))
    if not files:
        return Memories((), None)
    if len(files) > 1 and not _epoch(files[-1]).isdecimal() and load_visits(files[-1]) == load_visits(files[-2]):
        files.pop()  # "latest" is mostly the last numbered epoch again
    read = [(_epoch(path), *load_stores(path)) for path in evenly(files)]
    newest, facts = read[-1][1:]
    ages = _ages(files)
    options = _options(run)
    samples = []
    for pair in newest:
        epochs = [(label, {entry.key: entry for entry in unpack(states.get(pair, {}))}) for label, states, _ in read]
        for key in evenly(sorted(epochs[-1][1], key=natural), _IMAGES):
            sample = _sample(key, between(pair) if len(newest) > 1 else "", epochs, options)
            samples.append(replace(sample, age=ages.get((pair, key))))
    return Memories(samples, json.loads(facts.get("config", "{}")).get("concat"))


def _epoch(store: Path) -> str:
    return store.name.removesuffix(_STORE)


def _ages(files: Sequence[Path]) -> dict[tuple[str, str], int]:
    """Epochs since the last visit by pair and image, from the visits in all stores; none where one epoch is known.

    An epoch without a visit leaves the count as it is; the first store tells nothing of the epochs before it.
    """
    if len(files) < 2 or not _epoch(files[-1]).isdecimal():
        return {}
    *older, newest = files
    same = _visits(newest)
    ages = dict.fromkeys(same, 0)
    for path in reversed(older):
        before = _visits(path)
        same = {image: count for image, count in same.items() if before.get(image) == count}
        if not same:
            break
        ages |= dict.fromkeys(same, int(_epoch(newest)) - int(_epoch(path)))
    return ages


def _visits(store: Path) -> dict[tuple[str, str], int]:
    return {(pair, key): count for pair, images in load_visits(store).items() for key, count in images.items()}


def _sample(key: str, group: str, epochs: Sequence[tuple[str, Mapping[str, Entry]]], options: _Options) -> Sample:
    known = [(label, entries[key]) for label, entries in epochs if key in entries]
    source = options.find(key)
    shown: dict[str, Picture] = {} if source is None else {INPUT: source}
    last = known[-1][1]
    return Sample(
        key,
        f"memory, {group}" if group else "memory",
        {**shown, ATTENTION: _whole(last)},
        epochs={label: {ATTENTION: _whole(entry), **shown} for label, entry in known} if len(known) > 1 else {},
        entropy=float(entropy(last.map[None])),
        visits=last.visits,
        crop=options.half if source is not None else None,
    )


def _whole(entry: Entry) -> npt.NDArray[np.uint8]:
    """A map in its image's own frame, whatever crop and flip it was seen under; (h, w), uint8."""
    maps = entry.map[None]
    if entry.view is not None:
        maps = resample(maps, entry.view.seen_from(View.identity()))
    whole: npt.NDArray[np.uint8] = (maps[0, 0] * 255).round().byte().numpy()
    return whole


@dataclass(frozen=True)
class _Options:
    """What ``train_opt.txt`` says of the source images.

    Attributes:
        roots: Where the data root may be.
        half: Which half of a side-by-side image is the source, None where images are whole.
    """

    roots: Sequence[Path]
    half: int | None

    def find(self, key: str) -> Path | None:
        return next((root / key for root in self.roots if (root / key).is_file()), None)


def _options(run: Path) -> _Options:
    path = run / "train_opt.txt"
    found = dict(_OPTION.findall(path.read_text(errors="replace"))) if path.is_file() else {}
    if "dataroot" not in found:
        return _Options((), None)
    side = int(found.get("direction") == "BtoA")
    # It may be relative to where the training was started: mostly here, or where the checkpoints are.
    bases = (Path(), *run.resolve().parents[:3])
    roots = [base / found["dataroot"] for base in bases]
    return _Options(roots, side if re.fullmatch("(.*_)?aligned", found.get("dataset_mode", "")) else None)
