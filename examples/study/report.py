"""A study's report, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from intervals import worth
from measures import Measure, criterion, measures_of
from settings import BARE, Method, Study
from tables import MOMENTS, outside_zero
from words import overview, summary

MEANINGS = {
    ("shapes", "A->B"): ", plain to striped",
    ("shapes", "B->A"): ", striped to plain",
    ("camvid", "A->B"): ", label map to photo",
    ("camvid", "B->A"): ", photo to label map",
}


def markdown(study: Study, told: Mapping[str, Any]) -> str:
    """The report.

    Args:
        study: The study.
        told: What `report.json` holds.
    """
    return (
        "\n".join(
            [*_head(study, told), *_findings(study, told), *_body(study, told), *_times(told), *_foot(study, told)]
        )
        + "\n"
    )


def picture_name(kind: str, direction: str) -> str:
    """The file of a direction's `samples`, `maps` or `curves`, beside the report."""
    return f"{kind}_{direction.replace('->', '_to_')}.png"


def _head(study: Study, told: Mapping[str, Any]) -> Iterator[str]:
    yield f"# {study.title}"
    yield ""
    yield summary(study, told["table"])
    yield ""
    yield from overview(study, told["table"])
    yield f"    {told['command']}"
    yield ""
    data = study.data
    made = f", {data.train} to train with, seed {data.seed}" if data.kind == "shapes" else ""
    yield f"- Data: {data.kind}, {data.size} px{made}; at most {data.test} test images a domain."
    yield f"- Host: {study.host.name}; epochs tested: {', '.join(map(str, study.epochs))}."
    for method in study.methods:
        yield f"- `{method.name}`: {_as_typed(study, method)}"
    if study.seed_option:
        yield f"- Seeds {', '.join(map(str, study.seeds))}; one seed starts all methods alike (--{study.seed_option})."
    else:
        yield "- The host takes no seed: runs under one study seed begin differently, paired in name only."
    yield f"- Judge: {_judge(told['judge'])}."
    if told["missing"]:
        yield f"- **Not complete**: {'; '.join(told['missing'])}."
    yield from _mixture(told)
    yield ""


def _as_typed(study: Study, method: Method) -> str:
    """The model, and the options by which a method differs from those of other systems."""
    systems = [{**one.system.options, **one.system.train_options} for one in study.methods]
    own = {**method.system.options, **method.system.train_options}
    own = {name: value for name, value in own.items() if any(other.get(name) != value for other in systems)}
    guide = {f"guide_{name}": value for name, value in method.options.items()}
    words = [f"--{name}" if value is True else f"--{name} {value}" for name, value in {**own, **guide}.items()]
    model = f"--model {'guide_' if method.guided else ''}{method.system.model}"
    return " ".join([model, *words]) + ("" if method.guided else ", the host without guidance")


def _mixture(told: Mapping[str, Any]) -> Iterator[str]:
    """In what runs differ from each other, or from what writes the report, though nothing of it is a setting."""
    # Results of before this was kept have nothing to tell.
    made = {f"{run['method']}, seed {run['seed']}": run.get("made_with") or {"": {}} for run in told["runs"]}
    for fact in sorted({fact for steps in made.values() for facts in steps.values() for fact in facts}):
        by_value: dict[str, list[str]] = {}
        for run, steps in made.items():
            values = dict.fromkeys(facts.get(fact, "unknown") for facts in steps.values())
            by_value.setdefault(", then ".join(values), []).append(run)
        if fact in told["versions"]:
            by_value.setdefault(told["versions"][fact], []).append("this report")
        if len(by_value) > 1 or ", then " in next(iter(by_value)):
            yield f"- **Not of one {fact}**: " + "; ".join(
                f"{value} ({'; '.join(of) if len(of) < len(made) or len(made) == 1 else 'all runs'})"
                for value, of in by_value.items()
            )


def _judge(judge: Mapping[str, Any]) -> str:
    parts = []
    if "classifier" in judge:
        about = judge["classifier"]
        parts.append(
            f"a {about['name']} ({about['images']} images of its own draw; right on {about['held_out_accuracy']:.3f} "
            f"of {about['held_out']} held-out ones): its KID is comparable with nothing outside this study"
        )
    if "segmenter" in judge:
        about = judge["segmenter"]
        parts.append(
            f"a {about['name']} ({about['images']} training photos, {about['size']} px, {about['passes']} passes)"
        )
    return "; ".join(parts) or f"features {judge['kid']['features']}"


