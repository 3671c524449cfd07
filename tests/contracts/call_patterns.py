"""Small stand-ins for families of codebases: every way in which training loops of others call their networks.

No weight changes in these loops, so that what a discriminator remembers of a fake can be asked of the discriminator
again.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd import Variable
from torch.utils.checkpoint import checkpoint

from guidegan_plugin import GuideConfig, attach
from guidegan_plugin.guidance.guide import Guide

KEYS = ["a", "b"]


def encoder(channels: int = 3, width: int = 6) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.InstanceNorm2d(width), nn.ReLU())


def patch_gan(channels: int = 3) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(channels, 6, 4, 2, 1), nn.LeakyReLU(0.2, True)),
        *(nn.Conv2d(6, 8, 4, 2, 1), nn.InstanceNorm2d(8), nn.LeakyReLU(0.2, True)),
        nn.Conv2d(8, 1, 4, 1, 1),
    )


class Network(nn.Module):
    """A generator that may be entered at several methods and returns what a pattern wants."""

    def __init__(self, channels: int = 3, wrap: Callable[[Tensor], object] = lambda image: image) -> None:
        super().__init__()
        self.encoder, self.decoder, self.wrap = encoder(channels), nn.Conv2d(6, 3, 3, padding=1), wrap

    def forward(self, images: Tensor, *rest: object, features: bool = False) -> Any:
        code = self.encoder(images)
        return code if features else self.wrap(torch.tanh(self.decoder(code)))


class Two(nn.Module):
    """A generator of a reference and a source, in this order."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.other, self.decoder = encoder(), encoder(), nn.Conv2d(6, 3, 3, padding=1)
        self.reference: Tensor | None = None

    def forward(self, reference: Tensor, source: Tensor) -> Tensor:
        self.reference = reference
        made: Tensor = torch.tanh(self.decoder(self.encoder(source) + self.other(reference)))
        return made


class Coder(nn.Module):
    """UNIT, MUNIT: a generator of one domain, entered and left at methods of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder(), nn.Conv2d(6, 3, 3, padding=1)

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        code = self.encoder(images)
        return code, torch.full_like(code, 0.1)

    def decode(self, code: Tensor) -> Tensor:
        made: Tensor = torch.tanh(self.decoder(code))
        return made


class Labelled(nn.Module):
    """StarGAN: labels are joined to the image inside of G; or before, where none are given."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder(5), nn.Conv2d(6, 3, 3, padding=1)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        if labels is not None:
            images = torch.cat([images, planes(labels, images)], 1)
        made: Tensor = torch.tanh(self.decoder(self.encoder(images)))
        return made


class Noisy(Network):
    """A generator of an image and a z."""

    def forward(self, images: Tensor, z: Tensor) -> Tensor:  # type: ignore[override]
        made: Tensor = torch.tanh(self.decoder(self.encoder(images) + z))
        return made


def planes(labels: Tensor, images: Tensor) -> Tensor:
    """Two channels that say which target is wanted."""
    return F.one_hot(labels, 2)[:, :, None, None].expand(-1, -1, *images.shape[-2:]).to(images.dtype)


