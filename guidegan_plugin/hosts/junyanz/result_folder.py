"""Reads the results of a host's test: ``<stem>_<visual>.png`` in ``results/<name>/test_<epoch>/images``.

CUT gives each visual a folder there: ``<visual>/<stem>.png``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from guidegan_plugin.plugins.sample import (
    ATTENTION,
    INPUT,
    OUTPUT,
    RECONSTRUCTION,
    TARGET,
    Picture,
    Sample,
    evenly,
    natural,
)
from guidegan_plugin.utils.images import IMAGE_SUFFIXES
from guidegan_plugin.utils.keys import place_of

# The visuals by which an image's files are recognised; the others of its files follow from its stem.
_SURE = re.compile(r"(.+)_(?:(?<!_attention_)real|real_[AB]|attention_\w+)", re.DOTALL)
# What a map's name has after its pair's where the map is not the discriminator's own, and what people read.
_GIVEN = {"_placeholder": "placeholder", "_mean": "mean map", "_predicted": "predicted"}
_ATTENTION = re.compile(rf"attention_(\w+?)({'|'.join(_GIVEN)})?")
_OTHER = {"A": "B", "B": "A"}

Visuals = dict[str, Path]


def read_images(folder: Path, root: Path | None = None) -> list[Sample]:
    """The translations in a folder of images, by name.

    Args:
        folder: Where ``<stem>_<visual>.png`` or ``<visual>/<stem>.png`` lie; other files are passed over.
        root: A folder above it, by default itself; a link that leads out of it is passed over, too, because a run may
            come from anybody.

    Returns:
        One sample an image and pair; groups are named where there are several pairs.
    """
    found = _by_stem(folder, root or folder)
    translated = [
        (stem, pair, visuals) for stem in sorted(found, key=natural) for pair, visuals in _pairs(found[stem]).items()
    ]
    several = len({pair for _, pair, _ in translated}) > 1
    return [_sample(stem, between(pair) if several else "", visuals) for stem, pair, visuals in translated]


def read_epochs(run: Path) -> list[Sample]:
    """The translations of the newest of several tests of one run, each with what became of it over the epochs.

    Args:
        run: A folder with ``test_<epoch>/images``.

    Returns:
        Samples as :func:`read_images`; no epochs where there is but one test.
    """
    # A training's own pages are in "web".
    folders = [path for path in run.iterdir() if path.name != "web"] if run.is_dir() else []
    tests = [path for path in folders if (path / "images").is_dir()]
    # "latest" is a word, and words sort behind numbers here.
    ordered = sorted(tests, key=lambda path: [(isinstance(part, str), part) for part in natural(_epoch(path)) if part])
    read = {path: samples for path in ordered if (samples := read_images(path / "images", run))}
    if len(read) < 2:
        return next(iter(read.values()), [])
    shared = len({path.name.partition("_")[0] for path in read}) == 1 and len({*map(_epoch, read)}) == len(read)
    labels = {path: _epoch(path) if shared else path.name for path in evenly(list(read))}
    epochs: dict[tuple[str, str], dict[str, Mapping[str, Picture]]] = {}
    for path, label in labels.items():
        for sample in read[path]:
            shown = {role: sample.pictures[role] for role in (ATTENTION, OUTPUT) if role in sample.pictures}
            epochs.setdefault((sample.name, sample.group), {})[label] = shown
    newest = read[next(reversed(read))]
    return [replace(sample, epochs=epochs[sample.name, sample.group]) for sample in newest]


def between(pair: str) -> str:
    """A pair's name as the domains it translates between, ``A → B``, where they are the family's."""
    return f"{pair} → {_OTHER[pair]}" if pair in _OTHER else pair


def _epoch(test: Path) -> str:
    return test.name.partition("_")[2] or test.name


def _by_stem(folder: Path, root: Path) -> dict[str, Visuals]:
    if not folder.is_dir():
        return {}
    split = {path.name: path.stem for path in _files(folder, root)}
    stems = {match[1] for name in split.values() if (match := _SURE.fullmatch(name))}
    found: dict[str, Visuals] = {}
    for name, text in split.items():
        # The longest stem: "a_real_A" may be an image of its own, or the input of "a".
        cuts = [match.start() for match in re.finditer("_", text)]
        stem = next((text[:cut] for cut in reversed(cuts) if text[:cut] in stems), None)
        if stem is not None:
            found.setdefault(stem, {})[text[len(stem) + 1 :]] = folder / name
    return found or _by_folder(folder, root)


def _files(folder: Path, root: Path) -> list[Path]:
    """A host writes results under the names of its images, and these may begin with a dot; "._" are notes of macOS."""
    files = (path for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES)
    return [path for path in files if not path.name.startswith("._") and place_of(root, str(path.relative_to(root)))]


def _by_folder(folder: Path, root: Path) -> dict[str, Visuals]:
    """Where each visual has a folder of its own."""
    visuals = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    found: dict[str, Visuals] = {}
    if any(_SURE.fullmatch(f"image_{path.name}") for path in visuals):
        for visual in visuals:
            for path in _files(visual, root):
                found.setdefault(path.stem, {})[visual.name] = path
    return found


def _pairs(visuals: Visuals) -> dict[str, Visuals]:
    """An image's files by the pair they belong to; those of no pair go with the first."""
    names = {match[1] for visual in visuals if (match := _ATTENTION.fullmatch(visual))}
    names = names or {"A", "B"} & {side for side in _OTHER if {f"real_{side}", f"fake_{_OTHER[side]}"} <= set(visuals)}
    rest, pairs = dict(visuals), {}
    for name in sorted(names) or [""]:
        roles = _roles(name, visuals)
        pairs[name] = {role: visuals[visual] for role, visual in roles.items()}
        for visual in [*roles.values(), *_names_of_maps(name)]:
            rest.pop(visual, None)
    next(iter(pairs.values())).update(rest)
    return pairs


