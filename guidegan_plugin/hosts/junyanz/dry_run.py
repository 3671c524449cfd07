"""A dry run: what would be attached where, and what would be stored."""

from __future__ import annotations

import importlib
from typing import Any

import torch
from torch.utils.data import default_collate

from guidegan_plugin.attaching.pairs import NamedPair
from guidegan_plugin.errors import GuideError
from guidegan_plugin.guidance.layers import convolutions
from guidegan_plugin.hosts.junyanz.guides import HostGuides
from guidegan_plugin.hosts.junyanz.host_options import read_option
from guidegan_plugin.plugins.host import Fact


def describe(guides: HostGuides) -> list[Fact]:
    """The guidance of a host's model in words; the process is expected to end afterwards.

    Args:
        guides: Attached, its networks not yet trained.

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
        guide = guides.guides[pair.name]
        facts = guide.pair
        lines += [
            (
                f"pair {pair.name}",
                f"{pair.generator} ({facts['generator']}) reads {pair.source}, keys from {pair.keys}",
            ),
            ("", f"{pair.discriminator} ({facts['discriminator']}) judges it"),
        ]
        if guides.model.isTrain:
            height, width = _map_shape(guides, pair)
            images = _count(dataset, pair, options)
            size = (
                images
                * height
                * width
                * torch.empty((), dtype=getattr(torch, guides.config.store_dtype)).element_size()
            )
            total += size
            lines += [
                (
                    "attention",
                    f"{guide.attention.name if guide.attention else 'none'}, read off {facts['attention']}, "
                    f"maps {height} x {width}",
                ),
                ("stored", f"{images} maps of {height} x {width} {guides.config.store_dtype}, {size / 2**20:.1f} MiB"),
            ]
        else:
            again = f", then where D looks, {options.guide_refine} times at most" if options.guide_refine else ""
            lines.append(("attention", f"all ones: test time shows the generator the placeholder{again}"))
        lines.append(("blended", facts["concatenation"]))
    for name in guides.new_networks.names:
        lines.append(("new network", f"net{name}, which the host initialises, saves and loads like its own"))
    if guides.model.isTrain:
        lines.append(("memory", f"{total / 2**20:.1f} MiB in all, on {_place(guides)}"))
    return [*lines, *_try_a_batch(guides, dataset)]


def _try_a_batch(guides: HostGuides, dataset: Any) -> list[Fact]:
    """Bind one image, so that a misspelt source or field is found now and not once the training starts."""
    try:
        batch = default_collate([dataset[0]])
        guides.model.set_input(batch)
        guides.bind(batch)
    except GuideError:
        raise
    except Exception as error:  # the host's own code, on a batch its own loader might have put together otherwise
        return [("warning", f"no batch could be tried ({type(error).__name__}: {error})")]
    return []


def _map_shape(guides: HostGuides, pair: NamedPair) -> tuple[int, int]:
    discriminator = getattr(guides.model, pair.discriminator)
    parameter = next(discriminator.parameters())
    channels = convolutions(discriminator)[0][1].in_channels
    side = read_option(guides.model.opt, "crop_size")
    maps = guides.guides[pair.name].look(torch.zeros(1, channels, side, side, device=parameter.device))[1]
    return maps.shape[-2], maps.shape[-1]


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
    return "the CPU" if guides.config.store_device == "cpu" else str(guides.model.device)
