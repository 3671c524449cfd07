"""Run or resume a study: several methods, several seeds, one evaluator, and a report.

Examples:
    python examples/study/run.py examples/study/shapes.yaml --out studies/shapes --jobs 2
    python examples/study/run.py examples/study/camvid.yaml --out studies/camvid --data datasets/camvid
    python examples/study/run.py examples/study/shapes.yaml --out studies/shapes --only bare --only pha+rhp
    python examples/study/run.py more.yaml --out studies/more --with docs/results/shapes/report.json
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import facts
import torch
from curves import draw_curves
from dataset import Dataset, prepare
from evaluator import Evaluator
from executor import Executor
from measures import criterion
from pictures import draw_samples
from reading import read_study
from report import markdown, picture_name
from runner import Runner, planned, read_result, take_results, write_json
from runs import Run
from settings import Study
from tables import Results, collate

from guidegan_plugin.errors import ConfigError, GuideError
from guidegan_plugin.utils.files import os_errors_as, write_whole
from guidegan_plugin.utils.progress import show_progress


def perform(runner: Runner, runs: list[Run], executor: Executor) -> int:
    """Take runs to their end, several at a time, in their order; how many failed."""
    failed, number = 0, itertools.count(1)

    def tell(run: Run, said: object) -> None:
        print(f"[{next(number)}/{len(runs)}] {run}: {said}", flush=True)

    left = [run for run in runs if not runner.done(run)]
    for run in runs:
        if run not in left:
            tell(run, "was done")
    executor.expect(*(run.place for run in left))
    # A thread each: those that wait for a training of another run hold no place of those who train.
    with ThreadPoolExecutor(len(left) or 1) as pool:
        try:
            futures = {pool.submit(runner.finish, run): run for run in left}
            for future in as_completed(futures):
                try:
                    tell(futures[future], future.result())
                except (GuideError, OSError) as error:
                    failed += 1
                    tell(futures[future], error)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            executor.end()
            raise
    return failed


def write_report(study: Study, out: Path, dataset: Dataset, evaluator: Evaluator, jobs: int) -> None:
    """Write report.json, report.md and pictures of what is complete so far."""
    runs = planned(study, out)
    results = {(run.method.name, run.seed): result for run in runs if (result := read_result(study, run))}
    pictures = _draw_pictures(study, runs, results, dataset, out)
    told = {
        "title": study.title,
        "command": facts.command(),
        "machine": facts.machine(jobs),
        "versions": facts.versions(),
        "judge": evaluator.about,
        "anchors": evaluator.anchors(),
        "missing": [str(run) for run in runs if (run.method.name, run.seed) not in results],
        "table": collate(study, results),
        "runs": list(results.values()),
        "study": study.text,
        "pictures": list(pictures),
        "not_shown": {name: gone for name, gone in pictures.items() if gone},
    }
    write_json(out / "report.json", told)
    write_whole(out / "report.md", markdown(study, told).encode())


def _draw_pictures(
    study: Study, runs: list[Run], results: Results, dataset: Dataset, out: Path
) -> dict[str, list[str]]:
    """Draw samples, maps and curves of each direction; which there are, with the methods whose outputs are gone."""
    drawn: dict[str, list[str]] = {}
    for direction in study.directions:
        source, target = direction.split("->")
        tested = [
            (run.method, run.folder / f"outputs_{study.epochs[-1]}")
            for run in runs
            if run.seed == study.seeds[0]
            and (run.method.name, run.seed) in results
            and direction in run.method.system.directions
        ]
        for kind, visual in (("samples", f"fake_{target}"), ("maps", f"attention_{source}")):
            shown = [(method.name, folder / visual) for method, folder in tested if (folder / visual).is_dir()]
            path = out / picture_name(kind, direction)
            if draw_samples(study, dataset.test[source], shown, path):
                gone = [method for method, folder in tested if not (folder / f"fake_{target}").is_dir()]
                drawn[path.name] = [method.name for method in gone if method.guided or kind == "samples"]
        path = out / picture_name("curves", direction)
        if draw_curves(study, results, direction, criterion(study), path):
            drawn[path.name] = []
    return drawn


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
    """Refuse a second study in one folder."""
    with os_errors_as(ConfigError, f"{out} cannot be written", "change --out"):
        out.mkdir(parents=True, exist_ok=True)
        file = (out / ".lock").open("w")
    with file:
        with contextlib.suppress(ImportError):
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConfigError(f"another study runs in {out}; wait for it, or change --out") from error
        yield


def main(arguments: list[str] | None = None) -> int:
    """Run the study; 1 if a run failed, 2 if it cannot begin."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="its YAML")
    parser.add_argument("--out", type=Path, required=True, help="folder of the study; one that is there is resumed")
    parser.add_argument("--data", type=Path, help="the host's data root, in place of data.path")
    parser.add_argument("--jobs", type=int, help="trainings at a time; as many as there are GPUs, else 1")
    parser.add_argument("--only", action="append", metavar="METHOD", help="run this method only; may be repeated")
    parser.add_argument(
        "--with", type=Path, dest="report", help="an earlier report.json: its runs are taken as they are"
    )
    args = parser.parse_args(arguments)
    logging.getLogger("guidegan_plugin.evaluation").setLevel(logging.ERROR)  # advice on scores that are not taken
    show_progress(sys.stderr.isatty())
    signal.signal(signal.SIGTERM, _stop)
    try:
        return _run(args)
    except (GuideError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130


def _stop(*_: object) -> None:
    raise KeyboardInterrupt


def _run(args: argparse.Namespace) -> int:
    study = read_study(args.study, args.data)
    known = [method.name for method in study.methods]
    for name in args.only or []:
        if name not in known:
            raise ConfigError(f"--only: no method {name!r}, known are {', '.join(known)}")
    gpus = torch.cuda.device_count()
    jobs = max(1, gpus) if args.jobs is None else args.jobs
    if jobs < 1:
        raise ConfigError(f"--jobs: expected at least 1, found {jobs}")
    out = args.out.resolve()
    with alone(out):
        runs = planned(study, out)
        for run in runs:
            read_result(study, run)  # refuses another study's folder before anything is trained
        if args.report:
            take_results(study, runs, args.report)
        executor = Executor(jobs, gpus)
        dataset = prepare(study.data, out, study.pairs, study.apart)
        evaluator = Evaluator(study, dataset, out)
        torch.set_num_threads(executor.threads)
        wanted = [run for run in runs if not args.only or run.method.name in args.only]
        failed = perform(Runner(study, dataset, evaluator, executor), wanted, executor)
        write_report(study, out, dataset, evaluator, jobs)
    print(f"the report: {args.out / 'report.md'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
