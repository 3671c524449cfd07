"""DiskState: what a store's file says of a memory whose maps lie in a file of maps beside it."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.memory.mean_map import MEAN
from guidegan_plugin.guidance.memory.state_check import check_keys
from guidegan_plugin.guidance.memory.state_dict import unpack_keys

if TYPE_CHECKING:
    from guidegan_plugin.guidance.memory.map_file import MapFile

_log = logging.getLogger(__name__)
_MOST = 1 << 30  # bytes of maps that are read at once, unless all are asked for


class DiskState(Mapping[str, Tensor]):
    """One pair's memory on the disk as a mapping of tensors, as ``AttentionStore.state`` returns them.

    Nothing but the mean map is there before it is asked for. Then all images are read; of more than a gigabyte of maps,
    evenly chosen ones. See :meth:`whole` and :meth:`images`.

    Args:
        path: The file of maps.
        save: With which save of this file the store's file was written.
        mean: The mean map, ``(1, h, w)``, float32 in [0, 1]; None where nothing was remembered.
        source: The store's file, for messages.
    """

    def __init__(self, path: Path, save: int, mean: Tensor | None, source: Path) -> None:
        self.path, self.save, self._mean, self._source = path, save, mean, source
        self._said = False  # that the maps are newer

    def __getitem__(self, name: str) -> Tensor:
        if name != MEAN:
            return self._some[name]
        if self._mean is None:
            raise KeyError(name)
        return self._mean

    def __iter__(self) -> Iterator[str]:
        yield from self._some
        if self._mean is not None:
            yield MEAN

    def __len__(self) -> int:
        return len(self._some) + (self._mean is not None)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """What the store's file itself holds of it."""
        return {} if self._mean is None else {MEAN: self._mean}

    def open(self, writable: bool = False, held: bool = False) -> MapFile:
        """The file of maps, for as long as it is asked.

        It may be newer than the store's file: older maps are not kept. That is said.

        Args:
            writable: As :class:`MapFile`.
            held: As :class:`MapFile`.

        Raises:
            StoreError: If it is missing, torn or foreign, or older than the store's file.
        """
        from guidegan_plugin.guidance.memory.map_file import MapFile  # and SQLite, which few need

        if not self.path.is_file():
            raise StoreError(
                f"{self._source} keeps its maps in {self.path.name}, which is not beside it; copy it there, too, or "
                f"delete {self._source.name} to start from ones"
            )
        file = MapFile(self.path, writable, held)
        if file.save < self.save:
            raise StoreError(
                f"{self.path} ends with save {file.save}, and {self._source} was written with save {self.save}; copy "
                f"both from one place, or delete {self._source.name} to start from ones"
            )
        if file.save > self.save and not self._said:
            self._said = True
            _log.warning(
                "%s was written with save %d of %s, which has gone on to save %d and keeps no older maps: the newer "
                "ones are taken",
                self._source,
                self.save,
                self.path.name,
                file.save,
            )
        return file

    def whole(self) -> dict[str, Tensor]:
        """All images, however many: as ``AttentionStore.state``.

        Raises:
            StoreError: As :meth:`open`, or if a row was altered.
        """
        return {**self.open(held=True).evenly(1).tensors, **self.tensors}

    def images(self) -> Iterator[str]:
        """The keys of all images, one by one; maps are not read.

        Raises:
            StoreError: As :meth:`open`.
        """
        return self.open(held=True).keys()

    def visits(self) -> dict[str, int]:
        """How often each image was visited; of more than a gigabyte of maps, evenly chosen ones.

        Raises:
            StoreError: As :meth:`whole`.
        """
        return dict(zip(check_keys(self), self["visits"].tolist(), strict=True))

    @cached_property
    def _some(self) -> dict[str, Tensor]:
        file = self.open(held=True)
        step = max(1, -(-file.totals.bytes // _MOST))
        found = file.evenly(step)
        if step > 1:
            _log.warning("of %d images in %s, %d are read, evenly chosen", file.totals.images, self.path, len(found))
        return found.tensors


def images_in(state: Mapping[str, Tensor]) -> Iterable[str]:
    """The keys of a memory that was read from a store's file; of one on the disk only those that are asked for."""
    return state.images() if isinstance(state, DiskState) else unpack_keys(state)
