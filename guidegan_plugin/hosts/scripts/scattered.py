"""A whole model in DataParallel: the arguments of its call are copied onto a device, and no operation tells of that."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.layers import unwrap


def follow_scattered(
    wrapper: nn.Module,
    given: object,
    parts: tuple[Sequence[object], Sequence[object]],
    networks: Iterable[nn.Module],
    follow: Callable[[Tensor, Tensor], None],
) -> None:
    """Say of each copy of images what the copy shows.

    Args:
        wrapper: The DataParallel.
        given: What its model is called with, nested in any way.
        parts: The same for each device: positional arguments, and those by keyword.
        networks: The guided networks.
        follow: Told of images and of their copy.

    Raises:
        ConfigError: If there are several devices, and guided networks are parts of the model: those that compute are
            copies, one a device, which nobody guides. A guided network that is the model itself is met at the wrapper.
    """
    if len(parts[0]) > 1:
        inner = set(map(id, unwrap(wrapper).modules())) - {id(unwrap(wrapper))}
        if any(id(unwrap(network)) in inner for network in networks):
            raise ConfigError(
                f"the guided networks are parts of {type(unwrap(wrapper)).__name__}, which DataParallel copies onto "
                f"{len(parts[0])} devices, and copies are not guided; give the script one device"
            )
        return
    for images, copy in zip(tree_leaves(given), tree_leaves((parts[0][0], parts[1][0])), strict=True):
        if isinstance(images, Tensor) and isinstance(copy, Tensor) and copy is not images and copy.dim() == 4:
            follow(images, copy)
