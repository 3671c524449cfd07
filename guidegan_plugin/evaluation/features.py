"""What turns images into the features that KID compares: Inception, or a user's own ``module:attribute``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.evaluation.image_folders import batches, read_image
from guidegan_plugin.evaluation.user_modules import at_rest, failing_as, load_named
from guidegan_plugin.guidance.memory.digests import networks_digest
from guidegan_plugin.utils.ahead import ahead
from guidegan_plugin.utils.progress import progress

INCEPTION = "inception"


class Features(Protocol):
    """Images to features, the same for an image whatever else is in its batch."""

    @property
    def name(self) -> str:
        """Which they are, for titles: ``inception`` is Inception with the official weights and nothing else."""

    @property
    def weights_sha256(self) -> str | None:
        """Of the weights; None where they are unknown."""

    @property
    def resize(self) -> str:
        """What happens to an image's size first; ``none`` where nothing does."""

    def __call__(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), float32, in [0, 1], to features (N, F)."""


class NamedFeatures:
    """A user's own features.

    Args:
        name: as the user named them.
        compute: (N, 3, H, W) in [0, 1] to (N, F); an ``nn.Module`` gets the images on its own device and computes in
            evaluation mode, its training flags are put back afterwards.
    """

    resize = "none"

    def __init__(self, name: str, compute: Callable[[Tensor], Tensor]) -> None:
        self.name = name
        self._compute = compute
        self._module = compute if isinstance(compute, nn.Module) else None
        self.weights_sha256 = None if self._module is None else networks_digest({"": self._module})

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W) to features (N, F).

        Raises:
            ConfigError: If the user's code fails on them.
        """
        what = f"features {self.name} fail on images {tuple(images.shape)}"
        with failing_as(what, "change --features or --batch-size"):
            if self._module is None:
                return self._compute(images)
            held = next(iter(self._module.state_dict().values()), images)
            with at_rest(self._module):
                return self._compute(images.to(held.device))


def load_features(name: str = INCEPTION, weights: Path | None = None) -> Features:
    """Features by name.

    Args:
        name: ``inception``, or ``module:attribute``: an ``nn.Module``, a function of images, or a factory (a class, or
            a function without required arguments) of either. Naming a module runs its code.
        weights: Inception's, a file; None looks in ``TORCH_HOME/hub/checkpoints`` and else downloads them there.

    Raises:
        ConfigError: If there are no such features, or their weights cannot be had.
    """
    if name == INCEPTION:
        from guidegan_plugin.evaluation.inception import InceptionFeatures, find_weights

        return InceptionFeatures(find_weights(weights))
    if ":" not in name:
        raise ConfigError(f"features: expected {INCEPTION} or module:attribute, found {name!r}; change --features")
    if weights is not None:
        raise ConfigError(f"weights are Inception's, {name} brings its own; leave out --weights, or change --features")
    compute = load_named(name, "--features")
    if not callable(compute):
        raise ConfigError(
            f"features {name}: expected something callable, found {type(compute).__name__}; change --features"
        )
    return NamedFeatures(name, compute)


def extract(
    paths: list[Path], features: Features, flag: str, *, batch_size: int = 32
) -> tuple[Tensor, set[tuple[int, int]]]:
    """Features of images.

    Args:
        paths: of the images.
        features: what computes them.
        flag: the option that names their folder, for errors.
        batch_size: images a call, at most; images of several sizes are never in one call.

    Returns:
        Features (N, F), float64, on the CPU; and the sizes (H, W) found.

    Raises:
        DataError: If an image cannot be read.
        ConfigError: If the features are no finite floating (N, F) with one F.
    """
    rows: list[Tensor] = []
    sizes: set[tuple[int, int]] = set()
    images = ahead(lambda path: read_image(path, flag), progress(paths, f"features {flag}"), 2 * batch_size)
    for batch in batches(images, batch_size):
        sizes.add((batch.shape[2], batch.shape[3]))
        found = features(batch)
        width = rows[0].shape[1] if rows else None
        _check(found, len(batch), width, features.name)
        rows.append(found.detach().to("cpu", torch.float64))
    return torch.cat(rows), sizes


def _check(found: object, count: int, width: int | None, name: str) -> None:
    wanted = f"({count}, {width or 'F'})"
    if not isinstance(found, Tensor):
        raise ConfigError(
            f"features {name}: expected a tensor {wanted}, found {type(found).__name__}; change --features"
        )
    if found.ndim != 2 or len(found) != count or not found.shape[1] or width not in (None, found.shape[1]):
        raise ConfigError(f"features {name}: expected {wanted}, found {tuple(found.shape)}; change --features")
    if not found.is_floating_point():
        raise ConfigError(f"features {name}: expected floating, found {found.dtype}; change --features")
    if not found.isfinite().all():
        raise ConfigError(f"features {name} are not finite; change --features")
