"""The alpha channel stands behind the image's channels, in every convolution that reads the image, or is refused."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed
from torch import Tensor, nn

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.errors import ConfigError, StoreError
from guidegan_plugin.guidance.concatenation.alpha import AlphaChannel


class Labelled(nn.Module):
    """StarGAN: labels are joined to the image inside of G, or before."""

    def __init__(self, channels: int = 3, labels: int = 5) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(channels + labels, 4, 3, padding=1), nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        if labels is not None:
            images = torch.cat([images, labels[:, :, None, None].expand(-1, -1, *images.shape[-2:])], 1)
        made: Tensor = self.last(self.first(images).relu())
        return made


class Munit(nn.Module):
    """Two encoders read the image."""

    def __init__(self) -> None:
        super().__init__()
        self.style, self.content = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(3, 4, 3, padding=1)
        self.last = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        made: Tensor = self.last(self.content(images) + self.style(images).mean((2, 3), keepdim=True))
        return made


@pytest.mark.parametrize("channels", [1, 3])
def test_at_step_0_a_generator_with_joined_labels_equals_the_host_bit_for_bit(channels: int) -> None:
    torch.manual_seed(0)
    generator, alpha = Labelled(channels), AlphaChannel(image_channels=channels)
    # Whole numbers, whose sums are exact: a channel more may change the order in which a convolution adds (AVX2 does).
    for weight in generator.parameters():
        weight.data.copy_(torch.randint(-3, 4, weight.shape))
    images, labels, maps = (torch.randint(0, 4, shape).float() for shape in ((2, channels, 8, 8), (2, 5), (2, 1, 8, 8)))
    expected, inside = generator(images, labels), copy.deepcopy(generator.state_dict())
    alpha.adapt(generator)
    assert torch.equal(generator(alpha.blend(images, maps), labels), expected)
    before = torch.cat([images, labels[:, :, None, None].expand(-1, -1, 8, 8)], 1)
    assert torch.equal(generator(alpha.blend(before, maps)), expected), "labels joined before G stay behind"
    assert torch.equal(generator(alpha.blend_part(before, maps, (0, channels))), expected)
    assert alpha.place.endswith(f"first widened from {channels + 5} to 9 channels, behind the image's {channels}")
    alpha.restore()
    assert all(torch.equal(value, inside[name]) for name, value in generator.state_dict().items())


def test_gradient_and_state_of_adam_move_with_the_labels() -> None:
    generator = Labelled()
    optimizer = torch.optim.Adam(generator.parameters())
    generator(torch.rand(2, 3, 8, 8), torch.rand(2, 5)).sum().backward()
    optimizer.step()
    weight = generator.first.weight
    moment, gradient = optimizer.state[weight]["exp_avg"].clone(), weight.grad.clone()  # type: ignore[union-attr]
    alpha = AlphaChannel(image_channels=3)
    alpha.adapt(generator, [optimizer])
    for wide, narrow in ((optimizer.state[weight]["exp_avg"], moment), (weight.grad, gradient)):
        assert torch.equal(wide[:, [0, 1, 2, 4, 5, 6, 7, 8]], narrow) and not wide[:, 3].any()  # type: ignore[index]
    alpha.restore()
    assert torch.equal(optimizer.state[weight]["exp_avg"], moment)


def test_a_state_of_adam_from_before_alpha_is_padded_where_it_is_loaded_and_a_later_one_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def stepped(generator: Labelled, optimizer: torch.optim.Optimizer, channels: int = 3) -> None:
        generator(torch.rand(2, channels, 8, 8), torch.rand(2, 5)).sum().backward()
        optimizer.step()

    host, generator = Labelled(), Labelled()
    bare, known, late = (torch.optim.Adam(one.parameters()) for one in (host, generator, generator))
    stepped(host, bare)
    moment = bare.state[host.first.weight]["exp_avg"]
    alpha = AlphaChannel(image_channels=3)
    alpha.adapt(generator, [known])
    alpha.follow([known, late])
    weight = generator.first.weight
    for optimizer in (known, late):
        caplog.clear()
        optimizer.load_state_dict(bare.state_dict())
        wide = optimizer.state[weight]["exp_avg"]
        assert torch.equal(wide[:, [0, 1, 2, 4, 5, 6, 7, 8]], moment) and not wide[:, 3].any()
        assert caplog.messages == ["the optimizer's state of first of a host padded with a zero alpha channel"]
        stepped(generator, optimizer, 4)
        saved = copy.deepcopy(optimizer.state_dict())
        optimizer.load_state_dict(saved)
        assert torch.equal(optimizer.state[weight]["exp_avg"], saved["state"][0]["exp_avg"])
    alpha.restore()
    for optimizer in (known, late):
        assert optimizer.state[weight]["exp_avg"].shape == weight.shape == moment.shape
        optimizer.load_state_dict(bare.state_dict())
        assert torch.equal(optimizer.state[weight]["exp_avg"], moment)
    assert len(caplog.messages) == 1


def test_a_hosts_checkpoint_is_padded_behind_the_image_and_a_guided_one_loads_as_it_is() -> None:
    host, generator = Labelled(), Labelled()
    AlphaChannel(image_channels=3).adapt(generator)
    generator.load_state_dict(host.state_dict())
    assert (
        torch.equal(generator.first.weight[:, 4:], host.first.weight[:, 3:]) and not generator.first.weight[:, 3].any()
    )
    other = Labelled()
    AlphaChannel(image_channels=3).adapt(other)
    other.load_state_dict(generator.state_dict())
    assert torch.equal(other.first.weight, generator.first.weight)
    with pytest.raises(StoreError, match=r"takes 7 channels, expected 8 \(the host's\) or 9 \(with alpha\)"):
        generator.load_state_dict(Labelled(labels=4).state_dict())


def test_baking_keeps_what_was_joined_behind_the_image() -> None:
    weight, images = torch.randn(4, 9, 3, 3), torch.rand(2, 8, 6, 6)
    alpha = AlphaChannel(image_channels=3)
    folded, constant = alpha.bake(weight, 8)
    with torch.no_grad():
        expected = nn.functional.conv2d(alpha.blend(images, torch.ones(2, 1, 6, 6)), weight)
        found = nn.functional.conv2d(images, folded) + constant.float()[:, None, None]
    assert torch.allclose(found, expected, atol=1e-4)
    with pytest.raises(ConfigError, match="several convolutions were widened"):
        AlphaChannel(widen="a,b").bake(weight, 8)


def test_every_convolution_that_reads_the_image_is_widened_where_it_is_named() -> None:
    generator, images = Munit(), torch.rand(2, 3, 8, 8)
    expected = generator(images)
    alpha = AlphaChannel(widen="style, content")
    alpha.adapt(generator)
    assert torch.equal(generator(alpha.blend(images, torch.rand(2, 1, 8, 8))), expected)
    assert generator.style.in_channels == generator.content.in_channels == 4
    alpha.restore()
    assert torch.equal(generator(images), expected) and not generator.last._forward_pre_hooks


def test_a_convolution_that_reads_the_image_and_was_not_named_is_said() -> None:
    generator, alpha = Munit(), AlphaChannel()
    alpha.adapt(generator)
    with pytest.raises(ConfigError, match=r"widened style, and content reads the image.*alpha_widen style,content"):
        generator(alpha.blend(torch.rand(2, 3, 8, 8), torch.rand(2, 1, 8, 8)))
    alpha.restore()
    assert not generator.content._forward_pre_hooks and generator(torch.rand(1, 3, 8, 8)).shape == (1, 3, 8, 8)


def test_a_convolution_that_reads_something_else_is_left_alone() -> None:
    generator, alpha = Munit(), AlphaChannel(widen="style")
    alpha.adapt(generator)
    assert generator.style(alpha.blend(torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8))).shape[1] == 4
    assert generator.content(torch.rand(1, 3, 8, 8)).shape[1] == 4


@pytest.mark.parametrize(
    ("alpha", "cure"),
    [
        (
            AlphaChannel(image_channels=9),
            r"expected 1 to 8, which first reads, found 9; .*--guide_alpha_image",
        ),
        (AlphaChannel(image_channels=-1), r"expected 1 to 8, which first reads, found -1"),
        (AlphaChannel(widen="enc"), r"Labelled has no convolution 'enc' \(it has first, last\); .*--guide_alpha_widen"),
        (
            AlphaChannel(widen="first,last"),
            r"the same image, found channels first 8, last 4; .*--guide_alpha_widen",
        ),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_changes(alpha: AlphaChannel, cure: str) -> None:
    generator = Labelled()
    before = [tuple(parameter.shape) for parameter in generator.parameters()]
    with pytest.raises(ConfigError, match=cure):
        alpha.adapt(generator)
    assert [tuple(parameter.shape) for parameter in generator.parameters()] == before
    assert not generator.first._load_state_dict_pre_hooks


def test_images_of_other_channels_than_the_convolution_reads_are_refused_with_the_number_to_type() -> None:
    alpha, wrong = AlphaChannel(), AlphaChannel(image_channels=2)
    alpha.adapt(Labelled())
    with pytest.raises(ConfigError, match=r"first reads 8 channels, but .* of 3; .*--guide_alpha_image_channels 3\)"):
        alpha.blend(torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8))
    with pytest.raises(ConfigError, match=r"is channels 0 to 2 of .* 8; .*--guide_alpha_image_channels 3\)"):
        alpha.blend_part(torch.rand(1, 8, 8, 8), torch.ones(1, 1, 8, 8), (0, 3))
    wrong.adapt(Labelled())
    with pytest.raises(ConfigError, match=r"alpha_image_channels=2: .* of 3 channels; .*_image_channels 3\)"):
        wrong.blend(torch.rand(1, 3, 8, 8), torch.ones(1, 1, 8, 8))
    with pytest.raises(ConfigError, match=r"is channels 5 to 7 of the generator's 8; .*--guide_concat rhp"):
        alpha.blend_part(torch.rand(1, 8, 8, 8), torch.ones(1, 1, 8, 8), (5, 8))


NORMS = [
    nn.utils.spectral_norm,
    nn.utils.parametrizations.spectral_norm,
    nn.utils.parametrizations.weight_norm,
]


@pytest.mark.parametrize("norm", NORMS)
def test_a_computed_weight_is_refused_with_what_to_type(norm: Callable[[nn.Module], nn.Module]) -> None:
    generator = Munit()
    norm(generator.content)
    keys = list(generator.state_dict())
    with pytest.raises(ConfigError, match=r"the weight of content is computed .*--guide_concat rhp"):
        AlphaChannel(widen="style,content").adapt(generator)
    assert list(generator.state_dict()) == keys and generator.style.in_channels == 3


@pytest.fixture
def one_rank(tmp_path: Path) -> Iterator[None]:
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/rank", rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


def test_a_generator_in_ddp_is_refused_before_anything_changes(
    one_rank: None, make_discriminator: Callable[..., nn.Module]
) -> None:
    wrapped = nn.parallel.DistributedDataParallel(Munit())
    config = GuideConfig(concat="alpha", options={"alpha_widen": "style,content"})
    with pytest.raises(ConfigError, match=r"is in DistributedDataParallel already; attach before .*--guide_concat rhp"):
        attach(wrapped, make_discriminator(), config)
    assert wrapped.module.style.in_channels == 3 and type(wrapped) is nn.parallel.DistributedDataParallel
    attach(wrapped, make_discriminator(), GuideConfig()).detach()


def test_a_copy_that_was_widened_is_taken_as_it_is_or_refused_where_the_place_differs() -> None:
    generator, alpha = Labelled(), AlphaChannel(image_channels=3)
    alpha.adapt(generator)
    copied, again = copy.deepcopy(generator), AlphaChannel(image_channels=3)
    again.adapt(copied)
    assert copied.first.in_channels == 9 and "widened from 8 to 9" in again.place
    with pytest.raises(ConfigError, match="was widened behind another channel"):
        AlphaChannel().adapt(copied)
    images, labels, carried = torch.rand(2, 3, 8, 8), torch.rand(2, 5), pickle.loads(pickle.dumps(again))
    blended = [one.blend(images, torch.ones(2, 1, 8, 8)) for one in (carried, again)]
    assert torch.equal(copied(blended[0], labels), generator(blended[1], labels))


class Composed(nn.Module):
    """A generator that lays what it makes over its own input, as AttentionGAN does."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        made = self.first(image)
        return made[:, :3] * made[:, 3:].sigmoid() + image * (1 - made[:, 3:].sigmoid())


