"""Stages: where a network is met, and generators that are entered at one place and left at another (encode, decode)."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.arguments import translations
from guidegan_plugin.guidance.calls.binding import SourceBinding, Visit
from guidegan_plugin.guidance.calls.call_site import CallSiteHandle, Method, add_call_site, usual_method
from guidegan_plugin.guidance.calls.fake_tracking import fresh_code, mark, obstacle
from guidegan_plugin.guidance.calls.graph_walk import ARITHMETIC, CODE
from guidegan_plugin.guidance.calls.rows import Made
from guidegan_plugin.guidance.layers import unwrap


@dataclass(frozen=True, eq=False)
class Stage:
    """A network, and the method at which it is met.

    Attributes:
        module: The network.
        method: Name of the method.
    """

    module: nn.Module
    method: str

    def is_at(self, other: Stage) -> bool:
        """Whether both are the same method of the same network."""
        return self.module is other.module and self.method == other.method

    def __str__(self) -> str:
        name = type(unwrap(self.module)).__name__
        return name if self.method == usual_method(self.module) else f"{name}:{self.method}"


Where = nn.Module | Method | Stage
"""Where a network is met: the network itself, a method of it such as ``net.encode``, or a stage."""

Places = Where | Sequence[Where]
"""One place or several: of a generator its entry and its exit, of discriminators those that judge."""


def stage(where: object, role: str) -> Stage:
    """Where a network is met: at ``forward``, unless a method is named.

    Args:
        where: The network, a method of it, or a stage.
        role: What the network is, for messages: the argument that named it.

    Raises:
        ConfigError: If it is none of these.
    """
    if isinstance(where, Stage):
        return where
    if isinstance(where, nn.Module):
        return Stage(where, usual_method(where))
    owner, name = getattr(where, "__self__", None), getattr(where, "__name__", "")
    if isinstance(owner, nn.Module) and name:
        return Stage(owner, name)
    raise ConfigError(
        f"{role}: expected a torch.nn.Module, found {type(where).__name__}; change {role}= to a network or a method of "
        "one, such as net.encode"
    )


def stages(places: Places, role: str = "discriminator") -> list[Stage]:
    """Where networks are met, each as :func:`stage`.

    Raises:
        ConfigError: If one is no network, nor a method of one.
    """
    several: list[Any] = list(places) if isinstance(places, (list, tuple)) else [places]
    return [stage(place, role) for place in several]


def entry_and_exit(translator: Places) -> tuple[Stage, Stage | None]:
    """Where a generator is entered and left; no exit where the entry's call translates.

    Raises:
        ConfigError: If neither one nor two places are named.
    """
    found = stages(translator, "generator")
    if len(found) not in (1, 2):
        raise ConfigError(
            "generator: expected a network or (entry, exit), such as (gen_a.encode, gen_b.decode), found "
            f"{len(found)} places; change generator= (--guide_pairs)"
        )
    entry, last = found[0], found[-1]
    return entry, None if last.is_at(entry) else last


def modules(*met: Stage | None) -> list[nn.Module]:
    """The networks of stages, each once."""
    return list(dict.fromkeys(one.module for one in met if one is not None))


class ExitSite:
    """The call site on a generator's exit: what it makes of a visit's code is the visit's fake.

    Args:
        pair: Name of the pair.
        binding: Knows the visit under way and its code.
    """

    def __init__(self, pair: str, binding: SourceBinding) -> None:
        self._pair, self._binding = pair, binding

    def attach(self, exit_: Stage) -> CallSiteHandle:
        """Meet the exit where it is called.

        Raises:
            ConfigError: If it is guided in another training, or has no such method.
        """
        return add_call_site(exit_.module, exit_.method, self._called, self._binding)

    def _called(self, module: nn.Module, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._binding.lineage.watching:
            self._binding.lineage.pause()
        visit = self._binding.visits.get(self._pair)
        made = None if visit is None else _descent(visit, args, kwargs)
        output = method(*args, **kwargs)
        if visit is not None and made is not None:
            for path, image in translations(output):
                if image.dim() == 4 and len(image) == len(made.rows):
                    mark(image, one := replace(made, path=path))
                    visit.note(image, one)
        return output


def note_code(visit: Visit, made: Made, output: object) -> None:
    """The entry was called with images of a visit: each tensor with a row an image is the visit's code.

    Args:
        visit: The visit.
        made: What the code is made of.
        output: What the entry returned, nested in any way.
    """
    for path, code in translations(output):
        if code.dim() and len(code) == len(made.rows):
            mark(code, one := replace(made, path=path), CODE)
            visit.codes.append((weakref.ref(code), one))


def _descent(visit: Visit, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Made | None:
    """What the arguments of an exit show of a visit's code, None where they show none of it."""
    tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor) and leaf.dim()]
    for tensor in tensors:
        made = fresh_code(tensor) or visit.coded(tensor)
        if made is not None and made.visit is visit:
            return made
    if visit.codes and not visit.fakes and not visit.seen.between:
        visit.seen.between = next(filter(None, (obstacle(tensor, CODE, ARITHMETIC) for tensor in tensors)), "")
    visit.seen.left += bool(visit.codes)
    return None
