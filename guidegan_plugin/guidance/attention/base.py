"""What an attention mechanism is: what falls out of a discriminator while it judges."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from guidegan_plugin.guidance.configurable import Configurable


class Attention(Configurable, ABC):
    """One way to read attention off a discriminator, which goes on answering as before.

    The tap on the discriminator sets ``listening`` before each call: a mechanism records only while it is set. One
    with ``needs_gradient`` reads the graph of that call, which the tap then sees to when it looks.

    Attributes:
        map_options: Fields of the config that change what a map means; options of the mechanism's own always do. Maps
            that were remembered under another value are refused when a training is resumed.
        changes_prediction: Whether the discriminator answers otherwise than without the mechanism.
        enters: Whether :meth:`enter` is to be called before every call of the discriminator.
    """

    map_options: ClassVar[tuple[str, ...]] = ()
    changes_prediction: ClassVar[bool] = False
    needs_gradient: bool = False
    listening: bool = False

    @abstractmethod
    def attach(self, discriminator: nn.Module) -> list[RemovableHandle]:
        """Register what it needs inside a discriminator.

        Hooks must be :class:`~guidegan_plugin.guidance.calls.copy_safe.Hook`, so that copies of the network are
        harmless.

        Raises:
            ConfigError: If the discriminator has no such layer.
        """

    @abstractmethod
    def take_maps(self, prediction: object) -> Tensor | None:
        """Maps of the call just made, and forget it.

        Args:
            prediction: What the discriminator answered.

        Returns:
            ``(N, 1, h, w)``, float32 in [0, 1], detached; None if the call did not pass the layer. A tensor of its
            own: a store holds it for some steps before it writes it, so nobody may change it later.
        """

    enters: ClassVar[bool] = False

    def enter(self, discriminator: nn.Module) -> None:
        """The discriminator is about to answer a call, whichever; asked for by ``enters``."""

    def forget(self) -> None:
        """Stop listening, and let go of what was recorded of a call that never came to its end."""
        self.listening = False

    def networks(self) -> dict[str, nn.Module]:
        """New networks this mechanism trains, by name; the guide appends the pair's."""
        return {}

    def call_through(self, networks: Mapping[str, nn.Module]) -> None:
        """Call new networks, by their names in :meth:`networks`, through what the host wrapped them in (DDP)."""

    @property
    def place(self) -> str:
        """Where it reads, in words."""
        return self.name
