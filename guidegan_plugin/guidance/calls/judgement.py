"""What a discriminator was seen to say of a pair's fake."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from guidegan_plugin.guidance.calls.rows import Made


@dataclass(frozen=True, eq=False)
class Judgement:
    """The newest judgement of a pair's fake.

    Attributes:
        made: What was judged.
        maps: Where the discriminator looked, ``(N, 1, h, w)``, float32 in [0, 1], in the order of the bound images; of
            those judged only earlier in the visit the map of then, of those not judged ones.
        score: The mean of its prediction, one value, float32; None where nobody wants it.
        judged: Rows of the images that were judged so far in the visit; None where all were.
    """

    made: Made
    maps: Tensor
    score: Tensor | None
    judged: tuple[int, ...] | None = None
