"""The guidance of one object that trains: its networks are found, and its sources bind themselves."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from guidegan_plugin.attaching.attach_pairs import attach_pairs
from guidegan_plugin.attaching.factory import GuideFactory, share_of
from guidegan_plugin.attaching.mechanism_options import warn_of_unused
from guidegan_plugin.attaching.pairs import Pair, Where
from guidegan_plugin.attaching.places import JUDGES, STAGES, follow_path, read_places
from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import ConfigError, GuideError
from guidegan_plugin.guidance.calls.binding import SourceBinding, Visit
from guidegan_plugin.guidance.calls.lineage import is_part
from guidegan_plugin.guidance.calls.stages import Stage, stages
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.memory.view import View
from guidegan_plugin.plugins.manager import create_manager

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How instances of one class are guided; as :func:`~guidegan_plugin.attaching.decorator.guided` was given it."""

    pairs: tuple[Pair, ...]
    config: GuideConfig
    plugins: tuple[object, ...]
    optimizers: Callable[[Any], Iterable[Optimizer]] | None
    memory: str
    judged: Callable[[Tensor, Tensor], Tensor] | None
    total_steps: int | None = None


def left_in_copy(guided: bool) -> str | None:
    """What a copied or pickled instance has in place of its guidance: nothing where it was not guided yet."""
    return "copied" if guided else None


