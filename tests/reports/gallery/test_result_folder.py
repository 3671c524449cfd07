from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from guidegan_plugin.hosts.junyanz.result_folder import read_epochs, read_images
from guidegan_plugin.plugins.sample import Picture, Sample
from guidegan_plugin.utils.images import IMAGE_SUFFIXES

Write = Callable[..., Path]


def files(sample: Sample) -> dict[str, str]:
    return {role: _name(picture) for role, picture in sample.pictures.items()}


def _name(picture: Picture) -> str:
    assert isinstance(picture, Path)
    return picture.stem


def test_a_cycle_gan_has_two_samples_an_image_and_no_target(tmp_path: Path, write_results: Write) -> None:
    there, back = read_images(write_results(tmp_path / "test", ["7"]) / "images")
    assert (there.name, there.group, back.name, back.group) == ("7", "A → B", "7", "B → A")
    assert files(there) == {
        "input": "7_real_A",
        "attention map": "7_attention_A",
        "output": "7_fake_B",
        "reconstruction": "7_rec_A",
    }
    assert files(back)["output"] == "7_fake_A"


def test_pix2pix_has_a_target_and_one_group_without_a_name(tmp_path: Path, write_results: Write) -> None:
    visuals = ("real_A", "attention_A_placeholder", "fake_B", "real_B")
    (sample,) = read_images(write_results(tmp_path / "test", ["7"], visuals) / "images")
    assert sample.group == "" and sample.placeholder
    assert list(files(sample).values()) == ["7_real_A", "7_attention_A_placeholder", "7_fake_B", "7_real_B"]
    assert list(files(sample))[-1] == "target"


@pytest.mark.parametrize(
    ("visuals", "roles"),
    [
        (("real", "attention_A", "fake"), ["input", "attention map", "output"]),
        (("real", "attention_real", "fake"), ["input", "attention map", "output"]),
        (("real_A", "fake_B", "real_B"), ["input", "output", "target"]),
        (("photo_day", "attention_day", "fake_night", "depth"), ["input", "attention map", "output", "depth"]),
    ],
    ids=["one_side", "one_side_without_suffix", "bare_host", "a_model_of_ones_own"],
)
def test_other_models_are_read_and_nothing_is_lost(
    tmp_path: Path, write_results: Write, visuals: tuple[str, ...], roles: list[str]
) -> None:
    (sample,) = read_images(write_results(tmp_path / "test", ["7"], visuals) / "images")
    assert list(sample.pictures) == roles


def test_of_two_kinds_of_map_the_newer_is_shown(tmp_path: Path, write_results: Write) -> None:
    visuals = ("real_A", "attention_A", "attention_A_placeholder", "fake_B")
    images = write_results(tmp_path / "test", ["7"], visuals) / "images"
    os.utime(images / "7_attention_A.png", (1, 1))
    assert read_images(images)[0].placeholder
    os.utime(images / "7_attention_A_placeholder.png", (0, 0))
    assert not read_images(images)[0].placeholder


def test_names_sort_as_people_count_and_may_look_like_visuals(tmp_path: Path, write_results: Write) -> None:
    stems = ["x10", "x9", "a", "a_real_A", "_", "b_fake_B", "c_attention"]
    images = write_results(tmp_path / "test", stems, ("real_A", "fake_B")) / "images"
    (images / "notes.txt").write_text("")
    (images / "orphan.png").write_bytes(b"")
    samples = read_images(images)
    assert [sample.name for sample in samples] == ["_", "a", "a_real_A", "b_fake_B", "c_attention", "x9", "x10"]
    assert all(list(sample.pictures) == ["input", "output"] for sample in samples)


def test_images_of_every_known_format_are_read(tmp_path: Path) -> None:
    for suffix in IMAGE_SUFFIXES:
        (tmp_path / f"{suffix[1:]}_real_A{suffix}").touch()
    assert {sample.name for sample in read_images(tmp_path)} == {suffix[1:] for suffix in IMAGE_SUFFIXES}


def test_several_tests_are_epochs_of_the_newest(tmp_path: Path, write_results: Write) -> None:
    for epoch in ("latest", "10", "9"):
        write_results(tmp_path / f"test_{epoch}", ["1", "2"] if epoch == "latest" else ["1"])
    (tmp_path / "gallery").mkdir()
    one = next(sample for sample in read_epochs(tmp_path) if sample.name == "1")
    assert list(one.epochs) == ["9", "10", "latest"]
    assert list(one.epochs["9"]) == ["attention map", "output"]
    shown = one.pictures["input"]
    assert isinstance(shown, Path) and shown.parts[-3] == "test_latest"
    assert [len(sample.epochs) for sample in read_epochs(tmp_path) if sample.name == "2"] == [1, 1]
    assert read_epochs(tmp_path / "missing") == []


def test_of_many_epochs_twenty_are_shown_first_and_last_among_them(tmp_path: Path, write_results: Write) -> None:
    for epoch in range(1, 31):
        write_results(tmp_path / f"test_{epoch}", ["1"], ("real_A", "fake_B"), size=2)
    (sample,) = read_epochs(tmp_path)
    labels = list(sample.epochs)
    assert (len(labels), labels[0], labels[-1]) == (20, "1", "30")


def test_tests_whose_epochs_have_one_name_are_told_apart_by_their_folders(tmp_path: Path, write_results: Write) -> None:
    for folder in ("test", "test_test"):
        write_results(tmp_path / folder, ["1"], ("real_A", "fake_B"))
    (sample,) = read_epochs(tmp_path)
    assert sorted(sample.epochs) == ["test", "test_test"]
