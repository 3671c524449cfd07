"""Which tensor shows which images: source batches are bound when they arrive, and recognised by their lineage."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor, nn

from guidegan_plugin.errors import ConfigError, GuideError
from guidegan_plugin.guidance.calls.companion import Companion
from guidegan_plugin.guidance.calls.fake_tracking import mark
from guidegan_plugin.guidance.calls.judgement import Judgement
from guidegan_plugin.guidance.calls.key_watch import KeyWatch
from guidegan_plugin.guidance.calls.lineage import Lineage, Shown, is_part
from guidegan_plugin.guidance.calls.rows import Call, Made, Row, Rows
from guidegan_plugin.guidance.calls.seen import Seen
from guidegan_plugin.guidance.memory.view import View
from guidegan_plugin.guidance.optimizers import Joined
from guidegan_plugin.utils.keys import ItemKey


def as_keys(keys: Sequence[object] | Tensor) -> tuple[str, ...]:
    """Keys as they are remembered: a loader collates numbers into a tensor, and one string is one key.

    Raises:
        ConfigError: If a key is None, more than one value, or no text that a file can hold.
    """
    if (keys.dim() == 0 or keys.numel() != len(keys)) if isinstance(keys, Tensor) else not isinstance(keys, Iterable):
        found = f"a tensor of {tuple(keys.shape)}" if isinstance(keys, Tensor) else type(keys).__name__
        raise ConfigError(f"bind: expected one key an image (a path, a word or a number), found {found}; change keys=")
    values = [keys] if isinstance(keys, str) else keys.tolist() if isinstance(keys, Tensor) else list(keys)
    named = tuple(map(str, values))
    if None in values:
        raise ConfigError("bind: expected a key an image, found None; change keys=, or attach(memory='batch')")
    try:
        "".join(named).encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise ConfigError(f"bind: keys {named!r} cannot be written into a file; change keys=") from error
    return named


@dataclass(eq=False)
class Visit:
    """One batch of source images of one pair, from its binding to the next.

    Attributes:
        pair: Name of the pair whose generator reads these images as its source.
        images: Weak reference to the bound tensor ``(N, C, H, W)``.
        shape: Of the bound tensor.
        keys: One key per image; none where nothing is to be stored.
        view: Crop and flip of each image, or None where nobody knows.
        remember: Which images' maps are to be stored, all where None.
        maps: ``(N, 1, h, w)`` as blended into the generator's input, once the memory was read; of the newest call.
        reads: The same for each way in which the generator was called with the images.
        ages: How many batches ago each image's map was written, None where it has none; once read from a store.
        refined: ``(N, 1, h, w)``, what test time blends in place of the placeholder; None for the placeholder.
        fakes: Weak references to what the generator made of the images, call by call.
        codes: The same for what its entry made of them, where its exit makes the fakes.
        unmarked: Whether a fake had no graph when the generator returned it.
        judged: Whether the discriminator judged a fake of this visit.
        judgements: By row and key, the maps of this visit so far, ``(n, 1, h, w)``.
        tested: Whether the generator translated it as at test time, where nobody is to judge it.
        trained: Whether the generator translated it with gradient, also after it did without (activation checkpoints).
        thread: Which thread bound it: calls in another thread are tests.
        reported: Whether it was counted: after a refused ``bind`` it is still under way, and is not counted again.
        seen: What was observed of it.
    """

    pair: str
    images: weakref.ReferenceType[Tensor]
    shape: torch.Size
    keys: tuple[str, ...]
    view: View | None
    remember: tuple[bool, ...] | None = None
    maps: Tensor | None = None
    reads: dict[tuple[object, ...], Tensor] = field(default_factory=dict)
    ages: tuple[int | None, ...] = ()
    refined: Tensor | None = None
    fakes: list[tuple[weakref.ReferenceType[Tensor], Made]] = field(default_factory=list)
    codes: list[tuple[weakref.ReferenceType[Tensor], Made]] = field(default_factory=list)
    unmarked: bool = False
    judged: bool = False
    judgements: dict[tuple[int, str], Tensor] = field(default_factory=dict)
    tested: bool = False
    trained: bool = False
    thread: int = field(default_factory=threading.get_ident)
    reported: bool = False
    seen: Seen = field(default_factory=Seen)

    def __post_init__(self) -> None:
        self.rows: Rows = tuple(map(partial(Row, self), range(self.shape[0])))  # of the bound tensor itself
        self.shown = Shown(self.rows, (0, self.shape[1] if self.shape[1:] else 0), self)

    def end(self) -> None:
        """Let go of maps: a visit and its rows know each other, so they would wait for Python's collector together."""
        self.maps = self.refined = None
        for held in (self.reads, self.judgements, self.fakes, self.codes):
            held.clear()

    def mark_late(self) -> None:
        """Mark fakes that were given a graph after the generator returned them (reentrant activation checkpoints)."""
        for fake, made in self.fakes:
            if (image := fake()) is not None:
                mark(image, made)

    def note(self, fake: Tensor, made: Made) -> None:
        """The generator returned a tensor, which is not held."""
        self.fakes.append((weakref.ref(fake), made))

    def coded(self, code: Tensor) -> Made | None:
        """What this very tensor is, if the generator's entry returned it in this visit; None for any other."""
        return next((made for there, made in self.codes if there() is code), None)

    def made(self, image: Tensor) -> Made | None:
        """What this very tensor is, if the generator returned it in this visit; None for any other."""
        return next((made for fake, made in self.fakes if fake() is image), None)

    def translation(self, path: str | None = None) -> Tensor | None:
        """The newest translation that somebody still holds.

        Args:
            path: Which of the generator's outputs is the translation; by default the first.
        """
        living = [(made.path, image) for fake, made in self.fakes if (image := fake()) is not None]
        chosen = [image for place, image in living if place == path]
        chosen = chosen or [image for place, image in living if place == living[0][0]]
        return chosen[-1] if chosen else None


