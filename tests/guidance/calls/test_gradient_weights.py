"""concat=gradient: the map of a judgement weighs what comes back from that judgement, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from guidegan_plugin import ConfigError, GuideConfig, attach

Make = Callable[..., nn.Module]


def networks() -> tuple[nn.Module, nn.Module]:
    generator = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3, 3, padding=1)).double()
    judge = nn.Sequential(
        nn.Conv2d(3, 4, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(4, 6, 4, 2, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(6, 1, 3, 1, 1),
    ).double()
    return generator, judge


def weights(judge: nn.Module, fake: Tensor, strength: float, signal: str = "activation") -> Tensor:
    """Formula (2) at the second convolution, min-max, up-sampled, and the weights of its places; by hand."""
    first, behind, second, *rest = judge.children()
    features = second(behind(first(fake.detach()))).requires_grad_()
    if signal == "activation":
        raw = features.abs().mean(1, keepdim=True)
    else:
        score = nn.Sequential(*rest)(features).mean((1, 2, 3)).sum()
        gradient = torch.autograd.grad(score, features)[0]
        raw = (gradient.mean((2, 3), keepdim=True) * features).sum(1, keepdim=True).relu()
    low, high = raw.amin((1, 2, 3), keepdim=True), raw.amax((1, 2, 3), keepdim=True)
    maps = F.interpolate(((raw - low) / (high - low)).float(), fake.shape[-2:], mode="bilinear", align_corners=False)
    weighed = 1 + strength * maps.detach()
    return weighed / weighed.mean((2, 3), keepdim=True)


@pytest.mark.parametrize("signal", ["activation", "gradcam"])
@pytest.mark.parametrize("strength", [1.0, 0.3, -0.5])
def test_the_gradient_is_the_formula_by_hand(signal: str, strength: float) -> None:
    generator, judge = networks()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    fake = generator(images)
    fake.retain_grad()
    (judge(fake) - 1).pow(2).mean().backward()
    assert fake.grad is not None
    expected = fake.grad * weights(judge, fake, strength, signal).double()
    config = GuideConfig(concat="gradient", layer=2, strength=strength, signal=signal)
    with attach(generator, judge, config) as guide:
        guide.bind(images, ["a", "b"])
        seen = generator(images)
        assert torch.equal(seen, fake)
        seen.retain_grad()
        (judge(seen) - 1).pow(2).mean().backward()
        assert seen.grad is not None
        torch.testing.assert_close(seen.grad, expected, rtol=1e-5, atol=1e-12)
        assert not torch.allclose(seen.grad, fake.grad, rtol=1e-3)


def test_other_losses_other_judgements_and_the_discriminators_own_update_are_as_bare() -> None:
    generator, judge = networks()
    images, target = torch.randn(2, 2, 3, 16, 16, dtype=torch.float64)

    def gradients(weighed: Tensor | None) -> dict[str, Tensor]:
        fake = generator(images)
        found: dict[str, Tensor] = {}
        found["cycle"] = torch.autograd.grad((fake - target).abs().mean(), fake, retain_graph=True)[0]
        found["adversarial"] = torch.autograd.grad((judge(fake) - 1).pow(2).mean(), fake, retain_graph=True)[0]
        both = (judge(fake) - 1).pow(2).mean() + 10 * (fake - target).abs().mean()
        found["both"] = torch.autograd.grad(both, fake)[0]
        judge.zero_grad()
        (judge(fake.detach()).pow(2).mean() + (judge(target) - 1).pow(2).mean()).backward()
        found["judge"] = next(judge.parameters()).grad.clone()  # type: ignore[union-attr]
        mixed = (0.3 * target + 0.7 * fake.detach()).requires_grad_()
        found["penalty"] = torch.autograd.grad(judge(mixed).sum(), mixed, create_graph=True)[0].detach()
        return found

    bare = gradients(None)
    with attach(generator, judge, GuideConfig(concat="gradient", layer=2)) as guide:
        guide.bind(images, ["a", "b"])
        seen = gradients(None)
    w = weights(judge, generator(images), 1.0).double()
    for name in ("cycle", "judge", "penalty"):
        assert torch.equal(seen[name], bare[name]), name
    torch.testing.assert_close(seen["adversarial"], bare["adversarial"] * w, rtol=1e-5, atol=1e-12)
    torch.testing.assert_close(seen["both"] - 10 * bare["cycle"], bare["adversarial"] * w, rtol=1e-4, atol=1e-12)


def train(guided: GuideConfig | None, steps: int = 3, accumulate: int = 1, checkpointed: bool = False) -> list[Tensor]:
    torch.manual_seed(0)
    generator, judge = networks()
    ways = [torch.optim.Adam(net.parameters(), 1e-3) for net in (generator, judge)]
    guide = None if guided is None else attach(generator, judge, guided)
    for step in range(steps):
        images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
        if guide is not None:
            guide.bind(images, [f"{step}a", f"{step}b"])
        fake = checkpoint(generator, images, use_reentrant=False) if checkpointed else generator(images)
        ways[0].zero_grad()
        for _ in range(accumulate):
            ((judge(fake) - 1).pow(2).mean() / accumulate).backward(retain_graph=True)
        ways[0].step()
        ways[1].zero_grad()
        (judge(fake.detach()).pow(2).mean() + (judge(images) - 1).pow(2).mean()).backward()
        ways[1].step()
    return [parameter.detach().clone() for net in (generator, judge) for parameter in net.parameters()]


def test_without_strength_a_training_is_the_bare_one_bit_for_bit() -> None:
    bare, seen = train(None), train(GuideConfig(concat="gradient", layer=2, strength=0.0))
    assert all(torch.equal(one, other) for one, other in zip(bare, seen, strict=True))


@pytest.mark.parametrize("how", [{"accumulate": 2}, {"checkpointed": True}])
def test_accumulated_and_checkpointed_gradients_are_those_of_one_pass(how: dict[str, int]) -> None:
    config = GuideConfig(concat="gradient", layer=2)
    for one, other in zip(train(config), train(config, **how), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-9)


def test_a_scaled_loss_gives_a_scaled_gradient() -> None:
    generator, judge = networks()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    with attach(generator, judge, GuideConfig(concat="gradient", layer=2)) as guide:
        found = []
        for scale in (1.0, 1024.0):
            guide.bind(images, ["a", "b"])
            fake = generator(images)
            found.append(torch.autograd.grad(scale * (judge(fake) - 1).pow(2).mean(), fake)[0] / scale)
    torch.testing.assert_close(*found)


def test_of_a_batch_that_joins_fakes_and_reals_the_reals_gradient_stays() -> None:
    generator, judge = networks()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    real = torch.randn(2, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    loss = judge(torch.cat([real, generator(images)])).pow(2).mean()
    bare = torch.autograd.grad(loss, real)[0]
    with attach(generator, judge, GuideConfig(concat="gradient", layer=2)) as guide:
        guide.bind(images, ["a", "b"])
        seen = torch.autograd.grad(judge(torch.cat([real, generator(images)])).pow(2).mean(), real)[0]
        assert guide.maps(["a"])[1].all()
    assert torch.equal(bare, seen)


def adversarial(judge: nn.Module, generator: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """What comes back to a fake, weighed by hand; and the fake."""
    fake = generator(images).detach().requires_grad_()
    bare = torch.autograd.grad((judge(fake) - 1).pow(2).mean(), fake)[0]
    return bare * weights(judge, fake, 1.0).double(), fake


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("bound_again", [False, True])
def test_a_judgement_that_is_computed_again_in_the_backward_pass_is_weighed(reentrant: bool, bound_again: bool) -> None:
    generator, judge = networks()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    expected, _ = adversarial(judge, generator, images)
    with attach(generator, judge, GuideConfig(concat="gradient", layer=2)) as guide:
        guide.bind(images, ["a", "b"])
        fake = generator(images)
        fake.retain_grad()
        loss = (checkpoint(judge, fake, use_reentrant=reentrant) - 1).pow(2).mean()
        if bound_again:
            guide.bind(images.clone(), ["c", "d"])
        loss.backward()
    assert fake.grad is not None
    torch.testing.assert_close(fake.grad, expected, rtol=1e-5, atol=1e-12)


def test_a_penalty_on_the_judgements_own_gradient_is_as_bare_and_the_cure_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    generator, judge = networks()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)

    def penalty() -> list[Tensor]:
        judge.zero_grad()
        fake = generator(images)
        gradient = torch.autograd.grad(judge(fake).sum(), fake, create_graph=True)[0]
        gradient.pow(2).sum().backward()
        return [gradient.detach(), *(one.grad.clone() for one in judge.parameters() if one.grad is not None)]

    bare = penalty()
    with attach(generator, judge, GuideConfig(concat="gradient", layer=2)) as guide:
        for _ in range(2):
            guide.bind(images, ["a", "b"])
            assert all(torch.equal(one, other) for one, other in zip(penalty(), bare, strict=True))
    assert caplog.text.count("judge fake.detach().requires_grad_() in a call of its own") == 1


class Pyramid(nn.Module):
    """Judges an image and the image at half its size, as StackGAN++ and MSG-GAN do, given both."""

    def __init__(self, judge: nn.Module) -> None:
        super().__init__()
        self.judge = judge

    def forward(self, images: Tensor, small: Tensor) -> Tensor:
        return self.judge(images).mean((1, 2, 3)) + self.judge(small).mean((1, 2, 3))


def pyramid(judge: nn.Module, fake: Tensor) -> tuple[Tensor, Tensor]:
    """What comes back to the fake through each of the two images, one by one."""
    images, small = fake.view_as(fake), F.avg_pool2d(fake, 2)
    images.retain_grad()
    small.retain_grad()
    (Pyramid(judge)(images, small) - 1).pow(2).mean().backward()
    assert images.grad is not None
    assert small.grad is not None
    return images.grad, small.grad


@pytest.mark.parametrize("small_first", [False, True])
def test_every_size_in_which_a_discriminator_is_given_the_fake_is_weighed(small_first: bool) -> None:
    generator, judge = networks()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    bare = pyramid(judge, generator(images))
    config = GuideConfig(concat="gradient", layer=2, judged="affine", store_dtype="float32")
    with attach(generator, both := Pyramid(judge), config) as guide:
        guide.bind(images, ["a", "b"])
        fake = generator(images)
        seen = [fake.view_as(fake), F.avg_pool2d(fake, 2)]
        for one in seen:
            one.retain_grad()
        given = {"small": seen[1], "images": seen[0]} if small_first else {"images": seen[0], "small": seen[1]}
        (both(**given) - 1).pow(2).mean().backward()
        maps, _ = guide.maps(["a", "b"])
    for one, gradient in zip(seen, bare, strict=True):
        looked = 1 + F.interpolate(maps, one.shape[-2:], mode="bilinear", align_corners=False)
        assert one.grad is not None
        expected = gradient * (looked / looked.mean((2, 3), keepdim=True)).double()
        torch.testing.assert_close(one.grad, expected, rtol=1e-5, atol=1e-12)


def test_where_a_smaller_fake_beside_the_fake_is_not_known_as_the_fake_that_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    generator, judge = networks()
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    with attach(generator, both := Pyramid(judge), GuideConfig(concat="gradient", layer=2)) as guide:
        for _ in range(3):
            guide.bind(images, ["a", "b"])
            fake = generator(images)
            both(small=F.avg_pool2d(fake, 2), images=fake).mean().backward()
    assert caplog.text.count("what the operation 'avgpool2d' made of the fake") == 1
    assert caplog.text.count("--guide_judged affine") == 1


def test_a_discriminator_that_writes_over_its_input_is_refused_as_nothing_could_be_weighed() -> None:
    generator, judge = networks()
    judge = nn.Sequential(nn.ELU(inplace=True), *judge)
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    with attach(generator, judge, GuideConfig(concat="gradient", layer=2)) as guide:
        guide.bind(images, ["a", "b"])
        with pytest.raises(ConfigError, match=r"in place on the very images.*inplace=False, or concat \(--guide_con"):
            judge(generator(images))


def test_an_answer_with_more_than_a_prediction_is_weighed_as_a_whole_and_that_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Features(nn.Sequential):
        def forward(self, images: Tensor) -> list[Tensor]:
            found = []
            for layer in self:
                found.append(images := layer(images))
            return [found[0], found[-1]]

    generator, judge = networks()
    judge = Features(*judge)
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    with attach(generator, judge, GuideConfig(concat="gradient", layer=2)) as guide:
        for _ in range(2):
            guide.bind(images, ["a", "b"])
            judge(generator(images))
    assert caplog.text.count("with 1 tensors beside its prediction (features, classes)") == 1


def test_fakes_of_two_pairs_judged_in_one_call_are_weighed_by_their_own_maps() -> None:
    (first, judge), (second, _) = networks(), networks()
    sources = torch.randn(2, 3, 16, 16, dtype=torch.float64), torch.randn(3, 3, 16, 16, dtype=torch.float64)
    expected = [adversarial(judge, net, images)[0] for net, images in zip((first, second), sources, strict=True)]
    config = GuideConfig(concat="gradient", layer=2)
    with attach(first, judge, config) as one, attach(second, judge, config, name="B", beside=one) as other:
        one.bind(sources[0], ["a", "b"])
        other.bind(sources[1], ["a", "b", "c"])
        fakes = first(sources[0]), second(sources[1])
        judged = judge(torch.cat(fakes))
        found = [
            torch.autograd.grad((part - 1).pow(2).mean(), fake, retain_graph=True)[0]
            for part, fake in zip(judged.split([2, 3]), fakes, strict=True)
        ]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-12)


def test_without_keys_no_call_of_a_network_is_added() -> None:
    generator, judge = networks()
    calls: list[str] = []
    for name, network in (("G", generator), ("D", judge)):
        network.register_forward_hook(lambda *_, name=name: calls.append(name))  # type: ignore[misc]
    images = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    expected, _ = adversarial(judge, generator, images)
    calls.clear()
    with attach(generator, judge, GuideConfig(concat="gradient", layer=2), memory="batch") as guide:
        guide.bind(images)
        fake = generator(images)
        found = torch.autograd.grad((judge(fake) - 1).pow(2).mean(), fake)[0]
    assert calls == ["G", "D"]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-12)


def test_a_transfer_block_that_would_not_be_trained_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--guide_transfer bilinear"):
        attach(*networks(), GuideConfig(concat="gradient", transfer="conv", layer=2))


def test_strength_scales_the_map_in_the_residual_hadamard_product() -> None:
    generator, judge = networks()
    images = torch.randn(1, 3, 16, 16, dtype=torch.float64)
    with attach(generator, judge, GuideConfig(layer=2, strength=0.3)) as guide:
        guide.bind(images, ["a"])
        seen = generator(images)
    torch.testing.assert_close(seen, generator(1.3 * images))
    with pytest.raises(ConfigError, match="strength"):
        GuideConfig(strength=-1.0)
