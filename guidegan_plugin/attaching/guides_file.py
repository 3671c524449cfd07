"""The memories of all pairs of a training in one file, and networks of the guidance's own in another."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pluggy

from guidegan_plugin.attaching.mechanism_options import full_config, meaning_of_maps
from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.memory.map_names import NAME
from guidegan_plugin.guidance.memory.sealed_file import named, read_sealed, write_sealed
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import (
    ANEW,
    STORE_ENDING,
    States,
    config_of,
    file_names,
    load_facts,
    load_stores,
    save_stores,
    stores_in,
)
from guidegan_plugin.utils.files import write_again
from guidegan_plugin.utils.options import Value

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Saved:
    """A file that was written, and what it holds: as long as nothing changes, another one like it is a copy.

    Attributes:
        path: Where the file lies, or will lie.
        facts: What it says besides the maps.
        versions: Each pair's store, and its version.
        status: What the file system says of it.
    """

    path: Path
    facts: Mapping[str, str]
    versions: Mapping[str, tuple[AttentionStore, int]]
    status: tuple[int, ...]

    @classmethod
    def at(cls, path: Path, facts: Mapping[str, str], versions: Mapping[str, tuple[AttentionStore, int]]) -> Saved:
        """What was written just now."""
        return cls(path, facts, versions, _status(path))

    def written_again(
        self, path: Path, facts: Mapping[str, str], versions: Mapping[str, tuple[AttentionStore, int]], folder: Path
    ) -> bool:
        """Whether it held this very content and was copied; see :func:`save_guides`."""
        try:
            if (self.facts, self.versions) != (facts, versions) or _status(self.path) != self.status:
                return False
            if self.path.parent != folder and any(store.on_disk for store, _ in versions.values()):
                return False  # its maps lie beside it
            write_again(self.path, path)
        except OSError:  # it is gone, or there is no room: writing it anew says why
            return False
        return True


def _status(path: Path) -> tuple[int, ...]:
    found = path.stat()
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def save_guides(
    path: Path,
    guides: Mapping[str, Guide],
    config: Mapping[str, Value],
    where: str = "path=",
    before: Saved | None = None,
    folder: Path | None = None,
) -> Saved:
    """Write what the pairs of a training remember, whole or not at all.

    Args:
        path: File name, by convention ``<epoch>_guide.safetensors``.
        guides: By the pair's name.
        config: How the training is guided, by the options' names.
        where: What the user can change to write it elsewhere, for the error.
        before: What was saved before, if anything. Where nothing has changed since, the file is a copy of that one.
        folder: Where the file is moved to afterwards, if it is: files of maps lie there.

    Returns:
        What was saved.

    Raises:
        StoreError: If the file cannot be written.
    """
    facts = {"config": json.dumps(dict(config))}
    for guide in guides.values():
        facts |= guide.facts()
    versions = {name: (guide.store, guide.store.version) for name, guide in guides.items()}
    folder = folder or path.parent
    if before is None or not before.written_again(path, facts, versions, folder):
        states = {name: guide.store.save(folder, name, folder / path.name, where) for name, guide in guides.items()}
        save_stores(path, states, facts, where)
    if before is None:
        _say_unnamed(folder, file_names(load_facts(path)))
    return Saved.at(path, facts, versions)


def _say_unnamed(folder: Path, files: set[str]) -> None:
    """Say which files of maps no store in a folder names any more, so that they can be deleted."""
    found = [path for path in folder.glob("*.sqlite") if NAME.fullmatch(path.name)]
    if len(found) <= len(files):
        return
    with contextlib.suppress(StoreError):  # of a torn one nobody knows what it names
        for path in stores_in(folder):
            files |= file_names(load_facts(path))
        for path in [path for path in found if path.name not in files]:
            log = "".join(f", {path.name}{end}" for end in ("-wal", "-shm") if Path(f"{path}{end}").exists())
            with contextlib.suppress(OSError):  # gone meanwhile
                size = path.stat().st_size / 2**20
                said = "no *%s names %s (%.0f MiB) any more; delete it%s unless it is in use"
                _log.warning(said, STORE_ENDING, path, size, log and f" with{log[1:]},")


def read_guides(
    path: Path, manager: pluggy.PluginManager, config: GuideConfig, cure: str = ANEW
) -> tuple[States, dict[str, str]]:
    """Read what the pairs of a training remembered.

    Args:
        path: File of :func:`save_guides`.
        manager: Whose mechanisms are known.
        config: How the training is guided now.
        cure: What the user can do where the file is torn or foreign, for the error.

    Returns:
        As ``load_stores``.

    Raises:
        StoreError: If the file is missing, torn or foreign, or its maps mean something else than ``config`` says.
    """
    states, facts = load_stores(path, cure)
    # An older store lacks new options, which had their defaults then.
    before = {**full_config(manager, GuideConfig()), **config_of(facts)}
    now = meaning_of_maps(manager, config)
    changed = [f"{name} {before[name]} to {value}" for name, value in now.items() if before[name] != value]
    if changed:
        raise StoreError(
            f"{path} holds maps of another kind ({', '.join(changed)}); change --guide_* back, or delete it to "
            "start from ones"
        )
    return states, facts


def take_test_maps(path: Path, guides: Iterable[Guide]) -> None:
    """Give guides what stands for the map at test time, where that is asked for: out of a store, and from beside it.

    What is missing or foreign is refused when it is needed, or asked for with ``guide.given.require()``.

    Args:
        path: The store, or where it would be.
        guides: Of its pairs.

    Raises:
        StoreError: If the store is torn or foreign.
    """
    asking = [guide for guide in guides if guide.given is not None]
    if asking:
        cure = "load another checkpoint, or change test_map (--guide_test_map ones)"
        states, facts = load_stores(path, cure) if path.is_file() else ({}, {})
        for guide in asking:
            guide.take_test_map(states, facts, path)


NETWORKS_ENDING = "_guide_networks.safetensors"
"""What a file of :func:`save_networks` is called after what its checkpoint is called."""


def save_networks(path: Path, guides: Mapping[str, Guide]) -> None:
    """Write the weights of networks that guidance brought along, whole or not at all; no file where there are none.

    Args:
        path: File name.
        guides: By the pair's name.

    Raises:
        OSError: If the file cannot be written.
    """
    weights = {
        f"{name}.{key}": value.detach().cpu().contiguous()
        for guide in guides.values()
        for name, network in guide.networks().items()
        for key, value in network.state_dict().items()
    }
    if weights:
        write_sealed(path, weights, {})


def load_networks(path: Path, guide: Guide) -> None:
    """Give a guide's own networks the weights of a file of :func:`save_networks`, all or none.

    Args:
        path: File name.
        guide: A guide without networks of its own needs no file.

    Raises:
        StoreError: If the file is missing, torn, or of other networks.
    """
    networks = guide.networks()
    if not networks:
        return
    try:
        with named(path, "load another checkpoint"):
            found, _ = read_sealed(path, f"not the weights of {', '.join(networks)}")
    except FileNotFoundError as error:
        raise StoreError(
            f"there is no {path}, the weights of {', '.join(networks)}; load another checkpoint"
        ) from error
    own = {name: network.state_dict() for name, network in networks.items()}
    for name, state in own.items():
        for key, value in state.items():
            saved = found.get(f"{name}.{key}")
            if saved is None or saved.shape != value.shape:
                raise StoreError(f"{path} has no {name}.{key} {tuple(value.shape)}; change --guide_* back")
    for name, network in networks.items():
        network.load_state_dict({key: found[f"{name}.{key}"] for key in own[name]})


def check_input(path: Path, manager: pluggy.PluginManager, config: GuideConfig) -> None:
    """Refuse weights that were trained with another input than they would be given now.

    Args:
        path: File of :func:`save_guides` beside the weights.
        manager: Whose mechanisms are known.
        config: How the generator is guided now.

    Raises:
        StoreError: If the file says so, or is torn or foreign.
    """
    facts = load_facts(path, "load another checkpoint, or move it elsewhere")
    saved, now = config_of(facts), full_config(manager, config)
    own = (f"{config.concat}_", f"{config.transfer}_")
    for name in ("concat", "strength", "transfer", *(option for option in now if option.startswith(own))):
        if name in saved and saved[name] != now[name]:
            raise StoreError(
                f"{path} says the generator was trained with {name}={saved[name]}, not {now[name]}; change "
                f"--guide_{name}"
            )
