"""One pair in a training loop: the right call, the right image, and an untouched host."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import random
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, View, attach
from guidegan_plugin.attaching.factory import GuideFactory
from guidegan_plugin.errors import ConfigError, GuideError, StoreError
from guidegan_plugin.guidance.calls.call_site import arounds_of
from guidegan_plugin.guidance.guide import Guide

Make = Callable[..., nn.Module]


@pytest.fixture
def pair(make_generator: Make, make_discriminator: Make) -> tuple[nn.Module, nn.Module]:
    return make_generator(), make_discriminator()


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    return torch.rand(2, 3, 64, 64) * 2 - 1, torch.rand(2, 3, 64, 64) * 2 - 1


def input_of(generator: nn.Module) -> list[Tensor]:
    """What the generator's first layer is given, call by call."""
    seen: list[Tensor] = []
    generator[0].register_forward_pre_hook(lambda module, args: seen.append(args[0].detach()))
    return seen


def numpy_map(discriminator: nn.Module, images: Tensor) -> np.ndarray:
    """Equation (2) at the fourth convolution, from weights and pixels alone."""
    x = images.detach().double().numpy()
    layers = list(discriminator)
    for index in range(9):
        layer = layers[index]
        if isinstance(layer, nn.Conv2d):
            x = numpy_convolution(x, layer)
        elif isinstance(layer, nn.InstanceNorm2d):
            x = (x - x.mean((2, 3), keepdims=True)) / np.sqrt(x.var((2, 3), keepdims=True) + layer.eps)
        else:
            x = np.where(x > 0, x, 0.2 * x)
    mean = np.abs(x).mean(1, keepdims=True)
    low, high = mean.min((1, 2, 3), keepdims=True), mean.max((1, 2, 3), keepdims=True)
    return (mean - low) / (high - low)


def numpy_convolution(x: np.ndarray, layer: nn.Conv2d) -> np.ndarray:
    stride, pad, kernel = layer.stride[0], layer.padding[0], layer.kernel_size[0]
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]
    weight, bias = layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()
    return np.einsum("nchwij,ocij->nohw", windows, weight) + bias[:, None, None]


@pytest.mark.parametrize(("dtype", "precision"), [("uint8", 0.5 / 255), ("float16", 5e-4), ("float32", 0)])
def test_the_stored_map_is_equation_2_of_the_same_discriminator_on_the_same_fake(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor], dtype: str, precision: float
) -> None:
    generator, discriminator = pair
    guide = attach(generator, discriminator, GuideConfig(store_dtype=dtype))
    guide.bind(batch[0], ["a", "b"])
    fake = generator(batch[0])
    discriminator(fake)
    stored, visited = guide.maps(["a", "b"])
    assert visited.all()
    assert np.abs(stored.numpy() - numpy_map(discriminator, fake)).max() <= precision + 1e-5


def test_the_next_visit_blends_the_stored_map(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor], toy_training: Any
) -> None:
    generator, discriminator = pair
    guide = attach(generator, discriminator)
    seen, training, source = input_of(generator), toy_training(generator, discriminator), batch[0]
    guide.bind(source, ["a", "b"])
    training.step(source, batch[1])
    assert torch.equal(seen[-1], 2 * source), "the first visit sees ones"
    maps, _ = guide.maps(["a", "b"])
    again = source.clone()
    guide.bind(again, ["b", "a"])
    training.step(again, batch[1])
    full = nn.functional.interpolate(maps.flip(0), (64, 64), mode="bilinear", align_corners=False)
    assert torch.allclose(seen[-1], (1 + full) * source, atol=1e-6)


def numpy_moved(old_map: np.ndarray, old: dict[str, Any], new: dict[str, Any], image: int, frame: int) -> np.ndarray:
    """A map moved from one crop and flip to another, cell by cell, in pixels of the image."""
    cells = len(old_map)

    def pixel(cell: np.ndarray, view: dict[str, Any], axis: int) -> np.ndarray:
        inside = (cell + 0.5) * frame / cells
        return view["at"][axis] + (frame - inside if axis == 0 and view["flip"] else inside)

    def cell(position: np.ndarray, view: dict[str, Any], axis: int) -> np.ndarray:
        inside = position - view["at"][axis]
        inside = frame - inside if axis == 0 and view["flip"] else inside
        return np.clip(inside * cells / frame - 0.5, 0, cells - 1)

    x, y = (cell(pixel(np.arange(cells), new, axis), old, axis) for axis in (0, 1))
    columns = np.stack([np.interp(x, np.arange(cells), row) for row in old_map])
    return np.stack([np.interp(y, np.arange(cells), column) for column in columns.T]).T


