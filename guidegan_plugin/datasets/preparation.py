"""Preparing a data set: jobs from source images to target files, in parallel, resumable, all or nothing.

    plan = plan_split([Path("day"), Path("night")], test=0.2, seed=0)
    prepare(plan, Path("datasets/day2night"))

The files are written to `OUT.partial`, which is renamed to `OUT` when all jobs were done. A run that was interrupted
goes on there when the same plan is prepared again: a job all of whose targets exist is skipped.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from guidegan_plugin.datasets.folders import writing
from guidegan_plugin.datasets.parallel import check_workers, in_parallel
from guidegan_plugin.errors import DataError, GuideError
from guidegan_plugin.utils.files import put_in_place, write_whole
from guidegan_plugin.utils.progress import progress

Make = Callable[[Sequence[Path]], Sequence[bytes]]

RECORD = "preparation.json"
_JOBS_PER_WORKER = 100


@dataclass(frozen=True)
class Job:
    """What becomes of one source image, or of one pair of them.

    Attributes:
        sources: The files that are read.
        targets: The files that are written, relative to the data set, with `/`.
        make: Makes the targets' contents from the sources, in their order; raises DataError where a source is
            unusable. A function of a module's top level, or a `functools.partial` of one.
    """

    sources: tuple[Path, ...]
    targets: tuple[str, ...]
    make: Make


@dataclass(frozen=True)
class Plan:
    """A data set before it is written.

    Attributes:
        recipe: The command's name.
        options: Everything beside the sources that decides what is written.
        jobs: In any order; no two with the same target.
    """

    recipe: str
    options: Mapping[str, str | int | float]
    jobs: tuple[Job, ...]

    def identity(self) -> dict[str, object]:
        """What two runs must have in common for one to go on where the other stopped."""
        lines = (
            # abspath and not Path.absolute(), which keeps "..".
            # What a partial was given, as the boxes of crops, decides too; the function itself has no stable name.
            "\0".join([*(os.path.abspath(path) for path in job.sources), *job.targets, repr(_given(job))])  # noqa: PTH100
            for job in self.jobs
        )
        digest = hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest()
        return {"recipe": self.recipe, "options": dict(self.options), "files_sha256": digest}


@dataclass(frozen=True)
class Prepared:
    """A data set that was written.

    Attributes:
        images: How many files each folder holds.
        resumed: How many jobs an earlier run had done.
        failures: One line for each job whose source was unusable, and whose targets are therefore missing.
    """

    images: Mapping[str, int]
    resumed: int
    failures: tuple[str, ...]


def partial_folder(out: Path) -> Path:
    """Where a data set lies before it is complete."""
    return out.with_name(f"{out.name}.partial")


def prepare(plan: Plan, out: Path, *, workers: int | None = None) -> Prepared:
    """Carry out a plan, or the rest of it.

    Args:
        plan: What to write.
        out: A folder that is empty, or does not exist.
        workers: Processes; 1 works in this one, None takes one a CPU, and fewer for few jobs.

    Returns:
        What was written. Where there are failures, everything else was written.

    Raises:
        DataError: The plan has no jobs, or two with one target, or no source could be used.
        GuideError: `out` is taken or cannot be written, or `out.partial` is of another plan.
    """
    _check(plan)
    check_workers(workers)  # before anything is written
    with writing(out) as out:
        partial = partial_folder(out)
        _begin(plan, partial)
        todo = [job for job in plan.jobs if not all((partial / target).exists() for target in job.targets)]
        with closing(in_parallel(functools.partial(_carry_out, partial), todo, workers, _JOBS_PER_WORKER)) as outcomes:
            failed = list(progress(outcomes, "Preparing", total=len(todo)))
        failures = {job.targets: failure for job, failure in zip(todo, failed, strict=True) if failure}
        if len(failures) == len(plan.jobs):
            raise DataError(f"no source could be used; the first: {next(iter(failures.values()))}")
        result = Prepared(_count(plan, failures), len(plan.jobs) - len(todo), tuple(failures.values()))
        for torn in partial.rglob(".*.tmp"):  # a killed process cannot take its unfinished file away
            torn.unlink()
        _record(plan, partial, images=dict(result.images), failures=list(result.failures))
        put_in_place(partial, out)
    return result


def _given(job: Job) -> Mapping[str, object]:
    return job.make.keywords if isinstance(job.make, functools.partial) else {}


def _check(plan: Plan) -> None:
    if not plan.jobs:
        raise DataError(f"{plan.recipe}: there is nothing to prepare; change the folder that is read")
    owners: dict[str, Job] = {}
    for job in plan.jobs:
        for target in job.targets:
            # Many file systems do not tell upper from lower case.
            former = owners.setdefault(target.lower(), job)
            if former is not job:
                raise DataError(
                    f"{former.sources[0]} and {job.sources[0]} would both become {target}; rename one of them"
                )


def _begin(plan: Plan, partial: Path) -> None:
    """Make the folders, or recognise those of an interrupted run."""
    partial.mkdir(parents=True, exist_ok=True)
    found = _identity(partial / RECORD)
    if found is None:
        # Of a run that was killed before its record was there, at most a hidden file is left.
        if any(not path.name.startswith(".") for path in partial.iterdir()):
            raise GuideError(f"{partial} is not an unfinished data set of ours; choose another folder (OUT)")
        _record(plan, partial)
    elif found != plan.identity():
        raise GuideError(f"{partial} was begun {_difference(found, plan.identity())}; do the same, or remove it")
    for folder in {(partial / target).parent for job in plan.jobs for target in job.targets}:
        folder.mkdir(parents=True, exist_ok=True)


def _identity(record: Path) -> object:
    try:
        found = json.loads(record.read_bytes())
        return {name: found[name] for name in ("recipe", "options", "files_sha256")}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None


def _difference(found: object, wanted: Mapping[str, object]) -> str:
    former = found if isinstance(found, dict) else {}
    if former.get("recipe") != wanted["recipe"]:
        return f"by `{former.get('recipe')}`, not `{wanted['recipe']}`"
    options, now = former.get("options"), wanted["options"]
    if isinstance(options, dict) and isinstance(now, dict) and options != now:
        names = [name for name in sorted({*options, *now}) if options.get(name) != now.get(name)]
        return "with " + ", ".join(f"{name} {options.get(name)}, not {now.get(name)}" for name in names)
    return "from other source files"


def _record(plan: Plan, partial: Path, **outcome: object) -> None:
    content = json.dumps({**plan.identity(), **outcome}, indent=2, default=str) + "\n"
    write_whole(partial / RECORD, content.encode())


def _carry_out(partial: Path, job: Job) -> str | None:
    """Do a job; what was wrong with its sources, in one line, or None."""
    try:
        contents = job.make(job.sources)
    except DataError as error:
        message = " ".join(str(error).split())
        return message if str(job.sources[0]) in message else f"{job.sources[0]}: {message}"
    for target, content in zip(job.targets, contents, strict=True):
        write_whole(partial / target, content)
    return None


def _count(plan: Plan, failures: Mapping[tuple[str, ...], str]) -> dict[str, int]:
    written = [target for job in plan.jobs if job.targets not in failures for target in job.targets]
    return dict(sorted(Counter(str(PurePosixPath(target).parent) for target in written).items()))