class TwoEncoders(nn.Module):
    """MUNIT: style and content are read off the image by convolutions of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.style, self.encoder, self.decoder = encoder(), encoder(), nn.Conv2d(6, 3, 3, padding=1)

    def forward(self, images: Tensor) -> Tensor:
        made: Tensor = torch.tanh(self.decoder(self.encoder(images) * self.style(images).mean((2, 3), keepdim=True)))
        return made


class NestedJudge(nn.Module):
    """A discriminator that takes lists or dictionaries."""

    def __init__(self, pick: Callable[[Any], Tensor]) -> None:
        super().__init__()
        self.net, self.pick = patch_gan(), pick

    def forward(self, given: object) -> Tensor:
        answer: Tensor = self.net(self.pick(given))
        return answer


class Joining(nn.Module):
    """A discriminator of a condition and an image."""

    def __init__(self) -> None:
        super().__init__()
        self.net = patch_gan(6)

    def forward(self, condition: Tensor, fake: Tensor) -> Tensor:
        answer: Tensor = self.net(torch.cat([condition, fake], 1))
        return answer


class Pattern:
    """One loop. ``step`` binds, translates and judges; it returns the judged fakes, one a key, in the keys' order.

    Attributes:
        keys: Under which the maps of the fakes are remembered; images go round where there are more keys than images.
        several: Whether G is called once for each of several parts of the keys.
        free: What else than bound images G was called with in the newest step, in rows: that is given the placeholder.
    """

    layer: ClassVar[int | str] = 2
    options: ClassVar[dict[str, Any]] = {}
    keys: ClassVar[list[str]] = KEYS
    several: ClassVar[bool] = False
    miswired = False

    def __init__(self) -> None:
        torch.default_generator.manual_seed(0)  # torch.manual_seed formats a stack for each kind of device
        self.free: list[Tensor] = []
        self.generator: nn.Module = Network()
        self.discriminator: nn.Module = patch_gan()

    def attach(self, config: GuideConfig) -> Guide:
        return attach(self.generator, self.discriminator, config)

    def judge(self, fake: Tensor) -> Tensor:
        answer: Tensor = self.discriminator(fake)
        return answer

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        fake: Tensor = self.generator(source)
        self.learn(self.judge(fake))
        self.judge(fake.detach())
        self.judge(torch.ones_like(source))
        return fake

    def bind(self, guide: Guide | None, source: Tensor) -> None:
        if guide is not None:
            guide.bind(source, KEYS[: len(source)])

    def learn(self, answer: Tensor) -> None:
        answer.mean().backward()

    def first_layer(self) -> nn.Module:
        return self.generator.encoder[0]  # type: ignore[union-attr,index,return-value]

    def detach(self, guide: Guide) -> None:
        guide.detach()


class Plain(Pattern):
    pass


class OtherPasses(Pattern):
    """CycleGAN: reconstruction and identity go through the same G, and D judges them, too."""

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        fake: Tensor = self.generator(source)
        self.free = [fake, torch.ones_like(source)]
        reconstructed, identity = map(self.generator, self.free)
        self.learn(self.judge(fake))
        self.judge(reconstructed), self.judge(identity), self.judge(0.5 * fake + 0.5 * source)
        return fake


class DirectForward(Pattern):
    """pix2pixHD: ``.forward`` is called, on both networks."""

    def judge(self, fake: Tensor) -> Tensor:
        return self.discriminator.forward(fake)  # type: ignore[no-any-return]

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        fake: Tensor = self.generator.forward(source)
        self.learn(self.judge(fake))
        self.judge(fake.detach())
        return fake


class Derived(Pattern):
    """G is called with something made of the bound batch."""

    made: ClassVar[Callable[[Tensor], Tensor]]

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        fake: Tensor = self.generator(type(self).made(source))
        self.learn(self.judge(fake))
        return fake


class OldVariable(Derived):
    made = staticmethod(lambda source: Variable(source))


class Detached(Derived):
    made = staticmethod(lambda source: source.detach())


class Copied(Derived):
    made = staticmethod(lambda source: source.to(torch.float64).float().clone())


class CopiedToDevice(Derived):
    """The copy that a move to a device makes; here the device is the same."""

    made = staticmethod(lambda source: source.to(torch.device("cpu"), copy=True))


class Cast(Derived):
    """Autocast, half precision: another dtype reaches G, whose first convolution is given float32 again."""

    made = staticmethod(lambda source: source.to(torch.float64))

    def __init__(self) -> None:
        super().__init__()
        self.generator.register_forward_pre_hook(lambda module, args: (args[0].float(), *args[1:]))


class Buffered(Derived):
    """The oldest forks: the batch is copied into a buffer that was made once."""

    made = staticmethod(lambda source: torch.empty_like(source).copy_(source))


class ChannelsLast(Derived):
    made = staticmethod(lambda source: source.contiguous(memory_format=torch.channels_last))


class Slices(Pattern):
    """BicycleGAN: halves of the bound batch go through G one after another."""

    several = True

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        fakes = [self.generator(source[0:1]), self.generator(source[1:])]
        for fake in fakes:
            self.learn(self.judge(fake))
        return torch.cat(fakes)


class JoinedRows(Pattern):
    """CUT: source and target go through G together, for the identity half."""

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        target = torch.ones_like(source)
        fake: Tensor = self.generator(torch.cat((source, target), dim=0))[: len(source)]
        self.free = [target, source, fake]
        self.judge(fake.detach())
        self.learn(self.judge(fake))
        self.generator(source, features=True), self.generator(fake, features=True)
        return fake


class MirroredRows(Pattern):
    """FastCUT: the batch is mirrored on the device, after it was bound."""

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        fake: Tensor = self.generator(torch.flip(source, [3]))
        self.learn(self.judge(fake))
        return fake.flip(3)


class TwoInputs(Pattern):
    """``G(reference, source)``."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = Two()

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        reference = torch.full_like(source, 0.25)
        fake: Tensor = self.generator(reference, source)
        assert self.miswired or self.generator.reference is reference, "no other argument is touched"
        self.learn(self.judge(fake))
        return fake


