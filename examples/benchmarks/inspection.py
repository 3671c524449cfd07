"""What one training step does: forward passes, peak memory, synchronisations with a GPU and launches on it."""

from __future__ import annotations

import warnings
import weakref
from collections import Counter
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# By parts of the names that CUDA's own calls have in a profile.
LAUNCHES = {"kernels": "LaunchKernel", "graphs": "GraphLaunch", "copies": "MemcpyAsync", "fills": "MemsetAsync"}


class TensorBytes(TorchDispatchMode):
    """Counts the bytes of tensors made while it is active: `alive` now, and their `peak`."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has no types here
        self.alive = self.peak = 0
        self._watched: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        # Views and in-place operators return memory they were given.
        returned, given = _storages(result), _storages((args, kwargs))
        for key in returned.keys() - given.keys() - self._watched:
            size = returned[key].nbytes()
            self._change(key, size)
            weakref.finalize(returned[key], self._change, key, -size).atexit = False
        return result

    def _change(self, key: int, size: int) -> None:
        self._watched ^= {key}
        self.alive += size
        self.peak = max(self.peak, self.alive)


def _storages(values: object) -> dict[int, torch.UntypedStorage]:
    storages = [value.untyped_storage() for value in tree_leaves(values) if isinstance(value, torch.Tensor)]
    return {storage._cdata: storage for storage in storages}


def step(model: Any, batch: dict[str, Any]) -> None:
    """One training step as in the host's loop."""
    model.set_input(batch)
    model.optimize_parameters()


def inspected_step(model: Any, batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """Forward passes, peak memory and synchronisations of one training step; it is not timed."""
    passes, hooks = Counter[str](), []
    for name in model.model_names:
        network = getattr(model, f"net{name}")
        hooks.append(network.register_forward_pre_hook(lambda *_, name=name: passes.update([name])))
    for optimizer in model.optimizers:  # or the step would free gradients that it has not made
        optimizer.zero_grad()
    waits: int | str
    launched: dict[str, int] | str
    if device.type == "cuda":
        peak, waits = _cuda_step(model, batch)
    else:
        with TensorBytes() as counter:
            step(model, batch)
        peak, waits = counter.peak, "not measured"
    for hook in hooks:
        hook.remove()
    launched = launches(model, batch) if device.type == "cuda" else "not measured"
    return {"forward_passes": dict(passes), "peak_bytes": peak, "synchronisations": waits, "launches": launched}


def _cuda_step(model: Any, batch: dict[str, Any]) -> tuple[int, int]:
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        step(model, batch)
        torch.cuda.set_sync_debug_mode("default")
    waits = sum("synchronizing CUDA operation" in str(warning.message) for warning in caught)
    return torch.cuda.max_memory_allocated() - before, waits


def launches(model: Any, batch: dict[str, Any]) -> dict[str, int]:
    """What one training step launches on a GPU: kernels, captured graphs, copies and fills."""
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        step(model, batch)
        torch.cuda.synchronize()
    counts = Counter[str]()
    for event in profile.events() or ():
        for kind, name in LAUNCHES.items():
            counts[kind] += name in event.name
    return dict(counts)
