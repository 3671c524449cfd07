"""Guide: one pair of a generator and the discriminator that judges it, put together from objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NoReturn

from torch import Tensor, nn
from torch.optim import Optimizer

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.attention.base import Attention
from guidegan_plugin.guidance.calls.attachment import Attachment
from guidegan_plugin.guidance.calls.batch_memory import BatchMemory, Fresh, ones_now
from guidegan_plugin.guidance.calls.behaviour import Behaviour
from guidegan_plugin.guidance.calls.binding import SourceBinding
from guidegan_plugin.guidance.calls.discriminator import DiscriminatorTap
from guidegan_plugin.guidance.calls.generator import GeneratorAdapter, PlaceholderBlend
from guidegan_plugin.guidance.calls.gradient_weights import weights_by
from guidegan_plugin.guidance.calls.row_maps import placeholder
from guidegan_plugin.guidance.calls.sharing import refuse_same_images
from guidegan_plugin.guidance.calls.stages import Places, Where
from guidegan_plugin.guidance.concatenation.base import Concatenation
from guidegan_plugin.guidance.concatenation.transfer import Transfer
from guidegan_plugin.guidance.guide_memory import GuideMemory
from guidegan_plugin.guidance.layers import unwrap
from guidegan_plugin.guidance.memory.store import AttentionStore
from guidegan_plugin.guidance.memory.view import View
from guidegan_plugin.guidance.optimizers import TRANSFER, as_optimizers, new_networks, place, suffixes
from guidegan_plugin.guidance.reports import EpochReport, Losses, Reporter, StepReport
from guidegan_plugin.guidance.test_time.given_map import given_map
from guidegan_plugin.guidance.test_time.standalone import Standalone, standalone


class Guide(GuideMemory, AbstractContextManager["Guide"]):
    """One guided pair. Attached from its construction to :meth:`detach`; also a context manager.

    Args:
        generator: G, called by the host as before; if wrapped (``DataParallel``), the wrapper it calls. Where it calls
            a method, ``net.encode``; where two stages translate, ``(gen_a.encode, gen_b.decode)``.
        discriminator: The D that judges G's output, several where several do, or None where there is none (test time).
        attention: Reads maps off D, one for each D; None attaches nothing at all, neither to D nor to G.
        concatenation: Blends maps into G's input.
        transfer: T, one for all pairs.
        store: Remembers maps.
        name: Name of the pair.
        behaviour: How the memory is read.
        binding: Shared by the pairs of one training.
        on_step: Called with a report when a visit is over, at the next :meth:`bind`.
        on_epoch: Called with a report by :meth:`end_epoch`.
        losses: Says what the host's losses are, for reports.

    Raises:
        ConfigError: If a network is guided already or lacks the layer; nothing stays attached then.
    """

    def __init__(
        self,
        generator: Places,
        discriminator: Places | None,
        attention: Attention | Sequence[Attention] | None,
        concatenation: Concatenation,
        transfer: Transfer,
        store: AttentionStore,
        *,
        name: str = "A",
        behaviour: Behaviour | None = None,
        binding: SourceBinding | None = None,
        on_step: Callable[[StepReport], None] | None = None,
        on_epoch: Callable[[EpochReport], None] | None = None,
        losses: Losses | None = None,
    ) -> None:
        self.name, self.store, self.transfer, self.binding = name, store, transfer, binding or SourceBinding()
        self._attentions = [attention] if isinstance(attention, Attention) else list(attention or ())
        self.concatenation, how = concatenation, behaviour or Behaviour()
        self._reporter = Reporter(name, on_step, on_epoch, losses, concatenation, how.strict)
        self._schedule = how.schedule
        self._fresh: Fresh | None = None
        if how.memory == "batch":
            own = BatchMemory(self.look, name, self.binding, how.judged)
            self._fresh = ones_now if concatenation.weighs else own
        self.given = given_map(how.test_map, name, store)
        self._blend = PlaceholderBlend(concatenation, transfer, given=self.given)
        adapter = GeneratorAdapter(name, self.binding, store, self._blend, how, self._fresh)
        weights_of = weights_by(concatenation.gradient_weights, transfer) if concatenation.weighs else None
        taps = [
            DiscriminatorTap(name, self.binding, store, one, on_step is not None, how.affine, how.mean, weights_of)
            for one in self._attentions
        ]
        self.binding.claim(name)
        try:
            self._attachment = Attachment(name, generator, adapter, taps, discriminator)
        except BaseException:
            self.binding.forget(name)
            raise

    def __reduce__(self) -> NoReturn:
        raise ConfigError(
            "a Guide belongs to its networks and cannot be copied or pickled; copy the networks, which then compute "
            "what test time does, and keep the memory with guide.save(path)"
        )

    def __exit__(self, *error: object) -> None:
        self.detach()

    @property
    def attention(self) -> Attention | None:
        """The mechanism that reads maps off the first D; None with nothing attached."""
        return next(iter(self._attentions), None)

    @property
    def generator(self) -> nn.Module:
        """The generator as the host calls it; of two stages the one that is entered."""
        return self._attachment.generator

    @property
    def judges(self) -> list[nn.Module]:
        """The discriminators that are watched, as the host calls them."""
        return self._attachment.discriminators

    @property
    def pair(self) -> dict[str, str]:
        """What is attached where, in words: generator, discriminator, attention, concatenation."""
        discriminator = self._attachment.discriminator
        return {
            "generator": self._attachment.way,
            "discriminator": "none" if discriminator is None else type(unwrap(discriminator)).__name__,
            "attention": "none" if self.attention is None else self.attention.place,
            "concatenation": self.concatenation.place,
        }

    def adapt_generator(self, optimizers: Iterable[Optimizer] = ()) -> None:
        """Make G take the blended input; by itself, since some hosts initialise their networks later."""
        if self.attention is not None:
            self.concatenation.adapt(self._attachment.generator, optimizers)

    def watch(self, *discriminators: Where) -> None:
        """Tap the discriminators that judge G's output; done by the construction where there are some already.

        Raises:
            ConfigError: If some are tapped already, they are more or fewer than the mechanisms, or one is guided
                already or lacks the layer; all are untouched then.
        """
        self._attachment.watch(*discriminators)

    def follow(self, generator: Places, *discriminators: Where) -> None:
        """Go over to wrappers of the same networks, compiled or DataParallel, which the host calls from now on.

        Raises:
            ConfigError: If one is guided already or lacks the layer; the guide goes on as before then.
        """
        self._attachment.follow(generator, *discriminators)

    def is_on(self, generator: Places, *discriminators: Where) -> bool:
        """Whether these are the very networks, and methods, that are met."""
        return self._attachment.is_on(generator, *discriminators)

    def bind(
        self,
        images: Tensor,
        keys: Sequence[str] | Tensor | None = None,
        view: View | None = None,
        remember: Sequence[bool] | None = None,
    ) -> None:
        """Say which source images a tensor holds: the one line a training loop adds.

        Args:
            images: ``(N, C, H, W)``, what G will be called with, or what that is then made of.
            keys: N keys, by convention paths relative to the data root; None where ``memory="batch"`` needs none.
            view: Crop and flip each image is seen under, or None.
            remember: Whether each image's map is to be stored, by default all; a distributed sampler's padding is not.

        Raises:
            ConfigError: If the counts differ, keys are missing, the images are none, or another pair of this generator
                has bound them.
        """
        if self.binding.lineage.watching:  # what is asked of the images from here on is nothing to note
            self.binding.lineage.pause()
        if not isinstance(images, Tensor) or not images.dim():
            found = f"a tensor of {tuple(images.shape)}" if isinstance(images, Tensor) else type(images).__name__
            raise ConfigError(f"bind: expected images (N, C, H, W), found {found}; change images=")
        if keys is None and self._fresh is None:
            raise ConfigError("bind: keys are missing; change keys=, or attach(memory='batch') where a loader has none")
        if self.binding.shared:
            refuse_same_images(self.binding, self.name, images)
        over, newest = self.binding.visits.get(self.name), self.binding.newest.get(self.name)
        output = self.binding.translation(self.name) if self._reporter.listened else None
        if self._attentions:
            self._reporter.step(over, self._attachment, newest, output, images)
        self.binding.bind(self.name, images, keys if self._fresh is None else None, view, remember)
        self._schedule.steps += 1

    def look(self, images: Tensor) -> tuple[Any, Tensor]:
        """Where D looks, without gradient and without remembering it.

        Args:
            images: ``(N, C, H, W)``, what D judges.

        Returns:
            D's prediction, and maps ``(N, 1, h, w)``, float32 in [0, 1].

        Raises:
            ConfigError: If this guide has no discriminator.
        """
        return self._attachment.look(images)

    def test_maps(self, images: Tensor, view: View | None = None) -> Tensor:
        """What stands for the maps of images at test time, as ``test_map`` says.

        Args:
            images: ``(N, C, H, W)``, what G translates.
            view: Crop and flip each image is seen under, where that is known.

        Returns:
            ``(N, 1, h, w)``, float32 in [0, 1]; of one cell for ones.

        Raises:
            StoreError: If what makes them is missing or foreign.
        """
        maps = None if self.given is None else self.given(images, view)
        return placeholder(images) if maps is None else maps

    def standalone(self) -> Standalone:
        """G as test time uses it, with T and what stands for the map, copied into one plain module.

        ``torch.export.export(guide.standalone(), (images,))`` makes one file of it that needs no plugin.

        Raises:
            ConfigError: If G is no single network.
            StoreError: If what makes the map is missing or foreign.
        """
        return standalone(self.name, self._attachment.way_in, self._attachment.leaves, self._blend)

    @property
    def latest(self) -> Tensor | None:
        """Maps of the newest judgement, ``(N, 1, h, w)``, float32 in [0, 1]; None before the first."""
        newest = self.binding.newest.get(self.name)
        return None if newest is None else newest.maps.clone()  # the store holds the maps themselves

    def networks(self) -> dict[str, nn.Module]:
        """New networks with parameters, by name: they belong into the host's optimizers and checkpoints.

        None with nothing attached.
        """
        return new_networks(self.name, self.transfer, self._attentions) if self._attentions else {}

    def join(self, optimizers: Iterable[Optimizer]) -> None:
        """Give new parameters to the optimizers that train the networks they serve.

        Raises:
            ConfigError: If no optimizer does, or they are none.
        """
        self.concatenation.follow(optimizers := as_optimizers(optimizers))
        if self._attentions:
            met = self._attachment.generator, self.judges
            self.binding.joined.update(place(self.name, self.transfer, self._attentions, *met, optimizers))

    def call_through(self, networks: Mapping[str, nn.Module]) -> None:
        """Call new networks, by their names in :meth:`networks`, through what the host wrapped them in (DDP)."""
        self._blend.transfer = networks.get(TRANSFER, self._blend.transfer)
        for attention, suffix in suffixes(self.name, self._attentions):
            own = {name.removesuffix(suffix): network for name, network in networks.items() if name.endswith(suffix)}
            attention.call_through(own)

    def detach(self) -> None:
        """Restore both networks, and the optimizers that new ones joined, to what they were; twice is fine."""
        self._reporter.detach(self.binding.current(self.name))
        self._attachment.remove()
        self.concatenation.restore()
        self.binding.forget(self.name)
        kept = {TRANSFER} if self.binding.translators else set()  # it serves the other pairs
        for name in self.binding.joined.keys() & self.networks().keys() - kept:
            self.binding.joined.pop(name).leave()
