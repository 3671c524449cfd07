"""One network's call in bfloat16, compiled, or both; what it returns is float32 and belongs to the caller."""

from __future__ import annotations

import contextlib
import logging
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from guidegan_plugin.guidance.calls.call_site import Method

_log = logging.getLogger(__name__)


class FastCall:
    """Answers the calls of one network in training; in eval mode the network computes as ever.

    A copy of the network (EMA) computes as the network would without us. So does a network inside a graph that the host
    compiles.

    Args:
        bf16: Compute under autocast to bfloat16. Outputs are float32 again, so that losses, image pools and pages of
            the host are given what they were given before.
        compiled: Compile the method of the network that is met; the guidance stays outside of the graph.
        graphs: Compile for CUDA graphs. Outputs are copied, because the next step writes over the graph's own.
    """

    innermost = True  # the guidance acts around us, on float32

    def __init__(self, bf16: bool = False, compiled: bool = False, graphs: bool = False) -> None:
        self._bf16, self._compiles, self._graphs = bf16, compiled or graphs, graphs
        self._run: Method | None = None
        self._proven = False

    def __call__(self, module: nn.Module, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Answer a call of the network."""
        if not module.training:
            return method(*args, **kwargs)
        with self._precision(module):
            output = self._compiled(module, method, args, kwargs) if self._compiles else method(*args, **kwargs)
        return tree_map_only(Tensor, self._own, output) if self._bf16 or self._graphs else output

    def _precision(self, module: nn.Module) -> contextlib.AbstractContextManager[Any]:
        parameter = next(module.parameters(), None)
        if not self._bf16 or parameter is None:
            return contextlib.nullcontext()
        return torch.autocast(parameter.device.type, torch.bfloat16)

    def _own(self, output: Tensor) -> Tensor:
        if self._bf16 and output.dtype == torch.bfloat16:
            return output.float()
        return output.clone() if self._graphs else output

    def _compiled(self, module: nn.Module, method: Method, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if self._run is None:
            # Compiled by default for any size from the second size on, as the last batch of an epoch may be smaller.
            self._run = torch.compile(method, mode="reduce-overhead" if self._graphs else None)
        if self._proven:
            return self._run(*args, **kwargs)
        try:
            output = self._run(*args, **kwargs)
        except Exception as error:  # a compiler that is missing or gives up, of many kinds
            self._compiles = False
            reason = " ".join(str(error).split())[:200]
            _log.warning(
                "fast: %s cannot be compiled and runs as before (%s: %s)",
                type(module).__name__,
                type(error).__name__,
                reason,
            )
            return method(*args, **kwargs)
        self._proven = True
        return output
