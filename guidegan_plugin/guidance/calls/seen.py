"""What was observed of a visit, so that a warning can name the true cause."""

from __future__ import annotations

import weakref
from dataclasses import dataclass

import torch

Stranger = tuple[torch.Size, torch.dtype, torch.device, weakref.ReferenceType[torch.Tensor]]
"""Shape, type and device of a tensor, and the tensor, weakly."""


@dataclass
class Seen:
    """What was observed of a visit, to say why it was not guided.

    Attributes:
        generated: Calls of the generator.
        stranger: Shape, type and device of what the generator was called with, where that was nothing of the visit, and
            the tensor itself, weakly.
        in_eval: Whether the generator was in eval mode when it was called, though gradients were wanted.
        sample: Whether it was a sample that a script shows between its steps, and no visit of a training.
        judgements: Calls of the discriminator with something that has a gradient.
        obstacle: The operation that stood between the fake and what the discriminator was called with.
        affine: Whether operations that leave every pixel about where it was were passed on the way there.
        answered: What the discriminator answered, in words, where no map could be made of the answer.
        left: Calls of the generator's exit with nothing of the code.
        between: The operation that stood between the code and what the exit was called with.
    """

    generated: int = 0
    stranger: Stranger | None = None
    in_eval: bool = False
    sample: bool = False
    judgements: int = 0
    obstacle: str = ""
    affine: bool = False
    answered: str = ""
    left: int = 0
    between: str = ""
