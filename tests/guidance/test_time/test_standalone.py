"""One plain module of a generator, T and what stands for the map: the output of a guided test, without a guide."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import ConfigError, GuideConfig, StoreError, attach
from guidegan_plugin.guidance.test_time.map_predictor import MapPredictor
from guidegan_plugin.guidance.test_time.predictor_file import Prediction, predictor_path, save_predictors

AUTO = getattr(torch.export.Dim, "AUTO", None)  # from torch 2.6 on
IMAGES, OTHERS = torch.rand(2, 3, 32, 40), torch.rand(4, 3, 64, 48)

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning", "ignore::torch.jit.TracerWarning"
)


def guided(test_map: str, concat: str, transfer: str, folder: Path) -> tuple[Any, Any]:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1)]
    generator, discriminator = nn.Sequential(*layers), nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.Conv2d(8, 1, 4))
    config = GuideConfig(layer=1, concat=concat, transfer=transfer, test_map=test_map)
    guide = attach(generator, discriminator, config, optimizers=[torch.optim.SGD(generator.parameters(), 0.1)])
    source = IMAGES.clone()
    guide.bind(source, ["a", "b"])
    discriminator(generator(source)).mean().backward()
    guide.bind(IMAGES, ["a", "b"])
    with torch.no_grad():
        generator[0].weight.add_(0.1)
    store = folder / "latest_guide.safetensors"
    guide.save(store)
    known = Prediction(3, (16, 20), (32, 40), guide.digest(), 2, 1, 0.5, 0.1)
    save_predictors(predictor_path(store), {"A": (MapPredictor(3, (16, 20), (32, 40)), known)})
    guide.load(store)
    return generator.eval(), guide


@pytest.mark.parametrize("test_map", ["ones", "mean", "predict"])
@pytest.mark.parametrize(("concat", "transfer"), [("rhp", "bilinear"), ("alpha", "conv")])
def test_it_computes_what_a_guided_test_does_and_stays_when_the_guide_goes(
    test_map: str, concat: str, transfer: str, tmp_path: Path
) -> None:
    generator, guide = guided(test_map, concat, transfer, tmp_path)
    wanted = [generator(images.clone()) for images in (IMAGES, OTHERS)]
    alone = guide.standalone()
    guide.detach()
    for images, output in zip((IMAGES, OTHERS), wanted, strict=True):
        assert torch.allclose(alone(images), output, atol=1e-6)
    assert type(alone.generator) is nn.Sequential and not alone.training
    assert not any(parameter.requires_grad for parameter in alone.parameters())
    assert torch.allclose(pickle.loads(pickle.dumps(alone))(OTHERS), wanted[1], atol=1e-6)
    parts = {name.split(".")[0] for name in alone.state_dict()}
    assert parts == {"generator"} | {"predict": {"predictor"}, "mean": {"mean"}}.get(test_map, set()) | (
        {"transfer"} if transfer == "conv" else set()
    )


@pytest.mark.parametrize("test_map", ["ones", "mean", "predict"])
@pytest.mark.parametrize(("concat", "transfer"), [("rhp", "bilinear"), ("alpha", "conv")])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-5), (torch.bfloat16, 0.1)], ids=str)
def test_it_works_in_another_precision(
    test_map: str, concat: str, transfer: str, dtype: torch.dtype, tolerance: float, tmp_path: Path
) -> None:
    generator, guide = guided(test_map, concat, transfer, tmp_path)
    made = guide.standalone().to(dtype)(OTHERS[:3].to(dtype))
    assert made.dtype is dtype and torch.allclose(made.float(), generator(OTHERS[:3].clone()), atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("test_map", ["ones", "mean", "predict"])
@pytest.mark.parametrize("concat", ["rhp", "alpha"])
def test_it_is_exported_into_one_file_for_any_batch_and_size(test_map: str, concat: str, tmp_path: Path) -> None:
    if AUTO is None:
        pytest.skip("this torch cannot export a network for sizes that it finds out by itself")
    generator, guide = guided(test_map, concat, "bilinear", tmp_path)
    free = (({0: AUTO, 2: AUTO, 3: AUTO},),)  # of the arguments *args
    file = io.BytesIO()
    torch.export.save(torch.export.export(guide.standalone(), (IMAGES,), dynamic_shapes=free), file)
    file.seek(0)
    again: Any = torch.export.load(file).module()
    assert torch.allclose(again(OTHERS), generator(OTHERS.clone()), atol=1e-5)


@pytest.mark.parametrize("test_map", ["mean", "predict"])
def test_it_is_traced_for_images_of_one_size(test_map: str, tmp_path: Path) -> None:
    generator, guide = guided(test_map, "rhp", "bilinear", tmp_path)
    traced: Any = torch.jit.trace(guide.standalone(), IMAGES)
    more: Tensor = torch.rand(5, 3, 32, 40)
    assert torch.allclose(traced(more), generator(more.clone()), atol=1e-5)


def test_a_generator_met_at_a_method_is_called_there(tmp_path: Path) -> None:
    class Translator(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(3, 3, 3, padding=1)

        def translate(self, images: Tensor, scale: float = 1.0) -> Tensor:
            found: Tensor = self.convolution(images) * scale
            return found

    generator, discriminator = Translator(), nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.Conv2d(8, 1, 4))
    guide = attach(generator.translate, discriminator, GuideConfig(layer=1))
    alone = guide.standalone()
    assert torch.allclose(alone(IMAGES, scale=2.0), generator.eval().translate(IMAGES.clone(), scale=2.0), atol=1e-6)
    encoder, decoder = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
    staged = attach(
        (encoder, decoder), nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.Conv2d(8, 1, 4)), GuideConfig(layer=1)
    )
    with pytest.raises(ConfigError, match="one network, found two stages"):
        staged.standalone()


def test_without_a_predictor_it_is_refused(tmp_path: Path) -> None:
    _, guide = guided("predict", "rhp", "bilinear", tmp_path)
    predictor_path(tmp_path / "latest_guide.safetensors").unlink()
    guide.take_test_map({}, {}, tmp_path / "latest_guide.safetensors")
    with pytest.raises(StoreError, match="guidegan predict-maps"):
        guide.standalone()
