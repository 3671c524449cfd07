"""Trainings and tests: the host's own scripts in child processes, run by an :class:`~executor.Executor`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dataset import Dataset
from executor import Executor, RunError
from settings import TEST_OPTIONS, Method, Study

NAME = "study"  # of the host's run, in a folder of its own


@dataclass(frozen=True)
class Run:
    """One method under one seed, in a folder of its own.

    Attributes:
        method: It.
        seed: Of its training.
        folder: Its own.
        place: Among all runs of the study, from 0: a test comes before the trainings of later runs.
        trainer: The run whose training is tested; None for its own.
    """

    method: Method
    seed: int
    folder: Path
    place: int = field(default=0, compare=False)
    trainer: Run | None = None

    @property
    def trained_in(self) -> Run:
        """The run whose folder has the training."""
        return self.trainer or self

    def __str__(self) -> str:
        return f"{self.method.name}, seed {self.seed}"


def train(study: Study, run: Run, dataset: Dataset, executor: Executor) -> float:
    """Train from the start; the checkpoints appear when it is done. Seconds it took.

    Raises:
        RunError: If it fails.
    """
    attempt = _attempt(run, "train")
    options = [*_options(run.method.system.train_options), *_options(study.schedule)]
    if study.seed_option:
        options += [f"--{study.seed_option}", str(run.seed)]
    command = command_line(study, run, "train.py", dataset.root_of(run.method.system), attempt) + options
    seconds = executor.run(command, study.host, run.folder / "train.log", run.place)
    shutil.rmtree(run.folder / "checkpoints", ignore_errors=True)
    attempt.replace(run.folder / "checkpoints")
    return seconds


def test(study: Study, run: Run, epoch: int, dataset: Dataset, executor: Executor) -> tuple[Path, float]:
    """Translate the test images with one epoch's checkpoint; the folder of images, and seconds with its predictor.

    Raises:
        RunError: If it fails, or left no images.
    """
    results = _attempt(run, f"test{epoch}")
    checkpoints, seconds = run.trained_in.folder / "checkpoints", 0.0
    if run.method.options.get("test_map") == "predict":
        command = [sys.executable, "-m", "guidegan_plugin", "predict-maps", str(checkpoints.resolve() / NAME)]
        command += ["--epoch", str(epoch)]
        seconds += executor.run(command, study.host, run.folder / f"predict_{epoch}.log", run.place)
    command = command_line(study, run, "test.py", dataset.root_of(run.method.system), checkpoints)
    command += [*_options(run.method.system.test_options), "--results_dir", str(results), "--epoch", str(epoch)]
    command += ["--num_test", str(dataset.tested), *(["--guide_show"] if run.method.guided else [])]
    seconds += executor.run(command, study.host, run.folder / f"test_{epoch}.log", run.place)
    pages = list(results.glob("*/*/images"))
    if not pages:
        raise RunError(f"test.py of epoch {epoch} left no folder of images; the log is test_{epoch}.log")
    return pages[0], seconds


def clear(run: Run) -> None:
    """Remove what attempts before left half done."""
    for old in run.folder.glob("attempt-*"):
        shutil.rmtree(old, ignore_errors=True)


def _attempt(run: Run, what: str) -> Path:
    # A name of this process's own: what a killed study has left running writes elsewhere. One of this name that is
    # there was left by a study which is over: in a container all have the same few numbers.
    folder = run.folder / f"attempt-{os.getpid()}-{what}"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def command_line(study: Study, run: Run, script: str, dataroot: Path, checkpoints: Path) -> list[str]:
    """The command of a script of the host's, with guidance within its reach if the method is guided."""
    method = run.method
    launcher = ["-m", "guidegan_plugin", "run"] if method.guided else []
    command = [sys.executable, *launcher, str(study.host / script), "--dataroot", str(dataroot.resolve())]
    command += ["--checkpoints_dir", str(checkpoints.resolve()), "--name", NAME]
    system = method.system
    command += ["--model", f"guide_{system.model}" if method.guided else system.model, *_options(system.options)]
    if study.data.direction != "AtoB" and system.pairs:  # without pairs the model's A is in folders of its own
        command += ["--direction", study.data.direction]
    if method.guided:
        guide = {"seed": run.seed, **method.options}  # unless the method says it, randomness differs between seeds
        told = {name: value for name, value in guide.items() if script == "test.py" or name not in TEST_OPTIONS}
        command += _options({f"guide_{name}": value for name, value in told.items()})
    return command


def _options(options: Mapping[str, object]) -> list[str]:
    words = []
    for name, value in options.items():
        if value is not False:
            words += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    return words
