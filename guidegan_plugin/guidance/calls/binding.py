"""Which tensor is which image: source batches are bound when they arrive and looked up by identity."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import Tensor

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.memory.view import View


def as_keys(keys: Sequence[object] | Tensor) -> tuple[str, ...]:
    """Keys as they are remembered: a loader collates numbers into a tensor, and one string is one key."""
    if isinstance(keys, str):
        return (keys,)
    return tuple(map(str, keys.tolist() if isinstance(keys, Tensor) else keys))


@dataclass(eq=False)
class Visit:
    """One batch of source images of one pair, from its binding to the next.

    Attributes:
        pair: Name of the pair whose generator reads these images as its source.
        images: Weak reference to the bound tensor ``(N, C, H, W)``.
        keys: One key per image; none where nothing is to be stored.
        view: Crop and flip of each image, or None where nobody knows.
        remember: Which images' maps are to be stored, all where None.
        maps: ``(N, 1, h, w)`` as blended into the generator's input, once it was read.
        ages: How many batches ago each image's map was written, None where it has none; once read from a store.
        refined: ``(N, 1, h, w)``, what test time blends in place of the placeholder; None for the placeholder.
        fakes: Weak references to what the generator made of the images.
        judged: Whether the discriminator's maps of this visit were stored.
        tested: Whether the generator translated it as at test time, where nobody is to judge it.
    """

    pair: str
    images: weakref.ReferenceType[Tensor]
    keys: tuple[str, ...]
    view: View | None
    remember: tuple[bool, ...] | None = None
    maps: Tensor | None = None
    ages: tuple[int | None, ...] = ()
    refined: Tensor | None = None
    fakes: list[weakref.ReferenceType[Tensor]] = field(default_factory=list)
    judged: bool = False
    tested: bool = False

    def living_fakes(self) -> list[Tensor]:
        """Tensors the generator made of this visit that somebody still holds."""
        return [fake for reference in self.fakes if (fake := reference()) is not None]


class SourceBinding:
    """The current visit of every pair.

    Pairs of one training share a binding, so that a cycle's pass can be led back to the pair it comes from.
    """

    def __init__(self) -> None:
        self._visits: dict[str, Visit] = {}
        self._claimed: set[str] = set()

    def claim(self, pair: str) -> None:
        """A pair joins the training.

        Raises:
            ConfigError: If another has its name.
        """
        if pair in self._claimed:
            raise ConfigError(f"a pair of this training is named {pair!r} already; change name=")
        self._claimed.add(pair)

    def bind(
        self,
        pair: str,
        images: Tensor,
        keys: Sequence[str] | Tensor | None,
        view: View | None = None,
        remember: Sequence[bool] | None = None,
    ) -> Visit:
        """Say which images a tensor holds; the pair's previous visit ends.

        Args:
            pair: Name of the pair.
            images: ``(N, C, H, W)``, the very tensor the generator will be called with.
            keys: N keys, None where nothing is to be stored.
            view: N views, or None.
            remember: Whether each image's map is to be stored; by default all are.

        Raises:
            ConfigError: If the counts differ, or the view is none.
        """
        if view is not None and not isinstance(view, View):
            raise ConfigError(f"bind: expected a View, found {type(view).__name__}; change view=")
        count = len(images)
        named = () if keys is None else as_keys(keys)
        if (keys is not None and len(named) != count) or (view is not None and len(view.theta) != count):
            counts = f"{count} images, {len(named)} keys"
            found = counts + (f", {len(view)} views" if view is not None else "")
            raise ConfigError(f"bind: expected one key and one view an image, found {found}; change keys= or view=")
        if remember is not None and len(remember) != count:
            found = f"{count} images, {len(remember)} flags"
            raise ConfigError(f"bind: expected one flag an image, found {found}; change remember=")
        kept = None if remember is None or all(remember) else tuple(remember)
        visit = self._visits[pair] = Visit(pair, weakref.ref(images), named, view, kept)
        return visit

    def current(self, pair: str) -> Visit | None:
        """The pair's visit under way, None before the first."""
        return self._visits.get(pair)

    def visit_of(self, images: Tensor, pair: str) -> Visit | None:
        """The pair's visit under way if this is its bound tensor, None for any other."""
        visit = self._visits.get(pair)
        return visit if visit is not None and visit.images() is images else None

    def visit_behind(self, images: Tensor) -> Visit | None:
        """The visit of any pair whose source or fake this tensor is, None for a stranger."""
        for visit in self._visits.values():
            if visit.images() is images or any(fake is images for fake in visit.living_fakes()):
                return visit
        return None

    def forget(self, pair: str) -> None:
        """The pair leaves the training, and its visit ends."""
        self._visits.pop(pair, None)
        self._claimed.discard(pair)
