"""The options of the family that the plugin reads; forks lack some, or call them by a former name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

DEFAULTS: Mapping[str, object] = MappingProxyType(
    {
        "checkpoints_dir": "./checkpoints",
        "continue_train": False,
        "crop_size": 256,
        "dataroot": ".",
        "dataset_mode": "unaligned",
        "device": None,
        "direction": "AtoB",
        "epoch": "latest",
        "epoch_count": 1,
        "gpu_ids": True,  # whatever GPUs there are
        "init_gain": 0.02,
        "init_type": "normal",
        "input_nc": 3,
        "load_iter": 0,
        "load_size": 286,
        "model_suffix": "",
        "n_epochs": None,
        "n_epochs_decay": None,
        "n_layers_D": 3,
        "name": "experiment_name",
        "ndf": 64,
        "netD": "basic",
        "norm": "instance",
        "output_nc": 3,
        "phase": "train",
        "pool_size": None,
        "preprocess": "resize_and_crop",
        "results_dir": "./results/",
        "use_same_D": False,  # of BicycleGAN
    }
)
"""What stands in place of an option that a host lacks: the family's default, None where nobody knows."""

OTHER_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "crop_size": ("fineSize",),
        "direction": ("which_direction",),
        "epoch": ("which_epoch",),
        "load_size": ("loadSize",),
        "n_epochs": ("niter",),
        "n_epochs_decay": ("niter_decay",),
        "netD": ("which_model_netD",),
        "norm": ("normD",),  # of the discriminator; the plugin builds no generator
        "preprocess": ("resize_or_crop",),
    }
)
"""What older generations and forks call an option."""


def read_option(options: object, name: str) -> Any:
    """An option of the host, whatever generation or fork the host is.

    Args:
        options: As the host parsed them.
        name: As pytorch-CycleGAN-and-pix2pix calls the option, one of ``DEFAULTS``.

    Returns:
        The host's value, or the family's default where the host has no such option.
    """
    default = DEFAULTS[name]
    known = next((known for known in (name, *OTHER_NAMES.get(name, ())) if hasattr(options, known)), None)
    return default if known is None else getattr(options, known)


def name_of_option(options: object, name: str) -> str:
    """What the host calls an option, for a message to its user: ``--norm``, or ``--normD`` in CUT."""
    known = next((known for known in (name, *OTHER_NAMES.get(name, ())) if hasattr(options, known)), name)
    return f"--{known}"
