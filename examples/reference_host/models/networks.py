"""Generators, discriminators, their initialisation, the GAN loss and the learning-rate schedules.

Layers stand in flat `Sequential`s. Their order is the order of keys in a checkpoint, so it must not change.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection

import torch
from torch import nn
from torch.optim import Optimizer, lr_scheduler

NORMS: dict[str, type[nn.Module]] = {"batch": nn.BatchNorm2d, "instance": nn.InstanceNorm2d, "none": nn.Identity}


def get_norm_layer(norm: str) -> type[nn.Module]:
    """Return the layer class, to be called with a number of channels."""
    return NORMS[_known("norm", norm, NORMS)]


def _known(option: str, value: str, choices: Collection[str]) -> str:
    if value not in choices:
        raise ValueError(f"--{option} is '{value}'; known are {', '.join(choices)}")
    return value


def _inner_bias(norm_layer: type[nn.Module]) -> bool:
    """Tell whether convolutions inside a network have a bias.

    Batch norm has its own. Without any norm they have none either: checkpoints of this family are made so.
    """
    return norm_layer is nn.InstanceNorm2d


def define_G(
    input_nc: int,
    output_nc: int,
    ngf: int,
    netG: str,
    norm: str = "batch",
    use_dropout: bool = False,
    init_type: str = "normal",
    init_gain: float = 0.02,
) -> nn.Module:
    """Build a generator.

    Args:
        input_nc: Channels of the input.
        output_nc: Channels of the output.
        ngf: Width of the first layer.
        netG: resnet_9blocks, resnet_6blocks, unet_256 or unet_128.
        norm: instance, batch or none.
        use_dropout: Drop activations out.
        init_type: Not used here. A model's `setup` initialises its networks in one place, after subclasses had
            their chance to change them; the argument stays for callers that pass it.
        init_gain: Not used here, see `init_type`.

    Returns:
        The network, as PyTorch initialised it, on the CPU.
    """
    norm_layer = get_norm_layer(norm)
    blocks = {"resnet_9blocks": 9, "resnet_6blocks": 6}
    depths = {"unet_256": 8, "unet_128": 7}
    _known("netG", netG, blocks | depths)
    if netG in blocks:
        return ResnetGenerator(input_nc, output_nc, ngf, norm_layer, use_dropout, blocks[netG])
    return UnetGenerator(input_nc, output_nc, depths[netG], ngf, norm_layer, use_dropout)


def define_D(
    input_nc: int,
    ndf: int,
    netD: str,
    n_layers_D: int = 3,
    norm: str = "batch",
    init_type: str = "normal",
    init_gain: float = 0.02,
) -> nn.Module:
    """Build a discriminator.

    Args:
        input_nc: Channels of the input.
        ndf: Width of the first layer.
        netD: basic (PatchGAN with 3 strided layers), n_layers or pixel.
        n_layers_D: Strided layers, for n_layers.
        norm: instance, batch or none.
        init_type: Not used here, see `define_G`.
        init_gain: Not used here, see `define_G`.

    Returns:
        The network, as PyTorch initialised it, on the CPU. It returns logits.
    """
    norm_layer = get_norm_layer(norm)
    if _known("netD", netD, ("basic", "n_layers", "pixel")) == "pixel":
        return PixelDiscriminator(input_nc, ndf, norm_layer)
    return NLayerDiscriminator(input_nc, ndf, 3 if netD == "basic" else n_layers_D, norm_layer)


def init_net(net: nn.Module, init_type: str = "normal", init_gain: float = 0.02) -> nn.Module:
    """Draw the weights of every layer whose class is called something with Conv, Linear or BatchNorm2d.

    Args:
        net: The network; changed in place.
        init_type: normal, xavier, kaiming or orthogonal.
        init_gain: Standard deviation, or gain, of the weights.

    Returns:
        The same network.
    """
    draw = {
        "normal": lambda weight: nn.init.normal_(weight, 0.0, init_gain),
        "xavier": lambda weight: nn.init.xavier_normal_(weight, gain=init_gain),
        "kaiming": lambda weight: nn.init.kaiming_normal_(weight, a=0, mode="fan_in"),
        "orthogonal": lambda weight: nn.init.orthogonal_(weight, gain=init_gain),
    }
    _known("init_type", init_type, draw)
    for module in net.modules():
        kind = type(module).__name__
        weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
        if weight is None:
            continue
        if "BatchNorm2d" in kind:
            nn.init.normal_(weight, 1.0, init_gain)
        elif "Conv" in kind or "Linear" in kind:
            draw[init_type](weight)
        else:
            continue
        if bias is not None:
            nn.init.zeros_(bias)
    return net


def get_scheduler(optimizer: Optimizer, opt: argparse.Namespace) -> lr_scheduler.LRScheduler:
    """Build the schedule that `--lr_policy` names; it is stepped at the end of each epoch.

    `linear` holds the learning rate for `n_epochs` and lets it fall to zero in the next `n_epochs_decay`.
    """
    policy = _known("lr_policy", opt.lr_policy, ("linear", "step", "plateau", "cosine"))
    if policy == "linear":

        def factor(steps: int) -> float:
            decayed = max(0, opt.epoch_count + steps - opt.n_epochs)
            return 1 - decayed / (opt.n_epochs_decay + 1)

        return lr_scheduler.LambdaLR(optimizer, factor)
    if policy == "step":
        return lr_scheduler.StepLR(optimizer, opt.lr_decay_iters, gamma=0.1)
    if policy == "plateau":
        return lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.2, threshold=0.01, patience=5)
    return lr_scheduler.CosineAnnealingLR(optimizer, opt.n_epochs)


class GANLoss(nn.Module):
    """Distance of a discriminator's logits from all real or all fake.

    Args:
        gan_mode: lsgan (Mao et al. 2017) or vanilla (Goodfellow et al. 2014).
    """

    def __init__(self, gan_mode: str) -> None:
        super().__init__()
        losses = {"lsgan": nn.MSELoss, "vanilla": nn.BCEWithLogitsLoss}
        self.loss = losses[_known("gan_mode", gan_mode, losses)]()

    def forward(self, prediction: torch.Tensor, target_is_real: bool) -> torch.Tensor:
        """Return the mean loss over all patches of a (N, 1, h, w) prediction."""
        return self.loss(prediction, torch.full_like(prediction, float(target_is_real)))


class ResnetGenerator(nn.Module):
    """Generator with residual blocks between two down- and two up-sampling layers (Johnson et al. 2016).

    Args:
        input_nc: Channels of the input.
        output_nc: Channels of the output.
        ngf: Width of the first layer.
        norm_layer: Class of the norm layers.
        use_dropout: Dropout inside the blocks.
        n_blocks: Number of blocks.
    """

    def __init__(
        self,
        input_nc: int,
        output_nc: int,
        ngf: int = 64,
        norm_layer: type[nn.Module] = nn.BatchNorm2d,
        use_dropout: bool = False,
        n_blocks: int = 6,
    ) -> None:
        super().__init__()
        bias = _inner_bias(norm_layer)
        layers = [nn.ReflectionPad2d(3), nn.Conv2d(input_nc, ngf, 7, bias=bias), norm_layer(ngf), nn.ReLU(True)]
        for width in (ngf, 2 * ngf):
            down = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1, bias=bias)
            layers += [down, norm_layer(2 * width), nn.ReLU(True)]
        layers += [ResnetBlock(4 * ngf, norm_layer, use_dropout) for _ in range(n_blocks)]
        for width in (4 * ngf, 2 * ngf):
            up = nn.ConvTranspose2d(width, width // 2, 3, stride=2, padding=1, output_padding=1, bias=bias)
            layers += [up, norm_layer(width // 2), nn.ReLU(True)]
        layers += [nn.ReflectionPad2d(3), nn.Conv2d(ngf, output_nc, 7), nn.Tanh()]
        self.model = nn.Sequential(*layers)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Translate (N, input_nc, H, W) to (N, output_nc, H, W), in [-1, 1]; H and W are multiples of 4."""
        return self.model(image)