def test_a_generator_that_uses_its_input_again_is_refused_with_the_cure() -> None:
    generator, discriminator = Composed(), nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.Conv2d(8, 1, 4))
    guide = attach(generator, discriminator, GuideConfig(layer=1, concat="alpha"))
    guide.bind(images := torch.rand(1, 3, 16, 16), ["a"])
    with pytest.raises(ConfigError, match=r"pair A: Composed uses its input again .*--guide_concat rhp"):
        generator(images)


def two_networks() -> tuple[nn.Sequential, nn.Sequential]:
    torch.manual_seed(0)
    judge = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.Conv2d(8, 1, 4, 1, 1))
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.Tanh(), nn.Conv2d(6, 3, 1)), judge


ALPHA = GuideConfig(layer=1, concat="alpha")


def test_an_output_from_before_that_is_still_held_does_not_spoil_the_guided_steps(
    caplog: pytest.LogCaptureFixture,
) -> None:
    generator, discriminator = two_networks()
    before = generator(torch.rand(2, 3, 16, 16))
    guide, source = attach(generator, discriminator, ALPHA), torch.rand(2, 3, 16, 16)
    (said,) = [record.getMessage() for record in caplog.records]
    assert "before it was guided is still held" in said and "before attach()" in said and before.grad_fn is not None
    guide.bind(source, ["a", "b"])
    fake = generator(source)
    discriminator(fake).mean().backward()
    caplog.clear()
    guide.detach()
    assert not caplog.records and fake.grad_fn is not None, "its backward() has been"
    discriminator(generator(source)).mean().backward()
    assert generator[0].weight.grad.shape == (6, 3, 3, 3)


