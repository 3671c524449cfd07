"""Alpha channel, equation (5): the generator's first convolution is widened by one channel."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.copy_safe import forget_ignored
from guidegan_plugin.guidance.concatenation.base import Concatenation
from guidegan_plugin.guidance.concatenation.widening import (
    Columns,
    Widened,
    refuse_narrow_input,
    refuse_wide_input,
    widened_before,
)
from guidegan_plugin.guidance.layers import convolutions, is_distributed
from guidegan_plugin.utils.options import option

_INSTEAD = "change concat (--guide_concat rhp)"


@dataclass(frozen=True)
class AlphaOptions:
    """Where the alpha channel enters."""

    image_channels: int = option(0, "channels of the image, where G joins labels or noise behind it; 0: all G reads")
    widen: str = option("", "G's convolutions that read the image, paths with commas between; by default the first")


class AlphaChannel(Concatenation):
    """Alpha channel, ``x' = [x, T(A)]``, equation (5); one-channel images are repeated to RGB.

    The generator's first convolution is widened in place with zero weights, so at step 0 it computes what it did.

    Args:
        image_channels: Channels of the image where the generator joins labels or noise behind it, so that the alpha
            channel stands between; 0 where its first convolution reads the image alone.
        widen: Dotted paths of the convolutions that read the image, with commas between; "" for the first.
    """

    name: ClassVar[str] = "alpha"
    Options: ClassVar[type[Any]] = AlphaOptions
    preview_text: ClassVar[str] = "the input with the map as its opacity (alpha channel), over gray"
    ignores: ClassVar[tuple[str, ...]] = ("strength",)  # the first convolution learns a factor of its own

    def __init__(self, image_channels: int = 0, widen: str = "") -> None:
        self._image_channels, self._widen = image_channels, widen
        self._read = 0  # channels that the convolution read before it was widened; 0 where nobody knows
        self._paths = ""
        self._widened: list[Widened] = []
        self._checks: list[RemovableHandle] = []

    def __reduce__(self) -> tuple[type[AlphaChannel], tuple[int, str]]:
        # A pickled generator carries one along: how to blend, not what was adapted.
        return type(self), (self._image_channels, self._widen)

    def blend(self, images: Tensor, maps: Tensor) -> Tensor:
        """``[x, T(A)]``, ``(N, C + 1, H, W)``; what was joined behind the image stays behind.

        Raises:
            ConfigError: If these are not the images that the widened generator reads.
        """
        found, end = images.shape[1], self._image_channels or images.shape[1]
        if self._read and found not in (self._read, self._image_channels):
            raise self._mismatch(found)
        image = images if found <= end else images[:, :end]
        if image.shape[1] == 1:
            image = image.expand(-1, 3, -1, -1)
        behind = [] if found <= end else [images[:, end:]]
        return torch.cat([image, maps.to(images.dtype), *behind], dim=1)

    def blend_part(self, images: Tensor, maps: Tensor, channels: tuple[int, int]) -> Tensor:
        """As the base.

        Raises:
            ConfigError: If something stands before the image, or the image does not end where it is said to.
        """
        start, end = channels
        if start or end != self._image_channels:
            cure = f"set alpha_image_channels (--guide_alpha_image_channels {end})"
            raise ConfigError(
                f"concat=alpha: the image is channels {start} to {end - 1} of the generator's {images.shape[1]}; "
                + (_INSTEAD if start else cure)
            )
        return self.blend(images, maps)

    def _mismatch(self, found: int) -> ConfigError:
        if self._image_channels:
            return ConfigError(
                f"alpha_image_channels={self._image_channels}: the generator was called with images of {found} "
                f"channels; set it to that (--guide_alpha_image_channels {found}), or {_INSTEAD}"
            )
        return ConfigError(
            f"concat=alpha: {self._paths} reads {self._read} channels, but the generator was called with images of "
            f"{found}; if it joins labels or noise behind them, set alpha_image_channels (--guide_alpha_image_channels "
            f"{found}), else {_INSTEAD}"
        )

    def without_map(self, images: Tensor) -> Tensor:
        """The image with an alpha channel of zeros."""
        return self.blend(images, images.new_zeros(len(images), 1, *images.shape[-2:]))

    def preview(self, images: Tensor, maps: Tensor, gray: float = 0.0) -> Tensor:
        """The image with the map as its opacity, over gray."""
        return maps * images + (1 - maps) * gray

    def bake(self, weight: Tensor, channels: int) -> tuple[Tensor, Tensor]:
        """Fold ``x' = [x, 1]``: ``conv([x, 1]; W) = conv(x; W') + c``, equal to a rounding.

        One channel was repeated to RGB, so its weights are summed.

        Raises:
            ConfigError: If several convolutions were widened.
        """
        if "," in self._widen:
            raise ConfigError("concat=alpha cannot be baked where several convolutions were widened (alpha_widen)")
        end = self._image_channels or channels
        place = _repeated(end)
        image, alpha, behind = weight[:, :place], weight[:, place], weight[:, place + 1 :]
        if end == 1:
            image = image.double().sum(1, keepdim=True).to(weight.dtype)
        return torch.cat([image, behind], 1), alpha.sum((1, 2), dtype=torch.float64)

    def adapt(self, generator: nn.Module, optimizers: Iterable[Optimizer] = ()) -> None:
        """Widen the convolutions that read the image.

        Args:
            generator: The generator, wrapped or not; not yet compiled.
            optimizers: As for :meth:`follow`.

        Raises:
            ConfigError: If one of them cannot be widened; then none is.
        """
        if self._widened:
            return
        found, optimizers = self._found(generator), tuple(optimizers)
        self._read, self._paths = self._reads(found), ",".join(path for path, _ in found)
        if is_distributed(generator) and any(widened_before(one) is None for _, one in found):
            raise ConfigError(
                f"concat=alpha cannot widen {self._paths}: the generator is in DistributedDataParallel already; attach "
                f"before it is wrapped, or {_INSTEAD}"
            )
        end = self._image_channels or self._read
        columns = Columns(end, _repeated(end) + 1 - end)
        self._widened = [Widened(path, one, columns, optimizers) for path, one in found]
        for _, one in convolutions(generator):  # of a copy of a guided generator
            forget_ignored(one)
        # Hooks on a generator that is a convolution itself are given its input before the map is blended in.
        self._checks = [refuse_narrow_input(path, one, self._read) for path, one in found if path]
        self._checks += [
            refuse_wide_input(path, one, self._read + columns.count, self._paths)
            for path, one in convolutions(generator)
            if one.in_channels == self._read
        ]

    def follow(self, optimizers: Iterable[Optimizer]) -> None:
        """Widen what optimizers are given as state of the weight; what they hold of it is narrowed with the weight."""
        for one in self._widened:
            one.follow(optimizers)

    def _found(self, generator: nn.Module) -> list[tuple[str, nn.Conv2d]]:
        """The convolutions that read the image."""
        there, name = convolutions(generator), type(generator).__name__
        found = there[:1]
        if self._widen:
            paths, known = [path.strip() for path in self._widen.split(",")], dict(there)
            if missing := [path for path in paths if path not in known]:
                raise ConfigError(
                    f"alpha_widen: {name} has no convolution {missing[0]!r} (it has {', '.join(known) or 'none'}); "
                    "change alpha_widen (--guide_alpha_widen)"
                )
            found = [(path, known[path]) for path in paths]
        if not found or any(one.groups != 1 for _, one in found):
            raise ConfigError(
                f"concat=alpha widens the first convolution and {name} has none that can be widened; {_INSTEAD}"
            )
        for path, one in found:
            _refuse_computed(path, one)
        return found

    def _reads(self, found: list[tuple[str, nn.Conv2d]]) -> int:
        """How many channels the convolutions read as the host made them."""
        before = [(path, widened_before(one), one.in_channels) for path, one in found]
        read = {path: channels if widened is None else widened.channels for path, widened, channels in before}
        if len(set(read.values())) > 1:
            listed = ", ".join(f"{path} {channels}" for path, channels in read.items())
            raise ConfigError(
                f"alpha_widen: expected convolutions that read the same image, found channels {listed}; change "
                "alpha_widen (--guide_alpha_widen)"
            )
        channels = next(iter(read.values()))
        end = self._image_channels or channels
        if not 0 < end <= channels:
            raise ConfigError(
                f"alpha_image_channels: expected 1 to {channels}, which {found[0][0] or 'the generator'} reads, found "
                f"{end}; change alpha_image_channels (--guide_alpha_image_channels)"
            )
        if any(widened is not None and widened.columns.at != end for _, widened, _ in before):
            raise ConfigError(
                f"alpha_image_channels={self._image_channels}: the generator was widened behind another channel "
                "before; detach that guide first, or change alpha_image_channels (--guide_alpha_image_channels)"
            )
        return channels

    def restore(self) -> None:
        """Narrow the convolutions to what they were."""
        for check in self._checks:
            check.remove()
        for one in self._widened:
            one.narrow()
        self._widened, self._checks, self._read = [], [], 0

    @property
    def adapted(self) -> bool:
        """As the base."""
        return bool(self._widened)

    @property
    def place(self) -> str:
        """Where the map enters, in words."""
        if not self._read:
            return "as an alpha channel: x' = [x, T(A)]"
        end = self._image_channels or self._read
        width = self._read - end + _repeated(end) + 1
        behind = f", behind the image's {end}" if end != self._read else ""
        return (
            f"as an alpha channel: x' = [x, T(A)], {self._paths} widened from {self._read} to {width} channels{behind}"
        )


def _refuse_computed(path: str, convolution: nn.Conv2d) -> None:
    """Refuse a weight that is computed from others at each call: there is no parameter of its shape to widen."""
    if not isinstance(convolution._parameters.get("weight"), nn.Parameter):
        raise ConfigError(
            f"concat=alpha widens the first convolution, and the weight of {path or 'that convolution'} is computed "
            f"(spectral or weight norm); {_INSTEAD}"
        )


def _repeated(channels: int) -> int:
    """Channels of an image as the alpha channel is joined to it: one channel is repeated to RGB."""
    return 3 if channels == 1 else channels
