"""What becomes of images that a data set opens is observed, and believed only where the pixels say so, too."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms

from guidegan_plugin.datasets.image_moves import files_shown
from guidegan_plugin.datasets.opened_files import Recorded, iterate
from guidegan_plugin.datasets.recording import Recording, key_of_file
from guidegan_plugin.utils.loaded import Opened, leaves

NORMALISED = [transforms.ToTensor(), transforms.Normalize((0.5, 0.4, 0.3), (0.5, 0.6, 0.7))]


@pytest.fixture
def ramp(tmp_path: Path) -> Path:
    """An image whose red and green are a pixel's x and y; blue tells nothing."""
    x, y = np.meshgrid(np.arange(90) * 255 / 89, np.arange(60) * 255 / 59)
    Image.fromarray(np.stack([x, y, (x * y) % 255], 2).round().astype(np.uint8)).save(tmp_path / "ramp.png")
    return tmp_path / "ramp.png"


def observed(make: Callable[[], Any]) -> tuple[Any, Opened]:
    with Recording().lasting() as seen:
        item = make()
    images = [(path, image) for path, image in leaves(item) if image.dim() == 3]
    return item, Opened(tuple(seen.keys), files_shown(images, seen.moves))


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.copy().size


def places(theta: tuple[float, ...], height: int, width: int) -> Tensor:
    """x and y in the file's frame, in [-1, 1], of each pixel of an image."""
    grid = torch.nn.functional.affine_grid(
        torch.tensor(theta).view(1, 2, 3), [1, 1, height, width], align_corners=False
    )
    return grid[0].permute(2, 0, 1)


@pytest.mark.parametrize(
    "transform",
    [
        [],
        [transforms.Resize(44), transforms.RandomCrop((32, 40))],
        [transforms.RandomHorizontalFlip(0.5), transforms.CenterCrop(48), transforms.Resize(32)],
        [transforms.RandomResizedCrop(40, scale=(0.3, 1.0)), transforms.RandomVerticalFlip(0.5)],
        [transforms.ColorJitter(0.1, 0.1), transforms.RandomCrop(32), transforms.RandomHorizontalFlip(0.5)],
        [ImageOps.mirror, ImageOps.flip],
        [lambda image: ImageOps.fit(image, (33, 44))],
    ],
)
def test_crops_flips_and_resizes_are_where_the_pixels_say(ramp: Path, transform: list[Any]) -> None:
    torch.manual_seed(1)
    random.seed(1)
    for _ in range(12):
        image, opened = observed(
            lambda: transforms.Compose([*transform, transforms.ToTensor()])(Image.open(ramp).convert("RGB"))
        )
        assert opened.shown is not None
        assert opened.keys == (key_of_file(str(ramp)),)
        expected = places(opened.shown[0].theta, *image.shape[-2:])
        found = torch.stack([image[0] * 89 / 90 + 0.5 / 90, image[1] * 59 / 60 + 0.5 / 60]) * 2 - 1
        inside = slice(4, -4)  # a resize mixes the image's border with nothing
        apart = (found - expected).abs()[:, inside, inside].mean()
        assert apart < 0.12 if any("Jitter" in type(one).__name__ for one in transform) else apart < 0.02


@pytest.mark.parametrize(
    "change",
    [
        lambda image: Image.fromarray(np.ascontiguousarray(np.array(image)[:, ::-1])),
        lambda image: image.rotate(20),
        lambda image: Image.fromarray(np.roll(np.array(image), 7, 0)),
        lambda image: image.transform(image.size, Image.Transform.AFFINE, (1, 0.1, 0, 0, 1, 0)),
        lambda image: image.transpose(Image.Transpose.ROTATE_90),
    ],
)
def test_what_cannot_be_followed_is_not_known(ramp: Path, change: Callable[[Image.Image], Image.Image]) -> None:
    _, opened = observed(lambda: transforms.ToTensor()(change(Image.open(ramp))))
    assert opened.shown is None
    assert len(opened.keys) == 1


def test_a_change_that_happens_now_and_then_is_never_taken_for_one_that_did_not(ramp: Path) -> None:
    for turned in [False] * 20 + [True, False, True]:

        def item(turned: bool = turned) -> Tensor:
            pixels = np.array(Image.open(ramp))
            return transforms.ToTensor()(Image.fromarray(np.ascontiguousarray(pixels[:, ::-1] if turned else pixels)))

        _, opened = observed(item)
        assert (opened.shown is None) == turned
    for turned in [False] * 20 + [True, False, True]:

        def flipped(turned: bool = turned) -> Tensor:
            image = transforms.ToTensor()(Image.open(ramp))
            return image.flip(2) if turned else image

        _, opened = observed(flipped)
        assert (opened.shown is None) == turned


