"""Generators that are told a target domain: an image has a map for each target."""

from __future__ import annotations

import weakref

from torch import Tensor

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.rows import SourceCall


class LabelledKey:
    """A pair's ``key_of`` that adds the target domain: ``celeba/7.jpg#01001`` for labels of zeros and ones.

    Args:
        place: Which of the generator's positional arguments is the label, ``(N, L)`` or ``(N,)``.
    """

    def __init__(self, place: int = 1) -> None:
        self._place = place
        self._read: tuple[weakref.ReferenceType[Tensor], int] | None = None  # labels read last, and their version
        self._texts: list[str] = []

    def __call__(self, key: str, call: SourceCall) -> str:
        """The image's key with the target's label behind it.

        Raises:
            ConfigError: If the generator was called without a label for each image.
        """
        label = call.args[self._place] if len(call.args) > self._place else None
        if not isinstance(label, Tensor) or label.dim() == 0 or len(label) <= call.row:
            found = tuple(label.shape) if isinstance(label, Tensor) else type(label).__name__
            raise ConfigError(
                f"argument {self._place + 1} of the generator: expected a label for each image, found {found}; name "
                "other networks (--guide_pairs)"
            )
        return f"{key}#{self._of(label)[call.row]}"

    def _of(self, labels: Tensor) -> list[str]:
        """The labels as text, read once for all rows of a batch, since a device is waited for."""
        if self._read is None or self._read[0]() is not labels or self._read[1] != labels._version:
            self._read = weakref.ref(labels), labels._version
            self._texts = [_text(row) for row in labels.detach().reshape(len(labels), -1).tolist()]
        return self._texts


def _text(values: list[float]) -> str:
    """Digits where a label has no others than zeros and ones, else numbers with commas between."""
    return ("" if set(values) <= {0, 1} else ",").join(f"{value:g}" for value in values)