def _findings(study: Study, told: Mapping[str, Any]) -> Iterator[str]:
    seeds = len(study.seeds)
    yield "## In short"
    yield ""
    yield worth(seeds)
    found = outside_zero(study, told["table"])
    yield "Differences at the last epoch whose interval does not reach zero:" + ("" if found else " none.")
    yield ""
    yield from [f"- {line}" for line in found]
    yield from [""] if found else []
    chosen = criterion(study)
    yield f"The best epoch is chosen on the test set, for each run and direction, by {chosen.key}; that flatters all."
    yield ""


def _body(study: Study, told: Mapping[str, Any]) -> Iterator[str]:
    for direction in study.directions:
        yield f"## {direction}{MEANINGS.get((study.data.kind, direction), '')}"
        yield ""
        yield from _pictures(study, told, direction)
        rows = told["table"]["figures"][direction]
        for measure in measures_of(study):
            if measure.key in rows:
                anchors = {
                    name: by[direction].get(measure.key) for name, by in told["anchors"].items() if direction in by
                }
                yield from _table(study, measure, rows[measure.key], anchors)
        best = told["table"]["best_epochs"][direction]
        listed = (f"{method} {', '.join(str(epoch) for epoch in by.values())}" for method, by in best.items())
        yield f"Best epochs, seed by seed: {'; '.join(listed)}."
        yield ""


def _pictures(study: Study, told: Mapping[str, Any], direction: str) -> Iterator[str]:
    """The pictures of a direction. Whose photos may not be passed on should not have to cut them out of a report."""
    said = {"curves": f"{criterion(study).key} over epochs; gray is bare, thin lines are seeds, thick lines their mean"}
    if study.data.kind == "shapes":
        first = f"the first test images under seed {study.seeds[0]}, last epoch; chosen by nobody"
        said |= {"samples": f"Inputs and outputs of {first}", "maps": f"Where D looks at the outputs of {first}"}
    for kind, caption in said.items():
        name = picture_name(kind, direction)
        if name in told["pictures"]:
            if gone := told["not_shown"].get(name):
                caption += f"; no outputs of {', '.join(gone)} any more"
            yield f"![{caption}]({name})"
            yield ""
            yield f"*{caption}.*"
            yield ""


def _table(
    study: Study, measure: Measure, rows: Mapping[str, Any], anchors: Mapping[str, float | None]
) -> Iterator[str]:
    arrow = f" ({measure.better} is better)" if measure.better else ""
    yield f"**{measure.key}**: {measure.title}{arrow}"
    yield ""
    compared = any(method.name in rows and not method.guided for method in study.methods)
    columns = ["by seed", "mean"] + [f"minus {BARE} [95 %]"] * compared
    heads = [f"{moment}: {what}" for moment in MOMENTS for what in columns]
    yield f"| method | {' | '.join(heads)} |"
    yield "|---" * (1 + len(heads)) + "|"
    for method, moments in rows.items():
        cells = [cell for moment in MOMENTS for cell in _cells(moments[moment], measure.digits)[: len(columns)]]
        yield f"| {method} | {' | '.join(cells)} |"
    for name, value in anchors.items():
        if value is not None:
            yield f"| *{name}* | | {value:.{measure.digits}f} |" + " |" * (len(heads) - 2)
    yield ""


def _cells(row: Mapping[str, Any], digits: int) -> Sequence[str]:
    seeds = ", ".join(f"{value:.{digits}f}" for value in row["seeds"].values())
    difference = row.get("difference")
    if not difference:
        return seeds, f"{row['mean']:.{digits}f}", ""
    text = f"{difference['mean']:+.{digits}f}"
    if difference["low"] is not None:
        text += f" [{difference['low']:+.{digits}f}, {difference['high']:+.{digits}f}]"
    return seeds, f"{row['mean']:.{digits}f}", text


def _times(told: Mapping[str, Any]) -> Iterator[str]:
    yield "## Time and machine"
    yield ""
    yield "| run | training, s | tests, s | scores, s |"
    yield "|---|---|---|---|"
    for run in told["runs"]:
        seconds = [f"{run['seconds'][what]:.0f}" for what in ("train", "test", "score")]
        yield f"| {run['method']}, seed {run['seed']} | {' | '.join(seconds)} |"
    yield ""
    machine = told["machine"]
    gpus = machine["GPUs"] if isinstance(machine["GPUs"], str) else ", ".join(machine["GPUs"])
    yield (
        f"{machine['CPU']}, {machine['cores']} cores, GPUs: {gpus}, {machine['system']}; "
        f"trainings at a time: {machine['trainings at a time']}."
    )
    yield "Versions: " + ", ".join(f"{name} {version}" for name, version in told["versions"].items()) + "."
    yield ""


def _foot(study: Study, told: Mapping[str, Any]) -> Iterator[str]:
    yield "## The study"
    yield ""
    yield "```yaml"
    yield study.text.rstrip()
    yield "```"
