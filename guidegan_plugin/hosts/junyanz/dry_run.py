"""A dry run: what is attached where, what would be stored, and what a real step showed."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate

from guidegan_plugin.attaching.pairs import NamedPair
from guidegan_plugin.errors import GuideError
from guidegan_plugin.guidance.layers import unwrap
from guidegan_plugin.hosts.junyanz.guides import HostGuides
from guidegan_plugin.hosts.junyanz.host_options import read_option
from guidegan_plugin.hosts.real_step import PATIENCE, is_judged, not_guided, seen
from guidegan_plugin.plugins.host import DryRunFinished, Fact, as_text

_STEPS = 25  # at most: some hosts update their generator in every fifth step only

# What would open windows, start servers or write beside the checkpoints.
_QUIET = {"display_id": -1, "no_html": True, "use_wandb": False}


class DryRun:
    """A dry run of one model: its host trains until each pair was seen to be guided, or to be none.

    Args:
        guides: The guides of the model; nothing is trained yet.
    """

    def __init__(self, guides: HostGuides) -> None:
        self._guides, self._steps, self._missed = guides, 0, 0
        for name, value in _QUIET.items():
            if hasattr(guides.model.opt, name):
                setattr(guides.model.opt, name, value)

    @property
    def trains(self) -> bool:
        """Whether a step is trained: in a training that is guided. Else the model's setup ends the dry run."""
        return self._guides.active and self._guides.model.isTrain

    @contextmanager
    def step(self) -> Iterator[None]:
        """Within it the host trains a step.

        Raises:
            DryRunFinished: When enough was seen.
        """
        before = [value.clone() for value in self._trained()]
        yield
        self._steps += 1
        guided = all(map(is_judged, self._guides.guides.values()))
        after = self._trained()
        updated = len(after) != len(before) or not all(map(torch.equal, before, after))
        self._missed += not guided and updated
        if guided or self._missed == PATIENCE or self._steps == _STEPS:
            self.finish()

    def finish(self) -> None:
        """End the script; before the first step there is nothing to be said yet.

        Raises:
            DryRunFinished: With what is attached, and what the newest step showed.
        """
        if self._steps or not self.trains:
            causes = [not_guided(guide) for guide in self._guides.guides.values()] if self.trains else []
            facts = describe(self._guides)
            # For a script started plainly; the launcher, which keeps a script's output to itself, has the facts anyway.
            sys.stdout.write(f"{as_text(facts)}\n")
            raise DryRunFinished(facts, next(filter(None, causes), ""))

    def _trained(self) -> list[Tensor]:
        """What an update of a generator changes: its weights, or at a rate of 0 its gradients alone.

        Their values are compared, because a fused step, or one that copies weights, leaves no other trace.
        """
        networks = [unwrap(self._guides.network(pair.stages[0].path)) for pair in self._guides.pairs]
        weights = [weight for network in networks for weight in network.parameters()]
        return [value.detach() for weight in weights for value in (weight, weight.grad) if value is not None]


def describe(guides: HostGuides) -> list[Fact]:
    """The guidance of a host's model in words; the process is expected to end afterwards.

    Args:
        guides: Attached; in a training, after a step.

    Raises:
        HostError: If a pair names source images or keys that a batch does not bring.
    """
    options = guides.model.opt
    lines: list[Fact] = [("model", f"guide_{guides.host_model} ({type(guides.model).__mro__[2].__name__} of the host)")]
    if not guides.active:
        return [*lines, ("attention", "none: the host runs as if we were not there")]
    dataset = importlib.import_module("data").find_dataset_using_name(read_option(options, "dataset_mode"))(options)
    total = 0
    for pair in guides.pairs:
        facts = guides.guides[pair.name].pair
        lines += [
            (
                f"pair {pair.name}",
                f"{pair.generator} ({facts['generator']}) reads {pair.source}, keys from {pair.keys}",
            ),
            ("", f"{pair.discriminator} ({facts['discriminator']}) judges it"),
        ]
        if guides.model.isTrain:
            trained, size = _of_training(guides, pair, _count(dataset, pair, options))
            lines += trained
            total += size
        else:
            again = f", then where D looks, {options.guide_refine} times at most" if options.guide_refine else ""
            given = guides.guides[pair.name].given
            first = "all ones: test time shows the generator the placeholder" if given is None else given.about
            lines.append(("attention", f"{first}{again}"))
        lines.append(("blended", facts["concatenation"]))
    for name in guides.new_networks.names:
        lines.append(("new network", f"net{name}, which the host initialises, saves and loads like its own"))
    if guides.model.isTrain:
        return [*lines, ("memory", f"{total / 2**20:.1f} MiB in all, on {_place(guides)}")]
    return [*lines, *_try_a_batch(guides, dataset)]


def _of_training(guides: HostGuides, pair: NamedPair, images: int) -> tuple[list[Fact], int]:
    """A pair's attention, what was seen of the pair, and what its maps need; and the latter in bytes."""
    guide = guides.guides[pair.name]
    read = f"{guide.attention.name if guide.attention else 'none'}, read off {guide.pair['attention']}"
    if guide.latest is None:
        return [("attention", read), seen(guide)], 0
    height, width = guide.latest.shape[-2:]
    kind = guides.config.store_dtype
    size = images * height * width * getattr(torch, kind).itemsize
    stored = f"{images} maps of {height} x {width} {kind}, {size / 2**20:.1f} MiB"
    return [("attention", f"{read}, maps {height} x {width}"), seen(guide), ("stored", stored)], size


def _try_a_batch(guides: HostGuides, dataset: Any) -> list[Fact]:
    """Bind one image of a test, so that a misspelt source or field is found now."""
    try:
        batch = default_collate([dataset[0]])
        guides.model.set_input(batch)
        guides.bind(batch)
    except GuideError:
        raise
    except Exception as error:  # the host's own code, on a batch its own loader might have put together otherwise
        return [("warning", f"no batch could be tried ({type(error).__name__}: {error})")]
    return []


def _count(dataset: Any, pair: NamedPair, options: Any) -> int:
    """Images of the pair's source domain, from the attributes the family's data sets have."""
    domain = pair.keys[0]
    if read_option(options, "direction") == "BtoA":
        domain = {"A": "B", "B": "A"}.get(domain, domain)
    for attribute in (f"{domain}_paths", "AB_paths"):
        if hasattr(dataset, attribute):
            return len(getattr(dataset, attribute))
    return len(dataset)


def _place(guides: HostGuides) -> str:
    if guides.config.store == "mmap":
        return "the disk"
    return "the CPU" if guides.config.store_device == "cpu" else str(guides.model.device)
