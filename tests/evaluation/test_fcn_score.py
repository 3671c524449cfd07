"""Promises of the FCN scores, against torchmetrics' own scores and a reference in NumPy."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from guidegan_plugin.datasets.palettes import CAMVID, CITYSCAPES
from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.evaluation.fcn_score import FcnResult, evaluate_fcn

Ids = npt.NDArray[np.uint8]
COLOURS = np.array([entry.colour for entry in CAMVID.entries], dtype=np.uint8)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("pred", "truth"):
        (tmp_path / name).mkdir()
    return tmp_path / "pred", tmp_path / "truth"


@pytest.fixture
def answers(folders: tuple[Path, Path]) -> tuple[Ids, Ids]:
    """Three images of random classes (11 is void), half of which are answered right; ids beside painted answers."""
    rng = np.random.default_rng(0)
    truth = rng.integers(12, size=(3, 20, 24), dtype=np.uint8)
    pred = np.where(rng.random(truth.shape) < 0.5, truth, rng.integers(11, size=truth.shape)).astype(np.uint8)
    pred[truth == 11] %= 11
    for number in range(3):
        Image.fromarray(truth[number]).save(folders[1] / f"{number}.png")
        Image.fromarray(COLOURS[pred[number]]).save(folders[0] / f"{number}.png")
    return pred, truth


def reference(pred: Ids, truth: Ids, classes: int) -> tuple[float, float, float]:
    scored = truth < classes
    pred, truth = pred[scored], truth[scored]
    accuracies, ious = [], []
    for one in range(classes):
        both, either = ((pred == one) & (truth == one)).sum(), ((pred == one) | (truth == one)).sum()
        if (truth == one).any():
            accuracies.append(both / (truth == one).sum())
        if either:
            ious.append(both / either)
    return float((pred == truth).mean()), float(np.mean(accuracies)), float(np.mean(ious))


def three(result: FcnResult) -> tuple[float, float, float]:
    return result.per_pixel_accuracy, result.per_class_accuracy, result.class_iou


def test_scores_equal_a_reference_in_numpy(folders: tuple[Path, Path], answers: tuple[Ids, Ids]) -> None:
    assert three(evaluate_fcn(*folders, CAMVID)) == pytest.approx(reference(*answers, 11), abs=1e-12)


def test_scores_equal_torchmetrics(folders: tuple[Path, Path], answers: tuple[Ids, Ids]) -> None:
    pred, truth = (torch.from_numpy(ids).long() for ids in answers)
    scored = truth < 11
    pred, truth = pred[scored], truth[scored]
    found = evaluate_fcn(*folders, CAMVID)
    expected = [
        MulticlassAccuracy(11, average="micro")(pred, truth),
        MulticlassAccuracy(11, average="macro")(pred, truth),
        MulticlassJaccardIndex(11, average="macro")(pred, truth),
    ]
    assert three(found) == pytest.approx([float(value) for value in expected], abs=1e-6)
    each = MulticlassJaccardIndex(11, average="none")(pred, truth)
    assert [one.iou for one in found.classes.values()] == pytest.approx(each.tolist(), abs=1e-6)


@pytest.mark.parametrize("painted", [True, False], ids=["colours", "ids"])
def test_the_truth_against_itself_is_exactly_one(
    folders: tuple[Path, Path], answers: tuple[Ids, Ids], painted: bool
) -> None:
    for number, ids in enumerate(answers[1]):
        Image.fromarray(COLOURS[ids] if painted else ids).save(folders[0] / f"{number}.png")
    assert three(evaluate_fcn(*folders, CAMVID)) == (1.0, 1.0, 1.0)


def test_a_pixel_painted_as_void_where_the_truth_has_a_class_is_a_miss(folders: tuple[Path, Path]) -> None:
    Image.fromarray(np.array([[3, 3, 3, 11]], dtype=np.uint8)).save(folders[1] / "a.png")
    Image.fromarray(np.array([[3, 3, 11, 3]], dtype=np.uint8)).save(folders[0] / "a.png")
    found = evaluate_fcn(*folders, CAMVID)
    assert three(found) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert found.matrix[3].tolist() == [0, 0, 0, 2, *[0] * 7, 1]


class ByRed(nn.Module):
    """The class is the photo's red value."""

    def forward(self, images: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        red = (images[:, :1] * 255).round()
        return -(red - torch.arange(11).view(1, 11, 1, 1)).abs()


def test_a_segmenter_reads_photos(folders: tuple[Path, Path], answers: tuple[Ids, Ids]) -> None:
    pred, truth = answers
    for number, ids in enumerate(pred):
        Image.fromarray(np.stack([ids, 0 * ids, 0 * ids], axis=-1)).save(folders[0] / f"{number}.png")
    found = evaluate_fcn(*folders, CAMVID, segmenter=ByRed())
    assert three(found) == pytest.approx(reference(pred, truth, 11), abs=1e-12)
    assert found.segmenter == "ByRed"


def test_a_device_there_is_not_is_named(folders: tuple[Path, Path], answers: tuple[Ids, Ids]) -> None:
    with pytest.raises(ConfigError, match=r"cannot run on nowhere .*; change --device"):
        evaluate_fcn(*folders, CAMVID, segmenter=ByRed(), device="nowhere")


def test_the_result_file_holds_scores_classes_and_labels(folders: tuple[Path, Path], answers: tuple[Ids, Ids]) -> None:
    result = evaluate_fcn(*folders, CAMVID, labels={"method": "bare"})
    found = result.as_dict()
    assert found["metric"] == "fcn"
    assert found["labels"] == {"method": "bare"}
    assert [found[name] for name in ("per_pixel_accuracy", "per_class_accuracy", "class_iou")] == list(three(result))
    sky = found["classes"]["sky"]  # type: ignore[index]
    assert sky == {
        "accuracy": result.classes["sky"].accuracy,
        "iou": result.classes["sky"].iou,
        "pixels": int((answers[1] == 0).sum()),
    }


def test_another_size_is_named_and_resized_on_demand(folders: tuple[Path, Path]) -> None:
    truth = np.array([[3, 3], [8, 0]], dtype=np.uint8)
    Image.fromarray(truth.repeat(2, 0).repeat(2, 1)).save(folders[1] / "a.png")
    Image.fromarray(COLOURS[truth]).save(folders[0] / "a.png")
    with pytest.raises(DataError, match=r"a\.png is 2 x 2, its truth 4 x 4; .*--resize"):
        evaluate_fcn(*folders, CAMVID)
    result = evaluate_fcn(*folders, CAMVID, resize=True)
    assert three(result) == (1.0, 1.0, 1.0)
    assert result.as_dict()["resized"] is True


def test_missing_images_are_named_on_both_sides(folders: tuple[Path, Path], answers: tuple[Ids, Ids]) -> None:
    (folders[0] / "1.png").unlink()
    with pytest.raises(DataError, match=r"1 of 3 truths .* have no image .*, the first 1; .*--partial"):
        evaluate_fcn(*folders, CAMVID)
    assert evaluate_fcn(*folders, CAMVID, partial=True).images == 2
    (folders[1] / "2.png").unlink()
    with pytest.raises(DataError, match=r"1 of 2 images .* have no truth .*, the first 2; change --truth"):
        evaluate_fcn(*folders, CAMVID, partial=True)


def test_suffixes_bring_a_host_s_results_and_cityscapes_names_together(folders: tuple[Path, Path]) -> None:
    label = np.array([[7, 26, 0]], dtype=np.uint8)
    (folders[1] / "ulm").mkdir()
    Image.fromarray(label).save(folders[1] / "ulm" / "ulm_1_gtFine_labelIds.png")
    Image.fromarray(label).save(folders[0] / "ulm_1_fake_B.png")
    Image.fromarray(label + np.uint8(100)).save(folders[0] / "ulm_1_real_A.png")
    found = evaluate_fcn(*folders, CITYSCAPES, suffix="_fake_B", truth_suffix="_gtFine_labelIds")
    assert (found.images, found.per_pixel_accuracy) == (1, 1.0)


def test_a_truth_without_a_scored_pixel_is_refused(folders: tuple[Path, Path]) -> None:
    for folder in folders:
        Image.fromarray(np.full((2, 2), 11, dtype=np.uint8)).save(folder / "a.png")
    with pytest.raises(DataError, match=r"no pixel of .* has a class that is scored"):
        evaluate_fcn(*folders, CAMVID)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(folders: tuple[Path, Path]) -> None:
    """One array of labels is 4 MiB here, and two threads read: six more images may not add three."""
    size = (1024, 512)

    def add(number: int) -> None:
        Image.new("L", size, 26).save(folders[1] / f"{number}.png")
        Image.new("RGB", size, (0, 0, 142)).save(folders[0] / f"{number}.png")

    def peak() -> int:
        tracemalloc.start()
        try:
            evaluate_fcn(*folders, CITYSCAPES)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    for number in range(6):
        add(number)
    few = peak()
    for number in range(6, 12):
        add(number)
    assert few > 2**22
    assert peak() < few + 3 * 2**22
