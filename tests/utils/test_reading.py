"""Wherever the package reads a file, an error of the system is said as it is, and is no fault of the file."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import nn

from guidegan_plugin.attaching.guides_file import load_networks
from guidegan_plugin.errors import GuideError
from guidegan_plugin.guidance.memory.store_file import load_facts, load_stores, load_visits
from guidegan_plugin.guidance.test_time.predictor_file import load_predictors
from guidegan_plugin.hosts.junyanz import training_state
from guidegan_plugin.hosts.junyanz.weights_file import read_weights
from guidegan_plugin.utils.reading import read_through, unreadable

_GUIDE: Any = SimpleNamespace(networks=lambda: {"T": nn.Conv2d(1, 2, 3)})
READERS: dict[str, Callable[[Path], object]] = {
    "store": load_stores,
    "facts": load_facts,
    "visits": load_visits,
    "predictors": lambda path: load_predictors(path, path),
    "networks": lambda path: load_networks(path, _GUIDE),
    "weights": lambda path: read_weights(path, "change --epoch"),
    "training state": training_state.load,
}


@pytest.mark.parametrize(
    ("number", "helps"),
    [(errno.EACCES, "change its permissions"), (errno.EIO, "put a copy in its place"), (errno.EMFILE, "ulimit -n")],
)
@pytest.mark.parametrize("reader", READERS)
def test_an_error_of_the_system_is_said_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str, number: int, helps: str
) -> None:
    path, own = tmp_path / "latest_file", Path.open
    path.write_bytes(b"whatever it holds")

    def refused(opened: Path, *args: Any, **kwargs: Any) -> Any:
        if opened == path:
            raise OSError(number, os.strerror(number), str(path))
        return own(opened, *args, **kwargs)

    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(GuideError) as caught:
        READERS[reader](path)
    said = str(caught.value)
    assert said.startswith(f"{path} cannot be read ({os.strerror(number)}); ") and helps in said
    assert "torn" not in said and "delete" not in said


@pytest.mark.parametrize("reader", READERS)
def test_a_folder_in_the_place_of_a_file_is_named(tmp_path: Path, reader: str) -> None:
    with pytest.raises(GuideError, match=r"cannot be read \(Is a directory\); remove what is there$"):
        READERS[reader](tmp_path)


def test_what_is_read_later_fails_before_a_library_guesses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, asked = tmp_path / "file", list[int]()
    path.write_bytes(bytes((1 << 20) + 1))

    class Failing:
        def __enter__(self) -> Failing:
            return self

        def __exit__(self, *error: object) -> None: ...

        def read(self, size: int) -> bytes:
            asked.append(size)
            if len(asked) == 2:
                raise OSError(errno.EIO, "Input/output error")
            return bytes(size)

    monkeypatch.setattr(Path, "open", lambda *_: Failing())
    read_through(path, whole=False)
    asked.clear()
    with pytest.raises(OSError, match="Input/output error") as caught:
        read_through(path)
    assert unreadable(path, caught.value).startswith(f"{path} cannot be read (Input/output error); ")
