"""What a host's batch says of a pair: its source images, their keys, and the crop and flip each image is seen under."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from guidegan_plugin.attaching.pairs import HOW_TO_WRITE, NamedPair
from guidegan_plugin.errors import HostError
from guidegan_plugin.guidance.memory.view import View
from guidegan_plugin.hosts.junyanz.codebase import DATASETS
from guidegan_plugin.hosts.junyanz.host_options import read_option
from guidegan_plugin.hosts.junyanz.host_types import HostModel

_log = logging.getLogger(__name__)


class BatchReader:
    """Reads the batches of one model.

    Args:
        model: The model; its ``set_input`` has taken a batch before the batch is read.
        host_model: Its name.
        needs_views: Whether a view that is not known is worth a warning.

    Attributes:
        saw_paths: Whether a key was the path of a file, and no other name.
    """

    def __init__(self, model: HostModel, host_model: str, needs_views: bool) -> None:
        self._model, self._host_model, self._needs_views = model, host_model, needs_views
        # Read once: options do not change in a training, and a batch asks for them often.
        self._swapped = read_option(model.opt, "direction") == "BtoA"
        self._root = read_option(model.opt, "dataroot")
        self.saw_paths = False

    def read(self, batch: Any, pair: NamedPair) -> tuple[Tensor, list[str], View | None]:
        """A pair's source images ``(N, C, H, W)``, their N keys, and their views where all are known.

        Raises:
            HostError: If the model has no such images, or the batch no such keys; the message lists those there are.
        """
        return self._source(pair), self._keys(batch, pair.keys), self._view(self._look_up(batch, pair.view_field))

    def _source(self, pair: NamedPair) -> Tensor:
        images = getattr(self._model, pair.source, None)
        if not isinstance(images, Tensor):
            found = [name for name, value in vars(self._model).items() if isinstance(value, Tensor)]
            raise HostError(
                f"model {self._host_model} has no images {pair.source} (its set_input makes {', '.join(found)}); "
                f"{HOW_TO_WRITE}"
            )
        return images

    def _keys(self, batch: Any, name: str) -> list[str]:
        """Paths relative to the data root, or what else names an image: a word, a number."""
        names = self._look_up(batch, name)
        if names is None:
            fields = ", ".join(map(str, batch)) if isinstance(batch, Mapping) else type(batch).__name__
            field = _other_domains(name) if self._swapped else name
            raise HostError(f"the batch has no field {field} (it has {fields}); {HOW_TO_WRITE}")
        whole: Sequence[Any] = [names] if isinstance(names, (str, os.PathLike)) else names
        return list(map(self._key, whole.tolist() if isinstance(whole, Tensor) else whole))

    def _key(self, name: Any) -> str:
        if not isinstance(name, (str, os.PathLike)) or not os.path.lexists(name):
            return str(name)
        self.saw_paths = True
        return os.path.relpath(name, self._root).replace(os.sep, "/")

    def _look_up(self, batch: Any, name: str) -> Any:
        """A field of the batch; where the batch has no fields or no such one, the model's attribute of that name."""
        # Fields of the batch swap with the direction: the model's real_A is then batch B.
        field = _other_domains(name) if self._swapped else name
        found = batch.get(field) if isinstance(batch, Mapping) else None
        return getattr(self._model, name, None) if found is None else found

    def _view(self, theta: Any) -> View | None:
        view = View.known(theta) if isinstance(theta, Tensor) else None
        if view is None and self._needs_views:
            self._needs_views = False
            mode = str(read_option(self._model.opt, "dataset_mode"))
            cure = "take --dataset_mode guide_unaligned or guide_aligned"
            if mode.startswith("guide_") and mode.removeprefix("guide_") in DATASETS:
                # A fork's loader may give its transform arrays, or images of 16 bits.
                cure = (
                    "its transform cannot be replayed on an image of coordinates; --guide_align off says so and is "
                    "silent, --preprocess none --no_flip trains on whole images"
                )
            _log.warning(
                "data set %s does not say where images are cropped and flipped, so maps are read where they were last "
                "seen; %s",
                mode,
                cure,
            )
        return view


def _other_domains(field: str) -> str:
    """The field of the other domain: ``A_paths`` for ``B_paths``; any other as it is."""
    return {"A_": "B_", "B_": "A_"}.get(field[:2], field[:2]) + field[2:]
