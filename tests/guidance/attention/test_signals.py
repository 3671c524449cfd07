"""Gradient signals: what known packages compute, exact under in-place layers, and without a trace in the host."""

from __future__ import annotations

import copy
import gc
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import LayerGradCam
from pytorch_grad_cam import GradCAM
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.attention.base import Attention
from guidegan_plugin.guidance.attention.post_hoc import PostHocAttention
from guidegan_plugin.guidance.attention.signals import grad_cam, magnitude, predictions

Make = Callable[..., nn.Module]
GRADIENT_SIGNALS = ["gradient", "gradcam"]


@pytest.fixture
def images() -> Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture
def make_plain(make_discriminator: Make) -> Make:
    """The PatchGAN without in-place layers, in double precision."""

    def make() -> nn.Module:
        discriminator = make_discriminator().double()
        for module in discriminator.modules():
            if hasattr(module, "inplace"):
                module.inplace = False
        return discriminator

    return make


def maps_of(attention: Attention, discriminator: nn.Module, images: Tensor) -> Tensor:
    handles = attention.attach(discriminator)
    attention.listening = True
    maps = attention.take_maps(discriminator(images.detach().clone().requires_grad_()))
    for handle in handles:
        handle.remove()
    assert maps is not None
    return maps


def stretched(signal: Any) -> np.ndarray:
    signal = np.asarray(signal)
    low, high = signal.min((1, 2, 3), keepdims=True), signal.max((1, 2, 3), keepdims=True)
    return (signal - low) / (high - low)


