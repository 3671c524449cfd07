from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pytest
import torch
from PIL import Image

from guidegan_plugin.errors import DataError
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.store_file import save_stores
from guidegan_plugin.reports.gallery import make_gallery
from guidegan_plugin.reports.gallery.page import readable

Write = Callable[..., Path]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_page_lies_beside_the_images_and_needs_nothing_from_the_network(
    tmp_path: Path, write_results: Write
) -> None:
    test = write_results(tmp_path / "zebra" / "test_5", ["one"], size=40)
    page = make_gallery(test, thumbnails=32)
    assert page == test / "gallery" / "index.html"
    text = page.read_text()
    assert "<title>zebra, test_5" in text and not re.search(r"https?:|@import|url\(", text)
    assert "default-src 'none'; img-src 'self' file:; style-src 'sha256-" in text
    for source in re.findall(r'src="([^"]+)"', text):
        with Image.open(page.parent / source) as thumbnail:
            assert max(thumbnail.size) == 32
    links = re.findall(r'href="([^"]+)"', text)
    assert len(links) == 8 and all((page.parent / link).resolve().is_file() for link in links)
    assert all(alt.strip() for alt in re.findall(r"<img[^>]* alt=\"([^\"]*)\"", text))
    assert len(re.findall("<img", text)) == len(re.findall(r"<img[^>]* alt=", text))


def test_the_evenness_of_a_picture_has_a_name_of_its_own_and_no_thumbnails_in_it(
    tmp_path: Path, write_results: Write
) -> None:
    test = write_results(tmp_path / "test", ["one"], size=200)
    found = set()
    for size in (16, 64, 256):
        text = make_gallery(test, thumbnails=size).read_text()
        for pattern in (r"how evenly spread the map is: (0\.\d+)", r'data-evenness="([^"]+)"'):
            found |= set(re.findall(pattern, text))
        assert "data-entropy" not in text and "map entropy, lowest first" not in text
    # A quarter of the picture is white, the rest black: log(1024 / 4) / log(1024).
    assert found == {"0.800", "0.8"}


def test_a_memory_has_map_entropy_and_epochs_since_the_last_visit(tmp_path: Path) -> None:
    store = AttentionStore()
    store.write(["a.png"], torch.eye(4)[None, None])
    for epoch in "14":
        states = {"A": store.state()}
        save_stores(tmp_path / f"{epoch}_guide.safetensors", states, {})
    text = make_gallery(tmp_path, thumbnails=64).read_text()
    # Four cells of sixteen alike: log(4) / log(16).
    assert "map entropy: 0.500 · visits: 1 · epochs since last visit: 3" in text
    assert 'data-entropy="0.5"' in text and "data-evenness" not in text
    for choice in ("map entropy, lowest first", "epochs since last visit, most first", "visits, most first"):
        assert f">{choice}</option>" in text


def test_an_older_gallery_is_replaced_and_nothing_else_is_left(tmp_path: Path, write_results: Write) -> None:
    test = write_results(tmp_path / "test", ["one", "two"])
    before = contents(make_gallery(test).parent)
    (test / "images" / "two_real_A.png").unlink()
    make_gallery(test)
    assert len(contents(test / "gallery")) == len(before) - 2
    assert {path.name for path in test.iterdir()} == {"images", "gallery"}


@pytest.mark.parametrize("name", ["index.html", "photo.png"])
def test_a_foreign_folder_is_refused_and_untouched(tmp_path: Path, write_results: Write, name: str) -> None:
    test = write_results(tmp_path / "test", ["one"])
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / name).write_text("mine")
    with pytest.raises(DataError, match=r"no gallery of ours, .* change --out"):
        make_gallery(test, tmp_path / "mine")
    assert contents(tmp_path / "mine") == {name: b"mine"}


