"""The file beside a checkpoint of the host's in which the memories of all pairs are."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pluggy

from guidegan_plugin.attaching.guides_file import Saved, read_guides, save_guides
from guidegan_plugin.attaching.mechanism_options import full_config
from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.memory.disk_state import images_in
from guidegan_plugin.guidance.memory.store_file import ANEW, STORE_ENDING, check_belongs
from guidegan_plugin.hosts.junyanz.checkpoints import other_checkpoint
from guidegan_plugin.hosts.junyanz.host_options import read_option
from guidegan_plugin.hosts.junyanz.host_types import HostModel
from guidegan_plugin.utils.keys import below
from guidegan_plugin.utils.text import short

_log = logging.getLogger(__name__)


class MemoryFile:
    """Saves and loads the memories of a model's pairs beside the host's checkpoints.

    Args:
        model: The model.
        manager: Whose mechanisms are known.
        config: How the model is guided.
        guides: By the pairs' names; more may come.

    Attributes:
        other_data: The refusal of a memory that was loaded and remembers other images; "" where it does not.
    """

    def __init__(
        self, model: HostModel, manager: pluggy.PluginManager, config: GuideConfig, guides: Mapping[str, Guide]
    ) -> None:
        self._model, self._manager, self._config, self._guides = model, manager, config, guides
        self._saved: Saved | None = None
        self.other_data = ""

    def save(self, path: Path, folder: Path) -> None:
        """Write the memories of all pairs into one file; the same again, under another name, is a copy of it.

        Args:
            path: The file.
            folder: Where the file is moved to afterwards.

        Raises:
            StoreError: If it cannot be written.
        """
        config = full_config(self._manager, self._config)
        saved = save_guides(path, self._guides, config, "--checkpoints_dir", self._saved, folder)
        self._saved = replace(saved, path=folder / path.name)

    def load(self) -> None:
        """Take the memories up again; without a file they start from ones, with a notice.

        Raises:
            StoreError: If the file is torn, foreign, of other networks, or its maps mean something else.
        """
        path = self.store
        if not path.exists():
            _log.warning("no store %s: every image starts from ones", path)
            return
        another = other_checkpoint(path)
        states, facts = read_guides(path, self._manager, self._config, f"{ANEW}, or {another}")
        self._check_data(path, itertools.chain.from_iterable(map(images_in, states.values())))
        try:
            for guide in self._guides.values():  # all, before the first one takes anything
                check_belongs(states, facts, guide.name, guide.digest, str(path))
            for guide in self._guides.values():
                guide.load_state(states, facts, str(path))
        except StoreError as error:
            raise StoreError(f"{error}: {another}") from error

    def _check_data(self, path: Path, keys: Iterable[str]) -> None:
        """Look for images of a store among the data; keys are relative, so a moved data root is fine."""
        root, missing = Path(read_option(self._model.opt, "dataroot")), None
        for key in keys:
            place = below(root, key)  # of images outside of the root nothing is known
            if place is not None and os.path.exists(place):  # noqa: PTH110 - a key may be no name at all
                return
            missing = key if missing is None and place is not None else missing
        if missing is not None:
            self.other_data = (
                f"{path} remembers images that are not in {root} (such as {short(missing)}); change --dataroot, or "
                "delete it to start from ones"
            )

    @property
    def store(self) -> Path:
        """The store beside the checkpoint the host loads."""
        return Path(self._model.save_dir) / f"{self.suffix}{STORE_ENDING}"

    @property
    def suffix(self) -> str:
        """The first part of the names of the checkpoint's files the host loads: ``latest``, an epoch, ``iter_<n>``."""
        iteration = read_option(self._model.opt, "load_iter")
        return f"iter_{iteration}" if iteration > 0 else str(read_option(self._model.opt, "epoch"))
