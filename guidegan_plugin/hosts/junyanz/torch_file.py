"""Files of ``torch.save``, read without running anything in them, and only where their own checksums are right."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import torch

_FOLDER = 0x10  # of a part's attributes


def load_tensors(path: Path, device: torch.device | str = "cpu") -> object:
    """Read a file of tensors, numbers, texts, lists and dicts.

    Args:
        path: The file.
        device: Where the tensors are wanted.

    Raises:
        Exception: Of half a dozen unrelated kinds, if it is torn, altered or holds anything else.
    """
    if zipfile.is_zipfile(path):  # what torch wrote before version 1.6 is none
        _check_sums(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the other parts of a torn file
        found: object = torch.load(path, map_location=device, weights_only=True)
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
