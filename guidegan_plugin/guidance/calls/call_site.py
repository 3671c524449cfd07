"""Call site: the method of a module at which a network is met, however that method is called.

A forward hook of torch fires for ``network(x)`` alone. ``network.forward(x)`` and ``network.encode(x)`` pass a hook by,
and several codebases call their networks so. A call site is the method itself: the module is given a subclass of its
own class, as ``torch.nn.utils.parametrize`` does, and that subclass's method acts around the original one.
"""

from __future__ import annotations

import functools
import types
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.layers import is_compiled

Arguments = tuple[tuple[Any, ...], dict[str, Any]]
Method = Callable[..., Any]

SITES = "_guidegan_call_sites"  # in the module's __dict__: no parameter, no buffer, no submodule
_ORIGINAL = "__guidegan_original__"


class Around(Protocol):
    """What is done in place of a call, the call itself included."""

    def __call__(self, module: nn.Module, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call.

        Args:
            module: The network.
            method: Its original method, bound to the network.
            args: Of the call.
            kwargs: Of the call.
        """


class StandIn(Protocol):
    """How a copy or a pickle of a network changes the arguments of its method; must be picklable."""

    def __call__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
        """The arguments that the copy's method is to be given."""


def unchanged(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments:
    """The stand-in of a network that is only listened to."""
    return args, kwargs


class InertSite:
    """What a copy or a pickle of a network has in its call site's place.

    Args:
        stand_in: Changes the arguments of the method.
    """

    sole: Around | None = None
    mute = False

    def __init__(self, stand_in: StandIn) -> None:
        self.stand_in = stand_in

    def answer(self, module: nn.Module, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call the original method with the stand-in's arguments."""
        args, kwargs = self.stand_in(args, kwargs)
        return method(*args, **kwargs)


class CallSite(InertSite):
    """One method of one module; acts on that very module only.

    Args:
        module: The module.
        training: What those share who meet the module together: the pairs of one training.
        stand_in: Takes its place in copies and pickles of the module, and in replicas of ``torch.nn.DataParallel``.

    Attributes:
        training: As given.
        module: As given, weakly.
        arounds: Who answers the calls of the module, the first outermost.
        sole: Who does, where there is but one.
        mute: Whether nobody does, apart from one that says it is ``innermost``, which copies do without.
    """

    def __init__(self, module: nn.Module, training: object, stand_in: StandIn = unchanged) -> None:
        super().__init__(stand_in)
        self.module, self.training = weakref.ref(module), training
        self.arounds: list[Around] = []
        self.mute = True

    def add(self, around: Around) -> None:
        """One more answers the calls: inside of those there are, but outside of one that says it is ``innermost``."""
        inner = sum(getattr(one, "innermost", False) for one in self.arounds)
        self.arounds.insert(len(self.arounds) - inner, around)
        self._count()

    def drop(self, around: Around) -> None:
        """One answers the calls no longer; harmless where that one does not."""
        if around in self.arounds:
            self.arounds.remove(around)
        self._count()

    def _count(self) -> None:
        self.sole = self.arounds[0] if len(self.arounds) == 1 else None
        self.mute = all(getattr(one, "innermost", False) for one in self.arounds)

    def answer(self, module: nn.Module, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call of the module; a replica, which shares this object, is answered as a copy.

        A replica of a module whose wrapper is met in its place is given what the wrapper passes on, as it is.
        """
        if self.module() is not module and self.arounds:
            return super().answer(module, method, args, kwargs)
        for around in self.arounds[:0:-1]:
            method = functools.partial(_answer_around, around, module, method)
        return self.arounds[0](module, method, args, kwargs) if self.arounds else method(*args, **kwargs)

    def __deepcopy__(self, memo: dict[int, object]) -> InertSite:
        return InertSite(self.stand_in)

    def __reduce__(self) -> tuple[type[InertSite], tuple[StandIn]]:
        return InertSite, (self.stand_in,)


def _answer_around(around: Around, module: nn.Module, method: Method, *args: Any, **kwargs: Any) -> Any:
    return around(module, method, args, kwargs)


class _Met(nn.Module):
    """Mixed into a network's class while the network has a call site; instances are copied by their original class."""

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        state: dict[str, Any] = {**getattr(self, "__getstate__", self.__dict__.copy)()}
        # A copy of a network that was compiled in place is not compiled.
        inner = {} if is_compiled(self) else {"__call__": "forward"}
        state[SITES] = {inner.get(name, name): site for name, site in vars(self)[SITES].items()}
        return _blank, (getattr(type(self), _ORIGINAL), tuple(state[SITES])), state

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile the network in place, and meet it outside of its graph from now on."""
        super().compile(*args, **kwargs)
        sites = vars(self)[SITES]
        if "forward" in sites:
            sites["__call__"] = sites.pop("forward")
            _set_class(self)

    def __prepare_scriptable__(self) -> nn.Module:
        # TorchScript compiles the source of the original method, so what a stand-in does would be left out in silence.
        original = original_class(self)
        if any(site.stand_in is not unchanged for site in vars(self)[SITES].values()):
            raise ConfigError(
                f"a guided {original.__name__} cannot be scripted: TorchScript would leave out the map in its input; "
                "use torch.export.export or torch.jit.trace, or detach() its guide and fold the map in (guidegan bake)"
            )
        plain: nn.Module = original.__new__(original)
        vars(plain).update({name: value for name, value in vars(self).items() if name != SITES})
        return plain


def _blank(original: type[nn.Module], methods: tuple[str, ...]) -> nn.Module:
    """A module without its state, which copy and pickle set next."""
    met = _met_class(original, methods)
    return met.__new__(met)


def _met_class(original: type[nn.Module], methods: tuple[str, ...]) -> type[nn.Module]:
    names = ("__module__", "__qualname__", "__doc__")
    space: dict[str, Any] = {name: getattr(original, name) for name in names} | {_ORIGINAL: original}
    made: type[nn.Module] = type(original.__name__, (_Met, original), space)
    for method in methods:
        setattr(made, method, _met_method(getattr(original, method), method))
    return made


def _met_method(method: Method, name: str) -> Method:
    @functools.wraps(method)
    def call(self: nn.Module, *args: Any, **kwargs: Any) -> Any:
        site, own = self.__dict__[SITES][name], types.MethodType(method, self)
        # Inside a graph a call site would break the graph: Guide.follow puts the call site on the compiled wrapper and
        # mutes this one. Where it is not mute the graph is an export, say, and does what a copy does.
        if torch.compiler.is_compiling():
            return own(*args, **kwargs) if site.mute else InertSite.answer(site, self, own, args, kwargs)
        if site.sole is not None and site.module() is self:
            return site.sole(self, own, args, kwargs)
        return site.answer(self, own, args, kwargs)

    return call


@dataclass(frozen=True)
class CallSiteHandle:
    """Something that answers the calls at a call site, and can be removed.

    Attributes:
        site: The call site.
        around: What answers.
    """

    site: CallSite
    around: Around

    def mute(self) -> None:
        """Do nothing any more; the module keeps its class, which a compiled wrapper of the module may know."""
        self.site.drop(self.around)

    def remove(self) -> None:
        """Do nothing any more; when nobody does, the module's class is what it was. Twice is fine."""
        self.mute()
        module = self.site.module()
        sites = {} if module is None else vars(module).get(SITES, {})
        methods = [method for method, site in sites.items() if site is self.site]
        if module is not None and methods and not self.site.arounds:
            del sites[methods[0]]
            _set_class(module)


def add_call_site(
    module: nn.Module, method: str, around: Around, training: object, stand_in: StandIn = unchanged
) -> CallSiteHandle:
    """Meet a module at one of its methods; what a copy or a pickle left there is taken off.

    Args:
        module: The module.
        method: Name of the method.
        around: Answers the calls.
        training: Those of one training may meet a module together; anybody else is refused.
        stand_in: For copies of the module.

    Raises:
        ConfigError: If the module has no such method, or another training meets the module.
    """
    if not callable(getattr(type(module), method, None)):
        known = [name for name in vars(original_class(module)) if not name.startswith("_")]
        raise ConfigError(
            f"{type(module).__name__} has no method {method!r} (it has {', '.join(known) or 'none'}); change the name "
            "behind the colon of generator= or discriminator= (--guide_pairs)"
        )
    sites = vars(module).setdefault(SITES, {})
    for name in [name for name, there in sites.items() if not isinstance(there, CallSite)]:
        del sites[name]
    site = sites.setdefault(method, CallSite(module, training, stand_in))
    if site.training is not training and site.arounds:
        raise ConfigError(f"this {type(module).__name__} is guided already; call detach() on its guide first")
    site.training = training
    if site.stand_in is unchanged:
        site.stand_in = stand_in
    site.add(around)
    _set_class(module)
    return CallSiteHandle(site, around)


def usual_method(module: nn.Module) -> str:
    """Where a network is met unless something else is said: ``forward``, and outside of the graph of a compiled one."""
    return "__call__" if is_compiled(module) or module._compiled_call_impl is not None else "forward"


def _set_class(module: nn.Module) -> None:
    original, sites = original_class(module), vars(module)[SITES]
    if sites:
        found = _met_class(original, tuple(sites))
    else:
        del vars(module)[SITES]
        found = original
    # Past the module's own __setattr__: a compiled wrapper hands what is set on to the network inside of it.
    object.__setattr__(module, "__class__", found)


def original_class(module: nn.Module) -> type[nn.Module]:
    """The class of a module, whether the module has a call site or not."""
    found: type[nn.Module] = getattr(type(module), _ORIGINAL, type(module))
    return found


def arounds_of(module: nn.Module, method: str = "") -> list[Around]:
    """Who answers calls of a module, at one of its methods or at any; a copy of such a module has none."""
    sites = vars(module).get(SITES, {})
    found = [site for name, site in sites.items() if method in ("", name)]
    return [around for site in found if isinstance(site, CallSite) for around in site.arounds]
