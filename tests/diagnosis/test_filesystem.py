from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections import namedtuple
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from guidegan_plugin.diagnosis import filesystem as places
from guidegan_plugin.diagnosis.filesystem import check_disk, check_weights, check_writing
from guidegan_plugin.plugins.find_host import recognise
from guidegan_plugin.plugins.host import Host

NOBODY = 65534
Usage = namedtuple("Usage", "total used free")
REFERENCE_HOST = Path(__file__).resolve().parents[2] / "examples" / "reference_host"


@pytest.fixture(scope="module")
def host() -> Host:
    """One that names its folders of checkpoints and of images."""
    return recognise(REFERENCE_HOST)


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder whose ``checkpoints`` may not be written to, with the rights of a user for whom that counts."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o777)
    (root / "checkpoints").mkdir(mode=0o555)
    superuser = os.geteuid() == 0
    if superuser:
        os.seteuid(NOBODY)
    yield root
    if superuser:
        os.seteuid(0)
    shutil.rmtree(root)


def test_a_folder_that_can_be_written_to_is_left_as_it_was(tmp_path: Path) -> None:
    assert check_writing(tmp_path).status == "ok" and not list(tmp_path.iterdir())


def test_a_read_only_folder_is_a_failure_with_cause_and_cure(read_only: Path, host: Host) -> None:
    check = check_writing(read_only / "checkpoints", host)
    assert check.status == "failure" and "Permission denied" in check.found and "--checkpoints_dir" in check.cure
    assert check_writing(read_only / "checkpoints").cure.endswith("or train elsewhere"), "no option of an unknown host"


def test_checkpoints_that_are_there_are_what_must_be_writable(read_only: Path, host: Host) -> None:
    assert check_writing(read_only, host).status == "failure"
    (read_only / "checkpoints").rmdir()
    assert check_writing(read_only, host).status == "ok"


def test_weights_are_missing_damaged_or_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_weights(tmp_path).status == "warning"
    path = tmp_path / "checkpoints" / "weights-inception-2015-12-05-6726825d.pth"
    path.parent.mkdir()
    path.write_bytes(b"torn")
    damaged = check_weights(tmp_path)
    assert damaged.status == "failure" and hashlib.sha256(b"torn").hexdigest()[:8] in damaged.found
    monkeypatch.setattr("guidegan_plugin.evaluation.inception.SHA256", hashlib.sha256(b"torn").hexdigest())
    assert check_weights(tmp_path).status == "ok"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name in ("trainA/1.png", "trainA/2.JPG", "trainB/3.jpeg", "trainB/notes.txt"):
        (tmp_path / "datasets" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "datasets" / name).write_bytes(b"")
    return tmp_path


def test_the_hosts_images_are_counted_where_none_are_named(images: Path, host: Host) -> None:
    assert "maps of 3 images" in check_disk(images, host=host).found
    assert "--dataroot DIR says" in check_disk(images).found
    assert "maps of 2 images" in check_disk(images, images / "datasets" / "trainA").found


@pytest.mark.parametrize(("free", "status"), [(5000, "failure"), (2**20, "warning"), (2**31, "ok")])
def test_too_little_room_for_two_stores_is_a_failure_and_for_networks_a_warning(
    images: Path, host: Host, monkeypatch: pytest.MonkeyPatch, free: int, status: str
) -> None:
    disk_usage: Callable[[Path], Usage] = lambda path: Usage(2**40, 0, free)  # noqa: E731
    monkeypatch.setattr(places.shutil, "disk_usage", disk_usage)
    check = check_disk(images, host=host)
    assert check.status == status and bool(check.cure) == (status != "ok")
