from __future__ import annotations

import hashlib
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.evaluation.segmenter import Segmenter, load_segmenter

PHOTO = torch.rand(1, 3, 6, 8)


class Dictionary(nn.Module):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": images.flip(1), "aux": images}


def test_labels_are_the_greatest_logit_s_also_out_of_a_dictionary() -> None:
    assert torch.equal(Segmenter(nn.Identity(), "mine").labels(PHOTO, 3), PHOTO[0].argmax(0))
    assert torch.equal(Segmenter(Dictionary(), "mine").labels(PHOTO, 3), 2 - PHOTO[0].argmax(0))


def test_a_segmenter_runs_as_at_test_time_and_its_modes_are_put_back() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.Dropout(0.9))
    network[1].eval()
    segmenter = Segmenter(network, "mine")
    first, second = segmenter.labels(PHOTO, 3), segmenter.labels(PHOTO, 3)
    assert torch.equal(first, second)
    assert [module.training for module in network] == [True, False, True]
    assert network[1].num_batches_tracked == 0


@pytest.mark.parametrize("network", [nn.Conv2d(3, 5, 1), nn.AvgPool2d(2), nn.Flatten()])
def test_other_logits_than_one_a_class_and_pixel_are_refused(network: nn.Module) -> None:
    with pytest.raises(ConfigError, match=r"segmenter mine: expected logits \(1, 3, 6, 8\), found .*--segmenter"):
        Segmenter(network, "mine").labels(PHOTO, 3)


def test_a_segmenter_that_fails_is_named_with_its_complaint() -> None:
    with pytest.raises(ConfigError, match=r"segmenter mine fails on a photo \(1, 3, 6, 8\) \(RuntimeError: .*channels"):
        Segmenter(nn.Conv2d(4, 3, 1), "mine").labels(PHOTO, 3)


def test_torchscript_is_loaded_from_a_file_with_its_hash(tmp_path: Path) -> None:
    network, path = nn.Conv2d(3, 3, 1), tmp_path / "net.pt"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(network, PHOTO).save(str(path))
    segmenter = load_segmenter(str(path), 3)
    assert torch.equal(segmenter.labels(PHOTO, 3), network(PHOTO)[0].argmax(0))
    assert (segmenter.name, segmenter.sha256) == ("net.pt", hashlib.sha256(path.read_bytes()).hexdigest())


@pytest.mark.parametrize("auxiliary", [True, False])
def test_torchvision_weights_see_images_normalised_as_torchvision_trains_them(tmp_path: Path, auxiliary: bool) -> None:
    from torchvision.models import get_model
    from torchvision.transforms.functional import normalize

    name = "deeplabv3_mobilenet_v3_large"
    network = get_model(name, weights=None, weights_backbone=None, num_classes=4, aux_loss=auxiliary)
    torch.save(network.state_dict(), tmp_path / "net.pth")
    found = load_segmenter(f"torchvision:{name}:{tmp_path / 'net.pth'}", 4).labels(torch.ones(1, 3, 32, 32) / 3, 4)
    network.eval()
    image = normalize(torch.ones(1, 3, 32, 32) / 3, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    assert torch.equal(found, network(image)["out"][0].argmax(0))


def test_a_network_is_found_by_module_and_attribute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_segmenters.py").write_text(
        "from torch import nn\nnet = nn.Identity()\nmake = nn.Identity\nno = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_segmenters", raising=False)
    assert load_segmenter("my_segmenters:net", 3).name == "my_segmenters:net"
    assert isinstance(load_segmenter("my_segmenters:make", 3).network, nn.Identity)
    with pytest.raises(ConfigError, match=r"my_segmenters:no is a int, expected an nn\.Module; change --segmenter"):
        load_segmenter("my_segmenters:no", 3)


def test_a_network_trained_again_is_another_one() -> None:
    network = nn.Conv2d(3, 3, 1)
    first = Segmenter(network, "mine").sha256
    assert Segmenter(network, "mine").sha256 == first
    with torch.no_grad():
        network.weight += 1
    assert Segmenter(network, "mine").sha256 != first
    assert Segmenter(nn.Identity(), "mine").sha256 is None


def test_what_is_no_segmenter_is_refused(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    torch.save(nn.Conv2d(3, 3, 1).state_dict(), weights)
    for spec, complaint in (
        ("nowhere.pt", "nowhere.pt is no file, torchvision:NAME:FILE or module:attribute"),
        (str(weights), r"weights\.pth is no TorchScript"),
        (f"torchvision:resnet18:{weights}", r"no segmentation network 'resnet18' but .*fcn_resnet50"),
        (f"torchvision:lraspp_mobilenet_v3_large:{weights}", r"weights\.pth does not fit torchvision's lraspp"),
    ):
        with pytest.raises(ConfigError, match=rf"{complaint}.*change --segmenter"):
            load_segmenter(spec, 3)


@pytest.mark.parametrize(("logits", "found"), [(torch.full((1, 3, 6, 8), torch.nan), "NaN"), (PHOTO > 0.5, "bool")])
def test_logits_that_are_no_numbers_are_refused(logits: Tensor, found: str) -> None:
    class Fixed(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return logits

    with pytest.raises(ConfigError, match=f"found .*{found}; change --segmenter"):
        Segmenter(Fixed(), "mine").labels(PHOTO, 3)