class InstanceGuidance(SourceBinding):
    """The guidance of one instance: a binding that binds by itself when a generator is called with its source."""

    binds_itself = True

    def __init__(self, instance: object, plan: Plan) -> None:
        super().__init__()
        self.guides: dict[str, Guide] = {}
        self.instance, self._plan = weakref.ref(instance), plan
        self._pairs = {pair.name: pair for pair in plan.pairs}
        self._batch: object = None
        self._due: set[str] = set()  # pairs whose source no generator has taken since the batch came
        self._warned: set[str] = set()
        self._inside = self._placed = False

    def __reduce__(self) -> tuple[Callable[[bool], str | None], tuple[bool]]:
        return left_in_copy, (bool(self.guides),)

    @contextmanager
    def step(self, batch: object) -> Iterator[None]:
        """A call of the method that takes the batch."""
        if self._inside:  # an override that calls its base's
            yield
            return
        self.attach(required=False)
        self._begin(batch)
        self._inside = True
        try:
            yield
        finally:
            self._inside = False
        self.attach()

    def _begin(self, batch: object) -> None:
        for name in self._due - (set() if self._plan.config.strict else self._warned) if self.guides else ():
            self._say_not_taken(name)
        for companion in self.companions.values():
            companion.begin_step()
        self._batch = batch
        self._due = set(self._pairs) if self._plan.config.attention != "none" else set()

    def _say_not_taken(self, name: str) -> None:
        pair, generator = self._pairs[name], self._networks(self._pairs[name])[0]
        cause = f"no generator call took the tensor that is source {pair.source!r} in the last step"
        if self._find(pair.source) is None:
            cause = f"{self._neither()} has source {pair.source!r} for the generator"
        cure = f"change source= to the very tensor it is called with, or call self.guides[{name!r}].bind(images, keys)"
        message = f"pair {name}: {cause}, so no map was read or written; {cure}"
        # A step that trains the discriminator alone is no error, and a source that was taken once is right.
        trained = generator and any(weight.grad is not None for weight in generator[0].module.parameters())
        if self._plan.config.strict and trained and name not in self.visits:
            raise GuideError(f"{message} (strict=True, --guide_strict)")
        if name not in self._warned:
            _log.warning("%s", message)
        self._warned.add(name)

    def _neither(self) -> str:
        fields = f" (it has {', '.join(map(str, self._batch))})" if isinstance(self._batch, Mapping) else ""
        return f"neither {type(self.instance()).__name__} nor its batch{fields}"

    def called_with(self, images: Tensor, pair: str) -> None:
        """A source that a generator is called with for the first time in this step is bound."""
        parts, guide, found = self._pairs[pair], self.guides.get(pair), self.shown(images, pair)
        own = found is not None and any(row is not None and row.visit.pair == pair for row in found.rows)
        if guide is None or (own and pair not in self._due):
            return
        source = self._find(parts.source)
        if not isinstance(source, Tensor) or not is_part(images, source):
            return
        generator, judges = self._networks(parts)
        self._due.discard(pair)
        if generator and generator[0].module.training and judges:
            guide.bind(source, self._keys(parts), self._view(parts))

    def _note_step(self, pair: str) -> None:
        """A step begins with the batch: what is bound later may be bound between two calls of the networks."""

    def bind(
        self,
        pair: str,
        images: Tensor,
        keys: Sequence[str] | Tensor | None,
        view: View | None = None,
        remember: Sequence[bool] | None = None,
    ) -> Visit:
        """As the base."""
        visit = super().bind(pair, images, keys, view, remember)
        self._due.discard(pair)
        if not self._due:
            self._batch = None
        return visit

    def _find(self, where: Where | None, in_batch: bool = True) -> Any:
        """What is found on the instance or else in the batch, None if nothing is."""
        places = (self.instance(), self._batch if in_batch and not callable(where) else None)
        for place in places if where is not None else ():
            found = follow_path(place, str(where)) if not callable(where) else _called(where, place)
            if found is not None:
                return found
        return None

    def _keys(self, pair: Pair) -> Sequence[str] | Tensor | None:
        keys: Sequence[str] | Tensor | None = self._find(pair.keys)
        if keys is None and self._plan.memory != "batch":
            raise ConfigError(
                f"pair {pair.name}: {self._neither()} has keys {pair.keys!r}; change keys=, or memory='batch' where a "
                "loader has none"
            )
        return keys

    def _view(self, pair: Pair) -> View | None:
        view: View | None = self._find(pair.view_field)
        if view is None and isinstance(pair.views, str):
            raise ConfigError(f"pair {pair.name}: {self._neither()} has views {pair.views!r}; change views=")
        known = View.known(view) if isinstance(view, Tensor) else None
        return view if known is None else known

    def _networks(self, pair: Pair) -> tuple[list[Stage], list[Stage]]:
        """Where the generator is entered and left, and where those that judge it are met; none where one lacks."""
        return self._places(pair.generator, STAGES), self._places(pair.discriminator, JUDGES)

    def _places(self, where: Where, between: str) -> list[Stage]:
        try:
            if callable(where):
                return stages(self._find(where))
            return [place.at(self._find(place.path, in_batch=False)) for place in read_places(where, between)]
        except ConfigError:  # no network, or none yet
            return []

    def attach(self, required: bool = True) -> None:
        """Guide the networks if they are not yet, and give new parameters to optimizers there are by now.

        Raises:
            ConfigError: If a required network is missing, or new parameters get gradients that no optimizer takes.
        """
        for pair in self._pairs.values() if not self.guides else ():
            generator, judges = self._networks(pair)
            # A generator in eval mode without a discriminator is being tested.
            if not generator or (not judges and generator[0].module.training):
                if required:
                    raise self._lack(pair, "discriminator" if generator else "generator")
                return
        if not self.guides:
            self._build()
        if not self._placed:
            self._place_parameters()

    def _lack(self, pair: Pair, role: str) -> ConfigError:
        instance = self.instance()
        has = ", ".join(name for name, value in vars(instance).items() if isinstance(value, nn.Module)) or "none"
        return ConfigError(
            f"pair {pair.name}: {type(instance).__name__} has no {role} {getattr(pair, role)!r} (networks among its "
            f"attributes: {has}); change {role}="
        )

    def _build(self) -> None:
        plan = self._plan
        factory = GuideFactory.open(plan.config, manager := create_manager(plan.plugins), self)
        warn_of_unused(manager, plan.config)
        own = {pair.name: pair for pair in plan.pairs}

        def make(name: str, generator: Sequence[Stage], judges: Sequence[Stage]) -> Guide:
            how = not judges, plan.memory, plan.judged, share_of(plan.total_steps), None, own[name].key_of
            return factory.guide(generator, judges or None, name, *how)

        found = {name: self._networks(pair) for name, pair in own.items()}
        there = {name: networks for name, networks in found.items() if networks[0]}
        self.guides |= attach_pairs(there, make, plan.config, tuple(self._optimizers()))

    def _place_parameters(self) -> None:
        try:
            for guide in self.guides.values():
                guide.join(self._optimizers())
            self._placed = True
        except ConfigError:
            new = [network for guide in self.guides.values() for network in guide.networks().values()]
            # Without a gradient nothing was lost yet: the optimizer may still be to come, or this is a test.
            if any(parameter.grad is not None for network in new for parameter in network.parameters()):
                raise

    def _optimizers(self) -> Iterable[Optimizer]:
        instance = self.instance()
        if self._plan.optimizers is None:
            return _optimizers_in(vars(instance))
        try:
            return self._plan.optimizers(instance)
        except (AttributeError, LookupError, TypeError):  # not there yet
            return ()


def _called(where: Callable[[Any], Any], place: object) -> Any:
    try:
        return where(place)
    except (AttributeError, LookupError, TypeError):  # not there, or not there yet
        return None


def _optimizers_in(value: object, depth: int = 3) -> Iterator[Optimizer]:
    if isinstance(value, Optimizer):
        yield value
    elif isinstance(value, (Mapping, list, tuple)) and depth:
        for item in value.values() if isinstance(value, Mapping) else value:
            yield from _optimizers_in(item, depth - 1)
