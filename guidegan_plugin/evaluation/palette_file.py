"""Palettes of one's own: a text file, or JSON.

Text: a line ``name red green blue`` a class; ids count the lines from 0; the name ``ignore`` marks what is not scored;
``#`` begins a comment.

    road 128 64 128
    traffic light 250 170 30
    ignore 0 0 0

JSON: the same with ids of one's choice (by default a class's place in the list).

    {"classes": [{"name": "road", "colour": [128, 64, 128], "ids": [7]}],
     "ignore": [{"colour": [0, 0, 0], "ids": [0, 255]}]}
"""

from __future__ import annotations

import json
from pathlib import Path

from guidegan_plugin.datasets.palettes import PALETTES, RGB, LabelClass, Palette
from guidegan_plugin.errors import ConfigError

IGNORE = "ignore"


def load_palette(name: str) -> Palette:
    """A palette by its name or from a file.

    Args:
        name: One of ``PALETTES``, or a file; JSON where it ends so, otherwise text.

    Raises:
        ConfigError: If it is neither, or the file does not say a palette.
    """
    if name in PALETTES:
        return PALETTES[name]
    path = Path(name)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(
            f"palette {name} is none of {', '.join(PALETTES)} and no file to read ({reason}); change --palette"
        ) from error
    return _from_json(path.name, text) if path.suffix == ".json" else _from_lines(path.name, text)


def _from_lines(name: str, text: str) -> Palette:
    classes: list[LabelClass] = []
    void: list[LabelClass] = []
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) < 4 or not all(word.isdecimal() for word in words[-3:]):
            raise ConfigError(f"palette {name}, line {number}: expected name r g b, found {line!r}; change --palette")
        red, green, blue = map(int, words[-3:])
        entry = LabelClass(" ".join(words[:-3]), (red, green, blue), (len(classes) + len(void),))
        (void if entry.name == IGNORE else classes).append(entry)
    return Palette(name, tuple(classes), tuple(void))


def _from_json(name: str, text: str) -> Palette:
    try:
        content = json.loads(text)
        _refuse_unknown(content, {"classes", "ignore"})
        for item in (*content["classes"], *content.get("ignore", [])):
            _refuse_unknown(item, {"name", "colour", "ids"})
        classes = tuple(
            LabelClass(str(item["name"]), _colour(item["colour"]), _whole(item.get("ids", [place])))
            for place, item in enumerate(content["classes"])
        )
        void = tuple(
            LabelClass(IGNORE, _colour(item["colour"]) if "colour" in item else None, _whole(item["ids"]))
            for item in content.get("ignore", [])
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigError(
            f'palette {name}: expected {{"classes": [{{"name", "colour", "ids"}}], "ignore": [...]}}, '
            f"found otherwise ({type(error).__name__}: {error}); change --palette"
        ) from error
    return Palette(name, classes, void)


def _refuse_unknown(item: dict[str, object], known: set[str]) -> None:
    """A key that is misspelt, ``id`` say, would leave a class with the ids of its place in silence."""
    if unknown := sorted(item.keys() - known):
        raise ValueError(f"{unknown[0]!r} is unknown")


def _colour(values: object) -> RGB:
    red, green, blue = _whole(values)
    return red, green, blue


def _whole(values: object) -> tuple[int, ...]:
    """Numbers as they stand: a colour in [0, 1], or the text "12", would become something else in silence."""
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise TypeError(f"a list of whole numbers is expected, not {values!r}")
    return tuple(values)