@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True), (True, True)])
def test_under_another_crop_and_flip_the_map_follows_the_image(
    pair: tuple[nn.Module, nn.Module], flips: tuple[bool, bool]
) -> None:
    generator, discriminator = pair
    guide = attach(generator, discriminator, GuideConfig(store_dtype="float32"))
    seen, image, frame = input_of(generator), 80, 64
    old, new = {"at": (3, 16), "flip": flips[0]}, {"at": (11, 2), "flip": flips[1]}
    for view in (old, new):
        images = torch.full((1, 3, frame, frame), 0.5)
        guide.bind(images, ["a"], View.crop(view["at"], (frame, frame), (image, image), view["flip"]))
        if view is new:
            stored = guide.maps(["a"])[0]
        discriminator(generator(images))
    expected = torch.from_numpy(numpy_moved(stored[0, 0].numpy(), old, new, image, frame))
    full = nn.functional.interpolate(expected[None, None].float(), (frame, frame), mode="bilinear", align_corners=False)
    assert torch.allclose(seen[-1] / 0.5 - 1, full.expand(1, 3, -1, -1), atol=1e-4)
    assert not torch.allclose(expected.float(), stored[0, 0], atol=1e-2), "it did move"


def test_align_off_is_the_literal_paper(pair: tuple[nn.Module, nn.Module]) -> None:
    guide = attach(*pair, GuideConfig(align="off", store_dtype="float32"))
    seen = input_of(pair[0])
    for flip in (False, True):
        images = torch.full((1, 3, 64, 64), 0.5)
        guide.bind(images, ["a"], View.crop((0, 0), (64, 64), (64, 64), flip))
        stored = guide.maps(["a"])[0]
        pair[1](pair[0](images))
    full = nn.functional.interpolate(stored, (64, 64), mode="bilinear", align_corners=False)
    assert torch.allclose(seen[-1] / 0.5 - 1, full.expand(1, 3, -1, -1), atol=1e-5)


def test_only_the_judgement_of_the_fresh_fake_writes(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor]
) -> None:
    generator, discriminator = pair
    guide = attach(generator, discriminator)
    source, real = batch
    guide.bind(source, ["a", "b"])
    fake = generator(source)
    pooled = fake.detach().clone()
    mix = (0.5 * real + 0.5 * pooled).requires_grad_()
    for judged in (real, pooled, fake.detach(), mix, generator(fake), 0.5 * real + 0.5 * fake):
        discriminator(judged)
        assert not guide.maps(["a"])[1].any()
    discriminator(fake)
    assert guide.maps(["a", "b"])[1].all() and guide.statistics()["visits"] == 2


def test_fakes_of_several_pairs_that_one_call_judges_are_each_remembered(
    pair: tuple[nn.Module, nn.Module], make_generator: Make, batch: tuple[Tensor, Tensor]
) -> None:
    first, discriminator = pair
    second, real = make_generator(), torch.rand(1, 3, 64, 64)
    one = attach(first, discriminator)
    other = attach(second, discriminator, name="B", beside=one)
    one.bind(batch[0], ["a", "b"])
    other.bind(batch[1], ["c", "d"])
    fakes = first(batch[0]), second(batch[1])
    discriminator(torch.cat([fakes[0], real, fakes[1]]))
    for guide, keys, fake in ((one, ["a", "b"], fakes[0]), (other, ["c", "d"], fakes[1])):
        maps, visited = guide.maps(keys)
        assert visited.all() and np.abs(maps.numpy() - numpy_map(discriminator, fake)).max() < 0.5 / 255 + 1e-5


def test_only_the_translation_of_the_bound_source_reads(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor]
) -> None:
    generator, discriminator = pair
    guide = attach(generator, discriminator)
    seen = input_of(generator)
    guide.bind(batch[0], ["a", "b"])
    discriminator(generator(batch[0]))
    guide.bind(batch[0], ["a", "b"])
    fake = generator(batch[0])
    assert not torch.equal(seen[-1], 2 * batch[0])
    for other in (fake, batch[1], batch[0].clone()):
        generator(other)
        assert torch.equal(seen[-1], 2 * other.detach())


