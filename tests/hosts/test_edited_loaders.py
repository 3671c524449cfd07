"""Forks whose loaders were edited: other images, keys that are no paths, folders and transforms of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from guidegan_plugin.errors import DataError
from guidegan_plugin.guidance.memory.store_file import load_stores

Fork = Callable[..., Path]
RunFork = Callable[..., None]
Small = Callable[[str, Path], list[str]]
STORE = Path("checkpoints") / "run" / "latest_guide.safetensors"
OPEN = 'self.transform_A(Image.open(path_a).convert("RGB"))', 'self.transform_B(Image.open(path_b).convert("RGB"))'


def memory(pair: str = "A") -> dict[str, list[object]]:
    found = load_stores(STORE)[0][pair]
    keys = bytes(found["keys"].tolist()).decode()
    return {"visits": found["visits"].tolist(), "known": [bool(found["views"].isfinite().all())], "keys": [keys]}


def test_a_loader_of_arrays_trains_with_one_warning_and_unknown_views(
    fork: Fork, run_fork: RunFork, small: Small, one_epoch: list[str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for domain in "AB":
        for number in range(3):
            path = tmp_path / "arrays" / f"train{domain}" / f"{number}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, np.random.default_rng(number).random((3, 32, 32), dtype=np.float32))
    root = fork(
        {
            "data/image_folder.py": [('".webp"}', '".webp", ".npy"}')],
            "data/unaligned_dataset.py": [
                (OPEN[0], "self.transform_A(np.load(path_a))"),
                (OPEN[1], "self.transform_B(np.load(path_b))"),
                ("import random\n", "import random\n\nimport numpy as np\nimport torch\n"),
                ("get_transform(opt, grayscale=input_nc == 1)", "to_tensor"),
                ("get_transform(opt, grayscale=output_nc == 1)", "to_tensor"),
                (
                    "class Unaligned",
                    "def to_tensor(image):\n    assert image.shape[0] == 3\n"
                    "    return torch.from_numpy(image) * 2 - 1\n\n\nclass Unaligned",
                ),
            ],
        }
    )
    run_fork(root / "train.py", *small("guide_cycle_gan", tmp_path / "arrays"), *one_epoch)
    found = memory()
    assert found["visits"] == [1, 1, 1] and found["known"] == [False]
    assert caplog.text.count("cannot be replayed on an image of coordinates") == 1
    assert "take --dataset_mode" not in caplog.text


def test_a_loader_of_images_of_16_bits_trains(
    fork: Fork, run_fork: RunFork, small: Small, one_epoch: list[str], tmp_path: Path
) -> None:
    for domain in "AB":
        for number in range(3):
            path = tmp_path / "deep" / f"train{domain}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            deep = np.random.default_rng(number).integers(0, 65536, (36, 40), dtype=np.uint16)
            Image.fromarray(deep).save(path)
    scaled = "self.transform_{}(Image.fromarray((np.array(Image.open(path_{})) >> 8).astype(np.uint8)))"
    root = fork(
        {
            "data/unaligned_dataset.py": [
                (OPEN[0], scaled.format("A", "a")),
                (OPEN[1], scaled.format("B", "b")),
                ("import random\n", "import random\n\nimport numpy as np\n"),
            ]
        }
    )
    gray = ["--input_nc", 1, "--output_nc", 1]
    run_fork(root / "train.py", *small("guide_cycle_gan", tmp_path / "deep"), *gray, *one_epoch)
    assert memory()["visits"] == [1, 1, 1]


def test_keys_that_are_no_paths_are_remembered_as_they_are_and_taken_up_again(
    fork: Fork, run_fork: RunFork, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    named = (
        ('"A_paths": path_a', '"A_paths": f"frame {index % self.A_size}"'),
        ('"B_paths": path_b', '"B_paths": index_b'),
    )
    root = fork({"data/unaligned_dataset.py": named})
    options = [*small("guide_cycle_gan", unpaired), *one_epoch]
    run_fork(root / "train.py", *options)
    assert memory()["visits"] == [1, 1, 1] and "frame 0" in str(memory()["keys"][0])
    assert set(str(memory("B")["keys"][0])) <= set("012")
    run_fork(root / "train.py", *options, "--continue_train")
    assert memory()["visits"] == [2, 2, 2]


def test_a_host_that_falls_back_to_other_folders_is_not_refused(
    fork: Fork, run_fork: RunFork, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    (unpaired / "trainA").rename(unpaired / "imagesA")
    edit = (
        "        self.A_paths = make_dataset",
        '        self.dir_A = self.dir_A if self.dir_A.is_dir() else self.dir_A.with_name("imagesA")\n'
        "        self.A_paths = make_dataset",
    )
    root = fork({"data/unaligned_dataset.py": [edit]})
    run_fork(root / "train.py", *small("guide_cycle_gan", unpaired), *one_epoch)
    assert memory()["visits"] == [1, 1, 1]


def test_images_smaller_than_the_crop_are_taken_where_the_host_pads_them(
    fork: Fork, run_fork: RunFork, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    pads = ("transforms.RandomCrop(opt.crop_size)", "transforms.RandomCrop(opt.crop_size, pad_if_needed=True)")
    root = fork({"data/base_dataset.py": [pads]})
    options = [*small("guide_cycle_gan", unpaired), *one_epoch, "--preprocess", "crop", "--crop_size", 48]
    run_fork(root / "train.py", *options)
    assert memory()["visits"] == [1, 1, 1]


def test_an_image_that_the_host_cannot_use_is_refused_before_the_training(
    fork: Fork, run_fork: RunFork, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    root = fork({})
    with pytest.raises(DataError, match=r"is 40 x 36, smaller than the crop of 48"):
        options = [*small("guide_cycle_gan", unpaired), *one_epoch, "--preprocess", "crop", "--crop_size", 48]
        run_fork(root / "train.py", *options)
    assert not STORE.exists()


def test_a_transform_that_is_made_for_each_item_is_observed_there(
    fork: Fork, run_fork: RunFork, small: Small, one_epoch: list[str], unpaired: Path
) -> None:
    """As CUT does, whose transform depends on the epoch."""
    root = fork(
        {
            "data/unaligned_dataset.py": [
                ("        self.transform_A = get_transform(opt, grayscale=input_nc == 1)\n", ""),
                ("        self.transform_B = get_transform(opt, grayscale=output_nc == 1)\n", ""),
                ("        return {\n", "        transform = get_transform(self.opt)\n        return {\n"),
                ("self.transform_A(", "transform("),
                ("self.transform_B(", "transform("),
            ]
        }
    )
    options = [*small("guide_cycle_gan", unpaired), *one_epoch]
    run_fork(root / "train.py", *options)
    assert memory()["known"] == [True] and memory("B")["known"] == [True]
    assert load_stores(STORE)[0]["A"]["views"].std(0).max() > 0.01, "each image its own"
