"""The file of all pairs' memories: the same content is written once, and what it says is read without the maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from guidegan_plugin import Guide, GuideConfig, attach
from guidegan_plugin.attaching import guides_file
from guidegan_plugin.attaching.guides_file import check_input, save_guides
from guidegan_plugin.errors import StoreError
from guidegan_plugin.guidance.memory.store_file import load_facts, load_stores
from guidegan_plugin.plugins.manager import create_manager
from guidegan_plugin.utils import files

Make = Callable[..., nn.Module]
CONFIG: dict[str, Any] = {"concat": "rhp"}


@pytest.fixture
def guides(make_generator: Make, make_discriminator: Make) -> Iterator[dict[str, Guide]]:
    networks = make_generator(), make_discriminator()
    guide = attach(*networks)
    guide.store.write(["a", "b"], torch.rand(2, 1, 5, 5))
    yield {"A": guide}
    guide.detach()  # until here the networks are held


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that were packed and hashed."""
    found, save = [], guides_file.save_stores

    def note(path: Path, *given: Any) -> None:
        found.append(path)
        save(path, *given)

    monkeypatch.setattr(guides_file, "save_stores", note)
    return found


def test_the_same_memory_under_another_name_is_packed_once_and_copied(
    guides: dict[str, Guide], packed: list[Path], tmp_path: Path
) -> None:
    latest, epoch = tmp_path / "latest_guide.safetensors", tmp_path / "3_guide.safetensors"
    saved = save_guides(latest, guides, CONFIG)
    saved = save_guides(epoch, guides, CONFIG, before=saved)
    saved = save_guides(latest, guides, CONFIG, before=saved)
    old = epoch.read_bytes()
    assert packed == [latest] and latest.read_bytes() == old and sorted(tmp_path.iterdir()) == [epoch, latest]
    assert not latest.samefile(epoch)
    guides["A"].store.write(["a"], torch.zeros(1, 1, 5, 5))
    save_guides(latest, guides, CONFIG, before=saved)
    assert packed == [latest, latest] and epoch.read_bytes() == old, "the next epoch leaves the last one's file alone"
    assert load_stores(latest)[0]["A"]["visits"].sum() == 3 and load_stores(epoch)[0]["A"]["visits"].sum() == 2


@pytest.mark.parametrize("change", ["weights", "config", "merged", "loaded", "file replaced", "file gone"])
def test_whatever_changed_is_packed_again(
    guides: dict[str, Guide], packed: list[Path], tmp_path: Path, change: str
) -> None:
    latest, epoch = tmp_path / "latest_guide.safetensors", tmp_path / "3_guide.safetensors"
    saved, store, config = save_guides(latest, guides, CONFIG), guides["A"].store, CONFIG
    if change == "weights":
        with torch.no_grad():
            next(guides["A"].judges[0].parameters()).add_(1)
    elif change == "config":
        config = {"concat": "alpha"}
    elif change == "merged":
        store.merge([store.changes()], torch.device("cpu"))
    elif change == "loaded":
        store.load_state(store.state(), torch.device("cpu"))
    elif change == "file replaced":
        files.write_whole(latest, b"another")
    else:
        latest.unlink()
    save_guides(epoch, guides, config, before=saved)
    assert packed == [latest, epoch] and len(load_stores(epoch)[0]["A"]["visits"]) == 2


def test_a_file_that_is_replaced_keeps_its_permissions(
    guides: dict[str, Guide], packed: list[Path], tmp_path: Path
) -> None:
    latest, epoch = tmp_path / "latest_guide.safetensors", tmp_path / "3_guide.safetensors"
    epoch.touch(0o600)
    save_guides(epoch, guides, CONFIG, before=save_guides(latest, guides, CONFIG))
    assert packed == [latest] and epoch.stat().st_mode & 0o777 == 0o600 != latest.stat().st_mode & 0o777
    assert latest.read_bytes() == epoch.read_bytes()


def test_what_a_file_says_is_read_without_the_maps(guides: dict[str, Guide], tmp_path: Path) -> None:
    path = tmp_path / "latest_guide.safetensors"
    guides["A"].store.write(["a", "b"], torch.full((2, 1, 5, 5), 0.2))
    save_guides(path, guides, CONFIG)
    facts = load_stores(path)[1]
    path.write_bytes(path.read_bytes().replace(bytes([51] * 9), bytes([52] * 9)))  # maps that the checksum denies
    with pytest.raises(StoreError, match="was altered"):
        load_stores(path)
    assert load_facts(path) == facts
    manager = create_manager()
    check_input(path, manager, GuideConfig())
    with pytest.raises(StoreError, match="trained with concat=rhp, not alpha"):
        check_input(path, manager, GuideConfig(concat="alpha"))


@pytest.mark.parametrize("content", [b"", b"torn", b"\x08\x00\x00\x00\x00\x00\x00\x00{}      "])
def test_what_a_torn_or_foreign_file_says_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "1_guide.safetensors"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"1_guide\.safetensors (is torn|has format None)"):
        load_facts(path)


def test_files_of_maps_that_no_store_names_any_more_are_named_at_the_first_save(
    tmp_path: Path, make_generator: Make, make_discriminator: Make, caplog: pytest.LogCaptureFixture
) -> None:
    networks = make_generator(), make_discriminator()
    for _ in range(2):  # each begins from ones; the first one's only store is written over by the second
        with attach(*networks, GuideConfig(store="mmap")) as guide:
            guide.store.write(["a", "b"], torch.rand(2, 1, 5, 5))
            save_guides(tmp_path / "latest_guide.safetensors", {"A": guide}, CONFIG)
    named = load_facts(tmp_path / "latest_guide.safetensors")["A.file"]
    (left,) = [path for path in tmp_path.glob("*.sqlite") if path.name != named]
    (said,) = [record.getMessage() for record in caplog.records]
    assert f"no *_guide.safetensors names {left} (0 MiB) any more; delete it unless it is in use" == said


def test_a_log_beside_such_a_file_is_named_with_it_and_a_file_that_is_gone_meanwhile_is_not(
    guides: dict[str, Guide], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    left, gone = (tmp_path / f"guide_maps_A_{number:016x}.sqlite" for number in (1, 2))
    for end in ("", "-wal", "-shm"):
        Path(f"{left}{end}").touch()
    gone.symlink_to("nowhere")
    save_guides(tmp_path / "latest_guide.safetensors", guides, CONFIG)
    (said,) = [record.getMessage() for record in caplog.records]
    assert f"{left} (0 MiB) any more; delete it with {left.name}-wal, {left.name}-shm, unless it is in use" in said


def test_maps_on_the_disk_are_not_left_behind_when_the_same_is_saved_into_another_folder(
    tmp_path: Path, make_generator: Make, make_discriminator: Make
) -> None:
    networks = make_generator(), make_discriminator()
    with attach(*networks, GuideConfig(store="mmap")) as guide:
        guide.store.write(["a", "b"], torch.rand(2, 1, 5, 5))
        before = None
        for folder in ("1", "1", "2"):
            (tmp_path / folder).mkdir(exist_ok=True)
            before = save_guides(tmp_path / folder / "latest_guide.safetensors", {"A": guide}, CONFIG, before=before)
            assert len(load_stores(before.path)[0]["A"]["visits"]) == 2
