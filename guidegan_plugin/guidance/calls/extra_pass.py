"""An extra pass of a network that its training must not notice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def unnoticed(network: nn.Module) -> Iterator[None]:
    """While it lasts the network works on copies of its buffers and draws from a copy of the random state.

    So running statistics of a batch normalisation, the vectors of a spectral normalisation and the host's next random
    number are afterwards what they were. Buffers are exchanged, never written to: autograd may hold them for a backward
    pass still to come.

    Args:
        network: The network about to make an extra pass.
    """
    owners = [(module, name) for module in network.modules() for name in module._buffers]
    buffers = [module._buffers[name] for module, name in owners]
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    on_device = device.type != "cpu"
    caches = torch.is_autocast_cache_enabled()
    with torch.random.fork_rng([device] if on_device else [], device_type=device.type if on_device else "cuda"):
        # Older releases keep a weight that autocast cast without gradient, and the host's next pass would get that one.
        torch.set_autocast_cache_enabled(False)
        try:
            for (module, name), buffer in zip(owners, buffers, strict=True):
                module._buffers[name] = None if buffer is None else buffer.clone()
            yield
        finally:
            torch.set_autocast_cache_enabled(caches)
            for (module, name), buffer in zip(owners, buffers, strict=True):
                module._buffers[name] = buffer
