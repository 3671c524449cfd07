"""What every input of a generator is blended with where no remembered map belongs: the placeholder, or the test map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from guidegan_plugin.guidance.calls.arguments import Place, find_images, replace_argument
from guidegan_plugin.guidance.calls.call_site import Arguments
from guidegan_plugin.guidance.calls.lineage import has_memory
from guidegan_plugin.guidance.calls.row_maps import placeholder
from guidegan_plugin.guidance.concatenation.base import Concatenation
from guidegan_plugin.guidance.layers import unwrap
from guidegan_plugin.guidance.memory.view import View
from guidegan_plugin.guidance.test_time.given_map import GivenMap


class PlaceholderBlend:
    """Blends all ones into every input: what other passes see, and test time and copies unless asked for another map.

    Attributes:
        concatenation: How a map enters the input.
        transfer: T, or what the host wrapped T in.
        given: What stands for the map at test time; None for ones.
        argument: Where the generator takes its images, once that was seen; None for its first images.
        joined: Where the image stands in inputs that labels or noise were joined to, by their number of channels.
    """

    def __init__(
        self,
        concatenation: Concatenation,
        transfer: nn.Module,
        argument: Place | None = None,
        joined: Mapping[int, tuple[int, int]] | None = None,
        given: GivenMap | None = None,
    ) -> None:
        self.concatenation, self.transfer, self.argument, self.given = concatenation, transfer, argument, given
        self.joined = dict(joined or {})
        self._ones: dict[torch.device, Tensor] = {}

    def __reduce__(self) -> tuple[type[PlaceholderBlend], tuple[Any, ...]]:
        # A pickled generator carries one along: T itself, not the wrapper (DDP) it is called through.
        return PlaceholderBlend, (self.concatenation, unwrap(self.transfer), self.argument, self.joined, self.given)

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """The arguments of a call with what test time blends in; as a stand-in."""
        where, images = find_images(args, kwargs, self.argument)
        return replace_argument(args, kwargs, where, self.blend(images, self.at_test(images)))

    def at_test(
        self, images: Tensor, channels: tuple[int, int] | None = None, view: View | None = None
    ) -> Tensor | None:
        """The maps that test time gives the generator, None for the placeholder; channels as for :meth:`blend`."""
        if self.given is None:
            return None
        start, end = channels or self.joined.get(images.shape[1], (0, images.shape[1]))
        return self.given(images[:, start:end], view)

    def blend(self, images: Tensor, maps: Tensor | None = None, channels: tuple[int, int] | None = None) -> Tensor:
        """T, then the concatenation.

        Args:
            images: ``(N, C, H, W)``.
            maps: ``(N, 1, h, w)``, in [0, 1]; None for the placeholder.
            channels: From which channel to which the images stand, if not alone; None for as they were seen to stand.

        Returns:
            ``(N, C', H, W)``.
        """
        size = (images.shape[-2], images.shape[-1])
        given = self._placeholder(images) if maps is None else maps.detach()
        if maps is None and getattr(self.transfer, "keeps_ones", False):  # T has nothing to do
            transferred = given.expand(-1, -1, *size)
            blend: Callable[[Tensor, Tensor], Tensor] = self.concatenation.blend_ones
        else:
            blend, transferred = self.concatenation.blend, self.transfer(given, size)
        channels = self.joined.get(images.shape[1]) if channels is None and self.joined else channels
        if channels is None or channels == (0, images.shape[1]):
            return blend(images, transferred)
        self.joined[images.shape[1]] = channels
        return self.concatenation.blend_part(images, transferred, channels)

    def _placeholder(self, images: Tensor) -> Tensor:
        """:func:`placeholder`, made once a device; not for a graph, which may reuse its tensors or fix their size."""
        # Torch neither types is_tracing nor lists it as public.
        if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
            return placeholder(images)
        if (ones := self._ones.get(images.device)) is None:
            with torch.inference_mode(False):
                ones = placeholder(images[:1])
            if type(ones) is Tensor and has_memory(ones):  # what torch.func or a fake mode makes ends with them
                self._ones[images.device] = ones
        return ones.expand(len(images), 1, 1, 1)
