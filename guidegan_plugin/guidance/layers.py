"""Finding layers in networks somebody else wrote."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from guidegan_plugin.errors import ConfigError

_ACTIVATIONS = (
    nn.LeakyReLU,
    nn.ReLU,
    nn.PReLU,
    nn.ELU,
    nn.SELU,
    nn.GELU,
    nn.SiLU,
    nn.Mish,
    nn.Softplus,
    nn.Sigmoid,
    nn.Tanh,
)


def unwrap(network: nn.Module) -> nn.Module:
    """The network inside ``DataParallel``, ``DistributedDataParallel`` and ``torch.compile`` wrappers."""
    while True:
        if isinstance(network, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
            network = network.module
        elif isinstance(inner := getattr(network, "_orig_mod", None), nn.Module):
            network = inner
        else:
            return network


def is_distributed(network: nn.Module) -> bool:
    """Whether a network is in ``DistributedDataParallel``, in other wrappers or not."""
    while not isinstance(network, nn.parallel.DistributedDataParallel):
        inside = network.module if isinstance(network, nn.DataParallel) else getattr(network, "_orig_mod", None)
        if not isinstance(inside, nn.Module):
            return False
        network = inside
    return True


def is_compiled(network: nn.Module) -> bool:
    """Whether a network is a wrapper that ``torch.compile`` returned."""
    return isinstance(getattr(network, "_orig_mod", None), nn.Module)


def forget_graphs(networks: Iterable[nn.Module]) -> None:
    """Let compiled networks be compiled anew at their next call.

    A graph that was made before a hook was added, or removed, goes on without it, also where the graph was made of
    another network of the same classes. Graphs cannot be dropped one by one: all of this process are.

    Args:
        networks: As the host calls them; nothing is done where no part of them was compiled.
    """
    parts = (part for network in networks for part in network.modules())
    if any(is_compiled(part) or part._compiled_call_impl is not None for part in parts):
        torch._dynamo.reset()


def convolutions(network: nn.Module) -> list[tuple[str, nn.Conv2d]]:
    """Names and convolutions of a network, in the order they were registered."""
    return [(name, module) for name, module in unwrap(network).named_modules() if isinstance(module, nn.Conv2d)]


def find_layer(network: nn.Module, layer: int | str, tap: str = "conv", option: str = "layer") -> tuple[str, nn.Module]:
    """The module whose output a mechanism reads.

    Args:
        network: A discriminator, wrapped or not.
        layer: Number of a convolution counted from 1 (t of equation 2), or a dotted module path. A negative number in a
            path counts the parts of a ``Sequential`` or ``ModuleList`` from its end.
        tap: ``"conv"`` for that module itself, ``"activation"`` for the first activation behind it.
        option: Field of the config the layer comes from, for messages.

    Returns:
        Its dotted path and the module.

    Raises:
        ConfigError: If there is no such layer; the message lists those there are.
    """
    modules: list[tuple[str, nn.Module]] = list(unwrap(network).named_modules())
    names = [name for name, _ in modules]
    found, cure = convolutions(network), f"change {option} (--guide_{option})"
    if isinstance(layer, int):
        if not 1 <= layer <= len(found):
            raise ConfigError(f"layer {layer} does not exist: {_listing(network)}; {cure}")
        name = found[layer - 1][0]
    elif (path := _from_the_end(network, layer)) and path in names:
        name = path
    else:
        raise ConfigError(f"layer {layer!r} does not exist: {_listing(network)}; {cure}")
    if tap == "conv" or isinstance(modules[names.index(name)][1], _ACTIVATIONS):
        return modules[names.index(name)]
    for candidate, module in modules[names.index(name) + 1 :]:
        if isinstance(module, _ACTIVATIONS):
            return candidate, module
        if isinstance(module, nn.Conv2d):
            break
    cure += " or tap (--guide_tap)" if option == "layer" else " to a dotted module path"
    raise ConfigError(f"no activation follows layer {layer} ({name}); {cure}")


def _from_the_end(network: nn.Module, path: str) -> str:
    """A dotted path whose negative numbers are the places they stand for."""
    module, parts = unwrap(network), path.split(".")
    for place, part in enumerate(parts):
        if part.startswith("-") and part[1:].isdecimal() and isinstance(module, (nn.Sequential, nn.ModuleList)):
            parts[place] = str(len(module) + int(part))
        module = module._modules.get(parts[place]) or nn.Module()
    return ".".join(parts)


def find_layers(network: nn.Module, layer: int | str, tap: str = "conv") -> list[tuple[str, nn.Module]]:
    """The modules whose output a mechanism reads: one, or one for each of several layers.

    Args:
        network: A discriminator, wrapped or not.
        layer: As in :func:`find_layer`, or several of them separated by commas, such as ``"4,9"`` or
            ``"scale0.8,scale1.8"``: numbers go on counting through all parts of the network.
        tap: As in :func:`find_layer`.

    Returns:
        Dotted paths and modules, as listed.

    Raises:
        ConfigError: If one of them does not exist.
    """
    if isinstance(layer, int) or "," not in layer:
        return [find_layer(network, layer, tap)]
    parts = [part.strip() for part in layer.split(",")]
    return [find_layer(network, int(part) if part.isdecimal() else part, tap) for part in parts]


def channels_behind(network: nn.Module, path: str) -> int:
    """Channels of a module's output: those of the last convolution registered up to its end.

    Args:
        network: A discriminator, wrapped or not.
        path: Dotted path of the module.

    Raises:
        ConfigError: If there is no convolution up to there.
    """
    modules = list(unwrap(network).named_modules())
    end = max(place for place, (name, _) in enumerate(modules) if f"{name}.".startswith(f"{path}."))
    before = [module.out_channels for _, module in modules[: end + 1] if isinstance(module, nn.Conv2d)]
    if not before:
        raise ConfigError(
            f"no convolution leads to {path}: {_listing(network)}; change tam_features or tam_trunk "
            "(--guide_tam_features, --guide_tam_trunk)"
        )
    return before[-1]


def normalisation_behind(network: nn.Module, path: str) -> tuple[str, nn.Module] | None:
    """The batch or instance normalisation registered right behind a module.

    Args:
        network: A discriminator, wrapped or not.
        path: Dotted path of the module.

    Returns:
        Its dotted path and the module, None if something else follows.
    """
    modules = [item for item in unwrap(network).named_modules() if not item[0].startswith(f"{path}.")]
    following = modules[[name for name, _ in modules].index(path) + 1 :]
    return following[0] if following and isinstance(following[0][1], nn.modules.batchnorm._NormBase) else None


def _listing(network: nn.Module) -> str:
    found = convolutions(network)
    shown = ", ".join(
        f"{number} {name} ({conv.in_channels} to {conv.out_channels} channels)"
        for number, (name, conv) in enumerate(found, start=1)
    )
    return f"{type(unwrap(network)).__name__} has {len(found)} convolutions" + (f": {shown}" if shown else "")
