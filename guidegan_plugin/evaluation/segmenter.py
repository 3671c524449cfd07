"""Segmenters: networks that read a photo's classes.

A segmenter is named in one of three ways:

- ``FILE``: TorchScript, ``(1, 3, H, W)`` in [0, 1] to logits ``(1, C, H, W)``. Such a file is code: run only what you
  trust;
- ``torchvision:NAME:FILE``: weights of ``torchvision.models.segmentation``'s NAME, such as ``fcn_resnet50``, with C
  classes; images are normalised with ImageNet's mean and standard deviation, as torchvision trains them;
- ``module:attribute``: an ``nn.Module`` like the first, or what makes one when called.
"""

from __future__ import annotations

import hashlib
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.evaluation.user_modules import at_rest, failing_as, load_named
from guidegan_plugin.guidance.memory.digests import networks_digest

_FLAG = "--segmenter"
_TORCHVISION = "torchvision:"


class Segmenter(nn.Module):
    """A segmentation network and where it comes from.

    Args:
        network: ``(1, 3, H, W)`` in [0, 1] to logits ``(1, C, H, W)``, or a dictionary that has them as ``"out"``.
        name: As result files show it.
        sha256: Of its weights file, by default of the weights themselves.
    """

    def __init__(self, network: nn.Module, name: str, sha256: str | None = None) -> None:
        super().__init__()
        self.network = network
        self.name = name
        # Trained again, a network has the same name and other weights; one without weights is its name.
        self.sha256 = sha256 or (networks_digest({"": network}) if network.state_dict() else None)

    def forward(self, images: Tensor) -> Tensor:
        """Logits, out of the dictionary where the network returns one."""
        output = self.network(images)
        logits: Tensor = output["out"] if isinstance(output, dict) else output
        return logits

    def labels(self, photo: Tensor, classes: int) -> Tensor:
        """Read one photo.

        Args:
            photo: ``(1, 3, H, W)``, float32 in [0, 1].
            classes: How many classes there are to tell apart.

        Returns:
            Labels ``(H, W)``, int64 on the CPU.

        Raises:
            ConfigError: If the network fails, or its logits are not ``(1, classes, H, W)``.
        """
        expected = (1, classes, *photo.shape[-2:])
        what = f"segmenter {self.name} fails on a photo {tuple(photo.shape)}"
        with failing_as(what, f"change {_FLAG}"), torch.inference_mode(), at_rest(self):
            logits = self(photo)
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        if found != expected:
            raise ConfigError(f"segmenter {self.name}: expected logits {expected}, found {found}; change {_FLAG}")
        if not logits.is_floating_point() or logits.isnan().any():
            found = "NaN" if logits.is_floating_point() else str(logits.dtype)
            raise ConfigError(f"segmenter {self.name}: expected logits that are numbers, found {found}; change {_FLAG}")
        labels: Tensor = logits.argmax(dim=1)[0].cpu()
        return labels


class _ImageNetNormalised(nn.Module):
    """A network that wants ImageNet's mean and standard deviation, fed with images in [0, 1]."""

    mean: Tensor
    std: Tensor

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> object:
        return self.network((images - self.mean) / self.std)


def load_segmenter(spec: str, classes: int) -> Segmenter:
    """Load a segmenter from what ``--segmenter`` says.

    Args:
        spec: ``FILE``, ``torchvision:NAME:FILE`` or ``module:attribute``.
        classes: How many classes it tells apart.

    Raises:
        ConfigError: If it cannot be loaded.
    """
    if spec.startswith(_TORCHVISION):
        name, _, file = spec.removeprefix(_TORCHVISION).partition(":")
        return Segmenter(_torchvision(name, Path(file), classes), f"torchvision:{name}", _sha256(Path(file)))
    if Path(spec).is_file():
        return Segmenter(_torchscript(Path(spec)), Path(spec).name, _sha256(Path(spec)))
    if ":" in spec:
        network = load_named(spec, _FLAG)
        if not isinstance(network, nn.Module):
            raise ConfigError(f"segmenter {spec} is a {type(network).__name__}, expected an nn.Module; change {_FLAG}")
        return Segmenter(network, spec)
    raise ConfigError(f"segmenter {spec} is no file, torchvision:NAME:FILE or module:attribute; change {_FLAG}")


def _torchscript(path: Path) -> nn.Module:
    try:
        with warnings.catch_warnings():
            # torch advises its authors to export otherwise; who only scores with such a file cannot help it.
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            network: nn.Module = torch.jit.load(str(path), map_location="cpu")
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"{path} is no TorchScript (weights alone are read as torchvision:NAME:FILE); change {_FLAG}"
        ) from error
    return network


def _torchvision(name: str, path: Path, classes: int) -> nn.Module:
    from torchvision.models import get_model, list_models, segmentation

    known = list_models(module=segmentation)
    if name not in known:
        raise ConfigError(f"torchvision has no segmentation network {name!r} but {', '.join(known)}; change {_FLAG}")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        # The auxiliary head helps training only; it is built where the weights have it, so that all of them fit.
        auxiliary = {"aux_loss": True} if any(key.startswith("aux_classifier.") for key in weights) else {}
        network: nn.Module = get_model(name, weights=None, weights_backbone=None, num_classes=classes, **auxiliary)
        network.load_state_dict(weights)
    except Exception as error:  # A file that is not weights fails in as many ways as there are files.
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"{path} does not fit torchvision's {name} of {classes} classes ({reason}); change {_FLAG}"
        ) from error
    return _ImageNetNormalised(network)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
