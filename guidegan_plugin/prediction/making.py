"""Makes the predictors of a store's pairs: reads images and maps, trains, measures on images held out, writes."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from guidegan_plugin.errors import ConfigError, DataError, StoreError
from guidegan_plugin.guidance.memory.disk_state import DiskState
from guidegan_plugin.guidance.memory.mean_map import mean_map
from guidegan_plugin.guidance.memory.state_dict import Entry, unpack, unpack_keys
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import STORE_ENDING, load_stores, shape_of, stores_in
from guidegan_plugin.guidance.test_time.map_predictor import MapPredictor
from guidegan_plugin.guidance.test_time.predictor_file import (
    Prediction,
    is_of,
    load_predictors,
    predictor_path,
    save_predictors,
)
from guidegan_plugin.plugins.sample import evenly, natural
from guidegan_plugin.plugins.sources import Sources
from guidegan_plugin.prediction.examples import Found, Group, correlation, mean_of, mean_seen_under, read_examples
from guidegan_plugin.prediction.learning import BATCH, Learning
from guidegan_plugin.prediction.unfinished import Unfinished
from guidegan_plugin.utils.progress import progress
from guidegan_plugin.utils.text import short

_log = logging.getLogger(__name__)

MOST_IMAGES = 4000  # of a pair that are looked at: more would take longer, and teach little
# More passes over few images learn them by heart, and fewer steps learn nothing.
_PASSES, _MOST_PASSES = 16, 80
_STEPS = 320  # at least
_SHOWN = 40_000  # images in all passes together, at most
_HELD_OUT = 200  # images, at most
_FEWEST = 2
_CHANNELS = (1, 3)
_MAY_BE_STORE = re.compile(r"(?!.*_guide_[a-z_]+\.).*\.safetensors")  # by convention a store ends in _guide


def store_of(checkpoint: Path, epoch: str) -> Path:
    """The store of a checkpoint.

    Args:
        checkpoint: A store, or a folder of checkpoints.
        epoch: Which of a folder.

    Raises:
        ConfigError: If there is none.
    """
    if not checkpoint.is_dir():
        if not checkpoint.is_file():
            raise ConfigError(f"{checkpoint} does not exist; change CKPT")
        # A reader would say that it is torn and may be deleted, and it may be a generator: what lies beside a store.
        if not _MAY_BE_STORE.fullmatch(checkpoint.name):
            raise ConfigError(f"{checkpoint} is no store, <epoch>{STORE_ENDING}; change CKPT, to its folder say")
        return checkpoint
    store = checkpoint / f"{epoch}{STORE_ENDING}"
    if store.is_file():
        return store
    known = ", ".join(sorted((path.name.removesuffix(STORE_ENDING) for path in stores_in(checkpoint)), key=natural))
    raise ConfigError(
        f"{checkpoint} holds no {store.name} (epochs there are: {known or 'none'}); change CKPT or --epoch"
    )


def make_predictors(
    store: Path, sources: Sources, passes: int | None = None, device: str = "cpu"
) -> tuple[Path, dict[str, Prediction]]:
    """Make the predictors of all pairs of a store, and write them beside the store.

    A run that was cut off goes on after the last pass that was over. Predictors that are there already are left alone.

    Args:
        store: The store.
        sources: Where its images lie.
        passes: Over a pair's images; by default as :func:`passes_for`.
        device: To train on.

    Returns:
        The file, and what is known of each pair's predictor.

    Raises:
        StoreError: If the store is torn or foreign.
        DataError: If images are missing or not readable.
        ConfigError: If the file cannot be written, the device is none, a pair's images have other channels than files
            of images have, or none of a pair's maps has anything to predict.
    """
    _check_device(device)
    states, facts = load_stores(store, "change CKPT or --epoch")
    # Whoever trains meanwhile writes another file, but people copy one over it, and this takes minutes.
    states = {
        pair: state if isinstance(state, DiskState) else {name: tensor.clone() for name, tensor in state.items()}
        for pair, state in states.items()
    }
    out = predictor_path(store)
    pairs = [pair for pair, state in states.items() if len(state["visits"])]
    if not pairs:
        raise StoreError(f"{store} remembers no map; change CKPT or --epoch")
    if (there := _already(out, store, facts, pairs)) is not None:
        _log.warning("%s is there already, made of the same memory; delete it to have it made again", out)
        return out, there
    made_of = {name: facts.get(name) for pair in pairs for name in (f"{pair}.digest", f"{pair}.visits")}
    made_of |= {"passes": str(passes), "images": str([len(states[pair]["visits"]) for pair in pairs])}
    unfinished, made = Unfinished(store, made_of), dict[str, tuple[MapPredictor, Prediction]]()
    kept = unfinished.read()
    for pair in pairs:
        image = shape_of(facts, pair, "image")
        if image is not None and image[0] not in _CHANNELS:
            raise ConfigError(
                f"pair {pair} translates images of {image[0]} channels, and a predictor reads files of 1 or 3; change "
                "--guide_test_map to mean, which needs no predictor"
            )
        found = _find(states[pair], sources, pair, store)
        maker = _Maker(found, states[pair], facts, pair, passes, device)
        if pair in kept:
            maker.go_on(kept[pair], pair)
        for _ in progress(range(maker.learning.done, maker.passes), f"passes of pair {pair}"):
            maker.learning.one_pass(maker.groups)
            kept[pair] = maker.learning.state()
            unfinished.write(kept)
        made[pair] = maker.finished()
    save_predictors(out, made)
    unfinished.remove()
    return out, {pair: told for pair, (_, told) in made.items()}


def _check_device(device: str) -> None:
    try:
        torch.ones(1, device=device).cpu()
    except (RuntimeError, AssertionError) as error:
        reason = short(" ".join(str(error).split()))
        raise ConfigError(f"nothing can be trained on {device} ({reason}); change --device") from error


def passes_for(images: int) -> int:
    """How often so many images are shown, unless the user says it."""
    wanted = max(_PASSES, math.ceil(_STEPS / math.ceil(images / BATCH)))
    return max(1, min(wanted, _MOST_PASSES, _SHOWN // images))


def _already(out: Path, store: Path, facts: Mapping[str, str], pairs: list[str]) -> dict[str, Prediction] | None:
    """What is known of predictors that were made of this very memory; None where they are to be made."""
    try:
        found = load_predictors(out, store)
    except StoreError:
        return None
    told = {pair: known for pair, (_, known) in found.items()}
    return told if set(told) == set(pairs) and all(is_of(told[pair], facts, pair) for pair in pairs) else None


def _find(state: Mapping[str, Tensor], sources: Sources, pair: str, store: Path) -> list[Found]:
    wanted = evenly(sorted(unpack_keys(state)), MOST_IMAGES)
    entries = sorted(unpack(state, {*wanted}), key=lambda one: one.key)
    files = [(entry, sources.find(entry.key)) for entry in entries]
    found = [Found(entry, file, sources.half(pair)) for entry, file in files if file is not None]
    missing = next((entry.key for entry, file in files if file is None), "")
    if len(files) < _FEWEST:
        raise DataError(
            f"pair {pair}: {store} remembers {len(files)} image, at least {_FEWEST} are needed, to learn from one and "
            "try the other; train longer, or change CKPT or --epoch"
        )
    if len(found) < _FEWEST:
        where = ", ".join(map(str, sources.roots[:2])) or "no folder that is known"
        raise DataError(
            f"pair {pair}: of {len(entries)} images that {store} remembers, {len(found)} are there (such as "
            f"{short(missing or entries[0].key)}, looked for in {where}), at least {_FEWEST} are needed; change --data"
        )
    if all(bool((one.entry.map == one.entry.map.flatten()[0]).all()) for one in found):
        height, width = found[0].entry.map.shape[-2:]
        raise ConfigError(
            f"pair {pair}: every map of {store} is the same everywhere ({height} x {width} cells), so there is nothing "
            "to predict; a lower --guide_layer, in a new training, has more cells"
        )
    if missing:
        gone = len(entries) - len(found)
        _log.warning("pair %s: %d of %d images are missing, such as %s", pair, gone, len(entries), short(missing))
    return found


class _Maker:
    """What the making of one pair's predictor consists of."""

    def __init__(
        self,
        found: list[Found],
        state: Mapping[str, Tensor],
        facts: Mapping[str, str],
        pair: str,
        passes: int | None,
        device: str,
    ) -> None:
        image, cells = shape_of(facts, pair, "image"), shape_of(facts, pair, "cells")
        sizes = [one.entry.map.shape[-2:] for one in found]
        most = max(set(sizes), key=sizes.count)
        channels = 1 if image is not None and image[0] == 1 else 3
        known = image is not None and cells is not None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = MapPredictor(channels, cells if known else tuple(most), image[1:] if known else None)  # type: ignore[arg-type, index]
        order = torch.randperm(len(found), generator=torch.Generator().manual_seed(0)).tolist()
        count = max(1, min(len(found) // 10, _HELD_OUT))
        self._held_out, learned = [found[index] for index in order[:count]], [found[index] for index in order[count:]]
        self.groups = read_examples(learned, network)
        self.passes = passes or passes_for(len(learned))
        mirrored = any(one.entry.view is not None and bool(one.entry.view.theta[0, 0, 0] < 0) for one in learned)
        self.learning = Learning(network.to(device), self.passes, mirrored)
        self._state, self._digest = state, facts.get(f"{pair}.digest", "")

    def go_on(self, state: Mapping[str, Tensor], pair: str) -> None:
        """Take up what was kept of a run that was cut off, if it is of this training."""
        try:
            self.learning.restore(state)
        except ValueError as error:
            _log.warning("pair %s begins anew, what was left of it is of another training (%s)", pair, error)
        else:
            _log.warning("pair %s goes on after pass %d of %d", pair, self.learning.done, self.passes)

    def finished(self) -> tuple[MapPredictor, Prediction]:
        """The predictor, and how well it and the mean map agree with maps of images that it has not seen."""
        network, held_out = self.learning.network, self._held_out
        mean = _mean_without(self._state, {one.entry.key for one in held_out})
        predicted, averaged = [], []
        for group, entries in _grouped(held_out, network):
            predicted.append(correlation(self.learning.predict(group), group.maps))
            seen = torch.stack(mean_seen_under(mean, entries))
            averaged.append(correlation(seen, group.maps))
        learned = sum(map(len, self.groups))
        scores = mean_of(predicted), mean_of(averaged)
        told = Prediction(network.channels, network.cells, network.seen, self._digest, learned, len(held_out), *scores)
        return network.cpu().requires_grad_(False), told


def _grouped(found: list[Found], network: MapPredictor) -> list[tuple[Group, list[Entry]]]:
    shapes = dict.fromkeys(tuple(one.entry.map.shape) for one in found)
    alike = [[one for one in found if tuple(one.entry.map.shape) == shape] for shape in shapes]
    return [(read_examples(some, network)[0], [one.entry for one in some]) for some in alike]


def _mean_without(state: Mapping[str, Tensor], keys: set[str]) -> Tensor:
    """The mean map of a memory without some of its images."""
    store = AttentionStore(dtype="float32")
    store.load_state(dict(state), torch.device("cpu"))
    rest = mean_map(store.state([key for key in store if key not in keys]))
    return torch.ones(1, 1, 1) if rest is None else rest
