"""Files of ``torch.save``, read without running anything in them, and only where their own checksums are right."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import torch

from guidegan_plugin.errors import StoreError
from guidegan_plugin.utils.reading import read_through, unreadable

_FOLDER = 0x10  # of a part's attributes


def load_tensors(path: Path, kind: str, cure: str) -> object:
    """Read a file of tensors, numbers, texts, lists and dicts, onto the CPU.

    Args:
        path: The file.
        kind: What it is otherwise, for the error: ``not a checkpoint``.
        cure: What the user can change, for the error.

    Raises:
        FileNotFoundError: If there is no file.
        StoreError: If the system does not let it be read; if it is torn, altered or holds anything else.
    """
    try:
        read_through(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise StoreError(unreadable(path, error)) from error
    try:
        return _load(path)
    except Exception as error:  # torch has half a dozen unrelated kinds for a file it cannot read
        raise StoreError(f"{path} is torn or {kind} ({type(error).__name__}); {cure}") from error


def _load(path: Path) -> object:
    if zipfile.is_zipfile(path):  # what torch wrote before version 1.6 is none
        _check_sums(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the other parts of a torn file
        found: object = torch.load(path, map_location="cpu", weights_only=True)
    return found


def _check_sums(path: Path) -> None:
    """Compare the checksums, which ``torch.load`` leaves out: a flipped bit would be another weight in silence.

    Raises:
        BadZipFile: If some are wrong (torch can be told to write none, then all are); or parts are compressed, which
            torch never does and a small file could hold any amount of, or marked as folders, which torch passes over.
    """
    right, wrong = 0, ""
    with zipfile.ZipFile(path) as archive:
        for part in archive.infolist():
            if part.compress_type != zipfile.ZIP_STORED or part.external_attr & _FOLDER:
                raise zipfile.BadZipFile(f"{part.filename} is compressed, or a folder")
            try:
                with archive.open(part) as content:
                    while content.read(1 << 20):
                        pass
                right += 1
            except zipfile.BadZipFile as error:
                wrong = wrong or str(error)
    if right and wrong:
        raise zipfile.BadZipFile(wrong)
