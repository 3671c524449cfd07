"""What a study is made of."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

BARE = "bare"
KINDS = ("shapes", "unpaired", "paired", "camvid")
# Options of --guide_* that a training knows nothing of: methods that differ in these alone share one training.
TEST_OPTIONS = frozenset({"refine", "test_map"})
# What each score needs: the kinds of data it can be read on.
SCORES = {
    "kid": KINDS,
    "domain": ("shapes",),
    "change": ("shapes",),
    "attention": ("shapes",),
    "fcn": ("camvid",),
}


@dataclass(frozen=True)
class Data:
    """The data set: made on the spot (shapes), or a folder in the host's layout.

    Attributes:
        kind: One of `KINDS`.
        size: Height and width that the host trains and tests at.
        train: Images of each domain to train with; of shapes only.
        test: Images to test with, at most.
        seed: Of the data set; of shapes only.
        path: The host's data root; None for shapes.
        direction: AtoB or BtoA; of pairs only.
    """

    kind: str
    size: int
    train: int
    test: int
    seed: int
    path: Path | None
    direction: str

    @property
    def paired(self) -> bool:
        return self.kind in ("paired", "camvid")


@dataclass(frozen=True)
class System:
    """A model of the host, with options of its own.

    Attributes:
        name: Stands before the names of its methods; empty where a study has one system.
        model: The host's model, without guide_.
        pairs: Whether it is trained on pairs, so that it translates in one direction.
        options: Options of train.py and test.py, without dashes; True is a flag.
        train_options: Of train.py alone.
        test_options: Of test.py alone.
    """

    name: str
    model: str
    pairs: bool
    options: Mapping[str, object]
    train_options: Mapping[str, object]
    test_options: Mapping[str, object]

    @property
    def directions(self) -> tuple[str, ...]:
        """What it translates, in the model's own letters: its A is the source of `fake_B`."""
        return ("A->B",) if self.pairs else ("A->B", "B->A")


@dataclass(frozen=True)
class Method:
    """One way to train a system: bare (no options), or its guided model with `--guide_*`."""

    name: str
    options: Mapping[str, object]
    system: System

    @property
    def guided(self) -> bool:
        return bool(self.options)

    @property
    def bare(self) -> str:
        """The name of the method it is compared with: its system without guidance."""
        return f"{self.system.name} {BARE}".strip()

    @property
    def trained_with(self) -> Mapping[str, object]:
        """Those of its options that a training knows of."""
        return {name: value for name, value in self.options.items() if name not in TEST_OPTIONS}

    @property
    def slug(self) -> str:
        """The name as a folder's."""
        return re.sub(r"[^A-Za-z0-9.+-]+", "_", self.name)


@dataclass(frozen=True)
class Study:
    """A whole study.

    Attributes:
        title: Of the report.
        data: The data set.
        host: Folder of the host's train.py and test.py.
        seed_option: The host's option for a seed, without dashes; None if it has none.
        methods: System by system, each bare first.
        seeds: One training of each method a seed.
        schedule: n_epochs, n_epochs_decay and save_epoch_freq.
        scores: Names among `SCORES`.
        features: Of KID: shapes (the classifier trained here), inception, or module:attribute.
        weights: Their weights file, where it is needed.
        judge_images: Images of each domain that the shapes classifier is trained on.
        judge_passes: Over its training images, of the classifier or the segmenter; 8 and 20 by default.
        resamples: Bootstrap resamples.
        text: The YAML as it stands.
    """

    title: str
    data: Data
    host: Path
    seed_option: str | None
    methods: tuple[Method, ...]
    seeds: tuple[int, ...]
    schedule: Mapping[str, int]
    scores: tuple[str, ...]
    features: str
    weights: Path | None
    judge_images: int
    judge_passes: int
    resamples: int
    text: str

    @property
    def epochs(self) -> tuple[int, ...]:
        """Which are saved and tested; the last is among them."""
        every, total = self.schedule["save_epoch_freq"], self.schedule["n_epochs"] + self.schedule["n_epochs_decay"]
        return tuple(range(every, total + 1, every))

    @property
    def directions(self) -> tuple[str, ...]:
        """What any of the systems translates."""
        return max((method.system.directions for method in self.methods), key=len)

    def trained_alike(self, method: Method) -> list[Method]:
        """The methods that can share a training, in their order; itself among them."""
        if not method.guided:
            return [method]
        guided = [one for one in self.methods if one.guided and one.system == method.system]
        return [one for one in guided if one.trained_with == method.trained_with]

    @property
    def pairs(self) -> bool:
        """Whether a system is trained on pairs."""
        return any(method.system.pairs for method in self.methods)

    @property
    def apart(self) -> bool:
        """Whether a system is trained without pairs."""
        return not all(method.system.pairs for method in self.methods)

    def fingerprint(self, method: Method, seed: int) -> str:
        """Of all that a run's figures depend on; results under another one are of another study."""
        data = {field.name: getattr(self.data, field.name) for field in fields(Data) if field.name != "path"}
        system = method.system
        told: list[object] = [self.host.name, self.seed_option, system.model, data, self.scores, self.features, seed]
        told += [self.judge_images, self.judge_passes]
        told += map(dict, (system.options, system.train_options, system.test_options, self.schedule, method.options))
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