def _roles(name: str, visuals: Visuals) -> dict[str, str]:
    """Which visual plays which part for one pair, in the order they are shown."""
    other = _OTHER.get(name, name)
    maps = [visual for visual in _names_of_maps(name) if visual in visuals]
    candidates = {
        INPUT: [f"real_{name}", "real", *(visual for visual in visuals if _may_be_input(visual, name))],
        # After tests with and without --guide_show several kinds lie there; the newest belongs to the other pictures.
        ATTENTION: sorted(maps, key=lambda visual: visuals[visual].stat().st_mtime_ns, reverse=True),
        OUTPUT: [f"fake_{other}", "fake", *(visual for visual in visuals if visual.startswith("fake"))],
        # Where B is translated too, its image is no target but another input.
        TARGET: [f"real_{other}"] if other != name and f"fake_{name}" not in visuals else [],
        RECONSTRUCTION: [f"rec_{name}"],
    }
    chosen = {role: [visual for visual in names if visual in visuals] for role, names in candidates.items()}
    return {role: names[0] for role, names in chosen.items() if names}


def _names_of_maps(name: str) -> list[str]:
    return [f"attention_{name}{ending}" for ending in ("", *_GIVEN)]


def _may_be_input(visual: str, name: str) -> bool:
    """A model of one's own calls its source what it likes, and by default the pair after it."""
    return visual.endswith(f"_{name}") and not visual.startswith(("fake", "rec", "idt", "attention"))


def _sample(stem: str, group: str, visuals: Mapping[str, Picture]) -> Sample:
    attention = visuals.get(ATTENTION)
    names = (attention.stem, attention.parent.name) if isinstance(attention, Path) else ()
    given = next((word for ending, word in _GIVEN.items() if any(name.endswith(ending) for name in names)), "")
    return Sample(stem, group, visuals, given == "placeholder", given=given)
