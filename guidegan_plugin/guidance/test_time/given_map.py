"""What stands for the map at test time where it is not the paper's ones: the memory's mean map, or a predicted one."""

from __future__ import annotations

import copy
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.memory.mean_map import mean_map
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.view import View, resample
from guidegan_plugin.guidance.test_time.map_predictor import MapPredictor
from guidegan_plugin.guidance.test_time.predictor_file import how_to_make, is_of, load_predictors, predictor_path

_log = logging.getLogger(__name__)

States = Mapping[str, Mapping[str, Tensor]]


class GivenMap(ABC):
    """What one pair's generator is given as its map at test time; copies and pickles of the generator carry it along.

    Args:
        pair: Name of the pair.

    Attributes:
        word: What it is, in a word, for names of pictures.
        about: The same in a few words.
        refusal: Why there is nothing to be given yet, and what helps; "" where there is something.
    """

    word: ClassVar[str]
    about: ClassVar[str]

    def __init__(self, pair: str) -> None:
        self.pair, self.refusal = pair, ""

    @abstractmethod
    def __call__(self, images: Tensor, view: View | None = None) -> Tensor | None:
        """The maps to be blended.

        Args:
            images: ``(N, C, H, W)``, what the generator translates.
            view: Crop and flip each image is seen under, where that is known.

        Returns:
            ``(N, 1, h, w)``, float32 in [0, 1]; None for the placeholder.

        Raises:
            StoreError: If what makes the maps is missing or foreign.
        """

    @abstractmethod
    def take(self, states: States, facts: Mapping[str, str], store: Path) -> None:
        """Take what belongs to a checkpoint.

        Args:
            states: What ``load_stores`` read of the checkpoint's store; empty where there is none.
            facts: Likewise.
            store: The store's file, or where it would be.
        """

    def require(self) -> None:
        """Refuse to go on without.

        Raises:
            StoreError: If there is nothing to be given.
        """
        if self.refusal:
            raise StoreError(self.refusal)


class MeanMap(GivenMap):
    """The mean of all maps that a memory holds, as it is now or as a checkpoint kept it.

    Args:
        pair: Name of the pair.
        store: The memory; its mean is made anew once it has changed. None where nothing more is to come.
        mean: ``(1, h, w)``, float32 in [0, 1], until then.
    """

    word, about = "mean", "the memory's mean map"

    def __init__(self, pair: str, store: AttentionStore | None = None, mean: Tensor | None = None) -> None:
        super().__init__(pair)
        self._store, self._mean, self._version = store, mean, 0
        self._elsewhere: dict[torch.device, Tensor] = {}
        self._warned = False

    def __reduce__(self) -> tuple[Any, ...]:
        self._bring_up_to_date()  # what is taken along has no memory to ask
        return MeanMap, (self.pair, None, self._mean)

    def __call__(self, images: Tensor, view: View | None = None) -> Tensor | None:
        """The mean map ``(N, 1, h, w)``, moved to where the images show it; see :class:`GivenMap`."""
        if not torch.compiler.is_compiling():
            self._bring_up_to_date()
            self._warn_of_ones()
        mean, elsewhere, device = self._mean, self._elsewhere, images.device
        if mean is None:
            return None
        if mean.device != device:
            if device not in elsewhere:  # a copy, since replicas on several devices may call at once
                elsewhere[device] = mean.to(device)
            mean = elsewhere[device]
        maps = mean.expand(images.shape[0], -1, -1, -1)
        return maps if view is None else resample(maps, view.theta)

    def _bring_up_to_date(self) -> None:
        store = self._store
        if store is not None and store.version != self._version:
            self._keep(mean_map(store.sample()), store.version)
            self.refusal = ""

    def _keep(self, mean: Tensor | None, version: int) -> None:
        self._elsewhere = {}  # not emptied: another thread may be about to fill it
        self._mean, self._version = mean, version

    def _warn_of_ones(self) -> None:
        if self._mean is None:
            self.require()  # of a checkpoint that was loaded, and not of a training that begins
            if not self._warned:
                self._warned = True
                _log.warning(
                    "pair %s: nothing is remembered yet (guide.load(path) reads what a training kept), so ones stand "
                    "for the mean map",
                    self.pair,
                )

    def take(self, states: States, facts: Mapping[str, str], store: Path) -> None:
        """The mean of a checkpoint's memory; see :class:`GivenMap`."""
        mean = mean_map(states[self.pair]) if self.pair in states else None
        self.refusal = ""
        if mean is None:
            found = "there is no store" if not states else f"no map of pair {self.pair} is in"
            self.refusal = f"test_map=mean: {found} {store}; change test_map (--guide_test_map ones)"
        self._keep(mean, 0 if self._store is None else self._store.version)


class PredictedMap(GivenMap):
    """What a small network says of each image.

    Args:
        pair: Name of the pair.
        predictor: The network, where there is one already.
    """

    word, about = "predicted", "predicted from the image"

    def __init__(self, pair: str, predictor: MapPredictor | None = None) -> None:
        super().__init__(pair)
        self.predictor, self._elsewhere = predictor, dict[torch.device, MapPredictor]()
        if predictor is None:
            self.refusal = (
                f"test_map=predict: pair {pair} has no predictor; load the checkpoint, guide.load(path), beside which "
                "guidegan predict-maps has put one"
            )

    def __reduce__(self) -> tuple[Any, ...]:
        return PredictedMap, (self.pair, self.predictor)

    def __call__(self, images: Tensor, view: View | None = None) -> Tensor | None:
        """Maps of these very images ``(N, 1, h, w)``; see :class:`GivenMap`."""
        self.require()
        predictor, device = self.predictor, images.device
        if predictor is not None and predictor.head.weight.device != device:
            if device not in self._elsewhere:  # a copy, since replicas on several devices may call at once
                self._elsewhere[device] = copy.deepcopy(predictor).to(device)
            predictor = self._elsewhere[device]
        maps: Tensor | None = None if predictor is None else predictor(images)
        return maps

    def take(self, states: States, facts: Mapping[str, str], store: Path) -> None:
        """The predictor beside a checkpoint's store, if it is this checkpoint's; see :class:`GivenMap`."""
        self.predictor, self.refusal = None, ""
        self._elsewhere.clear()
        path = predictor_path(store)
        try:
            found = load_predictors(path, store)
        except StoreError as error:
            self.refusal = f"test_map=predict: {error}"
            return
        if self.pair not in found:
            self.refusal = f"test_map=predict: {path} has no predictor of pair {self.pair}; {how_to_make(store)}"
        elif states and not is_of(found[self.pair][1], facts, self.pair):
            self.refusal = (
                f"test_map=predict: {path} was made for other weights than {store} is of; {how_to_make(store)}"
            )
        else:
            self.predictor = found[self.pair][0]


def given_map(kind: str, pair: str, store: AttentionStore) -> GivenMap | None:
    """What ``test_map`` asks for.

    Args:
        kind: ``"ones"``, ``"mean"`` or ``"predict"``.
        pair: Name of the pair.
        store: Its memory.

    Returns:
        None for ones.
    """
    if kind == "mean":
        return MeanMap(pair, store)
    return PredictedMap(pair) if kind == "predict" else None