def test_a_conditional_discriminator_and_keyword_arguments_are_recognised(make_generator: Make) -> None:
    class Conditional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.convolution = nn.Conv2d(6, 4, 4, 2, 1)

        def forward(self, label: Tensor, image: Tensor) -> Tensor:
            return self.convolution(torch.cat([label, image], 1))

    generator, discriminator, source = make_generator(), Conditional(), torch.rand(1, 3, 16, 16)
    guide = attach(generator, discriminator, GuideConfig(layer=1))
    guide.bind(source, ["a"])
    discriminator(label=source, image=generator(input=source))
    assert guide.maps(["a"])[1].all()


@pytest.mark.parametrize(("cycle", "factor"), [("ones", 2), ("off", 1)])
def test_other_passes_get_what_cycle_says(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor], cycle: str, factor: int
) -> None:
    attach(*pair, GuideConfig(cycle=cycle))
    seen = input_of(pair[0])
    pair[0](batch[1])
    assert torch.equal(seen[-1], factor * batch[1])


def test_cycle_source_reuses_the_sources_map_on_its_way_back(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor]
) -> None:
    guide = attach(*pair, GuideConfig(cycle="source", store_dtype="float32"))
    guide.bind(batch[0], ["a", "b"])
    pair[1](pair[0](batch[0]))
    guide.bind(batch[0], ["a", "b"])
    maps = guide.maps(["a", "b"])[0]
    seen = input_of(pair[0])
    fake = pair[0](batch[0])
    pair[0](fake)
    full = nn.functional.interpolate(maps, (64, 64), mode="bilinear", align_corners=False)
    assert torch.allclose(seen[-1], (1 + full) * fake.detach(), atol=1e-6)


@pytest.mark.parametrize("memory", ["image", "batch"])
@pytest.mark.parametrize(
    "seen_as", [lambda x: x[:1], lambda x: x[1:], lambda x: x.flip(-1), lambda x: torch.cat([x[1:], x[:1]])]
)
def test_cycle_source_gives_a_reconstruction_the_maps_of_its_own_rows(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor], memory: str, seen_as: Callable[[Tensor], Tensor]
) -> None:
    guide = attach(*pair, GuideConfig(cycle="source", store_dtype="float32"), memory=memory)
    guide.bind(batch[0], ["a", "b"])
    pair[1](pair[0](batch[0]))
    guide.bind(batch[0], ["a", "b"])
    source, seen = seen_as(batch[0]), input_of(pair[0])
    fake = pair[0](source)
    blended = seen[-1] / source - 1
    pair[0](fake)
    assert blended.std() > 0.1 and torch.allclose(seen[-1], (1 + blended) * fake.detach(), atol=1e-4)


@pytest.mark.parametrize("cycle", ["ones", "source", "off"])
def test_in_eval_mode_every_pass_gets_the_placeholder(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor], cycle: str
) -> None:
    guide = attach(*pair, GuideConfig(cycle=cycle))
    guide.bind(batch[0], ["a", "b"])
    pair[1](pair[0](batch[0]))
    seen = input_of(pair[0])
    guide.bind(batch[0], ["a", "b"])
    for images in batch:
        pair[0].eval()(images)
        assert torch.equal(seen[-1], 2 * images)


def test_random_first_visits_depend_on_image_and_seed_alone(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor]
) -> None:
    seen = input_of(pair[0])
    for seed in (0, 1):
        with attach(*pair, GuideConfig(init="random", seed=seed)) as guide:
            for keys in (["a", "b"], ["b", "a"]):
                guide.bind(batch[0], keys)
                pair[0](batch[0])
    noise = [blended / batch[0] - 1 for blended in seen]
    assert torch.allclose(noise[0], noise[1].flip(0), atol=1e-3)
    assert not torch.allclose(noise[0], noise[2], atol=1e-1)
    assert 0.45 < noise[0].mean() < 0.55


