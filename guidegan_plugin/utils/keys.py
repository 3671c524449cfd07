"""Keys: names of images, and where a name may lead."""

from __future__ import annotations

from pathlib import Path


class ItemKey(str):
    """A key that is only an item's place in a data set without a name: another data set may have the same keys.

    Attributes:
        dataset: Tells one data set from another; the same in all workers of a loader.
    """

    dataset: str = ""

    @classmethod
    def of(cls, place: int, dataset: str) -> ItemKey:
        """The key of an item."""
        key = cls(place)
        key.dataset = dataset
        return key


def below(root: Path, key: str) -> Path | None:
    """Where a key points below a root, whatever is there; None where it is absolute or goes up."""
    return None if Path(key).is_absolute() or ".." in Path(key).parts else root / key


def place_of(root: Path, key: str) -> Path | None:
    """The file that a key names below a root; everything that opens a key's file asks here.

    Keys come from files that anybody may have written. One that leads out of the root names nothing, be it absolute,
    upwards or through a link; nor does one of what is no plain file (a device, a pipe, a folder).

    Args:
        root: A folder.
        key: As a store remembers it, with ``/``.

    Returns:
        The file, by the root's own name; None where there is none.
    """
    path = below(root, key)
    try:
        inside = path is not None and path.is_file() and path.resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):  # too long for a name, a zero byte in it, links in a circle
        return None
    return path if inside else None
