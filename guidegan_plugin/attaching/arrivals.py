"""Batches as a loader yields them, and a binding that binds them when a generator is called with their images."""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from guidegan_plugin.attaching.pairs import Pair
from guidegan_plugin.attaching.places import follow_path
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.binding import SourceBinding, Visit
from guidegan_plugin.guidance.calls.lineage import Shown
from guidegan_plugin.guidance.calls.rows import Row
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.memory.view import View
from guidegan_plugin.utils.loaded import Opened, leaves

_AHEAD = 2  # batches of one loader that may be under way: scripts fetch one ahead

Keys = Sequence[str] | Tensor


@dataclass(eq=False)
class Batch:
    """A batch that a loader yielded.

    Attributes:
        content: The batch itself.
        files: Of each of its items, the files that were opened for it; none where nobody knows.
        images: Its tensors ``(N, C, H, W)``, by their path in the batch; ``""`` for a batch that is one tensor.
    """

    content: Any
    files: tuple[Opened, ...] = ()
    images: dict[str, Tensor] = field(init=False)

    def __post_init__(self) -> None:
        self.images = {path: value for path, value in leaves(self.content) if value.dim() == 4}

    def keys(self, path: str, count: int) -> tuple[str, ...] | None:
        """The files that images of the batch were made of.

        Where it was not observed which file an image shows, an item that opened one file is of that file, and one that
        opened as many as it has images has them in that order.

        Args:
            path: Of the images.
            count: How many there are.

        Returns:
            A key an image; None where nobody can tell.
        """
        files = self.files
        if len(files) == 1 and len(files[0].keys) == count > 1:  # a loader whose items are batches
            return files[0].keys
        if len(files) != count:
            return None
        place = list(self.images).index(path)
        keys = [_key(one, path, place, len(self.images)) for one in files]
        return None if None in keys else tuple(key for key in keys if key is not None)

    def view(self, path: str, count: int) -> View | None:
        """Where the pixels of the batch's images lie in their files; None where it was not observed."""
        shown = [one.showing(path) for one in self.files]
        if len(shown) != count or None in shown:
            return None
        thetas = [one.theta for one in shown if one is not None]
        return View(torch.tensor(thetas, device="cpu").view(-1, 2, 3))


def _key(opened: Opened, path: str, place: int, count: int) -> str | None:
    if (shown := opened.showing(path)) is not None:
        return opened.keys[shown.file]
    if len(opened.keys) == 1:
        return opened.keys[0]
    return opened.keys[place] if len(opened.keys) == count else None


@dataclass(eq=False)
class Arrival:
    """Images of a batch, before a generator is called with them.

    Attributes:
        batch: Theirs.
        path: Their path in the batch.
        loader: The loader that yielded it.
        visits: By the pair's name, the visit they were bound for.
        settled: By the pair's name, "judged", or how often an optimizer had stepped when they were bound.
    """

    batch: Batch
    path: str
    loader: weakref.ReferenceType[object]
    settled: dict[str, str | int] = field(default_factory=dict)
    visits: dict[str, weakref.ReferenceType[Visit]] = field(default_factory=dict)


