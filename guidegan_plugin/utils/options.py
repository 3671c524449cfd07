"""Options: fields of a dataclass that are also ``--guide_<name>`` on a host's command line."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar

from guidegan_plugin.errors import ConfigError

PREFIX = "guide_"
Value = str | int | float

Options = TypeVar("Options")


@dataclass(frozen=True)
class NoOptions:
    """Of a class that has no options of its own."""


def option(
    default: Value,
    about: str,
    *choices: str,
    types: tuple[type, ...] = (),
    metavar: str | None = None,
    implied: str | None = None,
) -> Any:
    """A field of a dataclass that is an option.

    Args:
        default: Its value where nothing is said; its type is the option's, and False makes a flag.
        about: Its help, one line.
        choices: The values there are, where these are closed.
        types: Types of its values, where there are others than the default's.
        metavar: What stands for the value in the help.
        implied: The value of the bare option on a command line, where its value may be left out.
    """
    facts = {"help": about, "choices": choices, "types": types, "metavar": metavar, "implied": implied}
    return field(default=default, metadata=facts)


def options_of(kind: type[Any]) -> list[Field[Any]]:
    """The fields of a dataclass that are options."""
    return [each for each in fields(kind) if "help" in each.metadata]


def name_of(each: Field[Any], prefix: str = "") -> str:
    """An option's whole name, ``tam_start`` for a field ``start`` of ``tam``; a field ``on`` is ``tam`` itself."""
    return prefix.removesuffix("_") if each.name == "on" and prefix else prefix + each.name


def check_options(values: object, prefix: str = "") -> None:
    """Refuse values of another type than their defaults', or outside their choices.

    Args:
        values: An object of a dataclass of options.
        prefix: Of their names, such as ``tam_``.

    Raises:
        ConfigError: If a value cannot be; the message names argument, flag and value.
    """
    for each in options_of(type(values)):
        name, value = name_of(each, prefix), getattr(values, each.name)
        check_type(name, value, each)
        choices = each.metadata["choices"]
        if choices and value not in choices:
            raise refusal(name, "one of " + ", ".join(choices), value)


def check_type(name: str, value: object, each: Field[Any]) -> None:
    """Refuse a value of another type than the default's; a whole number is a fraction, too."""
    allowed: tuple[type, ...] = each.metadata["types"] or (type(each.default),)
    if allowed == (float,):
        allowed = (float, int)
    if not isinstance(value, allowed) or isinstance(value, bool) != isinstance(each.default, bool):
        raise refusal(name, " or ".join(kind.__name__ for kind in allowed), value)


def refusal(name: str, expected: str, found: object) -> ConfigError:
    """That an option's value cannot be, in one line."""
    shown = " ".join(repr(found).split("\n"))  # an array shows itself in several
    return ConfigError(f"{name}: expected {expected}, found {shown}; change {name} (--{PREFIX}{name})")


def add_arguments(parser: argparse._ActionsContainer, kind: type[Any], prefix: str = "") -> None:
    """Add each option of a dataclass to a parser.

    Args:
        parser: A host's, or a group of its arguments.
        kind: The dataclass.
        prefix: Of the options' names, such as ``tam_``.
    """
    for each in options_of(kind):
        name = f"{PREFIX}{name_of(each, prefix)}"
        about = each.metadata["help"].replace("%", "%%")  # which argparse would take for its own
        if isinstance(each.default, bool):
            parser.add_argument(f"--{name}", dest=name, action="store_true", help=about)
            continue
        more: dict[str, Any] = {}
        if each.metadata["implied"] is not None:
            more = {"nargs": "?", "const": each.metadata["implied"]}
        parser.add_argument(
            f"--{name}",
            dest=name,  # a hyphen in a mechanism's name stays one
            type=_number_or_word if int in each.metadata["types"] else type(each.default),
            default=each.default,
            choices=each.metadata["choices"] or None,
            metavar=each.metadata["metavar"],
            help=about,
            **more,
        )


def read_options(kind: type[Options], values: Mapping[str, object], prefix: str = "") -> Options:
    """Build a dataclass of options.

    Args:
        kind: The dataclass.
        values: Values by the options' whole names, such as ``tam_start``; others are passed over.
        prefix: Of the options' names.

    Raises:
        ConfigError: If a value cannot be.
    """
    given: dict[str, Any] = {
        each.name: values[name_of(each, prefix)] for each in options_of(kind) if name_of(each, prefix) in values
    }
    built = kind(**given)
    check_options(built, prefix)
    return built


def _number_or_word(text: str) -> int | str:
    """``"4"`` is a number; ``"model.8"`` and ``"auto"`` are words."""
    try:
        return int(text)
    except ValueError:
        return text
