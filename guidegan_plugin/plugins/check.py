"""What one check found."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from guidegan_plugin.errors import GuideError

Status = Literal["ok", "warning", "failure"]


@dataclass(frozen=True)
class Check:
    """What one check found.

    Attributes:
        name: What was looked at.
        status: ``warning`` where something optional is missing, ``failure`` where a training or a command cannot work.
        found: What is so, in words.
        cure: What to do about it; empty where there is nothing to do.
    """

    name: str
    status: Status
    found: str
    cure: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON."""
        return asdict(self)


def failed(name: str, error: GuideError) -> Check:
    """A failure from an error of ours, whose message ends with its cure behind the last semicolon.

    Args:
        name: What was looked at.
        error: What was raised.
    """
    found, _, cure = str(error).rpartition("; ")
    return Check(name, "failure", found or cure, cure if found else "")
