"""What a dry run saw of one pair in a real step, in images: how many were bound, read and judged."""

from __future__ import annotations

from guidegan_plugin.guidance.calls.binding import Visit
from guidegan_plugin.guidance.calls.unguided import cause
from guidegan_plugin.guidance.guide import Guide
from guidegan_plugin.plugins.host import Fact

PATIENCE = 3
"""Steps after which a pair that nobody was seen to judge is not guided."""


def is_judged(guide: Guide) -> bool:
    """Whether the discriminator was seen to judge what the generator made of the batch under way."""
    visit = guide.binding.current(guide.name)
    return visit is not None and visit.judged


def seen(guide: Guide) -> Fact:
    """How many images of the batch under way came how far."""
    visit = guide.binding.current(guide.name)
    bound, read, judged = (0, 0, 0) if visit is None else (visit.shape[0], _read(visit), _judged(visit))
    return "seen", f"bound {bound}, read {read}, judged {judged} in one step on real data"


def not_guided(guide: Guide) -> str:
    """Why a pair is not guided and what helps, in one line; "" where it is guided."""
    visit = guide.binding.current(guide.name)
    if visit is not None and visit.judged:
        return ""
    if visit is None:
        return (
            f"pair {guide.name} is not guided: no generator call took the source, so nothing was bound; change source= "
            "to the tensor that the generator is called with, or call bind(images, keys)"
        )
    return f"pair {guide.name} is not guided: in a real step {cause(visit)}"


def _read(visit: Visit) -> int:
    """Images of which the generator made something with a map blended in."""
    rows = {row.index for _, made in visit.fakes for row in made.rows if row is not None and row.visit is visit}
    return 0 if visit.maps is None else len(rows)


def _judged(visit: Visit) -> int:
    """Images whose fake was judged; where nothing is remembered, all that were read."""
    return len({row for row, _ in visit.judgements}) if visit.judgements else _read(visit) * visit.judged
