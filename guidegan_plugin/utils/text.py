"""What comes from outside, as a message or a page shows it."""

from __future__ import annotations


def printable(text: str) -> str:
    """A text without what would act on a terminal: such characters are written as their escapes."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def short(value: object, length: int = 80) -> str:
    """Any value in one printable line; what is long is cut."""
    text = printable(" ".join((value if isinstance(value, str) else repr(value)).split()))
    return text if len(text) <= length else f"{text[: length - 3]}..."