class ManyOutputs(Pattern):
    """AttentionGAN: G returns 31 images, the translation first."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = Network(wrap=lambda image: (image, *(image * 0 for _ in range(30))))

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        fake: Tensor = self.generator(source)[0]
        self.learn(self.judge(fake))
        return fake


class NestedOutputs(Pattern):
    """G returns the translation somewhere in a dictionary, and not first."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = Network(wrap=lambda image: {"debug": image * 0, "made": {"images": [image]}})

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        fake: Tensor = self.generator(source)["made"]["images"][0]
        self.learn(self.judge(fake))
        return fake


class ListToDiscriminator(Pattern):
    layer = "net.2"

    def __init__(self) -> None:
        super().__init__()
        self.discriminator = NestedJudge(lambda given: given[0]["fake"])

    def judge(self, fake: Tensor) -> Tensor:
        answer: Tensor = self.discriminator([{"fake": fake, "real": torch.zeros_like(fake)}])
        return answer


class RealAndFake(Pattern):
    """StyleGAN-like: real and fake in one call of D."""

    def judge(self, fake: Tensor) -> Tensor:
        answer: Tensor = self.discriminator(torch.cat([torch.ones_like(fake), fake]))
        return answer[len(fake) :]


class Augmented(Pattern):
    """DiffAugment, instance noise: D judges the fake after arithmetic upon its pixels."""

    options: ClassVar[dict[str, Any]] = {"judged": "affine"}

    def judge(self, fake: Tensor) -> Tensor:
        answer: Tensor = self.discriminator((fake * 0.5 + 0.01).clamp(-1, 1))
        return answer


class DiffAugment(Pattern):
    """DiffAugment as StyleGAN2 has it: colour, a shift by padding and indexing, and a patch cut out."""

    options: ClassVar[dict[str, Any]] = {"judged": "affine"}

    def judge(self, fake: Tensor) -> Tensor:
        fake = fake + 0.1
        mean = fake.mean(1, keepdim=True)
        fake = ((fake - mean) * 1.1 + mean).clamp(-1, 1)
        row, y, x = torch.meshgrid(*(torch.arange(size) for size in (len(fake), 32, 32)), indexing="ij")
        shifted = F.pad(fake, [1, 1, 1, 1]).permute(0, 2, 3, 1).contiguous()[row, y + 2, x]
        kept = torch.ones(len(fake), 32, 32)
        kept[:, :4, :4] = 0
        answer: Tensor = self.discriminator(shifted.permute(0, 3, 1, 2) * kept.unsqueeze(1))
        return answer


class Conditional(Pattern):
    """pix2pix: D is given a condition and the fake, joined."""

    def __init__(self) -> None:
        super().__init__()
        self.discriminator = patch_gan(6)

    def judge(self, fake: Tensor) -> Tensor:
        answer: Tensor = self.discriminator(torch.cat([torch.full_like(fake, 0.3), fake], 1))
        return answer


class TwoArguments(Pattern):
    """PyTorch-GAN: ``D(fake, condition)``."""

    layer = "net.2"

    def __init__(self) -> None:
        super().__init__()
        self.discriminator = Joining()

    def judge(self, fake: Tensor) -> Tensor:
        answer: Tensor = self.discriminator(torch.full_like(fake, 0.3), fake=fake)
        return answer


class BackwardHooks(Pattern):
    """Somebody watches gradients: torch puts nodes of its own between G and D."""

    def __init__(self) -> None:
        super().__init__()
        self.generator.register_full_backward_hook(lambda *_: None)
        self.generator.register_full_backward_pre_hook(lambda *_: None)


class GradientPenalty(Pattern):
    """WGAN-GP and R1 beside the judgement; the image of the penalty is a leaf, or has a graph."""

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        fake = super().step(guide, source)
        mixed = (0.5 * fake.detach() + 0.5 * source).requires_grad_()
        real = torch.ones_like(source, requires_grad=True)
        for images in (mixed, mixed * 1.0, real, torch.cat([real[1:], real[:1]]), real.flip(3)):
            gradient = torch.autograd.grad(self.discriminator(images).sum(), images, create_graph=True)[0]
            gradient.pow(2).mean().backward()
        return fake


class NotDetached(Pattern):
    """D's own step does not detach the fake."""

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        fake: Tensor = self.generator(source)
        self.judge(fake).mean().backward(retain_graph=True)
        self.learn(self.judge(fake))
        return fake


