"""Sealed files: safetensors with a checksum of all they hold, written whole or not at all, refused by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import safetensors
from torch import Tensor

from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.memory.digests import checksum
from guidegan_plugin.guidance.memory.pieces import pieces
from guidegan_plugin.utils.files import sweep, write_whole
from guidegan_plugin.utils.reading import read_through, unreadable
from guidegan_plugin.utils.text import short

_SUM = "sha256"


class _OfNewerVersion(StoreError):
    """A file whose format comes after those that are known."""


def write_sealed(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, str]) -> None:
    """Write a sealed file.

    Args:
        path: File name.
        tensors: By name, on the CPU.
        facts: What else it says.

    Raises:
        OSError: If it cannot be written; what was there is untouched then.
    """
    sweep(path.parent)
    write_whole(path, pieces(tensors, {**facts, _SUM: checksum(tensors, facts)}))


def read_sealed(
    path: Path, kind: str, formats: Sequence[str] = (), endings: tuple[str, ...] | None = None
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Read a sealed file; to be called within :func:`named`.

    Args:
        path: File name.
        kind: What it is otherwise, for messages: ``not a store``.
        formats: Those that are known, the newest last; none where such files have no format.
        endings: Of the names of tensors that are wanted, by default all. Only then can the checksum be looked at.

    Returns:
        The tensors, and what else it says.

    Raises:
        OSError: If the system does not let it be read.
        StoreError: If it is torn, foreign or altered: the second half of a sentence that begins with its name.
    """
    read_through(path, whole=endings is None)
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            facts = dict(file.metadata() or {})
            known = not formats or facts.get("format") in formats
            names = file.keys() if known else ()
            tensors = {name: file.get_tensor(name) for name in names if endings is None or name.endswith(endings)}
    except Exception as error:  # a reader in another language, and torch: what they make of any bytes nobody lists
        raise StoreError(f"is torn or {kind} ({short(str(error))})") from error
    if not known:
        _refuse_format(facts.get("format"), formats)
    told = facts.pop(_SUM, None)
    if endings is None and told != checksum(tensors, facts):
        raise StoreError("was altered after it was written (checksum differs)")
    return tensors, facts


def _refuse_format(found: str | None, formats: Sequence[str]) -> None:
    name, _, newest = formats[-1].rpartition("-")
    number = (found or "").removeprefix(f"{name}-")
    if number != found and number.isdecimal() and int(number[:9]) > int(newest):
        raise _OfNewerVersion(f"has format {short(found)}, of a newer version of this package")
    raise StoreError(f"has format {short(found)}, expected {formats[0]!r}")


@contextmanager
def named(path: Path, cure: str) -> Iterator[None]:
    """What is wrong with a file is said with its name and what helps; what the system says is not the file's fault.

    Args:
        path: The file.
        cure: What the user can do about a file that is torn, foreign or altered.

    Raises:
        StoreError: In place of any other, and of OSError.
        FileNotFoundError: If there is no file; who asked for it knows what it was.
    """
    try:
        yield
    except _OfNewerVersion as error:
        raise StoreError(f"{path} {error}; upgrade guidegan_plugin, or {cure}") from error
    except StoreError as error:
        raise StoreError(f"{path} {error}; {cure}") from error
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(unreadable(path, error)) from error
