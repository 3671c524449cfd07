"""Images of two folders that belong together by the stems of their names."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from guidegan_plugin.errors import DataError
from guidegan_plugin.utils.images import list_images


def images_by_stem(folder: Path, flag: str, suffix: str = "", *, deep: bool = True) -> dict[str, Path]:
    """The images of a folder by their names.

    Args:
        folder: Where to look.
        flag: The option that named the folder, for complaints.
        suffix: What a name has between stem and extension; images without it are passed over.
        deep: Whether its subfolders are read, too.

    Returns:
        Paths by stem, sorted; the suffix is no part of the stem.

    Raises:
        DataError: If there is no such folder, no such image, or two of one stem.
    """
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; change {flag}")
    found: dict[str, Path] = {}
    for path in list_images(folder, deep=deep):
        if not path.stem.endswith(suffix):
            continue
        stem = path.stem.removesuffix(suffix)
        if stem in found:
            raise DataError(f"{found[stem]} and {path} have one name, so either may be meant; change {flag}")
        found[stem] = path
    if not found:
        raise DataError(f"{folder} holds no image *{suffix}.png (or another format); change {flag} or its suffix")
    return dict(sorted(found.items()))


def require(stems: Iterable[str], found: dict[str, Path], what: str, cure: str) -> None:
    """Complain where images have no partner.

    Args:
        stems: That must be there.
        found: By stem, what is.
        what: What is missing, such as ``"images of --pred have no truth"``.
        cure: What to change.

    Raises:
        DataError: If any is missing: how many, and the first.
    """
    wanted = list(stems)
    missing = [stem for stem in wanted if stem not in found]
    if missing:
        raise DataError(f"{len(missing)} of {len(wanted)} {what}, the first {missing[0]}; {cure}")
