"""All pairs of a training are guided together, and what speeds it up acts inside of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from torch.optim import Optimizer

from guidegan_plugin.config import GuideConfig
from guidegan_plugin.fast.speedups import Speedups
from guidegan_plugin.guidance.calls.stages import Stage
from guidegan_plugin.guidance.guide import Guide

_OWN_LOADER = "nobody has given us the loader; make it with DataLoader(pin_memory=True, persistent_workers=True)"


def speed_up(guide: Guide, config: GuideConfig, places: Iterable[Stage], optimizers: Iterable[Optimizer]) -> None:
    """Let the pieces of ``config.fast`` act on a pair's networks and optimizers until its guide is detached."""
    if not config.fast_pieces:
        return
    companions = guide.binding.companions
    first = not companions
    # There before it acts, so that a guide that is detached half way undoes what was done by then.
    speedups = companions[guide.name] = Speedups(places, optimizers, guide.binding, f"pair {guide.name}: ")
    speedups.act(config.fast_pieces, {"loading": _OWN_LOADER}, says_why_not=first)


def attach_pairs(
    pairs: Mapping[str, tuple[Sequence[Stage], Sequence[Stage]]],
    make: Callable[[str, Sequence[Stage], Sequence[Stage]], Guide],
    config: GuideConfig,
    optimizers: Sequence[Optimizer],
) -> dict[str, Guide]:
    """Guide all pairs of a training, or none.

    Args:
        pairs: Where each generator and its discriminators are met, by the pair's name.
        make: Makes one guide.
        config: How the training is guided.
        optimizers: Those there are by now.

    Returns:
        Guides by the pair's name, generators adapted.

    Raises:
        GuideError: If one cannot be guided.
    """
    guides: dict[str, Guide] = {}
    try:
        for name, (generator, judges) in pairs.items():
            guides[name] = make(name, generator, judges)
            guides[name].adapt_generator(optimizers)
        for name, (generator, judges) in pairs.items():  # once all are attached, since fast acts inside of all of them
            speed_up(guides[name], config, (*generator, *judges), optimizers)
    except BaseException:  # Ctrl-C, too
        for guide in guides.values():
            guide.detach()
        raise
    return guides