class Checkpointed(Pattern):
    """The whole generator is computed again in the backward pass."""

    reentrant: ClassVar[bool] = False

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        source = source.requires_grad_(self.reentrant)
        self.bind(guide, source)
        fake: Tensor = checkpoint(self.generator, source, use_reentrant=self.reentrant)
        self.learn(self.judge(fake))
        return fake


class CheckpointedReentrant(Checkpointed):
    reentrant = True


class CheckpointedAndJoined(CheckpointedReentrant, RealAndFake):
    """What is computed again in the backward pass reaches D among other images."""


class GuidedCopy(Pattern):
    """A copy of a guided generator (EMA) is guided in its turn."""

    def attach(self, config: GuideConfig) -> Guide:
        first = attach(self.generator, self.discriminator, config)
        kept, self.generator = self.generator, copy.deepcopy(self.generator)
        first.detach()
        del kept
        return super().attach(config)


class InThreads(Pattern):
    """Another thread samples from G while the training goes on."""

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        fake: Tensor = self.generator(source)
        self.free = [source]
        sampling = threading.Thread(target=lambda: self.judge(self.generator(source)).mean())
        sampling.start()
        sampling.join()
        self.learn(self.judge(fake))
        return fake


class Validation(Pattern):
    """Validation images are translated within the loop."""

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        fake = super().step(guide, source)
        self.free = [torch.rand_like(source)]
        with torch.no_grad():
            self.judge(self.generator(self.free[0]))
        return fake


class InEval(Pattern):
    """Samples are drawn in eval mode within a step, with gradients that nobody wants."""

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        fake = super().step(guide, source)
        self.free = [torch.rand_like(source)]
        self.generator.eval()
        self.judge(self.generator(self.free[0]))
        self.generator.train()
        return fake


class EncodeDecode(Pattern):
    """UNIT: the code of one domain's generator, with noise, is decoded by the generators of both domains."""

    def __init__(self) -> None:
        super().__init__()
        self.coders = Coder(), Coder()
        self.generator = nn.ModuleList(self.coders)

    def attach(self, config: GuideConfig) -> Guide:
        return attach((self.coders[0].encode, self.coders[1].decode), self.discriminator, config)

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        here, there = self.coders
        code, noise = here.encode(source)
        reconstructed, fake = here.decode(code + noise), there.decode(code + noise)
        cycled = here.decode(there.encode(fake)[0])
        self.free = [torch.ones_like(source)]
        here.decode(here.encode(self.free[0])[0])
        self.judge(fake.detach())
        self.learn(self.judge(fake))
        for other in (reconstructed, cycled, there.decode(there.encode(torch.ones_like(source))[0])):
            self.judge(other)
        return fake

    def first_layer(self) -> nn.Module:
        return self.coders[0].encoder[0]


class JoinedLabels(Pattern):
    """StarGAN: G joins labels to the image."""

    options: ClassVar[dict[str, Any]] = {"options": {"alpha_image_channels": 3}}

    def __init__(self) -> None:
        super().__init__()
        self.generator = Labelled()

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        fake: Tensor = self.generator(source, torch.tensor([0, 1]))
        self.free = [fake]
        self.judge(self.generator(fake, torch.tensor([1, 0])))
        self.learn(self.judge(fake))
        return fake


class LabelsJoinedBefore(JoinedLabels):
    """The loop joins labels to the image, and calls G with both."""

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        labels = planes(torch.tensor([0, 1]), source)
        fake: Tensor = self.generator(torch.cat([source, labels], 1))
        self.free = [fake]
        given: list[Tensor] = []
        seen = self.first_layer().register_forward_pre_hook(lambda module, args: given.append(args[0]))
        self.judge(self.generator(torch.cat([fake, 1 - labels], 1)))
        seen.remove()
        assert self.miswired or torch.equal(given[0][:, -2:], 1 - labels), "no map is blended into labels"
        self.learn(self.judge(fake))
        return fake


class TwoTargets(JoinedLabels):
    """StarGAN: each image is translated into two domains, and a map belongs to one of them."""

    keys: ClassVar[list[str]] = ["a to 0", "b to 0", "a to 1", "b to 1"]
    several = True

    def attach(self, config: GuideConfig) -> Guide:
        return attach(
            self.generator,
            self.discriminator,
            config,
            key_of=lambda key, call: f"{key} to {int(call.args[1][call.row])}",
        )

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        fakes = [self.generator(source, torch.tensor([target, target])) for target in (0, 1)]
        for fake in fakes:
            self.learn(self.judge(fake))
        return torch.cat(fakes)


class TwoFirstConvolutions(Pattern):
    """MUNIT: two convolutions read the image."""

    options: ClassVar[dict[str, Any]] = {"options": {"alpha_widen": "style.0,encoder.0"}}

    def __init__(self) -> None:
        super().__init__()
        self.generator = TwoEncoders()


