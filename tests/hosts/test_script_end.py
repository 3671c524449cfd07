from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from guidegan_plugin.hosts.junyanz.result_page import leave_gallery
from guidegan_plugin.hosts.script_end import at_end, whole_script


def test_what_is_left_is_done_once_the_script_is_over() -> None:
    done: list[str] = []
    with whole_script():
        at_end(lambda: done.append("left"))
        done.append("script")
    with whole_script():
        pass
    assert done == ["script", "left"]


@pytest.mark.parametrize("code", [None, 0])
def test_a_script_may_end_with_exit(code: int | None) -> None:
    done: list[str] = []
    with pytest.raises(SystemExit), whole_script():
        at_end(lambda: done.append("left"))
        sys.exit(code)
    assert done == ["left"]


def test_a_text_that_its_authors_end_a_good_run_with_is_a_good_end() -> None:
    done: list[str] = []
    for text in ("All done", "No such folder"):
        with pytest.raises(SystemExit), whole_script(["All done"]):
            at_end(lambda text=text: done.append(text))
            sys.exit(text)
    assert done == ["All done"]


@pytest.mark.parametrize("error", [SystemExit(1), ValueError(), KeyboardInterrupt()], ids=lambda error: repr(error))
def test_a_script_that_fails_leaves_nothing(error: BaseException) -> None:
    done: list[str] = []
    with pytest.raises(type(error)), whole_script():
        at_end(lambda: done.append("left"))
        raise error
    with whole_script():
        pass
    assert done == []


def test_what_fails_is_a_warning_and_the_rest_is_done(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    def fail() -> None:
        raise OSError("disk full")

    with caplog.at_level(logging.WARNING), whole_script():
        at_end(fail)
        at_end(lambda: done.append("left"))
    assert done == ["left"] and "OSError: disk full" in caplog.text


@pytest.mark.parametrize(
    ("end", "said"), [("pass", "script left "), ("raise SystemExit", "script left "), ("1 / 0", "script ")]
)
def test_without_the_launcher_it_is_done_when_the_process_ends_well(end: str, said: str) -> None:
    lines = ["from guidegan_plugin.hosts.script_end import at_end", "say = lambda word: print(word, end=' ')"]
    lines += ["at_end(lambda: say('left'))", "say('script')", end]
    ended = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert ended.stdout == said


EARLIER = "sys.last_type, sys.last_value = ValueError, ValueError('in another cell')"


@pytest.mark.parametrize(("end", "said"), [("pass", "left "), ("1 / 0", "")])
def test_an_error_of_before_does_not_count_as_it_does_not_in_a_notebook(end: str, said: str) -> None:
    lines = ["import sys", "from guidegan_plugin.hosts.script_end import at_end", EARLIER]
    lines += ["at_end(lambda: print('left', end=' '))", end]
    ended = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert ended.stdout == said


def test_a_script_within_a_script_leaves_nothing_to_the_other() -> None:
    done: list[str] = []
    with whole_script():
        at_end(lambda: done.append("outer"))
        with pytest.raises(ValueError), whole_script():
            at_end(lambda: done.append("inner"))
            raise ValueError
        assert done == []
    assert done == ["outer"]


TEST = "--results_dir results --num_test 2"


@pytest.mark.slow_but_first
@pytest.mark.parametrize(
    ("options", "found"), [("--guide_show", True), ("--guide_no_gallery", False), ("--guide_attention none", False)]
)
def test_a_test_ends_with_a_gallery_of_its_results(
    run_host: Callable[..., None],
    small: Callable[[str, Path], list[str]],
    one_epoch: list[str],
    unpaired: Path,
    options: str,
    found: bool,
) -> None:
    arguments = small("guide_cycle_gan", unpaired)
    run_host("train.py", *arguments, *one_epoch)
    run_host("test.py", *arguments, *TEST.split(), *options.split())
    page = Path("results") / "run" / "test_latest" / "gallery" / "index.html"
    assert page.exists() == found
    assert not found or page.read_text().count("<article") == 4


def test_a_gallery_is_announced_before_it_is_made_and_named_afterwards(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = tmp_path / "run" / "test_latest" / "images"
    images.mkdir(parents=True)
    for visual in ("real_A", "fake_B"):
        Image.new("RGB", (8, 8)).save(images / f"1_{visual}.png")
    options = SimpleNamespace(phase="test", epoch="latest", load_iter=0, results_dir=str(tmp_path), name="run")
    with caplog.at_level(logging.WARNING), whole_script():  # what is shown where nobody has set up logging
        leave_gallery(options, "rhp")
    page = images.parent / "gallery" / "index.html"
    assert [record.getMessage() for record in caplog.records] == [
        f"making a gallery of the 2 pictures in {images}; --guide_no_gallery leaves it out",
        f"the gallery: {page}",
    ]


def test_a_test_whose_gallery_cannot_be_made_ends_well(
    run_host: Callable[..., None],
    small: Callable[[str, Path], list[str]],
    one_epoch: list[str],
    unpaired: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    arguments = small("guide_cycle_gan", unpaired)
    run_host("train.py", *arguments, *one_epoch)
    foreign = Path("results") / "run" / "test_latest" / "gallery"
    foreign.mkdir(parents=True)
    (foreign / "mine.txt").write_text("")
    run_host("test.py", *arguments, *TEST.split())
    assert "no gallery of the results: " in caplog.text and "no gallery of ours" in caplog.text
    assert "--guide_no_gallery leaves it out" in caplog.text and "--out" not in caplog.text, "what its user can type"
    assert [path.name for path in foreign.iterdir()] == ["mine.txt"]
