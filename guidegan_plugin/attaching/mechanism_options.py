"""Options that mechanisms bring: on a command line, in a config, and as what a mechanism is built from."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import pluggy

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import ConfigError, PluginError
from guidegan_plugin.guidance.attention.base import Attention
from guidegan_plugin.guidance.attention.post_hoc import PostHocAttention
from guidegan_plugin.guidance.concatenation.base import Concatenation
from guidegan_plugin.guidance.configurable import Configurable
from guidegan_plugin.plugins.entry_points import DISABLE
from guidegan_plugin.plugins.manager import collect
from guidegan_plugin.utils.distributed import is_first_rank
from guidegan_plugin.utils.options import PREFIX, Value, add_arguments, name_of, options_of, read_options

_log = logging.getLogger(__name__)

FLAG = f"--{PREFIX}"

M = TypeVar("M", bound=Configurable)


def _mechanisms(manager: pluggy.PluginManager) -> Iterator[type[Configurable]]:
    for kind in ("attention", "concatenation", "transfer"):
        yield from collect(manager, kind).values()


def defaults(manager: pluggy.PluginManager) -> dict[str, Value]:
    """Every option that a registered mechanism brings, with its default."""
    found: dict[str, Any] = {
        name_of(each, f"{mechanism.name}_"): each.default
        for mechanism in _mechanisms(manager)
        for each in options_of(mechanism.Options)
    }
    return found


def add_guide_options(manager: pluggy.PluginManager, parser: argparse.ArgumentParser) -> None:
    """Add the config's fields and the options of every registered mechanism to a host's parser.

    Raises:
        PluginError: If a mechanism's options clash with others.
    """
    GuideConfig.add_options(parser)
    for mechanism in _mechanisms(manager):
        if not options_of(mechanism.Options):
            continue
        group = parser.add_argument_group(f"{mechanism.name} (guidegan_plugin)")
        try:
            add_arguments(group, mechanism.Options, f"{mechanism.name}_")
        except argparse.ArgumentError as error:
            raise PluginError(
                f"options of {mechanism.name!r} ({mechanism.__module__}) clash: {error}; set {DISABLE} to its plugin"
            ) from error


def config_from(manager: pluggy.PluginManager, parsed: Mapping[str, object]) -> GuideConfig:
    """The config that a host's parsed options say, with the options of mechanisms that are not at their defaults.

    Raises:
        ConfigError: As :class:`GuideConfig`.
    """
    known = defaults(manager)
    given: dict[str, Any] = {name: parsed.get(PREFIX + name, default) for name, default in known.items()}
    return GuideConfig.from_options(parsed).with_options({name: v for name, v in given.items() if v != known[name]})


def check_names(manager: pluggy.PluginManager, config: GuideConfig) -> None:
    """Refuse options that no registered mechanism has.

    Raises:
        ConfigError: If there is one; the message lists the known ones.
    """
    known = defaults(manager)
    for name in config.options:
        if name not in known:
            raise ConfigError(f"option {name!r} is unknown, known are: {', '.join(known) or 'none'}; change options=")


def warn_of_unused(manager: pluggy.PluginManager, config: GuideConfig) -> None:
    """Say of each option that was set for a mechanism which is not used that it has no effect.

    Without attention a training is mostly the bare run beside a guided one, with its options: nothing is said then.

    Args:
        manager: Whose mechanisms are known.
        config: How a training is guided.
    """
    if config.attention == "none" or not is_first_rank():
        return
    chosen = {"attention": config.attention, "concatenation": config.concat, "transfer": config.transfer}
    unused: dict[str, str] = {}
    for kind, name in chosen.items():
        word = "concat" if kind == "concatenation" else kind
        for mechanism in collect(manager, kind).values():
            names = [name_of(each, f"{mechanism.name}_") for each in options_of(mechanism.Options)]
            unused |= {one: f"{word} {name}" for one in names if mechanism.name != name and one in config.options}
    ignored = dict.fromkeys(fields_without_effect(manager, config.attention), f"attention {config.attention}")
    blends = collect(manager, "concatenation").get(config.concat, Concatenation)
    ignored |= dict.fromkeys(blends.ignores, f"concat {config.concat}")
    usual = GuideConfig()
    unused |= {name: reason for name, reason in ignored.items() if getattr(config, name) != getattr(usual, name)}
    for option, reason in unused.items():
        _log.warning("%s%s has no effect with %s; leave it out", FLAG, option, reason)


def fields_without_effect(manager: pluggy.PluginManager, attention: str) -> list[str]:
    """The fields of a config on which post-hoc maps depend, and those of another mechanism do not.

    Args:
        manager: Whose mechanisms are known.
        attention: The mechanism's name; one that nobody knows, or that does not say what its maps depend on, has none.
    """
    found: type[Attention] = collect(manager, "attention").get(attention, Attention)
    says = any("map_options" in vars(kind) for kind in found.__mro__ if kind is not Attention)
    return [name for name in PostHocAttention.map_options if name not in found.map_options] if says else []


def build(mechanism: type[M], config: GuideConfig) -> M:
    """A mechanism as the config wants it.

    Raises:
        ConfigError: If its options have values that cannot be, or the mechanism cannot work with them.
    """
    return mechanism.from_options(read_options(mechanism.Options, config.options, f"{mechanism.name}_"), config)


def full_config(manager: pluggy.PluginManager, config: GuideConfig) -> dict[str, Value]:
    """Every field of the config and every mechanism's option, defaults among them, as a store's file keeps them."""
    return {**defaults(manager), **config.as_dict()}


def meaning_of_maps(manager: pluggy.PluginManager, config: GuideConfig) -> dict[str, Value]:
    """What a remembered map depends on: the mechanism, its own options, and what its ``map_options`` name."""
    found: dict[str, type[Attention]] = collect(manager, "attention")
    mechanism = found.get(config.attention)
    if mechanism is None:
        return {"attention": config.attention}
    whole = full_config(manager, config)
    own = [name_of(each, f"{mechanism.name}_") for each in options_of(mechanism.Options)]
    return {name: whole[name] for name in ("attention", *mechanism.map_options, *own)}