def test_a_backward_that_is_still_to_come_when_alpha_is_detached_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    generator, discriminator = two_networks()
    guide, source = attach(generator, discriminator, ALPHA), torch.rand(2, 3, 16, 16)
    guide.bind(source, ["a", "b"])
    fake = generator(source)
    guide.detach()
    (said,) = [record.getMessage() for record in caplog.records]
    assert said.startswith("pair A: detached between") and said.endswith("call backward() before detach()")
    assert fake.requires_grad


def test_a_copy_that_is_guided_and_detached_again_takes_the_hosts_images() -> None:
    generator, discriminator = two_networks()
    images = torch.rand(2, 3, 16, 16)
    expected = generator(images)
    guide = attach(generator, discriminator, ALPHA)
    twin = copy.deepcopy(generator)
    attach(twin, copy.deepcopy(discriminator), ALPHA).detach()
    assert torch.equal(twin(images), expected) and twin[0].in_channels == 3
    assert generator[0].in_channels == 4, "the network that was copied stays guided"
    guide.detach()
    assert torch.equal(generator(images), expected)


@pytest.mark.parametrize("first", [0, 1])
def test_a_generator_of_two_pairs_stays_wide_until_the_last_is_detached(first: int) -> None:
    generator, discriminator = two_networks()
    images, optimizers = torch.rand(2, 3, 16, 16), [torch.optim.Adam(generator.parameters())]
    judges = discriminator, copy.deepcopy(discriminator)
    one = attach(generator, judges[0], ALPHA, optimizers=optimizers)
    pairs = [one, attach(generator, judges[1], ALPHA, name="B", beside=one)]
    pairs[first].detach()
    left = pairs[1 - first]
    left.bind(images, ["a", "b"])
    judges[1 - first](generator(images)).mean().backward()
    assert left.maps(["a", "b"])[1].all() and generator[0].in_channels == 4
    optimizers[0].step()
    left.detach()
    state = optimizers[0].state[generator[0].weight]
    assert generator[0].weight.shape == state["exp_avg"].shape == (6, 3, 3, 3)
    assert generator(images).shape == images.shape
