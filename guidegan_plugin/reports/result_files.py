"""Result files, as ``guidegan evaluate ... --json`` writes them."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from guidegan_plugin.errors import ConfigError, DataError
from guidegan_plugin.utils.listing import visible_files
from guidegan_plugin.utils.progress import progress

_log = logging.getLogger(__name__)

FCN_SCORES = ("per_pixel_accuracy", "per_class_accuracy", "class_iou")
ATTENTION_SCORES = ("pointing_game", "energy", "auc", "iou")
TABLE_LABELS = ("setting", "epoch", "dataset", "direction", "method", "seed")
# Scores made by different ones of these are never beside one another in a column.
_EVALUATOR = ("features", "weights_sha256", "resize", "segmenter", "segmenter_sha256", "palette")
# Where these differ scores can be compared, but a reader wants to know.
_CIRCUMSTANCES = ("images", "subsets", "subset_size", "resized", "versions")


@dataclass(frozen=True)
class Result:
    """One result file.

    Attributes:
        path: of the file.
        metric: ``kid``, ``fcn`` or ``attention``.
        title: of the score: ``KID``, ``KID (features: X)``, ``FCN scores``, ``Attention quality``.
        labels: what ``--label`` said; one line each, printable.
        scores: by name; ``target``, ``source``, ``mean`` (KID x 100) and ``fid``, or those of fcn and attention.
        spreads: standard deviation over subsets x 100, of KID.
        evaluator: what the scores were made with, as far as the file says, as pairs of name and value.
        circumstances: other facts that a difference may come from, as JSON.
    """

    path: Path
    metric: str
    title: str
    labels: Mapping[str, str]
    scores: Mapping[str, float]
    spreads: Mapping[str, float]
    evaluator: tuple[tuple[str, str], ...]
    circumstances: Mapping[str, str]


@dataclass(frozen=True)
class Skipped:
    """A JSON file that is no result, and why."""

    path: Path
    reason: str


def read_results(places: Sequence[Path]) -> tuple[list[Result], list[Skipped]]:
    """Read every result file at or below some places; what is none is named in a warning and skipped.

    Args:
        places: folders, searched for ``*.json`` recursively, hidden files and subfolders aside, or result files.

    Returns:
        The results in the order of their paths, and what was skipped.

    Raises:
        ConfigError: a place does not exist.
        DataError: there is no result at all; or two have the same labels, seed included, so that an average would count
            one run twice.
    """
    results: list[Result] = []
    skipped: list[Skipped] = []
    foreign: list[Path] = []
    once = {path.resolve(): path for path in _files(places)}  # a place may be given twice, or lie in another
    for path in progress(sorted(once.values()), "reading results"):
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            if not isinstance(found, dict) or "metric" not in found:
                foreign.append(path)
                continue
            results.append(_parse(path, found))
        except (DataError, OSError, ValueError, RecursionError, OverflowError) as error:
            reason = str(error) if isinstance(error, DataError) else f"torn, or no JSON ({type(error).__name__})"
            _log.warning("skipped %s: %s", path, reason)
            skipped.append(Skipped(path, reason))
    if foreign:
        more = f"; nor are {len(foreign) - 1} other JSON files" if foreign[1:] else ""
        skipped.append(Skipped(foreign[0], f"no result of guidegan evaluate (no key metric){more}"))
        _log.warning("skipped %s: %s", skipped[-1].path, skipped[-1].reason)
    if not results:
        known = f"; the first of {len(skipped)} skipped: {skipped[0].path}: {skipped[0].reason}" if skipped else ""
        names = ", ".join(map(str, places))
        raise DataError(f"no results of guidegan evaluate --json in {names}{known}; change DIR")
    _refuse_twice(results)
    return results, skipped


def _files(places: Sequence[Path]) -> Iterator[Path]:
    for place in places:
        if place.is_dir():
            yield from (path for path in visible_files(place, deep=True) if path.suffix == ".json" and path.is_file())
        elif place.exists():
            yield place
        else:
            raise ConfigError(f"{place} does not exist; change DIR")


def _refuse_twice(results: Iterable[Result]) -> None:
    seen: dict[tuple[object, ...], Result] = {}
    for result in results:
        key = result.title, result.evaluator, *(result.labels.get(label, "") for label in TABLE_LABELS)
        other = seen.setdefault(key, result)
        if other is not result:
            raise DataError(
                f"{other.path} and {result.path} are both {result.title} of method {result.labels['method']!r}, with"
                f" the same {', '.join(TABLE_LABELS)}; remove one, or evaluate with another --label seed="
            )


def _parse(path: Path, found: Mapping[str, object]) -> Result:
    metric = found["metric"]
    labels = found.get("labels")
    if not isinstance(labels, dict) or not labels.get("method"):
        raise DataError("no label method; evaluate with --label method=NAME")
    spreads: dict[str, float] = {}
    if metric == "kid":
        title = _kid_title(found)
        scores = _kid(found, "kid_x100")
        spreads = _kid(found, "std_x100")
        scores |= _numbers(found, ("fid",))
    elif metric == "fcn":
        title, scores = "FCN scores", _numbers(found, FCN_SCORES)
    elif metric == "attention":
        title, scores = "Attention quality", _numbers(found, ATTENTION_SCORES)
    else:
        raise DataError(f"unknown metric {one_line(metric)!r}; known are kid, fcn, attention")
    if not scores:
        raise DataError(f"no scores of {metric} in it")
    return Result(
        path=path,
        metric=str(metric),
        title=title,
        labels={one_line(key): one_line(value) for key, value in labels.items()},
        scores=scores,
        spreads=spreads,
        evaluator=_evaluator(found),
        circumstances=_circumstances(found),
    )


def _circumstances(found: Mapping[str, object]) -> dict[str, str]:
    facts = {key: found.get(key) for key in _CIRCUMSTANCES}
    if isinstance(images := facts["images"], dict):
        # Another number of sources is no difference to who was scored against the target alone.
        facts["images"] = {name: count for name, count in images.items() if name != "source"}
    return {key: json.dumps(value, sort_keys=True) for key, value in facts.items()}


def _evaluator(found: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    facts = {key: one_line(found[key]) for key in _EVALUATOR if found.get(key) is not None}
    if "segmenter_sha256" in facts:  # the same weights may lie at another path
        facts.pop("segmenter", None)
    return tuple(facts.items())


def _kid_title(found: Mapping[str, object]) -> str:
    """Only the Inception network's score is called plainly KID, whatever else a file says."""
    features = one_line(found.get("features", ""))
    if features == "inception" and found.get("title", "KID") == "KID":
        return "KID"
    return f"KID (features: {features or 'unknown'})"


def _kid(found: Mapping[str, object], what: str) -> dict[str, float]:
    numbers = {}
    for side in ("target", "source", "mean"):
        part = found.get(side)
        if part is None:
            continue
        if not isinstance(part, dict) or what not in part:
            raise DataError(f"{side} has no {what}")
        numbers[side] = _number(part[what], f"{side}'s {what}")
    return numbers


def _numbers(found: Mapping[str, object], keys: Sequence[str]) -> dict[str, float]:
    return {key: _number(found[key], key) for key in keys if found.get(key) is not None}


def _number(value: object, name: str) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        raise DataError(f"{name} is no finite number: {one_line(value)}")
    return float(value)


def one_line(value: object) -> str:
    """Show anything as one printable line of at most 200 characters: labels come from files of anybody's."""
    text = "".join(character if character.isprintable() else " " for character in str(value))
    return " ".join(text.split())[:200]
