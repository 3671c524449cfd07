"""Images of several folders side by side."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.reports.grid import GridColumn, parse_column, write_grid


def draw(path: Path, size: tuple[int, int] = (32, 32), mode: str = "RGB", seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)
    return path


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """The family's results of two epochs: four images of three visuals each."""
    for epoch in (10, 50):
        for number in range(4):
            for seed, visual in enumerate(("real_A", "fake_B", "attention_A")):
                folder = tmp_path / f"test_{epoch}" / "images"
                draw(folder / f"n_{number}_{visual}.png", seed=epoch + 4 * seed + number)
    return tmp_path


def cell(out: Path, column: int, row: int, rows: int, size: int) -> Image.Image:
    """A cell, counted from the lower left, where no text shifts it."""
    with Image.open(out) as picture:
        left, top = 4 + column * (size + 4), picture.height - (rows - row) * (size + 4)
        return picture.crop((left, top, left + size, top + size)).convert("RGB")


def test_columns_of_a_hosts_results_line_up_pixel_by_pixel(results: Path, tmp_path: Path) -> None:
    columns = [
        GridColumn(visual, results / f"test_{epoch}" / "images", visual)
        for epoch, visual in ((10, "_real_A"), (10, "_attention_A"), (50, "_attention_A"))
    ]
    out = tmp_path / "grid.png"
    assert write_grid(out, columns, images=["n_2", "n_0"], size=32, title="A title") == ["n_2", "n_0"]
    for row, stem in enumerate(("n_2", "n_0")):
        for number, column in enumerate(columns):
            expected = Image.open(column.folder / f"{stem}{column.suffix}.png")
            assert cell(out, number, row, 2, 32).tobytes() == expected.tobytes()


def test_rows_are_drawn_by_seed_and_never_more_than_there_are(results: Path, tmp_path: Path) -> None:
    columns = [GridColumn("in", results / "test_10" / "images", "_real_A")]

    def drawn(count: int, seed: int) -> list[str]:
        return write_grid(tmp_path / "grid.png", columns, count=count, seed=seed, size=16)

    assert drawn(2, 1) == drawn(2, 1)
    assert len({tuple(drawn(2, seed)) for seed in range(8)}) > 1
    assert drawn(9, 0) == ["n_0", "n_1", "n_2", "n_3"]


def test_images_that_a_column_lacks_are_named_and_left_out(
    results: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = results / "test_10" / "images"
    (folder / "n_1_fake_B.png").unlink()
    columns = [GridColumn("in", folder, "_real_A"), GridColumn("bare", folder, "_fake_B")]
    with caplog.at_level(logging.WARNING):
        assert write_grid(tmp_path / "grid.png", columns, size=16) == ["n_0", "n_2", "n_3"]
    assert caplog.messages == ["column bare lacks 1 of 4 images: n_1"]
    with pytest.raises(DataError, match=r"column bare: no n_1 in .*change --images or --column"):
        write_grid(tmp_path / "other.png", columns, images=["n_0", "n_1"], size=16)
    assert not (tmp_path / "other.png").exists()


def test_columns_without_a_common_image_are_refused_with_an_example_of_each(results: Path, tmp_path: Path) -> None:
    folder = results / "test_10" / "images"
    columns = [GridColumn("in", folder, "_real_A"), GridColumn("all", folder)]
    with pytest.raises(DataError, match=r"\(in: n_0; all: n_0_attention_A\)"):
        write_grid(tmp_path / "grid.png", columns)


def test_two_images_of_one_stem_are_refused(tmp_path: Path) -> None:
    draw(tmp_path / "in" / "a.png")
    draw(tmp_path / "in" / "a.jpg")
    with pytest.raises(DataError, match=r"a\.jpg and .*a\.png have one name, .*change --column in=\.\.\."):
        write_grid(tmp_path / "grid.png", [GridColumn("in", tmp_path / "in")])


def test_other_sizes_are_fitted_whole_multiples_without_smoothing(tmp_path: Path) -> None:
    small = Image.open(draw(tmp_path / "in" / "a.png", (16, 8)))
    out = tmp_path / "grid.png"
    write_grid(out, [GridColumn("in", tmp_path / "in")], size=32)
    expected = np.asarray(small).repeat(2, 0).repeat(2, 1)
    assert np.array_equal(np.asarray(cell(out, 0, 0, 1, 32))[8:24], expected)


def test_gray_and_transparent_images_are_shown(tmp_path: Path) -> None:
    gray = Image.open(draw(tmp_path / "in" / "a.png", mode="L"))
    write_grid(tmp_path / "grid.png", [GridColumn("in", tmp_path / "in")], size=32)
    assert cell(tmp_path / "grid.png", 0, 0, 1, 32).tobytes() == gray.convert("RGB").tobytes()


def test_an_overlay_is_the_map_in_colour_half_over_the_first_column(tmp_path: Path) -> None:
    from matplotlib import colormaps

    image = Image.open(draw(tmp_path / "in" / "a.png"))
    Image.new("L", (8, 8), 200).save(tmp_path / "a_attention_A.png")
    columns = [GridColumn("in", tmp_path / "in"), GridColumn("map", tmp_path, "_attention_A")]
    out = tmp_path / "grid.png"
    write_grid(out, columns, size=32, overlay=["map"])
    colour = np.array(colormaps["inferno"](200)[:3]) * 255
    expected = (np.asarray(image, dtype=float) + colour) / 2
    assert np.abs(np.asarray(cell(out, 1, 0, 1, 32), dtype=float) - expected).max() <= 1.5
    assert cell(out, 0, 0, 1, 32).tobytes() == image.tobytes()
    with pytest.raises(ConfigError, match=r"expected a column after the first, map; found 'in'; change --overlay"):
        write_grid(out, columns, overlay=["in"])


def test_a_long_title_stays_in_its_column(tmp_path: Path) -> None:
    draw(tmp_path / "in" / "a.png")
    out = tmp_path / "grid.png"

    def head(*titles: str) -> np.ndarray:
        write_grid(out, [GridColumn(title, tmp_path / "in") for title in titles], size=64)
        with Image.open(out) as picture:
            return np.asarray(picture.convert("L"))[:-68]

    long = head("a title that would run over its neighbour's " * 3, "b")
    assert np.array_equal(long[:, 72:], head("a", "b")[:, 72:])
    assert not np.array_equal(long, head("a", "b"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("bare=results/a", GridColumn("bare", Path("results/a"))),
        ("bare=results/a:_fake_B", GridColumn("bare", Path("results/a"), "_fake_B")),
        ("a=b/c:d/e", GridColumn("a", Path("b/c:d/e"))),
        ("a=b=c:_x", GridColumn("a", Path("b=c"), "_x")),
    ],
)
def test_a_column_is_a_title_a_folder_and_perhaps_a_suffix(text: str, expected: GridColumn) -> None:
    assert parse_column(text) == expected


def test_a_folder_whose_name_has_a_colon_is_itself(tmp_path: Path) -> None:
    (tmp_path / "a:b").mkdir()
    assert parse_column(f"x={tmp_path / 'a:b'}") == GridColumn("x", tmp_path / "a:b")


@pytest.mark.parametrize("text", ["results", "=results", "bare="])
def test_a_column_without_title_or_folder_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="change --column"):
        parse_column(text)


