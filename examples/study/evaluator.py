"""What a translation is worth: one evaluator for all methods."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from classifier import load_classifier, train_classifier
from dataset import Dataset
from executor import RunError
from measures import MEASURES
from PIL import Image
from segmenter import load_segmenter, train_segmenter, write_truth
from settings import Study

from guidegan_plugin.evaluation.attention_statistics import attention_quality
from guidegan_plugin.utils.files import whole_folder
from guidegan_plugin.utils.images import list_images

Figures = dict[str, float]
Told = dict[str, Any]  # a result file's content


class Evaluator:
    """Scores folders of outputs.

    Args:
        study: The study.
        dataset: Its data set.
        out: The study's folder; what the evaluator learns is kept in its `judge`.

    Raises:
        GuideError: If features, segmenter or data cannot be had.
    """

    def __init__(self, study: Study, dataset: Dataset, out: Path) -> None:
        self.about: dict[str, object] = {}
        self._study, self._dataset = study, dataset
        folder = out / "judge"
        self._features: Any = None
        self._network: Any = None
        self._real: dict[Path, Any] = {}
        if study.features == "shapes":
            self.about["classifier"] = train_classifier(
                folder / "classifier.safetensors", study.data.size, study.judge_images, study.judge_passes
            )
            self._network = load_classifier(folder / "classifier.safetensors")
        if "kid" in study.scores:
            self._features = _features(study, self._network)
            self.about["kid"] = {"features": self._features.name, "weights_sha256": self._features.weights_sha256}
        if "fcn" in study.scores:
            self._learn_labels(folder)

    def _learn_labels(self, folder: Path) -> None:
        from guidegan_plugin.datasets.palettes import CAMVID

        train, labels, weights = self._dataset.train, self._dataset.test["A"], folder / "segmenter.safetensors"
        self.about["segmenter"] = train_segmenter(weights, train["B"], train["A"], CAMVID, self._study.judge_passes)
        self._segmenter = load_segmenter(weights, len(CAMVID.classes))
        self._palette, self._truth = CAMVID, labels.with_name("truth")
        if not self._truth.exists():
            with whole_folder(self._truth) as fresh:
                write_truth(labels, fresh, CAMVID)

    def score(
        self, fakes: Path, direction: str, labels: Mapping[str, str] = MappingProxyType({})
    ) -> tuple[Figures, list[Told]]:
        """Score translations.

        Args:
            fakes: Folder of outputs, named as their inputs; attention maps are beside it, in `attention_A` or `_B`.
            direction: `A->B` or `B->A`.
            labels: Of the results.

        Returns:
            The figures of the study's report, and results as `guidegan evaluate --json` writes them.
        """
        source, target = direction.split("->")
        test, figures = self._dataset.test, Figures()
        results: list[Told] = []
        if "kid" in self._study.scores:
            results.append(self._kid(fakes, test[target], test[source], labels))
            figures |= kid_figures(results[-1])
        if "domain" in self._study.scores:
            figures["target_share"] = self._share(fakes, target)
        if "change" in self._study.scores:
            figures |= changes(fakes, test[source], self._dataset.regions[source])
        maps = fakes.parent / f"attention_{source}"
        if "attention" in self._study.scores and maps.is_dir():
            quality = attention_quality(maps, self._dataset.regions[source], "")
            results.append({"metric": "attention", **dataclasses.asdict(quality), "labels": dict(labels)})
            figures |= {key: value for key, value in dataclasses.asdict(quality).items() if key != "images"}
        if "fcn" in self._study.scores:
            from guidegan_plugin.evaluation.fcn_score import evaluate_fcn

            reader = self._segmenter if target == "B" else None  # translations to labels are read as they are
            told: Told = evaluate_fcn(fakes, self._truth, self._palette, segmenter=reader, labels=labels).as_dict()
            figures |= {measure.key: float(told[measure.key]) for measure in MEASURES["fcn"]}
            results.append(told)
        return figures, results

    def anchors(self) -> dict[str, dict[str, Figures]]:
        """Figures to read all others against, by what they are of and by direction: real images, and no change."""
        found: dict[str, dict[str, Figures]] = {}
        for direction in self._study.directions:
            source, target = direction.split("->")
            test = self._dataset.test
            if "fcn" in self._study.scores:
                if target == "A":
                    continue
                found.setdefault("the real photos", {})[direction] = self.score(test[target], direction)[0]
                continue
            real = kid_figures(self._kid(self._dataset.train[target], test[target], test[source]))
            same = kid_figures(self._kid(test[source], test[target], test[source]))
            if "domain" in self._study.scores:
                real["target_share"] = self._share(test[target], target)
                same["target_share"] = self._share(test[source], target)
            found.setdefault("real training images of the target domain", {})[direction] = real
            found.setdefault("inputs left as they are", {})[direction] = same
        return found

    def _kid(self, fakes: Path, target: Path, source: Path, labels: Mapping[str, str] = MappingProxyType({})) -> Told:
        from guidegan_plugin.evaluation.kid import evaluate_kid, folder_features

        for folder in {target, source} - self._real.keys():
            self._real[folder] = folder_features(folder, features=self._features)
        real = self._real[target], self._real[source]
        # One subset of all images: the estimator is unbiased, and the spread that counts is that of seeds.
        return evaluate_kid(fakes, *real, features=self._features, subsets=1, labels=labels).as_dict()

    def _share(self, folder: Path, domain: str) -> float:
        striped = self._network.striped(torch.stack([_image(path) for path in list_images(folder)]))
        return float((striped == (domain == "B")).double().mean())


def kid_figures(told: Told) -> Figures:
    """The figures of the study's report in a result of KID."""
    return {f"kid_{name}": float(told[name]["kid_x100"]) for name in ("target", "source", "mean")}