class TwoNoises(Pattern):
    """BicycleGAN: the same image with two z; the map of the last judgement stays."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = Noisy()

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        encoded, fake = (self.generator(source, torch.full((2, 1, 1, 1), z)) for z in (-1.0, 1.0))
        self.learn(self.judge(encoded))
        self.learn(self.judge(fake))
        made: Tensor = fake
        return made


class TwoJudges(Pattern):
    """BicycleGAN: two discriminators judge the same fake, and the map of the last one stays."""

    def __init__(self) -> None:
        super().__init__()
        self.other = patch_gan()

    def attach(self, config: GuideConfig) -> Guide:
        return attach(self.generator, [self.discriminator, self.other], config)

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        fake: Tensor = self.generator(source)
        self.learn(self.other(fake) + self.judge(fake))
        self.other(fake.detach()), self.judge(fake.detach())
        return fake


class OneJudgeOfTwoPairs(Pattern):
    """One discriminator judges the outputs of two generators."""

    def __init__(self) -> None:
        super().__init__()
        self.beside = Network()

    def attach(self, config: GuideConfig) -> Guide:
        first = super().attach(config)
        self.second = attach(self.beside, self.discriminator, config, name="B", beside=first)
        return first

    def step(self, guide: Guide | None, source: Tensor) -> Tensor:
        self.bind(guide, source)
        other = torch.full_like(source, 0.25)
        if guide is not None:
            self.second.bind(other, ["c", "d"])
        fake: Tensor = self.generator(source)
        made = self.beside(other)
        self.free = [made]
        self.learn(self.judge(fake))
        self.learn(self.judge(made))
        self.beside(fake), self.generator(made)
        if guide is not None and guide.attention is not None and not self.miswired:
            assert self.second.maps(["c", "d"])[1].all() and not self.second.maps(KEYS)[1].any()
        return fake

    def detach(self, guide: Guide) -> None:
        self.second.detach()
        guide.detach()


class LateDataParallel(Pattern):
    """A wrapper is put on after the networks were attached to; on a machine without GPUs it calls what it wraps."""

    def attach(self, config: GuideConfig) -> Guide:
        guide = super().attach(config)
        self.inside = self.generator
        self.generator, self.discriminator = map(nn.DataParallel, (self.generator, self.discriminator))
        return guide

    def first_layer(self) -> nn.Module:
        module = getattr(self, "inside", self.generator)
        return module.encoder[0]  # type: ignore[no-any-return]


class FollowedDataParallel(LateDataParallel):
    """The same, and the guide is told."""

    def attach(self, config: GuideConfig) -> Guide:
        guide = super().attach(config)
        guide.follow(self.generator, self.discriminator)
        return guide


class Compiled(Pattern):
    """The networks ran compiled before they are guided."""

    def __init__(self) -> None:
        super().__init__()
        torch._dynamo.reset()
        self.inside = self.generator
        self.wrap()
        self.judge(self.generator(torch.zeros(2, 3, 32, 32)))

    def wrap(self) -> None:
        self.generator, self.discriminator = (
            torch.compile(network, backend="eager") for network in (self.generator, self.discriminator)
        )

    def first_layer(self) -> nn.Module:
        torch._dynamo.reset()  # whoever adds a hook to a network that ran compiled must say so
        return self.inside.encoder[0]  # type: ignore[union-attr,index,return-value]


class CompiledAfter(Compiled):
    """The networks are compiled once they are guided, and the guide is told."""

    def wrap(self) -> None:
        pass

    def attach(self, config: GuideConfig) -> Guide:
        guide = super().attach(config)
        super().wrap()
        guide.follow(self.generator, self.discriminator)
        return guide


def patterns(kind: type[Pattern] = Pattern) -> list[type[Pattern]]:
    """Every pattern that makes a step of its own, or needs something else."""
    found = [each for below in kind.__subclasses__() for each in (below, *patterns(below))]
    return [each for each in found if each is not Derived]


ALL = patterns()
SLOW = (Compiled, CompiledAfter)
MECHANISMS = [
    {"attention": "pha"},
    {"attention": "pha", "signal": "gradcam"},
    {"attention": "pha", "signal": "gradient"},
    {"attention": "tam"},
]


def config_of(pattern: Pattern, **options: Any) -> GuideConfig:
    """How a pattern is guided; maps are kept as they are, so that they can be compared."""
    layer = 2 if options.get("attention") == "tam" else pattern.layer
    return GuideConfig(**{"layer": layer, "store_dtype": "float32", **pattern.options, **options})
