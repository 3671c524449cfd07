"""Our data sets give the host's items, draw what the host draws, and know each visit's crop and flip."""

from __future__ import annotations

import argparse
import gc
import importlib
import multiprocessing
import pickle
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from guidegan_plugin.errors import DataError
from guidegan_plugin.hosts.junyanz.adapter import JunyanzHost
from guidegan_plugin.hosts.junyanz.datasets.view_recovery import fit_affine, observe
from guidegan_plugin.utils.random_states import random_state, rewound

REFERENCE_HOST = Path(__file__).resolve().parent.parent.parent / "examples" / "reference_host"


def options(**changes: object) -> argparse.Namespace:
    values: dict[str, object] = {
        "phase": "train",
        "direction": "AtoB",
        "input_nc": 3,
        "output_nc": 3,
        "preprocess": "resize_and_crop",
        "load_size": 30,
        "crop_size": 24,
        "no_flip": False,
        "serial_batches": False,
        "max_dataset_size": float("inf"),
        "isTrain": True,
    }
    return argparse.Namespace(**{**values, **changes})


@pytest.fixture
def datasets(in_host: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], type]]:
    """The class the host finds for a ``--dataset_mode``."""
    monkeypatch.syspath_prepend(str(REFERENCE_HOST))
    host = JunyanzHost.recognise(REFERENCE_HOST)
    assert host is not None
    with host.guided():
        yield lambda mode: importlib.import_module("data").find_dataset_using_name(mode)


def seed(value: int) -> None:
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)


def draws() -> tuple[float, float, float]:
    """What every generator would give next."""
    return random.random(), float(np.random.rand()), float(torch.rand(1))


def brute_force(item: Tensor, resized: Tensor) -> Tensor:
    """The crop and flip that give exactly this item, found by trying them all."""
    _, height, width = resized.shape
    size = item.shape[-1]
    for flip in (False, True):
        for top in range(height - size + 1):
            for left in range(width - size + 1):
                crop = resized[:, top : top + size, left : left + size]
                if torch.equal(crop.flip(-1) if flip else crop, item):
                    x, y = (2 * left + size) / width - 1, (2 * top + size) / height - 1
                    return torch.tensor([[(-1 if flip else 1) * size / width, 0, x], [0, size / height, y]])
    raise AssertionError("the item is no crop of its image")


def as_tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div(255).sub(0.5).div(0.5)


def in_pixels(difference: Tensor, size: int) -> float:
    return float(difference.abs().max()) * size / 2


