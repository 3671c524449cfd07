"""The memory beside a script's own checkpoints: written when the script saves a generator, read when it loads one."""

from __future__ import annotations

import logging
import os
import re
import weakref
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from guidegan_plugin.attaching.guides_file import (
    NETWORKS_ENDING,
    Saved,
    check_input,
    load_networks,
    read_guides,
    save_guides,
    save_networks,
    take_test_maps,
)
from guidegan_plugin.attaching.mechanism_options import full_config
from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.layers import unwrap
from guidegan_plugin.guidance.memory.store_file import STORE_ENDING, stores_in
from guidegan_plugin.hosts.failed_saves import FailedSaves
from guidegan_plugin.hosts.script_end import when_over
from guidegan_plugin.hosts.scripts.weights_within import differ_in_channels, holds, tensors
from guidegan_plugin.plugins.manager import create_manager
from guidegan_plugin.utils.distributed import is_first_rank
from guidegan_plugin.utils.files import os_errors_as
from guidegan_plugin.utils.locks import FolderLock

_log = logging.getLogger(__name__)


class Checkpoints:
    """Writes and reads what belongs beside a script's checkpoints.

    ``saved_models/G_AB_3.pth`` with a guided generator gets ``G_AB_3_guide.safetensors``, and where guidance has
    networks of its own ``G_AB_3_guide_networks.safetensors``.

    Args:
        guides: By the pair's name, once attached.
        config: How the script is guided.
    """

    def __init__(self, guides: Mapping[str, Guide], config: GuideConfig) -> None:
        self._guides, self._config = guides, config
        self._came: dict[int, tuple[weakref.ReferenceType[Tensor], Path]] = {}  # tensors that were read from a file
        self._fresh: set[str] = set()  # networks of the guidance's own that no file was found for
        self._saved: dict[tuple[str, ...], Saved] = {}  # by the pairs' names
        self._locked: set[tuple[Path, str]] = set()
        self._pending: dict[str, Path] = {}  # by the pair's name: its memory, to be read once all weights are there

    def saving(self, own: Callable[..., Any]) -> Callable[..., Any]:
        """``torch.save``, after which the memory is written."""

        def save(content: Any, file: Any, *args: Any, **kwargs: Any) -> None:
            own(content, file, *args, **kwargs)
            self.saved(content, file)

        return save

    def reading(self, own: Callable[..., Any]) -> Callable[..., Any]:
        """``torch.load``, whose results are known again when a network is given them."""

        def load(file: Any, *args: Any, **kwargs: Any) -> Any:
            content = own(file, *args, **kwargs)
            self.loaded(content, file)
            return content

        return load

    def saved(self, content: Any, file: Any) -> None:
        """The script has saved something."""
        path = _path(file)
        if path is None or not is_first_rank():
            return
        found = {name: guide for name, guide in self._guides.items() if holds(content, _generator(guide))}
        if not found:
            return
        self._keep_alone(path)
        store, networks = _beside(path, STORE_ENDING), _beside(path, NETWORKS_ENDING)
        try:
            config, names = full_config(create_manager(), self._config), tuple(found)
            before = self._saved.get(names)
            self._saved[names] = save_guides(store, found, config, "where the script saves", before)
            with os_errors_as(StoreError, f"{networks} could not be written", "change where the script saves"):
                save_networks(networks, found)
            self._failed_saves.made_good(store.name)
        except StoreError as error:
            self._failed_saves.add(store.name, error)

    def _keep_alone(self, path: Path) -> None:
        """No second training writes memories of these names there; others may share the folder.

        Raises:
            HostError: If another one does.
        """
        name = re.sub(r"\d+", "", path.stem)[:200]
        if (path.parent, name) not in self._locked:
            self._locked.add((path.parent, name))
            cure = "change where the script saves, or wait until it is over"
            when_over(FolderLock(path.parent, cure, f".{name}.guide_lock").release)

    @cached_property
    def _failed_saves(self) -> FailedSaves:
        """Made while the script runs, whose end they judge."""
        return FailedSaves()

    def loaded(self, content: Any, file: Any) -> None:
        """The script has read a file."""
        if (path := _path(file)) is None:
            return
        self._came = {place: came for place, came in self._came.items() if came[0]() is not None}
        for tensor in tensors(content):
            self._came[id(tensor)] = weakref.ref(tensor), path

    def offered(self, network: nn.Module, state: Any) -> None:
        """A network is about to be given weights.

        Raises:
            StoreError: If it is a guided generator, and the memory beside the weights says that they were trained with
                another input than it is given now.
        """
        path = self._read_from(state)
        if path is None or all(_generator(guide) is not unwrap(network) for guide in self._guides.values()):
            return
        if (store := _beside(path, STORE_ENDING)).is_file():
            check_input(store, create_manager(), self._config)

    def _read_from(self, state: Any) -> Path | None:
        """The file that weights were read from, None where nobody knows."""
        return next((path for tensor in tensors(state) if (path := self._file_of(tensor)) is not None), None)

    def given(self, network: nn.Module, state: Any) -> None:
        """A network was given weights: if it is a guided generator, its memory is to be read from beside their file.

        Raises:
            StoreError: If the file of new networks is torn or foreign, or the store that a test map is made of.
        """
        path = self._read_from(state)
        if path is None:
            return
        for name, guide in self._guides.items():
            if _generator(guide) is unwrap(network):
                self._networks_from(_beside(path, NETWORKS_ENDING), guide)
                self._pending[name] = _beside(path, STORE_ENDING)
                take_test_maps(self._pending[name], [guide])

    def _networks_from(self, path: Path, guide: Guide) -> None:
        new = [name for name in guide.networks() if name not in self._fresh]
        if path.is_file():
            load_networks(path, guide)
        elif new:
            _log.warning("there is no %s: %s starts fresh", path, ", ".join(new))
            self._fresh.update(new)

    def refused(self, network: nn.Module, state: Any, error: Exception) -> None:
        """A network could not load weights. Scripts that catch whatever happens go on with the weights that fit.

        Raises:
            StoreError: If it is a guided generator, or weights of one, and a convolution reads more or fewer channels.
        """
        source = self._read_from(state)
        guided = any(_generator(guide) is unwrap(network) for guide in self._guides.values())
        if not guided and (source is None or not _beside(source, STORE_ENDING).is_file()):
            return
        own = network.state_dict()
        for name, value in state.items() if isinstance(state, Mapping) else ():
            expected = own.get(name)
            if not isinstance(value, Tensor) or expected is None or not differ_in_channels(value, expected):
                continue
            if name in str(error) or isinstance(error, StoreError):
                raise StoreError(
                    f"{source or 'the checkpoint'}: {name} reads {value.shape[1]} channels, and the generator's "
                    f"{expected.shape[1]}; train and test with the same options: --guide_concat alpha, if the map is "
                    "the one channel more"
                ) from error

    def refused_state(self, optimizer: Optimizer, state: Any, error: Exception) -> None:
        """An optimizer could not be given a state.

        Raises:
            StoreError: If guidance has to do with it: the optimizer trains networks of the guidance, or the state lies
                in a folder where a guided training saved.
        """
        new = {
            id(one) for guide in self._guides.values() for net in guide.networks().values() for one in net.parameters()
        }
        ours = any(id(one) in new for group in optimizer.param_groups for one in group["params"])
        source = self._read_from(state)
        if ours or (source is not None and stores_in(source.parent)):
            raise StoreError(
                f"{source or 'the state of an optimizer'}: {error}; a training goes on with the options it began with: "
                "change --guide_attention and --guide_transfer back"
            ) from error

    def before_bind(self, guide: Guide) -> None:
        """A training goes on: its memory is read before the first batch, when all weights are loaded.

        Raises:
            StoreError: If the file is torn, foreign, or belongs to other weights.
        """
        path = self._pending.pop(guide.name, None)
        if path is None:
            return
        if not path.is_file():
            _log.warning("pair %s: there is no memory %s, so it starts from ones", guide.name, path)
            return
        guide.load_state(*read_guides(path, create_manager(), self._config), str(path))
        _log.info("pair %s goes on with the memory %s", guide.name, path)

    def _file_of(self, tensor: Tensor) -> Path | None:
        reference, path = self._came.get(id(tensor), (None, None))
        return path if reference is not None and reference() is tensor else None


def _generator(guide: Guide) -> nn.Module | None:
    """The network whose file the memory lies beside; None where nothing is attached."""
    there = guide.binding.translators.get(guide.name)
    network = None if there is None else there[0]()
    return None if network is None else unwrap(network)


def _path(file: Any) -> Path | None:
    return Path(os.fsdecode(file)) if isinstance(file, (str, bytes, os.PathLike)) else None


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(f"{path.stem}{ending}")
