"""What a generator is called with and what it returns, nested in any way."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.utils._pytree import keystr, tree_flatten_with_path

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.call_site import Arguments

Place = int | str
"""Where an argument stands: its position, or its keyword."""


def translations(output: object) -> list[tuple[str, Tensor]]:
    """The tensors among what a generator returned, nested in any way, each with the place where it stands."""
    leaves = [(keystr(path), leaf) for path, leaf in tree_flatten_with_path(output)[0]]
    return [(path, leaf) for path, leaf in leaves if isinstance(leaf, Tensor)]


def plain_values(kwargs: Mapping[str, Any]) -> tuple[tuple[str, object], ...]:
    """Arguments by keyword that tell one kind of call from another: their names, and flags and words."""
    kinds = (bool, str, type(None))
    return tuple(sorted((name, value if isinstance(value, kinds) else "") for name, value in kwargs.items()))


def find_images(args: tuple[Any, ...], kwargs: Mapping[str, Any], known: Place | None = None) -> tuple[Place, Tensor]:
    """The images among a network's arguments: where they are known to be, else the first tensor with four dimensions.

    Returns:
        Their position or keyword, and the tensor ``(N, C, H, W)``.

    Raises:
        ConfigError: If there are none.
    """
    places: list[tuple[Place, Any]] = [*enumerate(args), *kwargs.items()]
    images = {where: value for where, value in places if isinstance(value, Tensor) and value.dim() == 4}
    if images:
        where = known if known in images else next(iter(images))
        return where, images[where]
    found = ", ".join(type(value).__name__ for _, value in places) or "no argument"
    raise ConfigError(
        f"a guided generator expects a batch of images (N, C, H, W), found {found}; change generator= (--guide_pairs)"
    )


def replace_argument(args: tuple[Any, ...], kwargs: dict[str, Any], place: Place, value: object) -> Arguments:
    """The same arguments with one replaced."""
    if isinstance(place, int):
        return (*args[:place], value, *args[place + 1 :]), kwargs
    return args, {**kwargs, place: value}