@pytest.mark.parametrize("mode", ["unaligned", "aligned", "single"])
@pytest.mark.parametrize("preprocess", ["resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "none"])
@pytest.mark.parametrize("no_flip", [False, True])
def test_items_and_random_states_are_the_hosts(
    datasets: Callable[[str], type], unpaired: Path, paired: Path, mode: str, preprocess: str, no_flip: bool
) -> None:
    dataroot = {"unaligned": unpaired, "aligned": paired, "single": unpaired / "trainA"}[mode]
    opt = options(dataroot=str(dataroot), preprocess=preprocess, no_flip=no_flip)
    plain, guided = datasets(mode)(opt), datasets(f"guide_{mode}")(opt)
    for index in range(3):
        seed(index)
        expected, expected_draws = plain[index], draws()
        seed(index)
        item, actual_draws = guided[index], draws()
        assert actual_draws == expected_draws
        for name, value in expected.items():
            assert torch.equal(item[name], value) if isinstance(value, Tensor) else item[name] == value
        assert item["A_guide_view"].shape == (2, 3) and item["A_guide_view"].isfinite().all()


@pytest.mark.parametrize(
    ("mode", "domain"), [("unaligned", "A"), ("unaligned", "B"), ("aligned", "A"), ("aligned", "B")]
)
@pytest.mark.parametrize("preprocess", ["resize_and_crop", "crop", "scale_width_and_crop"])
def test_the_view_is_the_crop_and_flip_found_by_trying_all(
    datasets: Callable[[str], type], unpaired: Path, paired: Path, mode: str, domain: str, preprocess: str
) -> None:
    opt = options(dataroot=str(unpaired if mode == "unaligned" else paired), preprocess=preprocess)
    guided = datasets(f"guide_{mode}")(opt)
    flips = set()
    for index in range(6):
        seed(index)
        item = guided[index % 3]
        with Image.open(item[f"{domain}_paths"]) as file:
            image = file.convert("RGB")
        if mode == "aligned":
            image = image.crop((0, 0, 40, 36) if domain == "A" else (40, 0, 80, 36))
        if preprocess == "resize_and_crop":
            image = image.resize((30, 30), Image.Resampling.BICUBIC)
        elif preprocess == "scale_width_and_crop":
            image = image.resize((30, 27), Image.Resampling.BICUBIC)
        expected = brute_force(item[domain], as_tensor(image))
        theta = item[f"{domain}_guide_view"]
        assert in_pixels(theta - expected, 24) < 0.15
        flips.add(bool(expected[0, 0] < 0))
    assert flips == {False, True}, "the seeds cover both"


def test_gray_images_have_views_too(datasets: Callable[[str], type], unpaired: Path) -> None:
    colour = datasets("guide_unaligned")(options(dataroot=str(unpaired)))
    gray = datasets("guide_unaligned")(options(dataroot=str(unpaired), input_nc=1))
    seed(3)
    expected = colour[0]["A_guide_view"]
    seed(3)
    item = gray[0]
    assert item["A"].shape[0] == 1 and in_pixels(item["A_guide_view"] - expected, 24) < 0.2


@pytest.mark.slow
@pytest.mark.parametrize("start", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_workers_give_the_same_items(datasets: Callable[[str], type], unpaired: Path, start: str) -> None:
    dataset = datasets("guide_unaligned")(options(dataroot=str(unpaired), no_flip=True, load_size=24))
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=3, num_workers=1, multiprocessing_context=multiprocessing.get_context(start)
    )
    (batch,) = list(loader)
    assert torch.equal(batch["A"][0], dataset[0]["A"]) and batch["A_guide_view"].shape == (3, 2, 3)
    assert pickle.loads(pickle.dumps(dataset)).A_paths == dataset.A_paths


@pytest.mark.parametrize("mode", ["unaligned", "aligned", "single"])
def test_an_item_takes_no_pass_of_the_pixels_more_than_the_hosts(
    datasets: Callable[[str], type],
    unpaired: Path,
    paired: Path,
    mode: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    root = {"unaligned": unpaired, "aligned": paired, "single": unpaired / "trainA"}[mode]
    made = options(dataroot=str(root), serial_batches=True)
    own, ours = datasets(mode)(made), datasets(f"guide_{mode}")(made)
    counts: dict[str, int] = {}
    for name in ("resize", "crop", "convert"):
        method = getattr(Image.Image, name)

        def counting(image: Image.Image, *args: Any, method: Any = method, name: str = name, **kwargs: Any) -> Any:
            whole = name != "resize" or Image.Resampling.NEAREST not in (*args, *kwargs.values())
            counts[name] = counts.get(name, 0) + whole  # some pixels are compared, which takes no pass of all
            return method(image, *args, **kwargs)

        monkeypatch.setattr(Image.Image, name, counting)
    seed(0)
    own[0]
    expected = dict(counts)
    counts.clear()
    seed(0)
    ours[0]
    assert counts == expected


def mirrored_as_an_array(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(np.asarray(image)[:, ::-1]))


def test_a_fork_that_keeps_no_transform_gives_views_that_are_not_known(
    datasets: Callable[[str], type], unpaired: Path
) -> None:
    dataset = datasets("guide_unaligned")(options(dataroot=str(unpaired)))
    transform = dataset.transform_A._transform
    del dataset.transform_A
    type(dataset).transform_A = property(lambda self: lambda image: transform(mirrored_as_an_array(image)))
    assert dataset[0]["A_guide_view"].isnan().all() and dataset[0]["B_guide_view"].isfinite().all()


def test_a_transform_that_is_not_affine_has_no_view() -> None:
    def jitter(image: Image.Image) -> Tensor:
        return as_tensor(image) * torch.rand(3, 16, 16)

    assert observe(jitter, (16, 16), random_state()).isnan().all()
    assert fit_affine(torch.zeros(2, 1, 1)).isfinite().all()


def test_rewinding_restores_the_state_even_after_an_error() -> None:
    seed(5)
    state, expected = random_state(), draws()
    seed(9)
    now = random_state()
    with pytest.raises(RuntimeError), rewound(state):
        assert draws() == expected
        raise RuntimeError
    with rewound(now):
        first = draws()
    assert draws() == first


def refusal(datasets: Callable[[str], type], mode: str, **changes: Any) -> str:
    with pytest.raises(DataError) as caught:
        dataset = datasets(f"guide_{mode}")(options(**changes))
        for index in range(len(dataset)):
            dataset[index]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_data_root_that_does_not_exist_is_refused(datasets: Callable[[str], type], tmp_path: Path) -> None:
    for mode in ("unaligned", "aligned", "single"):
        message = refusal(datasets, mode, dataroot=str(tmp_path / "nowhere"))
        assert "nowhere" in message and "--dataroot" in message


def test_an_empty_folder_is_refused(datasets: Callable[[str], type], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises((DataError, FileNotFoundError), match="empty"):
        datasets("guide_single")(options(dataroot=str(tmp_path / "empty")))


def test_images_smaller_than_the_crop_are_refused_unless_the_host_leaves_them_whole(
    datasets: Callable[[str], type], unpaired: Path, paired: Path
) -> None:
    assert "--load_size" in refusal(datasets, "unaligned", dataroot=str(unpaired), load_size=20)
    assert "--load_size" in refusal(datasets, "aligned", dataroot=str(paired), load_size=20)
    message = refusal(datasets, "unaligned", dataroot=str(unpaired), preprocess="crop", crop_size=38)
    assert "40 x 36" in message and "--crop_size" in message
    whole = datasets("guide_aligned")(options(dataroot=str(paired), preprocess="crop", crop_size=40))
    assert whole[0]["A"].shape == whole[0]["B"].shape == (3, 36, 40)


def test_mixed_modes_are_refused_unless_they_are_to_be_converted(
    datasets: Callable[[str], type], unpaired: Path, noise_image: Callable[..., None]
) -> None:
    noise_image(unpaired / "trainB" / "gray.png", (40, 36), 9, "L")
    message = refusal(datasets, "unaligned", dataroot=str(unpaired))
    assert "L (gray.png), RGB (0.png)" in message and "--guide_mixed_modes convert" in message
    opt = options(dataroot=str(unpaired), guide_mixed_modes="convert")
    assert len(datasets("guide_unaligned")(opt)) == 4


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the host leaves the file open
def test_corrupt_images_are_all_named(datasets: Callable[[str], type], unpaired: Path) -> None:
    (unpaired / "trainA" / "1.png").write_bytes(b"no image")
    assert "1.png is no image" in refusal(datasets, "unaligned", dataroot=str(unpaired))
    for path in (unpaired / "trainA" / "1.png", unpaired / "trainB" / "2.png"):
        path.write_bytes((unpaired / "trainA" / "0.png").read_bytes()[:2000])
    message = refusal(datasets, "unaligned", dataroot=str(unpaired))
    assert "trainA/1.png" in message and "trainB/2.png" in message and "0.png" not in message
    gc.collect()
