"""A convolution somebody else made is given further input channels, with zero weights, in place."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.graph import Node
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from guidegan_plugin.errors import ConfigError, StoreError
from guidegan_plugin.guidance.calls.copy_safe import Hook

_log = logging.getLogger(__name__)

_HELD = "guidegan_held"


@dataclass(frozen=True)
class Columns:
    """New input channels of a weight ``(out, in, kh, kw)``.

    Attributes:
        at: Behind how many channels they stand.
        count: How many there are.
    """

    at: int
    count: int

    def inserted(self, weight: Tensor) -> Tensor:
        """The weight with zeros there."""
        zeros = weight.new_zeros(weight.shape[0], self.count, *weight.shape[2:])
        return torch.cat([weight[:, : self.at], zeros, weight[:, self.at :]], dim=1)

    def removed(self, weight: Tensor) -> Tensor:
        """The weight without them."""
        return torch.cat([weight[:, : self.at], weight[:, self.at + self.count :]], dim=1)


class Widened:
    """One convolution with new input channels, until the last of those that want them lets go.

    Args:
        path: Where in the generator it is.
        convolution: The convolution, which another pair, or the network it is a copy of, may have widened before.
        columns: Its new channels.
        optimizers: Optimizers that may already hold state of the weight.

    Attributes:
        path: As given.
        channels: What it read before.
    """

    def __init__(
        self, path: str, convolution: nn.Conv2d, columns: Columns, optimizers: tuple[Optimizer, ...] = ()
    ) -> None:
        self.path, self._convolution = path, convolution
        padding = widened_before(convolution)
        if padding is None:
            padding = PadOnLoad(convolution.in_channels, columns)
            if _change(convolution, columns.inserted, optimizers):
                _log.warning(
                    "concat=alpha: an output that the generator made before it was guided is still held; backward() "
                    "through that output fails from now on, so call it, or let go of the output, before attach()"
                )
            _before_loading(convolution, padding)
        self._padding, self.channels = padding, padding.channels
        padding.holders += 1
        self.follow(optimizers)

    def follow(self, optimizers: Iterable[Optimizer]) -> None:
        """Know of further optimizers that hold state of the weight, or are given a state from before it was widened."""
        for optimizer in optimizers:
            if optimizer not in self._padding.optimizers:
                hook = _PadState(self.path, self._convolution, self._padding)
                self._padding.optimizers[optimizer] = optimizer.register_load_state_dict_post_hook(hook)

    def narrow(self) -> None:
        """Make the convolution what it was, unless somebody else still wants its new channels."""
        self._padding.holders -= 1
        if self._padding.holders:
            return
        for handle in self._padding.optimizers.values():
            handle.remove()
        hooks = self._convolution._load_state_dict_pre_hooks
        for number in [number for number, hook in hooks.items() if _inside(hook) is self._padding]:
            del hooks[number]
        _change(self._convolution, self._padding.columns.removed, tuple(self._padding.optimizers))


class PadOnLoad:
    """Pads a checkpoint of the host's width while it is loaded; a copy knows nobody that holds the convolution.

    Args:
        channels: What the host's convolution reads.
        columns: Its new channels.

    Attributes:
        channels: As given.
        columns: As given.
        holders: How many want the new channels.
        optimizers: The optimizers of these, which may hold state of the weight, and what pads a state they are given.
    """

    def __init__(self, channels: int, columns: Columns) -> None:
        self.channels, self.columns, self.holders = channels, columns, 0
        self.optimizers: dict[Optimizer, RemovableHandle] = {}

    def __reduce__(self) -> tuple[type[PadOnLoad], tuple[int, Columns]]:
        return PadOnLoad, (self.channels, self.columns)

    def __call__(self, module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *_: object) -> None:
        """As a hook of a module whose state is loaded.

        Raises:
            StoreError: If the weight has neither width.
        """
        weight, width = state_dict.get(f"{prefix}weight"), self.channels + self.columns.count
        if weight is None or weight.shape[1] == width:
            return
        if weight.shape[1] != self.channels:
            raise StoreError(
                f"the checkpoint's first convolution takes {weight.shape[1]} channels, expected {self.channels} (the "
                f"host's) or {width} (with alpha); change the generator's input channels, or load another one"
            )
        _log.warning("%sweight of a host checkpoint padded with a zero alpha channel", prefix)
        state_dict[f"{prefix}weight"] = self.columns.inserted(weight)


class _PadState:
    """Pads what an optimizer was given as its state of a convolution's weight, where that is of the host's width.

    Args:
        path: Where in the generator it is.
        convolution: The convolution.
        padding: How it was widened.
    """

    def __init__(self, path: str, convolution: nn.Conv2d, padding: PadOnLoad) -> None:
        self._path, self._convolution, self._padding = path, weakref.ref(convolution), padding

    def __call__(self, optimizer: Optimizer) -> None:
        """As a hook of an optimizer whose state was loaded."""
        convolution = self._convolution()
        if convolution is not None:
            weight = convolution.weight
            narrow = torch.Size((weight.shape[0], self._padding.channels, *weight.shape[2:]))
            if _change_state(optimizer, weight, narrow, self._padding.columns.inserted):
                _log.warning("the optimizer's state of %s of a host padded with a zero alpha channel", self._path)


def widened_before(convolution: nn.Conv2d) -> PadOnLoad | None:
    """How a convolution was widened before, in this network or in the one it is a copy of; None where it was not."""
    hooks = map(_inside, convolution._load_state_dict_pre_hooks.values())
    return next((hook for hook in hooks if isinstance(hook, PadOnLoad)), None)


def _inside(hook: object) -> object:
    """A hook without what torch puts around it."""
    return getattr(hook, "hook", hook)


def refuse_wide_input(path: str, convolution: nn.Conv2d, width: int, widened: str) -> RemovableHandle:
    """Say plainly that a convolution that was not widened is given the widened input, in place of torch's error.

    Args:
        path: Where in the generator it is.
        convolution: The convolution.
        width: Channels of the widened input.
        widened: Paths of the convolutions that were widened, as an option names them.

    Returns:
        The hook's handle.
    """

    def check(module: nn.Module, args: tuple[Any, ...]) -> None:
        if args and isinstance(args[0], Tensor) and args[0].dim() == 4 and args[0].shape[1] == width:
            paths = f"{widened},{path}"
            raise ConfigError(
                f"concat=alpha widened {widened}, and {path} reads the image, too; name both: change alpha_widen "
                f"(--guide_alpha_widen {paths})"
            )

    return convolution.register_forward_pre_hook(Hook(check))


def _before_loading(convolution: nn.Conv2d, hook: PadOnLoad) -> None:
    """Call a hook before a state is loaded; torch's method has no public name before 2.5."""
    public = getattr(convolution, "register_load_state_dict_pre_hook", None)
    if public is None:
        convolution._register_load_state_dict_pre_hook(hook, with_module=True)
    else:
        public(hook)


