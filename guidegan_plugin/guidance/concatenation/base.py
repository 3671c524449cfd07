"""What a concatenation is: how the transferred map enters the generator's input."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import ClassVar

from torch import Tensor, nn
from torch.optim import Optimizer


class Concatenation(ABC):
    """One way to blend a map into an image. One object serves one generator."""

    name: ClassVar[str]

    def __reduce__(self) -> tuple[type[Concatenation], tuple[()]]:
        # A pickled generator carries one along: how to blend, not what was adapted.
        return type(self), ()

    @abstractmethod
    def blend(self, images: Tensor, maps: Tensor) -> Tensor:
        """Concatenate x with T(A).

        Args:
            images: ``(N, C, H, W)``, in [-1, 1].
            maps: ``(N, 1, H, W)``, in [0, 1].

        Returns:
            ``(N, C', H, W)``, the dtype of ``images``, a new tensor.
        """

    def without_map(self, images: Tensor) -> Tensor:
        """What the generator gets where the input is to be left alone (``cycle=off``)."""
        return images

    def adapt(self, generator: nn.Module, optimizers: Iterable[Optimizer] = ()) -> None:  # noqa: B027 - optional
        """Make the generator take what :meth:`blend` returns; once, and undone by :meth:`restore`."""

    def restore(self) -> None:  # noqa: B027 - optional
        """Undo :meth:`adapt`; harmless without it."""

    @property
    def place(self) -> str:
        """Where the map enters, in words."""
        return self.name
