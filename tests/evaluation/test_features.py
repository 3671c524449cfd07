"""Features of a user: the same for an image whatever is beside it, and refused in one line where they cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.evaluation.features import NamedFeatures, extract, load_features


def small_net() -> nn.Module:
    net = nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.Dropout(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    nn.init.normal_(net[1].running_mean)
    return net


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    found = [tmp_path / f"{index}.png" for index in range(7)]
    for index, path in enumerate(found):
        Image.fromarray(rng.integers(0, 256, (8, 12 if index == 3 else 8, 3), dtype=np.uint8)).save(path)
    return found


def test_features_do_not_depend_on_the_batch_size(paths: list[Path]) -> None:
    features = NamedFeatures("a:b", small_net())
    alone, sizes = extract(paths, features, "--fake", batch_size=1)
    assert alone.shape == (7, 5)
    assert alone.dtype == torch.float64
    assert sizes == {(8, 8), (8, 12)}
    assert not torch.equal(alone[0], alone[1])
    for size in (2, 7, 100):
        torch.testing.assert_close(extract(paths, features, "--fake", batch_size=size)[0], alone, rtol=1e-5, atol=1e-6)


def test_a_module_computes_in_evaluation_mode_and_is_left_as_it_was(paths: list[Path]) -> None:
    net = small_net()
    net[1].training = False
    before = {key: value.clone() for key, value in net.state_dict().items()}
    extract(paths, NamedFeatures("a:b", net), "--fake")
    assert [module.training for module in net] == [True, False, True, True, True]
    assert all(torch.equal(value, before[key]) for key, value in net.state_dict().items())


def test_a_modules_weights_have_a_hash_and_a_functions_are_unknown() -> None:
    net = small_net()
    first = NamedFeatures("a:b", net).weights_sha256
    assert first == NamedFeatures("a:b", net).weights_sha256
    with torch.no_grad():
        net[0].weight[0, 0, 0, 0] += 1
    assert NamedFeatures("a:b", net).weights_sha256 != first
    assert NamedFeatures("a:b", lambda images: images.mean((2, 3))).weights_sha256 is None


@pytest.mark.parametrize(
    ("compute", "message"),
    [
        (lambda images: images, r"expected \(3, F\), found \(3, 3, 8, 8\)"),
        (lambda images: images.flatten(1)[:1], r"expected \(3, F\), found \(1, 192\)"),
        (lambda images: images.flatten(1)[:, :0], r"expected \(3, F\), found \(3, 0\)"),
        (lambda images: images.flatten(1).long(), "expected floating, found torch.int64"),
        (lambda images: images.flatten(1) / 0, "not finite"),
        (lambda images: [1], r"expected a tensor \(3, F\), found list"),
        (lambda images: images @ images[0, 0, :2], r"fail on images \(3, 3, 8, 8\) \(RuntimeError: .*--batch-size"),
    ],
)
def test_what_is_no_features_is_refused(paths: list[Path], compute: Callable[[Tensor], Tensor], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^features a:b.*{message}") as raised:
        extract(paths[:3], NamedFeatures("a:b", compute), "--fake")
    assert "change --features" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_features_whose_number_depends_on_the_images_size_are_refused(paths: list[Path]) -> None:
    with pytest.raises(ConfigError, match=r"expected \(1, 192\), found \(1, 288\)"):
        extract(paths, NamedFeatures("a:b", lambda images: images.flatten(1)), "--fake")


def test_an_unknown_name_lists_what_is_known() -> None:
    with pytest.raises(ConfigError, match="expected inception or module:attribute, found 'vgg'; change --features"):
        load_features("vgg")


def test_what_cannot_be_called_is_no_features() -> None:
    with pytest.raises(ConfigError, match="expected something callable, found float"):
        load_features("math:pi")


def test_inceptions_weights_with_other_features_are_refused() -> None:
    with pytest.raises(ConfigError, match="leave out --weights"):
        load_features("torch.nn:Identity", Path("weights.pth"))


def test_features_by_name_bear_that_name() -> None:
    features = load_features("torch.nn:Flatten")
    assert (features.name, features.resize) == ("torch.nn:Flatten", "none")
    assert features(torch.zeros(2, 3, 2, 2)).shape == (2, 12)
