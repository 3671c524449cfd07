"""``--guide_preset``: the paper's settings (``paper:<task>``) or ours (``recommended``) as defaults of the options."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.plugins.preset_table import PresetRow, PresetTable

Value = str | int | float

# What the family's own cycle_gan and pix2pix train with where nothing is typed.
FAMILY_DEFAULTS: Mapping[str, tuple[Value, Value]] = MappingProxyType(
    {
        "netG": ("resnet_9blocks", "unet_256"),
        "netD": ("basic", "basic"),
        "norm": ("instance", "batch"),
        "load_size": (286, 286),
        "crop_size": (256, 256),
        "n_epochs": (100, 100),
        "n_epochs_decay": (100, 100),
        "batch_size": (1, 1),
        "lr": (0.0002, 0.0002),
        "beta1": (0.5, 0.5),
        "gan_mode": ("lsgan", "vanilla"),
        "lambda_A": (10.0, "-"),
        "lambda_B": (10.0, "-"),
        "lambda_identity": (0.5, "-"),
        "lambda_L1": ("-", 100.0),
        "guide_attention": ("pha", "pha"),
        "guide_concat": ("rhp", "rhp"),
    }
)

# Where in the paper each value stands; appendix A has no numbered parts.
SOURCES: Mapping[str, str] = MappingProxyType(
    {
        "netG": "appendix A, networks",
        "netD": "appendix A, networks",
        "norm": "appendix A, preprocessing",
        "load_size": "appendix A, preprocessing",
        "crop_size": "appendix A, preprocessing",
        "n_epochs": "appendix A, optimizer",
        "n_epochs_decay": "appendix A, optimizer",
        "batch_size": "appendix A, optimizer",
        "lr": "appendix A, optimizer",
        "beta1": "appendix A, optimizer",
        "gan_mode": "section 3.4, equation (7)",
        "lambda_A": "appendix A, objective: 10 to 10",
        "lambda_B": "appendix A, objective: 10 to 10",
        "lambda_identity": "section 3.4 has no such loss",
        "lambda_L1": "appendix A, objective: 10 to 10",
        "guide_attention": "section 4.1",
        "guide_concat": "section 4.1",
    }
)

RECOMMENDED = "recommended"
"""Ours: the guidance that needs no map at test time, and whose scores were about the paper's in our studies."""

# By option: the value, and where it was measured.
_RECOMMENDED: Mapping[str, tuple[Value, str]] = MappingProxyType(
    {
        "guide_attention": ("pha", "the paper's"),
        "guide_concat": ("gradient", "docs/results/test_maps, mechanisms and camvid_systems"),
    }
)

# Forks that are older call these so.
_FORMER_NAMES = {"n_epochs": "niter", "n_epochs_decay": "niter_decay"}


@dataclass(frozen=True)
class Preset:
    """The settings of one task.

    Attributes:
        paired: Whether its data are pairs, so that pix2pix trains on them.
        generator: ``--netG``.
        size: ``--crop_size``; images are resized to 143/128 of it before.
        epochs: ``--n_epochs`` and ``--n_epochs_decay``.
        ours: Options of which the paper says nothing for this task, so that their values are ours.
    """

    paired: bool
    generator: str
    size: int
    epochs: int
    ours: tuple[str, ...] = ()

    def options(self) -> dict[str, Value]:
        """The family's options by name."""
        # The family gives the adversarial loss no weight of its own. Adam steps by the ratio of gradient moments, so
        # 1 to 1 trains as 10 to 10 does, up to its epsilon.
        weights: dict[str, Value] = {"lambda_L1": 1.0}
        if not self.paired:
            weights = {"lambda_A": 1.0, "lambda_B": 1.0, "lambda_identity": 0.0}
        return {
            "netG": self.generator,
            "netD": "basic",
            "norm": "instance",
            "load_size": {128: 143, 256: 286}[self.size],
            "crop_size": self.size,
            "n_epochs": self.epochs,
            "n_epochs_decay": self.epochs,
            "batch_size": 1,
            "lr": 0.0002,
            "beta1": 0.5,
            "gan_mode": "lsgan",
            **weights,
            "guide_attention": "pha",
            "guide_concat": "rhp",
        }


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "paper:apple2orange": Preset(False, "resnet_9blocks", 256, 100),
        "paper:horse2zebra": Preset(False, "resnet_9blocks", 256, 50),
        "paper:summer2winter": Preset(False, "resnet_9blocks", 256, 100, ("netG", "n_epochs", "n_epochs_decay")),
        "paper:day2night": Preset(False, "resnet_9blocks", 256, 50),
        "paper:cityscapes_unpaired": Preset(False, "resnet_6blocks", 128, 100),
        "paper:cityscapes_paired": Preset(True, "unet_128", 128, 100),
    }
)


