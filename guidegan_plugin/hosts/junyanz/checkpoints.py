"""A checkpoint is a set of files: the last good set survives a kill at any moment.

The host writes into a folder of its own beside the checkpoints. When the set is complete, the folder is renamed; from
then on it counts as saved, and whoever opens the checkpoints next moves its files into place.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from guidegan_plugin.errors import StoreError
from guidegan_plugin.plugins.sample import natural
from guidegan_plugin.utils.files import explain, remedy
from guidegan_plugin.utils.listing import visible_files

_WRITING = ".guide_writing"
_COMPLETE = ".guide_complete"
_MOST = 5  # other checkpoints that a message names


@contextmanager
def complete_set(folder: Path) -> Iterator[Path]:
    """Write a set of files that appears in a folder all together or not at all.

    Args:
        folder: Where the files are to be.

    Yields:
        A folder to write them into.

    Raises:
        StoreError: If they cannot be written; the former set is untouched then.
    """
    finish(folder)
    writing = folder / _WRITING
    try:
        writing.mkdir()
        yield writing
        for path in writing.iterdir():
            _flush(path)
        writing.rename(folder / _COMPLETE)
        finish(folder)
    except (OSError, RuntimeError) as error:
        reason, cure = explain(error, writing)
        raise StoreError(
            f"checkpoint in {folder} could not be written ({reason}); the former one is untouched; {cure} or change "
            "--checkpoints_dir"
        ) from error
    finally:
        shutil.rmtree(writing, ignore_errors=True)


def finish(folder: Path) -> None:
    """Move a complete set into place, if a killed run left one, and drop an incomplete one; for who writes there.

    Raises:
        StoreError: As :func:`roll_forward`.
    """
    roll_forward(folder)
    shutil.rmtree(folder / _WRITING, ignore_errors=True)


def roll_forward(folder: Path) -> None:
    """Move a complete set into place; a set still being written is left to its writer, so reading is always safe.

    Raises:
        StoreError: If it cannot be moved; it stays complete.
    """
    complete = folder / _COMPLETE
    # Ranks that start together, or a test beside a training, may move the same files: each is moved by one of them.
    try:
        for path in sorted(complete.iterdir()):
            with contextlib.suppress(FileNotFoundError):
                path.replace(folder / path.name)
                path.unlink(missing_ok=True)  # renamed onto a link to the same file, it would stay
        complete.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(
            f"the checkpoint in {complete} is complete and cannot be moved into place ({error.strerror or error}); "
            f"{remedy(error)} or change --checkpoints_dir"
        ) from error


def other_checkpoint(path: Path) -> str:
    """What helps where a file of a checkpoint is no good: the options, with what :func:`other_epochs` finds."""
    return f"change --name or --epoch{other_epochs(path)}"


def other_epochs(path: Path) -> str:
    """The newest other checkpoints that --epoch may name, in brackets; "" if there are none.

    Args:
        path: A file of the one that is no good: ``<epoch>_net_G.pth``, ``<epoch>_guide.safetensors``, and so on.
    """
    epoch, others = re.match(r".+?(?=_net_|_guide[._])", path.name), set[str]()
    if epoch is not None:
        ending = path.name[epoch.end() :]
        with contextlib.suppress(OSError):
            names = [one.name for one in visible_files(path.parent) if one.name.endswith(ending)]
            others = {name.removesuffix(ending) for name in names if name != path.name}
    return f" (there are {', '.join(sorted(others, key=natural)[-_MOST:])})" if others else ""


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
