"""An independent witness of a run: what the data set opened, what convolutions were given and returned.

As a script, it runs a script of a host, and writes down what passed. As a module, it reads such a record. Nothing of
the package helps: not its hooks, not its formulas.
"""

from __future__ import annotations

import math
import random
import runpy
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

FEW = 16  # channels: no more than images have, with maps and labels joined to them
SMALL = 64 * 64  # places of an attention map, at most
STORED = 0.5 / 255 + 1e-5  # a map is remembered in bytes


def file_key(path: object) -> str:
    """A file as stores name it: without what leads above its folder, or to the root."""
    return "/".join(part for part in Path(str(path)).parts if part not in ("..", "/"))


class Recorder:
    """Writes down what passes at PyTorch's and Pillow's doors, in order."""

    def __init__(self) -> None:
        self.batches: list[dict[str, Any]] = []
        self.calls: list[dict[str, Any]] = []
        self._opened: list[str] = []
        self._loaders: dict[int, object] = {}  # held, so that no other gets the same id

    def install(self) -> None:
        from PIL import Image
        from torch.nn.modules.module import register_module_forward_hook
        from torch.utils.data._utils.fetch import _MapDatasetFetcher

        open_image, fetch = Image.open, _MapDatasetFetcher.fetch

        def opened(file: Any, *args: Any, **kwargs: Any) -> Any:
            self._opened.append(file_key(file.name if hasattr(file, "read") else file))
            return open_image(file, *args, **kwargs)

        def fetched(fetcher: Any, indices: Any) -> Any:
            self._opened.clear()
            batch = fetch(fetcher, indices)
            dataset = getattr(fetcher.dataset, "_dataset", fetcher.dataset)
            self._loaders[id(dataset)] = dataset
            images = [leaf.clone() for leaf in leaves(batch) if leaf.dim() == 4]
            each = len(self._opened) // max(len(images[0]) if images else 1, 1)
            files = [self._opened[start : start + each] for start in range(0, len(self._opened), max(each, 1))]
            self.batches.append({"at": self._now(), "loader": id(dataset), "files": files, "images": images})
            return batch

        def convolved(module: Any, args: tuple[Tensor, ...], output: Tensor) -> None:
            if not isinstance(module, torch.nn.Conv2d):
                return
            given = args[0].detach().float()
            energy = output.detach().float().abs().mean(1)
            self.calls.append(
                {
                    "at": self._now(),
                    "given": given.clone() if given.shape[1] <= FEW else None,
                    "energy": energy if energy[0].numel() <= SMALL else None,
                }
            )

        Image.open = opened
        _MapDatasetFetcher.fetch = fetched
        register_module_forward_hook(convolved)

    def save(self, path: Path) -> None:
        torch.save({"batches": self.batches, "calls": self.calls}, path)

    def _now(self) -> int:
        return len(self.batches) + len(self.calls)


def leaves(value: Any) -> list[Tensor]:
    return [leaf for leaf in torch.utils._pytree.tree_leaves(value) if isinstance(leaf, Tensor)]


@dataclass(frozen=True, eq=False)
class Blend:
    """A loaded image that entered a convolution with a map.

    Attributes:
        at: When.
        files: That the image's item was made of.
        map: T(A), ``(H, W)``, as it can be told from what entered.
        known: Where it can be told, ``(H, W)``.
    """

    at: int
    files: list[str]
    map: Tensor
    known: Tensor

    @property
    def is_placeholder(self) -> bool:
        return bool((self.map[self.known] - 1).abs().max() < 1e-3)

    def is_like(self, other: Blend) -> bool:
        return bool((self.map - other.map)[self.known & other.known].abs().max() < 1e-3)


@dataclass(frozen=True, eq=False)
class Maps:
    """Maps of one size: when each was computed, the files of its image, and all of them ``(N, h, w)``."""

    at: list[int]
    files: list[set[str]]
    maps: Tensor


