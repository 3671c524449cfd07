"""Activations behind an instance norm that work out of place: the same numbers in fewer launches.

``F.instance_norm`` returns a view of the output of a batch norm over reshaped images. An activation that works in place
on a view makes autograd rewrite the history of the view's base (``CopySlices``). The backward pass then fills a new
gradient of the base, copies the gradient into it, clones the slice, and copies the slice back: five launches for each
such activation, each over the whole activation. Out of place the view is left alone, and none of them is made.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections import Counter

from torch import nn

from guidegan_plugin.guidance.calls.call_site import original_class
from guidegan_plugin.guidance.calls.copy_safe import Hook

# Their gradients are the same bits from the input as from the result. An ELU's are not.
_SAME_GRADIENT = (nn.ReLU, nn.LeakyReLU, nn.ReLU6)
# Where classes come from whose source says nothing of a network of the host's.
_TORCH = ("torch", "builtins", "typing", "abc")


def in_place_activations(network: nn.Module) -> list[nn.Module]:
    """The activations of a network that can work out of place with bit-equal results, and save launches by that.

    An activation must stand directly behind an instance norm in an ``nn.Sequential`` that is called as a whole, so that
    nobody else is given the norm's output. A network that walks through its layers, as for a loss of their features,
    would be given other features. (The first activation of a U-Net's block does not stand so: the skip connection shows
    what the activation overwrites.) A norm with a hook of somebody else, or an activation that also stands elsewhere,
    is left alone.

    Args:
        network: Any network; it is not changed.
    """
    places: Counter[nn.Module] = Counter(
        child for parent in network.modules() for child in parent._modules.values() if child
    )
    behind: Counter[nn.Module] = Counter()
    walked = {
        child
        for owner in network.modules()
        for name, child in owner._modules.items()
        if isinstance(child, nn.Sequential) and not _calls_whole(owner, name)
    }
    for parent in network.modules():
        if parent in walked or not isinstance(parent, nn.Sequential):
            continue
        if original_class(parent).forward is nn.Sequential.forward:
            behind.update(after for norm, after in itertools.pairwise(parent) if _gives_a_view(norm))
    return [
        module
        for module, count in behind.items()
        if type(module) in _SAME_GRADIENT and module.inplace and count == places[module]
    ]


def _calls_whole(owner: nn.Module, name: str) -> bool:
    """Whether a network's class only ever calls a child; False where it does something else, or nobody can read it."""
    kinds = [kind for kind in original_class(owner).__mro__ if kind.__module__.partition(".")[0] not in _TORCH]
    try:
        methods = [one for kind in kinds for one in vars(kind).values() if inspect.isfunction(one)]
        source = "".join(map(inspect.getsource, methods))
    except (OSError, TypeError):
        return False
    child = rf"\b\w+\.{re.escape(name)}\b"
    if re.search(rf"{child}(?!\(|\s*=[^=])", source):  # neither a call nor an assignment
        return False
    return not kinds or re.search(rf"{child}\(", source) is not None


def _gives_a_view(module: nn.Module) -> bool:
    is_norm = isinstance(module, nn.modules.instancenorm._InstanceNorm)
    return is_norm and all(isinstance(hook, Hook) for hook in module._forward_hooks.values())