def refuse_narrow_input(path: str, convolution: nn.Conv2d, channels: int) -> RemovableHandle:
    """Say plainly that a widened convolution is given an image without a map, in place of torch's error.

    Args:
        path: Where in the generator it is.
        convolution: The convolution.
        channels: What it read before.

    Returns:
        The hook's handle.
    """

    def check(module: nn.Module, args: tuple[Any, ...]) -> None:
        if args and isinstance(args[0], Tensor) and args[0].dim() == 4 and args[0].shape[1] == channels:
            raise ConfigError(
                f"concat=alpha widened {path}, which was given {channels} channels without a map: the generator was "
                "called past the place where it is met, or its image stands behind another argument and was not bound; "
                "change generator= (--guide_pairs) to the method that is called, or bind its image (source=) before it"
            )

    return convolution.register_forward_pre_hook(Hook(check))


def _change(convolution: nn.Conv2d, change: Callable[[Tensor], Tensor], optimizers: tuple[Optimizer, ...]) -> bool:
    """Change a weight, its gradient and what optimizers hold of it; say whether a graph of the old weight is alive."""
    weight = cast(nn.Parameter, convolution.weight)
    shape = weight.shape
    # .data keeps the Parameter object, so an optimizer that was given it goes on holding it.
    weight.data = change(weight.data)
    held = _leave_graph(weight)
    if weight.grad is not None:
        weight.grad = change(weight.grad)
    for optimizer in optimizers:
        _change_state(optimizer, weight, shape, change)
    convolution.in_channels = weight.shape[1]
    return held


def _change_state(optimizer: Optimizer, weight: Tensor, shape: torch.Size, change: Callable[[Tensor], Tensor]) -> bool:
    """Change what an optimizer holds of a weight in a shape, and say whether there was any."""
    state: dict[str, Any] = optimizer.state.get(weight, {})
    found = {name: value for name, value in state.items() if isinstance(value, Tensor) and value.shape == shape}
    state.update({name: change(value) for name, value in found.items()})
    return bool(found)


def _leave_graph(weight: nn.Parameter) -> bool:
    """Let new graphs take a weight's new shape, though a graph that knows the old shape is alive.

    As long as any graph holds the node that gathers a weight's gradient, new graphs share this node, with the shape it
    was made for. Torch makes a new node where the weight's type has changed in between.

    Returns:
        Whether there was such a graph.
    """
    _notes_of_gradient(weight)[_HELD] = True
    if not _notes_of_gradient(weight).pop(_HELD, False):  # another node: nobody held the first one
        return False
    data = weight.data
    weight.data = data.to(torch.float32 if data.dtype == torch.float64 else torch.float64)
    weight.data = data
    return True


def _notes_of_gradient(weight: nn.Parameter) -> dict[str, bool]:
    """What was noted at the node that gathers a weight's gradient; the node is new where no graph holds it."""
    trained = weight.requires_grad
    with torch.enable_grad():
        weight.requires_grad_()
        gathers = cast(Node, cast(Node, weight.view_as(weight).grad_fn).next_functions[0][0])
        weight.requires_grad_(trained)
    return cast("dict[str, bool]", gathers.metadata)