class Witness:
    """What a run's record says."""

    def __init__(self, record: Path) -> None:
        said = torch.load(record, weights_only=True)
        self.batches: list[dict[str, Any]] = said["batches"]
        self.calls: list[dict[str, Any]] = said["calls"]
        self._maps: dict[tuple[int, ...], Maps] = {}

    def now(self, at: int) -> list[dict[str, Any]]:
        """The newest batch of each loader at a time."""
        newest = {batch["loader"]: batch for batch in self.batches if batch["at"] < at}
        return list(newest.values())

    def files(self, at: int, row: int) -> list[str]:
        """What the items in a row of the newest batches were made of."""
        return [file for batch in self.now(at) for file in (batch["files"][row : row + 1] or [[]])[0]]

    def maps(self, size: tuple[int, ...]) -> Maps:
        """Formula (2) for each row that a convolution returned at a size."""
        if size not in self._maps:
            seen, energies = [], []
            for call in self.calls:
                if call["energy"] is not None and tuple(call["energy"].shape[1:]) == size:
                    seen += [(call["at"], set(self.files(call["at"], row))) for row in range(len(call["energy"]))]
                    energies.append(call["energy"])
            energy = torch.cat(energies) if energies else torch.zeros(0, *size)
            low, high = energy.amin((1, 2), keepdim=True), energy.amax((1, 2), keepdim=True)
            self._maps[size] = Maps([at for at, _ in seen], [files for _, files in seen], (energy - low) / (high - low))
        return self._maps[size]

    def source_of(self, stored: Tensor) -> tuple[float, set[str]]:
        """How near a convolution came to a map ``(h, w)``, and the files of the image that it was computed from."""
        found = self.maps(tuple(stored.shape))
        errors = _worst(found.maps - stored, torch.ones_like(stored, dtype=torch.bool))
        best = min(range(len(errors)), key=errors.__getitem__)
        return errors[best], found.files[best]

    def blended(self, alpha: bool = False, most: int = 3) -> list[Blend]:
        """Loaded images with a map in them: behind their channels, or as a factor between 1 and 2.

        Args:
            alpha: Which of them.
            most: The channels an image has.
        """
        found = []
        for call in self.calls:
            if call["given"] is None or call["given"].shape[1] < most + alpha:
                continue
            for batch in self.now(call["at"]):
                for image in batch["images"]:
                    given = _without_padding(call["given"], image.shape)
                    if given is not None:
                        rows = zip(batch["files"] or [[]] * len(image), image, given, strict=False)
                        told = ((files, _map_in(one, row, alpha, most)) for files, one, row in rows)
                        found += [Blend(call["at"], files, *map_) for files, map_ in told if map_ is not None]
        return found

    def nearest(self, blend: Blend, size: tuple[int, int]) -> float:
        """How near T of a map at a size, computed before from the same image's fake, comes to what was blended in."""
        found, own = self.maps(tuple(size)), set(blend.files)
        before = [
            n for n, (at, files) in enumerate(zip(found.at, found.files, strict=True)) if at < blend.at and own & files
        ]
        if not before:
            return 1.0
        transferred = F.interpolate(found.maps[before, None], blend.map.shape, mode="bilinear")[:, 0]
        return min(1.0, *_worst(transferred - blend.map, blend.known))


def _worst(differences: Tensor, known: Tensor) -> list[float]:
    """Of each of some differences ``(N, h, w)`` the largest where it is known; infinite where it is no number."""
    worst: list[float] = differences.abs()[:, known].amax(1).nan_to_num(math.inf).tolist()
    return worst


def _without_padding(given: Tensor, shape: Sequence[int]) -> Tensor | None:
    """What a layer of its own may have padded before the convolution; None where images of a shape are not in there.

    Some hosts give a generator a part of a batch, or other images behind it.
    """
    rows, columns = (given.shape[axis] - shape[axis] for axis in (2, 3))
    if rows != columns or rows < 0 or rows % 2:
        return None
    return given[:, :, rows // 2 : given.shape[2] - rows // 2, rows // 2 : given.shape[3] - rows // 2]


def _map_in(image: Tensor, given: Tensor, alpha: bool, most: int) -> tuple[Tensor, Tensor] | None:
    """The map that was blended into an image, and where it can be told; None if this is another image."""
    image, given, behind = image[:most], given[:most], given[most] if alpha else None
    if behind is not None:
        found = torch.equal(image, given) and bool(behind.min() >= 0 and behind.max() <= 1)  # or a second image
        return (behind, torch.ones_like(behind, dtype=torch.bool)) if found else None
    power = image.square().sum(0)
    factor = (image * given).sum(0) / power.clamp_min(1e-12)
    known = power > 0.05
    if (given - factor * image).abs().max() > 1e-4 or not known.any():
        return None
    if factor[known].min() < 1 - 1e-4 or factor[known].max() > 2 + 1e-4 or (factor[known] - 1).abs().max() < 1e-3:
        return None  # another image, or this one as it is
    return factor - 1, known


def main(arguments: list[str]) -> None:
    """Run a script: ``RECORD bare|legacy|guided ARGS...``; no record is made where it is ``-``."""
    record, way, *arguments = arguments
    sys.dont_write_bytecode = True  # into a codebase of somebody else
    import guidegan_plugin.cli  # noqa: F401 - what it imports draws from `random`, which not every script seeds

    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    with ExitStack() as stack:
        if record != "-":
            recorder = Recorder()
            recorder.install()
            stack.callback(recorder.save, Path(record))
        if way == "guided":
            from guidegan_plugin.cli import main as guidegan

            sys.argv = ["guidegan", "run", *arguments]
            guidegan()
        if way == "legacy":
            from guidegan_plugin.hosts.legacy.stand_ins import stand_ins

            stack.enter_context(stand_ins())
        sys.argv, sys.path[0] = arguments, str(Path(arguments[0]).parent)
        runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
