"""How a pair reads its memory, and what counts as a judgement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import Tensor

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.guidance.calls.rows import KeyOf
from guidegan_plugin.guidance.concatenation.schedule import Schedule


@dataclass(frozen=True)
class Behaviour:
    """How a pair reads its memory.

    Attributes:
        cycle: What reconstruction and identity passes get: ``"ones"``, ``"source"`` or ``"off"``.
        random_first: Whether an image's first visit gets random noise instead of ones.
        align: Whether maps follow crop and flip.
        seed: Seed of the noise.
        testing: Whether the source gets the placeholder, too.
        memory: ``"image"`` for the map of the same image's previous visit, ``"batch"`` for one made in the same step.
        judged: What D is called with, from source and fake, for ``memory="batch"``; None for the fake.
        schedule: How maps go over into the placeholder; one a pair.
        affine: Whether D may be given the fake computed upon, too.
        mean: Whether the maps of an image judged several times in a visit are averaged.
        key_of: What else an image's map depends on.
        strict: Whether a pair that is not guided is an error.
        test_map: What stands for the map at test time: ``"ones"``, ``"mean"`` or ``"predict"``.

    Raises:
        ConfigError: If the memory is neither, or keeps nothing that the map at test time could be made of.
    """

    cycle: str = "ones"
    random_first: bool = False
    align: bool = True
    seed: int = 0
    testing: bool = False
    memory: str = "image"
    judged: Callable[[Tensor, Tensor], Tensor] | None = None
    schedule: Schedule = field(default_factory=Schedule)
    affine: bool = False
    mean: bool = False
    key_of: KeyOf | None = None
    strict: bool = False
    test_map: str = "ones"

    def __post_init__(self) -> None:
        if self.memory not in ("image", "batch"):
            raise ConfigError(f"memory: expected image or batch, found {self.memory!r}; change memory=")
        if self.memory == "batch" and self.test_map != "ones":
            raise ConfigError(
                f"test_map={self.test_map} is made of remembered maps, and memory='batch' remembers none; change "
                "test_map (--guide_test_map ones)"
            )
