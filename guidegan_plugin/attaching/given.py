"""What ``attach`` and ``guided`` are given, looked at before anything is made of it."""

from __future__ import annotations

from collections.abc import Iterable

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import ConfigError


def expect(argument: str, value: object, kind: type | tuple[type, ...], wanted: str) -> None:
    """Refuse an argument of another type.

    Args:
        argument: Its name.
        value: What was given; None is fine.
        kind: What it may be.
        wanted: The same in words.

    Raises:
        ConfigError: If it is none.
    """
    if value is not None and not isinstance(value, kind):
        raise ConfigError(f"{argument}: expected {wanted}, found {type(value).__name__}; change {argument}=")


def expect_function(argument: str, value: object, wanted: str) -> None:
    """Refuse an argument that cannot be called.

    Raises:
        ConfigError: If it cannot.
    """
    if value is not None and not callable(value):
        raise ConfigError(f"{argument}: expected a function {wanted}, found {value!r}; change {argument}=")


def expect_several(argument: str, values: object, wanted: str) -> None:
    """Refuse an argument that is no collection.

    Raises:
        ConfigError: If it is none; a text is a collection of nothing that anybody wants.
    """
    if values is not None and (isinstance(values, str) or not isinstance(values, Iterable)):
        raise ConfigError(f"{argument}: expected {wanted} in a list, found {type(values).__name__}; change {argument}=")


def check_how(config: object, plugins: object, judged: object, key_of: object = None) -> None:
    """Refuse what ``attach`` and ``guided`` cannot be given as the arguments of these names.

    Raises:
        ConfigError: If one is of another type.
    """
    expect("config", config, GuideConfig, "a GuideConfig")
    expect_several("plugins", plugins, "plugins")
    expect_function("judged", judged, "of source and fake (GuideConfig has a judged of its own)")
    expect_function("key_of", key_of, "of key and call")
