"""Inception: its weights are found, checked and never run as code; its figures are torch-fidelity's.

The official weights are not at hand, so these have random ones in a file of the same layout.
"""

from __future__ import annotations

import hashlib
import urllib.error
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.evaluation import inception
from guidegan_plugin.evaluation.inception import FILE, InceptionFeatures, find_weights
from guidegan_plugin.evaluation.kid import evaluate_kid

module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
BENCHMARK = Path(__file__).parents[2] / "examples" / "benchmarks" / "evaluation.py"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory, load_script: Callable[[Path], ModuleType]) -> Path:
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    return load_script(BENCHMARK).random_weights(path)


@pytest.fixture(scope="module")
def features(weights: Path) -> InceptionFeatures:
    return InceptionFeatures(weights)


@pytest.fixture
def torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    return tmp_path / "hub" / "checkpoints" / FILE


def refuse(*_: object, **__: object) -> None:
    raise urllib.error.URLError("no network")


def test_other_weights_than_the_official_ones_show_in_the_name(weights: Path, features: InceptionFeatures) -> None:
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
    assert features.weights_sha256 == sha256
    assert features.name == f"inception (weights {sha256[:8]})"


def test_the_official_weights_are_known_by_their_hash(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(weights.read_bytes()).hexdigest())
    assert InceptionFeatures(weights).name == "inception"
    monkeypatch.undo()
    assert inception.SHA256.startswith(FILE.split("-")[-1].removesuffix(".pth"))


@pytest.mark.slow
def test_kid_and_fid_are_what_torch_fidelity_computes_from_the_folders(
    tmp_path: Path, weights: Path, features: InceptionFeatures
) -> None:
    import torch_fidelity

    rng = np.random.default_rng(0)
    for name, low in (("fake", 0), ("target", 60)):
        (tmp_path / name).mkdir()
        for index in range(5):
            pixels = rng.integers(low, 256, (16, 20, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{index}.png")
    ours = evaluate_kid(
        tmp_path / "fake", tmp_path / "target", features=features, subsets=10, subset_size=3, seed=4, batch_size=3
    )
    theirs = torch_fidelity.calculate_metrics(
        input1=str(tmp_path / "fake"),
        input2=str(tmp_path / "target"),
        feature_extractor_weights_path=str(weights),
        kid=True,
        fid=True,
        kid_subsets=10,
        kid_subset_size=3,
        rng_seed=4,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
    )
    assert ours.title == f"KID (features: {features.name})"
    assert ours.target.kid_x100 == pytest.approx(100 * theirs["kernel_inception_distance_mean"], rel=1e-3)
    assert ours.target.std_x100 == pytest.approx(100 * theirs["kernel_inception_distance_std"], rel=1e-3)
    assert ours.fid == pytest.approx(theirs["frechet_inception_distance"], rel=1e-3)


def test_features_are_the_same_alone_and_in_a_batch(features: InceptionFeatures) -> None:
    images = torch.rand(3, 3, 24, 24)
    together = features(images)
    assert together.shape == (3, 2048)
    torch.testing.assert_close(torch.cat([features(image[None]) for image in images]), together, rtol=1e-4, atol=1e-5)


class Evil:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return Path.touch, (self.path,)


def test_weights_are_never_run_as_code(tmp_path: Path) -> None:
    torch.save({"fc.bias": Evil(tmp_path / "ran")}, tmp_path / "evil.pth")
    with pytest.raises(ConfigError, match=r"evil\.pth is torn or not Inception's weights .*change --weights"):
        InceptionFeatures(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


def test_torn_weights_and_another_networks_are_refused(tmp_path: Path, weights: Path) -> None:
    (tmp_path / "torn.pth").write_bytes(weights.read_bytes()[:1000])
    torch.save(torch.nn.Linear(2, 2).state_dict(), tmp_path / "other.pth")
    for name in ("torn", "other"):
        with pytest.raises(ConfigError, match=rf"{name}\.pth is torn or not Inception's weights") as raised:
            InceptionFeatures(tmp_path / f"{name}.pth")
        assert "\n" not in str(raised.value)


def test_weights_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no file .*w\.pth; change --weights"):
        find_weights(tmp_path / "w.pth")


def test_weights_lie_in_torchs_own_folder(torch_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    torch_home.parent.mkdir(parents=True)
    torch_home.write_bytes(b"official")
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(b"official").hexdigest())
    assert find_weights() == torch_home


def test_a_damaged_file_in_torchs_folder_is_refused(torch_home: Path) -> None:
    torch_home.parent.mkdir(parents=True)
    torch_home.write_bytes(b"torn")
    with pytest.raises(ConfigError, match=r"is not the official file \(sha256 .*expected 6726825d\.\.\.\); delete it"):
        find_weights()


def test_weights_are_downloaded_from_torch_fidelitys_address_with_their_hash(
    torch_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, str, str]] = []

    def download(url: str, dst: str, hash_prefix: str, progress: bool) -> None:
        asked.append((url, dst, hash_prefix))

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    assert find_weights() == torch_home
    assert asked == [(module.URL_INCEPTION_V3, str(torch_home), "6726825d")]


def test_offline_the_error_says_which_file_to_put_where(torch_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    with pytest.raises(ConfigError) as raised:
        find_weights()
    for part in (str(torch_home), f"put {FILE} (sha256 6726825d...) there, or name it with --weights"):
        assert part in str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_benchmark_compares_the_very_same_scores(
    tmp_path: Path, weights: Path, load_script: Callable[[Path], ModuleType]
) -> None:
    script = load_script(BENCHMARK)
    script.write_images(tmp_path, 2, 32)
    jobs = script.fcn_jobs(tmp_path)
    assert (jobs["ours"]().matrix.sum(1) == jobs["library"]()[:-1].sum(1).numpy()).all()
    found = script.measure(jobs, 1)
    assert found.keys() == {"library_s", "ours_s", "ratio", "null"} and min(found.values()) > 0
