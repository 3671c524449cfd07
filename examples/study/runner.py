"""Takes runs to their result files; each step is kept as it is done, so that a study can be cut short anywhere."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from dataset import Dataset
from evaluator import Evaluator, collect
from executor import Executor, RunError
from facts import made_with
from runs import Run, clear, test, train
from settings import Method, Study

from guidegan_plugin.errors import ConfigError
from guidegan_plugin.utils.files import write_whole

_TRAINED = "trained.json"  # in a run's folder: that it was trained, and how
_RESULT = "result.json"  # likewise: that it is complete, and its figures


class Runner:
    """Takes runs to their result files, each step kept as it is done.

    Args:
        study: The study.
        dataset: Its data set.
        evaluator: Scores outputs, one folder at a time.
        executor: Runs child processes.
    """

    def __init__(self, study: Study, dataset: Dataset, evaluator: Evaluator, executor: Executor) -> None:
        self._study, self._dataset, self._evaluator, self._executor = study, dataset, evaluator, executor
        self._scoring = threading.Lock()
        self._training: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def done(self, run: Run) -> bool:
        """Whether a run is complete."""
        return read_result(self._study, run) is not None

    def finish(self, run: Run) -> str:
        """Train, test and score what is not yet; in words, what was done."""
        try:
            return "was done" if self.done(run) else self._finish(run)
        finally:
            self._executor.dismiss(run.place)

    def _finish(self, run: Run) -> str:
        run.folder.mkdir(parents=True, exist_ok=True)
        trained = self._trained(run)
        seconds = {"train": trained["seconds"], "test": 0.0, "score": 0.0}
        epochs, made = {}, {"training": trained.get("made_with", {})}
        for epoch in self._study.epochs:
            told = self._scored(run, epoch)
            epochs[str(epoch)], made[f"epoch {epoch}"] = told["figures"], told.get("made_with", {})
            seconds["test"] += told["seconds"]["test"]
            seconds["score"] += told["seconds"]["score"]
        fingerprint = self._study.fingerprint(run.method, run.seed)
        result = {"method": run.method.name, "seed": run.seed, "fingerprint": fingerprint}
        write_json(run.folder / _RESULT, result | {"epochs": epochs, "seconds": seconds, "made_with": made})
        return f"trained in {seconds['train']:.0f} s, tested and scored in {seconds['test'] + seconds['score']:.0f} s"

    def _trained(self, run: Run) -> dict[str, Any]:
        kept = self._kept(run.trained_in, _TRAINED)
        if kept is not None:
            return kept
        if run.trainer is not None:
            run.trainer.folder.mkdir(parents=True, exist_ok=True)
            with self._executor.aside(run.place):  # its trainer's place is asked for, by whichever of the two is first
                return self._trained(run.trainer)
        with self._training[str(run.folder)]:
            return self._trained_once(run)

    def _trained_once(self, run: Run) -> dict[str, Any]:
        kept = self._kept(run, _TRAINED)
        if kept is not None:
            return kept
        clear(run)
        told = self._facts(run)
        told["seconds"] = train(self._study, run, self._dataset, self._executor)
        write_json(run.folder / _TRAINED, told)
        return told

    def _scored(self, run: Run, epoch: int) -> dict[str, Any]:
        kept = self._kept(run, f"epoch_{epoch}.json")
        if kept is not None:
            return kept
        told = self._facts(run)
        page, tested = test(self._study, run, epoch, self._dataset, self._executor)
        folder = run.folder / f"outputs_{epoch}"
        shutil.rmtree(folder, ignore_errors=True)
        directions = run.method.system.directions
        outputs = collect(page, folder, self._dataset, directions)
        missing = [direction for direction in directions if direction not in outputs]
        if missing:
            raise RunError(f"test.py of epoch {epoch} left no output for {missing[0]} in {page}")
        clear(run)
        figures = {}
        with self._executor.aside(run.place), self._scoring:
            started = time.monotonic()
            for direction, fakes in outputs.items():
                labels = self._labels(run, epoch, direction)
                figures[direction], results = self._evaluator.score(fakes, direction, labels)
                for result in results:  # for `guidegan report`
                    write_json(folder / f"{result['metric']}_{direction.replace('->', '_to_')}.json", result)
            seconds = {"test": tested, "score": time.monotonic() - started}
        told |= {"figures": figures, "seconds": seconds}
        write_json(run.folder / f"epoch_{epoch}.json", told)
        return told

    def _labels(self, run: Run, epoch: int, direction: str) -> dict[str, str]:
        data = self._study.data.kind
        setting = "paired" if run.method.system.pairs else "unpaired"
        labels = {"dataset": data, "setting": setting, "direction": direction}
        return labels | {"method": run.method.name, "seed": str(run.seed), "epoch": str(epoch)}

    def _facts(self, run: Run) -> dict[str, Any]:
        """What a step is made of; taken before it, since code may change meanwhile."""
        fingerprint = self._study.fingerprint(run.method, run.seed)
        return {"fingerprint": fingerprint, "made_with": made_with(self._dataset.root, self._evaluator.about)}

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
    return read_kept(study, run, _RESULT)


def take_results(study: Study, runs: Sequence[Run], report: Path) -> None:
    """Take complete runs of this study out of an earlier `report.json`, whose folder may be gone.

    Args:
        study: The study.
        runs: Of it; those that have a result keep theirs.
        report: The file.

    Raises:
        ConfigError: If it is no report, or has no run of this study.
    """
    try:
        told = json.loads(report.read_text(encoding="utf-8"))["runs"]
        known = {one["fingerprint"]: one for one in told if isinstance(one["epochs"], dict)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"--with: {report} is no report.json of a study ({error}); change --with") from error
    found = [(run, one) for run in runs if (one := known.get(study.fingerprint(run.method, run.seed)))]
    if not found:
        raise ConfigError(f"--with: {report} has no run with the settings of this study; change --with")
    for run, one in found:
        if not (run.folder / _RESULT).exists():
            run.folder.mkdir(parents=True, exist_ok=True)
            write_json(run.folder / _RESULT, one | {"method": run.method.name})


def write_json(path: Path, content: object) -> None:
    """Write JSON, whole or not at all."""
    write_whole(path, (json.dumps(content, indent=2) + "\n").encode())


def planned(study: Study, out: Path) -> list[Run]:
    """All runs, seed by seed, so that a study cut short has whole pairs."""
    return [_planned(study, out, method, seed) for seed in study.seeds for method in study.methods]


def _planned(study: Study, out: Path, method: Method, seed: int) -> Run:
    before = study.seeds.index(seed) * len(study.methods)
    alike = [
        Run(one, seed, out / "runs" / one.slug / f"seed{seed}", before + study.methods.index(one))
        for one in study.trained_alike(method)
    ]
    # One that was trained stays the trainer, wherever in the study a row of the same training is added.
    trainer = next((run for run in alike if (run.folder / _TRAINED).exists()), alike[0])
    own = next(run for run in alike if run.method == method)
    return own if trainer == own else replace(own, trainer=trainer)