class SourceBinding:
    """The current visit of every pair.

    Pairs of one training share a binding, so that a generator can tell another pair's source from a stranger.

    Attributes:
        visits: By the pair's name: the visit under way.
        lineage: Which tensors show which of the images.
        newest: By the pair's name: the newest judgement of its fake.
        calls: By the pair's name: how its generator was called for fakes that were judged; these calls translate.
        shared: Whether several pairs have one generator.
        translators: Each pair's generator, weakly, and the method it is met at, by the pair's name.
        companions: By the pair's name: what else acts on its networks, from here on until the pair leaves.
        joined: By a new network's name: where it joined an optimizer.
    """

    binds_itself = False  # whether images are bound when a generator is called with them

    def __init__(self) -> None:
        self.visits: dict[str, Visit] = {}
        self._claimed: set[str] = set()
        self.lineage = Lineage()
        self.translators: dict[str, tuple[weakref.ReferenceType[nn.Module], str]] = {}
        self.newest: dict[str, Judgement] = {}
        self.calls: dict[str, set[Call]] = {}
        self.shared = False
        self.companions: dict[str, Companion] = {}
        self.joined: dict[str, Joined] = {}
        self._bound: set[str] = set()  # since the step began
        self._datasets = KeyWatch()
        # By the pair's name: images of visits that are over.
        self._over: deque[tuple[str, weakref.ReferenceType[Tensor]]] = deque(maxlen=16)

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
            images: ``(N, C, H, W)``, what the generator will be called with, or what that is then made of.
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
        if remember is not None and (flags := len(remember) if isinstance(remember, Sized) else 0) != count:
            found = f"{count} images, {flags} flags"
            raise ConfigError(f"bind: expected one flag an image, found {found}; change remember=")
        if named and keys is not None and isinstance(keys[0], ItemKey):
            self._datasets.see(pair, list(keys))
        if self.companions:
            self._note_step(pair)
        kept = None if remember is None or all(remember) else tuple(remember)
        visit = Visit(pair, weakref.ref(images), images.shape, named, view, kept)
        over = self.visits.get(pair)
        self.lineage.forget(over)
        if over is not None:
            self._over.append((pair, over.images))
            over.end()
        self.visits[pair] = visit
        self.lineage.begin(images, visit.shown)
        return visit

    def called_with(self, images: Tensor, pair: str) -> None:
        """A pair's generator is about to be called with images, which are bound now where ``binds_itself``."""

    def is_at_rest(self, pair: str) -> bool:
        """Whether a call before anything was bound is a test, though the generator is in training mode."""
        return not torch.is_grad_enabled()

    def refuse_lost(self, images: Tensor, pair: str) -> None:
        """Refuse a call of the generator that is computed again when its visit, and so its map, is over.

        Raises:
            GuideError: If these are images of such a visit, and of no visit of that pair that is under way.
        """
        shown = [one.visit for one in self.lineage.shown(images)]
        over = [there for name, there in self._over if self.visits.get(name) not in shown]
        living = [before for there in over if (before := there()) is not None]
        if any(is_part(images, before) for before in living):
            raise GuideError(
                f"pair {pair}: a call of the generator is computed again (activation checkpoint) after the next batch "
                "was bound, and its map is gone; call backward() before the next bind"
            )

    def _note_step(self, pair: str) -> None:
        """A step begins with the first pair that is bound again; the others may be bound later in it, between calls."""
        if pair in self._bound or not self._bound:
            self._bound.clear()
            for companion in self.companions.values():
                companion.begin_step()
        self._bound.add(pair)

    def current(self, pair: str) -> Visit | None:
        """The pair's visit under way, None before the first."""
        return self.visits.get(pair)

    def shown(self, images: Tensor, pair: str) -> Shown | None:
        """What a tensor shows of bound batches, whatever object it is; None for a stranger.

        Args:
            images: ``(N, C, H, W)``, what a generator is called with.
            pair: Name of that generator's pair.
        """
        visit, shown = self.visits.get(pair), self.lineage.shown(images)
        for one in shown:
            if one.visit is visit:
                return one
        return shown[0] if shown else None

    def translation(self, pair: str) -> Tensor | None:
        """What the pair's generator made of the visit under way, the newest that somebody still holds."""
        visit, newest = self.visits.get(pair), self.newest.get(pair)
        return None if visit is None else visit.translation(None if newest is None else newest.made.path)

    def forget(self, pair: str) -> None:
        """The pair leaves the training, and its visit ends."""
        visit = self.visits.pop(pair, None)
        if visit is not None:
            self.lineage.forget(visit)
            visit.end()
        self.lineage.pause()
        for known in (self.translators, self.newest, self.calls):
            known.pop(pair, None)
        self._claimed.discard(pair)
        if (companion := self.companions.pop(pair, None)) is not None:
            companion.remove()
            for other in self.companions.values():
                other.renew()
