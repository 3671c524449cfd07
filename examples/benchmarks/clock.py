"""How long something takes: CPU time of the process, the time of a GPU, or time on the clock."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def seconds_of(act: Callable[[], object], device: torch.device, wall: bool = False) -> float:
    """Seconds that something takes.

    Args:
        act: It.
        device: On which it computes: by CUDA events on a GPU, else as CPU time of the process.
        wall: Take time on the clock instead.
    """
    if wall:
        before = _now(device)
        act()
        return _now(device) - before
    if device.type == "cuda":
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        act()
        end.record()
        torch.cuda.synchronize()
        return float(start.elapsed_time(end)) / 1000
    before = time.process_time()
    act()
    return time.process_time() - before


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()
