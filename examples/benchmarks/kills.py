"""What SIGKILL leaves of a guided training: kills spread over loading, steps and saves, each followed by a resume.

The reference host trains tiny networks with `--guide_full_state` and saves after every step. Each training runs in a
process of its own, forked from this one, so that torch is imported once. A training tells through a pipe when it has
loaded and when a save has returned; this process watches the run's folder and kills. After each kill the training is
resumed. Lost is whatever a returned save had and the resumed training has not; a resume that ends by itself, and any
traceback, counts, too.

A save of networks this small takes milliseconds, and the files move into place in less than one. So that kills land
inside saves, `fsync` and the renames of a save are delayed by `--delay` seconds. Where a kill landed is read off what
the folder holds afterwards.

Examples:
    python examples/benchmarks/kills.py --json kills.json
    python examples/benchmarks/kills.py --kills 12 --store mmap
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from forked_training import Training

from guidegan_plugin.datasets.synthetic.shapes import write_unpaired
from guidegan_plugin.datasets.synthetic.street import write_paired
from guidegan_plugin.guidance.memory.store_file import load_visits
from guidegan_plugin.plugins.manager import KINDS, collect, create_manager

MODELS = ("cycle_gan", "pix2pix")
NETS = "--netG resnet_6blocks --ngf 2 --ndf 2 --load_size 36 --crop_size 32 --num_threads 0 --seed 1"
SAVES = "--save_latest_freq 1 --save_epoch_freq 100000 --n_epochs 100000 --print_freq 100000 --guide_no_visuals"
OVER = "--n_epochs 1 --n_epochs_decay 0"  # a resumed training that has nothing left to do
# In the order in which they come; a save is where something can be torn, so most kills are meant for it.
AIMS = ("writing", "moving", "writing", "step", "moving", "writing", "loading", "moving", "writing", "step")
# What the folder of a run holds in the middle of a save.
MARKS = {"writing": ".guide_writing", "moving": ".guide_complete"}


class Chain:
    """One run that is killed and resumed again and again.

    Args:
        folder: Where it works.
        model: Of the host.
        delay: As for `Training`.
        rng: Draws the moments.
        store: Where the maps are kept, as `--guide_store` says it.
    """

    def __init__(self, folder: Path, model: str, delay: float, rng: random.Random, store: str) -> None:
        self.folder, self.run, self._delay, self._rng = folder, folder / "checkpoints" / "run", delay, rng
        folder.mkdir()
        write = write_paired if model == "pix2pix" else write_unpaired
        write(folder / "data", 40, 4, 1, workers=1)
        self._options = ["--dataroot", "data", "--model", f"guide_{model}", "--name", "run", "--guide_full_state"]
        self._options += [*NETS.split(), *SAVES.split(), "--guide_store", store]
        self.landed: Counter[str] = Counter()
        self.faults: list[str] = []
        self._loading, self._saved = 0.1, 0  # seconds that loading took at last; visits of the newest returned save
        self._training = self._begin(resumed=False)

    def kill(self, aim: str) -> None:
        """Kill once and resume."""
        if aim == "loading":
            self._training.kill()  # not counted
            self._hear()
            self._training = Training(self.folder, self._all_options, self._delay)
            time.sleep(self._rng.uniform(0, self._loading))
        else:
            self._await(aim)
        self._training.kill()
        self._hear()
        self.landed[self._place()] += 1
        self._training = self._begin()

    def finish(self) -> None:
        """Resume once more for a training that ends well, and look for litter."""
        self._training.kill()
        self._hear()
        last = Training(self.folder, [*self._all_options, *OVER.split()], self._delay)
        last.wait_for(lambda: last.exit_code is not None)
        last.kill()
        if last.exit_code != 0:
            self._fault(f"the last resume ended with code {last.exit_code}", last)
        if litter := [path.name for path in self.run.iterdir() if path.name.startswith(".")]:
            self.faults.append(f"litter: {', '.join(litter)}")
        visits = sum(sum(one.values()) for one in load_visits(self.run / "latest_guide.safetensors").values())
        if visits < self._saved:
            self.faults.append(f"lost: {self._saved} visits were saved, {visits} are left")

    @property
    def _all_options(self) -> list[str]:
        return [*self._options, "--continue_train"]

    def _begin(self, resumed: bool = True) -> Training:
        """A training that has loaded what is there, and saved once since."""
        began = time.monotonic()
        training = Training(self.folder, self._all_options if resumed else self._options, self._delay)
        loaded = training.wait_for(lambda: training.told("loaded"))
        self._loading = time.monotonic() - began
        if not loaded or not training.wait_for(lambda: training.told("saved")):
            self._fault(f"a resume ended by itself with code {training.exit_code}", training)
            raise SystemExit("\n".join(self.faults))
        if training.told("loaded")[0] < self._saved:
            self.faults.append(f"lost: {self._saved} visits were saved, {training.told('loaded')[0]} came back")
        self._hear(training)
        return training

    def _await(self, aim: str) -> None:
        """Wait for the moment; a training that is about to be killed never ends by itself."""
        training, saves = self._training, len(self._training.told("saved"))
        if mark := MARKS.get(aim):
            path = str(self.run / mark)
            training.wait_for(lambda: os.path.isdir(path), pause=0)  # noqa: PTH112 - as fast as can be
            time.sleep(self._rng.uniform(0, 6 * self._delay))
        else:
            training.wait_for(lambda: len(training.told("saved")) > saves, pause=0)
            time.sleep(self._rng.uniform(0, 0.05))

    def _place(self) -> str:
        """Where the kill landed."""
        found = {name for name, mark in MARKS.items() if (self.run / mark).exists()}
        if found:
            return "moving" if "moving" in found else "writing"
        return "step" if self._training.told("loaded") else "loading"

    def _hear(self, training: Training | None = None) -> None:
        training = training or self._training
        self._saved = max([self._saved, *training.told("saved")])
        text = training.log.read_text()
        if "Traceback" in text or "could not be written" in text:
            self._fault("a traceback, or a save that failed", training)

    def _fault(self, what: str, training: Training) -> None:
        self.faults.append(f"{what}: {training.log.read_text()[-1500:]}")


def measure(kills: int, delay: float, seed: int, store: str, scratch: Path) -> dict[str, Any]:
    """Kill so often, in turn in trainings of each model."""
    torch.set_num_threads(1)
    began, rng = time.monotonic(), random.Random(seed)
    figures: dict[str, Any] = {"kills": kills, "store": store, "delay_s": delay, "landed": {}, "faults": []}
    for number, model in enumerate(MODELS):
        share = (kills + number) // len(MODELS)
        chain = Chain(scratch / model, model, delay, rng, store)
        for aim in itertools.islice(itertools.cycle(AIMS), share):
            chain.kill(aim)
        chain.finish()
        figures["landed"][model] = dict(chain.landed)
        figures["faults"] += chain.faults
    figures["lost"] = sum(fault.startswith("lost") for fault in figures["faults"])
    figures["tracebacks"] = sum("Traceback" in fault for fault in figures["faults"])
    figures["seconds"] = round(time.monotonic() - began, 1)
    return figures


def main() -> None:
    """Measure and print; the exit code is 1 if anything was lost or failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200, help="%(default)s by default")
    parser.add_argument("--delay", type=float, default=0.003, help="seconds added to fsync and rename; %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the moments; %(default)s by default")
    parser.add_argument("--store", choices=("memory", "mmap"), default="memory", help="%(default)s by default")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    args = parser.parse_args()
    for kind in KINDS:  # imported before the trainings are forked
        collect(create_manager(), kind)
    gc.freeze()  # else a collection in a fork copies the memory of all that was imported
    with tempfile.TemporaryDirectory() as scratch:
        figures = measure(args.kills, args.delay, args.seed, args.store, Path(scratch))
    for model, landed in figures["landed"].items():
        print(f"{model}: {', '.join(f'{count} in {place}' for place, count in sorted(landed.items()))}")
    print("{kills} kills, {lost} lost, {tracebacks} tracebacks, {seconds} s".format(**figures))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    sys.exit("\n".join(figures["faults"]) or 0)


if __name__ == "__main__":
    main()