@pytest.mark.parametrize("concat", ["rhp", "alpha"])
def test_detached_again_three_steps_are_bit_equal_to_the_bare_host(
    pair: tuple[nn.Module, nn.Module],
    batch: tuple[Tensor, Tensor],
    toy_training: Any,
    same_state: Callable[[nn.Module, nn.Module], bool],
    concat: str,
) -> None:
    generator, discriminator = pair
    bare = toy_training(copy.deepcopy(generator), copy.deepcopy(discriminator))
    discriminator[0].weight.requires_grad_(False)
    generator[4].eval()
    flags = [p.requires_grad for p in discriminator.parameters()], [m.training for m in generator.modules()]
    hooks = [
        len(m._forward_hooks) + len(m._forward_pre_hooks) for m in (*generator.modules(), *discriminator.modules())
    ]
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tolist()
    for parameter in generator.parameters():
        parameter.grad = torch.ones_like(parameter)
    guide = attach(generator, discriminator, GuideConfig(concat=concat))
    guide.bind(batch[0], ["a", "b"])
    discriminator(generator(batch[0]))
    guide.look(batch[1])
    guide.detach()
    guide.detach()
    assert all((parameter.grad == 1).all() for parameter in generator.parameters())
    assert flags == ([p.requires_grad for p in discriminator.parameters()], [m.training for m in generator.modules()])
    assert torch.equal(states[0], torch.get_rng_state()) and states[1] == random.getstate()
    assert states[2] == np.random.get_state()[1].tolist()
    assert hooks == [
        len(m._forward_hooks) + len(m._forward_pre_hooks) for m in (*generator.modules(), *discriminator.modules())
    ]
    discriminator[0].weight.requires_grad_(True)
    generator.train()
    guided = toy_training(generator, discriminator)
    for _ in range(3):
        guided.step(*batch)
        bare.step(*batch)
    assert same_state(generator, bare.generator) and same_state(discriminator, bare.discriminator)


def test_attention_none_attaches_nothing(pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor]) -> None:
    guide = attach(*pair, GuideConfig(attention="none", concat="alpha"))
    guide.bind(batch[0], ["a", "b"])
    assert not any(m._forward_hooks or m._forward_pre_hooks for net in pair for m in net.modules())
    assert pair[0][1].in_channels == 3 and guide.pair["attention"] == "none"


def test_pha_costs_no_extra_pass(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor], toy_training: Any
) -> None:
    counts = {"G": 0, "D": 0}
    pair[0].register_forward_pre_hook(lambda *_: counts.update(G=counts["G"] + 1))
    pair[1].register_forward_pre_hook(lambda *_: counts.update(D=counts["D"] + 1))
    guide, training = attach(*pair), toy_training(*pair)
    for _ in range(2):
        guide.bind(batch[0], ["a", "b"])
        training.step(*batch)
    assert counts == {"G": 2, "D": 6}


@pytest.mark.parametrize("concat", ["rhp", "alpha"])
def test_copies_and_pickles_blend_the_placeholder_and_leave_the_store_alone(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor], concat: str
) -> None:
    guide = attach(*pair, GuideConfig(concat=concat))
    guide.bind(batch[0], ["a", "b"])
    pair[1](pair[0](batch[0]))
    stored, _ = guide.maps(["a", "b"])
    guide.bind(batch[0], ["a", "b"])
    with torch.no_grad():
        expected = pair[0].eval()(batch[0])
        pair[0].train()
    file = io.BytesIO()
    torch.save(pair[0], file)
    file.seek(0)
    generator, discriminator = copy.deepcopy(pair[0]), copy.deepcopy(pair[1])
    for duplicate in (generator, torch.load(file, weights_only=False)):
        fake = duplicate(batch[0])
        assert torch.equal(fake, expected)
        discriminator(fake)
        pair[1](fake)
    assert torch.equal(guide.maps(["a", "b"])[0], stored) and guide.statistics()["visits"] == 2


def test_a_map_is_a_map_whatever_else_is_in_the_batch(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor]
) -> None:
    guide = attach(*pair)
    together = guide.look(torch.cat(batch))[1]
    assert together.shape == (4, 1, 7, 7) and together.dtype is torch.float32 and not together.requires_grad
    alone = torch.cat([guide.look(image[None])[1] for image in torch.cat(batch)])
    assert torch.allclose(together, alone, atol=1e-5)
    assert together.isfinite().all() and together.min() >= 0 and together.max() <= 1


def test_look_neither_writes_nor_needs_gradients(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor]
) -> None:
    guide = attach(*pair)
    guide.bind(batch[0], ["a", "b"])
    fake = pair[0](batch[0])
    prediction, maps = guide.look(fake)
    assert not prediction.requires_grad and maps.shape == (2, 1, 7, 7) and not guide.maps(["a"])[1].any()
    pair[1](fake)
    assert torch.allclose(guide.maps(["a", "b"])[0], maps, atol=0.5 / 255 + 1e-6)


