"""``guided``: guidance for a class of your own; nothing inside the class changes.

@guided(Pair(generator="netG", discriminator="netD", source="real_A", keys="paths"))
class MyTranslator: ...
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from torch import Tensor
from torch.optim import Optimizer

from guidegan_plugin.attaching.factory import share_of
from guidegan_plugin.attaching.given import check_how, expect_function
from guidegan_plugin.attaching.instance import InstanceGuidance, Plan
from guidegan_plugin.attaching.pairs import Pair, check_distinct
from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.guide import Guide

_TAKES_BATCH = ("set_input", "training_step", "train_step", "train_on_batch")
_PLACE = "_guidegan"  # where an instance keeps its guidance

C = TypeVar("C")


def guided(
    *pairs: Pair,
    config: GuideConfig | None = None,
    bind_in: str | None = None,
    plugins: Iterable[object] = (),
    optimizers: Callable[[Any], Iterable[Optimizer]] | None = None,
    memory: str = "image",
    judged: Callable[[Tensor, Tensor], Tensor] | None = None,
    total_steps: int | None = None,
) -> Callable[[type[C]], type[C]]:
    """Guide the generators of a class of your own.

    Networks are attached when ``bind_in`` is first called, or ``self.guides`` (guides by the pair's name) is first
    read: read it before you load weights into a generator that ``concat="alpha"`` widens. From then on a call of G
    with the very tensor that is ``source`` at that moment is a visit of that source; its keys and views are looked up
    on the instance, then in the batch. So it does not matter whether ``bind_in`` only takes the batch or trains on
    it, too. Where that does not fit, say it yourself: ``self.guides["A"].bind(images, keys)``.

    New parameters join the optimizers among the instance's attributes (also in lists and dicts) that hold G's, or D's.
    A copy of a guided instance computes what test time does and is not guided.

    Args:
        pairs: What to guide, and where it is found.
        config: How; the defaults are the paper's PHA + RHP.
        bind_in: Method that is called once a step with the batch as its first argument; by default the first there is
            of ``set_input``, ``training_step``, ``train_step`` and ``train_on_batch``.
        plugins: Plugins beside the installed ones.
        optimizers: From an instance to its optimizers, where they are not among its attributes.
        memory: As for :func:`~guidegan_plugin.attaching.factory.attach`; pairs need no keys with ``"batch"``.
        judged: As for :func:`~guidegan_plugin.attaching.factory.attach`.
        total_steps: As for :func:`~guidegan_plugin.attaching.factory.attach`.

    Returns:
        A decorator that returns the class it was given.

    Raises:
        ConfigError: At the class, if an argument is of another type, there is no pair, two have one name, one lacks
            keys, or the class lacks the method; at an instance's first need, if it lacks a network, a network the
            layer, or a fading training its ``total_steps``.
        PluginError: At an instance's first need, if a name is unknown.
    """
    for pair in pairs:
        if not isinstance(pair, Pair):
            found = f"{type(pair).__name__} {getattr(pair, '__name__', '')}".strip()
            raise ConfigError(f"guided: expected pairs, found {found}; write @guided(Pair(...)) above the class")
    check_how(config, plugins, judged)
    expect_function("optimizers", optimizers, "of an instance")
    share_of(total_steps)
    if not pairs:
        raise ConfigError("guided: expected at least one Pair, found none; change pairs")
    check_distinct(pairs)
    keyless = [pair.name for pair in pairs if pair.keys is None]
    if keyless and memory != "batch":
        raise ConfigError(f"pair {keyless[0]} has no keys; change keys=, or memory='batch' where a loader has none")
    plan = Plan(pairs, config or GuideConfig(), tuple(plugins), optimizers, memory, judged, total_steps)
    return functools.partial(_decorate, plan=plan, bind_in=bind_in)


def _decorate(decorated: type[C], plan: Plan, bind_in: str | None) -> type[C]:
    title = decorated.__name__
    candidates = (bind_in,) if bind_in is not None else _TAKES_BATCH
    method = next((name for name in candidates if callable(getattr(decorated, name, None))), None)
    if method is None:
        raise ConfigError(f"{title} has no method {' or '.join(candidates)} that takes the batch; change bind_in=")
    if hasattr(decorated, "guides"):
        raise ConfigError(f"{title} has an attribute 'guides' already, its own or a guided base's; rename it")

    def guides(self: object) -> dict[str, Guide]:
        """Guides by the pair's name."""
        guidance = _guidance_of(self, plan)
        if guidance is None:
            raise ConfigError(
                f"this {title} is a copy of a guided one: it computes what test time does and is not guided; "
                "make a new one and load its weights"
            )
        guidance.attach()
        return guidance.guides

    own = vars(decorated).get("__init_subclass__")

    def init_subclass(subclass: type, /, **options: Any) -> None:
        if own is not None:
            own.__get__(None, subclass)(**options)
        else:
            super(decorated, subclass).__init_subclass__(**options)  # type: ignore[misc]  # object has one
        if method in vars(subclass):  # an override that need not call its base's
            setattr(subclass, method, _stepping(vars(subclass)[method], plan))

    for name, value in {
        method: _stepping(getattr(decorated, method), plan),
        "guides": property(guides),
        "__init_subclass__": classmethod(init_subclass),
    }.items():
        setattr(decorated, name, value)
    return decorated


def _stepping(method: Callable[..., Any], plan: Plan) -> Callable[..., Any]:
    """The method, each call of it a step."""

    @functools.wraps(method)
    def call(self: object, *args: Any, **kwargs: Any) -> Any:
        guidance = _guidance_of(self, plan)
        if guidance is None:
            return method(self, *args, **kwargs)
        with guidance.step(next(iter((*args, *kwargs.values())), None)):
            return method(self, *args, **kwargs)

    return call


def _guidance_of(instance: object, plan: Plan) -> InstanceGuidance | None:
    """An instance's guidance, made at its first need; None for a copy of a guided instance."""
    found = vars(instance).get(_PLACE)
    if found is None:
        found = vars(instance)[_PLACE] = InstanceGuidance(instance, plan)
    return found if isinstance(found, InstanceGuidance) and found.instance() is instance else None
