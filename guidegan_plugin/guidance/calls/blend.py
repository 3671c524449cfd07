"""T and the concatenation: how a map, or the placeholder, is blended into a generator's images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from guidegan_plugin.guidance.calls.arguments import Place, find_images, replace_argument
from guidegan_plugin.guidance.calls.call_site import Arguments
from guidegan_plugin.guidance.concatenation.base import Concatenation
from guidegan_plugin.guidance.layers import unwrap


class PlaceholderBlend:
    """Blends all ones into every input: what test time, other passes and copies of a generator see.

    Attributes:
        concatenation: How a map enters the input.
        transfer: T, or what the host wrapped T in.
        argument: Where the generator takes its images, once that was seen; None for its first images.
    """

    def __init__(self, concatenation: Concatenation, transfer: nn.Module, argument: Place | None = None) -> None:
        self.concatenation, self.transfer, self.argument = concatenation, transfer, argument
        self._ones: dict[torch.device, Tensor] = {}

    def __reduce__(self) -> tuple[type[PlaceholderBlend], tuple[Concatenation, nn.Module, Place | None]]:
        # A pickled generator carries one along: T itself, not the wrapper (DDP) it is called through.
        return PlaceholderBlend, (self.concatenation, unwrap(self.transfer), self.argument)

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """The arguments of a call with the placeholder blended in; as a stand-in."""
        where, images = find_images(args, kwargs, self.argument)
        return replace_argument(args, kwargs, where, self.blend(images))

    def blend(self, images: Tensor, maps: Tensor | None = None, channels: tuple[int, int] | None = None) -> Tensor:
        """T, then the concatenation.

        Args:
            images: ``(N, C, H, W)``.
            maps: ``(N, 1, h, w)``, in [0, 1]; None for the placeholder.
            channels: From which channel to which the images stand, where labels or noise were joined to them.

        Returns:
            ``(N, C', H, W)``.
        """
        given = self._placeholder(images) if maps is None else maps.detach()
        transferred = self.transfer(given, (images.shape[-2], images.shape[-1]))
        still_ones = maps is None and getattr(self.transfer, "keeps_ones", False)
        blend = self.concatenation.blend_ones if still_ones else self.concatenation.blend
        if channels is None or channels == (0, images.shape[1]):
            return blend(images, transferred)
        return self.concatenation.blend_part(images, transferred, channels)

    def _placeholder(self, images: Tensor) -> Tensor:
        """:func:`placeholder`, made once a device; not for a graph, which may reuse its tensors or fix their size."""
        if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            return placeholder(images)
        if images.device not in self._ones:
            with torch.inference_mode(False):
                self._ones[images.device] = placeholder(images[:1])
        return self._ones[images.device].expand(len(images), 1, 1, 1)


def placeholder(images: Tensor) -> Tensor:
    """All ones, "based on the assumption that whole image is important" (section 4): ``(N, 1, 1, 1)``, float32."""
    return images.new_ones((images.shape[0], 1, 1, 1), dtype=torch.float32)
