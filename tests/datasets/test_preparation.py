"""Promises of preparing: resumable, all or nothing, the same whatever the number of workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from guidegan_plugin.datasets import preparation
from guidegan_plugin.datasets.preparation import RECORD, Job, Plan, partial_folder, prepare
from guidegan_plugin.datasets.splits import copied
from guidegan_plugin.errors import ConfigError, DataError, GuideError
from guidegan_plugin.utils.progress import Item

COUNT = 40


def refused(sources: Sequence[Path]) -> list[bytes]:
    raise KeyError(sources)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "from").mkdir()
    sources = [tmp_path / "from" / f"{number}.png" for number in range(COUNT)]
    for number, source in enumerate(sources):
        Image.new("L", (4, 4), number).save(source)
    # A function of the package: worker processes cannot import a test.
    jobs = (Job((source,), (f"{'ab'[number % 2]}/{source.name}",), copied) for number, source in enumerate(sources))
    return Plan("test", {"seed": 0, "share": 0.2}, tuple(jobs))


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


class Interrupt:
    """A progress that ends as Ctrl-C would, after some items."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, items: Iterable[Item], about: str, total: int | None = None) -> Iterator[Item]:
        for number, item in enumerate(items, 1):
            yield item
            if number == self.after:
                raise KeyboardInterrupt


def interrupt(plan: Plan, out: Path, after: int, workers: int = 1) -> None:
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(preparation, "progress", Interrupt(after))
        prepare(plan, out, workers=workers)


def test_the_number_of_workers_changes_no_byte(plan: Plan, tmp_path: Path) -> None:
    one = prepare(plan, tmp_path / "one", workers=1)
    assert prepare(plan, tmp_path / "two", workers=2) == one
    assert one.images == {"a": COUNT // 2, "b": COUNT // 2}
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert (tmp_path / "one" / "a" / "2.png").read_bytes() == (tmp_path / "from" / "2.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["from", "one", "two"]


def test_an_interrupted_run_goes_on_where_it_stopped(plan: Plan, tmp_path: Path) -> None:
    out = tmp_path / "out"
    interrupt(plan, out, after=15)
    assert not out.exists()
    done = {job.targets[0] for job in plan.jobs if (partial_folder(out) / job.targets[0]).exists()}
    assert len(done) == 15
    # A job that is done must not be done again.
    jobs = (replace(job, make=refused) if job.targets[0] in done else job for job in plan.jobs)
    assert prepare(replace(plan, jobs=tuple(jobs)), out, workers=1).resumed == 15
    prepare(plan, tmp_path / "fresh", workers=1)
    assert digests(out) == digests(tmp_path / "fresh")


def test_ctrl_c_does_not_wait_for_the_jobs_that_have_not_begun(plan: Plan, tmp_path: Path) -> None:
    many = replace(plan, jobs=tuple(replace(job, targets=(f"{i}.png",)) for i, job in enumerate(plan.jobs * 25)))
    interrupt(many, tmp_path / "out", after=1, workers=2)
    # A chunk or two a worker had been handed out.
    assert 1 <= len(list(partial_folder(tmp_path / "out").glob("*.png"))) < len(many.jobs) // 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"options": {"seed": 1, "share": 0.2}}, "with seed 0, not 1"),
        ({"recipe": "other"}, "by `test`, not `other`"),
    ],
)
def test_other_options_do_not_go_on_with_it(plan: Plan, tmp_path: Path, change: dict[str, object], said: str) -> None:
    interrupt(plan, tmp_path / "out", after=3)
    with pytest.raises(GuideError, match=f"out.partial was begun {said}; do the same, or remove it"):
        prepare(replace(plan, **change), tmp_path / "out", workers=1)  # type: ignore[arg-type]


def test_other_source_files_do_not_go_on_with_it(plan: Plan, tmp_path: Path) -> None:
    interrupt(plan, tmp_path / "out", after=3)
    with pytest.raises(GuideError, match="was begun from other source files"):
        prepare(replace(plan, jobs=plan.jobs[1:]), tmp_path / "out", workers=1)


def test_a_folder_of_somebody_else_is_no_unfinished_data_set(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "mine.txt").write_text("mine")
    with pytest.raises(GuideError, match="is not an unfinished data set of ours"):
        prepare(plan, tmp_path / "out", workers=1)
    assert [path.name for path in (tmp_path / "out.partial").iterdir()] == ["mine.txt"]


def test_what_a_killed_process_left_unfinished_is_cleared_away(plan: Plan, tmp_path: Path) -> None:
    interrupt(plan, tmp_path / "out", after=3)
    (tmp_path / "out.partial" / "a" / ".4.png.123.tmp").write_bytes(b"TE")
    prepare(plan, tmp_path / "out", workers=1)
    assert not list((tmp_path / "out").rglob(".*"))


def test_an_unusable_source_is_listed_and_the_rest_is_written(plan: Plan, tmp_path: Path) -> None:
    broken = plan.jobs[7].sources[0]
    broken.write_text("broken")
    result = prepare(plan, tmp_path / "out", workers=1)
    failure = f"{broken} is no readable image (of no known format)"
    assert result.failures == (failure,)
    assert result.images == {"a": COUNT // 2, "b": COUNT // 2 - 1}
    assert len(list((tmp_path / "out").rglob("*.png"))) == COUNT - 1
    assert json.loads((tmp_path / "out" / RECORD).read_text())["failures"] == [failure]


def test_nothing_is_put_in_place_when_no_source_is_usable(plan: Plan, tmp_path: Path) -> None:
    for job in plan.jobs:
        job.sources[0].write_text("broken")
    with pytest.raises(DataError, match=r"no source could be used; the first: .*0\.png is no readable image"):
        prepare(plan, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_what_is_there_is_not_overwritten(plan: Plan, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(GuideError, match=r"out is not empty; choose another folder \(OUT\), or empty it"):
        prepare(plan, tmp_path / "out", workers=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["from", "out"]


def test_a_folder_below_a_file_is_refused_in_one_line(plan: Plan) -> None:
    file = plan.jobs[0].sources[0]
    with pytest.raises(GuideError, match=r"cannot be written \(.*\); choose another folder \(OUT\)"):
        prepare(plan, file / "deep" / "out", workers=1)


def test_two_jobs_for_one_file_are_refused(plan: Plan, tmp_path: Path) -> None:
    twice = replace(plan, jobs=(*plan.jobs, Job((tmp_path / "x.png",), ("A/0.PNG",), copied)))
    with pytest.raises(DataError, match=r"0\.png and .*x\.png would both become A/0\.PNG"):
        prepare(twice, tmp_path / "out", workers=1)


def test_no_jobs_and_no_workers_are_refused(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing to prepare"):
        prepare(replace(plan, jobs=()), tmp_path / "out")
    with pytest.raises(ConfigError, match="--workers"):
        prepare(plan, tmp_path / "out", workers=0)


def test_a_number_of_workers_that_cannot_work_leaves_nothing_behind(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--workers"):
        prepare(plan, tmp_path / "out", workers=0)
    assert not partial_folder(tmp_path / "out").exists()
