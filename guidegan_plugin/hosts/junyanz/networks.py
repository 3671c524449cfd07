"""New networks of the guidance among the host's own, which it initialises, moves, wraps, saves and loads alike."""

from __future__ import annotations

import copy
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch.distributed
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from guidegan_plugin.errors import GuideError, HostError
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.layers import unwrap
from guidegan_plugin.hosts.junyanz.checkpoints import other_checkpoint
from guidegan_plugin.hosts.junyanz.host_options import read_option
from guidegan_plugin.hosts.junyanz.host_types import HostModel
from guidegan_plugin.hosts.junyanz.weights_file import load_weights, read_weights, unwrapped_when_loaded

_log = logging.getLogger(__name__)


class NewNetworks:
    """The networks the guidance adds to a model: ``net<name>`` for each of ``model_names``, as the host's.

    Args:
        model: The host's model.
        generation: ``"classic"`` where networks are initialised and wrapped when they are made, ``"ddp"`` where in
            ``setup()``.

    Attributes:
        names: Of the networks added.
    """

    def __init__(self, model: HostModel, generation: str) -> None:
        self._model, self._generation = model, generation
        self.names: list[str] = []

    def add(self, guide: Guide) -> None:
        """Add a pair's new networks; in training their parameters join the optimizer of the network they serve.

        To be called before ``setup()`` makes the schedulers.

        Raises:
            HostError: If the model has a network of that name already.
            ConfigError: If no optimizer holds the parameters of the network they serve.
        """
        new = guide.networks()
        for name, network in new.items():
            present = getattr(self._model, f"net{name}", None)
            if present is not None and name in self.names and unwrap(present) is network:
                continue  # T, which all pairs share
            if present is not None or name in self._model.model_names:
                raise HostError(
                    f"the model has a net{name} of its own, and the guidance would add another; change "
                    "--guide_transfer or --guide_attention to one without a network"
                )
            setattr(self._model, f"net{name}", self._initialise(network) if self._generation == "classic" else network)
            self._model.model_names.append(name)
            self.names.append(name)
        if self._model.isTrain:
            guide.join(self._model.optimizers)

    def wrapped(self) -> dict[str, nn.Module]:
        """The networks by name as the host calls its own: in its wrappers, once it has made them."""
        return {name: getattr(self._model, f"net{name}") for name in self.names}

    def load(self, name: str, network: nn.Module, suffix: str) -> None:
        """Load a network of the guidance that is none of the host's at test time; without a file it stays fresh."""
        path = Path(self._model.save_dir) / f"{suffix}_net_{name}.pth"
        if os.path.lexists(path):
            load_weights(path, network, _cure(path))
        else:
            _log.warning("no checkpoint %s: net%s starts fresh", path, name)

    @contextmanager
    def fresh_without_file(self, suffix: str) -> Iterator[None]:
        """While the host's ``setup()`` runs, hide those networks it would look for a missing file of; they start fresh.

        Args:
            suffix: First part of the names of the files the host loads.
        """
        model = self._model
        loads = not model.isTrain or read_option(model.opt, "continue_train")
        files = {name: Path(model.save_dir) / f"{suffix}_net_{name}.pth" for name in self.names if loads}
        missing = [name for name, path in files.items() if not os.path.lexists(path)]
        model.model_names = [name for name in model.model_names if name not in missing]
        yield
        for name in missing:
            _log.warning("no checkpoint %s: net%s starts fresh", files[name], name)
            if self._generation != "classic":
                setattr(model, f"net{name}", self._wrap(self._initialise(getattr(model, f"net{name}"))))
            model.model_names.append(name)

    @contextmanager
    def unreadable_named(self, suffix: str) -> Iterator[None]:
        """While it lasts, an error of the host's loading names the file, if a file was it; wrapped weights are none.

        Args:
            suffix: As for :meth:`fresh_without_file`.

        Raises:
            StoreError: If one of the files that the host loads is torn or no checkpoint, or one of a network of the
                guidance is another network's.
        """
        try:
            with unwrapped_when_loaded():
                yield
        except GuideError:
            raise
        except Exception:
            self._refuse_unreadable(suffix)
            raise

    def _refuse_unreadable(self, suffix: str) -> None:
        model = self._model
        loads = not model.isTrain or read_option(model.opt, "continue_train")
        for name in model.model_names if loads else ():
            path = Path(model.save_dir) / f"{suffix}_net_{name}.pth"
            if not os.path.exists(path):  # noqa: PTH110 - also where its folder cannot be read
                continue  # the host's own error names it
            if name in self.names:
                load_weights(path, copy.deepcopy(unwrap(getattr(model, f"net{name}"))), _cure(path))
            else:
                read_weights(path, other_checkpoint(path))

    def _initialise(self, network: nn.Module) -> nn.Module:
        options = self._model.opt
        arguments = [read_option(options, "init_type"), read_option(options, "init_gain")]
        if self._generation == "classic":
            arguments.append(self._model.gpu_ids)
        initialised: nn.Module = sys.modules["models.networks"].init_net(network, *arguments)
        return initialised

    def _wrap(self, network: nn.Module) -> nn.Module:
        """As the DDP generation's ``setup()`` does after loading."""
        device = self._model.device
        network = network.to(device)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            return DistributedDataParallel(network, device_ids=[device.index] if device.type == "cuda" else None)
        return network


def _cure(path: Path) -> str:
    return f"{other_checkpoint(path)}, or delete it to start it fresh"
