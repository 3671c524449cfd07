"""The guidance of a class in words, for a dry run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from guidegan_plugin.attaching.pairs import Pair, Where
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.hosts.real_step import seen
from guidegan_plugin.plugins.host import Fact


def describe(pairs: Sequence[Pair], guides: Mapping[str, Guide], trained: bool) -> list[Fact]:
    """What is attached where.

    Args:
        pairs: Of the class.
        guides: By the pair's name, attached.
        trained: Whether a step was trained, so that something was seen.
    """
    return [fact for pair in pairs for fact in _of_pair(pair, guides[pair.name], trained)]


def _of_pair(pair: Pair, guide: Guide, trained: bool) -> list[Fact]:
    words = guide.pair
    if guide.attention is None:
        return [(f"pair {pair.name}", "none: the host runs as if we were not there")]
    facts = [
        (
            f"pair {pair.name}",
            f"{_named(pair.generator)} ({words['generator']}) reads {_named(pair.source) or 'what is loaded'}, keys "
            f"from {_named(pair.keys) or 'the files that are opened'}",
        ),
        ("", f"{_named(pair.discriminator)} ({words['discriminator']}) judges it"),
    ]
    read = f"{guide.attention.name}, read off {words['attention']}"
    if guide.latest is not None:
        read += f", maps {guide.latest.shape[-2]} x {guide.latest.shape[-1]}"
    facts.append(("attention", read))
    if guide.latest is not None and guide.latest[0].numel() == 1:
        facts.append(("warning", "a map of one place guides nowhere; change layer (--guide_layer)"))
    if trained:
        facts.append(seen(guide))
    if guide.latest is not None:
        facts.append(("stored", _size_of(guide, *guide.latest.shape[-2:])))
    facts.append(("blended", words["concatenation"]))
    return [*facts, *(("new network", name) for name in guide.networks())]


def _size_of(guide: Guide, height: int, width: int) -> str:
    """What the memory takes; how many images there are is nobody's to say."""
    facts = guide.statistics()
    return f"maps of {height} x {width}, {facts['bytes'] / max(facts['images'], 1):.0f} bytes an image"


def _named(where: Where | None) -> str:
    return where if isinstance(where, str) else "nothing" if where is None else "a function"