def test_a_call_that_raises_leaves_nothing_behind(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor]
) -> None:
    guide = attach(*pair)
    guide.bind(batch[0], ["a", "b"])
    fake = pair[0](batch[0])

    def fail(*_: object) -> None:
        raise RuntimeError("out of memory")

    handle = pair[1][11].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError):
        pair[1](fake)
    with pytest.raises(RuntimeError):
        guide.look(fake)
    handle.remove()
    pair[1](batch[1])
    assert not guide.maps(["a"])[1].any(), "a real image judged next is not taken for the fake"


def test_attaching_twice_or_to_a_missing_layer_is_refused_and_leaves_no_hook(
    pair: tuple[nn.Module, nn.Module], make_generator: Make
) -> None:
    other = make_generator()
    with attach(*pair):
        with pytest.raises(ConfigError, match="guided already"):
            attach(*pair)
        with pytest.raises(ConfigError, match="guided already"):
            attach(other, pair[1])
    with pytest.raises(ConfigError, match="layer 9"):
        attach(other, pair[1], GuideConfig(layer=9))
    assert not any(m._forward_hooks or m._forward_pre_hooks for net in (other, *pair) for m in net.modules())


def test_a_generator_without_an_image_is_refused(pair: tuple[nn.Module, nn.Module]) -> None:
    with attach(*pair), pytest.raises(ConfigError, match=r"batch of images \(N, C, H, W\), found int"):
        pair[0](3)


def test_a_discriminator_that_judges_another_number_of_images_is_warned_of_once(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    class Doubling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = pair[1]

        def forward(self, images: Tensor) -> Tensor:
            answer: Tensor = self.net(torch.cat([images, images]))
            return answer

    discriminator = Doubling()
    optimizer = torch.optim.SGD(pair[0].parameters(), 0.1)
    guide = attach(pair[0], discriminator)
    for _ in range(9):
        guide.bind(batch[0], ["a", "b"])
        discriminator(pair[0](batch[0])).mean().backward()
        optimizer.step()
    assert caplog.text.count("the discriminator gave 4 maps for 2 images; change layer (--guide_layer)") == 1
    assert not guide.maps(["a"])[1].any()


def test_saved_memory_is_loaded_bit_for_bit_and_only_beside_its_own_networks(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor], tmp_path: Path, make_generator: Make
) -> None:
    guide = attach(*pair)
    guide.bind(batch[0], ["a", "b"], View.identity(2))
    pair[1](pair[0](batch[0]))
    guide.save(tmp_path / "guide.safetensors")
    maps = guide.maps(["a", "b"])[0]
    guide.detach()
    again = attach(*pair)
    again.load(tmp_path / "guide.safetensors")
    assert torch.equal(again.maps(["a", "b"])[0], maps)
    found = again.statistics()
    assert (found["images"], found["visits"], found["bytes"], found["epoch_visits"]) == (2, 2, 98, 0)
    assert torch.equal(again.views(["a", "b"]).theta, View.identity(2).theta)  # type: ignore[union-attr]
    with torch.no_grad():
        pair[0][1].weight += 1
    with pytest.raises(StoreError, match="other weights"):
        again.load(tmp_path / "guide.safetensors")
    with pytest.raises(StoreError, match="holds pairs A, not B"):
        attach(make_generator(), copy.deepcopy(pair[1]), name="B").load(tmp_path / "guide.safetensors")


def test_a_guide_outlives_neither_network_silently(make_generator: Make, make_discriminator: Make) -> None:
    discriminator = make_discriminator()
    guide = attach(make_generator(), discriminator)
    with pytest.raises(ConfigError, match="no longer exists"):
        guide.digest()
    assert isinstance(guide, Guide) and guide.networks() == {}


def test_without_a_discriminator_there_is_nothing_to_look_with(pair: tuple[nn.Module, nn.Module]) -> None:
    guide = attach(*pair, GuideConfig(attention="none"))
    with pytest.raises(ConfigError, match="--guide_show"):
        guide.look(torch.rand(1, 3, 64, 64))