def package_gradients(discriminator: nn.Module, layer: nn.Module, images: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Grad-CAM before its ReLU, and gradients at the layer, as the package grad-cam computes them."""
    targets = [torch.sum] * len(images)
    with GradCAM(discriminator, [layer]) as cam:
        cam(images, targets)
        values, gradients = (
            recorded[0].numpy()
            for recorded in (cam.activations_and_grads.activations, cam.activations_and_grads.gradients)
        )
        return cam.get_cam_image(images, layer, targets, values, gradients)[:, None], gradients


@pytest.mark.parametrize(("layer", "tap", "index"), [(1, "conv", 0), (3, "activation", 7), (4, "activation", 10)])
def test_they_agree_with_the_packages_grad_cam_and_captum(
    make_plain: Make, images: Tensor, layer: int, tap: str, index: int
) -> None:
    discriminator, images = make_plain(), images.double()
    gradcam = maps_of(PostHocAttention(layer, tap, 0, "gradcam"), discriminator, images).numpy()
    gradient = maps_of(PostHocAttention(layer, tap, 0, "gradient"), discriminator, images).numpy()
    cam, gradients = package_gradients(discriminator, discriminator[index], images)
    assert np.abs(gradcam - stretched(cam.clip(0))).max() < 1e-5
    assert np.abs(gradient - stretched(np.abs(gradients).mean(1, keepdims=True))).max() < 1e-5
    captum = LayerGradCam(lambda batch: discriminator(batch).sum((1, 2, 3)), discriminator[index])
    attribution = captum.attribute(images.requires_grad_(), relu_attributions=True).detach()
    assert np.abs(gradcam - stretched(attribution)).max() < 1e-5


def test_the_gradient_is_that_of_finite_differences(make_plain: Make, images: Tensor) -> None:
    discriminator, images = make_plain(), images.double()
    maps = maps_of(PostHocAttention(4, signal="gradient"), discriminator, images)
    with torch.no_grad():
        values, slopes = discriminator[:9](images), torch.zeros(2, 16, 7, 7)
        for channel, row, column in np.ndindex(16, 7, 7):
            step = torch.zeros_like(values)
            step[:, channel, row, column] = 1e-6
            rise = discriminator[9:](values + step) - discriminator[9:](values - step)
            slopes[:, channel, row, column] = rise.sum((1, 2, 3)) / 2e-6
    assert np.abs(maps.numpy() - stretched(slopes.abs().mean(1, keepdim=True))).max() < 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_reduced_in_single_precision(dtype: torch.dtype) -> None:
    values, gradient = torch.randn(2, 512, 4, 4).to(dtype), torch.randn(2, 512, 4, 4).to(dtype)
    weights = gradient.double().mean((2, 3), keepdim=True)
    expected = (weights * values.double()).sum(1, keepdim=True).relu()
    found = grad_cam(values, gradient)
    assert found.dtype is torch.float32 and torch.allclose(found.double(), expected, atol=1e-5)


@pytest.mark.parametrize("signal", GRADIENT_SIGNALS)
@pytest.mark.parametrize("layer", [1, 2, 4, "9", "10"])
def test_in_place_layers_behind_it_change_nothing(
    make_discriminator: Make, make_plain: Make, images: Tensor, signal: str, layer: int | str
) -> None:
    in_place, plain = make_discriminator(), make_plain().float()
    plain.load_state_dict(in_place.state_dict())
    found, expected = (maps_of(PostHocAttention(layer, signal=signal), net, images) for net in (in_place, plain))
    assert torch.equal(found, expected) and found.std() > 0.05


def test_gradcam_reads_behind_a_normalisation_that_makes_the_mean_gradient_zero(
    make_discriminator: Make, images: Tensor
) -> None:
    discriminator, attention = make_discriminator(), PostHocAttention(4, signal="gradcam")
    behind = maps_of(PostHocAttention("9", signal="gradcam"), discriminator, images)
    assert torch.equal(maps_of(attention, discriminator, images), behind)
    assert attention.place == "8 (Conv2d), normalised by 9 (InstanceNorm2d)"
    discriminator[9] = nn.BatchNorm2d(16)
    at_layer = [maps_of(PostHocAttention(layer, signal="gradcam"), discriminator, images) for layer in (4, "9")]
    assert torch.equal(*at_layer)
    discriminator[9].running_mean.fill_(2)
    discriminator.eval()
    at_layer = [maps_of(PostHocAttention(layer, signal="gradcam"), discriminator, images) for layer in (4, "9")]
    assert not torch.allclose(*at_layer, atol=0.1), "a learned mean leaves the gradient's"


class Scales(nn.Module):
    """Several PatchGANs, each on an image half as large; or one on all."""

    def __init__(self, parts: list[nn.Module], scales: int) -> None:
        super().__init__()
        self.scale, self.scales = nn.ModuleList(parts), scales

    def forward(self, images: Tensor) -> list[Tensor]:
        pyramid = [F.avg_pool2d(images, 2**level) for level in range(self.scales)]
        return [self.scale[level % len(self.scale)](image) for level, image in enumerate(pyramid)]


@pytest.mark.parametrize("signal", ["activation", *GRADIENT_SIGNALS])
@pytest.mark.parametrize(("parts", "layer"), [(2, "4,9"), (2, "scale.0.8, scale.1.8"), (1, 4)])
def test_several_scales_give_one_map_the_size_of_the_largest(
    make_discriminator: Make, signal: str, parts: int, layer: int | str
) -> None:
    discriminators, images = [make_discriminator() for _ in range(parts)], torch.rand(2, 3, 128, 128)
    found = maps_of(PostHocAttention(layer, signal=signal), Scales(discriminators, 2), images)
    pyramid = zip((discriminators * 2)[:2], (images, F.avg_pool2d(images, 2)), strict=True)
    large, small = (maps_of(PostHocAttention(4, signal=signal), net, image) for net, image in pyramid)
    enlarged = F.interpolate(small, large.shape[-2:], mode="bilinear", align_corners=False)
    assert found.shape == (2, 1, 15, 15) and np.abs(found.numpy() - stretched(large + enlarged)).max() < 1e-5


def test_a_pixel_discriminator_is_read_too(networks: Any, images: Tensor) -> None:
    discriminator = networks.define_D(3, 8, "pixel", 3, "instance")
    for signal in GRADIENT_SIGNALS:
        assert maps_of(PostHocAttention(2, signal=signal), discriminator, images).shape == (2, 1, 64, 64)


def test_features_and_class_logits_beside_the_prediction_are_not_the_score() -> None:
    features, patches, logits = (
        torch.rand(shape, requires_grad=True) for shape in ((2, 8, 4, 4), (2, 1, 3, 3), (2, 5))
    )
    assert predictions([[features, patches], [features, patches]]) == [patches, patches]
    assert predictions((patches, logits)) == [patches] and predictions({"src": patches[:, 0, 0, 0].detach()}) == []
    assert predictions((features, logits)) == [features, logits]


@pytest.mark.parametrize("signal", GRADIENT_SIGNALS)
@pytest.mark.parametrize("frozen", [True, False])
def test_a_call_leaves_weights_gradients_flags_and_random_state_and_ends_at_the_layer(
    make_generator: Make, make_discriminator: Make, images: Tensor, signal: str, frozen: bool
) -> None:
    generator, discriminator = make_generator(), make_discriminator().requires_grad_(not frozen)
    for parameter in (*generator.parameters(), *discriminator.parameters()):
        parameter.grad = torch.ones_like(parameter)
    before, state = copy.deepcopy(discriminator.state_dict()), torch.get_rng_state()
    passed: list[str] = []
    for index in (0, 2, 5, 8, 11):  # the convolutions, through their nodes: in-place layers allow no other hook
        discriminator[index].register_forward_hook(
            lambda module, args, output, index=index: (
                output.grad_fn.register_hook(lambda *_: passed.append(str(index))) and None
            )
        )
    guide = attach(generator, discriminator, GuideConfig(signal=signal, layer=3))
    guide.bind(images, ["a", "b"])
    prediction = discriminator(generator(images))
    assert passed == ["11", "8"] and guide.maps(["a", "b"])[1].all()
    assert all((p.grad == 1).all() for net in (generator, discriminator) for p in net.parameters())
    assert all(p.requires_grad is not frozen for p in discriminator.parameters())
    assert all(torch.equal(value, before[key]) for key, value in discriminator.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    prediction.mean().backward()
    assert passed == ["11", "8", "11", "8", "5", "2", "0"], "the host's own backward is whole"


@pytest.mark.parametrize("signal", GRADIENT_SIGNALS)
def test_three_steps_that_blend_the_placeholder_are_bit_equal_to_those_of_the_activation_signal(
    make_generator: Make, make_discriminator: Make, toy_training: Any, same_state: Any, images: Tensor, signal: str
) -> None:
    trained = []
    for chosen in ("activation", signal):
        torch.manual_seed(3)
        training = toy_training(make_generator(), make_discriminator())
        guide = attach(training.generator, training.discriminator, GuideConfig(signal=chosen))
        for step in range(3):
            guide.bind(images, [f"{step} a", f"{step} b"])  # never seen before, so the blend is the placeholder
            training.step(images, -images)
        assert guide.statistics()["images"] == 6
        trained.append(training)
    assert same_state(trained[0].generator, trained[1].generator)
    assert same_state(trained[0].discriminator, trained[1].discriminator)


@pytest.mark.parametrize("signal", ["activation", *GRADIENT_SIGNALS])
def test_no_graph_outlives_its_call_whether_it_ends_or_raises(
    make_generator: Make, make_discriminator: Make, images: Tensor, signal: str
) -> None:
    class Note:
        pass

    generator, discriminator = make_generator(), make_discriminator()
    guide = attach(generator, discriminator, GuideConfig(signal=signal))
    notes = []
    for fails in (False, True):
        guide.bind(images, ["a", "b"])
        fake, note = generator(images), Note()
        fake.grad_fn.metadata["note"] = note
        notes.append(weakref.ref(note))
        handle = discriminator[11].register_forward_pre_hook(lambda *_: [][0] if fails else None)  # noqa: B023
        if fails:
            with pytest.raises(IndexError):
                discriminator(fake)
            handle.remove()
            discriminator(images)
        else:
            discriminator(fake)
            handle.remove()
        del fake, note
        gc.collect()
        assert notes[-1]() is None
    guide.look(images)
    assert guide.attention is not None and guide.attention.take_maps(None) is None


@pytest.mark.parametrize("signal", GRADIENT_SIGNALS)
@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_looking_sees_what_training_stores_with_frozen_weights_and_without_grad(
    make_generator: Make, make_discriminator: Make, images: Tensor, signal: str, mode: Any
) -> None:
    generator, discriminator = make_generator(), make_discriminator().requires_grad_(False)
    guide = attach(generator, discriminator, GuideConfig(signal=signal, store_dtype="float32"))
    guide.bind(images, ["a", "b"])
    fake = generator(images)
    discriminator(fake)
    with mode():
        shown = fake.detach().clone()
        prediction, maps = guide.look(shown)
    assert torch.allclose(maps, guide.maps(["a", "b"])[0], atol=1e-6) and not maps.requires_grad
    assert not prediction.requires_grad and not shown.requires_grad and torch.equal(shown, fake)
    assert guide.statistics()["visits"] == 2


@pytest.mark.parametrize("signal", GRADIENT_SIGNALS)
def test_a_call_without_a_graph_gives_no_map(make_discriminator: Make, images: Tensor, signal: str) -> None:
    discriminator, attention = make_discriminator(), PostHocAttention(signal=signal)
    attention.attach(discriminator)
    attention.listening = True
    with torch.no_grad():
        assert attention.take_maps(discriminator(images)) is None


class Checkpointed(nn.Sequential):
    """A PatchGAN that computes its middle twice to save memory."""

    reentrant = False

    def forward(self, images: Tensor) -> Tensor:
        layers = list(self)
        middle = checkpoint(
            nn.Sequential(*layers[2:11]), nn.Sequential(*layers[:2])(images), use_reentrant=self.reentrant
        )
        answer: Tensor = layers[11](middle)
        return answer


@pytest.mark.parametrize("signal", GRADIENT_SIGNALS)
def test_activation_checkpointing_changes_nothing(make_discriminator: Make, images: Tensor, signal: str) -> None:
    plain = make_discriminator()
    found = [maps_of(PostHocAttention(signal=signal), net, images) for net in (plain, Checkpointed(*plain))]
    assert torch.equal(*found)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # torch's compiler looks at what it is given
@pytest.mark.parametrize("signal", ["activation", *GRADIENT_SIGNALS])
def test_a_compiled_discriminator_is_read_as_any(make_discriminator: Make, images: Tensor, signal: str) -> None:
    discriminator, attention = make_discriminator(), PostHocAttention(signal=signal)
    expected = maps_of(attention, discriminator, images)
    compiled = torch.compile(discriminator, backend="aot_eager")
    found = maps_of(PostHocAttention(signal=signal), compiled, images)  # type: ignore[arg-type]
    torch.compiler.reset()
    assert torch.allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("signal", GRADIENT_SIGNALS)
def test_a_layer_no_gradient_flows_to_is_refused(make_discriminator: Make, images: Tensor, signal: str) -> None:
    class Reentrant(Checkpointed):
        reentrant = True

    class Aside(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.aside = nn.Conv2d(3, 1, 1), nn.Conv2d(3, 4, 1)

        def forward(self, images: Tensor) -> Tensor:
            self.aside(images)
            answer: Tensor = self.used(images)
            return answer

    for discriminator, layer in ((Reentrant(*make_discriminator()), 4), (Aside(), 2)):
        with pytest.raises(ConfigError, match=r"no gradient flows .*--guide_layer.*--guide_signal"):
            maps_of(PostHocAttention(layer, signal=signal), discriminator, images)


@pytest.mark.parametrize("signal", GRADIENT_SIGNALS)
def test_under_autocast_maps_are_nearly_the_same(make_discriminator: Make, images: Tensor, signal: str) -> None:
    discriminator = make_discriminator()
    expected = maps_of(PostHocAttention(signal=signal), discriminator, images)
    with torch.autocast("cpu", torch.bfloat16):
        found = maps_of(PostHocAttention(signal=signal), discriminator, images)
    assert found.dtype is torch.float32 and (found - expected).abs().mean() < 0.03


@pytest.mark.parametrize("signal", GRADIENT_SIGNALS)
def test_distributed_data_parallel_reads_the_same_and_reduces_its_own_gradients(
    make_generator: Make, make_discriminator: Make, images: Tensor, signal: str, tmp_path: Path
) -> None:
    generator, plain = make_generator(), make_discriminator()
    expected = maps_of(PostHocAttention(signal=signal), plain, generator(images))
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        wrapped = nn.parallel.DistributedDataParallel(copy.deepcopy(plain), find_unused_parameters=True)
        guide = attach(copy.deepcopy(generator), wrapped, GuideConfig(signal=signal, store_dtype="float32"))
        for net in (plain, wrapped):
            net(generator(images).detach().requires_grad_()).mean().backward()
        assert torch.equal(guide.look(generator(images).detach())[1], expected)
        for one, other in zip(plain.parameters(), wrapped.parameters(), strict=True):
            assert torch.equal(one.grad, other.grad)
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.parametrize("signal", ["activation", *GRADIENT_SIGNALS])
def test_what_replicas_recorded_is_joined_in_batch_order(make_discriminator: Make, images: Tensor, signal: str) -> None:
    discriminator, attention = make_discriminator(), PostHocAttention(signal=signal)
    expected = maps_of(PostHocAttention(signal=signal), discriminator, images)
    attention.attach(discriminator)
    attention.listening = True
    halves = [discriminator(image[None].requires_grad_()) for image in images]
    attention._devices, (first, second) = [0, 1], attention._readings[None]
    attention._readings = {1: [second], 0: [first]}  # as DataParallel's threads may finish
    maps = attention.take_maps(torch.cat(halves))
    assert maps is not None and torch.allclose(maps, expected, atol=1e-5)


def test_magnitude_takes_gradients_as_it_takes_activations() -> None:
    gradient = torch.randn(2, 4, 3, 3)
    assert torch.allclose(magnitude(gradient), gradient.abs().sum(1, keepdim=True))
