"""What the commands of ``guidegan data`` say and how they end."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import typer
from PIL import Image

from guidegan_plugin import cli
from guidegan_plugin.datasets import preparation

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "data.md"
COMMANDS = [line for line in PAGE.read_text().splitlines() if line.startswith("guidegan data ")]

Command = Callable[..., int | str]


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, guidegan: Command) -> Command:
    """Run a command of the group in this process; its exit code, or the one line it ends with."""
    monkeypatch.setenv("COLUMNS", "200")

    return partial(guidegan, "data")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for number in range(10):
        Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / "images" / f"{number}.png")
    return tmp_path / "images"


def test_split_shows_what_it_wrote_and_says_it_as_json(
    data: Command, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert data("split", images, tmp_path / "one", "--seed", 4) == 0
    assert "train" in capsys.readouterr().out
    assert data("split", images, images, tmp_path / "two", "--json", "-") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["images"] == {"testA": 2, "testB": 2, "trainA": 8, "trainB": 8}
    assert said["options"] == {"test": 0.2, "seed": 0}


def test_quiet_shows_nothing(data: Command, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert data("pairs", images, images, tmp_path / "out", "-q") == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("count", [1, 4])
def test_split_of_no_folder_or_of_three_is_refused(data: Command, images: Path, count: int) -> None:
    assert "one folder or two, and then OUT" in str(data("split", *[images] * count))


def test_a_corrupt_image_is_listed_and_ends_the_command_with_an_error(
    data: Command, images: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (images / "3.png").write_bytes(b"\x89PNG")
    message = str(data("split", images, tmp_path / "out"))
    assert message == (
        "guidegan: error: 1 of 10 sources, listed above, could not be used and were left out; everything else is in "
        f"{tmp_path / 'out'}"
    )
    assert any(str(images / "3.png") in record.message for record in caplog.records)
    assert len(list((tmp_path / "out").glob("*/*.png"))) == 9


def test_ctrl_c_says_how_to_go_on(
    data: Command, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    carry_out, done = preparation._carry_out, []

    def interrupted(partial: Path, job: preparation.Job) -> str | None:
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(job)
        return carry_out(partial, job)

    with monkeypatch.context() as patch:
        patch.setattr(preparation, "_carry_out", interrupted)
        message = str(data("split", images, tmp_path / "out"))
    assert "interrupted" in message and "out.partial" in message and "the same command goes on" in message
    assert data("split", images, tmp_path / "out") == 0
    assert "after 3 of 10" in caplog.text


def test_check_compares_with_the_published_counts(
    data: Command, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data("split", images, images, tmp_path / "out", "-q")
    assert data("check", tmp_path / "out") == 0
    message = str(data("check", tmp_path / "out", "--dataset", "horse2zebra"))
    assert "trainA has 8 images, published are 1067" in message
    assert "1334" in capsys.readouterr().out


def test_camvid_and_cityscapes_show_the_published_counts(
    data: Command, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "camvid" / "trainannot"
    labels.mkdir(parents=True)
    images.rename(tmp_path / "camvid" / "train")
    for number in range(10):
        Image.new("L", (8, 8), number).save(labels / f"{number}.png")
    assert data("camvid", tmp_path / "camvid", tmp_path / "out", "--size", 8) == 0
    assert "367" in capsys.readouterr().out
    assert "leftImg8bit_trainvaltest.zip" in str(data("cityscapes", tmp_path, tmp_path / "other"))


def test_bdd100k_says_what_the_paper_had(
    data: Command, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "images" / "100k").mkdir()
    (tmp_path / "labels").mkdir()
    photos = images / "100k" / "train"
    photos.mkdir()
    sign = {"category": "traffic sign", "box2d": {"x1": 0, "y1": 0, "x2": 5, "y2": 5}}
    frames = []
    for name, time in (("d.png", "daytime"), ("n.png", "night")):
        Image.new("RGB", (8, 8)).save(photos / name)
        frames.append({"name": name, "attributes": {"timeofday": time}, "labels": [sign]})
    (tmp_path / "labels" / "bdd100k_labels_images_train.json").write_text(json.dumps(frames))
    assert data("bdd100k", tmp_path, tmp_path / "out", "--min-size", 5) == 0
    assert "7870 crops by day (A) and 8592 by night (B)" in capsys.readouterr().out


def test_shapes_below_a_file_or_over_a_folder_names_out(data: Command, images: Path) -> None:
    below = str(data("shapes", images / "0.png" / "deep"))
    assert "cannot be written" in below and below.endswith("choose another folder (OUT)") and "\n" not in below
    assert str(data("shapes", images)).endswith("choose another folder (OUT), or empty it")
    assert "--test-count" in str(data("shapes", images / "new", "--test-count", 0))


@pytest.mark.parametrize("line", COMMANDS)
def test_what_the_page_tells_a_user_to_type_is_understood(line: str) -> None:
    _, _, name, *arguments = shlex.split(line)
    group = typer.main.get_command(cli.data)
    command = group.commands[name]
    # Ends with a wrong usage on an unknown option, a missing argument or a value of another type.
    command.make_context(name, arguments)


def test_the_page_shows_every_command_there_is() -> None:
    group = typer.main.get_command(cli.data)
    assert {line.split()[2] for line in COMMANDS} | {"shapes"} == set(group.commands)
