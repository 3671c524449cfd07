"""The memory of a class that goes on training from a checkpoint."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from guidegan_plugin.attaching.guides_file import NETWORKS_ENDING, load_networks, read_guides, take_test_maps
from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.layers import unwrap
from guidegan_plugin.guidance.memory.store_file import STORE_ENDING
from guidegan_plugin.plugins.manager import create_manager

_log = logging.getLogger(__name__)
_Method = Callable[..., Any]


class ResumedMemory:
    """Takes up the memory that was written beside the checkpoint that a class has loaded, once the class trains.

    A test loads checkpoints, too, and needs no memory. So the memory is read before the first batch.

    Args:
        run: Where the memories lie.
        config: How the class is guided.

    Attributes:
        epoch: Of the checkpoint that was loaded; 0 before.
    """

    def __init__(self, run: Path, config: GuideConfig) -> None:
        self._run, self._config = run, config
        self.epoch, self._due = 0, False
        self._fresh: set[str] = set()  # pairs whose own networks no file was found for

    def noted_after(self, method: _Method) -> _Method:
        """The method that loads a checkpoint: the networks are guided before it, and its epoch is noted."""

        def call(instance: Any, *args: Any, **kwargs: Any) -> Any:
            guides = instance.guides  # attaches
            result = method(instance, *args, **kwargs)
            epoch = epoch_of((*args, *kwargs.values(), result))
            if epoch is not None:
                self.epoch, self._due = epoch, True
            elif guides:
                _log.warning("%s names no epoch, so its memory is not found: images start from ones", method.__name__)
            return result

        return call

    def taken_after(self, method: _Method) -> _Method:
        """A method that may load weights: where a generator was given some, what lies beside them is taken, too.

        These are the guidance's own networks, and what stands for the map at test time.
        """

        def call(instance: Any, *args: Any, **kwargs: Any) -> Any:
            with _given_weights(instance.guides) as given:
                result = method(instance, *args, **kwargs)
            epoch = epoch_of((*args, *kwargs.values(), result))
            for guide in given:
                self._take_networks(guide, epoch)
            if epoch is not None:
                take_test_maps(self._run / f"{epoch}{STORE_ENDING}", given)
            return result

        return call

    def _take_networks(self, guide: Guide, epoch: int | None) -> None:
        path = None if epoch is None else self._run / f"{epoch}{NETWORKS_ENDING}"
        if path is not None and path.is_file():
            load_networks(path, guide)
        elif guide.networks() and guide.name not in self._fresh:
            self._fresh.add(guide.name)
            where = "no epoch is named" if path is None else f"there is no {path}"
            _log.warning("%s: %s starts fresh", where, ", ".join(guide.networks()))

    def read_before(self, method: _Method) -> _Method:
        """The method that takes a batch: the memory of the checkpoint that was loaded is read before it."""

        def call(instance: Any, *args: Any, **kwargs: Any) -> Any:
            if self._due and self._config.attention != "none":
                self._read(instance.guides)
            self._due = False
            return method(instance, *args, **kwargs)

        return call

    def _read(self, guides: Mapping[str, Guide]) -> None:
        path = self._run / f"{self.epoch}{STORE_ENDING}"
        if not path.is_file():
            _log.warning("no store %s: every image starts from ones", path)
            return
        states, facts = read_guides(path, create_manager(), self._config)
        for guide in guides.values():
            try:
                guide.load_state(states, facts, str(path))
            except StoreError as error:  # of a codebase that loads its generator alone, say
                _log.warning("%s; images of pair %s start from ones", error, guide.name)


@contextmanager
def _given_weights(guides: Mapping[str, Guide]) -> Iterator[list[Guide]]:
    """The guides whose generator is given weights while it lasts."""
    given: list[Guide] = []
    with ExitStack() as stack:
        for guide in guides.values():
            if guide.attention is not None:

                def note(*_: object, guide: Guide = guide) -> None:
                    if guide not in given:
                        given.append(guide)

                stack.callback(unwrap(guide.generator).register_load_state_dict_post_hook(note).remove)
        yield given


def epoch_of(values: tuple[object, ...]) -> int | None:
    """The epoch among what a method was given and returned: a number, or the first number in the name of a file."""
    numbers = [value for value in values if type(value) is int]
    names = [Path(os.fspath(value)).stem for value in values if isinstance(value, (str, os.PathLike))]
    return next(iter([*numbers, *(int(found[0]) for name in names if (found := re.search(r"\d+", name)))]), None)
