"""Which networks of the family's own models, and of some well-known forks', belong together."""

from __future__ import annotations

import argparse
from typing import Any

from guidegan_plugin.attaching.pairs import HOW_TO_WRITE, NamedPair, parse_pairs
from guidegan_plugin.errors import HostError
from guidegan_plugin.hosts.junyanz.host_options import read_option


def known_pairs(host_model: str, options: Any) -> tuple[NamedPair, ...]:
    """The pairs of a model: the user's, or those of the family's own models, CUT, BicycleGAN, AttentionGAN and AGGAN.

    Raises:
        ConfigError: If ``--guide_pairs`` cannot be read.
        HostError: If the model is unknown and no pairs are given.
    """
    if options.guide_pairs:
        return parse_pairs(options.guide_pairs)
    if host_model in ("cycle_gan", "attention_gan"):
        return tuple(NamedPair(f"netG_{side}", f"netD_{side}", f"real_{side}", f"{side}_paths") for side in "AB")
    if host_model == "aggan":  # of the reference host: G's translation is laid over its input before D judges
        return tuple(
            NamedPair(f"netG_{side}..overlay_{side}", f"netD_{side}", f"real_{side}", f"{side}_paths") for side in "AB"
        )
    if host_model in ("pix2pix", "cut"):
        return (NamedPair("netG", "netD", "real_A", "A_paths"),)
    if host_model == "bicycle_gan":  # one judge for the encoded style, one for the random one
        judges = "netD" if read_option(options, "use_same_D") else "netD+netD2"
        return (NamedPair("netG", judges, "real_A", "A_paths"),)
    if host_model == "test":
        suffix = read_option(options, "model_suffix")
        return (NamedPair(f"netG{suffix}", f"netD{suffix}", "real", "A_paths"),)
    raise HostError(f"the pairs of model {host_model!r} are not known; {HOW_TO_WRITE}")


def pairs_are_known(host_model: str) -> bool:
    """Whether a model needs no ``--guide_pairs``."""
    try:
        return bool(known_pairs(host_model, argparse.Namespace(guide_pairs="")))
    except HostError:
        return False