def closed(path: Path) -> Tensor:
    with Image.open(path) as image:
        pixels = np.array(image)
        image.close()
    return torch.from_numpy(pixels).permute(2, 0, 1).float()


def looked_at_alone(path: Path) -> Tensor:
    with Image.open(path) as image:
        size = image.size
    return torch.zeros(3, size[1], size[0])


@pytest.mark.parametrize("item", [closed, looked_at_alone])
def test_an_image_that_the_data_set_has_closed_is_not_known_and_no_error(
    ramp: Path, item: Callable[[Path], Tensor]
) -> None:
    _, opened = observed(lambda: item(ramp))
    assert opened.shown is None and len(opened.keys) == 1


def test_a_tensor_with_a_gradient_is_known_and_one_elsewhere_is_not_waited_for(ramp: Path) -> None:
    _, opened = observed(lambda: transforms.ToTensor()(Image.open(ramp)).requires_grad_())
    assert opened.shown is not None
    _, opened = observed(lambda: transforms.ToTensor()(Image.open(ramp)).to("meta"))
    assert opened.shown is None


def test_a_paste_with_a_mask_in_place_of_a_box_is_the_data_sets_own(ramp: Path) -> None:
    def item() -> Tensor:
        image = Image.open(ramp)
        canvas = Image.new("RGB", image.size)
        canvas.paste(image, Image.new("L", image.size, 255))
        return transforms.ToTensor()(canvas)

    image, _ = observed(item)
    assert torch.equal(image, transforms.ToTensor()(Image.open(ramp)))


def test_each_tensor_of_an_item_is_of_its_own_file_whatever_their_order(tmp_path: Path, noise_image: Any) -> None:
    for number, name in enumerate("ab"):
        noise_image(tmp_path / f"{name}.png", (40, 40), number)

    def item() -> dict[str, Tensor]:
        last, first = (Image.open(tmp_path / f"{name}.png") for name in "ba")
        to = transforms.ToTensor()
        return {"first": to(first), "last": to(last.crop((4, 0, 36, 32)))}

    _, opened = observed(item)
    assert [opened.keys[opened.showing(path).file][-5:] for path in ("first", "last")] == ["a.png", "b.png"]  # type: ignore[union-attr]


def test_two_halves_of_one_file_are_told_apart(tmp_path: Path, noise_image: Any) -> None:
    noise_image(tmp_path / "pair.png", (80, 40), 0)

    def item() -> tuple[Tensor, Tensor]:
        pair = Image.open(tmp_path / "pair.png")
        to = transforms.ToTensor()
        return to(pair.crop((40, 0, 80, 40))), to(pair.crop((0, 0, 40, 40)))

    _, opened = observed(item)
    assert opened.shown is not None
    assert [one.theta[2] for one in opened.shown] == [0.5, -0.5]
    assert [one.file for one in opened.shown] == [0, 0]


@pytest.mark.parametrize(
    ("context", "batch", "subset"),
    [
        *itertools.product([None, "fork"], [2, None], [False, True]),
        *(pytest.param("spawn", *case, marks=pytest.mark.slow) for case in ((2, False), (None, True))),
    ],
)
def test_batches_and_random_numbers_are_the_data_sets_own_in_workers_too(
    tmp_path: Path, noise_image: Any, context: str | None, batch: int | None, subset: bool
) -> None:
    for index in range(6):
        noise_image(tmp_path / str(index) / "photo.png", (32, 32), index)
    crop = transforms.Compose([transforms.RandomCrop(24), transforms.RandomHorizontalFlip(), *NORMALISED])
    photos = datasets.ImageFolder(str(tmp_path), crop)  # a class whose module a spawned worker can import
    dataset = Subset(photos, [4, 1, 2]) if subset else photos

    def loader(context: str | None) -> DataLoader[Any]:
        how = {"num_workers": 2, "multiprocessing_context": context} if context else {}
        return DataLoader(dataset, batch, shuffle=True, **how)  # type: ignore[arg-type]

    torch.manual_seed(0)
    # How workers start changes no number, and a spawned one imports torch.
    own = [*loader("fork" if context else None), torch.rand(1)]
    torch.manual_seed(0)
    watched = loader(context)
    seen = [*iterate(watched, DataLoader.__iter__), torch.rand(1)]
    assert watched.dataset is dataset
    for one, other in zip(own[:-1], seen[:-1], strict=True):
        assert isinstance(other, Recorded)
        assert torch.equal(one[0], other.content[0])
        for index, opened in zip(one[1].tolist() if batch else [one[1]], other.files, strict=True):
            assert opened.keys == (key_of_file(str(tmp_path / str(index) / "photo.png")),)
            assert opened.shown is not None or (subset and batch)
    assert torch.equal(own[-1], seen[-1])