class ArrivalBinding(SourceBinding):
    """A binding that binds by itself: images of a loaded batch, once the generator that reads them is called for.

    Scripts show samples between their steps, often in training mode and with gradient. Such a visit is known when it is
    over: no optimizer stepped in it, and nobody judged it. What a loader yields for samples alone is not bound again.

    Attributes:
        guides: By the pair's name.
        before_bind: Called before a pair's images are bound.
    """

    binds_itself = True

    def __init__(self, pairs: Sequence[Pair], before_bind: Callable[[Guide], None]) -> None:
        super().__init__()
        self._pairs = {pair.name: pair for pair in pairs}
        self.guides: dict[str, Guide] = {}
        self.before_bind = before_bind
        self._arrived: MutableMapping[object, deque[list[Arrival]]] = weakref.WeakKeyDictionary()
        self._bound_for: dict[str, Arrival] = {}  # by the pair's name: of the visit under way
        self._trained: MutableMapping[object, set[str]] = weakref.WeakKeyDictionary()  # by the loader: since its start
        self._unfinished: set[str] = set()  # by any loader
        self._trains: MutableMapping[object, set[str]] = weakref.WeakKeyDictionary()  # the same, ever
        self._samples: MutableMapping[object, set[str]] = weakref.WeakKeyDictionary()  # pairs it yields samples for
        self._steps = 0

    def stepped(self) -> None:
        """An optimizer changes weights."""
        self._steps += 1

    def arrived(self, loader: object, batch: Batch) -> None:
        """A loader yields a batch; from now on copies of its images are noted.

        Args:
            loader: Tells one loader from another.
            batch: What it yields.
        """
        known = self._arrived.setdefault(loader, deque())
        while len(known) >= _AHEAD:
            for gone in known.popleft():
                self.lineage.forget(gone)
        known.append([])
        for path, images in batch.images.items():
            arrival = Arrival(batch, path, weakref.ref(loader))
            known[-1].append(arrival)
            rows = tuple(Row(arrival, index) for index in range(len(images)))
            self.lineage.begin(images, Shown(rows, (0, images.shape[1]), arrival))

    def trained(self, loader: object = None) -> set[str]:
        """Pairs that were seen to be judged on what a loader has yielded since this was asked last.

        Args:
            loader: Which; None for any, also those that are gone.
        """
        for pair in self._bound_for:
            self._settle(pair)
        found = set(self._unfinished) if loader is None else self._trained.pop(loader, set())
        self._unfinished -= found
        return found

    def _settle(self, pair: str, over: bool = False) -> None:
        """See what became of a pair's visit: a step of the training, or a sample once it is over."""
        visit, arrival = self.visits.get(pair), self._bound_for.get(pair)
        loader = None if arrival is None else arrival.loader()
        if visit is None or arrival is None or loader is None or arrival.settled.get(pair) == "judged":
            return
        if visit.judged:
            arrival.settled[pair] = "judged"
            self._unfinished.add(pair)
            for known in (self._trained, self._trains):
                known.setdefault(loader, set()).add(pair)
        elif over and arrival.settled[pair] == self._steps and any(pair in one for one in self._trains.values()):
            visit.seen.sample = True
            if pair not in self._trains.get(loader, ()):
                self._samples.setdefault(loader, set()).add(pair)

    def called_with(self, images: Tensor, pair: str) -> None:
        """Bind the batch whose images these are, if it is the pair's source and this is no test."""
        guide, generator = self.guides.get(pair), self.translators[pair][0]()
        if guide is None or not guide.judges:  # nobody judges: a test, whatever mode the networks are in
            return
        if generator is None or not generator.training or not torch.is_grad_enabled():
            return
        for shown in self.lineage.shown(images):
            if isinstance(arrival := shown.visit, Arrival) and self._reads(pair, arrival):
                bound = arrival.visits.get(pair)
                if bound is None or bound() is not self.visits.get(pair):
                    self._bind_arrival(guide, arrival)
                return

    def is_at_rest(self, pair: str) -> bool:
        """As the base; where nobody judges, too."""
        guide = self.guides.get(pair)
        return super().is_at_rest(pair) or (guide is not None and not guide.judges)

    def _reads(self, pair: str, arrival: Arrival) -> bool:
        source = self._pairs[pair].source
        return source in ("", arrival.path) and pair not in self._samples.get(arrival.loader(), ())

    def _bind_arrival(self, guide: Guide, arrival: Arrival) -> None:
        self.before_bind(guide)
        self._settle(guide.name, over=True)
        pair, images = self._pairs[guide.name], arrival.batch.images[arrival.path]
        guide.bind(images, self._keys(pair, arrival, len(images)), self._view(pair, arrival))
        self.lineage.pause()  # the generator's layers come next
        visit = self.visits[guide.name]
        arrival.visits[guide.name] = weakref.ref(visit)
        arrival.settled[guide.name] = self._steps
        self._bound_for[guide.name] = arrival

    def _keys(self, pair: Pair, arrival: Arrival, count: int) -> Keys:
        batch = arrival.batch
        if pair.keys:
            keys: Keys | None = follow_path(batch.content, str(pair.keys))
            missing = f"its batch{_fields(batch.content)} has no keys {pair.keys!r}"
        else:
            keys = batch.keys(arrival.path, count)
            opened = max((len(one.keys) for one in batch.files), default=0)
            missing = f"an item opened {opened} images and holds {len(batch.images)}, so nobody can tell which is which"
        if keys is None:
            raise ConfigError(
                f"pair {pair.name}: {missing}; name the field of the batch that says which images these are: "
                "generator:discriminator:source:keys (--guide_pairs)"
            )
        return keys

    def _view(self, pair: Pair, arrival: Arrival) -> View | None:
        if pair.views:
            view = follow_path(content := arrival.batch.content, str(pair.views))
            if not isinstance(view, Tensor):
                found = f"its batch{_fields(content)} has no views {pair.views!r}"
                if view is not None:
                    found = f"expected views (N, 2, 3) at {pair.views!r}, found {type(view).__name__}"
                raise ConfigError(f"pair {pair.name}: {found}; change views= (--guide_pairs)")
            return View.known(view)
        return arrival.batch.view(arrival.path, len(arrival.batch.images[arrival.path]))

    def shown(self, images: Tensor, pair: str) -> Shown | None:
        """As the base; what shows images of a loaded batch shows those of the visit they were bound for."""
        found = super().shown(images, pair)
        if found is None or not isinstance(arrival := found.visit, Arrival):
            return found
        reference = arrival.visits.get(pair)
        visit = None if reference is None else reference()
        if visit is None or visit is not self.visits.get(pair):
            return None
        rows = tuple(replace(row, visit=visit) if row and row.visit is arrival else None for row in found.rows)
        return replace(found, rows=rows, visit=visit)


def _fields(content: object) -> str:
    return f" (it has {', '.join(map(str, content))})" if isinstance(content, Mapping) else ""
