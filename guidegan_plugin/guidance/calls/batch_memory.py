"""Memory within one batch, for loaders that yield no keys: G runs twice in a step, and nothing is stored."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.arguments import Place, replace_argument, translations
from guidegan_plugin.guidance.calls.binding import SourceBinding, Visit
from guidegan_plugin.guidance.calls.call_site import Arguments, Method
from guidegan_plugin.guidance.calls.extra_pass import unnoticed
from guidegan_plugin.guidance.calls.lineage import Shown
from guidegan_plugin.guidance.calls.row_maps import placeholder
from guidegan_plugin.guidance.concatenation.schedule import Schedule

Fresh = Callable[[nn.Module, Method, tuple[Any, ...], dict[str, Any], Tensor], Tensor]
"""Makes maps within the step, from G and its method, its arguments with the placeholder, and the source."""


class BatchMemory:
    """Where D looks on what G makes of the same batch with the placeholder.

    Args:
        look: Asks D, as ``Guide.look``.
        pair: Name of the pair.
        binding: Knows which of G's outputs was judged, and so is the translation.
        judged: What D is called with, from source ``(N, C, H, W)`` and fake ``(N, C', H, W)``; by default the fake.
    """

    def __init__(
        self,
        look: Callable[[Tensor], tuple[Any, Tensor]],
        pair: str,
        binding: SourceBinding,
        judged: Callable[[Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        self._look, self._pair, self._binding, self._judged = look, pair, binding, judged

    def __call__(
        self, generator: nn.Module, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any], source: Tensor
    ) -> Tensor:
        """The maps to blend in the call under way.

        Args:
            generator: G.
            method: G's own: its call site is about to answer the host's call.
            args: What it is about to be called with, the placeholder blended in.
            kwargs: The same, by keyword.
            source: ``(N, C, H, W)``, the images as the host gave them.

        Returns:
            ``(N, 1, h, w)``, float32 in [0, 1].

        Raises:
            ConfigError: If G makes no image, or D cannot judge it.
        """
        with torch.no_grad(), unnoticed(generator):
            returned = method(*args, **kwargs)
        leaves = [("", returned)] if isinstance(returned, Tensor) else translations(returned)
        made = {path: image for path, image in leaves if image.dim() == 4 and len(image) == len(source)}
        if not made:
            raise ConfigError("memory='batch': the generator returned no images (N, C, H, W); change generator=")
        newest = self._binding.newest.get(self._pair)
        if newest is not None and newest.made.path in made:
            return self._maps(source, made[newest.made.path])
        *others, last = made.values()
        for image in others:  # until D was seen to judge one: the first that it can judge
            with suppress(ConfigError):
                return self._maps(source, image)
        return self._maps(source, last)

    def _maps(self, source: Tensor, image: Tensor) -> Tensor:
        """Where D looks on one of G's outputs."""
        judged = image if self._judged is None else self._judged(source, image)
        try:
            return self._look(judged)[1]
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, TypeError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError(
                f"memory='batch': the discriminator cannot judge {tuple(judged.shape)} ({reason}); change judged=, for "
                "a conditional one to lambda source, fake: torch.cat([source, fake], 1)"
            ) from error


def ones_now(
    generator: nn.Module, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any], source: Tensor
) -> Tensor:
    """As :class:`BatchMemory`, where the generator's input is left alone: no map is looked for."""
    return placeholder(source)


def made_now(
    make: Callable[..., Tensor],
    blend: Callable[[Tensor, Tensor | None, tuple[int, int] | None], Tensor],
    schedule: Schedule,
    visit: Visit,
    shown: Shown,
    given: Arguments,
    at: Place,
) -> Tensor:
    """The maps of a call's images, made in the same step; the same when the call is computed again.

    Args:
        make: Makes maps, from the call's arguments with the placeholder, and the source.
        blend: Blends maps into images, None for the placeholder, that stand between these channels.
        schedule: How maps go over into the placeholder.
        visit: Under way.
        shown: What the call's images show of it.
        given: The call's arguments.
        at: Where the images stand among these.
    """
    call = shown.rows, *map(_known, tree_leaves(replace_argument(*given, at, None)))
    if call not in visit.reads:
        images: Tensor = given[0][at] if isinstance(at, int) else given[1][at]
        made = make(*replace_argument(*given, at, blend(images, None, shown.channels)), images)
        visit.reads[call] = schedule.apply(made, (), ())
    return visit.reads[call]


@dataclass(frozen=True)
class _Held:
    """An argument that is known by a mark; held, so that nothing else comes to have the mark."""

    mark: object
    argument: object = field(compare=False)


def _known(argument: object) -> object:
    """What tells an argument of one call from that of another; the same for a detached tensor (checkpoints)."""
    if isinstance(argument, Tensor) and argument.layout is torch.strided:
        version = 0 if argument.is_inference() else argument._version
        place = argument.untyped_storage()._cdata, argument.storage_offset(), argument.shape, argument.stride()
        return _Held((*place, argument.dtype, version), argument.detach())
    return argument if isinstance(argument, Hashable) else _Held(id(argument), argument)
