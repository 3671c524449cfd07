"""Run or resume a study: several methods, several seeds, one evaluator, and a report.

Examples:
    python examples/study/run.py examples/study/shapes.yaml --out studies/shapes --jobs 2
    python examples/study/run.py examples/study/camvid.yaml --out studies/camvid --data datasets/camvid
    python examples/study/run.py examples/study/shapes.yaml --out studies/shapes --only bare --only pha+rhp
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import facts
import torch
from material import Material, prepare
from reading import read_study
from report import markdown
from runs import Machine, Run, RunError, clear, test, train
from scores import Judge, collect
from settings import Study
from tables import collate

from guidegan_plugin.cli.console import tracker
from guidegan_plugin.errors import ConfigError, GuideError
from guidegan_plugin.files import write_whole


class Laboratory:
    """Takes runs to their result files, each step kept as it is done.

    Args:
        study: The study.
        material: Its data set.
        judge: Scores outputs, one folder at a time.
        machine: Runs child processes.
    """

    def __init__(self, study: Study, material: Material, judge: Judge, machine: Machine) -> None:
        self._study, self._material, self._judge, self._machine = study, material, judge, machine
        self._scoring = threading.Lock()

    def finish(self, run: Run) -> str:
        """Train, test and score what is not yet; in words, what was done."""
        if read_result(self._study, run):
            return "was done"
        run.folder.mkdir(parents=True, exist_ok=True)
        clear(run)
        seconds = {"train": self._trained(run), "test": 0.0, "score": 0.0}
        epochs = {}
        for epoch in self._study.epochs:
            told = self._scored(run, epoch)
            epochs[str(epoch)] = told["figures"]
            seconds["test"] += told["seconds"]["test"]
            seconds["score"] += told["seconds"]["score"]
        fingerprint = self._study.fingerprint(run.method, run.seed)
        result = {"method": run.method.name, "seed": run.seed, "fingerprint": fingerprint}
        write_json(run.folder / "result.json", result | {"epochs": epochs, "seconds": seconds})
        return f"trained in {seconds['train']:.0f} s, tested and scored in {seconds['test'] + seconds['score']:.0f} s"

    def _trained(self, run: Run) -> float:
        kept = self._kept(run, "trained.json")
        if kept is None:
            seconds = train(self._study, run, self._material.root, self._machine)
            kept = {"seconds": seconds, "fingerprint": self._study.fingerprint(run.method, run.seed)}
            write_json(run.folder / "trained.json", kept)
        return float(kept["seconds"])

    def _scored(self, run: Run, epoch: int) -> dict[str, Any]:
        kept = self._kept(run, f"epoch_{epoch}.json")
        if kept is not None:
            return kept
        page, tested = test(self._study, run, epoch, self._material.root, self._machine)
        folder = run.folder / f"outputs_{epoch}"
        shutil.rmtree(folder, ignore_errors=True)
        outputs = collect(page, folder, self._study)
        missing = [direction for direction in self._study.directions if direction not in outputs]
        if missing:
            raise RunError(f"test.py of epoch {epoch} left no output for {missing[0]} in {page}")
        clear(run)
        labels = {"method": run.method.name, "seed": str(run.seed), "epoch": str(epoch)}
        with self._scoring:
            started = time.monotonic()
            figures = {
                direction: self._judge.score(fakes, direction, {**labels, "direction": direction})
                for direction, fakes in outputs.items()
            }
            seconds = {"test": tested, "score": time.monotonic() - started}
        fingerprint = self._study.fingerprint(run.method, run.seed)
        told = {"figures": figures, "seconds": seconds, "fingerprint": fingerprint}
        write_json(run.folder / f"epoch_{epoch}.json", told)
        return told

    def _kept(self, run: Run, name: str) -> dict[str, Any] | None:
        return read_kept(self._study, run, name)


def read_kept(study: Study, run: Run, name: str) -> dict[str, Any] | None:
    """What a step of a run has left; None if nothing.

    Raises:
        ConfigError: If it is of another study.
    """
    path = run.folder / name
    if not path.exists():
        return None
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if kept["fingerprint"] != study.fingerprint(run.method, run.seed):
        raise ConfigError(f"{run.folder} is of a study with other settings; change --out, or remove that folder")
    return kept


def read_result(study: Study, run: Run) -> dict[str, Any] | None:
    """A complete run's figures; None if it is not complete."""
    return read_kept(study, run, "result.json")


def write_json(path: Path, content: object) -> None:
    """Write JSON, whole or not at all."""
    write_whole(path, (json.dumps(content, indent=2) + "\n").encode())


def planned(study: Study, out: Path) -> list[Run]:
    """All runs, seed by seed, so that a study cut short has whole pairs."""
    return [
        Run(method, seed, out / "runs" / method.slug / f"seed{seed}")
        for seed in study.seeds
        for method in study.methods
    ]


def perform(laboratory: Laboratory, runs: list[Run], machine: Machine) -> int:
    """Take runs to their end, several at a time; how many failed."""
    failed = 0
    with ThreadPoolExecutor(machine.jobs) as pool:
        futures = {pool.submit(laboratory.finish, run): run for run in runs}
        try:
            for number, future in enumerate(as_completed(futures), start=1):
                try:
                    said = future.result()
                except (GuideError, OSError) as error:
                    failed += 1
                    said = str(error)
                print(f"[{number}/{len(runs)}] {futures[future]}: {said}", flush=True)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            machine.end()
            raise
    return failed


def write_report(study: Study, out: Path, judge: Judge, jobs: int) -> None:
    """Write report.json and report.md of what is complete so far."""
    runs = planned(study, out)
    results = {(run.method.name, run.seed): result for run in runs if (result := read_result(study, run))}
    told = {
        "title": study.title,
        "command": facts.command(),
        "machine": facts.machine(jobs),
        "versions": facts.versions(),
        "judge": judge.about,
        "anchors": judge.anchors(),
        "missing": [str(run) for run in runs if (run.method.name, run.seed) not in results],
        "table": collate(study, results),
        "runs": list(results.values()),
        "study": study.text,
    }
    write_json(out / "report.json", told)
    write_whole(out / "report.md", markdown(study, told).encode())


@contextlib.contextmanager
def alone(out: Path) -> Iterator[None]:
    """Refuse a second study in one folder."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as file:
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
    args = parser.parse_args(arguments)
    logging.getLogger("guidegan_plugin.evaluation").setLevel(logging.ERROR)  # advice on scores that are not taken
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        return _run(args)
    except GuideError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on from here", file=sys.stderr)
        return 130


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
        machine = Machine(jobs, gpus)
        material = prepare(study.data, out)
        judge = Judge(study, material, out, tracker())
        torch.set_num_threads(machine.threads)
        wanted = [run for run in runs if not args.only or run.method.name in args.only]
        failed = perform(Laboratory(study, material, judge, machine), wanted, machine)
        write_report(study, out, judge, jobs)
    print(f"the report: {args.out / 'report.md'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