def test_a_pair_that_is_never_guided_says_so_once(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    guide, optimizer = attach(*pair), torch.optim.SGD(pair[0].parameters(), 0.1)
    for _ in range(30):
        guide.bind(batch[0], ["a", "b"])
        pair[1](pair[0](batch[0] * 1.0)).mean().backward()
        optimizer.step()
    assert caplog.text.count("pair A is not guided: in 3 updates of the generator it was called with a tensor") == 1


@pytest.mark.parametrize("optimizer", ["SGD", "SGD that leaves no gradient"])
def test_a_pair_is_never_guided_also_where_the_generator_has_a_weight_that_nothing_uses(
    make_generator: Make, make_discriminator: Make, batch: tuple[Tensor, Tensor], optimizer: str
) -> None:
    class Unused(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused, self.translate = nn.Parameter(torch.zeros(3)), make_generator()

        def forward(self, images: Tensor) -> Tensor:
            return self.translate(images)

    generator, discriminator = Unused(), make_discriminator()
    guide, update = attach(generator, discriminator, GuideConfig(strict=True)), torch.optim.SGD(generator.parameters())
    with pytest.raises(GuideError, match="not guided: in 3 updates of the generator"):
        for _ in range(5):
            guide.bind(batch[0], ["a", "b"])
            discriminator(torch.sin(generator(batch[0]))).mean().backward()
            update.step()
            if optimizer != "SGD":
                update.zero_grad()


def test_updates_of_weights_that_are_the_discriminators_too_are_none_of_the_generator(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor], caplog: pytest.LogCaptureFixture
) -> None:
    generator, discriminator = pair
    generator.register_parameter("shared", discriminator[0].weight)
    guide, update = attach(generator, discriminator), torch.optim.SGD(discriminator.parameters(), 0.1)
    for _ in range(9):
        guide.bind(batch[0], ["a", "b"])
        update.zero_grad()
        (discriminator(generator(batch[0]).detach()).mean() - discriminator(batch[1]).mean()).backward()
        update.step()
    assert not caplog.records


@pytest.mark.parametrize(("remember", "found"), [([True], "1 flags"), (True, "0 flags")])
def test_flags_must_be_as_many_as_images(
    pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor], remember: Any, found: str
) -> None:
    with pytest.raises(ConfigError, match=rf"2 images, {found}; change remember="):
        attach(*pair).bind(batch[0], ["a", "b"], remember=remember)


def test_a_failed_attachment_leaves_nothing(pair: tuple[nn.Module, nn.Module]) -> None:
    with pytest.raises(ConfigError, match=r"discriminator: expected a torch.nn.Module, found str"):
        attach(pair[0], "no network")  # type: ignore[arg-type]
    with attach(*pair):
        pass


def test_numbers_are_keys_everywhere(pair: tuple[nn.Module, nn.Module], batch: tuple[Tensor, Tensor]) -> None:
    guide = attach(*pair)
    guide.bind(batch[0], torch.tensor([3, 4]))
    pair[1](pair[0](batch[0]))
    assert guide.maps(torch.tensor([4, 5]))[1].tolist() == [True, False]  # type: ignore[arg-type]
    assert guide.maps("3")[1].tolist() == [True]


def test_batches_that_are_only_tested_are_no_reason_to_say_that_a_pair_is_not_guided(
    pair: tuple[nn.Module, nn.Module], caplog: pytest.LogCaptureFixture
) -> None:
    guide = attach(*pair)
    pair[0].eval()
    for _ in range(30):
        images = torch.rand(1, 3, 64, 64)
        guide.bind(images, ["a"])
        pair[0](images)
    assert not caplog.records


def test_maps_of_visits_that_are_over_do_not_wait_for_the_garbage_collector(
    make_generator: Make, make_discriminator: Make, toy_training: Any
) -> None:
    pair = make_generator(), make_discriminator()
    guide, training = attach(*pair, GuideConfig(cycle="source")), toy_training(*pair)
    alive: list[weakref.ReferenceType[Tensor]] = []
    gc.collect()
    gc.disable()
    try:
        for _ in range(8):
            source = torch.rand(1, 3, 64, 64)
            guide.bind(source, ["a"])
            training.step(source, torch.rand(1, 3, 64, 64))
            visit = guide.binding.current("A")
            assert visit is not None and visit.maps is not None
            alive.append(weakref.ref(visit.maps))
            del visit
        assert sum(there() is not None for there in alive) <= 1
        guide.detach()
        assert not any(there() is not None for there in alive), "the last visit is over, too"
    finally:
        gc.enable()


