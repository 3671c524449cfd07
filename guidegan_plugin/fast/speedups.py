"""Speedups: the pieces of ``fast`` at work on a training's networks and optimizers, until they are removed."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping

import torch
from torch import nn
from torch.optim import Optimizer

from guidegan_plugin.fast import torch_settings
from guidegan_plugin.fast.fused_step import can_be_fused, fused
from guidegan_plugin.fast.network_call import FastCall
from guidegan_plugin.fast.out_of_place import in_place_activations
from guidegan_plugin.guidance.calls.call_site import add_call_site, arounds_of, usual_method
from guidegan_plugin.guidance.calls.stages import Stage, modules
from guidegan_plugin.utils.distributed import is_first_rank

_log = logging.getLogger(__name__)

# What "on" stands for. bfloat16 on a CPU is slower than float32 on most machines.
RECOMMENDED = {
    "cuda": ("activations", "bf16", "tf32", "benchmark", "fused", "loading"),
    "cpu": ("activations", "fused", "loading"),
}


class CannotAct(Exception):
    """Why a piece does nothing here."""


class Speedups:
    """What was changed on networks and optimizers that stay the host's.

    Args:
        places: Where the host calls networks, in their wrappers.
        optimizers: Those that train them.
        training: What the guides of the same training share, so that both may meet a network.
        title: Put before the lines of the log, such as ``"pair A: "``.

    Attributes:
        graphs: Whether CUDA graphs compute, which must know where a step begins.
    """

    def __init__(
        self, places: Iterable[Stage], optimizers: Iterable[Optimizer], training: object, title: str = ""
    ) -> None:
        self._places, self._optimizers = list(places), list(optimizers)
        self._networks = modules(*self._places)
        self._training, self._title = training, title
        self._undo = contextlib.ExitStack()
        self._asked: tuple[Collection[str], Mapping[str, str] | None] = (), None
        self.graphs = False

    def act(self, fast: Collection[str], hindered: Mapping[str, str] | None = None, says_why_not: bool = True) -> None:
        """Let pieces act; log in one line what was done, and for each piece that does nothing in one line why.

        Args:
            fast: As ``GuideConfig.fast_pieces``: ``"on"`` for those recommended for the networks' device.
            hindered: Why a piece is not to act here, by its name.
            says_why_not: Whether a piece that does nothing is logged; a second pair has mostly the first one's reasons.
        """
        self._asked = fast, hindered
        done, hindrances = self._act(fast, hindered or {})
        for piece, reason in hindrances.items() if says_why_not else ():
            # At INFO, where nobody asked for this piece by its name.
            self._say(logging.INFO if "on" in fast else logging.WARNING, f"{piece} does nothing: {reason}")
        if done:
            self._say(logging.INFO, ", ".join(done))

    def renew(self) -> None:
        """Act again, in silence: another pair's speedups were removed, and may have undone what both wanted."""
        self.remove()
        self._act(self._asked[0], self._asked[1] or {})

    def _act(self, fast: Collection[str], hindered: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
        """Let pieces act; what was done, and why pieces do nothing, by their names."""
        wanted = RECOMMENDED.get(self._device.type, RECOMMENDED["cpu"]) if "on" in fast else fast
        done, hindrances, acting = [], {}, set()
        for piece, act in self._pieces().items():
            if piece not in wanted:
                continue
            try:
                if piece in hindered:
                    raise CannotAct(hindered[piece])
                if act is not None:
                    done.append(act())
                    acting.add(piece)
            except CannotAct as reason:
                hindrances[piece] = str(reason)
        self._meet("bf16" in acting, "compile" in acting, "graphs" in acting)
        return done, hindrances

    def _pieces(self) -> dict[str, Callable[[], str] | None]:
        """What each piece does, in this order; each returns what was done, or raises why nothing was."""
        return {
            "activations": self._activations,
            "bf16": self._bf16,
            "tf32": self._tf32,
            "benchmark": self._benchmark,
            "compile": self._compile,
            "graphs": self._capture,
            "fused": self._fused,
            "loading": None,  # of who made the loader
        }

    def begin_step(self) -> None:
        """Say that a step begins: what CUDA graphs computed in the step before may be written over."""
        if self.graphs:
            torch.compiler.cudagraph_mark_step_begin()

    def remove(self) -> None:
        """Undo everything; twice is fine."""
        self.graphs = False
        self._undo.close()

    def _say(self, level: int, text: str) -> None:
        if is_first_rank():
            _log.log(level, "%sfast: %s", self._title, text)

    @property
    def _device(self) -> torch.device:
        parameters = (parameter for network in self._networks for parameter in network.parameters())
        first = next(parameters, None)
        return torch.device("cpu") if first is None else first.device

    def _needs_cuda(self) -> None:
        if self._device.type != "cuda":
            raise CannotAct(f"the networks are on {self._device.type}, not on a CUDA device")

    def _activations(self) -> str:
        found = [module for network in self._networks for module in in_place_activations(network)]
        if not found:
            raise CannotAct("no network has an in-place ReLU directly behind an instance norm in an nn.Sequential")
        for module in found:
            setattr(module, "inplace", False)  # noqa: B010 - to mypy a module has no such attribute
            self._undo.callback(setattr, module, "inplace", True)
        return f"{len(found)} activations out of place"

    def _tf32(self) -> str:
        self._needs_cuda()
        try:
            if torch_settings.is_tf32():
                return "TF32 as before"
            self._undo.enter_context(torch_settings.tf32())
        except RuntimeError as error:
            raise CannotAct(f"the host sets fp32_precision itself ({error})") from error
        return "TF32"

    def _benchmark(self) -> str:
        self._needs_cuda()
        if torch.backends.cudnn.benchmark:
            return "cudnn.benchmark as before"
        self._undo.enter_context(torch_settings.benchmark())
        return "cudnn.benchmark"

    def _fused(self) -> str:
        found = [optimizer for optimizer in self._optimizers if can_be_fused(optimizer)]
        if not found:
            given = ", ".join(type(optimizer).__name__ for optimizer in self._optimizers) or "none; change optimizers="
            raise CannotAct(f"expected Adam or AdamW of float32 parameters on CPU or CUDA, found {given}")
        for optimizer in found:
            if not all(group["fused"] for group in optimizer.param_groups):
                self._undo.enter_context(fused(optimizer))
        return f"fused step of {len(found)} optimizers"

    def _bf16(self) -> str:
        device = self._device
        if device.type not in ("cpu", "cuda"):
            raise CannotAct(f"the networks are on {device.type}, neither on CUDA nor on the CPU")
        if device.type == "cuda" and torch.cuda.get_device_capability(device)[0] < 8:
            raise CannotAct(f"{torch.cuda.get_device_name(device)} has no bfloat16; it takes compute capability 8.0")
        return f"bfloat16 in {len(modules(*self._callable()))} networks"

    def _compile(self) -> str:
        return f"{len(modules(*self._compilable()))} networks compiled"

    def _capture(self) -> str:
        self._needs_cuda()
        return f"{len(modules(*self._compilable()))} networks compiled for CUDA graphs"

    def _callable(self) -> list[Stage]:
        """Where calls of networks can be met: inside of wrappers that only hand on, outside of a graph.

        Raises:
            CannotAct: If that is nowhere.
        """
        found = []
        for place in self._places:
            while isinstance(network := place.module, (nn.DataParallel, nn.parallel.DistributedDataParallel)):
                if isinstance(network, nn.DataParallel) and len(network.device_ids) > 1:
                    raise CannotAct("nn.DataParallel calls copies on several devices; train on one, or under torchrun")
                place = Stage(network.module, usual_method(network.module))
            found.append(place)
        return found

    def _compilable(self) -> list[Stage]:
        found = [place for place in self._callable() if not _is_compiled(place)]
        if not found:
            raise CannotAct("the host has compiled its networks itself")
        return found

    def _meet(self, bf16: bool, compiled: bool, graphs: bool) -> None:
        self.graphs = graphs
        for place in self._callable() if bf16 or compiled or graphs else ():
            if any(isinstance(around, FastCall) for around in arounds_of(place.module, place.method)):
                continue  # of another pair, too
            own = _is_compiled(place)
            call = FastCall(bf16, compiled and not own, graphs and not own)
            self._undo.callback(add_call_site(place.module, place.method, call, self._training).remove)


def _is_compiled(place: Stage) -> bool:
    """Whether the host has compiled what is called there."""
    return place.method == "__call__"