def test_a_gallery_that_cannot_be_finished_leaves_the_older_one(
    tmp_path: Path, write_results: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    test = write_results(tmp_path / "test", ["one"])
    before = contents(make_gallery(test).parent)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(DataError, match="No space left on device"):
        make_gallery(test)
    assert contents(test / "gallery") == before
    assert {path.name for path in test.iterdir()} == {"images", "gallery"}


def test_an_empty_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no images of a run in .*; change RUN"):
        make_gallery(tmp_path)


def test_a_run_that_is_not_there_is_answered_with_those_that_are_called_nearly_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("zebra", "zebu", "apple"):
        store = Path("checkpoints") / name / "1_guide.safetensors"
        store.parent.mkdir(parents=True)
        store.touch()
    Path("checkpoints/zebr").touch()
    for asked, found in {
        "checkpoints/zebar": "is no folder; did you mean checkpoints/zebra or checkpoints/zebu?",
        "zebra": "is no folder; did you mean checkpoints/zebra or checkpoints/zebu?",
        "checkpoints": "holds no run itself; did you mean checkpoints/apple or checkpoints/zebra or checkpoints/zebu?",
        "checkpoints/melon": "is no folder; change RUN",
        "nowhere/zebra/deep": "is no folder; change RUN",
    }.items():
        with pytest.raises(DataError, match=f"^{re.escape(f'{asked} {found}')}"):
            make_gallery(Path(asked))


def test_torn_images_are_left_out_and_named(
    tmp_path: Path, write_results: Write, caplog: pytest.LogCaptureFixture
) -> None:
    test = write_results(tmp_path / "test", ["one", "two"])
    whole = (test / "images" / "one_fake_B.png").read_bytes()
    (test / "images" / "one_fake_B.png").write_bytes(whole[:100])
    (test / "images" / "two_attention_A.png").write_bytes(b"")
    text = make_gallery(test).read_text()
    assert text.count("<article") == 4
    for path in (test / "images").glob("one_*"):
        path.write_bytes(b"")
    assert make_gallery(test).read_text().count("<article") == 2, "an image of which nothing is left is not shown"
    for path in (test / "images").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match=r"^no image of .*test can be read, such as .*png; change RUN"):
        make_gallery(test)
    assert "2 images could not be read and are left out, such as" in caplog.text


def test_names_of_any_bytes_are_text_and_lead_to_their_files(tmp_path: Path, write_results: Write) -> None:
    name = os.fsdecode(b"\xff \x01\x7f\n&amp;")
    test = write_results(tmp_path / "test", [name], ("real_A", "fake_B"))
    page = make_gallery(test)
    text = page.read_text(encoding="utf-8")
    assert "� ␁␡␊&amp;amp;" in text and readable(name) == "� ␁␡␊&amp;"
    for link in re.findall(r'href="([^"]+)"', text):
        assert (page.parent / os.fsdecode(unquote_to_bytes(link))).resolve().is_file()


def test_what_blended_means_is_said_and_an_unknown_concatenation_is_left_out(
    tmp_path: Path, write_results: Write
) -> None:
    test = write_results(tmp_path / "test", ["one"])
    assert "(A + 1) / 2 · x" in make_gallery(test).read_text()
    assert "alpha channel" in make_gallery(test, concat="alpha").read_text()
    assert "blended input" not in make_gallery(test, concat="half_rhp").read_text()


def test_the_page_of_an_out_folder_elsewhere_links_back(tmp_path: Path, write_results: Write) -> None:
    test = write_results(tmp_path / "deep" / "test", ["one"])
    page = make_gallery(test, tmp_path / "pages" / "mine")
    link = re.findall(r'href="([^"]+)"', page.read_text())[0]
    assert link.startswith("../../deep/test/images/") and (page.parent / link).is_file()


def test_a_run_behind_a_link_and_a_relative_folder_are_fine(
    tmp_path: Path, write_results: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_results(tmp_path / "deep" / "er" / "test", ["one"])
    (tmp_path / "run").symlink_to(tmp_path / "deep" / "er" / "test")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for out in (None, Path()):
        page = make_gallery(Path("..") / "run", out)
        links = re.findall(r'href="([^"]+)"', page.read_text())
        assert len(links) == 8 and all((page.parent / link).is_file() for link in links)
    assert page == tmp_path / "here" / "index.html"


def test_tests_of_the_same_images_stand_side_by_side(tmp_path: Path, write_results: Write) -> None:
    visuals = ("real_A", "attention_A", "fake_B")
    ones, mean = (write_results(tmp_path / kind / "test_5", ["one", "two"], visuals, size=40) for kind in "om")
    for image in (mean / "images").iterdir():
        if "two" in image.name:
            image.unlink()
    text = make_gallery(ones, beside={"ones": ones, "of <mean>": mean}).read_text()
    first, second = re.findall(r"<article.*?</article>", text, re.DOTALL)
    assert [re.findall(r"<span>(.*?)</span>", part) for part in (first, second)] == [
        ["ones", "of &lt;mean&gt;"],
        ["ones"],
    ]
    assert "attention map of one, of &lt;mean&gt;" in first and "output of one, ones" in first
    other = write_results(tmp_path / "other" / "test_5", ["three"])
    with pytest.raises(DataError, match=r"the run other has no image of .*test_5; change --beside"):
        make_gallery(ones, beside={"other": other})
    assert (ones / "gallery" / "index.html").read_text() == text