def test_what_cannot_work_is_refused_by_name(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    with pytest.raises(ConfigError, match=r"a grid is a \.png, found .*change --out"):
        write_grid(tmp_path / "grid.jpg", [GridColumn("in", folder)])
    with pytest.raises(DataError, match=r"in is not a folder; change --column in=\.\.\."):
        write_grid(tmp_path / "grid.png", [GridColumn("in", folder)])
    folder.mkdir()
    with pytest.raises(DataError, match=r"holds no image \*_x\.png .*change --column in=\.\.\."):
        write_grid(tmp_path / "grid.png", [GridColumn("in", folder, "_x")])
    (folder / "a.png").write_bytes(b"torn")
    with pytest.raises(DataError, match=r"a\.png is no readable image .*change --column"):
        write_grid(tmp_path / "grid.png", [GridColumn("in", folder)])
    draw(folder / "a.png")
    with pytest.raises(ConfigError, match=r"cannot write .*change --out"):
        write_grid(folder / "a.png" / "grid.png", [GridColumn("in", folder)])


def test_an_image_of_16_bits_is_refused_rather_than_shown_white(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 4), 9000, dtype=np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a.png has mode I;16, 8 bits"):
        write_grid(tmp_path / "out" / "grid.png", [GridColumn("one", tmp_path)])


def test_a_grid_never_takes_the_place_of_an_image_it_reads(tmp_path: Path) -> None:
    path = draw(tmp_path / "a.png")
    before = path.read_bytes()
    with pytest.raises(ConfigError, match=r"a.png is one of the images that are read.*--out"):
        write_grid(path, [GridColumn("one", tmp_path)])
    assert path.read_bytes() == before


def test_hidden_files_are_no_images(tmp_path: Path) -> None:
    draw(tmp_path / "a.png")
    (tmp_path / "._a.png").write_bytes(b"a Mac's notes")
    assert write_grid(tmp_path / "out" / "grid.png", [GridColumn("one", tmp_path)]) == ["a"]


def test_a_link_in_a_circle_is_no_readable_image(results: Path, tmp_path: Path) -> None:
    images = results / "test_10" / "images"
    (images / "circle_real_A.png").symlink_to("circle_real_A.png")
    with pytest.raises(DataError, match=r"circle_real_A.png is no readable image"):
        write_grid(tmp_path / "grid.png", [GridColumn("in", images, "_real_A")], images=["circle"], size=16)