class ResnetBlock(nn.Module):
    """Two 3 x 3 convolutions whose result is added to their input (He et al. 2016).

    Args:
        dim: Channels.
        norm_layer: Class of the norm layers.
        use_dropout: Dropout between the two.
    """

    def __init__(self, dim: int, norm_layer: type[nn.Module], use_dropout: bool) -> None:
        super().__init__()
        bias = _inner_bias(norm_layer)
        layers = [nn.ReflectionPad2d(1), nn.Conv2d(dim, dim, 3, bias=bias), norm_layer(dim), nn.ReLU(True)]
        layers += [nn.Dropout(0.5)] * use_dropout
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(dim, dim, 3, bias=bias), norm_layer(dim)]
        self.conv_block = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Keep the shape (N, dim, h, w)."""
        return x + self.conv_block(x)


class UnetGenerator(nn.Module):
    """U-Net (Ronneberger et al. 2015; Isola et al. 2017).

    Args:
        input_nc: Channels of the input.
        output_nc: Channels of the output.
        num_downs: How often the sides are halved; 2 ** num_downs is the smallest image.
        ngf: Width of the first layer.
        norm_layer: Class of the norm layers.
        use_dropout: Dropout in the blocks of full width.
    """

    def __init__(
        self,
        input_nc: int,
        output_nc: int,
        num_downs: int,
        ngf: int = 64,
        norm_layer: type[nn.Module] = nn.BatchNorm2d,
        use_dropout: bool = False,
    ) -> None:
        super().__init__()
        block: nn.Module = UnetSkipConnectionBlock(8 * ngf, 8 * ngf, norm_layer=norm_layer)
        for _ in range(num_downs - 5):
            block = UnetSkipConnectionBlock(8 * ngf, 8 * ngf, block, norm_layer, dropout=use_dropout)
        for width in (4 * ngf, 2 * ngf, ngf):
            block = UnetSkipConnectionBlock(width, 2 * width, block, norm_layer)
        self.model = UnetSkipConnectionBlock(output_nc, ngf, block, norm_layer, input_nc, outermost=True)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Translate (N, input_nc, H, W) to (N, output_nc, H, W), in [-1, 1]."""
        return self.model(image)


