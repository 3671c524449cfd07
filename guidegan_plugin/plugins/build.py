"""From names to objects: a config and two networks become a guide."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pluggy
from torch import nn
from torch.optim import Optimizer

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.attention import Attention
from guidegan_plugin.guidance.concatenation import Concatenation
from guidegan_plugin.guidance.guide import Behaviour, Guide
from guidegan_plugin.guidance.source import SourceBinding
from guidegan_plugin.guidance.store import AttentionStore
from guidegan_plugin.guidance.transfer import Transfer
from guidegan_plugin.plugins.manager import create_manager, resolve
from guidegan_plugin.plugins.monitors import Listeners


@dataclass(frozen=True)
class Workshop:
    """Makes the guides of one training: what the pairs share, and how each gets its own.

    Attributes:
        config: How the training is guided.
        attention: Class of the mechanism, None for ``attention="none"``.
        concatenation: Class of the concatenation.
        transfer: T, shared by all pairs.
        binding: Which tensor is which image, shared by all pairs.
        listeners: Who hears of the training.
    """

    config: GuideConfig
    attention: type[Attention] | None
    concatenation: type[Concatenation]
    transfer: Transfer
    binding: SourceBinding
    listeners: Listeners

    @classmethod
    def open(cls, config: GuideConfig, manager: pluggy.PluginManager | None = None) -> Workshop:
        """Resolve the config's names.

        Raises:
            PluginError: If a name is unknown; the message lists the known ones.
        """
        manager = manager or create_manager()
        transfer: Transfer = resolve(manager, "transfer", config.transfer, "transfer")()
        return cls(
            config,
            None if config.attention == "none" else resolve(manager, "attention", config.attention, "attention"),
            resolve(manager, "concatenation", config.concat, "concat"),
            transfer,
            SourceBinding(),
            Listeners(manager),
        )

    def guide(self, generator: nn.Module, discriminator: nn.Module | None, name: str, testing: bool = False) -> Guide:
        """Attach one pair; the generator is not widened yet (:meth:`Guide.adapt_generator`).

        Args:
            generator: G.
            discriminator: D, None where there is none.
            name: Name of the pair.
            testing: Whether the source gets the placeholder, too.

        Raises:
            ConfigError: As :class:`Guide`.
        """
        config = self.config
        return Guide(
            generator,
            discriminator,
            None if self.attention is None else self.attention.from_config(config),
            self.concatenation(),
            self.transfer,
            AttentionStore(config.store_device, config.store_dtype),
            name=name,
            behaviour=Behaviour(
                config.cycle, config.init == "random", config.align == "canonical", config.seed, testing
            ),
            binding=self.binding,
            on_step=self.listeners.step,
            on_epoch=self.listeners.epoch,
        )


def attach(
    generator: nn.Module,
    discriminator: nn.Module,
    config: GuideConfig | None = None,
    plugins: Iterable[object] | None = None,
    *,
    name: str = "A",
    optimizers: Iterable[Optimizer] = (),
) -> Guide:
    """Guide one generator by the discriminator that judges it; then ``guide.bind(images, keys)`` once a batch.

    Args:
        generator: G.
        discriminator: D.
        config: How; the defaults are the paper's PHA + RHP.
        plugins: Plugins beside the installed ones.
        name: Name of the pair.
        optimizers: Optimizers that may already hold state of G's first convolution (``concat="alpha"``).

    Returns:
        The guide, attached.

    Raises:
        ConfigError: If a network is guided already, or lacks the layer.
        PluginError: If a name is unknown.
    """
    config = config or GuideConfig()
    guide = Workshop.open(config, create_manager(plugins or ())).guide(generator, discriminator, name)
    try:
        guide.adapt_generator(optimizers)
    except ConfigError:
        guide.detach()
        raise
    return guide
