"""From names to objects: a config and two networks become a guide."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from numbers import Real

import pluggy
from torch import Tensor
from torch.optim import Optimizer

from guidegan_plugin.attaching.attach_pairs import speed_up
from guidegan_plugin.attaching.given import check_how, expect
from guidegan_plugin.attaching.mechanism_options import build, check_names, warn_of_unused
from guidegan_plugin.config import GuideConfig
from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.attention.base import Attention
from guidegan_plugin.guidance.calls.behaviour import Behaviour
from guidegan_plugin.guidance.calls.binding import SourceBinding
from guidegan_plugin.guidance.calls.rows import KeyOf
from guidegan_plugin.guidance.calls.stages import Places, entry_and_exit, stages
from guidegan_plugin.guidance.concatenation.base import Concatenation
from guidegan_plugin.guidance.concatenation.schedule import Schedule
from guidegan_plugin.guidance.concatenation.transfer import Transfer
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.optimizers import as_optimizers
from guidegan_plugin.guidance.reports import Losses
from guidegan_plugin.plugins.listeners import Listeners
from guidegan_plugin.plugins.manager import create_manager, resolve
from guidegan_plugin.utils.random_states import networks_of_our_own

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GuideFactory:
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
    def open(
        cls, config: GuideConfig, manager: pluggy.PluginManager | None = None, binding: SourceBinding | None = None
    ) -> GuideFactory:
        """Resolve the config's names.

        Args:
            config: How the training is guided.
            manager: Whose plugins are known, by default ours and the installed ones.
            binding: Which tensor is which image, by default a new one.

        Raises:
            PluginError: If a name is unknown; the message lists the known ones.
            ConfigError: If an option of a mechanism is unknown, or has a value that cannot be.
        """
        manager = manager or create_manager()
        attention = None if config.attention == "none" else resolve(manager, "attention", config.attention, "attention")
        concatenation = resolve(manager, "concatenation", config.concat, "concat")
        transfer_kind: type[Transfer] = resolve(manager, "transfer", config.transfer, "transfer")
        check_names(manager, config)
        with networks_of_our_own():
            transfer = build(transfer_kind, config)
        if concatenation.weighs and next(transfer.parameters(), None) is not None:
            raise ConfigError(
                f"concat={config.concat} weighs a gradient, which trains no transfer block, found transfer="
                f"{config.transfer}; change transfer (--guide_transfer bilinear)"
            )
        if concatenation.weighs and config.test_map != "ones":
            raise ConfigError(
                f"concat={config.concat} leaves the generator's input alone, so no map is given at test time, found "
                f"test_map={config.test_map}; change test_map (--guide_test_map ones)"
            )
        return cls(
            config,
            attention,
            concatenation,
            transfer,
            binding or SourceBinding(),
            Listeners(manager),
        )

    def beside(self, other: Guide) -> GuideFactory:
        """The same, for a further pair of a training that has one already.

        Raises:
            ConfigError: If the pair there is has another transfer block.
        """
        if type(other.transfer) is not type(self.transfer):
            raise ConfigError(
                f"all pairs of a training share one transfer block, found {type(other.transfer).name!r} in pair "
                f"{other.name} and {self.config.transfer!r} beside it; change transfer= (--guide_transfer)"
            )
        return replace(self, transfer=other.transfer, binding=other.binding)

    def guide(
        self,
        generator: Places,
        discriminator: Places | None,
        name: str,
        testing: bool = False,
        memory: str = "image",
        judged: Callable[[Tensor, Tensor], Tensor] | None = None,
        progress: Callable[[int], float] | None = None,
        losses: Losses | None = None,
        key_of: KeyOf | None = None,
        later: int = 1,
    ) -> Guide:
        """Attach one pair; the generator is not widened yet (:meth:`Guide.adapt_generator`).

        Args:
            generator: G, as for :func:`attach`.
            discriminator: D, several where several judge G's output, None where there is none.
            name: Name of the pair.
            testing: Whether the source gets the placeholder, too.
            memory: As for :func:`attach`.
            judged: As for :func:`attach`.
            progress: From the number of batches bound to the share of the training done, for ``config.anneal``.
            losses: Says what the host's losses are, for monitors.
            key_of: As for :func:`attach`.
            later: Where there is no D yet, how many there will be.

        Raises:
            ConfigError: As :class:`Guide` and :class:`Schedule`.
        """
        config, parameter = self.config, next(entry_and_exit(generator)[0].module.parameters(), None)
        judges = later if discriminator is None else len(stages(discriminator))
        if parameter is not None:
            self.transfer.to(parameter.device)
        return Guide(
            generator,
            discriminator,
            None if self.attention is None else [build(self.attention, config) for _ in range(judges)],
            build(self.concatenation, config),
            self.transfer,
            _store_class(config.store)(config.store_device, config.store_dtype),
            name=name,
            behaviour=Behaviour(
                config.cycle,
                config.init == "random",
                config.align == "canonical",
                config.seed,
                testing,
                memory,
                judged,
                Schedule(config.dropout, config.anneal_span, config.seed, progress),
                config.judged == "affine",
                config.judges == "mean",
                key_of,
                config.strict,
                config.test_map,
            ),
            binding=self.binding,
            on_step=self.listeners.step,
            on_epoch=self.listeners.epoch,
            losses=losses,
        )


def _store_class(kind: str) -> type[AttentionStore]:
    """The memory that ``store`` asks for."""
    if kind == "memory":
        return AttentionStore
    from guidegan_plugin.guidance.memory.disk_store import DiskStore  # and SQLite

    return DiskStore


def share_of(total_steps: int | None) -> Callable[[int], float] | None:
    """From a number of steps to their share of the training; None where nobody knows how long it is.

    Raises:
        ConfigError: If a training has no step.
    """
    if total_steps is None:
        return None
    expect("total_steps", total_steps, Real, "a number of batches")
    if total_steps < 1:
        raise ConfigError(f"total_steps: expected a number of batches from 1, found {total_steps}; change total_steps=")
    return lambda steps: steps / total_steps


def attach(
    generator: Places,
    discriminator: Places,
    config: GuideConfig | None = None,
    plugins: Iterable[object] | None = None,
    *,
    name: str = "A",
    optimizers: Iterable[Optimizer] = (),
    beside: Guide | None = None,
    memory: str = "image",
    judged: Callable[[Tensor, Tensor], Tensor] | None = None,
    total_steps: int | None = None,
    key_of: KeyOf | None = None,
) -> Guide:
    """Guide one generator by the discriminator that judges it; then ``guide.bind(images, keys)`` once a batch.

    ``memory="batch"`` is for loaders that yield no keys: ``guide.bind(images)``, and G is guided by where D looks on
    what G makes of this very batch with the placeholder. Nothing is stored; each step costs one more forward of G and
    one of D, without gradient. Running statistics and random numbers of that extra pass do not reach the host.

    Args:
        generator: G. If the training calls a method of G in place of ``G(x)``, that method: ``net.translate``. If two
            stages translate, entry and exit: ``(gen_a.encode, gen_b.decode)``. What the entry returns is then the code
            of its images, and the fake is what the exit makes of that code, with noise added or not.
        discriminator: D, or several that judge G's output (``config.judges`` says how their maps are combined); a
            method of D where no method that the training calls goes through ``D.forward``.
        config: How; the defaults are the paper's PHA + RHP.
        plugins: Plugins beside the installed ones.
        name: Name of the pair.
        optimizers: The training's, if made already: they take up new parameters (T, M), and
            state of G's first convolution is widened with it (``concat="alpha"``).
        beside: Another pair of the same training, to share the transfer block and the binding with.
        memory: ``"image"``, the map of the same image's previous visit, or ``"batch"``.
        judged: With ``memory="batch"``: what D is called with, from source and fake, such as
            ``lambda source, fake: torch.cat([source, fake], 1)`` for a conditional D; by default the fake.
        total_steps: How often the whole training will bind this pair; needed by ``config.anneal`` alone. A resumed
            training counts on from what ``guide.load`` finds.
        key_of: What else an image's map depends on, decided at G's call: from the image's key and the call to the key
            under which the map is remembered, such as ``lambda key, call: f"{key} {call.args[1][call.row]}"`` for a
            generator that is also given a target.

    Returns:
        The guide, attached.

    Raises:
        ConfigError: If an argument is of another type, a network is guided already or lacks the layer, the name is
            taken or no word, no optimizer holds the parameters of the network that new ones belong to, or maps are to
            fade and ``total_steps`` is missing or below 1.
        PluginError: If a name is unknown.
    """
    if not isinstance(name, str) or not re.fullmatch(r"\w+", name):
        raise ConfigError(f"name: expected letters and digits, found {name!r}; change name=")
    expect("beside", beside, Guide, "the guide of another pair")
    judges = stages(discriminator)
    if not judges:
        raise ConfigError(
            "discriminator: expected the network that judges G's output, found none; change discriminator="
        )
    places = [place for place in (*entry_and_exit(generator), *judges) if place is not None]
    check_how(config, plugins, judged, key_of)
    config, manager, optimizers = config or GuideConfig(), create_manager(plugins or ()), as_optimizers(optimizers)
    factory = GuideFactory.open(config, manager)
    if beside is None:
        warn_of_unused(manager, config)
    else:
        factory = factory.beside(beside)
    guide = factory.guide(
        generator, judges, name, memory=memory, judged=judged, progress=share_of(total_steps), key_of=key_of
    )
    try:
        guide.adapt_generator(optimizers)
        speed_up(guide, factory.config, places, optimizers)
        if optimizers:
            guide.join(optimizers)
    except BaseException:
        guide.detach()
        raise
    if guide.networks() and not optimizers:
        new = ", ".join(guide.networks())
        _log.warning("pair %s: give the new parameters of guide.networks() (%s) to an optimizer", name, new)
    return guide
