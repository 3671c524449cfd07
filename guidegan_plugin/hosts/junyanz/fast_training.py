"""``--guide_fast`` in the family: which networks and optimizers there are, and how the loader is reached."""

from __future__ import annotations

import argparse
import importlib
import logging
from typing import Any

import torch
from torch.utils.data import DataLoader

from guidegan_plugin.fast.speedups import Speedups
from guidegan_plugin.guidance.calls.stages import Stage, modules, stages
from guidegan_plugin.hosts.junyanz.guides import HostGuides
from guidegan_plugin.hosts.junyanz.host_options import read_option
from guidegan_plugin.utils.distributed import is_first_rank

_log = logging.getLogger(__name__)

_LOADER = "CustomDatasetDataLoader"  # the class in the family's data/__init__.py that makes the DataLoader
_REACHED = "guide_fast_loading"


def speed_up_model(guides: HostGuides) -> Speedups:
    """Let the pieces of ``--guide_fast`` act on a host's model, once its networks are set up; a test is left alone.

    Networks of the guidance are left alone, too.

    Args:
        guides: Of the model.
    """
    model, pieces = guides.model, guides.config.fast_pieces
    speedups = Speedups(_places(guides), getattr(model, "optimizers", ()), guides.binding)
    sizes_vary = read_option(model.opt, "preprocess") in ("scale_width", "none")
    hindered = {"benchmark": "--preprocess gives images of many sizes, and cuDNN would search anew for each"}
    if model.isTrain and pieces:
        speedups.act(pieces, hindered if sizes_vary else {})
    return speedups


def _places(guides: HostGuides) -> list[Stage]:
    """Where the host calls its networks: those of a pair where they are met, and the others as usual."""
    pairs = guides.pairs if guides.active and guides.model.isTrain else ()
    met = [place for pair in pairs for place in guides.stages((*pair.stages, *pair.judges))]
    ours, known = guides.new_networks.names, modules(*met)
    names = [name for name in guides.model.model_names if name not in ours]
    others = [network for name in names if (network := guides.network(f"net{name}")) not in known]
    return [*met, *stages(others)]


def reach_loader(parser: argparse.ArgumentParser) -> None:
    """If ``--guide_fast`` asks for it, have every loader that the host makes from now on given what loads faster.

    Options are read ahead of the rest: the host makes its loader before its model, and nobody is given the loader.

    Args:
        parser: With our options added.
    """
    if not _asks_for_loading(parser.parse_known_args()[0]):
        return
    data = importlib.import_module("data")
    own = getattr(data, _LOADER, None)
    if own is None:
        _say(logging.WARNING, f"loading does nothing: the host's data/__init__.py has no {_LOADER}")
    elif not hasattr(own, _REACHED):
        setattr(data, _LOADER, _reached(own))


def _asks_for_loading(options: argparse.Namespace) -> bool:
    return not {"on", "loading"}.isdisjoint(getattr(options, "guide_fast", "off").split(","))


def _reached(own: type[Any]) -> type[Any]:
    """A host's class of loaders whose loader is changed as soon as there is one."""

    def __init__(self: Any, opt: argparse.Namespace, *args: Any, **kwargs: Any) -> None:
        own.__init__(self, opt, *args, **kwargs)
        if opt.isTrain and _asks_for_loading(opt):
            speed_up_loader(getattr(self, "dataloader", None), opt)

    return type(own.__name__, (own,), {"__init__": __init__, "__module__": own.__module__, _REACHED: True})


def speed_up_loader(loader: object, options: argparse.Namespace) -> None:
    """Pin the memory of batches where a GPU trains, and keep workers from epoch to epoch where that changes no item.

    Workers that stay know the data set as it was, and go on drawing random numbers. So they do not stay where the data
    set is told the epoch, nor where a training is to be resumed exactly.

    Args:
        loader: The host's, made and not yet iterated.
        options: The host's options.
    """
    if not isinstance(loader, DataLoader):
        _say(logging.WARNING, f"loading does nothing: expected a DataLoader, found {type(loader).__name__}")
        return
    done, hindered = [], []
    if _trains_on_gpu(options):
        loader.pin_memory = True
        done.append("pinned batches")
    else:
        hindered.append("no CUDA device trains")
    if not loader.num_workers:
        hindered.append("there are no workers (--num_threads)")
    elif getattr(options, "guide_full_state", False):
        hindered.append("--guide_full_state resumes exactly, so workers start anew in each epoch")
    elif any("epoch" in name for name in getattr(loader.dataset, "__dict__", ())):
        hindered.append("the data set depends on the epoch, so workers start anew in each")
    else:
        # Past the loader's own __setattr__, which refuses this: the flag is read when the first epoch starts workers.
        object.__setattr__(loader, "persistent_workers", True)
        done.append(f"{loader.num_workers} persistent workers")
    if done:
        _say(logging.INFO, ", ".join(done))
    else:  # at INFO, where nobody asked for this piece by its name
        level = logging.INFO if getattr(options, "guide_fast", "") == "on" else logging.WARNING
        _say(level, f"loading does nothing: {'; '.join(hindered)}")


def _trains_on_gpu(options: argparse.Namespace) -> bool:
    """Both generations: the classic one lists GPUs, the other has its device."""
    device = read_option(options, "device")
    if isinstance(device, torch.device):
        return device.type == "cuda"
    return torch.cuda.is_available() and bool(read_option(options, "gpu_ids"))


def _say(level: int, text: str) -> None:
    if is_first_rank():
        _log.log(level, "fast: %s", text)