def test_what_is_done_to_the_latest_maps_does_not_reach_the_memory(
    make_generator: Make, make_discriminator: Make, toy_training: Any
) -> None:
    pair = make_generator(), make_discriminator()
    guide = attach(*pair)
    guide.bind(source := torch.rand(1, 3, 64, 64), ["a"])
    toy_training(*pair).step(source, torch.rand(1, 3, 64, 64))
    assert guide.latest is not None
    guide.latest.zero_()
    assert guide.maps(["a"])[0].max() == 1


def test_without_attention_nobody_is_warned_or_stopped(
    make_generator: Make, make_discriminator: Make, toy_training: Any, caplog: pytest.LogCaptureFixture
) -> None:
    pair = make_generator(), make_discriminator()
    guide, training = attach(*pair, GuideConfig(attention="none", strict=True)), toy_training(*pair)
    for _ in range(6):
        guide.bind(source := torch.rand(1, 3, 64, 64), ["a"])
        training.step(source, torch.rand(1, 3, 64, 64))
    assert not caplog.records


def test_the_mean_of_judges_whose_maps_have_other_sizes_is_remembered(make_generator: Make) -> None:
    def judge(stride: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 4, 4, stride, 1), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 4, 1, 1))

    generator, judges = make_generator(), [judge(2), judge(4)]
    guide = attach(generator, judges, GuideConfig(layer=1, judges="mean"))
    guide.bind(source := torch.rand(2, 3, 64, 64), ["a", "b"])
    fake = generator(source)
    (judges[0](fake).mean() + judges[1](fake).mean()).backward()
    maps, visited = guide.maps(["a", "b"])
    assert visited.all() and maps.min() >= 0 and maps.max() <= 1 and maps.std() > 0
    assert guide.statistics()["visits"] == 2


def test_a_guide_is_neither_copied_nor_pickled_and_says_what_is(
    make_generator: Callable[..., nn.Module], make_discriminator: Callable[..., nn.Module]
) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    trainer = {"G": generator, "guide": attach(generator, discriminator)}
    for copied in (copy.deepcopy, copy.copy, pickle.dumps):
        with pytest.raises(ConfigError, match=r"cannot be copied or pickled; copy the networks.*guide\.save\(path\)"):
            copied(trainer["guide"] if copied is copy.copy else trainer)


def test_a_refused_bind_is_not_counted_and_leaves_the_visit_as_it_was(
    make_generator: Callable[..., nn.Module], make_discriminator: Callable[..., nn.Module]
) -> None:
    generator, discriminator = make_generator(), make_discriminator()
    guide, source = attach(generator, discriminator), torch.rand(2, 3, 64, 64)
    guide.bind(source, ["a", "b"])
    discriminator(generator(source)).mean().backward()
    for _ in range(3):
        with pytest.raises(ConfigError, match="2 images, 1 keys"):
            guide.bind(torch.rand(2, 3, 64, 64), ["a"])
    assert guide.latest is not None and guide.binding.current("A") is not None
    guide.bind(source, ["a", "b"])
    facts = guide.statistics()
    assert (facts["bound"], facts["read"], facts["judged"]) == (1, 1, 1) and guide.facts()["A.steps"] == "2"


def test_optimizers_are_given_back_what_they_were_once_nobody_needs_what_joined_them(
    make_generator: Make, make_discriminator: Make
) -> None:
    pairs = [(make_generator(), make_discriminator()) for _ in range(2)]
    optimizers = [torch.optim.Adam([*one.parameters(), *other.parameters()]) for one, other in zip(*pairs, strict=True)]
    before = [str(optimizer.state_dict()) for optimizer in optimizers]
    config, guides = GuideConfig(attention="tam", transfer="conv"), list[Guide]()
    for name, networks in zip("AB", pairs, strict=True):
        beside = guides[0] if guides else None
        guides.append(attach(*networks, config, name=name, optimizers=optimizers, beside=beside))
    counts = [[len(one.param_groups[0]["params"]) for one in optimizers]]
    for parameter in [one for optimizer in optimizers for one in optimizer.param_groups[0]["params"]]:
        parameter.grad = torch.ones_like(parameter)
    for guide in guides:
        for optimizer in optimizers:
            optimizer.step()
        guide.detach()
        counts.append([len(one.param_groups[0]["params"]) for one in optimizers])
    assert counts == [[14, 36], [14, 28], [8, 20]]
    for optimizer in optimizers:
        assert len(optimizer.state) == len(optimizer.param_groups[0]["params"])
        optimizer.state.clear()
    assert [str(optimizer.state_dict()) for optimizer in optimizers] == before