def find_preset(name: str, host_model: str) -> Preset:
    """A preset of the paper's for a model.

    Args:
        name: Such as ``paper:horse2zebra``.
        host_model: As for ``--model``, without ``guide_``.

    Raises:
        ConfigError: If it is unknown, or its data are pairs and the model's are not, or the other way round.
    """
    if name not in PRESETS:
        known = ", ".join([RECOMMENDED, *PRESETS])
        raise ConfigError(f"preset {name!r} is unknown, known are: {known}; change --guide_preset")
    preset = PRESETS[name]
    trains_on_pairs = {"pix2pix": True, "cycle_gan": False}.get(host_model, preset.paired)
    if trains_on_pairs != preset.paired:
        data, fitting = ("paired", "pix2pix") if preset.paired else ("unpaired", "cycle_gan")
        raise ConfigError(
            f"preset {name} is for {data} data and model guide_{host_model} for the other kind; change --guide_preset, "
            f"or --model to guide_{fitting}"
        )
    return preset


def values_by_option(paired: bool) -> dict[str, list[str]]:
    """What the presets of one kind set, for people: each option's values, with the tasks where these differ.

    Args:
        paired: Of which kind.
    """
    shown = {name: preset for name, preset in PRESETS.items() if preset.paired == paired}
    found: dict[str, list[str]] = {}
    for option in next(iter(shown.values())).options():
        tasks: dict[str, list[str]] = {}
        for name, preset in shown.items():
            ours = " (ours)" if option in preset.ours else ""
            tasks.setdefault(str(preset.options()[option]), []).append(name.removeprefix("paper:") + ours)
        found[option] = list(tasks) if len(tasks) == 1 else [f"{value}: {', '.join(tasks[value])}" for value in tasks]
    return found


def tables() -> list[PresetTable]:
    """The presets of the paper, of either kind, beside the defaults of the model that trains on such data; and ours."""
    defaults = GuideConfig()
    ours = [
        PresetRow(f"--{option}", str(getattr(defaults, option.removeprefix("guide_"))), [str(value)], source)
        for option, (value, source) in _RECOMMENDED.items()
    ]
    papers = [
        PresetTable(
            f"for guide_{model}",
            model,
            [
                PresetRow(f"--{option}", str(FAMILY_DEFAULTS[option][paired]), values, SOURCES[option])
                for option, values in values_by_option(paired).items()
            ],
        )
        for paired, model in ((False, "cycle_gan"), (True, "pix2pix"))
    ]
    return [*papers, PresetTable(f"{RECOMMENDED}, for every model", "guidance", ours, "ours")]


def set_defaults(parser: argparse.ArgumentParser, host_model: str, is_train: bool) -> None:
    """Make a preset's values defaults of a host's options, so that what the user types still wins.

    The preset is read ahead of the rest, because defaults must stand before the host parses.

    Args:
        parser: With the host's, the model's and our own options; those it lacks are left out.
        host_model: As for ``--model``, without ``guide_``.
        is_train: Whether images are cropped at random; a test takes them whole, as the family's own does.

    Raises:
        ConfigError: As :func:`find_preset`.
    """
    name: str = parser.parse_known_args()[0].guide_preset
    if not name:
        return
    if name == RECOMMENDED:
        parser.set_defaults(**{option: value for option, (value, _) in _RECOMMENDED.items()})
        return
    options = find_preset(name, host_model).options()
    if not is_train:
        options["load_size"] = options["crop_size"]
    options |= {former: options[name] for name, former in _FORMER_NAMES.items()}
    known = {option: value for option, value in options.items() if parser.get_default(option) is not None}
    parser.set_defaults(**known)
