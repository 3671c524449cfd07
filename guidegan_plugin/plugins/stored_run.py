"""Reads what a training remembers, its stores ``<epoch>_guide.safetensors``, whichever codebase trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from guidegan_plugin.guidance.memory.state_dict import Entry, unpack, unpack_keys
from guidegan_plugin.guidance.memory.statistics import entropy
from guidegan_plugin.guidance.memory.store_file import STORE_ENDING, config_of, load_stores, load_visits, stores_in
from guidegan_plugin.guidance.memory.view import View, resample
from guidegan_plugin.guidance.memory.written_over import not_written_over
from guidegan_plugin.plugins.sample import ATTENTION, INPUT, Picture, Run, Sample, evenly, natural
from guidegan_plugin.utils.keys import place_of

_IMAGES = 100
_CURE = "move it elsewhere"


def read_stores(
    run: Path,
    source: Callable[[str], Path | None] = lambda key: None,
    crop: int | None = None,
    group: Callable[[str], str] = str,
) -> Run:
    """Attention over epochs for fixed images.

    Args:
        run: A folder of stores.
        source: From an image's key to its file, None where there is none; by default no image is shown.
        crop: Which half of its file is the image, as for :class:`~guidegan_plugin.plugins.sample.Sample`.
        group: From a pair's name to what people read, where there are several pairs.

    Returns:
        At most 100 images a pair, evenly chosen, each with its map over at most 20 epochs, ages by all of them; no
        sample where there is no store.

    Raises:
        StoreError: If a store is torn or foreign.
    """
    stores = [path for path in stores_in(run) if place_of(run, path.name)]
    files = not_written_over(sorted(stores, key=lambda path: (not _epoch(path).isdecimal(), natural(path.name))), _CURE)
    if not files:
        return Run(())
    if len(files) > 1 and not _epoch(files[-1]).isdecimal() and _visits(files[-1]) == _visits(files[-2]):
        files.pop()  # "latest" is mostly the last numbered epoch again
    newest, facts = load_stores(files[-1], _CURE)
    chosen = {pair: evenly(sorted(unpack_keys(state), key=natural), _IMAGES) for pair, state in newest.items()}
    # One store at a time, and of each the images that are shown: all of all may be more than memory holds.
    read = [
        (_epoch(path), _shown(newest if path == files[-1] else load_stores(path, _CURE)[0], chosen))
        for path in evenly(files)
    ]
    ages = _ages(files)
    samples = []
    for pair, keys in chosen.items():
        epochs = [(label, shown[pair]) for label, shown in read]
        for key in keys:
            sample = _sample(key, group(pair) if len(chosen) > 1 else "", epochs, source(key), crop)
            samples.append(replace(sample, age=ages.get((pair, key))))
    concat = config_of(facts).get("concat")
    return Run(samples, None if concat is None else str(concat))


def _shown(
    states: Mapping[str, Mapping[str, Tensor]], chosen: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Entry]]:
    """The images of a store that are shown, by pair and key; a pair may have joined later."""
    return {
        pair: {entry.key: entry for entry in unpack(states[pair], {*keys})} if pair in states else {}
        for pair, keys in chosen.items()
    }


def _epoch(store: Path) -> str:
    return store.name.removesuffix(STORE_ENDING)


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
    return {(pair, key): count for pair, images in load_visits(store, _CURE).items() for key, count in images.items()}


def _sample(
    key: str, group: str, epochs: Sequence[tuple[str, Mapping[str, Entry]]], source: Path | None, crop: int | None
) -> Sample:
    known = [(label, entries[key]) for label, entries in epochs if key in entries]
    shown: dict[str, Picture] = {} if source is None else {INPUT: source}
    last = known[-1][1]
    return Sample(
        key,
        f"memory, {group}" if group else "memory",
        {**shown, ATTENTION: _whole(last)},
        epochs={label: {ATTENTION: _whole(entry), **shown} for label, entry in known} if len(known) > 1 else {},
        entropy=float(entropy(last.map[None])),
        visits=last.visits,
        crop=crop if source is not None else None,
    )


def _whole(entry: Entry) -> npt.NDArray[np.uint8]:
    """A map in its image's own frame, whatever crop and flip it was seen under; (h, w), uint8."""
    maps = entry.map[None]
    if entry.view is not None:
        maps = resample(maps, entry.view.seen_from(View.identity()))
    whole: npt.NDArray[np.uint8] = (maps[0, 0] * 255).round().byte().numpy()
    return whole
