"""The generator's input adapter: blends a map into every input, the remembered one only into the bound source."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.binding import SourceBinding, Visit
from guidegan_plugin.guidance.calls.copy_safe import Hook, is_guided
from guidegan_plugin.guidance.calls.fake_tracking import mark
from guidegan_plugin.guidance.concatenation.base import Concatenation
from guidegan_plugin.guidance.concatenation.schedule import Schedule
from guidegan_plugin.guidance.layers import unwrap
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.view import resample

Arguments = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Behaviour:
    """How a pair reads its memory.

    Attributes:
        cycle: What reconstruction and identity passes get: ``"ones"``, ``"source"`` or ``"off"``.
        random_first: Whether an image's first visit gets random noise instead of ones.
        align: Whether maps follow crop and flip.
        seed: Seed of the noise.
        testing: Whether the source gets the placeholder, too.
        memory: ``"image"`` for the map of the same image's previous visit, ``"batch"`` for one made in the same step.
        judged: What D is called with, from source and fake, for ``memory="batch"``; None for the fake.
        schedule: How maps go over into the placeholder; one a pair.

    Raises:
        ConfigError: If the memory is neither.
    """

    cycle: str = "ones"
    random_first: bool = False
    align: bool = True
    seed: int = 0
    testing: bool = False
    memory: str = "image"
    judged: Callable[[Tensor, Tensor], Tensor] | None = None
    schedule: Schedule = field(default_factory=Schedule)

    def __post_init__(self) -> None:
        if self.memory not in ("image", "batch"):
            raise ConfigError(f"memory: expected image or batch, found {self.memory!r}; change memory=")


class PlaceholderBlend:
    """Blends all ones into every input: what test time, other passes and copies of a generator see."""

    def __init__(self, concatenation: Concatenation, transfer: nn.Module) -> None:
        self.concatenation = concatenation
        self.transfer = transfer

    def __reduce__(self) -> tuple[type[PlaceholderBlend], tuple[Concatenation, nn.Module]]:
        # A pickled generator carries one along: T itself, not the wrapper (DDP) it is called through.
        return PlaceholderBlend, (self.concatenation, unwrap(self.transfer))

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """As a forward pre-hook with keyword arguments."""
        place, images = find_images(args, kwargs)
        return replace_argument(args, kwargs, place, self.blend(images))

    def blend(self, images: Tensor, maps: Tensor | None = None) -> Tensor:
        """T, then the concatenation.

        Args:
            images: ``(N, C, H, W)``.
            maps: ``(N, 1, h, w)``, in [0, 1]; None for the placeholder.

        Returns:
            ``(N, C', H, W)``.
        """
        maps = placeholder(images) if maps is None else maps.detach()
        return self.concatenation.blend(images, self.transfer(maps, (images.shape[-2], images.shape[-1])))


class GeneratorAdapter:
    """The hooks on one generator.

    Args:
        pair: Name of the pair.
        binding: Tells which tensor is which image.
        store: Remembered maps.
        blend: T and the concatenation.
        behaviour: How the memory is read.
        fresh: Makes maps within the step, from G, its arguments with the placeholder, and the source; by default they
            are read from the store.
    """

    def __init__(
        self,
        pair: str,
        binding: SourceBinding,
        store: AttentionStore,
        blend: PlaceholderBlend,
        behaviour: Behaviour,
        fresh: Callable[[nn.Module, tuple[Any, ...], dict[str, Any], Tensor], Tensor] | None = None,
    ) -> None:
        self._pair, self._binding, self._store, self._blend = pair, binding, store, blend
        self._how, self._fresh = behaviour, fresh
        self._visit: Visit | None = None

    def attach(self, generator: nn.Module) -> list[RemovableHandle]:
        """Register the hooks.

        Raises:
            ConfigError: If the generator is guided already.
        """
        if is_guided(generator):
            raise ConfigError("this generator is guided already; call detach() on its guide first")
        return [
            generator.register_forward_pre_hook(Hook(self._before, self._blend), with_kwargs=True),
            generator.register_forward_hook(Hook(self._after)),
        ]

    def _before(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        place, images = find_images(args, kwargs)
        self._visit = visit = self._binding.visit_of(images, self._pair)
        if self._how.testing or not module.training:
            # Test time is always the placeholder, unless it is refined.
            blended = self._blend.blend(images, None if visit is None else visit.refined)
            if visit is not None:
                visit.tested = True
        elif visit is None:
            blended = self._other_pass(images)
        else:
            if visit.maps is None and self._fresh is not None:
                first = replace_argument(args, kwargs, place, self._blend.blend(images))
                visit.maps = self._how.schedule.apply(self._fresh(module, *first, images), (), ())
            elif visit.maps is None:
                visit.maps = self._recalled(visit, images)
            blended = self._blend.blend(images, visit.maps)
        return replace_argument(args, kwargs, place, blended)

    def _after(self, module: nn.Module, args: tuple[Any, ...], output: object) -> None:
        visit, self._visit = self._visit, None
        if visit is not None:
            for fake in translations(output):
                mark(fake, visit)

    def _other_pass(self, images: Tensor) -> Tensor:
        """Reconstruction, identity, test: equation (10) and section 4."""
        if self._how.cycle == "off":
            return self._blend.concatenation.without_map(images)
        behind = self._binding.visit_behind(images) if self._how.cycle == "source" else None
        return self._blend.blend(images, None if behind is None else behind.maps)

    def _recalled(self, visit: Visit, images: Tensor) -> Tensor:
        """Equation (1): the maps of the same images at their previous visit, moved to where they are seen now."""
        recalled = self._store.recall(visit.keys, images.device)
        visit.ages = recalled.ages
        maps, then, now = recalled.maps, recalled.views, visit.view
        if self._how.align and then is not None and now is not None and not torch.equal(then.theta, now.theta):
            maps = resample(maps, then.seen_from(now))
        if self._how.random_first and not all(recalled.visited):
            maps = self._with_noise(maps, recalled.visited, visit.keys, images)
        return self._how.schedule.apply(maps, visit.keys, recalled.visits)

    def _with_noise(self, maps: Tensor, visited: Sequence[bool], keys: tuple[str, ...], images: Tensor) -> Tensor:
        shape = maps.shape[-2:] if any(visited) else images.shape[-2:]
        rows = [
            row if known else noise(key, self._how.seed, (shape[0], shape[1])).to(maps.device, non_blocking=True)
            for row, known, key in zip(maps, visited, keys, strict=True)
        ]
        return torch.stack(rows)


def placeholder(images: Tensor) -> Tensor:
    """All ones, "based on the assumption that whole image is important" (section 4): ``(N, 1, 1, 1)``, float32."""
    return torch.ones(len(images), 1, 1, 1, device=images.device)


def translations(output: object) -> list[Tensor]:
    """The images ``(N, C, H, W)`` among what a generator returned, alone or with others."""
    returned = output if isinstance(output, (tuple, list)) else [output]
    return [item for item in returned if isinstance(item, Tensor) and item.dim() == 4]


def noise(key: str, seed: int, shape: tuple[int, int]) -> Tensor:
    """Uniform noise that depends on the image and the seed alone, so neither order, resume nor ranks change it.

    Returns:
        ``(1, h, w)``, float32 in [0, 1), on the CPU.
    """
    digest = hashlib.sha256(f"{seed} {key}".encode(errors="surrogateescape")).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "little", signed=True))
    return torch.rand(1, *shape, generator=generator)


def find_images(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int | str, Tensor]:
    """The image among a network's arguments: the first tensor with four dimensions.

    Returns:
        Its position or keyword, and the tensor ``(N, C, H, W)``.

    Raises:
        ConfigError: If there is none.
    """
    places: list[tuple[int | str, Any]] = [*enumerate(args), *kwargs.items()]
    for place, value in places:
        if isinstance(value, Tensor) and value.dim() == 4:
            return place, value
    found = ", ".join(type(value).__name__ for _, value in places) or "no argument"
    raise ConfigError(f"a guided generator expects a batch of images (N, C, H, W), found {found}; change generator=")


def replace_argument(args: tuple[Any, ...], kwargs: dict[str, Any], place: int | str, value: Tensor) -> Arguments:
    """The same arguments with one replaced."""
    if isinstance(place, int):
        return (*args[:place], value, *args[place + 1 :]), kwargs
    return args, {**kwargs, place: value}
