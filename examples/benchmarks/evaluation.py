"""What an evaluation costs beside the libraries that define its scores: torch-fidelity and torchmetrics by themselves.

KID: `evaluate_kid` against `torch_fidelity.calculate_metrics`, same folders, same weights; random ones where
`--weights` names none, since the score's own figure does not matter here. FCN: `evaluate_fcn` on label images against a
plain loop of Pillow and torchmetrics over the same files. By the clock, in turns; the null is a library against itself.

Examples:
    python examples/benchmarks/evaluation.py
    python examples/benchmarks/evaluation.py --images 64 --rounds 5 --json figures.json
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
import torch_fidelity
from PIL import Image
from torch import nn
from torch_fidelity import feature_extractor_inceptionv3 as inception
from torchmetrics.classification import MulticlassConfusionMatrix

from guidegan_plugin.datasets.palettes import CITYSCAPES
from guidegan_plugin.evaluation.fcn_score import evaluate_fcn
from guidegan_plugin.evaluation.inception import InceptionFeatures
from guidegan_plugin.evaluation.kid import evaluate_kid

LIBRARY = {"kid": "torch-fidelity", "fcn": "torchmetrics"}


def main() -> None:
    """Measure both scores and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=32, help="of each folder")
    parser.add_argument("--size", type=int, default=256, help="side of the images of KID; label images are 2:1")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--weights", type=Path, help="of Inception")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    warnings.filterwarnings("ignore", category=UserWarning)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_images(root, args.images, args.size)
        jobs = {"kid": kid_jobs(root, args.weights, args.images), "fcn": fcn_jobs(root)}
        figures = {score: measure(own, args.rounds) for score, own in jobs.items()}
    for score, found in figures.items():
        print(
            f"{score}: {LIBRARY[score]} {found['library_s']:.2f} s, ours {found['ours_s']:.2f} s, "
            f"ratio {found['ratio']:.3f}, null {found['null']:.3f}"
        )
    if args.json:
        described = {"images": args.images, "size": args.size, "rounds": args.rounds, "torch": torch.__version__}
        args.json.write_text(json.dumps({**described, **figures}, indent=1) + "\n")
    sys.stdout.flush()


def measure(jobs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Seconds by the clock of each job, all of them once a round after one round to warm up."""
    spent: dict[str, list[float]] = {name: [] for name in jobs}
    names = list(jobs)
    for turn in range(rounds + 1):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            began = time.perf_counter()
            jobs[name]()
            if turn:
                spent[name].append(time.perf_counter() - began)
    ratios = {
        name: statistics.median(mine / its for mine, its in zip(spent[name], spent["library"], strict=True))
        for name in ("ours", "again")
    }
    return {
        "library_s": statistics.median(spent["library"]),
        "ours_s": statistics.median(spent["ours"]),
        "ratio": ratios["ours"],
        "null": ratios["again"],
    }


def kid_jobs(root: Path, weights: Path | None, images: int) -> dict[str, Callable[[], object]]:
    """KID and FID of two folders, by torch-fidelity twice and by ours."""
    file = weights or random_weights(root / "random.pth")
    cuda = torch.cuda.is_available()

    def library() -> object:
        return torch_fidelity.calculate_metrics(
            input1=str(root / "fake"),
            input2=str(root / "target"),
            feature_extractor_weights_path=str(file),
            kid=True,
            fid=True,
            kid_subset_size=images,
            batch_size=32,
            cuda=cuda,
            cache=False,
            save_cpu_ram=True,
            verbose=False,
        )

    def ours() -> object:
        return evaluate_kid(root / "fake", root / "target", features=InceptionFeatures(file))

    return {"library": library, "again": library, "ours": ours}


def fcn_jobs(root: Path) -> dict[str, Callable[[], object]]:
    """The confusion matrix of two folders of label ids, by a plain loop around torchmetrics twice and by ours."""
    void = CITYSCAPES.void_label
    table = np.full(256, void, np.int64)
    for place, entry in enumerate(CITYSCAPES.entries):
        table[list(entry.ids)] = CITYSCAPES.label(place)

    def labels(path: Path) -> torch.Tensor:
        with Image.open(path) as image:
            return torch.from_numpy(table[np.asarray(image)])[None]

    def library() -> object:
        counts = MulticlassConfusionMatrix(void + 1, ignore_index=void, validate_args=False)
        for path in sorted((root / "pred").iterdir()):
            counts.update(labels(path), labels(root / "truth" / path.name))
        return counts.compute()

    def ours() -> object:
        return evaluate_fcn(root / "pred", root / "truth", CITYSCAPES)

    return {"library": library, "again": library, "ours": ours}


def write_images(root: Path, count: int, size: int) -> None:
    """Photo-like images ``fake`` and ``target``, and label ids ``pred`` and ``truth`` of 2:1."""
    draw = np.random.default_rng(0)
    ids = np.array([entry.ids[0] for entry in CITYSCAPES.entries if entry.ids], np.uint8)
    for name in ("fake", "target", "pred", "truth"):
        (root / name).mkdir()
        for index in range(count):
            if name in ("fake", "target"):
                coarse = Image.fromarray(draw.integers(0, 256, (size // 8, size // 8, 3), np.uint8))
                image = coarse.resize((size, size), Image.Resampling.BICUBIC)
            else:
                coarse = Image.fromarray(draw.choice(ids, (size // 16, size // 8)))
                image = coarse.resize((4 * size, 2 * size), Image.Resampling.NEAREST)
            image.save(root / name / f"{index}.png")


def random_weights(path: Path) -> Path:
    """A file of the layout of Inception's weights, with random ones."""
    own = inception.load_state_dict_from_url, inception.FeatureExtractorInceptionV3.load_state_dict
    inception.load_state_dict_from_url = lambda *_, **__: {}
    inception.FeatureExtractorInceptionV3.load_state_dict = lambda *_: None
    try:
        network = inception.FeatureExtractorInceptionV3("any", ["2048"])
    finally:
        inception.load_state_dict_from_url, inception.FeatureExtractorInceptionV3.load_state_dict = own
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    torch.save(network.state_dict(), path)
    return path


if __name__ == "__main__":
    main()