def changes(fakes: Path, inputs: Path, regions: Path) -> Figures:
    """Mean absolute difference of outputs and inputs, in [0, 1], outside and inside of regions; mean over images."""
    rows = []
    for path in list_images(fakes):
        with Image.open(regions / f"{path.stem}.png") as image:
            region = torch.from_numpy(np.array(image.convert("L")) > 0)
        if region.all() or not region.any():
            continue
        difference = (_image(path) - _image(inputs / f"{path.stem}.png")).abs().mean(0)
        rows.append((float(difference[~region].mean()), float(difference[region].mean())))
    outside, inside = np.mean(rows, axis=0).tolist()
    return {"background_change": outside, "object_change": inside}


def collect(page: Path, folder: Path, dataset: Dataset, directions: Sequence[str]) -> dict[str, Path]:
    """Take outputs and attention maps out of a host's page into folders of their own; outputs by direction.

    Each is named as its input, whatever the page calls it.

    Raises:
        RunError: If the page shows what is no test image.
    """
    found: dict[str, Path] = {}
    for direction in directions:
        source, target = direction.split("->")
        names = dataset.names(source)
        for visual in (f"fake_{target}", f"attention_{source}"):
            paths = [path for path in list_images(page) if path.stem.endswith(f"_{visual}")]
            if not paths:
                continue
            (folder / visual).mkdir(parents=True, exist_ok=True)
            for path in paths:
                name = names.get(shown := path.stem.removesuffix(f"_{visual}"))
                if name is None:
                    raise RunError(f"{page} shows {shown}, which is no image of {dataset.test['A']}")
                shutil.move(path, folder / visual / f"{name}{path.suffix}")
            if visual.startswith("fake"):
                found[direction] = folder / visual
    return found


def _features(study: Study, network: Any) -> Any:
    from guidegan_plugin.evaluation.features import NamedFeatures, load_features

    if network is not None:
        return NamedFeatures("shapes classifier", network)
    return load_features(study.features, study.weights)


def _image(path: Path) -> torch.Tensor:
    with Image.open(path) as image:
        return torch.from_numpy(np.array(image.convert("RGB"), dtype=np.float32) / 255).permute(2, 0, 1)