def test_one_generator_does_not_bind_the_same_images_for_two_pairs(
    make_generator: Make, make_discriminator: Make
) -> None:
    generator, judges, images = make_generator(), (make_discriminator(), make_discriminator()), torch.rand(1, 3, 64, 64)
    guide = attach(generator, judges[0])
    other = attach(generator, judges[1], name="B", beside=guide)
    guide.bind(images, ["a"])
    with pytest.raises(ConfigError, match=r"pairs A and B have one generator .*attach\(G, \[D1, D2\]\)"):
        other.bind(images, ["a"])
    other.bind(images.clone(), ["b"])
    guide.bind(images, ["a"])


def test_of_one_discriminator_two_mask_branches_are_said_and_two_taps_refused(
    make_generator: Make, make_discriminator: Make, caplog: pytest.LogCaptureFixture
) -> None:
    generators, judge, config = (make_generator(), make_generator()), make_discriminator(), GuideConfig(attention="tam")
    guide = attach(generators[0], judge, config)
    other = attach(generators[1], judge, config, name="B", beside=guide)
    other.follow(generators[1], judge)
    assert caplog.text.count("pairs A and B have one discriminator, and attention=tam changes its answer for each") == 1
    with pytest.raises(ConfigError, match=r"pair A: the same Sequential is named twice; change discriminator="):
        attach(make_generator(), [make_discriminator()] * 2)


def test_with_nothing_attached_no_optimizer_is_given_anything(pair: tuple[nn.Module, nn.Module]) -> None:
    optimizer = torch.optim.Adam(pair[0].parameters())
    guide = attach(*pair, GuideConfig(attention="none", transfer="conv"), optimizers=[optimizer])
    assert not guide.networks() and len(optimizer.param_groups[0]["params"]) == 4


@pytest.mark.parametrize(("images", "found"), [(["a.png"], "list"), (torch.tensor(1.0), r"a tensor of \(\)")])
def test_what_are_no_images_is_refused(pair: tuple[nn.Module, nn.Module], images: Any, found: str) -> None:
    with pytest.raises(ConfigError, match=rf"bind: expected images \(N, C, H, W\), found {found}; change images="):
        attach(*pair).bind(images, ["a"])


def test_networks_that_are_followed_again_are_met_once_and_given_back(
    make_generator: Make, make_discriminator: Make
) -> None:
    networks = make_generator(), make_discriminator()
    wrappers = nn.DataParallel(networks[0]), nn.DataParallel(networks[1])
    guide = attach(*networks)
    for called in (networks, wrappers, wrappers, networks, wrappers):
        guide.follow(*called)
    guide.follow(wrappers[0])  # the discriminator stays
    for _ in range(2):
        guide.bind(images := torch.rand(2, 3, 64, 64), ["a", "b"])
        wrappers[1](wrappers[0](images)).mean().backward()
    assert guide.statistics()["visits"] == 4 and len(arounds_of(wrappers[1])) == 1 and not arounds_of(networks[1])
    with pytest.raises(ConfigError, match="layer 4 does not exist"):
        guide.follow(make_generator(), nn.Conv2d(3, 1, 4))
    assert guide.is_on(*wrappers) and guide.judges == [wrappers[1]]
    guide.detach()
    kinds = [type(one) for one in (*networks, *wrappers)]
    assert kinds == [nn.Sequential] * 2 + [nn.DataParallel] * 2 and not networks[1][8]._forward_hooks


def test_discriminators_are_watched_once_all_together(make_generator: Make, make_discriminator: Make) -> None:
    generator, judges = make_generator(), (make_discriminator(), make_discriminator())
    guide = GuideFactory.open(GuideConfig()).guide(generator, None, "A", later=2)
    with pytest.raises(ConfigError, match="watches 0 of 2 discriminators, found 1 to be watched"):
        guide.watch(judges[0])
    with pytest.raises(ConfigError, match="layer 4 does not exist"):
        guide.watch(judges[0], nn.Conv2d(3, 1, 4))
    assert not any(map(arounds_of, judges)) and not guide.judges
    guide.watch(*judges)
    with pytest.raises(ConfigError, match="watches 2 of 2 discriminators, found 2"):
        guide.watch(make_discriminator(), make_discriminator())
    assert guide.judges == list(judges)
