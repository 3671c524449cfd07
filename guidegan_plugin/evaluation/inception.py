"""Inception, by which KID and FID are defined: torch-fidelity's network, with weights found and checked by us."""

from __future__ import annotations

import hashlib
import http.client
import io
import logging
import sys
from pathlib import Path

import torch
from torch import Tensor

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.evaluation.optional_packages import optional
from guidegan_plugin.evaluation.user_modules import default_device

FILE = "weights-inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"

_PREFIX = SHA256[:8]
_MODULE = "torch_fidelity.feature_extractor_inceptionv3"
_log = logging.getLogger(__name__)


class InceptionFeatures:
    """The 2048 features of Inception v3's last pooling, as in KID's and FID's definition.

    Named ``inception`` where the weights are the official ones, else ``inception (weights <first digits>)``. Computed
    on a GPU where there is one, in full float32.

    Args:
        weights: a file of torch-fidelity's layout.

    Raises:
        ConfigError: If it is none, or torch-fidelity is not installed.
    """

    resize = "bilinear to 299x299, as TensorFlow 1"

    def __init__(self, weights: Path) -> None:
        content = _read(weights)
        self.weights_sha256 = hashlib.sha256(content).hexdigest()
        official = self.weights_sha256 == SHA256
        self.name = "inception" if official else f"inception (weights {self.weights_sha256[:8]})"
        self._device = default_device()
        extractor = optional(_MODULE).FeatureExtractorInceptionV3
        try:
            network = extractor("inception-v3-compat", ["2048"], feature_extractor_weights_path=_only_tensors(content))
        except Exception as error:  # torch has half a dozen unrelated kinds for a file it cannot read
            raise ConfigError(
                f"{weights} is torn or not Inception's weights ({type(error).__name__}); change --weights, expected is "
                f"{FILE} (sha256 {_PREFIX}...)"
            ) from error
        self._network = network.to(self._device)

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        """Images (N, 3, H, W), float32, in [0, 1], rounded to 8 bits, to features (N, 2048), float32."""
        pixels = (images * 255).round().to(torch.uint8).to(self._device)
        # TF32, the default of a GPU's convolutions, has ten bits: less than the features of near images differ by.
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            found: Tensor = self._network(pixels)[0]
        return found


def find_weights(weights: Path | None = None) -> Path:
    """The file of Inception's weights: the one named, else torch's own folder's, else downloaded to there.

    Raises:
        ConfigError: If the file named is not there, the one in torch's folder is not the official one, or there is none
            and none can be downloaded.
    """
    if weights is not None:
        if not weights.is_file():
            raise ConfigError(f"no file {weights}; change --weights")
        return weights
    place = Path(torch.hub.get_dir()) / "checkpoints" / FILE
    if not place.is_file():
        _download(place)
    elif (found := hashlib.sha256(_read(place)).hexdigest()) != SHA256:
        raise ConfigError(
            f"{place} is not the official file (sha256 {found[:8]}..., expected {_PREFIX}...); delete it, or name "
            "another with --weights"
        )
    return place


def _download(place: Path) -> None:
    url: str = optional(_MODULE).URL_INCEPTION_V3
    _log.warning("downloading Inception's weights from %s to %s", url, place)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(place), hash_prefix=_PREFIX, progress=sys.stderr.isatty())
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        brief = " ".join(str(error).split())
        raise ConfigError(
            f"no Inception weights {place}, and none to be had from {url} ({brief}); put {FILE} (sha256 {_PREFIX}...) "
            "there, or name it with --weights"
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path} ({error.strerror}); change --weights") from error


def _only_tensors(content: bytes) -> io.BytesIO:
    # torch-fidelity would run whatever code a weights file holds. It gets one of our own writing, with tensors alone.
    state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    file = io.BytesIO()
    torch.save({key: value for key, value in state.items() if isinstance(value, Tensor)}, file)
    file.seek(0)
    return file
