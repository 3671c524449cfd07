"""What hosts do on a GPU whatever happens is done on the CPU where there is none; with a GPU nothing is replaced."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import IO, Any

import torch
from torch import Tensor, nn

from guidegan_plugin.hosts.legacy.stand_in import StandIn, replace

_TYPES = tuple(f"{kind}Tensor" for kind in ("Bool", "Byte", "Char", "Double", "Float", "Half", "Int", "Long", "Short"))
_WHY = "needs a GPU, and there is none"


@dataclass(frozen=True)
class WithoutGpu(StandIn):
    """Something that needs a GPU.

    Attributes:
        place: Puts in place what takes its place.
    """

    errors = (RuntimeError, AssertionError, AttributeError, TypeError)  # of torch with and without CUDA built in

    place: Callable[[ExitStack], None]

    def lacking(self) -> Sequence[str]:
        return () if torch.cuda.is_available() else self.calls

    def explains(self, error: BaseException) -> bool:
        return super().explains(error) and (not isinstance(error, RuntimeError) or _is_of_cuda(error))

    def put(self, run: ExitStack) -> None:
        if not torch.cuda.is_available():
            self.place(run)


@dataclass(frozen=True)
class LoadWithoutGpu(WithoutGpu):
    """``torch.load``, which needs a GPU for what a GPU saved, and fails for other reasons, too."""

    always = False

    def explains(self, error: BaseException) -> bool:
        return isinstance(error, RuntimeError) and super().explains(error)


def _is_of_cuda(error: BaseException) -> bool:
    said = str(error).lower()
    return "cuda" in said or "nvidia" in said


def _stay(run: ExitStack) -> None:
    def cuda(self: Tensor | nn.Module, *device: object, **options: object) -> Tensor | nn.Module:
        return self

    for kind in (Tensor, nn.Module):
        replace(run, kind, "cuda", cuda)


def _types_of_the_cpu(run: ExitStack) -> None:
    for name in _TYPES:
        replace(run, torch.cuda, name, getattr(torch, name))


def _no_device(run: ExitStack) -> None:
    def set_device(device: object) -> None:
        return None

    def synchronize(device: object = None) -> None:
        return None

    replace(run, torch.cuda, "set_device", set_device)
    replace(run, torch.cuda, "synchronize", synchronize)


def _asserted(run: ExitStack) -> None:
    ask = torch.cuda.is_available

    def is_available() -> bool:
        caller = sys._getframe(1)
        line = linecache.getline(caller.f_code.co_filename, caller.f_lineno)
        of_torch = str(caller.f_globals.get("__name__")).partition(".")[0] == "torch"
        return ask() or (line.lstrip().startswith("assert") and not of_torch)

    replace(run, torch.cuda, "is_available", is_available)


def _load_to_the_cpu(run: ExitStack) -> None:
    load = torch.load

    def load_here(f: str | IO[bytes], map_location: Any = None, *args: Any, **options: Any) -> Any:
        return load(f, "cpu" if map_location is None else map_location, *args, **options)

    replace(run, torch, "load", load_here)


WITHOUT_GPU = (
    WithoutGpu(
        ".cuda()",
        _WHY,
        "the tensor or the network itself, where it is",
        ("MUNIT", "UNIT", "pix2pixHD"),
        (".cuda()",),
        _stay,
    ),
    WithoutGpu(
        "torch.cuda.FloatTensor",
        _WHY,
        "`torch.FloatTensor`; the other types alike",
        ("pix2pixHD",),
        tuple(f"torch.cuda.{name}" for name in _TYPES),
        _types_of_the_cpu,
    ),
    WithoutGpu(
        "torch.cuda.set_device",
        _WHY,
        "nothing is done; the same for `torch.cuda.synchronize`",
        ("MUNIT", "UNIT", "pix2pixHD"),
        ("torch.cuda.set_device", "torch.cuda.synchronize"),
        _no_device,
    ),
    WithoutGpu(
        "assert torch.cuda.is_available()",
        _WHY,
        "passes in an `assert`; anywhere else the answer stays no",
        ("pix2pixHD",),
        ("assert torch.cuda.is_available()",),
        _asserted,
    ),
    LoadWithoutGpu(
        "torch.load",
        "puts what a GPU saved on a GPU, and there is none",
        "puts it on the CPU, if the host does not name another place",
        ("MUNIT", "UNIT", "pix2pixHD"),
        ("torch.load",),
        _load_to_the_cpu,
    ),
)