class UnetSkipConnectionBlock(nn.Module):
    """One level of a U-Net: down, the levels below, up; its input goes along with its result.

    Args:
        outer_nc: Channels outside, before down and after up.
        inner_nc: Channels inside.
        submodule: The level below; None for the innermost one.
        norm_layer: Class of the norm layers.
        input_nc: Channels of the input, where they differ from `outer_nc`.
        outermost: Whether this level begins with an image and ends with one.
        dropout: Drop the result out.
    """

    def __init__(
        self,
        outer_nc: int,
        inner_nc: int,
        submodule: nn.Module | None = None,
        norm_layer: type[nn.Module] = nn.BatchNorm2d,
        input_nc: int | None = None,
        outermost: bool = False,
        dropout: bool = False,
    ) -> None:
        super().__init__()
        self.outermost = outermost
        innermost = submodule is None
        bias = _inner_bias(norm_layer)
        # The level below hands back its own input beside its result.
        up_nc = inner_nc if innermost else 2 * inner_nc
        layers: list[nn.Module] = [] if outermost else [nn.LeakyReLU(0.2, True)]
        layers.append(nn.Conv2d(outer_nc if input_nc is None else input_nc, inner_nc, 4, 2, 1, bias=bias))
        if submodule is not None:
            layers += [submodule] if outermost else [norm_layer(inner_nc), submodule]
        layers += [nn.ReLU(True), nn.ConvTranspose2d(up_nc, outer_nc, 4, 2, 1, bias=outermost or bias)]
        layers.append(nn.Tanh() if outermost else norm_layer(outer_nc))
        if dropout:
            layers.append(nn.Dropout(0.5))
        self.model = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn (N, c, h, w) into (N, 2 * c, h, w), or an image into an image."""
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], dim=1)


class NLayerDiscriminator(nn.Module):
    """PatchGAN discriminator (Isola et al. 2017).

    Args:
        input_nc: Channels of the input.
        ndf: Width of the first layer.
        n_layers: Strided convolutions; two more follow.
        norm_layer: Class of the norm layers.
    """

    def __init__(
        self, input_nc: int, ndf: int = 64, n_layers: int = 3, norm_layer: type[nn.Module] = nn.BatchNorm2d
    ) -> None:
        super().__init__()
        bias = _inner_bias(norm_layer)
        layers: list[nn.Module] = [nn.Conv2d(input_nc, ndf, 4, 2, 1), nn.LeakyReLU(0.2, True)]
        width = ndf
        for number in range(1, n_layers + 1):
            wider = ndf * min(2**number, 8)
            stride = 2 if number < n_layers else 1
            layers += [nn.Conv2d(width, wider, 4, stride, 1, bias=bias), norm_layer(wider), nn.LeakyReLU(0.2, True)]
            width = wider
        layers.append(nn.Conv2d(width, 1, 4, 1, 1))
        self.model = nn.Sequential(*layers)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Judge (N, input_nc, H, W) patch by patch: (N, 1, h, w), logits."""
        return self.model(image)


class PixelDiscriminator(nn.Module):
    """PatchGAN with patches of one pixel.

    Its layers are in `net`, not `model`: checkpoints of this family are made so.

    Args:
        input_nc: Channels of the input.
        ndf: Width of the first layer.
        norm_layer: Class of the norm layers.
    """

    def __init__(self, input_nc: int, ndf: int = 64, norm_layer: type[nn.Module] = nn.BatchNorm2d) -> None:
        super().__init__()
        bias = _inner_bias(norm_layer)
        self.net = nn.Sequential(
            nn.Conv2d(input_nc, ndf, 1),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(ndf, 2 * ndf, 1, bias=bias),
            norm_layer(2 * ndf),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(2 * ndf, 1, 1, bias=bias),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Judge (N, input_nc, H, W) pixel by pixel: (N, 1, H, W), logits."""
        return self.net(image)