@pytest.fixture
def three(tmp_path: Path, noise_image: Any) -> list[Path]:
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for seed, path in enumerate(paths):
        noise_image(path, (20, 16), seed)
    return paths


def test_threads_that_read_at_once_note_their_own_images_and_leave_pillow_as_it_was(three: list[Path]) -> None:
    before = {name: value for name, value in vars(Image.Image).items() if callable(value)} | {"open": Image.open}
    both_read, first_is_over = Barrier(3), Event()

    def read(path: Path, last: bool) -> Recording:
        with Recording().lasting() as seen:
            with Image.open(path) as file:
                image = file.convert("RGB")
            both_read.wait()
            both_read.wait()
            if last:
                assert first_is_over.wait(10)
            image.crop((2, 2, 18, 14)).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        first_is_over.set()
        return seen

    with ThreadPoolExecutor() as pool:
        reading = [pool.submit(read, path, last) for path, last in zip(three, (False, True), strict=False)]
        both_read.wait(10)
        size_of(three[2])
        both_read.wait(10)
        seen = [one.result() for one in reading]
    assert [one.keys for one in seen] == [[key_of_file(str(path))] for path in three[:2]]
    assert [len(one.moves.ends()) for one in seen] == [1, 1]
    assert [one.moves.ends()[0][0].size for one in seen] == [(16, 12), (16, 12)]
    after = {name: value for name, value in vars(Image.Image).items() if callable(value)} | {"open": Image.open}
    assert after == before


def test_threads_that_read_for_one_item_are_noted_but_not_what_the_main_thread_does_meanwhile(
    three: list[Path],
) -> None:
    started, go_on = Event(), Event()

    def item() -> Recording:
        with Recording().lasting() as seen, ThreadPoolExecutor() as readers:
            started.set()
            assert go_on.wait(10)
            list(readers.map(size_of, three[:2]))
        return seen

    with ThreadPoolExecutor() as pool:
        making = pool.submit(item)
        assert started.wait(10)
        size_of(three[2])
        go_on.set()
        assert sorted(making.result().keys) == sorted(key_of_file(str(path)) for path in three[:2])


def test_a_process_that_is_forked_while_a_thread_reads_reads_as_any_other(tmp_path: Path, noise_image: Any) -> None:
    path = tmp_path / "class" / "a.png"
    noise_image(path, (20, 16), 0)
    started, go_on = Event(), Event()

    def item() -> None:
        with Recording().lasting():
            started.set()
            assert go_on.wait(30)

    with ThreadPoolExecutor() as pool:
        making = pool.submit(item)
        assert started.wait(10)
        photos = datasets.ImageFolder(str(tmp_path), transforms.ToTensor())
        loader: DataLoader[Any] = DataLoader(photos, batch_size=None, num_workers=1, multiprocessing_context="fork")
        batches = list(iterate(loader, DataLoader.__iter__))
        go_on.set()
        making.result()
    assert [batch.files[0].keys for batch in batches] == [(key_of_file(str(path)),)]
    assert batches[0].files[0].shown is not None


def test_a_data_set_of_torchvision_that_opens_files_itself_is_followed(tmp_path: Path, noise_image: Any) -> None:
    noise_image(tmp_path / "class" / "0.png", (32, 32), 0)
    folder = datasets.ImageFolder(str(tmp_path), transforms.ToTensor())
    _, opened = observed(lambda: folder[0])
    assert [key[-11:] for key in opened.keys] == ["class/0.png"]
    assert opened.shown is not None


@pytest.mark.parametrize(
    ("path", "key"),
    [("../../data/a.png", "data/a.png"), ("/data/a.png", "data/a.png"), ("./x/../y/a.png", "x/y/a.png")],
)
def test_a_key_stays_below_any_root(path: str, key: str) -> None:
    assert key_of_file(path) == key
